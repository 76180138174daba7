//! What the tracer knows of a tracee besides what its handlers see.

use std::rc::Rc;

use super::exec::Bootstrap;
use super::flight::{Birth, Flight, Origin};
use super::leaving::Leaving;
use super::thread::{Start, Thread, World};

/// What a tracee is doing between two stops.
pub(super) enum Phase {
    /// Its own business.
    Running,
    /// A call of its handler in place of its own.
    InPlace,
    /// To the entry of a call of its handler, issued by the instruction of its own.
    Reissued,
    /// A call of its handler through the trampoline.
    Injected,
    /// Nothing: its handler waits for a thread of ours; see [`super::elsewhere`].
    Elsewhere,
    /// The code that maps the trampoline into a new program.
    Bootstrap(Box<Bootstrap>),
    /// Out of the agent, to receive a signal.
    Leaving(Box<Leaving>),
    /// To the entry of the program's own call, where a signal waits. These are those that the program blocks.
    IntoCall(u64),
}

/// A tracee and what the tracer knows of it.
pub(super) struct Tracked {
    pub(super) thread: Rc<Thread>,
    pub(super) phase: Phase,
    pub(super) flight: Option<Flight>,
    /// The result of the trampoline's call, while [`DONE_NUMBER`] has to run to its exit.
    pub(super) done: Option<[u64; 2]>,
    /// A call that is issued once more, to run as it is, and the signals that the program blocks.
    pub(super) let_through: Option<(Origin, u64)>,
    /// Its memory is closed until its first call; its stack begins here.
    pub(super) closed: Option<u64>,
    /// What it has to forget at its first stop.
    pub(super) birth: Option<Birth>,
    /// Its end is watched: it stops before that.
    pub(super) watched: bool,
    /// What it has inherited of that, or has, is not so, and is to be changed at its next stop.
    pub(super) options_unset: bool,
    /// The last call that it has stopped at is about the cores it may run on.
    pub(super) asks_for_cores: bool,
    /// Its filter stops at every open.
    pub(super) every_open: bool,
    /// Its memory has the trampoline.
    pub(super) ready: bool,
}

impl Tracked {
    /// The same tracee under another id.
    pub(super) fn renamed(self, tid: i32, world: &Rc<World>) -> Tracked {
        let old = &self.thread;
        let ids = (tid, old.tgid, old.parent);
        let start = Start { maker: old.maker, ..old.inheritance(true) };
        let thread = Thread::new(ids, old.engine, start, Rc::clone(world), old.home.get());
        Tracked { thread: Rc::new(thread), phase: Phase::Running, flight: None, done: None, ..self }
    }
}
