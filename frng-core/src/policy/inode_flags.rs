//! ioctl(FS_IOC_SETFLAGS), ioctl(FS_IOC_FSSETXATTR): chattr(1), `fs/file_attr.c`.
//!
//! Flags that everybody may set on his own files are set for real. Those that need a capability are accepted and not
//! set, and lsattr(1) does not show them: a tree of files that cannot be removed any more would be no use to its
//! owner.

use super::{Answer, Outcome, Tracee, TraceeExt, view};
use crate::call::{Arg, Call, Sys, TraceeAddr};
use crate::creds::{CAP_FOWNER, CAP_LINUX_IMMUTABLE, CAP_SYS_RESOURCE, Creds};
use crate::errno::Errno;
use crate::stat::{S_IFDIR, S_IFREG};

/// The ioctl numbers to stop at (`include/uapi/linux/fs.h`).
pub const IOCTLS: &[u32] = &[FS_IOC_SETFLAGS, FS_IOC32_SETFLAGS, FS_IOC_FSSETXATTR];

const FS_IOC_GETFLAGS: u32 = 0x8008_6601;
const FS_IOC_SETFLAGS: u32 = 0x4008_6602;
const FS_IOC32_GETFLAGS: u32 = 0x8004_6601;
const FS_IOC32_SETFLAGS: u32 = 0x4004_6602;
const FS_IOC_FSGETXATTR: u32 = 0x801c_581f;
const FS_IOC_FSSETXATTR: u32 = 0x401c_5820;

const FS_IMMUTABLE_FL: u32 = 0x10;
const FS_APPEND_FL: u32 = 0x20;
const FS_JOURNAL_DATA_FL: u32 = 0x4000;
const FS_XFLAG_IMMUTABLE: u32 = 0x8;
const FS_XFLAG_APPEND: u32 = 0x10;

/// Bytes of a `struct fsxattr`, whose first four are the flags.
const FSXATTR_LEN: usize = 28;
/// Bytes of the flags. FS_IOC_SETFLAGS takes an `int`, whatever its number says.
const FLAGS_LEN: usize = 4;

/// The setting ioctls.
pub async fn ioctl<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let operation = call.int(Arg::Op);
    let (question, len) = match operation {
        FS_IOC_SETFLAGS => (FS_IOC_GETFLAGS, FLAGS_LEN),
        FS_IOC32_SETFLAGS => (FS_IOC32_GETFLAGS, FLAGS_LEN),
        FS_IOC_FSSETXATTR => (FS_IOC_FSGETXATTR, FSXATTR_LEN),
        _ => return Ok(Answer::Pass),
    };
    let real = tracee.stat(call.file()).await?;
    if !matches!(real.file_type(), S_IFREG | S_IFDIR) {
        return Ok(Answer::Pass);
    }
    let creds = tracee.creds();
    if view::seen(tracee, &real).uid != creds.uid.fs && !creds.has(CAP_FOWNER) {
        return Err(Errno::EPERM);
    }
    match tracee.run(call).await {
        Err(Errno::EPERM) => {}
        result => return result.map(Answer::Value),
    }
    if real.uid != tracee.settings().real_uid {
        // Nothing of a file that is not the caller's own can be set.
        return Ok(Answer::Value(0));
    }
    let fd = call.word(Arg::Fd);
    let scratch = tracee.scratch()?;
    tracee.syscall(Sys::Ioctl, [fd, question.into(), scratch.0, 0, 0, 0]).await?;
    let held = read_flags(tracee, scratch)?;
    let operand = call.addr(Arg::Operand);
    let wanted = read_flags(tracee, operand)?;
    let pretended = pretended(&creds, operation);
    let allowed = (wanted & !pretended) | (held & pretended);
    if allowed == wanted {
        return Err(Errno::EPERM);
    }
    let mut bytes = [0; FSXATTR_LEN];
    let bytes = bytes.get_mut(..len).ok_or(Errno::EINVAL)?;
    tracee.read(operand, bytes)?;
    tracee.write(scratch, bytes)?;
    tracee.write(scratch, &allowed.to_ne_bytes())?;
    tracee.syscall(Sys::Ioctl, [fd, operation.into(), scratch.0, 0, 0, 0]).await.map(Answer::Value)
}

fn read_flags<T: Tracee>(tracee: &T, from: TraceeAddr) -> Result<u32, Errno> {
    let mut bytes = [0; FLAGS_LEN];
    tracee.read(from, &mut bytes)?;
    Ok(u32::from_ne_bytes(bytes))
}

/// The flags that only the faked capabilities allow to change.
fn pretended(creds: &Creds, operation: u32) -> u32 {
    let of = |cap: u32, flags: u32| if creds.has(cap) { flags } else { 0 };
    if operation == FS_IOC_FSSETXATTR {
        of(CAP_LINUX_IMMUTABLE, FS_XFLAG_IMMUTABLE | FS_XFLAG_APPEND)
    } else {
        of(CAP_LINUX_IMMUTABLE, FS_IMMUTABLE_FL | FS_APPEND_FL) | of(CAP_SYS_RESOURCE, FS_JOURNAL_DATA_FL)
    }
}
