//! Calls that the agent issues for itself.

use frng_core::errno::Errno;
use frng_core::stat::{STATX_LEN, Statx};

use crate::arch;
use crate::text::Text;

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

/// Opens a file only to name it (`O_PATH`); `path` has a terminator.
pub fn open_path(path: &[u8]) -> Option<i32> {
    let args = [libc::AT_FDCWD as u64, path.as_ptr() as u64, (libc::O_PATH | libc::O_CLOEXEC) as u64, 0, 0, 0];
    // SAFETY: `path` is live.
    file(unsafe { arch::syscall(libc::SYS_openat as u32, args) })
}

/// The same for a directory, by openat2(2) with `RESOLVE_*`.
pub fn open_directory(from: i32, path: &[u8], resolve: u64) -> Option<i32> {
    // A `struct open_how` (`include/uapi/linux/openat2.h`).
    let how = [(libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC) as u64, 0, resolve];
    let args = [from as u64, path.as_ptr() as u64, how.as_ptr() as u64, size_of_val(&how) as u64, 0, 0];
    // SAFETY: `path` and `how` are live.
    file(unsafe { arch::syscall(libc::SYS_openat2 as u32, args) })
}

/// Another descriptor of the same file, the lowest free one from a number on.
pub fn duplicate(of: i32, from: u64) -> Option<i32> {
    // SAFETY: takes no memory.
    file(unsafe { arch::syscall(libc::SYS_fcntl as u32, [of as u64, libc::F_DUPFD_CLOEXEC as u64, from, 0, 0, 0]) })
}

/// Whether what is open is on procfs.
pub fn is_in_procfs(file: i32) -> Option<bool> {
    // A `struct statfs`, which begins with the kind of filesystem.
    let mut bytes = [0u64; size_of::<libc::statfs>() / size_of::<u64>()];
    // SAFETY: `bytes` is live.
    let raw = unsafe { arch::syscall(libc::SYS_fstatfs as u32, [file as u64, bytes.as_mut_ptr() as u64, 0, 0, 0, 0]) };
    Errno::from_raw(raw).ok()?;
    Some(bytes.first() == Some(&(libc::PROC_SUPER_MAGIC as u64)))
}

/// What a name in a directory is, itself.
///
/// # Errors
/// The kernel's.
pub fn stat_at(directory: i32, name: &[u8]) -> Result<Statx, Errno> {
    let mut bytes = [0u8; STATX_LEN];
    let flags = (libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT) as u64;
    let buffer = bytes.as_mut_ptr() as u64;
    let args = [directory as u64, name.as_ptr() as u64, flags, libc::STATX_BASIC_STATS.into(), buffer, 0];
    // SAFETY: `name` and `bytes` are live.
    Errno::from_raw(unsafe { arch::syscall(libc::SYS_statx as u32, args) })?;
    zerocopy::FromBytes::read_from_bytes(&bytes).map_err(|_| Errno::EIO)
}

/// The text of a symbolic link in a directory, if that fits.
pub fn link_at<const LEN: usize>(directory: i32, name: &[u8]) -> Option<Text<LEN>> {
    let mut text = [0u8; LEN];
    let args = [directory as u64, name.as_ptr() as u64, text.as_mut_ptr() as u64, LEN as u64, 0, 0];
    // SAFETY: `name` and `text` are live.
    let len = Errno::from_raw(unsafe { arch::syscall(libc::SYS_readlinkat as u32, args) }).ok()?;
    Text::of(&[text.get(..len as usize)?])
}

fn file(raw: u64) -> Option<i32> {
    Errno::from_raw(raw).ok().map(|fd| fd as i32)
}
