//! mount(2) and umount(2) as builders of root filesystems use them. Nothing is really mounted: what is shown at a mount
//! point is remembered, and processes in another root see it there when their paths are translated.

use super::root::path_of;
use super::{Answer, Last, MountSource, Outcome, PATH_MAX, Tracee, TraceeExt};
use crate::call::{Arg, Call, Sys, TraceeAddr};
use crate::creds::CAP_SYS_ADMIN;
use crate::errno::Errno;

// `MS_*` (`include/uapi/linux/mount.h`), which libc has in the width of its own CPU.
const REMOUNT: u64 = 1 << 5;
const BIND: u64 = 1 << 12;
const MOVE: u64 = 1 << 13;
/// `MS_UNBINDABLE | MS_PRIVATE | MS_SLAVE | MS_SHARED`.
const PROPAGATION: u64 = 0b1111 << 17;
/// `MS_MGC_VAL`, which old programs have in the upper half of the flags.
const MAGIC: u64 = 0xc0ed_0000;

/// mount(2). `fs/namespace.c: path_mount`.
pub async fn mount<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    if tracee.has_own_view() {
        return Ok(Answer::Pass);
    }
    let mut buffer = [0; PATH_MAX];
    let path = path_of(tracee, call.addr(Arg::Path), &mut buffer)?;
    let is_mount_point = tracee.is_mount_point(path)?;
    if !tracee.creds().has(CAP_SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    let mut flags = call.word(Arg::Flags);
    if flags & 0xffff_0000 == MAGIC {
        flags &= 0xffff;
    }
    if flags & (REMOUNT | PROPAGATION) != 0 {
        return if is_mount_point { Ok(Answer::Value(0)) } else { Err(Errno::EINVAL) };
    }
    let mut source_buffer = [0; PATH_MAX];
    if flags & (BIND | MOVE) != 0 {
        let source = call.addr(Arg::In);
        if source.is_null() {
            return Err(Errno::EINVAL);
        }
        let source = path_of(tracee, source, &mut source_buffer)?;
        let source = if flags & BIND != 0 { MountSource::Bind(source) } else { MountSource::Moved(source) };
        tracee.mount(source, path)?;
        return Ok(Answer::Value(0));
    }
    let mut kind = [0; 64];
    let kind = tracee.read_cstr(TraceeAddr(call.nth(Arg::In, 1)), &mut kind)?;
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
    tracee.mount(source, path)?;
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
    tracee.umount(path, last)?;
    Ok(Answer::Value(0))
}

/// The newer calls on mounts: programs that find them missing call mount(2).
pub async fn newer<T: Tracee>(tracee: &T, _call: &Call) -> Outcome {
    if tracee.has_own_view() { Ok(Answer::Pass) } else { Err(Errno::ENOSYS) }
}
