//! What tracees may learn of each other.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use super::lookup;
use super::thread::Thread;
use crate::creds::{Creds, Ids};
use crate::policy::{Others, Sender};
use crate::proc_text;

/// How many processes that have ended are remembered, and how many senders of one process.
const REMEMBERED: usize = 1024;

/// Ids and capabilities, and supplementary groups.
type Credentials = (Creds, Rc<[u32]>);

/// What is remembered of processes besides what their threads are.
#[derive(Default)]
pub struct Remembered {
    /// Processes that have ended and were not root: credentials and supplementary groups.
    ended: RefCell<HashMap<i32, Credentials>>,
    /// What processes were when they began to listen.
    listeners: RefCell<HashMap<i32, Creds>>,
    /// Whom messages claim to be from that are not received yet, by the process that has sent them.
    senders: RefCell<HashMap<i32, VecDeque<Sender>>>,
}

impl Remembered {
    /// A tracee has ended.
    pub fn has_ended(&self, thread: &Thread) {
        if thread.tid != thread.tgid {
            return;
        }
        self.listeners.borrow_mut().remove(&thread.tgid);
        let creds = thread.creds.get();
        let is_root = |ids: &Ids| [ids.real, ids.effective, ids.saved] == [0; 3];
        if !is_root(&creds.uid) || !is_root(&creds.gid) {
            let mut ended = self.ended.borrow_mut();
            if ended.len() >= REMEMBERED {
                ended.clear();
            }
            ended.insert(thread.tgid, (creds, Rc::clone(&thread.groups.borrow())));
        }
    }

    /// Whether any that have ended are remembered.
    pub fn has_ended_as_others(&self) -> bool {
        !self.ended.borrow().is_empty()
    }

    /// A new tracee has this id.
    pub fn begins(&self, tid: i32) {
        self.ended.borrow_mut().remove(&tid);
        self.senders.borrow_mut().remove(&tid);
    }
}

impl Thread {
    /// Looks at credentials and groups of a tracee, or of one that has ended.
    fn look_at_creds<R>(&self, tid: i32, look: impl FnOnce(&Creds, &[u32]) -> R) -> Option<R> {
        if !lookup::knows_our_numbers(self.tid) {
            return None;
        }
        if let Some(other) = self.world.threads.borrow().get(&tid).and_then(|other| other.upgrade()) {
            return Some(look(&other.creds.get(), &other.groups.borrow()));
        }
        self.world.remembered.ended.borrow().get(&tid).map(|(creds, groups)| look(creds, groups))
    }
}

/// The process group of a process.
fn group_of(pid: i32) -> Option<i32> {
    // SAFETY: a plain system call.
    let group = unsafe { libc::getpgid(pid) };
    (group > 0).then_some(group)
}

impl Others for Thread {
    fn pid(&self) -> Option<i32> {
        lookup::knows_our_numbers(self.tid).then_some(self.tgid)
    }

    fn process(&self, tid: i32) -> Option<i32> {
        let threads = self.world.threads.borrow();
        threads.get(&tid).and_then(|other| other.upgrade()).map(|other| other.tgid)
    }

    fn next_process(&self, group: Option<i32>, after: i32) -> Option<i32> {
        let threads = self.world.threads.borrow();
        let processes = threads.values().filter_map(|other| other.upgrade()).map(|other| other.tgid);
        let group = group.map(|group| if group == 0 { group_of(self.tgid) } else { Some(group) });
        processes.filter(|pid| *pid > after && group.is_none_or(|group| group_of(*pid) == group)).min()
    }

    fn session(&self, pid: i32) -> Option<i32> {
        // SAFETY: a plain system call.
        let session = unsafe { libc::getsid(pid) };
        (session > 0).then_some(session)
    }

    fn process_of_descriptor(&self, fd: i32) -> Option<i32> {
        let info = proc_text::read_to_string(format!("/proc/{}/fdinfo/{fd}", self.tid)).ok()?;
        info.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok().filter(|pid| *pid > 0)
    }

    fn dumpable(&self, tid: i32) -> Option<u32> {
        let threads = self.world.threads.borrow();
        threads.get(&tid).and_then(|other| other.upgrade()).map(|other| other.process.get().dumpable)
    }

    fn creds(&self, tid: i32) -> Option<Creds> {
        self.look_at_creds(tid, |creds, _| *creds)
    }

    fn group(&self, tid: i32, index: usize) -> Option<u32> {
        self.look_at_creds(tid, |_, groups| groups.get(index).copied())?
    }

    fn listens(&self) {
        self.world.remembered.listeners.borrow_mut().insert(self.tgid, self.creds.get());
    }

    fn creds_of_listener(&self, pid: i32) -> Option<Creds> {
        self.world.remembered.listeners.borrow().get(&pid).copied()
    }

    fn sends_as(&self, sender: Sender) -> bool {
        let creds = self.creds.get();
        let plain = Sender { pid: self.tgid, uid: creds.uid.real, gid: creds.gid.real };
        let mut senders = self.world.remembered.senders.borrow_mut();
        // One that is as the kernel will tell it has to keep its turn if others wait.
        if sender == plain && senders.get(&self.tgid).is_none_or(|waiting| waiting.is_empty()) {
            return false;
        }
        let waiting = senders.entry(self.tgid).or_default();
        waiting.push_back(sender);
        if waiting.len() > REMEMBERED {
            // Nobody receives them.
            waiting.pop_front();
        }
        true
    }

    fn has_not_sent(&self) {
        if let Some(waiting) = self.world.remembered.senders.borrow_mut().get_mut(&self.tgid) {
            waiting.pop_back();
        }
    }

    fn received_from(&self, pid: i32, peek: bool) -> Option<Sender> {
        let mut senders = self.world.remembered.senders.borrow_mut();
        let waiting = senders.get_mut(&pid)?;
        if peek { waiting.front().copied() } else { waiting.pop_front() }
    }
}
