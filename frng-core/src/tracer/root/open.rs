//! The few calls by which paths are walked, all relative to open directories.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::errno::Errno;
use crate::proc_text;
use crate::stat::Statx;

/// The kernel's way to say that a path is too long, or has a zero in it.
fn terminated(path: &[u8]) -> Result<CString, Errno> {
    CString::new(path).map_err(|_| Errno::ENOENT)
}

fn last_errno() -> Errno {
    Errno(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

/// `O_PATH` of what a path from a directory leads to. `flags` are further `O_*`.
pub fn path_only(directory: i32, path: &[u8], flags: i32) -> Result<OwnedFd, Errno> {
    open(directory, path, libc::O_PATH | flags)
}

/// open(2) from a directory.
pub fn open(directory: i32, path: &[u8], flags: i32) -> Result<OwnedFd, Errno> {
    let path = terminated(path)?;
    // SAFETY: `path` is a terminated string.
    let fd = unsafe { libc::openat(directory, path.as_ptr(), libc::O_CLOEXEC | flags) };
    if fd < 0 {
        return Err(last_errno());
    }
    // SAFETY: a new descriptor of our own.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `O_PATH` by openat2(2), with `RESOLVE_*`.
pub fn resolved(directory: i32, path: &[u8], flags: i32, resolve: u64) -> Result<OwnedFd, Errno> {
    let path = terminated(path)?;
    // SAFETY: the structure holds integers only; all zeros is a value of it.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (libc::O_PATH | libc::O_CLOEXEC | flags) as u64;
    how.resolve = resolve;
    let len = size_of::<libc::open_how>();
    // SAFETY: `path` is a terminated string and `how` has the size given.
    let fd = unsafe { libc::syscall(libc::SYS_openat2, directory, path.as_ptr(), &raw const how, len) };
    if fd < 0 {
        return Err(last_errno());
    }
    // SAFETY: a new descriptor of our own.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// What a file is: statx(2) of an open one.
pub fn stat(file: &impl AsRawFd) -> Result<Statx, Errno> {
    stat_at(file.as_raw_fd(), b"", libc::AT_EMPTY_PATH)
}

/// The same as far as the kernel knows it without asking the filesystem for news: which inode it is, on which device, of which type.
pub fn known(file: &impl AsRawFd) -> Result<Statx, Errno> {
    stat_at(file.as_raw_fd(), b"", libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC)
}

/// statx(2) with everything the policy needs.
pub fn stat_at(directory: i32, path: &[u8], flags: i32) -> Result<Statx, Errno> {
    let path = terminated(path)?;
    let mut bytes = [0u8; size_of::<Statx>()];
    let flags = flags | libc::AT_NO_AUTOMOUNT;
    // SAFETY: `path` is a terminated string and `bytes` has the size of a struct statx.
    let result = unsafe {
        libc::syscall(libc::SYS_statx, directory, path.as_ptr(), flags, crate::stat::STATX_WANTED, bytes.as_mut_ptr())
    };
    if result != 0 {
        return Err(last_errno());
    }
    zerocopy::FromBytes::read_from_bytes(&bytes).map_err(|_| Errno::EIO)
}

/// The text of a symbolic link that is open (`path` is empty) or in an open directory.
pub fn link(directory: i32, path: &[u8]) -> Result<Vec<u8>, Errno> {
    let path = terminated(path)?;
    let mut text = vec![0; libc::PATH_MAX as usize];
    // SAFETY: `path` is a terminated string and `text` has the length given.
    let len = unsafe { libc::readlinkat(directory, path.as_ptr(), text.as_mut_ptr().cast(), text.len()) };
    if len < 0 {
        return Err(last_errno());
    }
    text.truncate(len as usize);
    Ok(text)
}

/// Where an open file is, as the kernel tells it (`/proc/self/fd/N`).
pub fn place(file: &impl AsRawFd) -> Result<Vec<u8>, Errno> {
    link(libc::AT_FDCWD, format!("/proc/self/fd/{}", file.as_raw_fd()).as_bytes())
}

/// The mount of an open file (proc_pid_fdinfo(5)), a number that is another one while this is open.
pub fn mount_id(file: &impl AsRawFd) -> Result<u64, Errno> {
    let info = proc_text::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).map_err(|_| Errno::EIO)?;
    let id = info.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok());
    id.ok_or(Errno::EIO)
}

/// Whether a file is one of procfs.
pub fn is_in_procfs(file: &impl AsRawFd) -> bool {
    filesystem(file) == Some(libc::PROC_SUPER_MAGIC as u64)
}

/// Whether a file is one of devpts.
pub fn is_in_devpts(file: &impl AsRawFd) -> bool {
    /// `DEVPTS_SUPER_MAGIC` (`include/uapi/linux/magic.h`).
    const DEVPTS_SUPER_MAGIC: u64 = 0x1cd1;
    filesystem(file) == Some(DEVPTS_SUPER_MAGIC)
}

/// The kind of filesystem that a file is on (statfs(2)).
fn filesystem(file: &impl AsRawFd) -> Option<u64> {
    // SAFETY: integers all through, for which zero is a value.
    let mut filesystem: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills the structure, which is alive.
    let result = unsafe { libc::fstatfs(file.as_raw_fd(), &raw mut filesystem) };
    (result == 0).then_some(filesystem.f_type as u64)
}

/// Whether this process may execute an open file, its filesystem being mounted accordingly.
pub fn may_execute(file: &impl AsRawFd) -> Result<(), Errno> {
    let path = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(|_| Errno::EIO)?;
    // SAFETY: `path` is a terminated string.
    let result = unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), libc::X_OK, libc::AT_EACCESS) };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}
