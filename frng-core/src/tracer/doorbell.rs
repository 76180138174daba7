//! Waking the tracer.
//!
//! The tracer blocks in waitpid, which ends for tracees and children only. A child that exits at once is a wake-up
//! that cannot get lost, needs no signal handler and costs the tracer nothing at all other stops.

use std::io;

/// Ends the tracer's wait, so that it looks for orders. May be called by any thread of the daemon.
///
/// # Errors
/// Those of fork(2).
pub fn ring() -> io::Result<()> {
    // SAFETY: the child of this multi-threaded process calls nothing but _exit.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: ends the child without running anything of ours.
        0 => unsafe { libc::_exit(0) },
        _ => Ok(()),
    }
}
