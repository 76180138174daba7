//! mknod(2). A character or block device is an empty regular file on disk; FIFOs and sockets are real ones, anybody
//! may make them.

use super::{Answer, Outcome, Tracee};
use super::{creation, parent, view, writing};
use crate::call::{Arg, Call};
use crate::creds::{CAP_FSETID, CAP_MKNOD};
use crate::errno::Errno;
use crate::lie::LieTable;
use crate::stat::{S_IFBLK, S_IFCHR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK};

/// mknod and mknodat. `fs/namei.c: do_mknodat, vfs_mknod`.
pub async fn mknod<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let mut mode = call.int(Arg::Mode) & (S_IFMT | 0o7777);
    if mode & S_IFMT == 0 {
        mode |= S_IFREG;
    }
    let file = call.file();
    let (real_type, rdev, parent) = match mode & S_IFMT {
        kind @ (S_IFREG | S_IFIFO | S_IFSOCK) => (kind, 0, creation::unusual(tracee, file, mode).await),
        kind @ (S_IFCHR | S_IFBLK) => {
            // The kernel's 32-bit form is the lower half of the 64-bit one.
            let rdev = u64::from(call.int(Arg::Dev));
            // overlayfs marks removed files so, and anybody may: `include/linux/fs.h: IS_WHITEOUT`.
            let whiteout = kind == S_IFCHR && rdev == 0;
            if tracee.creds().has(CAP_MKNOD) || whiteout {
                (S_IFREG, rdev, parent::of_path(tracee, file).await.ok())
            } else {
                // The kernel refuses it, unless the path is wrong in the first place.
                return Ok(Answer::Pass);
            }
        }
        // EPERM for a directory, EINVAL for what is no type.
        _ => return Ok(Answer::Pass),
    };
    let Some(parent) = parent else {
        return Ok(Answer::Pass);
    };
    // All that was asked for, so that the umask shows in what is left.
    let real_mode = real_type | view::real_permissions(real_type | mode & 0o777);
    let changed = call.with(Arg::Mode, u64::from(real_mode)).with(Arg::Dev, 0);
    creation::make(tracee, &changed, file, &parent, mode, rdev).await
}

/// truncate, ftruncate and their 64-bit forms. The file that stands in for a device must not be changed, and set-ID bits go. `fs/open.c:
/// vfs_truncate, do_truncate`.
pub async fn truncate<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let kinds = tracee.lies().kinds();
    if kinds.all == 0 || tracee.creds().has(CAP_FSETID) && kinds.nodes == 0 {
        return Ok(Answer::Pass);
    }
    let Ok(real) = tracee.stat(call.file()).await else { return Ok(Answer::Pass) };
    if real.file_type() == S_IFREG && view::seen(tracee, &real).is_node() {
        let is_descriptor = !call.row().args.contains(&Arg::Path);
        if is_descriptor && tracee.descriptor_flags(call.file().dirfd).await? & libc::O_PATH as u32 != 0 {
            // EBADF.
            return Ok(Answer::Pass);
        }
        return Err(Errno::EINVAL);
    }
    writing::take_bits(tracee, call, &real, |result| result.is_ok()).await
}
