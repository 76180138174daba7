//! chown(2) and its relatives. The real owner is never changed; only the table learns.
//!
//! A deliberate difference from the kernel's chown: the change time (`st_ctime`) stays. To move it a real call would
//! be needed, which is a second stop on the call that a package build or an unpacking makes most often, for a value
//! that such programs have no use for. For the same reason a read-only filesystem does not say `EROFS`.

use super::{Answer, Outcome, Tracee, TraceeExt};
use super::{view, xattr};
use crate::call::{Arg, Call};
use crate::creds::CAP_CHOWN;
use crate::errno::Errno;
use crate::lie::Lie;
use crate::stat::{S_IFDIR, S_IFMT, S_ISGID, S_ISUID, S_IXGRP, Statx};

/// chown, lchown, fchown and fchownat. `fs/open.c: do_fchownat, ksys_fchown`.
pub async fn chown<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let mut file = call.file();
    if file.flags & !(libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    if call.row().args.contains(&Arg::Fd) {
        if tracee.descriptor_flags(file.dirfd).await? & libc::O_PATH as u32 != 0 {
            return Err(Errno::EBADF);
        }
    } else if file.path.is_null() {
        // Unlike statx, fchownat takes no null pointer for an empty path.
        return Err(Errno::EFAULT);
    }
    file.flags |= libc::AT_NO_AUTOMOUNT;
    let real = tracee.stat(file).await?;
    let before = view::seen(tracee, &real);
    let after = changed(tracee, &real, &before, call.id(0), call.id(1))?;
    view::show(tracee, &real, &before, after)?;
    if after.mode & S_IFMT != S_IFDIR {
        xattr::killed_by_chown(tracee, &real.id());
    }
    Ok(Answer::Value(0))
}

/// What an inode is after a change of its owner. `fs/open.c: chown_common`, `fs/attr.c: notify_change,
/// setattr_prepare`.
fn changed<T: Tracee>(
    tracee: &T,
    real: &Statx,
    before: &Lie,
    uid: Option<u32>,
    gid: Option<u32>,
) -> Result<Lie, Errno> {
    if (uid.is_some() || gid.is_some()) && view::is_immutable(real) {
        return Err(Errno::EPERM);
    }
    let creds = tracee.creds();
    let capable = creds.has(CAP_CHOWN);
    let owner = creds.uid.fs == before.uid;
    let mut after = *before;
    if let Some(uid) = uid {
        let allowed = capable || owner && uid == before.uid;
        if !allowed {
            return Err(Errno::EPERM);
        }
        after.uid = uid;
    }
    if let Some(gid) = gid {
        let allowed = capable || owner && (gid == before.gid || tracee.in_group(gid));
        if !allowed {
            return Err(Errno::EPERM);
        }
        after.gid = gid;
    }
    let lost = lost_bits(tracee, before);
    if lost != 0 {
        if !view::is_owner_or_capable(tracee, before) {
            return Err(Errno::EPERM);
        }
        after.mode &= !lost;
        if !view::in_group_or_capable(tracee, after.gid) {
            after.mode &= !S_ISGID;
        }
    }
    Ok(after)
}

/// The set-ID bits that any chown, even of -1 and -1, takes from what is no directory; root's too.
/// `fs/attr.c: setattr_should_drop_sgid`.
pub(super) fn lost_bits<T: Tracee>(tracee: &T, before: &Lie) -> u32 {
    if before.mode & S_IFMT == S_IFDIR {
        return 0;
    }
    let mut lost = before.mode & S_ISUID;
    // Without group execute permission the bit means mandatory locking.
    if before.mode & S_IXGRP != 0 || !view::in_group_or_capable(tracee, before.gid) {
        lost |= before.mode & S_ISGID;
    }
    lost
}
