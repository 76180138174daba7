//! The wait loop: what each stop of a tracee means, and how it runs on.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::io;
use std::rc::Rc;

use super::abi_table::AbiTable;
use super::agent::Agent;
use super::callers::Callers;
use super::cpu::Follower;
use super::doorbell;
use super::exec::{self, Bootstrap};
use super::flight::{self, Flight, Next, Origin};
use super::foundlings::{self, Ended};
use super::in_agent::{replace_site, tools};
use super::known::Programs;
use super::last_process::{self, Ending};
use super::leaving::Leaving;
use super::lookup;
use super::orphans::Sweeper;
use super::pending::{Kernel, Pending};
use super::ptrace::{self, Event, Gone, Position, Refusal, SyscallInfo, Watch};
use super::root::Rooted;
use super::space::Space;
use super::thread::{Start, Thread, World};
use super::told;
use super::trampoline::Trampoline;
use super::{Attach, Attached, Engine, Order, Orders};
use crate::arch::DONE_NUMBER;
use crate::call::{Call, Scope, Sys};
use crate::creds::Creds;
use crate::daemon::Options;
use crate::errno::Errno;
use crate::filter;
use crate::inside::calls;
use crate::inside::layout::LEAVING;
use crate::lie::LieTable;
use crate::log::Log;
use crate::policy::{self, Answer, Outcome, PATH_MAX, Process, Schedule, TraceeExt};
use crate::state::Table;
use crate::stats::{Stats, Subject};

/// What a tracee is doing between two stops.
pub(super) enum Phase {
    /// Its own business.
    Running,
    /// A call of its handler in place of its own.
    InPlace,
    /// A call of its handler through the trampoline.
    Injected,
    /// The code that maps the trampoline into a new program.
    Bootstrap(Box<Bootstrap>),
    /// Out of the agent, to receive a signal.
    Leaving(Box<Leaving>),
}

/// A tracee and what the tracer knows of it.
pub(super) struct Tracked {
    pub(super) thread: Rc<Thread>,
    pub(super) phase: Phase,
    pub(super) flight: Option<Flight>,
    /// The result of the trampoline's call, while [`DONE_NUMBER`] has to run to its exit.
    done: Option<[u64; 2]>,
    /// A call that is issued once more, to run as it is, and the signals that the program blocks.
    let_through: Option<(Origin, u64)>,
    /// Its memory is closed until its first call; its stack begins here.
    closed: Option<u64>,
    /// The call that has made it, if its maker issued it with other arguments than the program's; up to its first stop.
    born_of: Option<Origin>,
    /// Its filter stops at every open.
    pub(super) every_open: bool,
    /// Its memory has the trampoline.
    pub(super) ready: bool,
}

/// The tracer of a daemon. Must be used on one thread: the kernel ties tracees to it.
pub struct Tracer {
    pub(super) abis: &'static [AbiTable],
    world: Rc<World>,
    pub(super) log: Log,
    orders: Orders,
    pub(super) tracked: HashMap<i32, Tracked>,
    pending: Pending,
    /// First stops of threads whose maker has not yet told of them.
    pub(super) early: HashMap<i32, Event>,
    /// Tracees that have ended lately.
    pub(super) ended: Ended,
    follower: Follower,
    sweeper: Sweeper,
    pub(super) ending: Ending,
    /// Filters made from now on stop at every open.
    every_open: bool,
    callers: Callers,
    stats: Option<Rc<Stats>>,
    terminated: Option<i32>,
    /// What the kernel has refused to do, to tell each once.
    refusals: HashSet<Refusal>,
}

impl Tracer {
    /// A tracer without tracees, on the thread that will [`run`](Tracer::run) it. Makes the trampoline's file.
    ///
    /// # Errors
    /// One line that says what is wrong with the place and how to mend it.
    pub fn new(
        options: &Options,
        table: Rc<Table>,
        log: Log,
        orders: Orders,
        callers: Callers,
        stats: Option<Rc<Stats>>,
    ) -> Result<Tracer, String> {
        doorbell::listen_here().map_err(|error| format!("cannot start the daemon: {error}"))?;
        let Options { abis, agent, ref memory, .. } = *options;
        let agent = match (agent, abis.first()) {
            (Some(image), Some(abi)) => {
                Some(Agent::load(image, *abi).map_err(|why| format!("cannot use the agent: {why}"))?)
            }
            _ => None,
        };
        let lies = table.shared_with_agents();
        let trampoline = Trampoline::new(memory, abis, agent.map(|agent| (agent, lies)))?;
        let every_open = table.kinds().devices > 0;
        let abis = AbiTable::all(abis);
        Ok(Tracer {
            abis,
            world: Rc::new(World {
                abis,
                log: log.clone(),
                table,
                trampoline,
                programs: Programs::default(),
                counting: stats.is_some(),
                lies_len: lies.len,
                threads: Default::default(),
                mapping: Default::default(),
                copies: Default::default(),
            }),
            log,
            orders,
            tracked: HashMap::new(),
            pending: Pending::default(),
            early: HashMap::new(),
            ended: Ended::default(),
            follower: Follower::default(),
            sweeper: Sweeper::default(),
            ending: Ending::default(),
            every_open,
            callers,
            stats,
            terminated: None,
            refusals: HashSet::new(),
        })
    }

    /// Traces until `idle` agrees to end. It is asked when no tracee is left; if the last one has just ended, before
    /// its parent can see that. Or until [`Order::Terminate`]: then there may be tracees, and its signal is returned.
    pub fn run(&mut self, idle: &mut dyn FnMut() -> bool) -> Option<i32> {
        loop {
            self.obey_orders();
            if self.terminated.is_some() {
                return self.terminated;
            }
            let quiet = || self.tracked.is_empty() || ptrace::is_quiet();
            if !self.early.is_empty() && self.pending.is_empty() && quiet() {
                self.adopt_foundlings();
            }
            // A child of a tracee that has ended may not have stopped yet.
            if self.tracked.is_empty() && !ptrace::anybody_lives() {
                if self.asked(idle) {
                    return None;
                }
                match self.orders.recv() {
                    Ok(order) => self.obey(order),
                    Err(_) => return None,
                }
                continue;
            }
            let ending = self.tracked.len() == 1
                && self.pending.is_empty()
                && matches!(ptrace::peek_end(), Ok(Some(tid)) if self.tracked.contains_key(&tid))
                && self.early.is_empty()
                && !ptrace::anybody_lives()
                && self.asked(idle);
            match self.next_event() {
                Ok((tid, event)) => {
                    self.count(|stats| stats.stopped(subject(event)));
                    match event {
                        Event::Ending => self.handle_ending(tid, idle),
                        _ => self.handle(tid, event),
                    }
                    self.count(Stats::resumed);
                }
                // There are orders.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // No child although some are tracked: they were reaped with the process that exec replaced.
                Err(_) => self.tracked.clear(),
            }
            if ending {
                return None;
            }
        }
    }

    /// The next event of anybody, in turn.
    pub(super) fn next_event(&mut self) -> io::Result<(i32, Event)> {
        self.pending.next(&mut Kernel, self.tracked.len())
    }

    /// Asks whether to end, when everything is counted.
    pub(super) fn asked(&self, idle: &mut dyn FnMut() -> bool) -> bool {
        if let Some(stats) = &self.stats {
            stats.add_inline(self.world.trampoline.counters());
        }
        idle()
    }

    /// Counts something, if somebody wants to know.
    fn count(&self, what: impl FnOnce(&Stats)) {
        if let Some(stats) = &self.stats {
            what(stats);
        }
    }

    fn obey_orders(&mut self) {
        doorbell::noticed();
        while let Ok(order) = self.orders.try_recv() {
            self.obey(order);
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Attach(attach) => self.attach(attach),
            Order::Dump => self.dump(),
            Order::Check => {}
            Order::Terminate(signal) => self.terminated = Some(signal),
        }
    }

    fn attach(&mut self, attach: Attach) {
        let watch = if attach.pid == last_process::FIRST { Watch::End } else { Watch::Nothing };
        let result = ptrace::seize(attach.pid, watch).map_err(|error| {
            format!(
                "cannot trace process {}: {error}; see ptrace(2) and /proc/sys/kernel/yama/ptrace_scope",
                attach.pid
            )
        });
        let result = result.map(|()| {
            self.callers.attached(attach.pid);
            let start = Start {
                creds: Creds::root(attach.settings.last_cap),
                settings: Rc::new(attach.settings),
                groups: Rc::from([0]),
                process: Rc::new(Cell::new(Process { umask: umask_of(attach.pid), dumpable: 1 })),
                schedule: Schedule::default(),
                stack: foundlings::stack_of(attach.pid),
                view: lookup::view(attach.pid),
                rooted: Rooted::default(),
                space: Rc::default(),
            };
            let ids = (attach.pid, attach.pid, 0);
            self.log.info(format_args!("{}: attached, engine {:?}", attach.pid, attach.engine));
            self.track(ids, attach.engine, start, &self.abis[0], self.every_open, false);
            if attach.engine == Engine::Ptrace {
                // From its next stop on it stops at calls, so that its exec is seen before it is made.
                ptrace::interrupt(attach.pid);
            }
            Attached { stop_at_every_open: self.every_open }
        });
        // The caller may have died meanwhile; its end is told by the next wait.
        let _ = attach.reply.send(result);
    }

    fn track(
        &mut self,
        ids: (i32, i32, i32),
        engine: Engine,
        start: Start,
        abi: &'static AbiTable,
        every_open: bool,
        ready: bool,
    ) {
        let thread = Rc::new(Thread::new(ids, engine, start, Rc::clone(&self.world), abi));
        self.insert(Tracked {
            thread,
            phase: Phase::Running,
            flight: None,
            done: None,
            let_through: None,
            closed: None,
            born_of: None,
            every_open,
            ready,
        });
    }

    fn insert(&mut self, tracked: Tracked) {
        let tid = tracked.thread.tid;
        self.world.threads.borrow_mut().insert(tid, Rc::downgrade(&tracked.thread));
        self.tracked.insert(tid, tracked);
    }

    fn remove(&mut self, tid: i32) -> Option<Tracked> {
        self.world.threads.borrow_mut().remove(&tid);
        self.tracked.remove(&tid)
    }

    /// The list of tracked processes, with their parent and state.
    fn dump(&mut self) {
        let mut threads: Vec<_> = self.tracked.values().collect();
        threads.sort_by_key(|tracked| tracked.thread.tid);
        self.log.info(format_args!("{} tracees, {} lies", threads.len(), self.world.table.kinds().all));
        for tracked in threads {
            let thread = &tracked.thread;
            let state = match (&tracked.phase, &tracked.flight) {
                (Phase::Running, None) => "running".to_owned(),
                (Phase::Bootstrap(_), _) => "starting a program".to_owned(),
                (Phase::Leaving(_), _) => "about to receive a signal".to_owned(),
                (_, Some(flight)) => match flight.origin {
                    Some(origin) => format!("in {}", origin.call.row().name),
                    None => "prepared for faked devices".to_owned(),
                },
                (_, None) => "in a call".to_owned(),
            };
            let creds = thread.creds.get();
            self.log.info(format_args!(
                "thread {} of process {}, parent {}: euid {} egid {}, {state}",
                thread.tid, thread.tgid, thread.parent, creds.uid.effective, creds.gid.effective
            ));
        }
    }

    /// All tracees.
    pub(super) fn tids(&self) -> impl Iterator<Item = i32> {
        self.tracked.keys().copied()
    }

    /// The process that a tracee belongs to.
    pub(super) fn process_of(&self, tid: i32) -> Option<i32> {
        Some(self.tracked.get(&tid)?.thread.tgid)
    }

    /// The tracees of a process.
    pub(super) fn threads_of(&self, tgid: i32) -> impl Iterator<Item = i32> {
        self.tracked
            .values()
            .map(|tracked| &tracked.thread)
            .filter(move |thread| thread.tgid == tgid)
            .map(|thread| thread.tid)
    }

    /// Lets a tracee that is about to end do so.
    pub(super) fn let_end(&mut self, tid: i32) {
        // If it is gone, so much the better.
        let _ = self.resume(tid, 0);
    }

    pub(super) fn handle(&mut self, tid: i32, event: Event) {
        if event == Event::Ended {
            self.early.remove(&tid);
            self.ending.forget(tid);
            self.callers.ended(tid);
            if let Some(mut tracked) = self.remove(tid) {
                self.left_space(&tracked.thread);
                tracked.flight = None;
                tracked.thread.release_slot();
                self.ended.push(tracked);
            }
            return;
        }
        if !self.tracked.contains_key(&tid) && event != Event::Exec {
            self.early.insert(tid, event);
            return;
        }
        self.follower.stopped(tid);
        match self.handle_stop(tid, event) {
            // Whoever dies while we look at it: its end comes with a later wait.
            Ok(()) | Err(Gone::Dead) => {}
            Err(Gone::Refused(refusal)) => {
                if self.refusals.insert(refusal) {
                    self.log.error(format_args!("{tid}: killed, because it cannot be traced on: {refusal}"));
                }
                ptrace::kill(tid);
            }
        }
    }

    fn handle_stop(&mut self, tid: i32, event: Event) -> Result<(), Gone> {
        match event {
            Event::Ended | Event::Exec | Event::Seccomp | Event::Syscall => {}
            // Told of a leader that another thread has replaced meanwhile: its exec comes with a later wait.
            _ if ptrace::is_at_exec(tid)? => return Ok(()),
            _ => {}
        }
        match event {
            Event::Ended => Ok(()),
            Event::Ending => self.resume(tid, 0),
            Event::Seccomp | Event::Syscall => self.handle_call(tid),
            Event::Forked => self.handle_fork(tid),
            Event::Exec => self.handle_exec(tid),
            Event::GroupStop(_) => ptrace::listen(tid),
            Event::Trap => self.handle_trap(tid),
            Event::Signal(signal) => self.handle_signal(tid, signal),
        }
    }

    pub(super) fn tracked(&mut self, tid: i32) -> Result<&mut Tracked, Gone> {
        self.tracked.get_mut(&tid).ok_or(Gone::Dead)
    }

    /// Lets a tracee run to its next interesting stop.
    pub(super) fn resume(&mut self, tid: i32, signal: i32) -> Result<(), Gone> {
        let tracked = self.tracked(tid)?;
        match (&tracked.phase, tracked.thread.engine) {
            (Phase::Leaving(leaving), _) if !leaving.running => ptrace::step(tid, signal),
            (Phase::InPlace, _) | (_, Engine::Ptrace) => ptrace::cont_to_syscall(tid, signal),
            _ if tracked.closed.is_some() => ptrace::cont_to_syscall(tid, signal),
            (_, Engine::Seccomp | Engine::Inline) => ptrace::cont(tid, signal),
        }
    }

    fn handle_call(&mut self, tid: i32) -> Result<(), Gone> {
        let info = ptrace::syscall_info(tid)?;
        let tracked = self.tracked(tid)?;
        match (&tracked.phase, info.position) {
            (Phase::Running, Position::Entry { number, args }) if tracked.closed.is_some() => {
                self.open_memory(tid, &info, number, args)
            }
            (Phase::Running, Position::Entry { number, args }) => self.enter(tid, &info, number, args),
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
            (_, Position::Exit { .. }) => match tracked.done.take() {
                Some(result) => self.done(tid, result),
                None => self.resume(tid, 0),
            },
            // Told of a leader that another thread has replaced meanwhile: its exec comes with a later wait.
            (_, Position::None) => Ok(()),
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
        let abi = self.tracked(tid)?.thread.home.get().abi();
        let mut registers = ptrace::registers(tid)?;
        abi.settle(&mut registers);
        abi.set_result(&mut registers, Errno::ENOSYS.to_raw());
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
                self.count(|stats| stats.about(Subject::Call(again.call.sys)));
                return self.resume(tid, 0);
            }
        }
        let Some(sys) = abi.sys(number) else {
            return if filter::is_of_variant(number) { self.refuse_foreign(tid) } else { self.resume(tid, 0) };
        };
        let call = Call { sys, args: args.map(|arg| abi.abi().argument(arg)) };
        let every_open = tracked.every_open || tracked.thread.engine == Engine::Ptrace;
        // The invocation's own exec needs no trampoline.
        let ready = tracked.ready || matches!(sys, Sys::Execve | Sys::Execveat);
        let scope = match tracked.thread.is_rooted() {
            true => Scope::Paths,
            false if every_open => Scope::Opens,
            false => Scope::Plain,
        };
        if !ready || !call.stops(scope) {
            return self.resume(tid, 0);
        }
        tracked.thread.abi.set(abi);
        let thread = Rc::clone(&tracked.thread);
        let asks_agent = thread.engine == Engine::Inline && calls::answers(&call);
        let met = asks_agent.then(|| replace_site(&thread, info.pc, number as u32)).flatten();
        let origin = Origin { call, abi, number, pc: info.pc, sp: info.sp };
        let counted = call.sys;
        let is_foreign = !std::ptr::eq(abi, thread.home.get());
        let adds_filter = late_filter && !every_open;
        tracked.every_open |= adds_filter;
        let future: std::pin::Pin<Box<dyn Future<Output = _>>> = if is_foreign || adds_filter {
            Box::pin(async move {
                if is_foreign {
                    thread.answer_by(abi).await?;
                }
                if adds_filter {
                    thread.stop_at_every_open().await?;
                }
                policy::root::dispatch(&*thread, &call).await
            })
        } else {
            Box::pin(async move { policy::root::dispatch(&*thread, &call).await })
        };
        tracked.flight = Some(Flight::of_call(origin, future));
        self.count(|stats| {
            stats.entered(counted);
            if let Some(replaced) = met {
                stats.met_site(counted, replaced);
            }
        });
        self.advance(tid)
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
            next @ (Next::Finished(_) | Next::FinishedAgain(_)) => {
                let flight = tracked.flight.take();
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
                }
                self.watch_devices();
                if self.every_open && self.tracked(tid)?.lacks_filter() {
                    // It was interrupted while the handler had a call under way, when a filter could not be added.
                    ptrace::interrupt(tid);
                }
                let leaders = self.tracked.values().map(|tracked| tracked.thread.tgid);
                self.sweeper.sweep(&self.world.table, leaders);
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
        match outcome {
            Ok(Answer::Pass) => self.log.debug(format_args!("{}: {call} is left to the kernel", thread.tid)),
            Ok(Answer::Value(value)) => self.log.debug(format_args!("{}: {call} = {value}", thread.tid)),
            Err(errno) => self.log.debug(format_args!("{}: {call} = {errno}", thread.tid)),
        }
    }

    /// Once there are faked devices every open must stop. Threads whose filter does not are interrupted, so
    /// that they get another one before they run on.
    fn watch_devices(&mut self) {
        if self.every_open || self.world.table.kinds().devices == 0 {
            return;
        }
        self.every_open = true;
        for (tid, tracked) in &self.tracked {
            if tracked.lacks_filter() {
                ptrace::interrupt(*tid);
            }
        }
    }

    fn handle_fork(&mut self, tid: i32) -> Result<(), Gone> {
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

    /// The first stop of a new thread, the end of a group-stop, or an interruption.
    fn handle_trap(&mut self, tid: i32) -> Result<(), Gone> {
        let late_filter = self.every_open;
        let abis = self.abis;
        let tracked = self.tracked(tid)?;
        if let Some(origin) = tracked.born_of.take() {
            flight::show_own_arguments(&tracked.thread, &origin)?;
        }
        let idle = matches!(tracked.phase, Phase::Running) && tracked.flight.is_none();
        let adds_filter = late_filter && tracked.lacks_filter();
        if idle && (adds_filter || tracked.ready && tracked.thread.is_misnamed()) {
            tracked.every_open |= adds_filter;
            let thread = Rc::clone(&tracked.thread);
            let home = thread.home.get();
            thread.abi.set(home);
            let arch = ptrace::syscall_info(tid)?.audit_arch;
            let interrupted = abis.iter().find(|table| table.abi().audit_arch() == arch).unwrap_or(home);
            tracked.flight = Some(Flight::outside(
                interrupted,
                Box::pin(async move {
                    if adds_filter {
                        thread.stop_at_every_open().await?;
                    }
                    thread.take_name().await?;
                    Ok(Answer::Pass)
                }),
            ));
            return self.advance(tid);
        }
        self.resume(tid, 0)
    }

    fn handle_signal(&mut self, tid: i32, signal: i32) -> Result<(), Gone> {
        let tracked = self.tracked(tid)?;
        let fault = matches!(signal, libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGSYS);
        if fault && matches!(tracked.phase, Phase::Injected) {
            // All other signals are held back, so it is the trampoline that is gone.
            self.log.error(format_args!("{tid}: the trampoline cannot be run (signal {signal})"));
            let tracked = self.tracked(tid)?;
            tracked.thread.set_reply(Err(Errno::ENOMEM));
            if let Some(flight) = &mut tracked.flight {
                flight.at_fault();
            }
            return self.advance(tid);
        }
        if matches!(tracked.phase, Phase::Leaving(_)) || tracked.thread.space.borrow().has_agent() {
            return self.signal_with_agent(tid, signal);
        }
        self.resume(tid, signal)
    }

    fn handle_exec(&mut self, tid: i32) -> Result<(), Gone> {
        // A thread that is not the leader takes the leader's id over; the others are gone.
        let former = ptrace::event_message(tid)? as i32;
        if former != tid {
            if let Some(tracked) = self.remove(former) {
                let tracked = tracked.renamed(tid, &self.world);
                self.insert(tracked);
            }
        }
        self.ending.forget(tid);
        let tracked = self.tracked(tid)?;
        tracked.flight = None;
        tracked.done = None;
        tracked.let_through = None;
        tracked.ready = false;
        tracked.closed = None;
        let thread = Rc::clone(&tracked.thread);
        self.left_space(&thread);
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

    fn finish_bootstrap(&mut self, tid: i32, result: u64, stubs: u64) -> Result<(), Gone> {
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
                        thread.space.borrow().replace_early(tid, tools);
                    }
                }
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

impl Tracked {
    /// Whether its filter lets plain opens through, and another one can be added.
    fn lacks_filter(&self) -> bool {
        !self.every_open && self.ready && self.thread.engine.filters()
    }

    /// The same tracee under another id.
    fn renamed(self, tid: i32, world: &Rc<World>) -> Tracked {
        let old = &self.thread;
        let ids = (tid, old.tgid, old.parent);
        let thread = Thread::new(ids, old.engine, old.inheritance(true), Rc::clone(world), old.home.get());
        Tracked { thread: Rc::new(thread), phase: Phase::Running, flight: None, done: None, ..self }
    }
}

/// What a stop is about, as far as its event tells.
fn subject(event: Event) -> Subject {
    match event {
        Event::Seccomp | Event::Syscall => Subject::OtherCall,
        Event::Exec => Subject::Exec,
        Event::Forked => Subject::Fork,
        Event::Ended | Event::Ending => Subject::End,
        Event::GroupStop(_) | Event::Trap | Event::Signal(_) => Subject::Signal,
    }
}

/// umask(2) of a process; the usual one if it cannot be told.
fn umask_of(pid: i32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok()).unwrap_or(0o022)
}
