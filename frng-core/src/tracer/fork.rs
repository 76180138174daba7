//! New threads and processes: both they and their makers stop, in any order.

use std::rc::Rc;

use super::flight::Origin;
use super::lookup;
use super::ptrace::{self, Gone};
use super::run::Tracer;
use super::thread::Thread;
use super::told;

impl Tracer {
    /// A tracee tells of a thread or process that it has made.
    pub(super) fn handle_fork(&mut self, tid: i32) -> Result<(), Gone> {
        let child = ptrace::event_message(tid)? as i32;
        // One that was killed may be reaped already.
        if !self.tracked.contains_key(&child) && ptrace::exists(child) {
            let tracked = self.tracked(tid)?;
            let same_process = ptrace::same_process(tracked.thread.tgid, child);
            let (thread, every_open, ready) = (Rc::clone(&tracked.thread), tracked.every_open, tracked.ready);
            let changed_call = tracked.flight.as_ref().and_then(|flight| flight.origin);
            self.take_on(child, &thread, same_process, every_open, ready, changed_call);
        }
        self.resume(tid, 0)
    }

    /// Tracks a new thread that `maker` has made, by a call whose arguments were changed if it is given.
    pub(super) fn take_on(
        &mut self,
        child: i32,
        maker: &Thread,
        same_process: bool,
        every_open: bool,
        ready: bool,
        changed_call: Option<Origin>,
    ) {
        let mut start = maker.inheritance(same_process);
        start.schedule = start.schedule.of_child();
        if !same_process {
            start.view = lookup::view(child);
        }
        if start.space.has_agent() && !same_process && !ptrace::same_memory(maker.tid, child) {
            start.space = Rc::new(start.space.copy());
        }
        let renew = !start.space.uniform.get();
        let tgid = if same_process { maker.tgid } else { child };
        self.track((child, tgid, maker.tgid), maker.engine, start, maker.home.get(), every_open, ready);
        if let Some(tracked) = self.tracked.get_mut(&child) {
            if renew {
                told::tell(&tracked.thread);
            }
            tracked.born_of = changed_call;
        }
        // The order of the two stops is not defined.
        if let Some(event) = self.early.remove(&child) {
            self.handle(child, event);
        }
    }
}
