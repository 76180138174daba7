//! The wait loop: what each stop of a tracee means, and how it runs on.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use super::abi_table::AbiTable;
use super::cpu::Follower;
use super::exec::{self, Bootstrap};
use super::flight::{Flight, Next, Origin};
use super::last_process::{self, Ending};
use super::lookup;
use super::orphans::Sweeper;
use super::ptrace::{self, Event, Gone, Position, SyscallInfo, Watch};
use super::thread::{Start, Thread, World};
use super::trampoline::Trampoline;
use super::{Attach, Attached, Engine, Order, Orders};
use crate::arch::{Abi, DONE_NUMBER};
use crate::call::{Call, table};
use crate::creds::Creds;
use crate::errno::Errno;
use crate::filter;
use crate::lie::LieTable;
use crate::log::Log;
use crate::policy::{Answer, Outcome, PATH_MAX, Process, Schedule, TraceeExt};
use crate::state::Table;

/// What a tracee is doing between two stops.
enum Phase {
    /// Its own business.
    Running,
    /// A call of its handler in place of its own.
    InPlace,
    /// A call of its handler through the trampoline.
    Injected,
    /// The code that maps the trampoline into a new program.
    Bootstrap(Box<Bootstrap>),
}

/// A tracee and what the tracer knows of it.
pub(super) struct Tracked {
    pub(super) thread: Rc<Thread>,
    phase: Phase,
    flight: Option<Flight>,
    /// The result of the trampoline's call, while [`DONE_NUMBER`] has to run to its exit.
    done: Option<u64>,
    /// A call that is issued once more, to run as it is, and the signals that the program blocks.
    let_through: Option<(Origin, u64)>,
    /// Its filter stops at every open.
    pub(super) every_open: bool,
    /// Its memory has the trampoline.
    pub(super) ready: bool,
}

/// The tracer of a daemon. Must be used on one thread: the kernel ties tracees to it.
pub struct Tracer {
    abis: &'static [AbiTable],
    world: Rc<World>,
    pub(super) log: Log,
    orders: Orders,
    tracked: HashMap<i32, Tracked>,
    /// First stops of threads whose maker has not yet told of them.
    pub(super) early: HashMap<i32, Event>,
    /// The tracee that has ended last.
    pub(super) last_ended: Option<Tracked>,
    follower: Follower,
    sweeper: Sweeper,
    pub(super) ending: Ending,
    /// Filters made from now on stop at every open.
    every_open: bool,
}

impl Tracer {
    /// A tracer without tracees. Makes the trampoline's file in `directory`.
    ///
    /// # Errors
    /// One line that says what is wrong with the directory and how to mend it.
    pub fn new(
        abis: &'static [&'static dyn Abi],
        directory: &Path,
        table: Rc<Table>,
        log: Log,
        orders: Orders,
    ) -> Result<Tracer, String> {
        let trampoline = Trampoline::new(directory, abis)?;
        let every_open = table.kinds().devices > 0;
        Ok(Tracer {
            abis: AbiTable::all(abis),
            world: Rc::new(World { table, trampoline, threads: Default::default(), mapping: Default::default() }),
            log,
            orders,
            tracked: HashMap::new(),
            early: HashMap::new(),
            last_ended: None,
            follower: Follower::default(),
            sweeper: Sweeper::default(),
            ending: Ending::default(),
            every_open,
        })
    }

    /// Traces until `idle` agrees to end. It is asked when no tracee is left; if the last one has just ended, before
    /// its parent can see that.
    pub fn run(&mut self, idle: &mut dyn FnMut() -> bool) {
        loop {
            self.obey_orders();
            if !self.early.is_empty() && (self.tracked.is_empty() || ptrace::is_quiet()) {
                self.adopt_foundlings();
            }
            if self.tracked.is_empty() {
                if idle() {
                    return;
                }
                match self.orders.recv() {
                    Ok(order) => self.obey(order),
                    Err(_) => return,
                }
                continue;
            }
            let ending = self.tracked.len() == 1
                && matches!(ptrace::peek_end(), Ok(Some(tid)) if self.tracked.contains_key(&tid))
                && idle();
            match ptrace::wait() {
                Ok((tid, Event::Ending)) => self.handle_ending(tid, idle),
                Ok((tid, event)) => self.handle(tid, event),
                // No child although some are tracked: they were reaped with the process that exec replaced.
                Err(_) => self.tracked.clear(),
            }
            if ending {
                return;
            }
        }
    }

    fn obey_orders(&mut self) {
        while let Ok(order) = self.orders.try_recv() {
            self.obey(order);
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Attach(attach) => self.attach(attach),
            Order::Dump => self.dump(),
            Order::Check => {}
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
            let start = Start {
                creds: Creds::root(attach.settings.last_cap),
                settings: Rc::new(attach.settings),
                groups: Rc::from([0]),
                process: Rc::new(Cell::new(Process { umask: umask_of(attach.pid), dumpable: 1 })),
                schedule: Schedule::default(),
                view: Rc::new(Cell::new(lookup::view(attach.pid))),
            };
            let ids = (attach.pid, attach.pid, 0);
            self.log.info(format_args!("{}: attached, engine {:?}", attach.pid, attach.engine));
            self.track(ids, attach.engine, start, &self.abis[0], self.every_open, false);
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
            if let Some(mut tracked) = self.remove(tid) {
                tracked.flight = None;
                tracked.thread.release_slot();
                self.last_ended = Some(tracked);
            }
            return;
        }
        if !self.tracked.contains_key(&tid) && event != Event::Exec {
            self.early.insert(tid, event);
            return;
        }
        self.follower.stopped(tid);
        // Whoever is gone while we look at it is dying: its end comes with a later wait.
        let _ = self.handle_stop(tid, event);
    }

    fn handle_stop(&mut self, tid: i32, event: Event) -> Result<(), Gone> {
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

    fn tracked(&mut self, tid: i32) -> Result<&mut Tracked, Gone> {
        self.tracked.get_mut(&tid).ok_or(Gone)
    }

    /// Lets a tracee run to its next interesting stop.
    fn resume(&mut self, tid: i32, signal: i32) -> Result<(), Gone> {
        let tracked = self.tracked(tid)?;
        match (&tracked.phase, tracked.thread.engine) {
            (Phase::InPlace, _) | (_, Engine::Ptrace) => ptrace::cont_to_syscall(tid, signal),
            (_, Engine::Seccomp) => ptrace::cont(tid, signal),
        }
    }

    fn handle_call(&mut self, tid: i32) -> Result<(), Gone> {
        let info = ptrace::syscall_info(tid)?;
        let tracked = self.tracked(tid)?;
        match (&tracked.phase, info.position) {
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
                    self.done(tid, args[0])
                } else {
                    tracked.done = Some(args[0]);
                    ptrace::cont_to_syscall(tid, 0)
                }
            }
            (_, Position::Exit { .. }) => match tracked.done.take() {
                Some(result) => self.done(tid, result),
                None => self.resume(tid, 0),
            },
            _ => self.resume(tid, 0),
        }
    }

    /// The trampoline, or the code that maps it, has run to its end with this result.
    fn done(&mut self, tid: i32, result: u64) -> Result<(), Gone> {
        let tracked = self.tracked(tid)?;
        let result = tracked.thread.abi.get().abi().result(result);
        if matches!(tracked.phase, Phase::Bootstrap(_)) {
            return self.finish_bootstrap(tid, result);
        }
        tracked.thread.set_reply(Errno::from_raw(result));
        if let Some(flight) = &mut tracked.flight {
            flight.at_done(tracked.thread.abi.get());
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
                return self.resume(tid, 0);
            }
        }
        let Some(sys) = abi.sys(number) else {
            return if filter::is_of_variant(number) { self.refuse_foreign(tid) } else { self.resume(tid, 0) };
        };
        let call = Call { sys, args: args.map(|arg| abi.abi().argument(arg)) };
        let every_open = tracked.every_open || tracked.thread.engine == Engine::Ptrace;
        if !tracked.ready || !call.stops(every_open) {
            return self.resume(tid, 0);
        }
        tracked.thread.abi.set(abi);
        let thread = Rc::clone(&tracked.thread);
        let origin = Origin { call, abi, number, pc: info.pc, sp: info.sp };
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
                table::dispatch(&*thread, &call).await
            })
        } else {
            Box::pin(async move { table::dispatch(&*thread, &call).await })
        };
        tracked.flight = Some(Flight::of_call(origin, future));
        self.advance(tid)
    }

    /// Runs a tracee's handler on until it waits or ends, then the tracee.
    fn advance(&mut self, tid: i32) -> Result<(), Gone> {
        let tracked = self.tracked(tid)?;
        let Some(flight) = &mut tracked.flight else {
            tracked.phase = Phase::Running;
            return self.resume(tid, 0);
        };
        match flight.advance(&tracked.thread)? {
            Next::InPlace | Next::Cancelled => tracked.phase = Phase::InPlace,
            Next::Injected => tracked.phase = Phase::Injected,
            next @ (Next::Finished(_) | Next::FinishedAgain(_)) => {
                let flight = tracked.flight.take();
                tracked.phase = Phase::Running;
                let origin = flight.and_then(|flight| flight.origin);
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
            self.take_on(child, &thread, same_process, every_open, ready);
        }
        self.resume(tid, 0)
    }

    /// Tracks a new thread that `maker` has made.
    pub(super) fn take_on(&mut self, child: i32, maker: &Thread, same_process: bool, every_open: bool, ready: bool) {
        let mut start = maker.inheritance(same_process);
        start.schedule = start.schedule.of_child();
        if !same_process {
            start.view.set(lookup::view(child));
        }
        let tgid = if same_process { maker.tgid } else { child };
        self.track((child, tgid, maker.tgid), maker.engine, start, maker.home.get(), every_open, ready);
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
        let idle = matches!(tracked.phase, Phase::Running) && tracked.flight.is_none();
        if late_filter && idle && tracked.lacks_filter() {
            tracked.every_open = true;
            let thread = Rc::clone(&tracked.thread);
            let home = thread.home.get();
            thread.abi.set(home);
            let arch = ptrace::syscall_info(tid)?.audit_arch;
            let interrupted = abis.iter().find(|table| table.abi().audit_arch() == arch).unwrap_or(home);
            tracked.flight = Some(Flight::outside(
                interrupted,
                Box::pin(async move {
                    thread.stop_at_every_open().await?;
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
        let abis = self.abis;
        let tracked = self.tracked(tid)?;
        tracked.flight = None;
        tracked.done = None;
        tracked.let_through = None;
        tracked.ready = false;
        match exec::prepare(&tracked.thread, abis) {
            Ok(bootstrap) => {
                tracked.phase = Phase::Bootstrap(Box::new(bootstrap));
                self.resume(tid, 0)
            }
            Err(error) => self.give_up(tid, error),
        }
    }

    fn finish_bootstrap(&mut self, tid: i32, result: u64) -> Result<(), Gone> {
        let tracked = self.tracked(tid)?;
        let Phase::Bootstrap(bootstrap) = std::mem::replace(&mut tracked.phase, Phase::Running) else {
            return self.resume(tid, 0);
        };
        match bootstrap.finish(tid, result) {
            Ok(()) => {
                tracked.ready = true;
                self.handle_trap(tid)
            }
            Err(error) => self.give_up(tid, error),
        }
    }

    /// A program that cannot be fooled must not run unfooled.
    fn give_up(&mut self, tid: i32, error: exec::Failure) -> Result<(), Gone> {
        if let exec::Failure::Cannot(why) = error {
            self.log.error(format_args!("{tid}: killed, because it cannot be fooled: {why}"));
            ptrace::kill(tid);
        }
        Err(Gone)
    }
}

impl Tracked {
    /// Whether its filter lets plain opens through, and another one can be added.
    fn lacks_filter(&self) -> bool {
        !self.every_open && self.ready && self.thread.engine == Engine::Seccomp
    }

    /// The same tracee under another id.
    fn renamed(self, tid: i32, world: &Rc<World>) -> Tracked {
        let old = &self.thread;
        let ids = (tid, old.tgid, old.parent);
        let thread = Thread::new(ids, old.engine, old.inheritance(true), Rc::clone(world), old.home.get());
        Tracked { thread: Rc::new(thread), phase: Phase::Running, flight: None, done: None, ..self }
    }
}

/// umask(2) of a process; the usual one if it cannot be told.
fn umask_of(pid: i32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok()).unwrap_or(0o022)
}
