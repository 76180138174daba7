//! Becoming a daemon: daemon(7), the old style, in a process that has one thread.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{ForkResult, Pid, fork, setpgid, setsid};

/// Runs `daemon` in a process that is not our child and has a process group of its own. If it is to `stay` it keeps
/// the session, and so the terminal.
///
/// # Errors
/// Those of clone(2). Later failures `daemon` has to tell itself.
pub fn spawn(stay: bool, daemon: impl FnOnce()) -> io::Result<()> {
    // The child in between has no exit signal: SIGCHLD might be ignored, or stay pending into the command.
    // SAFETY: with no flags this is fork(2). The child, a copy of a process with one thread, does not use its
    // thread id, which the C library would have cached, before it forks again.
    match unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            if !stay {
                // Cannot fail: a new process leads no group.
                let _ = setsid();
            }
            // SAFETY: this process has one thread.
            let failure = match unsafe { fork() } {
                Ok(ForkResult::Child) => {
                    if stay {
                        // Out of reach of the terminal's signals. Cannot fail in a new process.
                        let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
                    }
                    daemon();
                    0
                }
                Ok(ForkResult::Parent { .. }) => 0,
                // Errors of fork(2) are small numbers.
                Err(error) => error as i32,
            };
            // SAFETY: ends the process; what it has inherited in buffers is its parent's to write.
            unsafe { libc::_exit(failure) }
        }
        between => {
            let mut status = 0;
            // SAFETY: waits for that child, which ends at once; `status` is valid.
            while unsafe { libc::waitpid(between as i32, &mut status, libc::__WALL) } == -1
                && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
            {}
            match libc::WEXITSTATUS(status) {
                failure if libc::WIFEXITED(status) && failure != 0 => Err(io::Error::from_raw_os_error(failure)),
                _ => Ok(()),
            }
        }
    }
}

/// Runs `work` with all signals held back, so that the process does not end in the middle of it (but by SIGKILL).
pub fn undisturbed<R>(work: impl FnOnce() -> R) -> R {
    let mut before = SigSet::empty();
    // Neither can fail with valid arguments.
    let _ = sigprocmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), Some(&mut before));
    let result = work();
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    result
}

/// The signals that the daemon takes when it comes to it, by signalfd(2): the first one is a question, the others end it.
pub fn expected_signals() -> SigSet {
    [Signal::SIGALRM, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT].into_iter().collect()
}

/// Gives up what the daemon has inherited from whoever has started it: signal dispositions and mask, umask, soft
/// limits, all descriptors but those to `keep`; and unless it is to `stay`, stdin, stdout, stderr and the directory.
///
/// Afterwards [`expected_signals`] are blocked, and writing to a pipe, a terminal or beyond a limit is at most an error.
pub fn settle(stay: bool, keep: &[BorrowedFd<'_>]) -> io::Result<()> {
    reset_signals()?;
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
    for limit in [
        Resource::RLIMIT_AS,
        Resource::RLIMIT_CPU,
        Resource::RLIMIT_DATA,
        Resource::RLIMIT_FSIZE,
        Resource::RLIMIT_NOFILE,
    ] {
        let (_, hard) = getrlimit(limit)?;
        setrlimit(limit, hard, hard)?;
    }
    let mut kept: Vec<RawFd> = keep.iter().map(|descriptor| descriptor.as_raw_fd()).collect();
    kept.extend(0..=2);
    close_others(kept)?;
    if !stay {
        let null = File::options().read(true).write(true).open("/dev/null")?;
        for standard in 0..=2 {
            // SAFETY: the descriptors 0 to 2 belong to nobody in this process; `null` is open.
            if unsafe { libc::dup2(null.as_fd().as_raw_fd(), standard) } == -1 {
                return Err(io::Error::last_os_error());
            }
        }
        std::env::set_current_dir("/")?;
    }
    Ok(())
}

fn reset_signals() -> io::Result<()> {
    for signal in Signal::iterator() {
        let handler = match signal {
            Signal::SIGKILL | Signal::SIGSTOP => continue,
            Signal::SIGPIPE | Signal::SIGXFSZ | Signal::SIGTTOU => SigHandler::SigIgn,
            _ => SigHandler::SigDfl,
        };
        // SAFETY: installs no handler function.
        unsafe { sigaction(signal, &SigAction::new(handler, SaFlags::empty(), SigSet::empty()))? };
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&expected_signals()), None)?;
    Ok(())
}

/// Closes all descriptors but these.
fn close_others(mut keep: Vec<RawFd>) -> io::Result<()> {
    keep.sort_unstable();
    let mut from = 0;
    for descriptor in keep.iter().map(|descriptor| *descriptor as u32).chain([u32::MAX]) {
        if from < descriptor {
            let last = if descriptor == u32::MAX { u32::MAX } else { descriptor - 1 };
            close_range(from, last)?;
        }
        from = descriptor.saturating_add(1);
    }
    Ok(())
}

/// close_range(2), also where the kernel or the C library does not have it.
fn close_range(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: takes no memory; the caller leaves out what is in use.
    if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == 0 {
        return Ok(());
    }
    let open: Vec<u32> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|descriptor| (first..=last).contains(descriptor))
        .collect();
    for descriptor in open {
        // SAFETY: as before. The descriptor of the listing itself is closed already.
        unsafe { libc::close(descriptor as i32) };
    }
    Ok(())
}

/// Sees to it that descriptors 0 to 2 are taken, so that none of ours gets such a number and the command finds them
/// closed if that is how the caller has left them.
///
/// # Errors
/// Those of opening `/dev/null`.
pub fn fill_standard_descriptors() -> io::Result<()> {
    while (0..=2).any(|standard| {
        // SAFETY: only asks; the descriptor need not be open.
        unsafe { libc::fcntl(standard, libc::F_GETFD) == -1 }
    }) {
        let null = File::options().read(true).write(true).open("/dev/null")?;
        // Stays open until the exec closes it.
        std::mem::forget(null);
    }
    Ok(())
}
