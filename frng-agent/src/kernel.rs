//! Calls that the agent issues for itself.

use frng_core::errno::Errno;

use crate::arch;

/// Maps memory at an address; whether that has worked.
pub fn map(at: u64, len: u64, protection: i32, flags: i32, file: i32) -> bool {
    let args = [at, len, protection as u64, flags as u64, file as u64, 0];
    // SAFETY: the callers map where nothing is.
    unsafe { arch::syscall(libc::SYS_mmap as u32, args) == at }
}

/// Opens a file to read and write; `path` has a terminator.
pub fn open(path: &[u8]) -> Option<i32> {
    let args = [libc::AT_FDCWD as u64, path.as_ptr() as u64, (libc::O_RDWR | libc::O_CLOEXEC) as u64, 0, 0, 0];
    // SAFETY: `path` is live.
    let raw = unsafe { arch::syscall(libc::SYS_openat as u32, args) };
    Errno::from_raw(raw).ok().map(|fd| fd as i32)
}

/// Closes a descriptor.
pub fn close(file: i32) {
    // SAFETY: the agent's own descriptor.
    unsafe { arch::syscall(libc::SYS_close as u32, [file as u64, 0, 0, 0, 0, 0]) };
}
