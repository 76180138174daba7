//! Tracees that are tracers themselves: debuggers among the programs, and another frng.
//!
//! The kernel allows a thread one tracer, and that is us. So ptrace(2) of a tracee, and its waits, are answered here, out of
//! what is remembered of those that it believes to trace. `docs/NESTED.md` tells who owns which stop.
//!
//! `requests` and `memory` answer ptrace, `joining` its requests that begin it, `waits` the waits; `stops` decides what of a
//! tracee's real stops its own tracer is shown, and `orders` does what the tracer wants done with it.

mod info;
mod joining;
mod memory;
mod orders;
mod requests;
mod stops;
mod waits;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};

use super::abi_table::AbiTable;
use info::Info;

pub(super) use orders::Order;

/// Options that are really set where a tracer wants them, since we do not need them.
const REAL_OPTIONS: i32 = libc::PTRACE_O_TRACEEXIT | libc::PTRACE_O_TRACEVFORKDONE;

/// Who traces whom among the tracees.
#[derive(Default)]
pub struct Nested {
    /// Those that are traced, by thread.
    traced: RefCell<HashMap<i32, Traced>>,
    /// Ends that their tracers have not waited for yet.
    ends: RefCell<VecDeque<End>>,
    /// What is to be done as soon as the handler that wants it has run.
    orders: RefCell<VecDeque<Order>>,
    /// Threads that wait for one of those that they trace.
    waiting: RefCell<HashMap<i32, Waiting>>,
    /// What the SIGCHLD that is on its way to a tracer's process is about.
    signals: RefCell<HashMap<i32, Info>>,
    /// Number of the last stop.
    stops: Cell<u64>,
}

/// A tracee that another one traces.
struct Traced {
    /// The thread that does.
    tracer: i32,
    /// Its process.
    process: i32,
    /// By `PTRACE_SEIZE`, or by what is attached by itself since its maker was.
    seized: bool,
    /// `PTRACE_O_*`.
    options: i32,
    /// It is a child of that process, which therefore learns its end from the kernel.
    own_child: bool,
    /// How its tracer has let it run on.
    run: Run,
    /// The stop it is in as its tracer sees it; really it is stopped, too.
    stop: Option<Stop>,
    /// A stop to get into as soon as what we do with it is done.
    due: Option<Stop>,
    /// `PTRACE_GETEVENTMSG`.
    message: u64,
    /// `PTRACE_INTERRUPT` is to be answered by a stop.
    interrupted: bool,
    /// Its tracer has let it be stopped like one without a tracer: `PTRACE_LISTEN`.
    listening: bool,
    /// The SIGSTOP of `PTRACE_ATTACH` is on its way.
    attaching: bool,
    /// The SIGTRAP of an exec is on its way.
    executed: bool,
    /// It will issue this call once more, for us: number, program counter and stack pointer.
    again: Option<(u64, u64, u64)>,
    /// The call it has entered, and its arguments.
    entered: Option<(&'static AbiTable, u64, [u64; 6])>,
    /// That call was not made as it is: its registers are to say so no longer at its end.
    replaced: bool,
    /// Options that it is to have really have not been set yet, since it was not stopped.
    unset: bool,
    /// Signals that have come while it was in a call of ours.
    held: Vec<(i32, Info)>,
}

/// How a tracer lets a tracee run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tracer) enum Run {
    /// `PTRACE_CONT`.
    Freely,
    /// `PTRACE_SYSCALL`.
    ToCall,
    /// `PTRACE_SINGLESTEP`.
    Step,
}

/// A ptrace-stop as the tracer sees it.
#[derive(Clone, Copy)]
struct Stop {
    /// Signal and, above 8 bits, event: what a wait's status has above its lowest 8 bits.
    code: i32,
    kind: Kind,
    /// A wait has told of it.
    told: bool,
    /// What `PTRACE_GETSIGINFO` says where the real stop is of another kind.
    info: Option<Info>,
    /// Stops are told of in order.
    number: u64,
}

/// Kinds of stops (ptrace(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Signal-delivery-stop. The real one is the same.
    Signal,
    /// As after a single step. The real one is the exit of a call.
    Stepped,
    /// Group-stop. The real one is the same.
    Group,
    /// `PTRACE_EVENT_*`.
    Event,
    /// Syscall-enter-stop. The real one is the same.
    Entry,
    /// Syscall-exit-stop. The real one is the same.
    Exit,
}

/// The end of a traced thread.
struct End {
    tid: i32,
    tracer: i32,
    process: i32,
    /// As wait(2) tells it.
    status: i32,
    uid: u32,
    /// It is stopped before it ends, and ends when it has been waited for: its parent is not to know before its tracer.
    holds: bool,
}

/// A thread that waits.
struct Waiting {
    process: i32,
    blocks: Option<Blocks>,
}

/// Where a thread waits for what the kernel knows nothing of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blocks {
    /// In its own call, since there are children, too.
    ForChildren,
    /// In a call that nothing but a signal ends.
    ForSignals,
}

impl Nested {
    /// Whether anybody is traced.
    fn is_idle(&self) -> bool {
        self.traced.borrow().is_empty()
    }

    /// Whether a tracee is traced by another one.
    pub(super) fn is_traced(&self, tid: i32) -> bool {
        !self.is_idle() && self.traced.borrow().contains_key(&tid)
    }

    /// The thread that traces a tracee.
    pub(super) fn tracer_of(&self, tid: i32) -> Option<i32> {
        self.with(tid, |traced| traced.tracer)
    }

    /// Whether a tracee is stopped for the one that traces it.
    pub(super) fn is_trapped(&self, tid: i32) -> bool {
        self.with(tid, |traced| traced.stop.is_some()) == Some(true)
    }

    /// Looks at one that is traced.
    fn with<R>(&self, tid: i32, act: impl FnOnce(&mut Traced) -> R) -> Option<R> {
        if self.is_idle() {
            return None;
        }
        self.traced.borrow_mut().get_mut(&tid).map(act)
    }

    fn order(&self, order: Order) {
        self.orders.borrow_mut().push_back(order);
    }

    pub(super) fn next_order(&self) -> Option<Order> {
        self.orders.borrow_mut().pop_front()
    }
}

impl Traced {
    /// One that runs.
    fn new(tracer: i32, process: i32, seized: bool, options: i32, own_child: bool) -> Traced {
        Traced {
            tracer,
            process,
            seized,
            options,
            own_child,
            run: Run::Freely,
            stop: None,
            due: None,
            message: 0,
            interrupted: false,
            listening: false,
            attaching: false,
            executed: false,
            again: None,
            entered: None,
            replaced: false,
            unset: options & REAL_OPTIONS != 0 || !own_child,
            held: Vec::new(),
        }
    }

    fn wants(&self, option: i32) -> bool {
        self.options & option != 0
    }

    /// The options that it really has for its tracer's sake.
    fn real_options(&self) -> i32 {
        self.options & REAL_OPTIONS | if self.own_child { 0 } else { libc::PTRACE_O_TRACEEXIT }
    }
}

impl Stop {
    fn new(kind: Kind, code: i32) -> Stop {
        Stop { code, kind, told: false, info: None, number: 0 }
    }

    /// That of an event; `pid` and `uid` are its thread's.
    fn event(event: i32, signal: i32, pid: i32, uid: u32) -> Stop {
        let code = signal | event << 8;
        Stop { info: Some(Info::new(signal, code).sender(pid, uid)), ..Stop::new(Kind::Event, code) }
    }
}
