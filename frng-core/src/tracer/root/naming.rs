//! How a kernel names a program that is executed by its descriptor alone (`AT_EMPTY_PATH`).
//!
//! The name of the thread was the number of the descriptor; since Linux 6.14 it is the name of the file
//! (`fs/exec.c: begin_new_exec`), and kernels of distributions have that in earlier versions. So it is tried.

use crate::proc_text;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::OnceLock;

use libc::c_char;
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

/// Whether this kernel takes the name of the file. If it cannot be tried it is taken for a new one.
pub fn is_by_file() -> bool {
    static IS: OnceLock<bool> = OnceLock::new();
    *IS.get_or_init(|| try_it().unwrap_or(true))
}

/// Executes this very program by a descriptor in a child, which gets no further than its first stop.
fn try_it() -> io::Result<bool> {
    let program = File::open("/proc/self/exe")?;
    let (arguments, environment) = ([c"frng".as_ptr(), ptr::null()], [ptr::null::<c_char>()]);
    // SAFETY: the child calls nothing that allocates or takes a lock.
    match unsafe { fork()? } {
        ForkResult::Child => {
            // SAFETY: the pointers are to terminated strings and arrays that live as long as this process, which leaves without
            // the exit handlers of the one it is a copy of. Untraced it would run on.
            unsafe {
                if ptrace::traceme().is_ok() {
                    let (name, flags) = (c"".as_ptr(), libc::AT_EMPTY_PATH);
                    let (arguments, environment) = (arguments.as_ptr(), environment.as_ptr());
                    libc::syscall(libc::SYS_execveat, program.as_raw_fd(), name, arguments, environment, flags);
                }
                libc::_exit(1)
            }
        }
        ForkResult::Parent { child } => {
            let mut name = Err(io::ErrorKind::Unsupported.into());
            loop {
                match waitpid(child, Some(WaitPidFlag::__WALL)) {
                    // The program is loaded; or a signal came before, and it is not tried again.
                    Ok(WaitStatus::Stopped(_, signal)) => {
                        if signal == Signal::SIGTRAP {
                            name = proc_text::read_to_string(format!("/proc/{child}/comm"));
                        }
                        let _ = kill(child, Signal::SIGKILL);
                    }
                    Err(Errno::EINTR) => {}
                    // It is reaped.
                    _ => break,
                }
            }
            name.map(|name| name.trim_end() != program.as_raw_fd().to_string())
        }
    }
}
