//! Processes that are not fooled: `frng --off`.
//!
//! The process asks for it ([`crate::arch::LET_GO`]) before it executes a program. From then on its calls are let through, the program
//! gets no trampoline, and whatever it starts is let through as well. It stays traced: a filter cannot be taken off, and without a
//! tracer each call at which it stops would fail with `ENOSYS`. To the others it is a process that is none of ours.

use std::rc::Rc;

use super::ptrace::Gone;
use super::root::Rooted;
use super::run::Tracer;

impl Tracer {
    /// A thread is to be fooled no longer. Returns what it is told.
    pub(super) fn turn_off(&mut self, tid: i32) -> Result<u64, Gone> {
        let thread = Rc::clone(&self.tracked(tid)?.thread);
        thread.is_off.set(true);
        // Its paths are the kernel's now.
        let is_filtered = thread.rooted.borrow().is_filtered;
        thread.rooted.replace(Rooted { is_filtered, ..Rooted::default() });
        self.world.threads.borrow_mut().remove(&tid);
        self.log.info(format_args!("{tid}: fooled no longer, as it has asked"));
        Ok(1)
    }

    /// Its program runs as it is.
    pub(super) fn begin_off(&mut self, tid: i32) -> Result<(), Gone> {
        *self.tracked(tid)?.thread.space.borrow_mut() = Rc::default();
        self.tell_exec(tid);
        self.handle_trap(tid)
    }
}
