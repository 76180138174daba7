//! A child that goes one instruction at a time.

/// A child under ptrace, killed in the end whatever happens.
pub struct Stepped(i32);

impl Stepped {
    pub fn start(child: impl Fn()) -> Stepped {
        // SAFETY: the child calls nothing that takes locks or allocates.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: as above.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                libc::ptrace(libc::PTRACE_TRACEME);
                libc::raise(libc::SIGSTOP);
                child();
                libc::_exit(0);
            }
        }
        assert!(pid > 0);
        let stepped = Stepped(pid);
        assert!(stepped.wait());
        stepped
    }

    /// Whether it still is there.
    fn wait(&self) -> bool {
        let mut status = 0;
        // SAFETY: `status` is valid.
        assert_eq!(unsafe { libc::waitpid(self.0, &mut status, libc::__WALL) }, self.0);
        libc::WIFSTOPPED(status)
    }

    /// Lets it do one instruction; whether it still is there.
    pub fn step(&self) -> bool {
        // SAFETY: a stopped child of this thread.
        assert_eq!(unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, self.0, 0, 0) }, 0);
        self.wait()
    }

    /// Lets it run to its end.
    pub fn finish(&self) {
        // SAFETY: a stopped child of this thread.
        assert_eq!(unsafe { libc::ptrace(libc::PTRACE_CONT, self.0, 0, 0) }, 0);
        assert!(!self.wait());
    }
}

impl Drop for Stepped {
    fn drop(&mut self) {
        // SAFETY: a child of ours that, if it has been reaped, was so a moment ago.
        unsafe {
            if libc::kill(self.0, libc::SIGKILL) == 0 {
                libc::waitpid(self.0, std::ptr::null_mut(), libc::__WALL);
            }
        }
    }
}
