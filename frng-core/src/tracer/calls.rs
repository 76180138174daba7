//! A tracee's calls, from entry to result.

use std::pin::Pin;
use std::rc::Rc;

use super::Engine;
use super::abi_table::AbiTable;
use super::flight::{ERESTARTNOINTR, Flight, Next, Origin};
use super::in_agent::replace_site;
use super::ptrace::{self, Gone, Position, SyscallInfo};
use super::run::Tracer;
use super::thread::Thread;
use super::tracked::Phase;
use crate::arch::{DONE_NUMBER, HOW_DEEP, IS_LET_GO, LEAVE_ALONE, LET_GO, WHO_FOOLS};
use crate::call::{Call, Scope, Stop, Sys, TraceeAddr};
use crate::errno::Errno;
use crate::filter::{self, Late};
use crate::inside::calls;
use crate::inside::layout::LEAVING;
use crate::policy::{self, Answer, Outcome, PATH_MAX, TraceeExt, reach};
use crate::proc_text;
use crate::stats::Subject;

impl Tracer {
    pub(super) fn handle_call(&mut self, tid: i32, by_filter: bool) -> Result<(), Gone> {
        let info = ptrace::syscall_info(tid)?;
        let tracked = self.tracked(tid)?;
        match (&tracked.phase, info.position) {
            (Phase::Running, Position::Entry { number, args }) if tracked.closed.is_some() => {
                self.open_memory(tid, &info, number, args)
            }
            (Phase::Running, Position::Entry { number, args }) => {
                let has_filter = tracked.thread.engine.filters();
                if !by_filter && self.tell_entry(tid, &info, number, args)? {
                    return Ok(());
                }
                if has_filter && !by_filter {
                    // If it is to be answered the filter stops it once more.
                    return self.resume(tid, 0);
                }
                self.enter(tid, &info, number, args)
            }
            (Phase::Reissued, Position::Entry { .. }) => {
                tracked.phase = Phase::InPlace;
                self.resume(tid, 0)
            }
            (Phase::InPlace, Position::Exit { result }) => {
                if tracked.flight.as_mut().is_none_or(Flight::at_exit) {
                    tracked.thread.set_reply(Errno::from_raw(tracked.thread.abi.get().abi().result(result)));
                }
                self.advance(tid)
            }
            (Phase::Injected | Phase::Bootstrap(_), Position::Entry { number, args })
                if number == u64::from(DONE_NUMBER) =>
            {
                if tracked.thread.abi.get().abi().cancels_at_entry() {
                    self.done(tid, [args[0], args[1]])
                } else {
                    tracked.done = Some([args[0], args[1]]);
                    ptrace::cont_to_syscall(tid, 0)
                }
            }
            (Phase::Leaving(_), Position::Entry { number, args: [LEAVING, ..] })
                if number == u64::from(DONE_NUMBER) =>
            {
                let thread = Rc::clone(&tracked.thread);
                match &mut tracked.phase {
                    Phase::Leaving(leaving) => leaving.at_leave(tid, thread.home.get().abi()),
                    _ => Ok(()),
                }
            }
            (Phase::IntoCall(mask), Position::Entry { .. }) => {
                ptrace::set_signal_mask(tid, *mask)?;
                tracked.phase = Phase::Running;
                // If the filter stops the call, that comes next.
                self.resume(tid, 0)
            }
            (_, Position::Exit { result }) => match tracked.done.take() {
                Some(result) => self.done(tid, result),
                None if matches!(tracked.phase, Phase::Running) && self.tell_exit(tid, result)? => Ok(()),
                None => self.resume(tid, 0),
            },
            // Told of a leader that another thread has replaced meanwhile: its exec comes with a later wait.
            (_, Position::None) => Ok(()),
            _ => self.resume(tid, 0),
        }
    }

    /// The tracer of a tracee has been told of the call it is about to enter, and lets it: in the engine that has no filter.
    pub(super) fn handle_call_told(&mut self, tid: i32) -> Result<(), Gone> {
        let info = ptrace::syscall_info(tid)?;
        match info.position {
            Position::Entry { number, args } => self.enter(tid, &info, number, args),
            _ => self.resume(tid, 0),
        }
    }

    /// The trampoline, or the code that maps it, has run to its end with this result, and one more of the agent's.
    fn done(&mut self, tid: i32, [result, more]: [u64; 2]) -> Result<(), Gone> {
        let tracked = self.tracked(tid)?;
        let result = tracked.thread.abi.get().abi().result(result);
        if matches!(tracked.phase, Phase::Bootstrap(_)) {
            return self.finish_bootstrap(tid, result, more);
        }
        tracked.thread.set_reply(Errno::from_raw(result));
        if let Some(flight) = &mut tracked.flight {
            flight.at_done();
        }
        self.advance(tid)
    }

    /// A call by the numbers of an ABI that we do not know would run unfaked: it fails with `ENOSYS`, as under a filter.
    fn refuse_foreign(&mut self, tid: i32) -> Result<(), Gone> {
        self.settle_with(tid, Errno::ENOSYS.to_raw())
    }

    /// A program asks whether it is fooled: another frng does.
    fn answer_about_us(&mut self, tid: i32, [question, operand, ..]: [u64; 6]) -> Result<(), Gone> {
        let answer = match question {
            WHO_FOOLS => u64::from(std::process::id()),
            HOW_DEEP => self.world.trampoline.depth(),
            LEAVE_ALONE => {
                let left = self.tracked(tid)?.thread.leave_alone(TraceeAddr(operand));
                left.map_or_else(Errno::to_raw, |()| 1)
            }
            LET_GO => self.turn_off(tid)?,
            IS_LET_GO => {
                if self.tracked(tid)?.thread.is_off.get() {
                    1
                } else {
                    2
                }
            }
            _ => return self.resume(tid, 0),
        };
        self.settle_with(tid, answer)
    }

    /// The call that a program is about to enter is not made; this is its result.
    fn settle_with(&mut self, tid: i32, result: u64) -> Result<(), Gone> {
        let abi = self.tracked(tid)?.thread.home.get().abi();
        let mut registers = ptrace::registers(tid)?;
        abi.settle(&mut registers);
        abi.set_result(&mut registers, result);
        ptrace::set_registers(tid, abi, &registers)?;
        self.resume(tid, 0)
    }

    /// The program has issued a call of its own.
    fn enter(&mut self, tid: i32, info: &SyscallInfo, number: u64, args: [u64; 6]) -> Result<(), Gone> {
        let Some(abi) = self.abis.iter().find(|table| table.abi().audit_arch() == info.audit_arch) else {
            return self.refuse_foreign(tid);
        };
        let late_filter = self.every_open;
        let tracked = self.tracked(tid)?;
        if let Some((again, mask)) = tracked.let_through.take() {
            ptrace::set_signal_mask(tid, mask)?;
            if again.is_again(number, info.pc, info.sp) {
                self.meet_site(tid, &again)?;
                self.count(|stats| stats.about(Subject::Call(again.call.sys)));
                return self.resume(tid, 0);
            }
        }
        if number == u64::from(DONE_NUMBER) {
            return self.answer_about_us(tid, args);
        }
        tracked.asks_for_cores = matches!(abi.sys(number), Some(Sys::SchedGetaffinity | Sys::SchedSetaffinity));
        if tracked.thread.is_off.get() {
            return self.resume(tid, 0);
        }
        let Some(sys) = abi.sys(number) else {
            return if filter::is_of_variant(number) { self.refuse_foreign(tid) } else { self.resume(tid, 0) };
        };
        let call = Call { sys, args: args.map(|arg| abi.abi().argument(arg)) };
        let every_open = tracked.every_open || tracked.thread.engine == Engine::Ptrace;
        // The invocation's own exec needs no trampoline.
        let ready = tracked.ready || matches!(sys, Sys::Execve | Sys::Execveat);
        let scope = match tracked.thread.looks_at_paths() {
            true => Scope::Paths,
            false if every_open => Scope::Opens,
            false => Scope::Plain,
        };
        let waits = tracked.thread.watches_waits.get() || !tracked.thread.engine.filters();
        let is_wait = waits && sys.row().stop == Stop::Tracing;
        let is_write = sys.row().stop == Stop::Writing && tracked.thread.loses_set_id_bits();
        if !ready || !call.stops(scope) && !is_wait && !is_write {
            return self.resume(tid, 0);
        }
        tracked.thread.abi.set(abi);
        let thread = Rc::clone(&tracked.thread);
        let origin = Origin { call, abi, number, pc: info.pc, sp: info.sp };
        let counted = call.sys;
        let is_foreign = !std::ptr::eq(abi, thread.home.get());
        let is_restricted = thread.is_restricted();
        let adds_filter = late_filter && !every_open;
        tracked.every_open |= adds_filter;
        // Once: it may be gone again at once.
        let absent = if thread.has_fetched.take() { Vec::new() } else { thread.absent_paths(&call) };
        let foreign = is_foreign.then_some(abi);
        let future: Pin<Box<dyn Future<Output = _>>> =
            if is_foreign || adds_filter || is_restricted || !absent.is_empty() {
                Box::pin(async move {
                    prepare(&thread, foreign, adds_filter, absent).await?;
                    reach::check(&*thread, &call).await?;
                    answer(&thread, &call).await
                })
            } else {
                Box::pin(async move { answer(&thread, &call).await })
            };
        tracked.flight = Some(Flight::of_call(origin, future));
        self.count(|stats| stats.entered(counted));
        self.advance(tid)
    }

    /// A call has been answered, or is made: from now on the agent answers those from its place, where that can be done. Not
    /// before, since it may have to be issued again, to be let through.
    fn meet_site(&mut self, tid: i32, origin: &Origin) -> Result<(), Gone> {
        let thread = &self.tracked(tid)?.thread;
        if thread.engine != Engine::Inline || !calls::answers(&origin.call) {
            return Ok(());
        }
        if let Some(replaced) = replace_site(thread, origin.pc, origin.number as u32) {
            self.count(|stats| stats.met_site(origin.call.sys, replaced));
        }
        Ok(())
    }

    /// Runs a tracee's handler on until it waits or ends, then the tracee.
    pub(super) fn advance(&mut self, tid: i32) -> Result<(), Gone> {
        let stats = self.stats.clone();
        let tracked = self.tracked(tid)?;
        let Some(flight) = &mut tracked.flight else {
            tracked.phase = Phase::Running;
            return self.resume(tid, 0);
        };
        if let (Some(origin), Some(stats)) = (flight.origin, &stats) {
            stats.about(Subject::Call(origin.call.sys));
        }
        match flight.advance(&tracked.thread)? {
            Next::InPlace | Next::Cancelled => tracked.phase = Phase::InPlace,
            Next::Injected => tracked.phase = Phase::Injected,
            Next::Reissued => tracked.phase = Phase::Reissued,
            Next::Elsewhere => {
                tracked.phase = Phase::Elsewhere;
                return Ok(());
            }
            next @ (Next::Finished(_) | Next::FinishedAgain(_)) => {
                let flight = tracked.flight.take();
                let at_exit = flight.as_ref().is_some_and(Flight::is_at_exit);
                tracked.phase = Phase::Running;
                if let (Next::FinishedAgain(mask), Some(stack)) = (next, tracked.closed) {
                    return self.prepare_opened(tid, mask, stack);
                }
                let origin = flight.and_then(|flight| flight.origin);
                if let (Some(origin), Some(stats)) = (origin, &stats) {
                    let outcome = if let Next::Finished(outcome) = next { outcome } else { Ok(Answer::Pass) };
                    stats.answered(origin.call.sys, outcome);
                }
                if let (Next::FinishedAgain(mask), Some(origin)) = (next, origin) {
                    tracked.let_through = Some((origin, mask));
                }
                let thread = Rc::clone(&tracked.thread);
                if let (Some(origin), Next::Finished(outcome)) = (origin, next) {
                    self.log_call(&thread, &origin.call, outcome);
                    self.meet_site(tid, &origin)?;
                }
                self.watch_devices();
                self.watch_set_ids();
                let (every_open, tracked) = (self.every_open, self.tracked(tid)?);
                if every_open && tracked.lacks_filter() || tracked.lacks_write_filter() {
                    // It may have been interrupted while the handler had a call under way, when a filter could not be added.
                    ptrace::interrupt(tid);
                }
                let leaders = self.tracked.values().map(|tracked| tracked.thread.tgid);
                self.sweeper.sweep(&self.world.table, leaders);
                let passed = next == Next::Finished(Ok(Answer::Pass));
                let again = matches!(next, Next::FinishedAgain(_)) || next == Next::Finished(Err(ERESTARTNOINTR));
                if let Some(origin) = origin.filter(|_| !passed) {
                    if self.answered(tid, origin, again, at_exit)? {
                        return Ok(());
                    }
                }
                return self.go_on(tid);
            }
        }
        self.resume(tid, 0)
    }

    /// One line a call, only made if it is wanted.
    fn log_call(&self, thread: &Thread, call: &Call, outcome: Outcome) {
        if !self.log.debug_enabled() {
            return;
        }
        let text = |address| {
            let mut buffer = [0; PATH_MAX];
            let bytes = thread.read_cstr(address, &mut buffer).ok()?;
            Some(String::from_utf8_lossy(bytes).into_owned())
        };
        let call = call.display(text);
        let tid = thread.tid;
        // As it calls itself now; nothing if it is gone.
        let program = proc_text::read_to_string(format!("/proc/{tid}/comm")).unwrap_or_default();
        let (program, notes) = (program.trim_end(), thread.take_notes());
        match outcome {
            Ok(Answer::Pass) => self.log.debug(format_args!("{tid} {program}: {call} is left to the kernel{notes}")),
            Ok(Answer::Value(value)) => self.log.debug(format_args!("{tid} {program}: {call} = {value}{notes}")),
            Err(errno) => self.log.debug(format_args!("{tid} {program}: {call} = {errno}{notes}")),
        }
    }
}

/// What is seen to before a call is looked at, which is then issued once more where this has taken its place.
///
/// # Errors
/// `ERESTARTNOINTR` then.
async fn prepare(
    thread: &Thread,
    foreign: Option<&'static AbiTable>,
    adds_filter: bool,
    absent: Vec<TraceeAddr>,
) -> Result<(), Errno> {
    if let Some(abi) = foreign {
        thread.answer_by(abi).await?;
    }
    if adds_filter {
        // The call may need its own place, as one that makes a process does.
        thread.add_filter(Late::Opens, 0).await?;
        return Err(ERESTARTNOINTR);
    }
    // If not, it was executed by one that was not restricted.
    if thread.watch_if_restricted().await? {
        return Err(ERESTARTNOINTR);
    }
    if !absent.is_empty() {
        for path in absent {
            thread.fetch_path(path).await;
        }
        thread.has_fetched.set(true);
        return Err(ERESTARTNOINTR);
    }
    Ok(())
}

async fn answer(thread: &Thread, call: &Call) -> Outcome {
    let outcome = policy::root::dispatch(thread, call).await;
    // It may just have given up root.
    thread.watch_if_restricted().await?;
    outcome
}
