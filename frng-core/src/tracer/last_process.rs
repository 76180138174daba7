//! The end of a pid namespace.
//!
//! When the first process of a pid namespace ends (a container whose command is frng), the kernel kills all others in it,
//! the daemon too, before anybody could see the zombie. So that process stops once more before its end; then everything else
//! is ended and the state saved.

use std::collections::HashSet;
use std::io;

use super::doorbell;
use super::ptrace;
use super::run::Tracer;
use super::wait::Event;

/// The process whose end is the namespace's.
pub const FIRST: i32 = 1;

/// Which threads of the first process are about to end.
#[derive(Default)]
pub struct Ending(HashSet<i32>);

impl Ending {
    /// This id is that of no ending thread any more: the thread has ended, or another one has taken its id over by exec.
    pub(super) fn forget(&mut self, tid: i32) {
        self.0.remove(&tid);
    }
}

impl Tracer {
    /// A thread is about to end. If it is the last one of the first process, ends all other tracees and asks `idle`, which
    /// saves the state.
    pub(super) fn handle_ending(&mut self, tid: i32, idle: &mut dyn FnMut() -> bool) {
        if self.callers.ending(tid) && self.tracked.len() > 1 {
            // Others go on, maybe for ever.
            if let Some(act) = &self.at_end_of_command {
                act();
            }
        }
        if self.process_of(tid) == Some(FIRST) {
            self.ending.0.insert(tid);
            if self.threads_of(FIRST).all(|thread| self.ending.0.contains(&thread)) {
                self.end_others();
                self.asked(idle);
            }
        }
        if !self.tell_ending(tid) {
            self.let_end(tid);
        }
    }

    fn end_others(&mut self) {
        let others: Vec<i32> = self.tids().filter(|tid| !self.ending.0.contains(tid)).collect();
        for tid in &others {
            ptrace::kill(*tid);
        }
        while others.iter().any(|tid| self.process_of(*tid).is_some()) {
            match self.next_event() {
                Ok((tid, Event::Ending)) => self.let_end(tid),
                Ok((tid, event)) => self.handle(tid, event),
                // Orders do not matter any more.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => doorbell::noticed(),
                Err(_) => return,
            }
        }
    }
}
