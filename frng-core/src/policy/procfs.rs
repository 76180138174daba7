//! What procfs tells of fooled processes: proc_pid_status(5), what is mounted and mapped for one in another root, and whom it says
//! their files belong to (`fs/proc/base.c: task_dump_owner`).
//!
//! The kernel makes such a text when it is read, and reading does not stop. So a descriptor of a file that tells something
//! faked is replaced by one of a copy. That is done when it is opened, where opens are looked at, and otherwise when it is asked
//! about by fstat(2), as nearly all programs do before they read. A copy is a file without a name: it tells what was true
//! when it was made, however often it is read, and its link in /proc/self/fd has another text.

pub mod place;
mod status;

pub use status::{Story, rewrite};

use super::{Tracee, TraceeExt, parent, view};
use crate::call::{FileRef, Sys};
use crate::errno::Errno;
use crate::lie::Lie;
use crate::stat::{S_IFREG, Statx, make_dev};

/// Longest path to be looked at by [`may_name`], in bytes with its terminator: two numbers of 10 digits and the rest.
pub const NAME_MAX: usize = 256;

/// Bytes for the path of a copy.
const COPY_PATH_MAX: usize = 64;

/// Names of files that tell something faked.
const NAMES: [&[u8]; 6] = [b"status", b"mounts", b"mountinfo", b"mountstats", b"maps", b"smaps"];

/// Whether a path may be that of a file which tells something faked; links of other names are not followed to find out.
pub fn may_name(path: &[u8]) -> bool {
    let is_inside = path.first() != Some(&b'/') || path.starts_with(b"/proc/");
    is_inside && is_told(path.rsplit(|byte| *byte == b'/').next().unwrap_or_default())
}

/// Whether a file of this name in the directory of a process or thread tells something faked.
pub fn is_told(name: &[u8]) -> bool {
    NAMES.contains(&name)
}

/// Whether a file is one of procfs.
pub fn has<T: Tracee>(tracee: &T, real: &Statx) -> bool {
    let device = tracee.settings().proc_device;
    device != 0 && device == make_dev(real.dev_major, real.dev_minor)
}

/// Replaces a descriptor of a file that tells something faked by one of a copy.
///
/// # Errors
/// Those of scratch memory, and of the calls that do it.
pub async fn replace<T: Tracee>(tracee: &T, fd: i32, close_on_exec: bool) -> Result<(), Errno> {
    let mut path = [0; COPY_PATH_MAX];
    let Some(len) = tracee.told_by_procfs(fd, &mut path) else { return Ok(()) };
    let path = parent::put_path(tracee, path.get(..len).unwrap_or_default())?;
    let flags = (libc::O_RDONLY | libc::O_CLOEXEC) as u64;
    let copy = tracee.syscall(Sys::Openat, [libc::AT_FDCWD as u64, path.0, flags, 0, 0, 0]).await?;
    let flags = if close_on_exec { libc::O_CLOEXEC as u64 } else { 0 };
    let replaced = tracee.syscall(Sys::Dup3, [copy, fd as u64, flags, 0, 0, 0]).await;
    tracee.syscall(Sys::Close, [copy, 0, 0, 0, 0, 0]).await?;
    replaced.map(drop)
}

/// What is shown of a file of procfs that is asked about. If that is an open one which tells something faked it is about to
/// be read.
///
/// # Errors
/// Those of scratch memory, and of the calls that it takes.
pub async fn asked<T: Tracee>(tracee: &T, file: FileRef, real: &Statx) -> Result<Lie, Errno> {
    let seen = view::seen(tracee, real);
    if !tracee.knows_others() {
        return Ok(seen);
    }
    let is_descriptor = names_descriptor(tracee, file);
    let owner = if !tracee.has_other_owners() {
        None
    } else if is_descriptor {
        tracee.owner_in_procfs(file.dirfd, real.mode.into())
    } else {
        // By name the kernel alone can find it: links in procfs lead each process somewhere else.
        let (dirfd, path) = tracee.at(file);
        let follow = file.flags & libc::AT_SYMLINK_NOFOLLOW == 0;
        let flags = libc::O_PATH | libc::O_CLOEXEC | if follow { 0 } else { libc::O_NOFOLLOW };
        let fd = tracee.syscall(Sys::Openat, [dirfd, path, flags as u64, 0, 0, 0]).await?;
        let owner = tracee.owner_in_procfs(fd as i32, real.mode.into());
        tracee.syscall(Sys::Close, [fd, 0, 0, 0, 0, 0]).await?;
        owner
    };
    if is_descriptor && file.dirfd >= 0 && real.file_type() == S_IFREG {
        let flags = tracee.syscall(Sys::Fcntl, [file.dirfd as u64, libc::F_GETFD as u64, 0, 0, 0, 0]);
        let close_on_exec = flags.await? & libc::FD_CLOEXEC as u64 != 0;
        replace(tracee, file.dirfd, close_on_exec).await?;
    }
    Ok(owner.map_or(seen, |(uid, gid)| Lie { uid, gid, ..seen }))
}

/// Whether a file is named by a descriptor alone.
fn names_descriptor<T: Tracee>(tracee: &T, file: FileRef) -> bool {
    let mut first = [0];
    file.flags & libc::AT_EMPTY_PATH != 0
        && (file.path.is_null() || tracee.read(file.path, &mut first).is_ok() && first == [0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_processes_are_found_whoever_they_are() {
        for name in ["/proc/self/status", "/proc/1/task/2/status", "status", "self/status", "../status", "/proc/mounts"]
        {
            assert!(may_name(name.as_bytes()), "{name}");
        }
        for name in ["/var/lib/dpkg/status", "/proc/self/stat", "/proc/status/x", "", "/", "xstatus"] {
            assert!(!may_name(name.as_bytes()), "{name}");
        }
    }
}
