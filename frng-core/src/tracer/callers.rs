//! Telling those who wait for a command what went wrong with it.
//!
//! The daemon has given up its own stderr. What it has to say when it ends goes to the stderr that each attached command
//! was started with, as long as that command runs: after that nobody waits for it any more.

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

/// The stderr of each attached command that has not ended. Clones are the same.
#[derive(Clone, Default)]
pub struct Callers(Rc<RefCell<HashMap<i32, Stderr>>>);

impl Callers {
    /// A process has been attached that has not executed its command yet.
    pub fn attached(&self, pid: i32) {
        // Without it, it cannot be told.
        if let Ok(stderr) = Stderr::of(pid) {
            self.0.borrow_mut().insert(pid, stderr);
        }
    }

    /// A process has ended, maybe one of these.
    pub fn ended(&self, pid: i32) {
        self.0.borrow_mut().remove(&pid);
    }

    /// Writes `frng: LINE` to each stderr once.
    pub fn tell(&self, line: &str) {
        let line = format!("frng: {line}\n");
        let mut told = HashSet::new();
        for stderr in self.0.borrow().values() {
            if stderr.identity().is_some_and(|identity| told.insert(identity)) {
                // If nobody can read it, the next invocation has to do.
                let _ = stderr.write(line.as_bytes());
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
        // SAFETY: takes no memory.
        let process = owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
        // SAFETY: takes no memory.
        let file = owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), libc::STDERR_FILENO, 0) })?;
        Ok(Stderr::Shared(file.into()))
    }

    /// Device and inode number: several commands may have the same.
    fn identity(&self) -> Option<(u64, u64)> {
        let (Stderr::Known(file) | Stderr::Shared(file)) = self;
        let metadata = file.metadata().ok()?;
        Some((metadata.dev(), metadata.ino()))
    }

    fn write(&self, line: &[u8]) -> io::Result<()> {
        let opened;
        let mut file = match self {
            Stderr::Known(place) => {
                opened = open(place)?;
                &opened
            }
            Stderr::Shared(file) => file,
        };
        let mut ready = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
        if poll(&mut ready, PATIENCE)? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // A pipe that is ready has room for a line (pipe(7)).
        file.write_all(line)
    }
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
