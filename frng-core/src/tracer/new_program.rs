//! A tracee that has become another program: it maps the trampoline before its first instruction.

use std::rc::Rc;

use super::exec;
use super::in_agent::tools;
use super::ptrace::{self, Gone};
use super::run::Tracer;
use super::space::{Space, Tools};
use super::told;
use super::tracked::Phase;
use crate::stats::Subject;

impl Tracer {
    pub(super) fn handle_exec(&mut self, tid: i32) -> Result<(), Gone> {
        // A thread that is not the leader takes the leader's id over; the others are gone.
        let former = ptrace::event_message(tid)? as i32;
        if former != tid {
            if let Some(tracked) = self.remove(former) {
                if let Some(leader) = self.remove(tid) {
                    self.remember(leader, true);
                }
                let tracked = tracked.renamed(tid, &self.world);
                self.insert(tracked);
            }
        }
        self.see_exec(former, tid);
        self.ending.forget(tid);
        self.callers.lives(tid);
        let tracked = self.tracked(tid)?;
        tracked.flight = None;
        tracked.done = None;
        tracked.let_through = None;
        tracked.ready = false;
        tracked.closed = None;
        let thread = Rc::clone(&tracked.thread);
        self.left_space(&thread);
        if thread.is_off.get() {
            return self.begin_off(tid);
        }
        self.prepare(tid, None)
    }

    /// Has a new program, which has not issued any call, map the trampoline. `stack` is where its stack begins, if it
    /// has run already.
    pub(super) fn prepare(&mut self, tid: i32, stack: Option<u64>) -> Result<(), Gone> {
        let abis = self.abis;
        let tracked = self.tracked(tid)?;
        let again = tracked.closed.take().is_some();
        match exec::prepare(&tracked.thread, abis, stack) {
            Ok(bootstrap) => {
                tracked.phase = Phase::Bootstrap(Box::new(bootstrap));
                self.resume(tid, 0)
            }
            Err(exec::Failure::Closed(stack)) if !again => {
                tracked.closed = Some(stack);
                self.resume(tid, 0)
            }
            Err(error) => self.give_up(tid, error),
        }
    }

    pub(super) fn finish_bootstrap(&mut self, tid: i32, result: u64, stubs: u64) -> Result<(), Gone> {
        self.count(|stats| stats.about(Subject::Exec));
        let tracked = self.tracked(tid)?;
        let Phase::Bootstrap(bootstrap) = std::mem::replace(&mut tracked.phase, Phase::Running) else {
            return self.resume(tid, 0);
        };
        match bootstrap.finish(tid, result) {
            Ok(()) => {
                tracked.ready = true;
                let thread = &tracked.thread;
                if let Some(known) = bootstrap.known.as_ref().filter(|_| stubs != 0) {
                    *thread.space.borrow_mut() = Rc::new(Space::new(stubs, Rc::clone(known)));
                    told::tell(thread);
                    if let Some(tools) = tools(thread) {
                        thread.space.borrow().replace_early(tid, Tools { memory: Some(&bootstrap.memory), ..tools });
                    }
                }
                self.tell_exec(tid);
                self.handle_trap(tid)
            }
            Err(error) => self.give_up(tid, error),
        }
    }

    /// A program that cannot be fooled must not run unfooled.
    pub(super) fn give_up(&mut self, tid: i32, error: exec::Failure) -> Result<(), Gone> {
        match error {
            exec::Failure::Gone(gone) => return Err(gone),
            exec::Failure::Closed(_) => {
                self.log
                    .error(format_args!("{tid}: killed, because it cannot be fooled: its memory cannot be accessed"));
            }
            exec::Failure::Cannot(why) => {
                self.log.error(format_args!("{tid}: killed, because it cannot be fooled: {why}"));
            }
        }
        ptrace::kill(tid);
        Err(Gone::Dead)
    }
}
