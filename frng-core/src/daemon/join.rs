//! The invocation's side: finding a daemon or starting one, and becoming its tracee.

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::end::remove_socket;
use super::protocol::{Reply, Request};
use super::run::{Launch, Persistent};
use super::socket::{Channel, Listener, is_socket};
use super::{Options, mendable, process, run, socket_name};
use crate::policy::UnknownOwner;
use crate::state::{Locking, StateFile, reason};
use crate::tracer::{Attached, Engine};

/// How long the state file may be locked by somebody who does not serve its socket.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// How long a daemon may take to answer or to end, and how long one may be looked for. Saving a large state on a slow disk
/// takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon that does not end before this is dropped or attached.
#[derive(Debug)]
pub struct Reserved {
    channel: Channel,
    daemon: i32,
    told: Option<String>,
}

/// What a daemon says to a reservation.
enum Answer {
    /// By this process, which has something to tell the user.
    Granted(i32, Option<String>),
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

    /// What the daemon has to tell the user; one line.
    pub fn told(&self) -> Option<&str> {
        self.told.as_deref()
    }

    /// Makes this process a tracee. It has to install the filter, if it is for that engine, and exec.
    ///
    /// # Errors
    /// One line for the user.
    pub fn attach(self, engine: Engine, unknown: UnknownOwner) -> Result<Attached, String> {
        let died = || "cannot be traced: the daemon has died".to_string();
        self.channel.send(&Request::Attach { engine, unknown }.encode()).map_err(|_| died())?;
        match hear(&self.channel)? {
            Some(Reply::Attached(attached)) => Ok(attached),
            Some(Reply::Failed(why)) => Err(why),
            Some(_) => Err(misunderstood()),
            None => Err(died()),
        }
    }
}

/// Joins the daemon of a state file; whoever gets the lock starts it.
fn find(options: &Options, path: &Path) -> Result<Reserved, String> {
    let mut retries = Retries::new();
    loop {
        let state = StateFile::open(path)?;
        let name = socket_name(&state);
        match Channel::connect(state.directory(), &name, PATIENCE) {
            Ok(channel) => {
                // The daemon, or one that is going to be it, holds the lock; ours is not needed to wait for it.
                drop(state);
                match ask(&channel)? {
                    Answer::Granted(..) if options.stats.is_some() => return Err(counts_already(path)),
                    Answer::Granted(daemon, told) => return Ok(Reserved { channel, daemon, told }),
                    Answer::Refused => channel.wait_for_hang_up(PATIENCE).map_err(|_| no_answer())?,
                    Answer::HungUp => {}
                }
                retries.pause(path)?;
            }
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ECONNREFUSED)) => {
                match state.lock()? {
                    Locking::Locked => return start(options, Some(state)),
                    Locking::Replaced => retries.pause(path)?,
                    Locking::Busy => retries.pause_while_locked(&state)?,
                }
            }
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => return Err(no_answer()),
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
    // Ended between making the socket and starting the daemon that removes it, we would leave it behind.
    process::undisturbed(|| {
        let persistent = match state {
            None => None,
            Some(state) => match serve(&state) {
                Ok(listener) => Some(Persistent { state, listener }),
                Err(why) => {
                    state.abandon();
                    return Err(why);
                }
            },
        };
        spawn(options, persistent)
    })
    .and_then(|channel| match ask(&channel)? {
        Answer::Granted(daemon, told) => Ok(Reserved { channel, daemon, told }),
        Answer::Refused | Answer::HungUp => Err("cannot start the daemon: it has died".into()),
    })
}

/// Forks the daemon off; returns the connection to it.
fn spawn(options: &Options, persistent: Option<Persistent>) -> Result<Channel, String> {
    let failed = |error: io::Error| format!("cannot start the daemon: {}", mendable(&error));
    // What is to be undone if there will be no daemon.
    let state = persistent.as_ref().map(|persistent| persistent.state.duplicate());
    let undo = |error: io::Error| {
        if let Some(Ok(state)) = &state {
            remove_socket(state);
            state.abandon();
            state.unlock();
        }
        failed(error)
    };
    let (channel, first) = Channel::pair().map_err(undo)?;
    let launch = Launch { options: options.clone(), first, persistent };
    process::spawn(options.stay, || run::run(launch)).map_err(undo)?;
    Ok(channel)
}

/// Makes the socket of a state file that we have locked, unless something of an earlier session is left to be looked after.
fn serve(state: &StateFile) -> Result<Listener, String> {
    if let Some(unsaved) = state.unsaved() {
        return Err(unsaved);
    }
    let name = socket_name(state);
    let failed = |error: io::Error| {
        let mend = match error.raw_os_error() {
            Some(libc::EACCES | libc::EROFS) => "; the directory of a state file must be writable",
            _ => "",
        };
        format!("cannot make the socket {}: {}{mend}", socket_path(state), reason(&error))
    };
    match is_socket(state.directory(), &name) {
        // What is left of the last session will be saved by the daemon.
        Ok(true) if state.has_live_table() => {}
        Ok(true) => return Err(left_over(state)),
        Ok(false) => return Err(in_the_way(state)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    Listener::bind(state.directory(), &name).map_err(failed)
}

/// Asks a daemon, which must be ours, for a reservation.
fn ask(channel: &Channel) -> Result<Answer, String> {
    let failed = |error: io::Error| format!("cannot talk to the daemon: {}", reason(&error));
    let peer = channel.peer().map_err(failed)?;
    if peer.uid() != Channel::own_uid().map_err(failed)? {
        return Err(format!("cannot trust the daemon: it belongs to another user ({})", peer.uid()));
    }
    match channel.send(&Request::Reserve.encode()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EPIPE) => return Ok(Answer::HungUp),
        Err(error) => return Err(failed(error)),
    }
    let mut told = None;
    loop {
        return match hear(channel)? {
            Some(Reply::Told(line)) => {
                told = Some(line);
                continue;
            }
            Some(Reply::Granted { daemon }) => Ok(Answer::Granted(daemon, told)),
            Some(Reply::Refused) => Ok(Answer::Refused),
            Some(Reply::Failed(why)) => Err(why),
            Some(_) => Err(misunderstood()),
            None => Ok(Answer::HungUp),
        };
    }
}

/// Waits for a daemon's answer; `None` if it hangs up.
fn hear(channel: &Channel) -> Result<Option<Reply>, String> {
    match channel.receive_within(PATIENCE) {
        Ok(Some(packet)) => Reply::decode(&packet).map(Some).ok_or_else(misunderstood),
        Ok(None) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(no_answer()),
        Err(error) => Err(format!("cannot hear the daemon: {}", reason(&error))),
    }
}

fn no_answer() -> String {
    format!("cannot wait for the daemon: it does not answer for {} seconds; is it stopped?", PATIENCE.as_secs())
}

fn misunderstood() -> String {
    "cannot understand the daemon: it is of another version of frng, or of another word size".into()
}

fn counts_already(state: &Path) -> String {
    let path = state.display();
    format!(
        "cannot count calls: a daemon serves {path} already; give --stats to the first command that uses it, to count them all"
    )
}

fn left_over(state: &StateFile) -> String {
    let (socket, path) = (socket_path(state), state.path().display());
    format!(
        "cannot use the state file {path}: its last daemon was killed or could not save, what it had not saved is lost; \
         remove {socket} to go on with what was saved before"
    )
}

fn in_the_way(state: &StateFile) -> String {
    format!("{} is in the way: it is not a socket", socket_path(state))
}

fn socket_path(state: &StateFile) -> String {
    format!("{}.sock", state.path().display())
}

/// Keeps repeated attempts apart, and ends them after a time.
struct Retries {
    since: Instant,
    count: u32,
    locked_since: Option<Instant>,
}

impl Retries {
    fn new() -> Retries {
        Retries { since: Instant::now(), count: 0, locked_since: None }
    }

    /// Waits: not at all at first, then 1, 2, 4... and at most 64 milliseconds.
    fn pause(&mut self, path: &Path) -> Result<(), String> {
        if self.since.elapsed() > PATIENCE {
            let path = path.display();
            let why = "its daemons end before they take this command on";
            return Err(format!("cannot use the state file {path} for {} seconds: {why}", PATIENCE.as_secs()));
        }
        if let Some(doublings) = self.count.checked_sub(1) {
            thread::sleep(Duration::from_millis(1 << doublings.min(6)));
        }
        self.count = self.count.saturating_add(1);
        self.locked_since = None;
        Ok(())
    }

    /// Waits while the state file is locked although its socket is not served: an instant, if it is a daemon that
    /// has locked it.
    fn pause_while_locked(&mut self, state: &StateFile) -> Result<(), String> {
        let since = self.locked_since.unwrap_or_else(Instant::now);
        if since.elapsed() > LOCK_PATIENCE {
            let path = state.path().display();
            return Err(format!("cannot use the state file {path}: another program has locked it"));
        }
        self.count = self.count.max(1);
        self.pause(state.path())?;
        self.locked_since = Some(since);
        Ok(())
    }
}
