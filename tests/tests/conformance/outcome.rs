//! Starting a program and seeing how it ends, within a deadline.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::chown;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::stray::Mark;

/// What was seen of a program from outside.
#[derive(Clone, PartialEq, Eq)]
pub struct Outcome {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub end: End,
}

/// How a program ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    Exit(i32),
    Signal(i32),
    /// It did not end within the deadline and was killed.
    Deadline(Duration),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::Deadline(limit) => write!(f, "the deadline of {} s", limit.as_secs()),
        }
    }
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        status.code().map_or_else(|| Self::Signal(status.signal().unwrap_or(0)), Self::Exit)
    }
}

/// The user a program runs as.
#[derive(Clone, Copy)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
}

impl User {
    pub const ROOT: Self = Self { uid: 0, gid: 0 };
    /// A user of no account and no other group.
    pub const NOBODY_IN_PARTICULAR: Self = Self { uid: 54321, gid: 54321 };
}

/// Runs `command` as `user` in `scratch` and waits for it. Its output goes to files beside `scratch`
/// and not through pipes, so that a daemon which keeps them open delays nobody.
pub fn of(mut command: Command, user: User, scratch: &Path, mark: &Mark, limit: Duration) -> io::Result<Outcome> {
    let beside = |name: &str| scratch.with_extension(name);
    let capture = |name: &str| -> io::Result<File> {
        let file = File::options().append(true).create_new(true).open(beside(name))?;
        chown(beside(name), Some(user.uid), Some(user.gid))?;
        Ok(file)
    };
    let (stdout, stderr) = (capture("stdout")?, capture("stderr")?);
    command.current_dir(scratch).stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    mark.put_on(&mut command);
    as_user(&mut command, user);
    let mut child = command.spawn()?;
    drop(command);
    let end = match wait(&mut child, limit)? {
        Some(status) => status.into(),
        None => {
            mark.kill_all();
            child.kill()?;
            child.wait()?;
            End::Deadline(limit)
        }
    };
    Ok(Outcome { stdout: fs::read(beside("stdout"))?, stderr: fs::read(beside("stderr"))?, end })
}

/// Makes the child a user of one group only, in a session of its own.
fn as_user(command: &mut Command, User { uid, gid }: User) {
    let become_user = move || {
        let step = |result: libc::c_int| {
            if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
        };
        // SAFETY: system calls only, which is what may be done between fork and exec.
        unsafe {
            libc::umask(0o022);
            step(libc::setsid())?;
            step(libc::setgroups(0, std::ptr::null()))?;
            step(libc::setresgid(gid, gid, gid))?;
            step(libc::setresuid(uid, uid, uid))?;
            // A change of ids makes a process undumpable and drops this; exec would do so anyhow.
            step(libc::prctl(libc::PR_SET_DUMPABLE, 1))
        }
    };
    // SAFETY: the closure allocates nothing and takes no lock.
    unsafe { command.pre_exec(become_user) };
}

/// Waits for a child's end, without looking again and again.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    // SAFETY: pidfd_open takes no pointers, and its result is a descriptor of ours.
    let pidfd = unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, child.id(), 0);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(fd as i32)
    };
    let mut poll = libc::pollfd { fd: pidfd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd that outlives the call.
    match unsafe { libc::poll(&mut poll, 1, limit.as_millis() as i32) } {
        0 => Ok(None),
        _ => child.wait().map(Some),
    }
}
