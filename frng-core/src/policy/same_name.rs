//! Which paths lead to the same file whatever the root of the process: those that need not be translated.
//!
//! A name in a directory, if it is no `..` and no symbolic link that would be followed, and if nothing is pretended to be mounted there.
//! Programs that go through whole trees name nearly everything so.

use super::{Last, Tracee, TraceeExt, root};
use crate::call::{Arg, Call, FileRef, Sys};
use crate::stat::{S_IFLNK, Statx};

/// Longest name, in bytes (`NAME_MAX`, `include/uapi/linux/limits.h`).
pub const NAME_MAX: usize = 255;
/// A terminal of devpts that has another name where everybody may open it.
const PTMX: &[u8] = b"ptmx";

/// Whether this is a name in a directory that means the same by every path to it, if nothing is mounted there.
pub fn is_plain(name: &[u8]) -> bool {
    !name.is_empty() && name.len() <= NAME_MAX && !name.contains(&b'/') && !matches!(name, b"." | b".." | PTMX)
}

/// Whether a symbolic link leads where its text says. Some of procfs do not, whose text is a path outside or none at all: they have no
/// length, or not all permissions.
pub fn tells_where_it_leads(link: &Statx) -> bool {
    link.size != 0 && link.mode & 0o777 == 0o777
}

/// Whether all paths of a call are such. `may_be_mount` tells whether a name may be that of a mount point.
pub async fn are_all<T: Tracee>(tracee: &T, call: &Call, may_be_mount: impl Fn(&[u8]) -> bool) -> bool {
    if call.sys == Sys::Openat2 && root::resolve_flags(tracee, call) != Some(0) {
        return false;
    }
    for (kind, directory) in [(Arg::Path, Arg::Dirfd), (Arg::Link, Arg::Dirfd), (Arg::NewPath, Arg::NewDirfd)] {
        if !call.row().args.contains(&kind) {
            continue;
        }
        let path = call.addr(kind);
        let mut buffer = [0; NAME_MAX + 1];
        let name = match tracee.read_cstr(path, &mut buffer) {
            // The descriptor itself, or the kernel tells.
            Ok([]) => continue,
            Ok(name) => name,
            Err(_) => return false,
        };
        if name != b"." && !is_plain(name) || may_be_mount(name) {
            return false;
        }
        let dirfd = if call.row().args.contains(&directory) { call.int(directory) as i32 } else { libc::AT_FDCWD };
        let flags = libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT;
        let link = FileRef { dirfd, path, flags };
        if matches!(call.sys, Sys::Readlink | Sys::Readlinkat) {
            if !tracee.stat(link).await.is_ok_and(|real| tells_where_it_leads(&real)) {
                return false;
            }
        } else if matches!(root::last(tracee, call, kind), Last::Target | Last::Made)
            && tracee.stat(link).await.is_ok_and(|real| real.file_type() == S_IFLNK)
        {
            return false;
        }
    }
    true
}
