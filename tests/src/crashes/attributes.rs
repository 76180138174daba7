//! What is shown of a file.

use std::ffi::CString;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The attribute that writers set. Only root may.
pub const MARK: &std::ffi::CStr = c"trusted.mark";

/// Of an inode, all that can be a lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    pub ino: u64,
    pub uid: u32,
    pub gid: u32,
    pub mode: u32,
    pub rdev: u64,
    /// The value of [`MARK`], if it is set.
    pub mark: Option<String>,
}

impl Attributes {
    /// `None` if there is no such file.
    pub fn of(path: &Path) -> Option<Attributes> {
        let shown = fs::symlink_metadata(path).ok()?;
        Some(Attributes {
            ino: shown.ino(),
            uid: shown.uid(),
            gid: shown.gid(),
            mode: shown.mode(),
            rdev: shown.rdev(),
            mark: mark(path),
        })
    }

    pub fn parse(words: &[&str]) -> Option<Attributes> {
        let [ino, uid, gid, mode, rdev, mark] = *words else { return None };
        Some(Attributes {
            ino: ino.parse().ok()?,
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            mode: u32::from_str_radix(mode, 8).ok()?,
            rdev: rdev.parse().ok()?,
            mark: (mark != "-").then(|| mark.into()),
        })
    }
}

impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Attributes { ino, uid, gid, mode, rdev, mark } = self;
        write!(f, "{ino} {uid} {gid} {mode:o} {rdev} {}", mark.as_deref().unwrap_or("-"))
    }
}

fn mark(path: &Path) -> Option<String> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let mut value = [0; 256];
    // SAFETY: names and buffer are live, and the buffer has that length.
    let len = unsafe { libc::lgetxattr(path.as_ptr(), MARK.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    Some(String::from_utf8_lossy(value.get(..usize::try_from(len).ok()?)?).into_owned())
}
