//! The tracer: lets tracees run from stop to stop and runs their handlers.
//!
//! [`Tracer::run`] waits for the next stop of any tracee and lets it run on; `flight` holds a handler that waits for
//! one; `thread` is what a handler sees of its tracee, `tracked` what the tracer knows besides.
//!
//! What stops mean: `calls` (calls and their handlers), `fork` and `foundlings` (new threads and processes), `new_program`
//! and `exec` (a program that has just been loaded), `nested` (tracees that trace others), `in_agent` and `leaving` (signals), `last_process` (before an end).

mod abi_table;
mod absent;
mod agent;
mod attach;
mod callers;
mod calls;
mod closed;
mod cpu;
mod doorbell;
mod elsewhere;
mod exec;
mod flight;
mod fork;
mod foundlings;
mod in_agent;
mod known;
mod last_process;
mod late_filter;
mod leaving;
mod lookup;
mod nested;
mod new_program;
mod off;
mod orders;
mod orphans;
mod others;
mod pending;
mod process_memory;
mod procfs;
mod program;
mod ptrace;
mod remote;
mod root;
mod run;
mod space;
mod thread;
mod told;
mod tracked;
mod trampoline;
mod wait;

use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender};

pub use callers::Callers;
pub use doorbell::ring;
pub use root::emulators::check as check_emulator;
#[cfg(feature = "fuzzing")]
pub(crate) use root::read_program;
pub use run::Tracer;

use crate::policy::Settings;

/// How tracees are made to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// At every syscall, twice.
    Ptrace,
    /// Where a seccomp filter says so.
    Seccomp,
    /// As [`Engine::Seccomp`]; and where a program has once stopped, its call is answered by the agent from then on.
    Inline,
}

impl Engine {
    /// Whether tracees have the filter.
    pub fn filters(self) -> bool {
        self != Engine::Ptrace
    }
}

/// What another thread of the daemon wants from the tracer. After sending one, call [`ring`].
pub enum Order {
    /// Take on a process that waits for the reply and will then install the filter and exec.
    Attach(Attach),
    /// Write the list of tracked processes to the log.
    Dump,
    /// Tell those who wait for attached commands: one line.
    Tell(String),
    /// Nothing but: look whether the daemon is idle.
    Check,
    /// Trace no longer: this signal has come.
    Terminate(i32),
}

/// See [`Order::Attach`].
pub struct Attach {
    /// The process; it has one thread.
    pub pid: i32,
    /// The same as pidfd, unless a sandbox forbids those.
    pub process: Option<OwnedFd>,
    /// How to trace it and its descendants.
    pub engine: Engine,
    /// Its settings.
    pub settings: Settings,
    /// Answered once the process is traced.
    pub reply: Sender<Result<Attached, String>>,
}

/// What an attached process must know to install its filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Every open must stop, because faked devices exist.
    pub stop_at_every_open: bool,
}

/// The receiving side of [`Order`].
pub type Orders = Receiver<Order>;
