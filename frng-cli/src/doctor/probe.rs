//! Asking the kernel from a child process: a sandbox may kill who makes a call that it forbids.

use std::ffi::c_int;
use std::io;

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What it returned.
    Told(u8),
    /// A signal has ended the child.
    Killed(c_int),
    /// There could be no child.
    None,
}

/// Has a child process find something out, which must be told by a number. Only for a process with one thread.
pub fn ask(question: impl FnOnce() -> u8) -> Answer {
    // SAFETY: there is no other thread that could hold a lock which the child needs.
    let pid = unsafe { libc::fork() };
    if pid == -1 {
        return Answer::None;
    }
    if pid == 0 {
        // No core dump of what is expected.
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        let answer = {
            // SAFETY: `none` is live.
            unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
            question()
        };
        // SAFETY: ends the child without running what the parent has for its end.
        unsafe { libc::_exit(answer.into()) };
    }
    let mut status = 0;
    // SAFETY: our own child; `status` is live.
    while unsafe { libc::waitpid(pid, &raw mut status, 0) } == -1 {
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return Answer::None;
        }
    }
    if libc::WIFSIGNALED(status) {
        return Answer::Killed(libc::WTERMSIG(status));
    }
    Answer::Told(u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(u8::MAX))
}

/// A signal in words.
pub fn named(signal: c_int) -> String {
    match signal {
        libc::SIGSYS => "SIGSYS, as a sandbox does to who makes a call that it forbids".into(),
        libc::SIGKILL => "SIGKILL".into(),
        other => format!("signal {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Each is a child of a process with several threads, so it only makes system calls.
    #[test]
    fn an_answer_is_told_and_an_end_by_a_signal_too() {
        assert_eq!(ask(|| 38), Answer::Told(38));
        // SAFETY: takes no memory.
        let end = || u8::from(unsafe { libc::raise(libc::SIGSYS) } == 0);
        assert_eq!(ask(end), Answer::Killed(libc::SIGSYS));
        assert!(named(libc::SIGSYS).contains("sandbox"));
        assert_eq!(named(libc::SIGKILL), "SIGKILL");
    }
}
