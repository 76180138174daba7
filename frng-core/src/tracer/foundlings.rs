//! Children whose maker has ended before it could tell of them.
//!
//! A new process stops by itself, and its maker stops to tell of it. A maker that is killed in between never tells, and
//! nobody else does: the child would wait for ever. So when nothing else is to be done, a child of which nobody who lives
//! can still tell is taken on.
//!
//! Who has made it is not recorded anywhere: once the maker's process is gone the child has been given another parent. But
//! every new process has its maker's memory, whose stack begins at a place that the kernel chooses anew at each exec. And
//! its maker has ended after it began. So of the tracees that have ended since, the maker is
//!
//! - one with its stack there, of the process that is the child's parent, if only a thread of that has ended (another one
//!   has executed a program);
//! - else one with its stack there, rather one that was killed: a process with one thread that ends in any other way tells
//!   of all its children.
//!
//! # Why none is lost
//! A child is looked at again and again until its maker is among those that have ended, or has told of it. The maker's end
//! is often seen later than that the child has another parent: the kernel arranges that before it tells of the end, even
//! long before if other threads of the process take their time. So a child waits while any tracee that may have made it is on
//! its way out. What is found out about the child and then about the tracees holds only in this order, as the maker may end
//! at any moment. None of the ended is forgotten while a child waits. And the daemon does not end meanwhile, as the child
//! lives, stopped or not ([`wait::anybody_lives`]).

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::doorbell;
use super::fork::Maker;
use super::ptrace;
use super::run::Tracer;
use super::space::Space;
use super::tracked::Tracked;
use super::wait::Event;
use crate::proc_text;

/// How many ended tracees are remembered if no child waits. Only those that end while a stop of theirs is still on its way
/// matter.
const REMEMBERED: usize = 256;

/// How long a child waits for its maker to tell of it, or to have ended. Should the maker tell later, it is not heeded.
const PATIENCE: Duration = Duration::from_secs(1);

/// A new process that has stopped before its maker has told of it.
pub struct Early {
    /// Its stop.
    pub event: Event,
    since: Instant,
}

impl Early {
    /// It has stopped just now.
    pub fn now(event: Event) -> Early {
        Early { event, since: Instant::now() }
    }

    fn is_overdue(&self) -> bool {
        self.since.elapsed() > PATIENCE
    }
}

/// Tracees that have ended lately, the last one first.
#[derive(Default)]
pub struct Ended(VecDeque<Gone>);

struct Gone {
    tracked: Tracked,
    killed: bool,
    /// When it was seen, in the kernel's ticks since the machine has started.
    at: u64,
}

impl Ended {
    /// Remembers one, which was `killed` or has ended by itself. If a child waits none is forgotten.
    pub(super) fn push(&mut self, tracked: Tracked, killed: bool, child_waits: bool) {
        if !child_waits {
            self.0.truncate(REMEMBERED - 1);
        }
        self.0.push_front(Gone { tracked, killed, at: now() });
    }
}

/// What is known of a child whose maker is looked for.
struct Child {
    parent: i32,
    stack: Option<u64>,
    born: u64,
}

impl Child {
    /// `None` for a thread, which ends with the process it is made in, or if it is gone.
    fn look(tid: i32) -> Option<Child> {
        let stat = Stat::of(tid)?;
        ptrace::same_process(tid, tid).then_some(Child { parent: stat.parent, stack: stat.stack, born: stat.born })
    }

    /// Whether it has the memory of a tracee: both have the same stack.
    fn is_of(&self, tracked: &Tracked) -> bool {
        self.stack.is_some() && tracked.thread.stack.get() == self.stack
    }

    /// The same, if it can be told.
    fn may_be_of(&self, tracked: &Tracked) -> bool {
        self.is_of(tracked) || self.stack.is_none() || tracked.thread.stack.get().is_none()
    }
}

impl Tracer {
    /// Takes on the children that have stopped and that nobody will tell of. To be called before each wait; `quiet` says
    /// that no stop is left to look at. Wakes the tracer later if it cannot be told yet whether there are some; returns true
    /// if that is not possible, and nothing else may wake it.
    #[must_use]
    pub(super) fn adopt_foundlings(&mut self, quiet: bool) -> bool {
        let due = |early: &Early| quiet || early.is_overdue();
        let children: Vec<i32> = self.early.iter().filter(|(_, early)| due(early)).map(|(tid, _)| *tid).collect();
        for child in children {
            self.look_at_early(child);
        }
        quiet && !self.early.is_empty() && doorbell::ring_later().is_err()
    }

    fn look_at_early(&mut self, tid: i32) {
        let Some(child) = Child::look(tid) else { return };
        let overdue = self.early.get(&tid).is_some_and(Early::is_overdue);
        // The parent, who mostly has made it, first: each look costs reading a file.
        let mut suspects = self.tracked.get(&child.parent).into_iter().chain(self.tracked.values());
        if !overdue && suspects.any(|tracked| is_to_be_waited_for(tracked, &child)) {
            return;
        }
        match self.maker_of(&child, overdue).map(Maker::of) {
            Some(maker) => self.adopt(tid, &child, maker),
            None if overdue => {
                // Nobody knows who it should believe to be.
                self.log.error(format_args!("{tid}: killed, because nobody who could have made it is known"));
                self.early.remove(&tid);
                ptrace::kill(tid);
            }
            None => {}
        }
    }

    fn adopt(&mut self, tid: i32, child: &Child, mut maker: Maker) {
        // Which of its threads it was cannot be told. To add a filter twice does no harm.
        let mut threads = self.known().filter(|other| other.thread.tgid == maker.thread.tgid);
        maker.every_open = threads.all(|other| other.every_open);
        drop(threads);
        let space = self.space_of(tid, child, maker.thread.tgid);
        self.log.info(format_args!("{tid}: its maker {} has ended without telling of it", maker.thread.tid));
        maker.thread.child_apart.set(true);
        self.take_on(tid, &maker, false, space, None);
    }

    /// All tracees, and those that were.
    fn known(&self) -> impl Iterator<Item = &Tracked> {
        self.tracked.values().chain(self.ended.0.iter().map(|gone| &gone.tracked))
    }

    /// Who has made a child: of those that have ended; if `overdue`, of all.
    fn maker_of(&self, child: &Child, overdue: bool) -> Option<&Tracked> {
        let since = || self.ended.0.iter().filter(|gone| gone.at >= child.born);
        let found = |is_maker: &dyn Fn(&Gone) -> bool| since().find(|gone| is_maker(gone)).map(|gone| &gone.tracked);
        let is_of_parent = |tracked: &Tracked| tracked.thread.tgid == child.parent;
        let living = || self.tracked.values().filter(|tracked| overdue && child.is_of(tracked));
        found(&|gone| child.is_of(&gone.tracked) && is_of_parent(&gone.tracked))
            .or_else(|| living().find(|tracked| is_of_parent(tracked)))
            .or_else(|| found(&|gone| child.is_of(&gone.tracked) && gone.killed))
            .or_else(|| found(&|gone| child.is_of(&gone.tracked)))
            .or_else(|| found(&|gone| is_of_parent(&gone.tracked)))
            .or_else(|| living().next())
    }

    /// What the agent has of the memory of a child that this process has made.
    fn space_of(&self, tid: i32, child: &Child, maker: i32) -> Rc<Space> {
        let with_agent = |tracked: &&Tracked| child.is_of(tracked) && tracked.thread.space.borrow().has_agent();
        let shares = |tracked: &&Tracked| ptrace::same_memory(tracked.thread.tid, tid) == Some(true);
        if let Some(tracked) = self.tracked.values().filter(with_agent).find(shares) {
            return Rc::clone(&tracked.thread.space.borrow());
        }
        let known = || self.known().filter(with_agent);
        let found = known().find(|tracked| tracked.thread.tgid == maker).or_else(|| known().next());
        let copy = |found: &Tracked| {
            let stub_len = found.thread.world.agents_abi(&found.thread)?.inside()?.stub_len();
            Some(Rc::new(found.thread.space.borrow().copy_in(tid, stub_len)))
        };
        found.and_then(copy).unwrap_or_default()
    }
}

/// Whether a tracee may have made this child and will be among the ended soon; or may be between making it and its stop to
/// tell of it, or in that stop. Then it is a thread of the child's parent, or the child has its own parent (`CLONE_PARENT`).
fn is_to_be_waited_for(tracked: &Tracked, child: &Child) -> bool {
    if !child.may_be_of(tracked) {
        return false;
    }
    let Some(stat) = Stat::of(tracked.thread.tid) else { return true };
    let related = tracked.thread.tgid == child.parent || stat.parent == child.parent;
    stat.is_exiting || related && matches!(stat.state, 'R' | 'D' | 't')
}

/// What `/proc/TID/stat` tells of a thread (proc_pid_stat(5)).
pub(super) struct Stat {
    state: char,
    /// The process whose child it is.
    pub(super) parent: i32,
    /// It has begun to end, or has ended.
    is_exiting: bool,
    /// When it was made, in ticks since the machine has started.
    born: u64,
    /// Where the stack of its program began when it was executed; `None` if it cannot be told.
    stack: Option<u64>,
}

impl Stat {
    pub(super) fn of(tid: i32) -> Option<Stat> {
        /// `include/linux/sched.h`
        const PF_EXITING: u64 = 4;
        let stat = proc_text::read_to_string(format!("/proc/{tid}/stat")).ok()?;
        // The second field may hold blanks and parentheses; the third follows the last one.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let number = |field: usize| -> Option<u64> { fields.get(field - 3)?.parse().ok() };
        Some(Stat {
            state: fields.first()?.chars().next()?,
            parent: number(4)? as i32,
            is_exiting: number(9)? & PF_EXITING != 0,
            born: number(22)?,
            stack: number(28).filter(|stack| *stack != 0),
        })
    }
}

/// Ticks since the machine has started, as the kernel counts them for processes.
fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is live.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    // SAFETY: takes no memory.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as u64;
    time.tv_sec as u64 * per_second + time.tv_nsec as u64 * per_second / 1_000_000_000
}

/// The begin of a process's stack, where it was when the program was executed. `None` if it cannot be told.
pub fn stack_of(pid: i32) -> Option<u64> {
    Stat::of(pid)?.stack
}
