//! wait(2) and waitid(2), typed for what the tracer needs: what has happened to whom, and whether anybody is left.

use std::io;

use super::doorbell;

/// What a wait has told of one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It has ended and is reaped.
    Ended {
        /// By a signal.
        killed: bool,
        /// As wait(2) tells it.
        status: i32,
    },
    /// It is about to end ([`super::ptrace::Watch::End`]).
    Ending,
    /// Syscall-enter-stop or syscall-exit-stop.
    Syscall,
    /// The filter has stopped it before a call.
    Seccomp,
    /// It has made a new thread or process (id by [`event_message`]), by this `PTRACE_EVENT_*`.
    Forked(i32),
    /// The process that it has made by vfork has given its memory back ([`super::nested`]).
    VforkDone,
    /// It has become another program.
    Exec,
    /// Group-stop by this signal.
    GroupStop(i32),
    /// First stop of a new tracee, or a stop ended by SIGCONT.
    Trap,
    /// It is about to receive this signal.
    Signal(i32),
}

impl Event {
    /// Whether it is [`Event::Ended`].
    pub fn is_end(self) -> bool {
        matches!(self, Event::Ended { .. })
    }

    fn from_status(status: i32) -> Event {
        if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
            return Event::Ended { killed: libc::WIFSIGNALED(status), status };
        }
        let signal = libc::WSTOPSIG(status);
        match status >> 16 {
            0 if signal == libc::SIGTRAP | 0x80 => Event::Syscall,
            0 => Event::Signal(signal),
            libc::PTRACE_EVENT_SECCOMP => Event::Seccomp,
            event @ (libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE) => {
                Event::Forked(event)
            }
            libc::PTRACE_EVENT_VFORK_DONE => Event::VforkDone,
            libc::PTRACE_EVENT_EXEC => Event::Exec,
            libc::PTRACE_EVENT_EXIT => Event::Ending,
            libc::PTRACE_EVENT_STOP if signal == libc::SIGTRAP => Event::Trap,
            libc::PTRACE_EVENT_STOP => Event::GroupStop(signal),
            _ => Event::Trap,
        }
    }
}

/// Waits for the next event of any tracee or child.
///
/// # Errors
/// `ECHILD` if there is none at all, `EINTR` if somebody knocks ([`doorbell`]).
pub fn wait() -> io::Result<(i32, Event)> {
    loop {
        let mut status = 0;
        // SAFETY: `status` is a live int.
        let tid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL) };
        if tid > 0 {
            return Ok((tid, Event::from_status(status)));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted || doorbell::is_knocking() {
            return Err(error);
        }
    }
}

/// What may be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Everything.
    All,
    /// Stops, not ends.
    Stops,
}

impl Which {
    fn options(self) -> i32 {
        match self {
            Which::All => libc::WEXITED | libc::WSTOPPED,
            Which::Stops => libc::WSTOPPED,
        }
    }
}

/// The next event of any tracee or child, if there is one now.
pub fn poll(which: Which) -> Option<(i32, Event)> {
    poll_for(Id::Any, which.options())
}

fn poll_for(id: Id, options: i32) -> Option<(i32, Event)> {
    let info = wait_id(id, options | libc::WNOHANG | libc::__WALL).ok()?;
    // SAFETY: waitid has filled the part of the union that holds id and status, or left it zero.
    let (tid, status) = unsafe { (info.si_pid(), info.si_status()) };
    // A stop as wait(2) would tell it.
    let event = if is_end(&info) {
        // As wait(2) would tell it.
        let status = match info.si_code {
            libc::CLD_EXITED => (status & 0xff) << 8,
            libc::CLD_DUMPED => status | 0x80,
            _ => status,
        };
        Event::Ended { killed: info.si_code != libc::CLD_EXITED, status }
    } else {
        Event::from_status(status << 8 | 0x7f)
    };
    (tid != 0).then_some((tid, event))
}

/// Whether there is any tracee that has not ended.
pub fn anybody_lives() -> bool {
    // Without WEXITED those that have ended do not count. Of children that are no tracees there are only those of the
    // doorbell, which are no clones.
    wait_id(Id::Any, libc::WSTOPPED | libc::WNOWAIT | libc::WNOHANG | libc::__WCLONE | libc::__WNOTHREAD).is_ok()
}

/// Whom to wait for.
#[derive(Clone, Copy)]
enum Id {
    Any,
    Only(i32),
}

fn wait_id(id: Id, options: i32) -> io::Result<libc::siginfo_t> {
    let (kind, id) = match id {
        Id::Any => (libc::P_ALL, 0),
        Id::Only(tid) => (libc::P_PID, tid as libc::id_t),
    };
    loop {
        // SAFETY: the structure holds integers and addresses; all zeros is a value of it.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: `info` is live. It stays zero if there is no event.
        if unsafe { libc::waitid(kind, id, &raw mut info, options) } == 0 {
            return Ok(info);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted || doorbell::is_knocking() {
            return Err(error);
        }
    }
}

fn is_end(info: &libc::siginfo_t) -> bool {
    matches!(info.si_code, libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED)
}

/// An event that [`take`] has not taken yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peeked {
    /// Of whom.
    pub tid: i32,
    /// Whether it is the end.
    pub is_end: bool,
}

/// Waits for the next event of any tracee or child, and leaves it there.
///
/// # Errors
/// As [`wait`].
pub fn peek() -> io::Result<Peeked> {
    let info = wait_id(Id::Any, libc::WEXITED | libc::WSTOPPED | libc::WNOWAIT | libc::__WALL)?;
    // SAFETY: waitid has filled the part of the union that holds the process id.
    Ok(Peeked { tid: unsafe { info.si_pid() }, is_end: is_end(&info) })
}

/// Takes an event, but not the end of somebody who had only stopped: then there is none any more.
pub fn take(Peeked { tid, is_end }: Peeked) -> Option<Event> {
    let options = if is_end { libc::WEXITED } else { libc::WSTOPPED };
    poll_for(Id::Only(tid), options).map(|(_, event)| event)
}

/// Whether [`wait`] would have to wait.
pub fn is_quiet() -> bool {
    let info = wait_id(Id::Any, libc::WEXITED | libc::WSTOPPED | libc::WNOWAIT | libc::WNOHANG | libc::__WALL);
    // SAFETY: the field is zero if waitid has not filled it.
    info.is_ok_and(|info| unsafe { info.si_pid() } == 0)
}
