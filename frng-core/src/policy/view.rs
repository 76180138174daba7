//! What is shown of an inode: the truth with its lie laid over it; and the kernel's rules about who may change it.

use super::{Note, Tracee, TraceeExt, UnknownOwner};
use crate::creds::{CAP_FOWNER, CAP_FSETID};
use crate::errno::Errno;
use crate::lie::{Lie, LieTable};
use crate::stat::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFMT, S_IFREG, S_IXUGO, Statx, split_dev};

/// Owner, group, mode and device number shown of an inode, whether it has a lie or not.
pub fn seen<T: Tracee>(tracee: &T, real: &Statx) -> Lie {
    tracee.lies().get(&real.id()).unwrap_or_else(|| unknown(tracee, real))
}

/// What is shown of an inode without a lie.
pub fn unknown<T: Tracee>(tracee: &T, real: &Statx) -> Lie {
    let (uid, gid) = unknown_ids(tracee, real.uid, real.gid);
    Lie { uid, gid, mode: u32::from(real.mode), rdev: real.rdev() }
}

/// What a question about an inode is answered: what is `seen` of it laid over what the kernel told.
pub fn told<T: Tracee>(tracee: &T, real: &Statx, seen: Lie) -> Statx {
    tracee.note(&Note { real, before: None, now: Some(seen) });
    overlay(real, &seen)
}

/// What is shown of a user and a group of which nothing is faked.
pub fn unknown_ids<T: Tracee>(tracee: &T, uid: u32, gid: u32) -> (u32, u32) {
    let settings = tracee.settings();
    match settings.unknown {
        UnknownOwner::OwnAsRoot => {
            (if uid == settings.real_uid { 0 } else { uid }, if gid == settings.real_gid { 0 } else { gid })
        }
        UnknownOwner::AllAsRoot => (0, 0),
        UnknownOwner::AsItIs => (uid, gid),
    }
}

/// Lays what is shown over what the kernel told.
pub fn overlay(real: &Statx, seen: &Lie) -> Statx {
    let mut shown = *real;
    shown.uid = seen.uid;
    shown.gid = seen.gid;
    shown.mode = seen.mode as u16;
    (shown.rdev_major, shown.rdev_minor) = split_dev(seen.rdev);
    let faked_node = real.file_type() == S_IFREG && seen.mode & S_IFMT != S_IFREG;
    if faked_node && matches!(seen.mode & S_IFMT, S_IFCHR | S_IFBLK) {
        // What was written to the file that stands in for a device is not the size of the device.
        shown.size = 0;
        shown.blocks = 0;
    }
    shown
}

/// From now on shows an inode, which on disk is `real` and was shown as `before`, as `shown`; what somebody else changes
/// meanwhile, and this does not, stays. Nothing is remembered if it is shown so without a lie.
///
/// # Errors
/// Those of [`LieTable::put`].
pub fn show<T: Tracee>(tracee: &T, real: &Statx, before: &Lie, shown: Lie) -> Result<(), Errno> {
    if tracee.lies().get(&real.id()).is_none() && unknown(tracee, real) == shown {
        tracee.note(&Note { real, before: Some(*before), now: Some(shown) });
        return Ok(());
    }
    remember(tracee, real, before, shown)
}

/// The same, but remembered in any case, so that xattrs can be.
///
/// # Errors
/// Those of [`LieTable::put`].
pub fn remember<T: Tracee>(tracee: &T, real: &Statx, before: &Lie, shown: Lie) -> Result<(), Errno> {
    let (lies, id) = (tracee.lies(), real.id());
    lies.put_change(&id, before, shown)?;
    tracee.note(&Note { real, before: Some(*before), now: Some(shown) });
    if real.nlink == 0 {
        // Deleted but open, or made by O_TMPFILE: it may be gone with its last descriptor.
        lies.orphan(&id);
    }
    Ok(())
}

/// Forgets the lie about an inode, on disk `real`, that is shown the same without it and has no faked xattrs.
pub fn forget_if_plain<T: Tracee>(tracee: &T, real: &Statx) {
    let (lies, id) = (tracee.lies(), real.id());
    let mut xattrs = false;
    lies.xattr_names(&id, &mut |_| xattrs = true);
    if !xattrs && lies.get(&id) == Some(unknown(tracee, real)) {
        lies.forget(&id);
    }
}

/// The permission bits an inode gets on disk while `mode`, type included, is shown: its owner, who is the real user,
/// can always go on working with it, and it can be executed if anybody may execute it. The file that stands in for a
/// device never can, as no device can. Set-ID bits are never real.
pub fn real_permissions(mode: u32) -> u32 {
    let permissions = mode & 0o777;
    match mode & S_IFMT {
        S_IFCHR | S_IFBLK => permissions & !S_IXUGO | 0o600,
        S_IFDIR => permissions | 0o700,
        _ if permissions & S_IXUGO != 0 => permissions | 0o700,
        _ => permissions | 0o600,
    }
}

/// Whether the kernel refuses any change of this inode's attributes, even to root (chattr(1) +i, +a).
pub fn is_immutable(real: &Statx) -> bool {
    const ATTR_IMMUTABLE_OR_APPEND: u64 = (libc::STATX_ATTR_IMMUTABLE | libc::STATX_ATTR_APPEND) as u64;
    real.attributes & ATTR_IMMUTABLE_OR_APPEND != 0
}

/// `fs/inode.c: inode_owner_or_capable`.
pub fn is_owner_or_capable<T: Tracee>(tracee: &T, seen: &Lie) -> bool {
    let creds = tracee.creds();
    creds.uid.fs == seen.uid || creds.has(CAP_FOWNER)
}

/// Whether the thread may give a file of this group its set-group-ID bit. `fs/attr.c: in_group_or_capable`.
pub fn in_group_or_capable<T: Tracee>(tracee: &T, gid: u32) -> bool {
    tracee.in_group(gid) || tracee.creds().has(CAP_FSETID)
}
