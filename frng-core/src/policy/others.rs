//! What a handler can ask of an engine about other tracees, and what a thread may do to them.

use super::permission::Subject;
use super::{Answer, Outcome, Sender, Tracee, TraceeExt, view};
use crate::call::{Arg, Call, Sys};
use crate::creds::{CAP_PERFMON, CAP_SYS_ADMIN, CAP_SYS_PTRACE, Creds, Ids};
use crate::errno::Errno;

/// `SUID_DUMP_USER` (`include/linux/sched/coredump.h`).
const SUID_DUMP_USER: u32 = 1;

/// Other tracees. Threads and processes have the ids that this one knows them by.
pub trait Others {
    /// The id of its own process.
    fn pid(&self) -> Option<i32>;

    /// The process of a thread.
    fn process(&self, tid: i32) -> Option<i32>;

    /// The tracees' process with the next higher id, in a process group (0: its own) or in any.
    fn next_process(&self, group: Option<i32>, after: i32) -> Option<i32>;

    /// The session of a process.
    fn session(&self, pid: i32) -> Option<i32>;

    /// The process that a descriptor of this one refers to: pidfd_open(2).
    fn process_of_descriptor(&self, fd: i32) -> Option<i32>;

    /// What prctl(PR_GET_DUMPABLE) tells the process of a thread.
    fn dumpable(&self, tid: i32) -> Option<u32>;

    /// Faked credentials of a thread, or of a process that has ended lately. `None` if it is or was none of the tracees.
    fn creds(&self, tid: i32) -> Option<Creds>;

    /// A supplementary group of a thread, or of a process that has ended lately.
    fn group(&self, tid: i32, index: usize) -> Option<u32>;

    /// This process begins to listen on a socket: who connects is told what it is now.
    fn listens(&self);

    /// What a process was when it last began to listen.
    fn creds_of_listener(&self, pid: i32) -> Option<Creds>;

    /// This process sends a message that tells whom it is from. Returns whether that is remembered, since the kernel will
    /// tell something else.
    fn sends_as(&self, sender: Sender) -> bool;

    /// The message of which that is remembered was not sent.
    fn has_not_sent(&self);

    /// What a message from a process tells of its sender, if that is something else than the kernel tells. `peek`: it will
    /// be received once more.
    fn received_from(&self, pid: i32, peek: bool) -> Option<Sender>;
}

/// Who has the processes of the real user that are no tracees.
pub(super) fn stranger<T: Tracee>(tracee: &T) -> Creds {
    let settings = tracee.settings();
    let (uid, gid) = view::unknown_ids(tracee, settings.real_uid, settings.real_gid);
    Creds { uid: Ids::all(uid), gid: Ids::all(gid), ..Creds::root(settings.last_cap) }
}

/// Whether there is a process or thread of this id, or a process group of its negative.
pub(super) async fn exists<T: Tracee>(tracee: &T, tid: i32) -> bool {
    tracee.syscall(Sys::Kill, [tid as u64, 0, 0, 0, 0, 0]).await != Err(Errno::ESRCH)
}

/// Whether a thread may do something to another one, by what is faked of that. `None` if it is the same process, is not there, or
/// if the numbers of processes mean something else to it: the kernel is to decide.
pub(super) async fn other<T: Tracee>(tracee: &T, tid: i32) -> Option<Creds> {
    let others = tracee.others()?;
    if tid <= 0 || others.process(tid) == Some(others.pid()?) {
        return None;
    }
    match others.creds(tid) {
        Some(creds) => Some(creds),
        None if exists(tracee, tid).await => Some(stranger(tracee)),
        None => None,
    }
}

/// With real credentials (`PTRACE_MODE_READ_REALCREDS` and `PTRACE_MODE_ATTACH_REALCREDS`, alike but for security modules): whether a
/// thread may look into another one, or change what it does.
///
/// # Errors
/// `EPERM`.
pub(super) async fn check_attach<T: Tracee>(tracee: &T, tid: i32) -> Result<(), Errno> {
    let creds = tracee.creds();
    let who = Subject { uid: creds.uid.real, gid: creds.gid.real, caps: creds.caps.permitted };
    let allowed = creds.has(CAP_SYS_PTRACE) || is_like(tracee, &who, tid).await;
    // Of one that has ended it may still be known what it was: ESRCH.
    if allowed || !exists(tracee, tid).await { Ok(()) } else { Err(Errno::EPERM) }
}

/// With `PTRACE_MODE_READ_FSCREDS`: whether `who` may learn what procfs tells of another thread.
pub(super) async fn may_read<T: Tracee>(tracee: &T, who: &Subject, tid: i32) -> bool {
    who.has(CAP_SYS_PTRACE) || is_like(tracee, who, tid).await
}

/// `kernel/ptrace.c: __ptrace_may_access`, without CAP_SYS_PTRACE.
async fn is_like<T: Tracee>(tracee: &T, who: &Subject, tid: i32) -> bool {
    let Some(target) = other(tracee, tid).await else { return true };
    let same = |id: u32, ids: &Ids| [ids.real, ids.effective, ids.saved].iter().all(|other| *other == id);
    let dumpable = tracee.others().and_then(|others| others.dumpable(tid));
    same(who.uid, &target.uid)
        && same(who.gid, &target.gid)
        && dumpable == Some(SUID_DUMP_USER)
        && target.caps.permitted & !who.caps == 0
}

/// process_vm_readv(2) and process_vm_writev(2).
pub async fn process_memory<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    // Without anything to copy it is not asked whose memory it would be.
    if call.nth(Arg::Count, 0) != 0 && call.nth(Arg::Count, 1) != 0 {
        check_attach(tracee, call.int(Arg::Pid) as i32).await?;
    }
    Ok(Answer::Pass)
}

/// pidfd_getfd(2).
pub async fn take_descriptor<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    // No flag is known.
    if call.int(Arg::Flags) == 0 {
        if let Some(pid) = process_of(tracee, call) {
            check_attach(tracee, pid).await?;
        }
    }
    Ok(Answer::Pass)
}

/// kcmp(2): `kernel/kcmp.c`.
pub async fn compare<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let [first, second] = [0, 1].map(|nth| call.nth(Arg::Pid, nth) as i32);
    for (pid, other) in [(first, second), (second, first)] {
        if let Err(refused) = check_attach(tracee, pid).await {
            // Whether there is the other one is told before.
            return if other > 0 && exists(tracee, other).await { Err(refused) } else { Ok(Answer::Pass) };
        }
    }
    Ok(Answer::Pass)
}

/// get_robust_list(2), move_pages(2) and migrate_pages(2).
pub async fn inspect<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    match check_attach(tracee, call.int(Arg::Pid) as i32).await {
        Ok(()) => Ok(Answer::Pass),
        Err(refused) => refuse(tracee, &call.with(Arg::Pid, NOBODY), Errno::ESRCH, refused).await,
    }
}

/// perf_event_open(2): `kernel/events/core.c: perf_check_permission`.
pub async fn measure<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    /// `PERF_FLAG_PID_CGROUP` (`include/uapi/linux/perf_event.h`): what would be a process is a descriptor.
    const OF_CGROUP: u32 = 4;
    let creds = tracee.creds();
    let is_capable = creds.has(CAP_PERFMON) || creds.has(CAP_SYS_ADMIN);
    if is_capable || call.int(Arg::Flags) & OF_CGROUP != 0 {
        return Ok(Answer::Pass);
    }
    if check_attach(tracee, call.int(Arg::Pid) as i32).await.is_ok() {
        return Ok(Answer::Pass);
    }
    // What is wrong with other arguments is told before, and would be with the thread itself.
    let fd = tracee.run(&call.with(Arg::Pid, 0)).await?;
    // If that fails there is nothing to do.
    let _ = tracee.syscall(Sys::Close, [fd, 0, 0, 0, 0, 0]).await;
    Err(Errno::EACCES)
}

/// process_madvise(2).
pub async fn advise<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let who = Subject::acting(&tracee.creds());
    match process_of(tracee, call) {
        Some(pid) if !may_read(tracee, &who, pid).await => {
            refuse(tracee, &call.with(Arg::Fd, NOBODY), Errno::EBADF, Errno::EACCES).await
        }
        _ => Ok(Answer::Pass),
    }
}

/// Neither a process nor a descriptor.
const NOBODY: u64 = u32::MAX as u64;

/// What is wrong with other arguments is told before somebody is `refused`: the kernel is asked about nobody, of whom it says `missing`.
async fn refuse<T: Tracee>(tracee: &T, about_nobody: &Call, missing: Errno, refused: Errno) -> Outcome {
    match tracee.run(about_nobody).await {
        Err(errno) if errno == missing => Err(refused),
        result => result.map(Answer::Value),
    }
}

/// The process that a call names by a descriptor.
fn process_of<T: Tracee>(tracee: &T, call: &Call) -> Option<i32> {
    tracee.others()?.process_of_descriptor(call.int(Arg::Fd) as i32)
}
