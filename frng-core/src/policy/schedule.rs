//! Scheduling: nice values, policies and I/O priorities (sched(7), ioprio_set(2)).
//!
//! What is set is tried for real first: the kernel checks the arguments, and often an ordinary user may do it. A refusal
//! for lack of a capability that the program believes to have is turned into success, and what it wanted is remembered
//! ([`Schedule`]) for those who ask, until the same thing is set for real.
//!
//! Of a process group or a user only the calling thread is remembered, and only if it names its own (by 0).

mod attr;
mod record;

pub use record::{Class, Deadline, Schedule};

use super::{Answer, Outcome, Tracee, TraceeExt, others};
use crate::call::{Arg, Call, Sys, TraceeAddr};
use crate::creds::{CAP_SYS_ADMIN, CAP_SYS_NICE, Creds};
use crate::errno::Errno;
use attr::Attr;
use record::RESET_ON_FORK;

const NICE_MIN: i32 = -20;
const NICE_MAX: i32 = 19;

/// `PRIO_PROCESS` (`include/uapi/linux/resource.h`).
const PRIO_PROCESS: u32 = 0;
/// `IOPRIO_WHO_PROCESS` (`include/uapi/linux/ioprio.h`).
const IOPRIO_WHO_PROCESS: u32 = 1;

fn pid(call: &Call) -> i32 {
    call.int(Arg::Pid) as i32
}

/// The thread of which is remembered what such a call sets; `process` is the operation that names one.
fn target(call: &Call, process: u32) -> Option<i32> {
    (call.int(Arg::Op) == process || pid(call) == 0).then(|| pid(call))
}

/// What is pretended of the thread that [`target`] names.
fn believed<T: Tracee>(tracee: &T, target: Option<i32>) -> Schedule {
    target.and_then(|tid| tracee.schedule(tid)).unwrap_or_default()
}

/// Changes what is remembered of a thread, if it is one of us.
fn remember<T: Tracee>(tracee: &T, tid: i32, change: impl FnOnce(&mut Schedule)) {
    if let Some(mut schedule) = tracee.schedule(tid) {
        change(&mut schedule);
        tracee.set_schedule(tid, schedule);
    }
}

/// Runs a call that sets something. `Some` is an error that `refusal` takes for the lack of a capability: then it is to
/// be pretended, if the program believes to have that.
async fn set<T: Tracee>(tracee: &T, call: &Call, refusal: fn(Errno) -> bool) -> Result<Option<Errno>, Errno> {
    match tracee.run(call).await {
        Ok(_) => Ok(None),
        Err(errno) if refusal(errno) => Ok(Some(errno)),
        Err(errno) => Err(errno),
    }
}

fn is_eperm(errno: Errno) -> bool {
    errno == Errno::EPERM
}

/// Refuses to change a thread of another user, or one that may do what this one may not: `check_same_owner`, `set_one_prio_perm`.
///
/// # Errors
/// `EPERM`.
async fn check_owner<T: Tracee>(tracee: &T, tid: i32) -> Result<(), Errno> {
    let creds = tracee.creds();
    if creds.has(CAP_SYS_NICE) {
        return Ok(());
    }
    let Some(target) = others::other(tracee, tid).await else { return Ok(()) };
    let is_own = [target.uid.effective, target.uid.real].contains(&creds.uid.effective);
    if is_own && !may_more(&target, &creds) { Ok(()) } else { Err(Errno::EPERM) }
}

/// Whether somebody has a capability that another one lacks. `security/commoncap.c: cap_safe_nice`.
fn may_more(target: &Creds, who: &Creds) -> bool {
    target.caps.permitted & !who.caps.permitted != 0
}

/// setpriority(2). `EACCES`: the priority is too high. `EPERM`: the process is another user's.
pub async fn setpriority<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let nice = (call.int(Arg::Int) as i32).clamp(NICE_MIN, NICE_MAX);
    let target = target(call, PRIO_PROCESS);
    check_owner(tracee, target.unwrap_or(0)).await?;
    let refused = set(tracee, call, |errno| matches!(errno, Errno::EACCES | Errno::EPERM)).await?;
    if let Some(errno) = refused {
        if !tracee.creds().has(CAP_SYS_NICE) && !believed(tracee, target).permits_nice(nice) {
            return Err(errno);
        }
    }
    if let Some(tid) = target {
        remember(tracee, tid, |schedule| schedule.nice = refused.map(|_| nice));
    }
    Ok(Answer::Value(0))
}

/// nice(2): relative to what is believed. `kernel/sched/syscalls.c`.
pub async fn nice<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    const WIDTH: i32 = NICE_MAX - NICE_MIN + 1;
    let increment = (call.int(Arg::Int) as i32).clamp(-WIDTH, WIDTH);
    let before = match believed(tracee, Some(0)).nice {
        Some(nice) => nice,
        // It tells 20 minus the nice value.
        None => {
            let told = tracee.syscall(Sys::Getpriority, [PRIO_PROCESS.into(), 0, 0, 0, 0, 0]).await? as i32;
            (NICE_MAX + 1).saturating_sub(told)
        }
    };
    let nice = before.saturating_add(increment).clamp(NICE_MIN, NICE_MAX);
    let absolute = Call { sys: Sys::Setpriority, args: [PRIO_PROCESS.into(), 0, nice as u32 as u64, 0, 0, 0] };
    setpriority(tracee, &absolute).await.map_err(|errno| if errno == Errno::EACCES { Errno::EPERM } else { errno })
}

/// getpriority(2). The kernel's call tells 20 minus the nice value, of several processes the most.
pub async fn getpriority<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let Some(nice) = believed(tracee, target(call, PRIO_PROCESS)).nice else { return Ok(Answer::Pass) };
    let told = (NICE_MAX + 1 - nice) as u64;
    if call.int(Arg::Op) == PRIO_PROCESS {
        return Ok(Answer::Value(told));
    }
    let others = tracee.run(call).await?;
    Ok(Answer::Value(others.max(told)))
}

/// sched_setscheduler(2).
pub async fn sched_setscheduler<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    check_owner(tracee, pid(call)).await?;
    let refused = set(tracee, call, is_eperm).await?;
    let word = call.int(Arg::Int);
    let class = match refused {
        Some(errno) => {
            // The kernel has read this too before it refused.
            let priority = read_priority(tracee, call.addr(Arg::In))?;
            let class = Class { policy: word & !RESET_ON_FORK, priority, ..Class::default() };
            may_pretend(tracee, call, &class, None, errno)?;
            Some(class)
        }
        None => None,
    };
    remember(tracee, pid(call), |schedule| {
        schedule.class = class;
        schedule.reset_on_fork = word & RESET_ON_FORK != 0;
    });
    Ok(Answer::Value(0))
}

/// sched_setparam(2): the policy stays, a pretended one too. Only the kernel does not know that one.
pub async fn sched_setparam<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    check_owner(tracee, pid(call)).await?;
    let schedule = believed(tracee, Some(pid(call)));
    if let Some(class) = schedule.class {
        let policy = class.policy | if schedule.reset_on_fork { RESET_ON_FORK } else { 0 };
        let args = [call.word(Arg::Pid), policy.into(), call.word(Arg::In), 0, 0, 0];
        return sched_setscheduler(tracee, &Call { sys: Sys::SchedSetscheduler, args }).await;
    }
    if let Some(errno) = set(tracee, call, is_eperm).await? {
        let priority = read_priority(tracee, call.addr(Arg::In))?;
        let class = Class { policy: real_policy(tracee, call).await?, priority, ..Class::default() };
        may_pretend(tracee, call, &class, None, errno)?;
        remember(tracee, pid(call), |schedule| schedule.class = Some(class));
    }
    Ok(Answer::Value(0))
}

/// sched_setattr(2).
pub async fn sched_setattr<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    check_owner(tracee, pid(call)).await?;
    // What cannot be read is refused by the kernel.
    let Ok(mut attr) = Attr::read(tracee, call.addr(Arg::In)) else { return Ok(Answer::Pass) };
    let schedule = believed(tracee, Some(pid(call)));
    let keeps_policy = attr.keeps_policy();
    let reset_on_fork = if keeps_policy { schedule.reset_on_fork } else { attr.resets_on_fork() };
    if attr.keeps_params() {
        // Nothing is set but the flag for children and the utilization clamps.
        if let Some(errno) = set(tracee, call, is_eperm).await? {
            if !tracee.creds().has(CAP_SYS_NICE) {
                return Err(errno);
            }
        }
        remember(tracee, pid(call), |schedule| schedule.reset_on_fork = reset_on_fork);
        return Ok(Answer::Value(0));
    }
    let mut call = *call;
    match schedule.class {
        Some(class) if keeps_policy => {
            // The kernel would keep the real one.
            attr = attr.with_policy(class.policy, reset_on_fork);
            let scratch = tracee.scratch()?;
            attr.write(tracee, scratch)?;
            call = call.with(Arg::In, scratch.0);
        }
        None if keeps_policy => attr.policy = real_policy(tracee, &call).await?,
        _ => {}
    }
    let refused = set(tracee, &call, is_eperm).await?;
    if let Some(errno) = refused {
        may_pretend(tracee, &call, &attr.class(), attr.nice(), errno)?;
    }
    remember(tracee, pid(&call), |schedule| {
        schedule.class = refused.map(|_| attr.class());
        schedule.reset_on_fork = reset_on_fork;
        if let Some(nice) = attr.nice() {
            schedule.nice = refused.map(|_| nice);
        }
    });
    Ok(Answer::Value(0))
}

/// `Err(errno)` unless root's kernel would have allowed what was refused.
fn may_pretend<T: Tracee>(
    tracee: &T,
    call: &Call,
    class: &Class,
    nice: Option<i32>,
    errno: Errno,
) -> Result<(), Errno> {
    let allowed = tracee.creds().has(CAP_SYS_NICE) || believed(tracee, Some(pid(call))).permits(class, nice);
    if allowed { Ok(()) } else { Err(errno) }
}

/// A `struct sched_param`.
fn read_priority<T: Tracee>(tracee: &T, from: TraceeAddr) -> Result<u32, Errno> {
    let mut priority = [0; 4];
    tracee.read(from, &mut priority)?;
    Ok(u32::from_ne_bytes(priority))
}

/// The policy that the kernel knows of the thread.
async fn real_policy<T: Tracee>(tracee: &T, call: &Call) -> Result<u32, Errno> {
    let args = [call.word(Arg::Pid), 0, 0, 0, 0, 0];
    tracee.syscall(Sys::SchedGetscheduler, args).await.map(|policy| policy as u32 & !RESET_ON_FORK)
}

/// sched_getscheduler(2).
pub async fn sched_getscheduler<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let schedule = believed(tracee, Some(pid(call)));
    let Some(class) = schedule.class else { return Ok(Answer::Pass) };
    let flag = if schedule.reset_on_fork { RESET_ON_FORK } else { 0 };
    Ok(Answer::Value(u64::from(class.policy | flag)))
}

/// sched_getparam(2).
pub async fn sched_getparam<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let Some(class) = believed(tracee, Some(pid(call))).class else { return Ok(Answer::Pass) };
    let to = call.addr(Arg::Out);
    if to.is_null() {
        return Err(Errno::EINVAL);
    }
    tracee.write(to, &class.priority.to_ne_bytes())?;
    Ok(Answer::Value(0))
}

/// sched_getattr(2).
pub async fn sched_getattr<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let schedule = believed(tracee, Some(pid(call)));
    if schedule.class.is_none() && schedule.nice.is_none() {
        return Ok(Answer::Pass);
    }
    let value = tracee.run(call).await?;
    let to = call.addr(Arg::Out);
    let mut attr = Attr::read_len(tracee, to, call.int(Arg::Length))?;
    attr.overlay(&schedule, tracee.realtime_utilization());
    attr.write(tracee, to)?;
    Ok(Answer::Value(value))
}

/// sched_setaffinity(2). `kernel/sched/syscalls.c`.
pub async fn sched_setaffinity<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    check_owner(tracee, pid(call)).await?;
    Ok(Answer::Pass)
}

/// sched_getaffinity(2). It is looked at for the tracer's sake, which may hold a thread on a core for a moment.
pub async fn sched_getaffinity<T: Tracee>(_: &T, _: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// ioprio_set(2). `block/ioprio.c: set_task_ioprio`.
pub async fn ioprio_set<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let creds = tracee.creds();
    if !creds.has(CAP_SYS_NICE) && call.int(Arg::Op) == IOPRIO_WHO_PROCESS {
        if let Some(target) = others::other(tracee, pid(call)).await {
            let is_own = [creds.uid.effective, creds.uid.real].contains(&target.uid.real);
            if !is_own || may_more(&target, &creds) {
                return Err(Errno::EPERM);
            }
        }
    }
    let refused = set(tracee, call, is_eperm).await?;
    if let Some(errno) = refused {
        if !creds.has(CAP_SYS_NICE) && !creds.has(CAP_SYS_ADMIN) {
            return Err(errno);
        }
        // The kernel asks for the capability before it looks for the process.
        tracee.syscall(Sys::IoprioGet, [call.word(Arg::Op), call.word(Arg::Pid), 0, 0, 0, 0]).await?;
    }
    if let Some(tid) = target(call, IOPRIO_WHO_PROCESS) {
        remember(tracee, tid, |schedule| schedule.io_priority = refused.map(|_| call.int(Arg::Int) as u16));
    }
    Ok(Answer::Value(0))
}

/// ioprio_get(2). Of several processes it tells the best, which is the least.
pub async fn ioprio_get<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let target = target(call, IOPRIO_WHO_PROCESS);
    let Some(priority) = believed(tracee, target).io_priority else { return Ok(Answer::Pass) };
    if call.int(Arg::Op) == IOPRIO_WHO_PROCESS {
        return Ok(Answer::Value(priority.into()));
    }
    let others = tracee.run(call).await?;
    Ok(Answer::Value(others.min(priority.into())))
}
