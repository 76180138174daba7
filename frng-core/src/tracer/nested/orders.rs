//! What a tracer wants done with a tracee: it runs on, stops, or is set free.

use super::joining;
use super::{Kind, Run, Stop};
use crate::tracer::Engine;
use crate::tracer::in_agent::tools;
use crate::tracer::ptrace::{self, Gone};
use crate::tracer::run::Tracer;
use crate::tracer::told;

/// See the module.
pub(in crate::tracer) enum Order {
    /// It is traced from now on; it stops at once if it `stops`.
    Begin { tid: i32, stops: bool },
    /// All threads of a tracer's process, but this one, stop at waits from now on.
    Watch { process: i32, except: i32 },
    /// It runs on.
    Resume { tid: i32, run: Run, signal: i32 },
    /// It stays stopped like one without a tracer.
    Listen { tid: i32 },
    /// It stops.
    Interrupt { tid: i32 },
    /// Its options have changed.
    SetOptions { tid: i32 },
    /// It has been waited for at its end, and ends.
    LetEnd { tid: i32 },
    /// It is traced no longer.
    Detach { tid: i32, signal: i32 },
}

impl Tracer {
    /// Does what tracers among the tracees want done. To be called after each stop.
    pub(in crate::tracer) fn obey_tracers(&mut self) {
        while let Some(order) = self.world.nested.next_order() {
            let tid = match order {
                Order::Watch { process, except } => {
                    self.watch_waits_of(process, except);
                    continue;
                }
                Order::Begin { tid, .. }
                | Order::Resume { tid, .. }
                | Order::Listen { tid }
                | Order::Interrupt { tid }
                | Order::SetOptions { tid }
                | Order::LetEnd { tid }
                | Order::Detach { tid, .. } => tid,
            };
            let result = self.obey_tracer(tid, order);
            self.see_to(tid, result);
        }
    }

    fn obey_tracer(&mut self, tid: i32, order: Order) -> Result<(), Gone> {
        match order {
            Order::Begin { stops, .. } => self.begin_tracing(tid, stops),
            Order::Watch { .. } => Ok(()),
            Order::Resume { run, signal, .. } => self.run_on(tid, run, signal),
            Order::Listen { .. } => self.listen_on(tid),
            Order::Interrupt { .. } => {
                self.world.nested.with(tid, |traced| traced.interrupted = true);
                ptrace::interrupt(tid);
                Ok(())
            }
            Order::SetOptions { .. } => ptrace::set_options(tid, self.options_of(tid)),
            Order::LetEnd { .. } => {
                self.let_end(tid);
                Ok(())
            }
            Order::Detach { signal, .. } => self.detach(tid, signal),
        }
    }

    /// The process of a tracer: its threads get the filter that stops at waits, those that are waiting are interrupted.
    fn watch_waits_of(&mut self, process: i32, except: i32) {
        for tracked in self.tracked.values() {
            let thread = &tracked.thread;
            if thread.tgid != process {
                continue;
            }
            thread.wants_waits.set(true);
            if thread.tid != except {
                ptrace::interrupt(thread.tid);
            }
        }
    }

    fn begin_tracing(&mut self, tid: i32, stops: bool) -> Result<(), Gone> {
        let tracked = self.tracked(tid)?;
        let thread = &tracked.thread;
        // From now on all its calls must be seen.
        if let Some(tools) = tools(thread) {
            thread.space.borrow().put_back(tid, tools);
            told::tell(thread);
        }
        if !stops {
            if self.world.nested.with(tid, |traced| traced.unset) == Some(true) {
                ptrace::interrupt(tid);
            }
            return Ok(());
        }
        let (tgid, is_stopped) = (thread.tgid, thread.is_stopped.get());
        self.world.nested.with(tid, |traced| traced.attaching = true);
        joining::send(tgid, tid, libc::SIGSTOP);
        if is_stopped {
            // It tells of that again.
            joining::interrupt(tid);
        }
        Ok(())
    }

    /// Lets a tracee run on from the stop that its tracer sees.
    fn run_on(&mut self, tid: i32, run: Run, signal: i32) -> Result<(), Gone> {
        let stop = self.world.nested.with(tid, |traced| {
            traced.run = run;
            traced.stop.take()
        });
        self.leave_stop(tid, stop.flatten(), signal)
    }

    fn leave_stop(&mut self, tid: i32, stop: Option<Stop>, signal: i32) -> Result<(), Gone> {
        let Some(stop) = stop else { return Ok(()) };
        let tracked = self.tracked(tid)?;
        let (tgid, by_ptrace) = (tracked.thread.tgid, tracked.thread.engine == Engine::Ptrace);
        match stop.kind {
            Kind::Signal => self.resume(tid, signal),
            Kind::Group => self.resume(tid, 0),
            Kind::Entry if by_ptrace => self.handle_call_told(tid),
            Kind::Entry | Kind::Exit | Kind::Stepped => self.resume(tid, signal),
            Kind::Event => {
                // The stop of a new tracee is that of a signal, to its tracer.
                if signal != 0 && stop.code >> 8 == 0 {
                    joining::send(tgid, tid, signal);
                }
                if stop.code >> 8 == libc::PTRACE_EVENT_EXIT {
                    if !self.hold_end(tid) {
                        self.let_end(tid);
                    }
                    return Ok(());
                }
                self.resume(tid, 0)
            }
        }
    }

    fn listen_on(&mut self, tid: i32) -> Result<(), Gone> {
        let stop = self.world.nested.with(tid, |traced| {
            traced.listening = true;
            traced.stop.take()
        });
        match stop.flatten() {
            // Another real stop than its tracer's: it stays there until it is interrupted.
            Some(stop) if stop.kind != Kind::Group && !ptrace::is_at_event_stop(tid)? => Ok(()),
            Some(_) => ptrace::listen(tid),
            None => Ok(()),
        }
    }

    fn detach(&mut self, tid: i32, signal: i32) -> Result<(), Gone> {
        let Some(traced) = self.world.nested.traced.borrow_mut().remove(&tid) else { return Ok(()) };
        let Some(stop) = traced.stop else { return Ok(()) };
        ptrace::set_options(tid, self.options_of(tid))?;
        if stop.kind == Kind::Group {
            return ptrace::listen(tid);
        }
        self.leave_stop(tid, Some(stop), signal)
    }

    /// A tracer has ended: those that it has traced are free, or killed if it wanted that.
    pub(super) fn tracer_ended(&mut self, tracer: i32) {
        let nested = &self.world.nested;
        let mine = |traced: &super::Traced| traced.tracer == tracer;
        let tids: Vec<i32> = nested.traced.borrow().iter().filter(|(_, t)| mine(t)).map(|(tid, _)| *tid).collect();
        for tid in tids {
            if self.world.nested.with(tid, |traced| traced.wants(libc::PTRACE_O_EXITKILL)) == Some(true) {
                ptrace::kill(tid);
            }
            let result = self.detach(tid, 0);
            self.see_to(tid, result);
        }
        let mut held = Vec::new();
        self.world.nested.ends.borrow_mut().retain(|end| {
            held.extend((end.tracer == tracer && end.holds).then_some(end.tid));
            end.process != tracer && end.tracer != tracer
        });
        for tid in held {
            self.let_end(tid);
        }
        self.world.nested.waiting.borrow_mut().remove(&tracer);
    }

    /// Sets the real options of a stopped tracee, if that could not be done when they were wanted.
    pub(super) fn set_options(&mut self, tid: i32) -> Result<(), Gone> {
        match self.world.nested.with(tid, |traced| std::mem::take(&mut traced.unset)) {
            Some(true) => ptrace::set_options(tid, self.options_of(tid)),
            _ => Ok(()),
        }
    }

    /// What a tracee's real options are besides those of all.
    pub(in crate::tracer) fn options_of(&self, tid: i32) -> i32 {
        let nested = self.world.nested.with(tid, |traced| traced.real_options()).unwrap_or(0);
        let watched = self.tracked.get(&tid).is_some_and(|tracked| tracked.watched);
        nested | if watched { libc::PTRACE_O_TRACEEXIT } else { 0 }
    }
}
