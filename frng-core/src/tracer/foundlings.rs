//! Children whose maker has ended before it could tell of them.
//!
//! A new process stops by itself, and its maker stops to tell of it. A maker that is killed in between never tells, and
//! nobody else does: the child would wait for ever. So when nothing else is to be done, a child of which nobody who lives
//! can still tell is taken on. Its maker is found among the tracees that have ended lately:
//!
//! - one of the process that is still the child's parent, if only a thread of it has ended (another one has executed a
//!   program);
//! - else the child has been given another parent, and its maker ran the same program: as every fork has its maker's
//!   memory, both have their stack at the same place, which the kernel chooses anew at each exec.

use std::collections::VecDeque;
use std::fs;

use super::doorbell;
use super::run::{Tracer, Tracked};

/// How many ended tracees are remembered. Only those that end while a stop of theirs is still on its way matter.
const REMEMBERED: usize = 256;

/// Tracees that have ended lately, the last one first.
#[derive(Default)]
pub struct Ended(VecDeque<Tracked>);

impl Ended {
    /// Remembers one.
    pub(super) fn push(&mut self, tracked: Tracked) {
        self.0.truncate(REMEMBERED - 1);
        self.0.push_front(tracked);
    }

    /// The maker of a child with this parent now and its stack there.
    fn maker(&self, parent: i32, stack: Option<u64>) -> Option<&Tracked> {
        let of_parent = self.0.iter().find(|ended| ended.thread.tgid == parent);
        let same_memory = || self.0.iter().find(|ended| stack.is_some() && ended.thread.stack.get() == stack);
        of_parent.or_else(same_memory)
    }
}

impl Tracer {
    /// Takes on the children that have stopped and that nobody will tell of. To be called when no stop is left to look
    /// at; wakes the tracer later if it cannot be told yet whether there are some.
    pub(super) fn adopt_foundlings(&mut self) {
        let children: Vec<i32> = self.early.keys().copied().collect();
        for child in children {
            if let Some(parent) = self.parent_of_foundling(child) {
                self.adopt(child, parent);
            }
        }
        if !self.early.is_empty() {
            // If that is not possible, the next stop of any tracee does it.
            let _ = doorbell::ring_later();
        }
    }

    fn adopt(&mut self, child: i32, parent: i32) {
        let Some(maker) = self.ended.maker(parent, stack_of(child)) else {
            // Nobody knows who it should believe to be.
            self.log.error(format_args!("{child}: killed, because nobody who could have made it is known"));
            self.early.remove(&child);
            super::ptrace::kill(child);
            return;
        };
        let (thread, every_open, ready) = (std::rc::Rc::clone(&maker.thread), maker.every_open, maker.ready);
        self.log.info(format_args!("{child}: its maker {} has ended without telling of it", thread.tid));
        self.take_on(child, &thread, false, every_open, ready, None);
    }

    /// The parent of a child that has outlived its maker, `None` for any other. Threads do not: they end with the process
    /// they are made in.
    fn parent_of_foundling(&self, child: i32) -> Option<i32> {
        let number = |name| status(child, name).and_then(|text| text.parse().ok());
        let (process, parent): (i32, i32) = (number("Tgid")?, number("PPid")?);
        (process == child && !self.threads_of(parent).any(may_still_tell)).then_some(parent)
    }
}

/// Whether a thread may be between making a child and its stop to tell of it, or in that stop.
fn may_still_tell(tid: i32) -> bool {
    status(tid, "State").is_some_and(|state| state.starts_with(['R', 't']))
}

/// A field of `/proc/TID/status` (proc_pid_status(5)).
fn status(tid: i32, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    let mut fields = status.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| *field == name).map(|(_, value)| value.trim().to_owned())
}

/// The begin of a process's stack, where it was when the program was executed: field `startstack` of `/proc/PID/stat`
/// (proc_pid_stat(5)). `None` if it cannot be told.
pub fn stack_of(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field may hold blanks and parentheses; the third follows the last one. `startstack` is the 28th.
    let fields = stat.rsplit_once(')')?.1;
    fields.split_ascii_whitespace().nth(25)?.parse().ok().filter(|stack| *stack != 0)
}
