//! The invocation's side: finding a daemon or starting one, and becoming its tracee.

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::protocol::{Reply, Request};
use super::run::{Launch, Persistent};
use super::socket::{Channel, Listener, is_socket};
use super::{Options, process, run, socket_name};
use crate::policy::UnknownOwner;
use crate::state::{Locking, StateFile, reason};
use crate::tracer::{Attached, Engine};

/// How long the state file may be locked by somebody who does not serve its socket.
const PATIENCE: Duration = Duration::from_secs(10);

/// A daemon that does not end before this is dropped or attached.
#[derive(Debug)]
pub struct Reserved {
    channel: Channel,
    daemon: i32,
    warning: Option<String>,
}

/// What a daemon says to a reservation.
enum Answer {
    Granted(i32),
    Refused,
    HungUp,
}

/// Finds the daemon of the state file, or starts one. To be called while the process has one thread.
///
/// # Errors
/// One line for the user. Nothing has changed then.
pub fn reserve(options: &Options) -> Result<Reserved, String> {
    match &options.state {
        None => start(options, None),
        Some(path) => find(options, path),
    }
}

impl Reserved {
    /// Process id of the daemon, for prctl(PR_SET_PTRACER).
    pub fn daemon(&self) -> i32 {
        self.daemon
    }

    /// One line that the user should read although nothing has failed.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// Makes this process a tracee. It has to install the filter, if it is for that engine, and exec.
    ///
    /// # Errors
    /// One line for the user.
    pub fn attach(self, engine: Engine, unknown: UnknownOwner) -> Result<Attached, String> {
        let died = || "cannot be traced: the daemon has died".to_string();
        self.channel.send(&Request::Attach { engine, unknown }.encode()).map_err(|_| died())?;
        match self.channel.receive() {
            Ok(Some(packet)) => match Reply::decode(&packet) {
                Some(Reply::Attached(attached)) => Ok(attached),
                Some(Reply::Failed(why)) => Err(why),
                _ => Err(misunderstood()),
            },
            Ok(None) => Err(died()),
            Err(error) => Err(format!("cannot hear the daemon: {}", reason(&error))),
        }
    }
}

/// Joins the daemon of a state file; whoever gets the lock starts it.
fn find(options: &Options, path: &Path) -> Result<Reserved, String> {
    let mut retries = Retries::default();
    loop {
        let state = StateFile::open(path)?;
        let name = socket_name(&state);
        match Channel::connect(state.directory(), &name) {
            Ok(channel) => {
                // The daemon, or one that is going to be it, holds the lock; ours is not needed to wait for it.
                drop(state);
                match ask(&channel)? {
                    Answer::Granted(daemon) => {
                        return Ok(Reserved { channel, daemon, warning: None });
                    }
                    Answer::Refused => channel.wait_for_hang_up(),
                    Answer::HungUp => {}
                }
                retries.pause();
            }
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ECONNREFUSED)) => {
                match state.lock()? {
                    Locking::Locked => return start(options, Some(state)),
                    Locking::Replaced => retries.pause(),
                    Locking::Busy => retries.pause_while_locked(&state)?,
                }
            }
            Err(error) if error.raw_os_error() == Some(libc::ENOTSOCK) => {
                return Err(leave(&state, in_the_way(&state)));
            }
            Err(error) => {
                return Err(leave(&state, format!("cannot connect to {}: {}", socket_path(&state), reason(&error))));
            }
        }
    }
}

/// Undoes the opening of a state file, if nobody else uses it; returns why.
fn leave(state: &StateFile, why: String) -> String {
    if state.lock() == Ok(Locking::Locked) {
        state.abandon();
    }
    why
}

/// Starts a daemon, for a state file that we have locked or for this invocation alone.
fn start(options: &Options, state: Option<StateFile>) -> Result<Reserved, String> {
    let mut warning = None;
    let persistent = match state {
        None => None,
        Some(state) => match serve(&state) {
            Ok((listener, left_over)) => {
                if left_over {
                    warning = Some(format!(
                        "{}: left behind by a daemon that was killed or could not save; what it had not saved is lost",
                        socket_path(&state)
                    ));
                }
                Some(Persistent { state, listener })
            }
            Err(why) => {
                state.abandon();
                return Err(why);
            }
        },
    };
    let failed = |error: io::Error| format!("cannot start the daemon: {}", reason(&error));
    let (channel, first) = Channel::pair().map_err(failed)?;
    let launch = Launch { options: options.clone(), first, persistent };
    process::spawn(options.stay, || run::run(launch)).map_err(failed)?;
    match ask(&channel)? {
        Answer::Granted(daemon) => Ok(Reserved { channel, daemon, warning }),
        Answer::Refused | Answer::HungUp => Err("cannot start the daemon: it has died".into()),
    }
}

/// Makes the socket of a state file that we have locked. Also tells whether one was left over.
fn serve(state: &StateFile) -> Result<(Listener, bool), String> {
    let name = socket_name(state);
    let failed = |error: io::Error| format!("cannot make the socket {}: {}", socket_path(state), reason(&error));
    let left_over = match is_socket(state.directory(), &name) {
        Ok(true) => true,
        Ok(false) => return Err(in_the_way(state)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(failed(error)),
    };
    let listener = Listener::bind(state.directory(), &name).map_err(failed)?;
    Ok((listener, left_over))
}

/// Asks a daemon, which must be ours, for a reservation.
fn ask(channel: &Channel) -> Result<Answer, String> {
    let failed = |error: io::Error| format!("cannot talk to the daemon: {}", reason(&error));
    let peer = channel.peer().map_err(failed)?;
    if peer.uid() != nix::unistd::geteuid().as_raw() {
        return Err(format!("cannot trust the daemon: it belongs to another user ({})", peer.uid()));
    }
    match channel.send(&Request::Reserve.encode()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EPIPE) => return Ok(Answer::HungUp),
        Err(error) => return Err(failed(error)),
    }
    let Some(packet) = channel.receive().map_err(failed)? else {
        return Ok(Answer::HungUp);
    };
    match Reply::decode(&packet) {
        Some(Reply::Granted { daemon }) => Ok(Answer::Granted(daemon)),
        Some(Reply::Refused) => Ok(Answer::Refused),
        Some(Reply::Failed(why)) => Err(why),
        _ => Err(misunderstood()),
    }
}

fn misunderstood() -> String {
    "cannot understand the daemon: it is of another version of frng, or of another word size".into()
}

fn in_the_way(state: &StateFile) -> String {
    format!("{} is in the way: it is not a socket", socket_path(state))
}

fn socket_path(state: &StateFile) -> String {
    format!("{}.sock", state.path().display())
}

/// Keeps repeated attempts apart.
#[derive(Default)]
struct Retries {
    count: u32,
    locked_since: Option<Instant>,
}

impl Retries {
    /// Waits: not at all at first, then 1, 2, 4... and at most 64 milliseconds.
    fn pause(&mut self) {
        if let Some(doublings) = self.count.checked_sub(1) {
            thread::sleep(Duration::from_millis(1 << doublings.min(6)));
        }
        self.count = self.count.saturating_add(1);
        self.locked_since = None;
    }

    /// Waits while the state file is locked although its socket is not served: an instant, if it is a daemon that
    /// has locked it.
    fn pause_while_locked(&mut self, state: &StateFile) -> Result<(), String> {
        let since = self.locked_since.unwrap_or_else(Instant::now);
        if since.elapsed() > PATIENCE {
            let path = state.path().display();
            return Err(format!("cannot use the state file {path}: another program has locked it"));
        }
        self.count = self.count.max(1);
        self.pause();
        self.locked_since = Some(since);
        Ok(())
    }
}
