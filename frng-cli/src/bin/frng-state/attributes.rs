//! Extended attributes that are on disk: frng leaves those of `user.` there.

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use frng_core::state::Xattrs;

/// What Linux allows a list of names, and a value, to have at most (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`).
const MAX: usize = 65536;

/// The names and values in `user.` of a file, not following a symbolic link. None where there can be none, or where we may not read
/// them.
///
/// # Errors
/// Those of llistxattr(2) and lgetxattr(2) but for that.
pub fn of_user(path: &Path) -> io::Result<Xattrs> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut xattrs = Xattrs::new();
    for name in list(&path)?.split_inclusive(|byte| *byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        if name.to_bytes().starts_with(b"user.") {
            if let Some(value) = get(&path, name)? {
                xattrs.insert(name.to_bytes().to_vec(), value);
            }
        }
    }
    Ok(xattrs)
}

fn list(path: &CStr) -> io::Result<Vec<u8>> {
    let mut names = vec![0_u8; MAX];
    // SAFETY: the path is a string, and there is room for as many bytes as said.
    let len = unsafe { libc::llistxattr(path.as_ptr(), names.as_mut_ptr().cast(), names.len()) };
    Ok(cut(names, len)?.unwrap_or_default())
}

fn get(path: &CStr, name: &CStr) -> io::Result<Option<Vec<u8>>> {
    let mut value = vec![0_u8; MAX];
    // SAFETY: both are strings, and there is room for as many bytes as said.
    let len = unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    cut(value, len)
}

/// What a call that returned this has written; `None` where there is nothing for us.
fn cut(mut buffer: Vec<u8>, returned: libc::ssize_t) -> io::Result<Option<Vec<u8>>> {
    if let Ok(len) = usize::try_from(returned) {
        buffer.truncate(len);
        return Ok(Some(buffer));
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ENODATA | libc::ENOTSUP | libc::EACCES | libc::EPERM) => Ok(None),
        _ => Err(error),
    }
}
