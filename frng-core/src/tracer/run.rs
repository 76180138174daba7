//! The wait loop: what each stop of a tracee means, and how it runs on.

use std::collections::{HashMap, HashSet};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::abi_table::AbiTable;
use super::agent::Agent;
use super::callers::Callers;
use super::cpu::Follower;
use super::doorbell;
use super::foundlings::{Early, Ended};
use super::known::Programs;
use super::last_process::Ending;
use super::orphans::Sweeper;
use super::pending::{Kernel, Pending};
use super::ptrace::{self, Gone, Refusal};
use super::remote::Remote;
use super::root::Emulators;
use super::thread::{Start, Thread, World};
use super::tracked::{Phase, Tracked};
use super::trampoline::Trampoline;
use super::wait::{self, Event};
use super::{Engine, Orders};
use crate::daemon::Options;
use crate::errno::Errno;
use crate::lie::LieTable;
use crate::log::Log;
use crate::policy::{Others, view};
use crate::state::Table;
use crate::stats::{Stats, Subject};

/// How long not to wait for a stop, when it may be that none comes.
const SOON: Duration = Duration::from_millis(5);

/// What a wait has told.
enum NextEvent {
    Any((i32, Event)),
    /// The end of the last tracee, after which the tracer ends.
    Last((i32, Event)),
}

/// The tracer of a daemon. Must be used on one thread: the kernel ties tracees to it.
pub struct Tracer {
    pub(super) abis: &'static [AbiTable],
    pub(super) world: Rc<World>,
    pub(super) log: Log,
    pub(super) orders: Orders,
    pub(super) tracked: HashMap<i32, Tracked>,
    pending: Pending,
    /// First stops of threads whose maker has not yet told of them.
    pub(super) early: HashMap<i32, Early>,
    /// Tracees that have ended lately.
    pub(super) ended: Ended,
    follower: Follower,
    pub(super) sweeper: Sweeper,
    pub(super) ending: Ending,
    /// Filters made from now on stop at every open.
    pub(super) every_open: bool,
    /// There have been files with set-ID bits since tracees were told to stop at writes.
    pub(super) has_set_ids: bool,
    pub(super) callers: Callers,
    pub(super) at_end_of_command: Option<Box<dyn Fn()>>,
    pub(super) stats: Option<Rc<Stats>>,
    pub(super) terminated: Option<i32>,
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
        table: Arc<Table>,
        log: Log,
        orders: Orders,
        callers: Callers,
        stats: Option<Rc<Stats>>,
    ) -> Result<Tracer, String> {
        doorbell::listen_here().map_err(|error| format!("cannot start the daemon: {error}"))?;
        let Options { abis, agent, ref memory, ref emulator, depth, .. } = *options;
        let agent = match (agent, abis.first()) {
            (Some(image), Some(abi)) => {
                Some(Agent::load(image, *abi).map_err(|why| format!("cannot use the agent: {why}"))?)
            }
            _ => None,
        };
        let lies = table.shared_with_agents();
        let trampoline = Trampoline::new(memory, abis, agent.map(|agent| (agent, lies)), depth)?;
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
                stats: stats.clone(),
                lies_len: lies.len,
                threads: Default::default(),
                mapping: Default::default(),
                copies: Default::default(),
                emulators: Emulators::new(emulator.clone()),
                remote: Remote::new(),
                answered: Default::default(),
                nested: Default::default(),
                bound: Default::default(),
                remembered: Default::default(),
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
            has_set_ids: false,
            callers,
            at_end_of_command: None,
            stats,
            terminated: None,
            refusals: HashSet::new(),
        })
    }

    /// What to do when the command of an invocation is about to end and leaves others behind. Its parent does not see the end
    /// before that is done, unless the command is killed.
    pub fn at_end_of_command(&mut self, act: Box<dyn Fn()>) {
        self.at_end_of_command = Some(act);
    }

    /// Traces until `idle` agrees to end. It is asked when no tracee is left; if the last one has just ended, before
    /// its parent can see that. Or until [`Order::Terminate`]: then there may be tracees, and its signal is returned.
    pub fn run(&mut self, idle: &mut dyn FnMut() -> bool) -> Option<i32> {
        loop {
            self.obey_orders();
            if self.terminated.is_some() {
                return self.terminated;
            }
            if !self.early.is_empty() {
                let quiet = self.pending.is_empty() && (self.tracked.is_empty() || wait::is_quiet());
                if self.adopt_foundlings(quiet) {
                    thread::sleep(SOON);
                    continue;
                }
            }
            // A child of a tracee that has ended may not have stopped yet.
            if self.tracked.is_empty() && !wait::anybody_lives() {
                if self.asked(idle) {
                    return None;
                }
                match doorbell::while_unneeded(|| self.orders.recv()) {
                    Ok(order) => self.obey(order),
                    Err(_) => return None,
                }
                continue;
            }
            let next = if self.tracked.len() == 1 && self.pending.is_empty() {
                self.next_with_one_tracee(idle)
            } else {
                self.next_event().map(NextEvent::Any)
            };
            match next {
                Ok(NextEvent::Any(event)) => self.meet(event, idle),
                Ok(NextEvent::Last(event)) => {
                    self.meet(event, idle);
                    return None;
                }
                // There are orders.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // No child although some are tracked: they were reaped with the process that exec replaced.
                Err(_) => self.tracked.clear(),
            }
        }
    }

    fn meet(&mut self, (tid, event): (i32, Event), idle: &mut dyn FnMut() -> bool) {
        self.count(|stats| stats.stopped(subject(event)));
        match event {
            Event::Ending => self.handle_ending(tid, idle),
            _ => self.handle(tid, event),
        }
        self.count(Stats::resumed);
    }

    /// The next event while there is one tracee. Its end is taken off the kernel only after `idle` was asked: until then its
    /// parent does not see it. So that event is taken that was looked at, and never just the next one.
    fn next_with_one_tracee(&mut self, idle: &mut dyn FnMut() -> bool) -> io::Result<NextEvent> {
        loop {
            let peeked = wait::peek()?;
            let ends = peeked.is_end
                && self.tracked.contains_key(&peeked.tid)
                && self.early.is_empty()
                && !wait::anybody_lives()
                && self.asked(idle);
            // If not, it has been killed meanwhile.
            if let Some(event) = wait::take(peeked) {
                let event = (peeked.tid, event);
                return Ok(if ends { NextEvent::Last(event) } else { NextEvent::Any(event) });
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
    pub(super) fn count(&self, what: impl FnOnce(&Stats)) {
        if let Some(stats) = &self.stats {
            what(stats);
        }
    }

    pub(super) fn track(
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
            birth: None,
            watched: false,
            options_unset: false,
            asks_for_cores: false,
            every_open,
            ready,
        });
    }

    pub(super) fn insert(&mut self, tracked: Tracked) {
        let tid = tracked.thread.tid;
        self.world.remembered.begins(tid);
        if !tracked.thread.is_off.get() {
            self.world.threads.borrow_mut().insert(tid, Rc::downgrade(&tracked.thread));
        }
        self.tracked.insert(tid, tracked);
    }

    pub(super) fn remove(&mut self, tid: i32) -> Option<Tracked> {
        self.world.threads.borrow_mut().remove(&tid);
        self.tracked.remove(&tid)
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

    /// Lets a tracee that is about to end do so, be it known or not.
    pub(super) fn let_end(&mut self, tid: i32) {
        // If it is gone, so much the better.
        let _ = ptrace::cont(tid, 0);
    }

    pub(super) fn handle(&mut self, tid: i32, event: Event) {
        if let Event::Ended { killed, status } = event {
            self.early.remove(&tid);
            self.ending.forget(tid);
            self.callers.ended(tid);
            self.see_end(tid, status);
            if let Some(tracked) = self.remove(tid) {
                self.world.remembered.has_ended(&tracked.thread);
                let space = Rc::clone(&tracked.thread.space.borrow());
                self.left_space(&tracked.thread);
                if Rc::strong_count(&space) == 1 {
                    // Nobody has it now but maybe a child that is not known yet, as a copy.
                    *tracked.thread.space.borrow_mut() = space;
                }
                self.remember(tracked, killed);
            }
            return;
        }
        if !self.tracked.contains_key(&tid) && event != Event::Exec {
            self.early.insert(tid, Early::now(event));
            return;
        }
        self.follower.stopped(tid);
        let result = self.handle_stop(tid, event);
        self.see_to(tid, result);
        self.obey_tracers();
    }

    /// What has become of a stopped tracee.
    pub(super) fn see_to(&mut self, tid: i32, result: Result<(), Gone>) {
        match result {
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

    /// Keeps what is known of a thread that is gone, as it may have made a child that waits.
    pub(super) fn remember(&mut self, mut gone: Tracked, killed: bool) {
        gone.flight = None;
        gone.thread.release_slot();
        self.ended.push(gone, killed, !self.early.is_empty());
    }

    fn handle_stop(&mut self, tid: i32, event: Event) -> Result<(), Gone> {
        match event {
            Event::Ended { .. } | Event::Exec | Event::Seccomp | Event::Syscall => {}
            // Told of a leader that another thread has replaced meanwhile: its exec comes with a later wait.
            _ if ptrace::is_at_exec(tid)? => return Ok(()),
            _ => {}
        }
        if let Some(tracked) = self.tracked.get(&tid) {
            tracked.thread.is_stopped.set(matches!(event, Event::GroupStop(_)));
        }
        match event {
            Event::Ended { .. } => Ok(()),
            Event::Ending => self.resume(tid, 0),
            Event::Seccomp => self.handle_call(tid, true),
            Event::Syscall => self.handle_call(tid, false),
            Event::Forked(event) => self.handle_fork(tid, event),
            Event::VforkDone => self.handle_vfork_done(tid),
            Event::Exec => self.handle_exec(tid),
            Event::GroupStop(signal) => self.handle_group_stop(tid, signal),
            Event::Trap => self.handle_trap(tid),
            Event::Signal(signal) => self.handle_signal(tid, signal),
        }
    }

    pub(super) fn tracked(&mut self, tid: i32) -> Result<&mut Tracked, Gone> {
        self.tracked.get_mut(&tid).ok_or(Gone::Dead)
    }

    /// Lets a tracee run to its next interesting stop.
    pub(super) fn resume(&mut self, tid: i32, signal: i32) -> Result<(), Gone> {
        self.interrupt_again(tid)?;
        let tracked = self.tracked(tid)?;
        if matches!(tracked.phase, Phase::Running) {
            if let Some(result) = self.resume_as_traced(tid, signal) {
                return result;
            }
        }
        let tracked = self.tracked.get(&tid).ok_or(Gone::Dead)?;
        let _brought = if tracked.asks_for_cores { None } else { self.follower.bring(tid) };
        match (&tracked.phase, tracked.thread.engine) {
            (Phase::Leaving(leaving), _) if !leaving.running => ptrace::step(tid, signal),
            (Phase::InPlace | Phase::Reissued | Phase::IntoCall(_), _) | (_, Engine::Ptrace) => {
                ptrace::cont_to_syscall(tid, signal)
            }
            _ if tracked.closed.is_some() => ptrace::cont_to_syscall(tid, signal),
            (_, Engine::Seccomp | Engine::Inline) => ptrace::cont(tid, signal),
        }
    }

    /// The first stop of a new thread, the end of a group-stop, or an interruption.
    pub(super) fn handle_trap(&mut self, tid: i32) -> Result<(), Gone> {
        self.see_begin(tid)?;
        if self.see_interrupt(tid)? {
            return Ok(());
        }
        if self.add_late_filter(tid)? {
            return self.advance(tid);
        }
        self.go_on(tid)
    }

    fn handle_signal(&mut self, tid: i32, signal: i32) -> Result<(), Gone> {
        self.complete_signal(tid, signal)?;
        self.show_sender(tid)?;
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
        self.deliver(tid, signal)
    }
}

impl Tracer {
    /// Tells a tracee that is about to receive a signal the faked user of whoever sent it, as `si_uid`.
    fn show_sender(&mut self, tid: i32) -> Result<(), Gone> {
        let mut info = ptrace::signal_info(tid)?;
        let thread = &self.tracked(tid)?.thread;
        let of_child = info.si_signo == libc::SIGCHLD && info.si_code > 0;
        if !of_child && !matches!(info.si_code, libc::SI_USER | libc::SI_TKILL) {
            return Ok(());
        }
        // SAFETY: by its code the signal is one that has these.
        let (pid, uid) = unsafe { (info.si_pid(), info.si_uid()) };
        // Where all are root it need not be looked up who that is.
        let creds = thread.anybody_is_no_root().then(|| Others::creds(&**thread, pid)).flatten();
        let shown = creds.map_or_else(|| view::unknown_ids(&**thread, uid, 0).0, |creds| creds.uid.real);
        if pid == 0 || shown == uid {
            return Ok(());
        }
        ptrace::set_sender(&mut info, shown);
        ptrace::set_signal_info(tid, &info)
    }
}

/// What a stop is about, as far as its event tells.
fn subject(event: Event) -> Subject {
    match event {
        Event::Seccomp | Event::Syscall => Subject::OtherCall,
        Event::Exec => Subject::Exec,
        Event::Forked(_) | Event::VforkDone => Subject::Fork,
        Event::Ended { .. } | Event::Ending => Subject::End,
        Event::GroupStop(_) | Event::Trap | Event::Signal(_) => Subject::Signal,
    }
}
