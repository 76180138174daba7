//! How a kernel names a program that is executed by its descriptor alone (`AT_EMPTY_PATH`).
//!
//! The name of the thread was the number of the descriptor; since Linux 6.14 it is the name of the file
//! (`fs/exec.c: begin_new_exec`), and kernels of distributions have that in earlier versions. So it is tried.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::OnceLock;

use nix::fcntl::AtFlags;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, execveat, fork};

/// Whether this kernel takes the name of the file. If it cannot be tried it is taken for a new one.
pub fn is_by_file() -> bool {
    static IS: OnceLock<bool> = OnceLock::new();
    *IS.get_or_init(|| try_it().unwrap_or(true))
}

/// Executes this very program by a descriptor in a child, which gets no further than its first stop.
fn try_it() -> io::Result<bool> {
    let program = File::open("/proc/self/exe")?;
    // SAFETY: the child calls nothing that allocates or takes a lock.
    match unsafe { fork()? } {
        ForkResult::Child => {
            let _ = ptrace::traceme();
            let _ = execveat(&program, c"", &[c"frng"], &[c""; 0], AtFlags::AT_EMPTY_PATH);
            // SAFETY: leaves without the exit handlers of the process it is a copy of.
            unsafe { libc::_exit(1) }
        }
        ForkResult::Parent { child } => {
            let all = Some(WaitPidFlag::__WALL);
            let mut name = Err(io::ErrorKind::Unsupported.into());
            while let WaitStatus::Stopped(_, signal) = waitpid(child, all)? {
                if signal == Signal::SIGTRAP {
                    name = fs::read_to_string(format!("/proc/{child}/comm"));
                    kill(child, Signal::SIGKILL)?;
                } else {
                    ptrace::cont(child, signal)?;
                }
            }
            name.map(|name| name.trim_end() != program.as_raw_fd().to_string())
        }
    }
}
