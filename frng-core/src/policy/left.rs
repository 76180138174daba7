//! Files that are left alone (`--leave`): what lies below some directories is shown as it really is, nothing is remembered of it, and
//! what the real user may not do to it fails.
//!
//! Decided for each call by the place of its file, not by its inode. Names are removed and renamed as ever, so that no lie outlives its
//! inode; one that comes along with a file is not told while that is there.

use super::{Last, PATH_MAX, Tracee, TraceeExt, creation, root};
use crate::call::{Arg, Call, FileRef, Sys};

/// The themes whose calls show or remember something of a file.
const THEMES: &[&str] = &[
    "access",
    "creation",
    "devices",
    "directory",
    "inode_flags",
    "mode",
    "opening",
    "ownership",
    "questions",
    "times",
    "xattr",
];

/// Whether a call is about a file that is left alone, so that it is the kernel's.
pub async fn is_left<T: Tracee>(tracee: &T, call: &Call) -> bool {
    if !tracee.leaves_any() {
        return false;
    }
    let theme = call.row().handler.split("::").next().unwrap_or_default();
    let Some((file, last)) = file(tracee, call).filter(|_| THEMES.contains(&theme)) else { return false };
    if file.path.is_null() {
        // utimensat(2) takes a null pointer for the descriptor itself.
        let is_descriptor = file.flags & libc::AT_EMPTY_PATH != 0 || theme == "times";
        return is_descriptor && tracee.is_left(file.dirfd, b"", last).await;
    }
    let mut buffer = [0; PATH_MAX];
    match tracee.read_cstr(file.path, &mut buffer) {
        Ok([]) if file.flags & libc::AT_EMPTY_PATH == 0 => false,
        Ok(path) => tracee.is_left(file.dirfd, path, last).await,
        // The handler, or the kernel, tells.
        Err(_) => false,
    }
}

/// The file that the outcome of a call depends on.
fn file<T: Tracee>(tracee: &T, call: &Call) -> Option<(FileRef, Last)> {
    let args = call.row().args;
    match call.sys {
        // Of the two names it is the inode that counts.
        Sys::Link | Sys::Linkat | Sys::Umask => None,
        Sys::Bind => {
            let path = creation::socket_path(tracee, call)?;
            Some((FileRef { dirfd: libc::AT_FDCWD, path, flags: 0 }, Last::Name))
        }
        _ if args.contains(&Arg::Fd) => Some((call.file(), Last::Target)),
        _ if args.contains(&Arg::Link) => Some((call.file(), root::last(tracee, call, Arg::Link))),
        _ if args.contains(&Arg::Path) => Some((call.file(), root::last(tracee, call, Arg::Path))),
        _ => None,
    }
}
