//! What is shown of an inode: the truth with its lie laid over it.

use super::{Tracee, UnknownOwner};
use crate::lie::{Lie, LieTable};
use crate::stat::{S_IFBLK, S_IFCHR, S_IFMT, S_IFREG, Statx, split_dev};

/// Owner, group, mode and device number shown of an inode, whether it has a lie or not.
pub fn seen<T: Tracee>(tracee: &T, real: &Statx) -> Lie {
    tracee.lies().get(&real.id()).unwrap_or_else(|| unknown(tracee, real))
}

/// What is shown of an inode without a lie.
pub fn unknown<T: Tracee>(tracee: &T, real: &Statx) -> Lie {
    let settings = tracee.settings();
    let (uid, gid) = match settings.unknown {
        UnknownOwner::OwnAsRoot => (
            if real.uid == settings.real_uid { 0 } else { real.uid },
            if real.gid == settings.real_gid { 0 } else { real.gid },
        ),
        UnknownOwner::AllAsRoot => (0, 0),
        UnknownOwner::AsItIs => (real.uid, real.gid),
    };
    Lie { uid, gid, mode: u32::from(real.mode), rdev: real.rdev() }
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

/// The permission bits an inode gets on disk while `mode` is shown: its owner, who is the real user, can always
/// go on working with it, and it can be executed if anybody may execute it. Set-ID bits are never real.
pub fn real_permissions(mode: u32) -> u32 {
    let permissions = mode & 0o777;
    if mode & S_IFMT == crate::stat::S_IFDIR {
        permissions | 0o700
    } else if permissions & 0o111 != 0 {
        permissions | 0o700
    } else {
        permissions | 0o600
    }
}
