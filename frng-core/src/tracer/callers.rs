//! Telling those who wait for a command what went wrong with it.
//!
//! The daemon has given up its own stderr. What it has to say when it ends goes to the stderr that each attached command
//! was started with, as long as that command runs: after that nobody waits for it any more.
//!
//! When the state is saved the last command is a zombie, which has closed its stderr: whoever reads from that pipe has seen
//! its end, if nobody else holds it. So an attached command stops once more before it closes its files, and what it has as
//! stderr then is held open here until it is reaped. That is not done if there is nothing to say at the end.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::rc::Rc;

use nix::poll::{PollFd, PollFlags, poll};

/// Milliseconds to wait for a reader who is behind.
const PATIENCE: u16 = 1000;

/// The attached commands that have not ended. Clones are the same.
#[derive(Clone)]
pub struct Callers {
    callers: Rc<RefCell<HashMap<i32, Caller>>>,
    told_at_end: bool,
}

/// Whoever waits for an attached command.
struct Caller {
    stderr: Stderr,
    /// The same, opened by the command, which is about to end.
    held: Option<File>,
}

impl Callers {
    /// None. `told_at_end`: they may have to be told something after the last command has ended.
    pub fn new(told_at_end: bool) -> Callers {
        Callers { callers: Rc::default(), told_at_end }
    }

    /// Whether attached commands are to stop before they end.
    pub fn told_at_end(&self) -> bool {
        self.told_at_end
    }

    /// A process has been attached that has not executed its command yet.
    pub fn attached(&self, pid: i32) {
        // Without it, it cannot be told.
        if let Ok(stderr) = Stderr::of(pid) {
            self.callers.borrow_mut().insert(pid, Caller { stderr, held: None });
        }
    }

    /// A process, maybe one of these, is about to close its files. Returns whether it is.
    pub fn ending(&self, pid: i32) -> bool {
        if let Some(caller) = self.callers.borrow_mut().get_mut(&pid) {
            let same = |file: &File| identity(file).is_some() && identity(file) == caller.stderr.identity();
            caller.held = open_file(pid).ok().filter(same);
            return true;
        }
        false
    }

    /// It was a thread only that has ended: the process has executed a program.
    pub fn lives(&self, pid: i32) {
        if let Some(caller) = self.callers.borrow_mut().get_mut(&pid) {
            caller.held = None;
        }
    }

    /// A process has ended, maybe one of these.
    pub fn ended(&self, pid: i32) {
        self.callers.borrow_mut().remove(&pid);
    }

    /// Writes `frng: LINE` to each stderr once.
    pub fn tell(&self, line: &str) {
        let line = format!("frng: {line}\n");
        let mut told = HashSet::new();
        for Caller { stderr, held } in self.callers.borrow().values() {
            if stderr.identity().is_some_and(|identity| told.insert(identity)) {
                // If nobody can read it, the next invocation has to do.
                let _ = match held {
                    Some(file) => write(file, line.as_bytes()),
                    None => stderr.write(line.as_bytes()),
                };
            }
        }
    }
}

/// Somebody else's stderr.
enum Stderr {
    /// A pipe or terminal that can be opened when there is something to write. Until then whoever waits for its end of
    /// file, because all who could write have closed it, does not wait for us.
    Known(File),
    /// The open file itself.
    Shared(File),
}

impl Stderr {
    fn of(pid: i32) -> io::Result<Stderr> {
        let place = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_PATH)
            .open(format!("/proc/{pid}/fd/{}", libc::STDERR_FILENO))?;
        let kind = place.metadata()?.file_type();
        if (kind.is_fifo() || kind.is_char_device()) && open(&place).is_ok() {
            return Ok(Stderr::Known(place));
        }
        Ok(Stderr::Shared(open_file(pid)?))
    }

    fn identity(&self) -> Option<(u64, u64)> {
        let (Stderr::Known(file) | Stderr::Shared(file)) = self;
        identity(file)
    }

    fn write(&self, line: &[u8]) -> io::Result<()> {
        match self {
            Stderr::Known(place) => write(&open(place)?, line),
            Stderr::Shared(file) => write(file, line),
        }
    }
}

/// Device and inode number: several commands may have the same.
fn identity(file: &File) -> Option<(u64, u64)> {
    let metadata = file.metadata().ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn write(mut file: &File, line: &[u8]) -> io::Result<()> {
    let mut ready = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut ready, PATIENCE)? == 0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    // A pipe that is ready has room for a line (pipe(7)).
    file.write_all(line)
}

/// What a process has as stderr now.
fn open_file(pid: i32) -> io::Result<File> {
    // SAFETY: takes no memory.
    let process = owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: takes no memory.
    let file = owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), libc::STDERR_FILENO, 0) })?;
    Ok(file.into())
}

/// Opens what is behind an `O_PATH` descriptor for writing, without waiting for a reader.
fn open(place: &File) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(format!("/proc/self/fd/{}", place.as_raw_fd()))
}

fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(result as i32) })
}
