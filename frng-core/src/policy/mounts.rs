//! mount(2) and umount(2) as builders of root filesystems use them. Nothing is really mounted: what is shown at a mount
//! point is remembered, and processes in another root see it there when their paths are translated.

use super::root::path_of;
use super::{Answer, Last, MountSource, MountTold, Outcome, PATH_MAX, Tracee, TraceeExt};
use crate::call::{Arg, Call, Sys, TraceeAddr};
use crate::creds::CAP_SYS_ADMIN;
use crate::errno::Errno;

// `MS_*` (`include/uapi/linux/mount.h`), which libc has in the width of its own CPU.
/// Read-only.
pub const RDONLY: u64 = 1;
/// Set-ID bits mean nothing.
pub const NOSUID: u64 = 1 << 1;
/// Devices cannot be opened.
pub const NODEV: u64 = 1 << 2;
/// Nothing can be executed.
pub const NOEXEC: u64 = 1 << 3;
const REMOUNT: u64 = 1 << 5;
/// Symbolic links are not followed.
pub const NOSYMFOLLOW: u64 = 1 << 8;
/// Access times are not written.
pub const NOATIME: u64 = 1 << 10;
/// Those of directories are not.
pub const NODIRATIME: u64 = 1 << 11;
/// A part of another mount.
pub const BIND: u64 = 1 << 12;
const MOVE: u64 = 1 << 13;
/// With what is mounted below it.
pub const REC: u64 = 1 << 14;
/// Access times are written if they are older than the others.
pub const RELATIME: u64 = 1 << 21;
const STRICTATIME: u64 = 1 << 24;
/// `MS_UNBINDABLE | MS_PRIVATE | MS_SLAVE | MS_SHARED`.
const PROPAGATION: u64 = 0b1111 << 17;
/// `MS_MGC_VAL`, which old programs have in the upper half of the flags.
const MAGIC: u64 = 0xc0ed_0000;
/// What is a mount's own, not its filesystem's, apart from access times.
const OWN: u64 = RDONLY | NOSUID | NODEV | NOEXEC | NOSYMFOLLOW;
/// What says when access times are written.
const ATIME: u64 = NOATIME | NODIRATIME | RELATIME;
/// Bytes that mount(2) takes of options.
const DATA_MAX: usize = 4096;

/// The flags of a new mount (`fs/namespace.c: path_mount`), of which some are the default.
pub const fn flags_of_new(flags: u64) -> u64 {
    let kept = flags & (OWN | ATIME);
    match flags & (NOATIME | STRICTATIME) {
        0 => kept | RELATIME,
        NOATIME => kept,
        _ => kept & !(RELATIME | NOATIME),
    }
}

/// The flags of a mount that had `before`, after a remount with `flags`.
pub const fn flags_of_remount(before: u64, flags: u64) -> u64 {
    if flags & (ATIME | STRICTATIME) == 0 { flags & OWN | before & ATIME } else { flags_of_new(flags) }
}

/// mount(2). `fs/namespace.c: path_mount`.
pub async fn mount<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    if tracee.has_own_view() {
        return Ok(Answer::Pass);
    }
    let mut buffer = [0; PATH_MAX];
    let path = path_of(tracee, call.addr(Arg::Path), &mut buffer)?;
    let is_mount_point = tracee.is_mount_point(path).await?;
    if !tracee.creds().has(CAP_SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    let mut flags = call.word(Arg::Flags);
    if flags & 0xffff_0000 == MAGIC {
        flags &= 0xffff;
    }
    // A bind mount comes before the way mounts spread.
    let spreads = flags & PROPAGATION != 0 && flags & BIND == 0;
    if (flags & REMOUNT != 0 || spreads) && !is_mount_point {
        return Err(Errno::EINVAL);
    }
    let mut data_buffer = [0; DATA_MAX];
    // Of a filesystem that is none there is nothing to be said about its options.
    let data = tracee.read_cstr(TraceeAddr(call.nth(Arg::In, 2)), &mut data_buffer).unwrap_or_default();
    if flags & REMOUNT != 0 {
        tracee.remount(path, &MountTold { kind: b"", source: b"", flags, data }).await?;
        return Ok(Answer::Value(0));
    }
    if spreads {
        return Ok(Answer::Value(0));
    }
    let mut source_buffer = [0; PATH_MAX];
    if flags & (BIND | MOVE) != 0 {
        let source = call.addr(Arg::In);
        if source.is_null() {
            return Err(Errno::EINVAL);
        }
        let source = path_of(tracee, source, &mut source_buffer)?;
        let source = if flags & BIND != 0 { MountSource::Bind(source) } else { MountSource::Moved(source) };
        tracee.mount(source, path, &MountTold { kind: b"", source: b"", flags, data: b"" }).await?;
        return Ok(Answer::Value(0));
    }
    let mut kind = [0; 64];
    let kind = tracee.read_cstr(TraceeAddr(call.nth(Arg::In, 1)), &mut kind)?;
    let named = call.addr(Arg::In);
    let name: &[u8] = if named.is_null() { b"none" } else { tracee.read_cstr(named, &mut source_buffer)? };
    let source = match kind {
        b"proc" => MountSource::Host(b"/proc"),
        b"sysfs" => MountSource::Host(b"/sys"),
        b"devtmpfs" => MountSource::Host(b"/dev"),
        b"devpts" => MountSource::Host(b"/dev/pts"),
        b"mqueue" => MountSource::Host(b"/dev/mqueue"),
        b"cgroup" | b"cgroup2" => MountSource::Host(b"/sys/fs/cgroup"),
        b"tmpfs" | b"ramfs" => MountSource::Itself,
        _ => return Err(Errno::ENODEV),
    };
    tracee.mount(source, path, &MountTold { kind, source: name, flags, data }).await?;
    Ok(Answer::Value(0))
}

/// umount(2), umount2(2). `fs/namespace.c: ksys_umount`.
pub async fn umount<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    const KNOWN: u32 = (libc::MNT_FORCE | libc::MNT_DETACH | libc::MNT_EXPIRE | libc::UMOUNT_NOFOLLOW) as u32;
    if tracee.has_own_view() {
        return Ok(Answer::Pass);
    }
    let flags = if call.sys == Sys::Umount2 { call.int(Arg::Flags) } else { 0 };
    if flags & !KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    let mut buffer = [0; PATH_MAX];
    let path = path_of(tracee, call.addr(Arg::Path), &mut buffer)?;
    if !tracee.creds().has(CAP_SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    let last = if flags & libc::UMOUNT_NOFOLLOW as u32 != 0 { Last::Link } else { Last::Target };
    tracee.umount(path, last).await?;
    Ok(Answer::Value(0))
}

/// The newer calls on mounts: programs that find them missing call mount(2).
pub async fn newer<T: Tracee>(tracee: &T, _call: &Call) -> Outcome {
    if tracee.has_own_view() { Ok(Answer::Pass) } else { Err(Errno::ENOSYS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_times_are_relative_unless_told_otherwise_and_stay_so() {
        assert_eq!(flags_of_new(0), RELATIME);
        assert_eq!(flags_of_new(NODEV | NOATIME), NODEV | NOATIME);
        assert_eq!(flags_of_new(STRICTATIME | NOSUID), NOSUID);
        assert_eq!(flags_of_remount(NOATIME | NODEV, RDONLY | BIND), RDONLY | NOATIME);
        assert_eq!(flags_of_remount(NOATIME, STRICTATIME), 0);
    }
}
