//! The unprivileged process that traces: starting it, talking to it, ending it.
//!
//! [`reserve`] finds the daemon of a state file, or starts one; [`Reserved::attach`] makes the caller its tracee.
//!
//! # Who serves a state file
//! Who has locked the file that the name stands for. He makes the socket right after taking the lock, before the
//! daemon is forked off, and removes it right before giving the lock up. So others find a socket to wait at for
//! nearly all of the time that the lock is taken: while the daemon starts their connections wait to be accepted,
//! while it ends they are refused or not accepted, and its end hangs up on them. Only in the instants between
//! lock and socket they find neither, and try again a little later.
//!
//! A socket that is left over although nobody has the lock says that a daemon was killed or could not save. What it has left, in its live
//! table (`state/live`), is saved by the next one before it serves. If there is no live table either, nor could the state be left anywhere
//! else (`state/rescue.rs`), nobody starts another one until the user has removed the socket.

mod checkpoints;
mod end;
mod join;
mod output_file;
mod process;
pub(crate) mod protocol;
mod run;
mod saves;
mod server;
mod sessions;
mod socket;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

pub use join::{Reserved, reserve};
pub use process::fill_standard_descriptors;

pub use crate::tracer::check_emulator;

use crate::arch::Abi;
use crate::memory::Place;
use crate::state::{StateFile, reason};

/// What an invocation wants of a daemon. One that is running already keeps what it was started with.
#[derive(Clone)]
pub struct Options {
    /// The calling conventions that tracees may use.
    pub abis: &'static [&'static dyn Abi],
    /// The image of the agent, if there is one for the first of them.
    pub agent: Option<&'static [u8]>,
    /// Where lies are loaded from and saved to.
    pub state: Option<PathBuf>,
    /// What fakeroot's options `-i` and `-s` name; not together with `state`.
    pub exchange: Exchange,
    /// Where the log is written to.
    pub log: Option<PathBuf>,
    /// Where the statistics of all commands of the daemon are written to at its end.
    pub stats: Option<PathBuf>,
    /// What runs programs for other CPUs in another root, instead of what is found by its name: see [`check_emulator`].
    pub emulator: Option<PathBuf>,
    /// Flush the log after each line.
    pub flush: bool,
    /// Keep the terminal, the directory and the standard descriptors.
    pub stay: bool,
    /// Where the memory shared with the commands is made; an absolute path.
    pub memory: Place,
    /// How many daemons fool this process already.
    pub depth: u32,
}

/// Files in fakeroot's format; see [`save_file`](crate::state::save_file).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// Where lies are loaded from.
    pub load: Option<PathBuf>,
    /// Where they are saved to, whenever the command of an invocation ends and with the last process.
    pub save: Option<PathBuf>,
}

/// Name of the socket in the directory of a state file.
fn socket_name(state: &StateFile) -> OsString {
    let mut name = state.name().to_os_string();
    name.push(".sock");
    name
}

/// The reason of an error and, if a limit is to blame, which one to raise.
fn mendable(error: &io::Error) -> String {
    let limit = match error.raw_os_error() {
        Some(libc::EAGAIN) => return "no more processes are allowed; raise the limit on them (ulimit -u)".into(),
        Some(libc::EMFILE) => "; raise the limit on open files (ulimit -n)",
        Some(libc::ENOMEM) => "; raise the limit on address space (ulimit -v)",
        _ => "",
    };
    format!("{}{limit}", reason(error))
}
