//! Calls after which paths may mean something else to a process, or would if it were root: unshare(2), setns(2).
//!
//! In a user namespace of the program's own they do what they say. Elsewhere the kernel refuses new namespaces to who is
//! not root; then they succeed and mean nothing, for what they would keep apart is not changed anyhow. Only mounts are, those that
//! are pretended: a new mount namespace begins with a copy of them.

use super::{Answer, Outcome, Tracee, TraceeExt};
use crate::call::{Arg, Call, Sys};
use crate::creds::CAP_SYS_ADMIN;
use crate::errno::Errno;

/// The namespaces that only CAP_SYS_ADMIN may make.
pub const PRIVILEGED: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWCGROUP
    | CLONE_NEWTIME;
/// `CLONE_NEWTIME` (`include/uapi/linux/sched.h`).
const CLONE_NEWTIME: i32 = 0x80;

/// unshare and setns. Afterwards the engine must not take what it knows of paths for granted.
pub async fn enter<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let flags = call.int(Arg::Flags) as i32;
    if call.sys == Sys::Unshare && flags & libc::CLONE_NEWUSER != 0 && tracee.has_root() {
        // kernel/user_namespace.c: create_user_ns gives none in a chroot.
        return Err(Errno::EPERM);
    }
    let result = match tracee.run(call).await {
        Err(Errno::EPERM) if tracee.creds().has(CAP_SYS_ADMIN) => pretend(tracee, call).await?,
        result => result?,
    };
    tracee.paths_changed();
    Ok(Answer::Value(result))
}

/// What the kernel has refused.
async fn pretend<T: Tracee>(tracee: &T, call: &Call) -> Result<u64, Errno> {
    let flags = call.int(Arg::Flags) as i32;
    if flags & libc::CLONE_NEWUSER != 0 {
        return Err(Errno::EPERM);
    }
    match call.sys {
        Sys::Unshare if flags & PRIVILEGED != 0 => {
            // The rest anybody may do.
            let rest = flags & !PRIVILEGED;
            if rest != 0 {
                tracee.syscall(call.sys, call.with(Arg::Flags, rest as u64).args).await?;
            }
            if flags & libc::CLONE_NEWNS != 0 {
                tracee.mounts_apart();
            }
            Ok(0)
        }
        Sys::Setns => Ok(0),
        _ => Err(Errno::EPERM),
    }
}
