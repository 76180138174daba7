//! Things only root may do that a build meets and that have no visible consequence here.
//!
//! What concerns the process itself is tried for real first: the kernel checks the arguments, and often an ordinary
//! user may do it. Only a refusal for lack of a capability that the program believes to have is turned into success.
//! What concerns the whole machine is never done, not even if the real user could do it.

use super::{Answer, Outcome, Tracee, TraceeExt, others};
use crate::call::{Arg, Call, Sys, TraceeAddr};
use crate::creds::{CAP_IPC_LOCK, CAP_SYS_ADMIN, CAP_SYS_RESOURCE, CAP_SYS_TIME, Ids};
use crate::errno::Errno;

/// `__NEW_UTS_LEN`.
const NAME_MAX: usize = 64;

/// Runs the program's call; `refusal` is turned into success if the program believes to be `allowed`.
async fn or_success<T: Tracee>(tracee: &T, call: &Call, allowed: bool, refusal: fn(Errno) -> bool) -> Outcome {
    match tracee.run(call).await {
        Err(errno) if allowed && refusal(errno) => Ok(Answer::Value(0)),
        result => result.map(Answer::Value),
    }
}

/// sethostname(2), setdomainname(2): accepted. uname(2) goes on to tell the real names.
pub async fn accept_name<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    if !tracee.creds().has(CAP_SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    let mut name = [0; NAME_MAX];
    let len = call.int(Arg::Length) as i32;
    let len = usize::try_from(len).map_err(|_| Errno::EINVAL)?;
    tracee.read(call.addr(Arg::In), name.get_mut(..len).ok_or(Errno::EINVAL)?)?;
    Ok(Answer::Value(0))
}

/// A call that sets a clock. Its arguments are checked by the kernel, before it asks for the capability, unless it
/// would really set the clock.
async fn set_clock<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let allowed = tracee.creds().has(CAP_SYS_TIME);
    if !is_harmless(tracee) {
        return if allowed { Ok(Answer::Value(0)) } else { Err(Errno::EPERM) };
    }
    or_success(tracee, call, allowed, |errno| errno == Errno::EPERM).await
}

/// Whether the kernel refuses to do it.
fn is_harmless<T: Tracee>(tracee: &T) -> bool {
    tracee.settings().real_uid != 0
}

/// settimeofday(2).
pub async fn settimeofday<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let outcome = set_clock(tracee, call).await?;
    let zone = TraceeAddr(call.nth(Arg::In, 1));
    if !zone.is_null() {
        // struct timezone: the kernel looks at this only behind the check for the capability.
        let mut minutes_west = [0; 4];
        tracee.read(zone, &mut minutes_west)?;
        if !(-15 * 60..=15 * 60).contains(&i32::from_ne_bytes(minutes_west)) {
            return Err(Errno::EINVAL);
        }
    }
    Ok(outcome)
}

/// stime(2).
pub async fn stime<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    set_clock(tracee, call).await
}

/// clock_settime(2) with times of either width.
pub async fn clock_settime<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    if call.int(Arg::Int) as i32 != libc::CLOCK_REALTIME {
        // Whatever can be set besides is no clock of the machine: its owner may set it. The kernel refuses
        // CPU time clocks even to root.
        return Ok(Answer::Pass);
    }
    set_clock(tracee, call).await
}

/// adjtimex(2), clock_adjtime(2): adjusting is accepted, and answered with the clock's true state.
pub async fn adjtimex<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    /// `ADJ_ADJTIME`, `ADJ_OFFSET_SS_READ` (`include/linux/timex.h`).
    const ADJTIME: u32 = 0x8000;
    const ADJTIME_READ: u32 = 0xa001;

    // struct timex begins with its modes.
    let timex = call.addr(Arg::In);
    let mut modes = [0; 4];
    tracee.read(timex, &mut modes)?;
    let adjtime = u32::from_ne_bytes(modes) & ADJTIME != 0;
    let read_only = match u32::from_ne_bytes(modes) {
        0 | ADJTIME_READ => return Ok(Answer::Pass),
        _ if adjtime => ADJTIME_READ,
        _ => 0,
    };
    let allowed = tracee.creds().has(CAP_SYS_TIME);
    if is_harmless(tracee) {
        match tracee.run(call).await {
            Err(Errno::EPERM) if allowed => {}
            result => return result.map(Answer::Value),
        }
    } else if !allowed {
        return Err(Errno::EPERM);
    }
    tracee.write(timex, &read_only.to_ne_bytes())?;
    let state = tracee.run(call).await;
    tracee.write(timex, &modes)?;
    state.map(Answer::Value)
}

/// mlock(2), mlock2(2), mlockall(2).
pub async fn mlock<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let allowed = tracee.creds().has(CAP_IPC_LOCK);
    if call.sys == Sys::Mlockall {
        return mlockall(tracee, call, allowed).await;
    }
    match tracee.run(call).await {
        Err(Errno::EPERM) if allowed => {}
        Err(Errno::ENOMEM) if allowed => {}
        result => return result.map(Answer::Value),
    }
    // Is it the limit, or is there nothing to lock? msync(MS_ASYNC) does nothing but look for holes.
    let begin = call.word(Arg::In) & !0xfff;
    let end = call.word(Arg::In).wrapping_add(call.word(Arg::Length));
    let range = [begin, end.wrapping_sub(begin), libc::MS_ASYNC as u64, 0, 0, 0];
    match tracee.syscall(Sys::Msync, range).await {
        Err(Errno::ENOMEM) => Err(Errno::ENOMEM),
        _ => Ok(Answer::Value(0)),
    }
}

/// Locking all future memory would have later mappings fail at the limit that root has not.
async fn mlockall<T: Tracee>(tracee: &T, call: &Call, allowed: bool) -> Outcome {
    const FUTURE: u32 = libc::MCL_FUTURE as u32;
    const KNOWN: u32 = (libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT) as u32;

    let flags = call.int(Arg::Flags);
    let future_only = flags & libc::MCL_CURRENT as u32 == 0;
    if allowed && flags & FUTURE != 0 && flags & !KNOWN == 0 {
        if future_only {
            return Ok(Answer::Value(0));
        }
        let now = call.with(Arg::Flags, u64::from(flags & !FUTURE));
        return or_success(tracee, &now, allowed, is_lock_limit).await;
    }
    or_success(tracee, call, allowed, is_lock_limit).await
}

fn is_lock_limit(errno: Errno) -> bool {
    matches!(errno, Errno::ENOMEM | Errno::EPERM)
}

/// setrlimit(2). Every libc of today calls prlimit64 instead.
pub async fn setrlimit<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let allowed = tracee.creds().has(CAP_SYS_RESOURCE);
    or_success(tracee, call, allowed, |errno| errno == Errno::EPERM).await
}

/// prlimit64(2). A hard limit that cannot be raised stays, and the soft limit goes as far up as it
/// allows: programs raise limits because they need them.
pub async fn prlimit<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let (new, old) = (call.addr(Arg::In), call.addr(Arg::Out));
    let creds = tracee.creds();
    if !creds.has(CAP_SYS_RESOURCE) {
        // kernel/sys.c: check_prlimit_permission
        let is = |id: u32, ids: &Ids| [ids.real, ids.effective, ids.saved].iter().all(|other| *other == id);
        match others::other(tracee, call.int(Arg::Pid) as i32).await {
            Some(target) if !is(creds.uid.real, &target.uid) || !is(creds.gid.real, &target.gid) => {
                return Err(Errno::EPERM);
            }
            _ if new.is_null() => return Ok(Answer::Pass),
            _ => {}
        }
    }
    match tracee.run(call).await {
        Err(Errno::EPERM) if !new.is_null() && tracee.creds().has(CAP_SYS_RESOURCE) => {}
        result => return result.map(Answer::Value),
    }
    let (wanted_soft, wanted_hard) = read_limits(tracee, new)?;
    if call.int(Arg::Op) == libc::RLIMIT_NOFILE && wanted_hard == u64::MAX {
        // Above /proc/sys/fs/nr_open even for root.
        return Err(Errno::EPERM);
    }
    let scratch = tracee.scratch()?;
    let (pid, resource) = (call.word(Arg::Pid), call.word(Arg::Op));
    tracee.syscall(Sys::Prlimit64, [pid, resource, 0, scratch.0, 0, 0]).await?;
    let (soft, hard) = read_limits(tracee, scratch)?;
    let reached = wanted_soft.min(hard);
    if reached != soft {
        tracee.write(scratch, &reached.to_ne_bytes())?;
        // As far as it goes; the new value is accepted whatever comes of it.
        let _ = tracee.syscall(Sys::Prlimit64, [pid, resource, scratch.0, 0, 0, 0]).await;
    }
    if !old.is_null() {
        tracee.write(old, &soft.to_ne_bytes())?;
        tracee.write(old.add(8), &hard.to_ne_bytes())?;
    }
    Ok(Answer::Value(0))
}

/// A `struct rlimit64`: soft and hard limit.
fn read_limits<T: Tracee>(tracee: &T, from: TraceeAddr) -> Result<(u64, u64), Errno> {
    let mut soft = [0; 8];
    let mut hard = [0; 8];
    tracee.read(from, &mut soft)?;
    tracee.read(from.add(8), &mut hard)?;
    Ok((u64::from_ne_bytes(soft), u64::from_ne_bytes(hard)))
}
