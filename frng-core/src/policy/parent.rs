//! The directory a new name is in: what a new inode inherits comes from there.

use super::{PATH_MAX, Tracee, TraceeExt};
use crate::call::{FileRef, Sys, TraceeAddr};
use crate::errno::Errno;
use crate::inode::InodeId;
use crate::lie::Lie;
use crate::stat::Statx;

use super::view;

/// Offset in the scratch memory of the path of a directory.
const DIRECTORY: u64 = 0;
/// Offset in the scratch memory of another path.
const OTHER: u64 = PATH_MAX as u64;
/// Offset in the scratch memory for what is no path.
const STRUCTURE: u64 = 2 * PATH_MAX as u64;

/// A directory in which something is made.
#[derive(Clone, Copy, Debug)]
pub struct Parent {
    /// Its inode.
    pub id: InodeId,
    /// What is shown of it.
    pub seen: Lie,
}

impl Parent {
    /// From what the kernel tells about it.
    pub fn new<T: Tracee>(tracee: &T, real: &Statx) -> Parent {
        Parent { id: real.id(), seen: view::seen(tracee, real) }
    }
}

/// The directory of a path's last component, which need not exist. Uses the first [`PATH_MAX`] bytes of scratch.
///
/// # Errors
/// Those of looking up the directory.
pub async fn of_path<T: Tracee>(tracee: &T, file: FileRef) -> Result<Parent, Errno> {
    let directory = directory_part(tracee, file)?;
    let real = tracee.stat(directory).await?;
    Ok(Parent::new(tracee, &real))
}

/// The directory that an open file was found in, however many symbolic links led to it. For a file that was just
/// made through a dangling one. Needs /proc; uses all paths in scratch.
///
/// # Errors
/// Those of readlink(2) of `/proc/self/fd/N`, and of looking up the directory.
pub async fn of_descriptor<T: Tracee>(tracee: &T, fd: i32) -> Result<Parent, Errno> {
    let link = descriptor_path(tracee, fd)?;
    let target = tracee.scratch()?.add(DIRECTORY);
    let args = [libc::AT_FDCWD as u64, link.0, target.0, PATH_MAX as u64 - 1, 0, 0];
    let len = tracee.syscall(Sys::Readlinkat, args).await?;
    tracee.write(target.add(len), &[0])?;
    of_path(tracee, FileRef { dirfd: libc::AT_FDCWD, path: target, flags: 0 }).await
}

/// Puts `/proc/self/fd/N` into scratch.
///
/// # Errors
/// Those of scratch memory.
pub fn descriptor_path<T: Tracee>(tracee: &T, fd: i32) -> Result<TraceeAddr, Errno> {
    let mut path = *b"/proc/self/fd/\0\0\0\0\0\0\0\0\0\0\0";
    let prefix = b"/proc/self/fd/".len();
    let mut rest = fd.unsigned_abs();
    let digits = rest.checked_ilog10().unwrap_or(0) as usize + 1;
    for digit in path.iter_mut().skip(prefix).take(digits).rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    put_path(tracee, &path)
}

/// Puts a path into scratch, its terminator included.
///
/// # Errors
/// Those of scratch memory; `ENAMETOOLONG` if there is no room.
pub fn put_path<T: Tracee + ?Sized>(tracee: &T, path: &[u8]) -> Result<TraceeAddr, Errno> {
    if path.len() > PATH_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    let at = tracee.scratch()?.add(OTHER);
    tracee.write(at, path)?;
    Ok(at)
}

/// Puts a structure, of one page at most, into scratch.
///
/// # Errors
/// Those of scratch memory.
pub fn put_structure<T: Tracee>(tracee: &T, bytes: &[u8]) -> Result<TraceeAddr, Errno> {
    let at = tracee.scratch()?.add(STRUCTURE);
    tracee.write(at, bytes)?;
    Ok(at)
}

/// Puts a path without its last component into scratch.
fn directory_part<T: Tracee>(tracee: &T, file: FileRef) -> Result<FileRef, Errno> {
    let mut buf = [0; PATH_MAX];
    let path = tracee.read_cstr(file.path, &mut buf)?;
    let name_end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    let name_begin = path.iter().take(name_end).rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    // With its slash, so that "/" stays.
    let directory = match path.get(..name_begin) {
        Some([]) | None => b".",
        Some(directory) => directory,
    };
    let at = tracee.scratch()?.add(DIRECTORY);
    tracee.write(at, directory)?;
    tracee.write(at.add(directory.len() as u64), &[0])?;
    Ok(FileRef { dirfd: file.dirfd, path: at, flags: 0 })
}
