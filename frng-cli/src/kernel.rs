//! Whether the kernel is new enough.

use std::ffi::CStr;
use std::io;

/// What frng uses was complete with this version: openat2(2) came last, `PTRACE_GET_SYSCALL_INFO` with 5.3.
const NEEDED: &str = "5.6";

/// Looks for the youngest call that frng cannot do without: a version number would not tell of kernels with patches.
///
/// # Errors
/// One line that says which kernel is needed.
pub fn check() -> Result<(), String> {
    // SAFETY: no argument is a descriptor or a valid address, so that nothing is opened.
    let result = unsafe { libc::syscall(libc::SYS_openat2, -1, 0, 0, 0) };
    let error = io::Error::last_os_error();
    if result == -1 && error.raw_os_error() == Some(libc::ENOSYS) {
        return Err(format!("this kernel, {}, is too old: it has no openat2; use Linux {NEEDED} or later", release()));
    }
    Ok(())
}

/// Name and release of the kernel.
pub fn release() -> String {
    // SAFETY: the structure holds characters only; all zeros is a value of it.
    let mut name: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: `name` is live.
    if unsafe { libc::uname(&raw mut name) } != 0 {
        return "of unknown version".into();
    }
    // SAFETY: the kernel terminates both.
    let text = |field: &[libc::c_char]| unsafe { CStr::from_ptr(field.as_ptr()) }.to_string_lossy().into_owned();
    format!("{} {}", text(&name.sysname), text(&name.release))
}
