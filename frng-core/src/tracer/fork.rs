//! New threads and processes: both they and their makers stop, in any order.

use std::rc::Rc;

use super::cpu;
use super::flight::{Birth, Flight};
use super::lookup;
use super::ptrace::{self, Gone};
use super::run::Tracer;
use super::space::Space;
use super::thread::Thread;
use super::told;
use super::tracked::Tracked;

/// What a new thread or process has of the one that has made it.
pub(super) struct Maker {
    pub(super) thread: Rc<Thread>,
    /// Its filter stops at every open.
    pub(super) every_open: bool,
    /// Its memory has the trampoline.
    pub(super) ready: bool,
    /// Its end is watched, which is inherited, but only its own threads' are to be.
    pub(super) watched: bool,
}

impl Maker {
    pub(super) fn of(tracked: &Tracked) -> Maker {
        Maker {
            thread: Rc::clone(&tracked.thread),
            every_open: tracked.every_open,
            ready: tracked.ready,
            watched: tracked.watched,
        }
    }
}

impl Tracer {
    /// A tracee tells of a thread or process that it has made.
    pub(super) fn handle_fork(&mut self, tid: i32, event: i32) -> Result<(), Gone> {
        let child = ptrace::event_message(tid)? as i32;
        // One that was killed may be reaped already.
        if !self.tracked.contains_key(&child) && ptrace::exists(child) {
            let tracked = self.tracked(tid)?;
            let maker = Maker::of(tracked);
            let birth = tracked.flight.as_ref().and_then(Flight::birth);
            let same_process = ptrace::same_process(maker.thread.tgid, child);
            let space = Rc::clone(&maker.thread.space.borrow());
            // If the kernel cannot tell it is taken to be shared.
            let copied =
                space.has_agent() && !same_process && ptrace::same_memory(maker.thread.tid, child) == Some(false);
            let space = if copied { Rc::new(space.copy()) } else { space };
            let untraced = birth.is_some() && maker.thread.child_untraced.get();
            self.see_fork(tid, child, event, untraced);
            self.take_on(child, &maker, same_process, space, birth);
        }
        self.go_on(tid)
    }

    /// Tracks a new thread that `maker` has made, with this memory, by a call in place of its own if `birth` is given.
    pub(super) fn take_on(
        &mut self,
        child: i32,
        maker: &Maker,
        same_process: bool,
        space: Rc<Space>,
        birth: Option<Birth>,
    ) {
        let Maker { thread, every_open, ready, watched } = maker;
        cpu::let_go(thread.tid, child);
        let mut start = thread.inheritance(same_process);
        start.schedule = start.schedule.of_child();
        if thread.child_apart.take() {
            start.view = lookup::view(child);
        }
        if thread.child_mounts_apart.take() {
            start.rooted.take_mounts_apart();
        }
        let makers_space = Rc::clone(&thread.space.borrow());
        let is_apart = space.has_agent() && !Rc::ptr_eq(&space, &makers_space);
        if is_apart && ptrace::same_files(thread.tid, child) != Some(false) {
            space.files_shared.set(true);
            makers_space.files_shared.set(true);
            told::tell(thread);
        }
        // The agent of one with another root minds whether others run in its memory.
        let renew = !space.uniform.get() || thread.is_rooted();
        start.space = space;
        let has_options = self.world.nested.has_options(thread.tid);
        let tgid = if same_process { thread.tgid } else { child };
        self.track((child, tgid, thread.tgid), thread.engine, start, thread.home.get(), *every_open, *ready);
        if let Some(tracked) = self.tracked.get_mut(&child) {
            if renew {
                told::tell(&tracked.thread);
            }
            tracked.birth = birth;
            tracked.watched = *watched && same_process;
            tracked.options_unset = *watched && !same_process || has_options;
        }
        // The order of the two stops is not defined.
        if let Some(early) = self.early.remove(&child) {
            self.handle(child, early.event);
        }
    }

    /// What there is to do for a new thread when it is seen to have stopped for the first time, before it runs.
    pub(super) fn see_begin(&mut self, tid: i32) -> Result<(), Gone> {
        let tracked = self.tracked(tid)?;
        if std::mem::take(&mut tracked.options_unset) {
            ptrace::set_options(tid, self.options_of(tid))?;
        }
        let tracked = self.tracked(tid)?;
        tracked.birth.take().map_or(Ok(()), |birth| birth.settle(&tracked.thread))
    }
}
