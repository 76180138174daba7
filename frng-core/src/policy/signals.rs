//! Whom a process may send signals to: kill(2), `kernel/signal.c: check_kill_permission`.
//!
//! To the kernel all of them are the same user. So it is looked at here for those that have given up `CAP_KILL`; and a signal to
//! all processes goes to the tracees only, whoever sends it: the real user has others.

use super::others::{Others, exists, stranger};
use super::{Answer, Outcome, Tracee};
use crate::call::{Arg, Call, Sys};
use crate::creds::{CAP_KILL, Creds};
use crate::errno::Errno;

/// kill(2) of all processes.
pub const EVERYBODY: &[u32] = &[ALL];

const ALL: u32 = u32::MAX;
/// `_NSIG`: the last signal.
const LAST: u32 = 64;

/// kill(2).
pub async fn kill<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let signal = call.int(Arg::Int);
    let Some(sender) = Sender::new(tracee).filter(|_| signal <= LAST) else { return Ok(Answer::Pass) };
    match call.int(Arg::Pid) {
        ALL => sender.kill_all(signal).await,
        _ if sender.creds.has(CAP_KILL) => Ok(Answer::Pass),
        pid if (pid as i32) > 0 => sender.check(pid as i32, signal).await,
        group => sender.kill_group((group as i32).wrapping_neg(), signal).await,
    }
}

/// tkill, tgkill, rt_sigqueueinfo and rt_tgsigqueueinfo: to one thread or process.
pub async fn send<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let of_thread = matches!(call.sys, Sys::Tgkill | Sys::RtTgsigqueueinfo);
    let tid = call.nth(Arg::Pid, usize::from(of_thread)) as i32;
    check(tracee, tid, call.int(Arg::Int)).await
}

/// pidfd_send_signal(2).
pub async fn pidfd_send<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    match tracee.others().and_then(|others| others.process_of_descriptor(call.int(Arg::Fd) as i32)) {
        Some(pid) => check(tracee, pid, call.int(Arg::Int)).await,
        None => Ok(Answer::Pass),
    }
}

async fn check<T: Tracee>(tracee: &T, tid: i32, signal: u32) -> Outcome {
    match Sender::new(tracee).filter(|sender| signal <= LAST && tid > 0 && !sender.creds.has(CAP_KILL)) {
        Some(sender) => sender.check(tid, signal).await,
        None => Ok(Answer::Pass),
    }
}

struct Sender<'a, T> {
    tracee: &'a T,
    others: &'a dyn Others,
    creds: Creds,
    pid: i32,
}

impl<'a, T: Tracee> Sender<'a, T> {
    /// `None` where processes are not known by the sender's numbers.
    fn new(tracee: &'a T) -> Option<Sender<'a, T>> {
        let others = tracee.others()?;
        Some(Sender { tracee, others, creds: tracee.creds(), pid: others.pid()? })
    }

    fn may_signal(&self, tid: i32, signal: u32) -> bool {
        if self.others.process(tid) == Some(self.pid) {
            return true;
        }
        let target = self.others.creds(tid).unwrap_or_else(|| stranger(self.tracee));
        is_allowed(&self.creds, &target)
            || signal == libc::SIGCONT as u32
                && self.others.session(self.pid).is_some_and(|own| self.others.session(tid) == Some(own))
    }

    /// To one thread or process, which the kernel does.
    async fn check(&self, tid: i32, signal: u32) -> Outcome {
        if self.may_signal(tid, signal) {
            return Ok(Answer::Pass);
        }
        if exists(self.tracee, tid).await { Err(Errno::EPERM) } else { Err(Errno::ESRCH) }
    }

    async fn send(&self, pid: i32, signal: u32) -> bool {
        self.tracee.syscall(Sys::Kill, [pid as u64, signal.into(), 0, 0, 0, 0]).await.is_ok()
    }

    /// `__kill_pgrp_info`: it is enough that one may be sent the signal. `group` is 0 for the sender's own.
    async fn kill_group(&self, group: i32, signal: u32) -> Outcome {
        let (mut last, mut any, mut sent, mut own) = (0, false, false, false);
        while let Some(pid) = self.others.next_process(Some(group), last) {
            last = pid;
            any = true;
            if pid == self.pid {
                own = true;
            } else if self.may_signal(pid, signal) {
                sent |= self.send(pid, signal).await;
            }
        }
        if own {
            // What it may not outlive comes last.
            sent |= self.send(self.pid, signal).await;
        }
        match (sent, any) {
            (true, _) => Ok(Answer::Value(0)),
            (false, true) => Err(Errno::EPERM),
            (false, false) if exists(self.tracee, group.wrapping_neg()).await => Err(Errno::EPERM),
            (false, false) => Err(Errno::ESRCH),
        }
    }

    /// To all others; who may not be sent it is passed over.
    async fn kill_all(&self, signal: u32) -> Outcome {
        let mut last = 0;
        while let Some(pid) = self.others.next_process(None, last) {
            last = pid;
            if pid != self.pid && (self.creds.has(CAP_KILL) || self.may_signal(pid, signal)) {
                self.send(pid, signal).await;
            }
        }
        Ok(Answer::Value(0))
    }
}

/// `kill_ok_by_cred`.
fn is_allowed(sender: &Creds, target: &Creds) -> bool {
    let ids = [target.uid.saved, target.uid.real];
    sender.has(CAP_KILL) || ids.contains(&sender.uid.effective) || ids.contains(&sender.uid.real)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::creds::Ids;

    #[test]
    fn effective_ids_of_the_target_do_not_count() {
        let mut sender = Creds::root(40);
        sender.caps.effective = 0;
        sender.uid = Ids { real: 1, effective: 2, saved: 3, fs: 4 };
        let target = |real, effective, saved| {
            is_allowed(&sender, &Creds { uid: Ids { real, effective, saved, fs: effective }, ..sender })
        };
        assert!(target(1, 9, 9) && target(9, 9, 1) && target(2, 9, 9) && target(9, 9, 2));
        assert!(!target(9, 1, 9) && !target(9, 2, 9) && !target(3, 4, 3));
    }
}
