//! Which of a tracee's stops its own tracer is told of, and as what.

use std::rc::Rc;

use super::info::{self, Info};
use super::requests::real_signal_info;
use super::waits::child_info;
use super::{End, Kind, Nested, Run, Stop, Traced, joining};
use crate::arch::Abi;
use crate::policy::Tracee;
use crate::tracer::Engine;
use crate::tracer::flight::Origin;
use crate::tracer::leaving::Leaving;
use crate::tracer::ptrace::{self, Gone, SyscallInfo};
use crate::tracer::run::Tracer;
use crate::tracer::thread::Thread;
use crate::tracer::tracked::Phase;

/// `PTRACE_EVENTMSG_SYSCALL_ENTRY`, `PTRACE_EVENTMSG_SYSCALL_EXIT` (`include/uapi/linux/ptrace.h`).
const MESSAGE_ENTRY: u64 = 1;
const MESSAGE_EXIT: u64 = 2;
/// `SI_KERNEL`, `SI_USER`, `SI_TKILL`, `TRAP_BRKPT` (`include/uapi/asm-generic/siginfo.h`).
const SI_KERNEL: i32 = 0x80;
const SI_USER: i32 = 0;
const SI_TKILL: i32 = -6;
const TRAP_BRKPT: i32 = 1;

impl Tracer {
    /// A tracee is stopped, and stays so until its tracer lets it run on.
    fn report(&mut self, tid: i32, stop: Stop) -> Result<(), Gone> {
        self.set_options(tid)?;
        let nested = &self.world.nested;
        let number = nested.stops.get() + 1;
        nested.stops.set(number);
        let Some(process) = nested.with(tid, |traced| {
            // As the kernel has it: any stop is the one that was asked for (`kernel/signal.c: ptrace_stop`).
            traced.interrupted = false;
            traced.stop = Some(Stop { number, ..stop });
            traced.process
        }) else {
            return Ok(());
        };
        let info = child_info(tid, self.uid(tid), stop.code << 8 | 0x7f).status(stop.code & 0x7f);
        self.tell_tracer(process, info);
        Ok(())
    }

    /// Lets a tracer know that there is something to wait for.
    fn tell_tracer(&self, process: i32, info: Info) {
        let nested = &self.world.nested;
        nested.signals.borrow_mut().entry(process).or_insert(info);
        // SAFETY: takes no memory.
        unsafe { libc::kill(process, libc::SIGCHLD) };
        self.wake(process);
    }

    /// Has the threads of a tracer that wait look once more for what there is.
    fn wake(&self, process: i32) {
        let waiting = self.world.nested.waiting.borrow();
        for (tid, _) in waiting.iter().filter(|(_, waiting)| waiting.process == process) {
            ptrace::interrupt(*tid);
        }
    }

    fn uid(&self, tid: i32) -> u32 {
        self.tracked.get(&tid).map_or(0, |tracked| tracked.thread.creds().uid.real)
    }

    /// Lets a tracee run on, unless there is a stop that its tracer is to be told of.
    pub(in crate::tracer) fn go_on(&mut self, tid: i32) -> Result<(), Gone> {
        if let Some(stop) = self.world.nested.with(tid, |traced| traced.due.take()).flatten() {
            return self.report(tid, stop);
        }
        self.resume(tid, 0)
    }

    /// A tracee that is to stop, and stopped for us meanwhile, has to be interrupted once more: any stop takes the
    /// interruption back (`kernel/signal.c: ptrace_stop`).
    pub(in crate::tracer) fn interrupt_again(&mut self, tid: i32) -> Result<(), Gone> {
        let tracked = self.tracked(tid)?;
        let runs = matches!(tracked.phase, Phase::Running | Phase::InPlace);
        let lacks = tracked.lacks_wait_filter() && tracked.flight.is_none();
        let wanted = || self.world.nested.with(tid, |traced| traced.interrupted || traced.unset) == Some(true);
        if runs && (lacks || wanted()) {
            ptrace::interrupt(tid);
        }
        Ok(())
    }

    /// How a tracee in its own business is to run on, if it has a tracer.
    pub(in crate::tracer) fn resume_as_traced(&mut self, tid: i32, signal: i32) -> Option<Result<(), Gone>> {
        let run = self.world.nested.with(tid, |traced| traced.run)?;
        let thread = match self.tracked(tid) {
            Ok(tracked) => Rc::clone(&tracked.thread),
            Err(gone) => return Some(Err(gone)),
        };
        match run {
            Run::Freely => None,
            Run::ToCall => Some(ptrace::cont_to_syscall(tid, signal)),
            // A step over a call would not stop at it.
            Run::Step if thread.engine == Engine::Ptrace && is_before_call(&thread) => {
                Some(ptrace::cont_to_syscall(tid, signal))
            }
            Run::Step => Some(ptrace::step(tid, signal)),
        }
    }

    /// A tracee enters a call of its own. Returns whether its tracer is told.
    pub(in crate::tracer) fn tell_entry(
        &mut self,
        tid: i32,
        info: &SyscallInfo,
        number: u64,
        args: [u64; 6],
    ) -> Result<bool, Gone> {
        if self.world.nested.is_idle() {
            return Ok(false);
        }
        let abi = self.abis.iter().find(|table| table.abi().audit_arch() == info.audit_arch);
        let told = self.world.nested.with(tid, |traced| {
            if traced.again.take_if(|again| *again == (number, info.pc, info.sp)).is_some() {
                return None;
            }
            traced.entered = abi.map(|abi| (abi, number, args));
            traced.replaced = false;
            (traced.run == Run::ToCall).then(|| {
                traced.message = MESSAGE_ENTRY;
                traced.call_stop()
            })
        });
        match told.flatten() {
            Some(code) => self.report_call(tid, Kind::Entry, code).map(|()| true),
            None => Ok(false),
        }
    }

    /// A tracee is at the end of a call of its own, with this result. Returns whether its tracer is told.
    pub(in crate::tracer) fn tell_exit(&mut self, tid: i32, result: u64) -> Result<bool, Gone> {
        let ended = self.world.nested.with(tid, |traced| {
            if traced.again.is_some() || traced.run == Run::Freely {
                return None;
            }
            let replaced = traced.entered.take().filter(|_| traced.replaced);
            traced.replaced = false;
            traced.message = if traced.run == Run::ToCall { MESSAGE_EXIT } else { 0 };
            Some((traced.run, traced.call_stop(), replaced))
        });
        let Some((run, code, replaced)) = ended.flatten() else { return Ok(false) };
        if let Some((abi, number, args)) = replaced {
            let abi = abi.abi();
            let mut registers = ptrace::registers(tid)?;
            abi.replace_call(&mut registers, number as u32, args);
            abi.set_result(&mut registers, result);
            ptrace::set_registers(tid, abi, &registers)?;
        }
        if run == Run::ToCall {
            self.report_call(tid, Kind::Exit, code)?;
        } else {
            // As the kernel tells of a step over a call (`user_single_step_report`).
            let info = Some(Info::new(libc::SIGTRAP, TRAP_BRKPT));
            self.report(tid, Stop { info, ..Stop::new(Kind::Stepped, libc::SIGTRAP) })?;
        }
        Ok(true)
    }

    fn report_call(&mut self, tid: i32, kind: Kind, code: i32) -> Result<(), Gone> {
        let info = Some(Info::new(libc::SIGTRAP, code).sender(tid, self.uid(tid)));
        self.report(tid, Stop { info, ..Stop::new(kind, code) })
    }

    /// A handler has answered a call of a tracee, which is at its exit if `at_exit`; or has it issue it once more. Returns
    /// whether its tracer is told, so that it does not run on.
    pub(in crate::tracer) fn answered(
        &mut self,
        tid: i32,
        origin: Origin,
        again: bool,
        at_exit: bool,
    ) -> Result<bool, Gone> {
        if !self.world.nested.is_traced(tid) {
            return Ok(false);
        }
        self.world.nested.with(tid, |traced| {
            if again {
                traced.again = Some((origin.number, origin.pc, origin.sp));
            }
            traced.replaced |= !at_exit;
        });
        self.send_held(tid);
        if !at_exit || again {
            return Ok(false);
        }
        let ptrace::Position::Exit { result } = ptrace::syscall_info(tid)?.position else { return Ok(false) };
        self.tell_exit(tid, result)
    }

    /// A signal is about to be delivered to a tracee.
    pub(in crate::tracer) fn deliver(&mut self, tid: i32, signal: i32) -> Result<(), Gone> {
        if !self.world.nested.is_traced(tid) {
            return self.resume(tid, signal);
        }
        let ours = std::process::id() as i32;
        let mut info = real_signal_info(tid).unwrap_or(Info::new(signal, SI_USER));
        let phase = &self.tracked(tid)?.phase;
        if matches!(phase, Phase::Injected | Phase::Bootstrap(_)) {
            // SIGSTOP, which nobody can block.
            self.world.nested.with(tid, |traced| traced.held.push((signal, info)));
            return self.resume(tid, 0);
        }
        if info.code() == SI_TKILL && info.pid() == ours {
            let uid = self.uid(tid);
            let other = self.world.nested.with(tid, |traced| traced.true_info(signal, tid, uid)).flatten();
            if let Some(other) = other {
                info = other;
                set_signal_info(tid, &info);
            }
        }
        self.report(tid, Stop::new(Kind::Signal, signal))
    }

    /// Has signals come again that came at the wrong time.
    fn send_held(&self, tid: i32) {
        let held =
            self.world.nested.with(tid, |traced| traced.held.iter().map(|(signal, _)| *signal).collect::<Vec<_>>());
        let Some(tracked) = self.tracked.get(&tid) else { return };
        for signal in held.unwrap_or_default() {
            joining::send(tracked.thread.tgid, tid, signal);
        }
    }

    /// A SIGCHLD that we have sent to a tracer tells of what happened to whom it traces.
    pub(in crate::tracer) fn complete_signal(&mut self, tid: i32, signal: i32) -> Result<(), Gone> {
        let nested = &self.world.nested;
        if signal != libc::SIGCHLD || nested.signals.borrow().is_empty() {
            return Ok(());
        }
        let process = self.tracked(tid)?.thread.tgid;
        let Ok(info) = real_signal_info(tid) else { return Ok(()) };
        if info.code() != SI_USER || info.pid() != std::process::id() as i32 {
            return Ok(());
        }
        if let Some(info) = self.world.nested.signals.borrow_mut().remove(&process) {
            set_signal_info(tid, &info);
        }
        Ok(())
    }

    /// A tracee is in a group-stop.
    pub(in crate::tracer) fn handle_group_stop(&mut self, tid: i32, signal: i32) -> Result<(), Gone> {
        let seized = self.world.nested.with(tid, |traced| {
            traced.listening = false;
            traced.interrupted = false;
            traced.seized
        });
        match seized {
            None => ptrace::listen(tid),
            Some(true) => self.report(tid, Stop::new(Kind::Group, signal | libc::PTRACE_EVENT_STOP << 8)),
            Some(false) => self.report(tid, Stop::new(Kind::Group, signal)),
        }
    }

    /// A tracee has stopped because we, or its tracer, have interrupted it, or since its group-stop has ended. Returns whether
    /// it has to leave the agent first.
    pub(in crate::tracer) fn see_interrupt(&mut self, tid: i32) -> Result<bool, Gone> {
        if !self.world.nested.is_traced(tid) {
            return Ok(false);
        }
        self.set_options(tid)?;
        let tracked = self.tracked(tid)?;
        let idle = matches!(tracked.phase, Phase::Running) && tracked.flight.is_none();
        let interrupted = idle && self.world.nested.with(tid, |traced| traced.interrupted) == Some(true);
        if interrupted && self.is_in_agent(tid)? {
            let leaving = Leaving::begin(tid, 0)?;
            return self.leave_agent(tid, leaving).map(|()| true);
        }
        let uid = self.uid(tid);
        self.world.nested.with(tid, |traced| {
            if traced.due.is_none() && traced.stop.is_none() && (interrupted || traced.listening) {
                traced.interrupted = false;
                traced.listening = false;
                traced.due = Some(Stop::event(libc::PTRACE_EVENT_STOP, libc::SIGTRAP, tid, uid));
            }
        });
        Ok(false)
    }

    /// A tracee has left the agent to receive a signal, or none to be stopped.
    pub(in crate::tracer) fn left_agent(&mut self, tid: i32, signal: i32) -> Result<(), Gone> {
        if signal != 0 {
            return self.deliver(tid, signal);
        }
        self.see_interrupt(tid)?;
        self.go_on(tid)
    }

    /// A tracee tells of one that it has made. Whatever its tracer is to be told is due afterwards.
    pub(in crate::tracer) fn see_fork(&mut self, tid: i32, child: i32, event: i32, untraced: bool) {
        let (uid, option) = (self.uid(tid), option_of(event));
        let joins = self.world.nested.with(tid, |traced| {
            if !traced.wants(option) || untraced {
                return None;
            }
            traced.message = child as u64;
            traced.due = Some(Stop::event(event, libc::SIGTRAP, tid, uid));
            let mut joins = Traced::new(traced.tracer, traced.process, traced.seized, traced.options, false);
            joins.due = Some(if traced.seized {
                Stop::event(libc::PTRACE_EVENT_STOP, libc::SIGTRAP, child, uid)
            } else {
                let info = Some(Info::new(libc::SIGSTOP, SI_USER));
                Stop { info, ..Stop::new(Kind::Event, libc::SIGSTOP) }
            });
            joins.entered = traced.entered;
            joins.replaced = traced.replaced;
            Some(joins)
        });
        if let Some(joins) = joins.flatten() {
            self.world.nested.traced.borrow_mut().insert(child, joins);
        }
    }

    /// `PTRACE_EVENT_VFORK_DONE`.
    pub(in crate::tracer) fn handle_vfork_done(&mut self, tid: i32) -> Result<(), Gone> {
        let message = ptrace::event_message(tid)?;
        let uid = self.uid(tid);
        self.world.nested.with(tid, |traced| {
            if traced.wants(libc::PTRACE_O_TRACEVFORKDONE) {
                traced.message = message;
                traced.due = Some(Stop::event(libc::PTRACE_EVENT_VFORK_DONE, libc::SIGTRAP, tid, uid));
            }
        });
        self.go_on(tid)
    }

    /// A tracee is about to end. Returns whether its tracer is told.
    pub(in crate::tracer) fn tell_ending(&mut self, tid: i32) -> bool {
        if self.world.nested.with(tid, |traced| traced.wants(libc::PTRACE_O_TRACEEXIT)) != Some(true) {
            return self.hold_end(tid);
        }
        let Ok(message) = ptrace::event_message(tid) else { return false };
        self.world.nested.with(tid, |traced| traced.message = message);
        let stop = Stop::event(libc::PTRACE_EVENT_EXIT, libc::SIGTRAP, tid, self.uid(tid));
        self.report(tid, stop).is_ok()
    }

    /// A tracee is about to end, and its tracer has seen that. If another process is its parent, that is to learn of it after
    /// the tracer: holds it. A process of several threads is not held, whose end would not be told before the last one's.
    pub(super) fn hold_end(&mut self, tid: i32) -> bool {
        let alone = self.process_of(tid) == Some(tid) && self.threads_of(tid).count() == 1;
        if !alone || self.world.nested.with(tid, |traced| traced.own_child) != Some(false) {
            return false;
        }
        // That of the event is what wait(2) will tell.
        let Ok(status) = ptrace::event_message(tid) else { return false };
        let Some(traced) = self.world.nested.traced.borrow_mut().remove(&tid) else { return false };
        let end = End {
            tid,
            tracer: traced.tracer,
            process: traced.process,
            status: status as i32,
            uid: self.uid(tid),
            holds: true,
        };
        let info = child_info(tid, end.uid, end.status);
        self.world.nested.ends.borrow_mut().push_back(end);
        self.tell_tracer(traced.process, info);
        true
    }

    /// A tracee, or a tracer, has become another program; `former` was its id until then.
    pub(in crate::tracer) fn see_exec(&mut self, former: i32, tid: i32) {
        let nested = &self.world.nested;
        if nested.is_idle() {
            return;
        }
        let mut traced = nested.traced.borrow_mut();
        if former != tid {
            traced.remove(&tid);
            if let Some(own) = traced.remove(&former) {
                traced.insert(tid, own);
            }
            for other in traced.values_mut().filter(|other| other.tracer == former) {
                other.tracer = tid;
            }
        }
        if let Some(own) = traced.get_mut(&tid) {
            (own.stop, own.due, own.again) = (None, None, None);
            own.message = former as u64;
            // The registers are no longer those of the call, nor are its arguments.
            own.replaced = true;
            own.entered = own.entered.map(|(abi, number, _)| (abi, number, [0; 6]));
        }
    }

    /// Its new program is about to begin.
    pub(in crate::tracer) fn tell_exec(&mut self, tid: i32) {
        let uid = self.uid(tid);
        let Some(tracked) = self.tracked.get(&tid) else { return };
        let (tgid, home) = (tracked.thread.tgid, tracked.thread.home.get());
        let trap = self.world.nested.with(tid, |traced| {
            // Its registers may be those of another convention now.
            traced.entered = traced.entered.map(|(_, number, args)| (home, number, args));
            if traced.wants(libc::PTRACE_O_TRACEEXEC) {
                traced.due = Some(Stop::event(libc::PTRACE_EVENT_EXEC, libc::SIGTRAP, tid, uid));
            } else if !traced.seized {
                traced.executed = true;
            }
            traced.executed
        });
        if trap == Some(true) {
            joining::send(tgid, tid, libc::SIGTRAP);
        }
        self.send_held(tid);
    }

    /// A thread has ended: one that was traced, or one that has traced others.
    pub(in crate::tracer) fn see_end(&mut self, tid: i32, status: i32) {
        let nested = &self.world.nested;
        if nested.is_idle() && nested.ends.borrow().is_empty() {
            return;
        }
        if let Some(parent) = self.tracked.get(&tid).map(|tracked| tracked.thread.parent) {
            // It may have had no child when it began to wait.
            self.wake(parent);
        }
        for end in self.world.nested.ends.borrow_mut().iter_mut().filter(|end| end.tid == tid) {
            // It has been killed while it was held.
            end.holds = false;
        }
        let uid = self.uid(tid);
        let leads = self.process_of(tid) == Some(tid);
        let traced = self.world.nested.traced.borrow_mut().remove(&tid);
        if let Some(Traced { tracer, process, own_child, .. }) = traced {
            // Of a child of its own the tracer learns from the kernel, now that it is no tracee of ours any more.
            if !(own_child && leads) {
                let end = End { tid, tracer, process, status, uid, holds: false };
                self.world.nested.ends.borrow_mut().push_back(end);
                self.tell_tracer(process, child_info(tid, uid, status));
            }
        }
        self.tracer_ended(tid);
    }
}

impl Traced {
    /// The code of a stop at a call.
    fn call_stop(&self) -> i32 {
        libc::SIGTRAP | if self.wants(libc::PTRACE_O_TRACESYSGOOD) { 0x80 } else { 0 }
    }

    /// What comes with a signal that we have sent in the kernel's name.
    fn true_info(&mut self, signal: i32, tid: i32, uid: u32) -> Option<Info> {
        if signal == libc::SIGSTOP && std::mem::take(&mut self.attaching) {
            return Some(Info::new(signal, SI_KERNEL));
        }
        if signal == libc::SIGTRAP && std::mem::take(&mut self.executed) {
            return Some(Info::new(signal, SI_USER).sender(tid, uid));
        }
        let index = self.held.iter().position(|(held, _)| *held == signal)?;
        Some(self.held.remove(index).1)
    }
}

impl Nested {
    /// Whether a thread that this one makes has to have its options set anew.
    pub(in crate::tracer) fn has_options(&self, tid: i32) -> bool {
        self.with(tid, |traced| traced.real_options() != 0) == Some(true)
    }
}

fn option_of(event: i32) -> i32 {
    match event {
        libc::PTRACE_EVENT_FORK => libc::PTRACE_O_TRACEFORK,
        libc::PTRACE_EVENT_VFORK => libc::PTRACE_O_TRACEVFORK,
        _ => libc::PTRACE_O_TRACECLONE,
    }
}

fn set_signal_info(tid: i32, info: &Info) {
    // SAFETY: the kernel reads a siginfo_t, as long as these bytes, which are live. If the tracee is gone nobody is told.
    let _ = unsafe { ptrace::raw(libc::PTRACE_SETSIGINFO as u64, tid, 0, info.0.as_ptr() as usize) };
    const _: () = assert!(info::LEN == size_of::<libc::siginfo_t>());
}

/// Whether a thread stands before an instruction that issues a call.
fn is_before_call(thread: &Thread) -> bool {
    let abi: &dyn Abi = thread.home.get().abi();
    let call = abi.trampoline_code().get(..abi.trampoline_return() as usize).unwrap_or_default();
    let Ok(registers) = ptrace::registers(thread.tid) else { return false };
    let mut there = vec![0; call.len()];
    ptrace::read_memory(thread.tid, abi.pc(&registers), &mut there) == call.len() && there == call
}
