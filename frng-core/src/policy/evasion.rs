//! Calls that would go around us: seccomp(2), io_uring(7).
//!
//! A filter of the tracee's own would see the calls that we make in its name, and those that it makes after us would
//! not stop any more if its action is stronger than ours. So it is taken, and not installed (`kernel/seccomp.c` for
//! what is checked).

use super::{Answer, Outcome, Tracee, TraceeExt};
use crate::call::{Arg, Call, TraceeAddr};
use crate::creds::{CAP_SYS_ADMIN, Creds};
use crate::errno::Errno;

const SET_MODE_STRICT: u32 = libc::SECCOMP_SET_MODE_STRICT;
const SET_MODE_FILTER: u32 = libc::SECCOMP_SET_MODE_FILTER;
const MODE_STRICT: u32 = libc::SECCOMP_MODE_STRICT;
const MODE_FILTER: u32 = libc::SECCOMP_MODE_FILTER;

const NEW_LISTENER: u32 = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER as u32;

/// The operations of seccomp(2) to stop at; the others only ask.
pub const SECCOMPS: &[u32] = &[SET_MODE_STRICT, SET_MODE_FILTER];

/// Largest number of instructions of a filter.
const BPF_MAXINSNS: u16 = 4096;
/// Bytes of a `struct sock_filter`.
const INSTRUCTION_LEN: usize = 8;

/// seccomp(2).
pub async fn seccomp<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let filter = call.addr(Arg::In);
    let flags = call.int(Arg::Flags);
    match call.int(Arg::Op) {
        SET_MODE_STRICT if flags == 0 && filter.is_null() => assign(tracee, MODE_STRICT),
        SET_MODE_STRICT => Err(Errno::EINVAL),
        SET_MODE_FILTER => {
            // The kernel itself says whether it knows these flags: without a filter there is nothing else to fail.
            match tracee.syscall(call.sys, call.with(Arg::In, 0).args).await {
                Err(Errno::EFAULT) | Ok(_) => {}
                Err(errno) => return Err(errno),
            }
            check_filter(tracee, filter)?;
            if flags & NEW_LISTENER != 0 {
                // As if a supervisor further out had a listener: there can be only one.
                return Err(Errno::EBUSY);
            }
            assign(tracee, MODE_FILTER)
        }
        _ => Ok(Answer::Pass),
    }
}

/// prctl(PR_SET_SECCOMP): the older name of the same.
pub(super) fn set_seccomp_mode<T: Tracee>(tracee: &T, mode: u64, filter: TraceeAddr) -> Outcome {
    match u32::try_from(mode) {
        Ok(MODE_STRICT) => assign(tracee, MODE_STRICT),
        Ok(MODE_FILTER) => {
            check_filter(tracee, filter)?;
            assign(tracee, MODE_FILTER)
        }
        _ => Err(Errno::EINVAL),
    }
}

/// The checks of `seccomp_prepare_filter` on a `struct sock_fprog`, except for those of single instructions.
fn check_filter<T: Tracee>(tracee: &T, filter: TraceeAddr) -> Result<(), Errno> {
    let mut count = [0; 2];
    tracee.read(filter, &mut count)?;
    let count = u16::from_ne_bytes(count);
    let begin = tracee.read_word(filter.add(tracee.abi().word_len() as u64))?;
    if count == 0 || count > BPF_MAXINSNS {
        return Err(Errno::EINVAL);
    }
    let creds = tracee.creds();
    if !creds.no_new_privs && !creds.has(CAP_SYS_ADMIN) {
        return Err(Errno::EACCES);
    }
    let mut instructions = [0; 1024];
    let len = usize::from(count) * INSTRUCTION_LEN;
    for done in (0..len).step_by(instructions.len()) {
        let piece = instructions.len().min(len - done);
        tracee.read(TraceeAddr(begin).add(done as u64), instructions.get_mut(..piece).unwrap_or_default())?;
    }
    Ok(())
}

/// `seccomp_may_assign_mode`: a mode can be confirmed, not changed.
fn assign<T: Tracee>(tracee: &T, mode: u32) -> Outcome {
    let creds = tracee.creds();
    if creds.seccomp != 0 && creds.seccomp != mode {
        return Err(Errno::EINVAL);
    }
    let added = u32::from(mode == MODE_FILTER);
    let seccomp_filters = creds.seccomp_filters.saturating_add(added);
    tracee.set_creds(Creds { seccomp: mode, seccomp_filters, ..creds });
    Ok(Answer::Value(0))
}

/// A call that this kernel is said not to have.
pub async fn not_implemented<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Err(Errno::ENOSYS)
}
