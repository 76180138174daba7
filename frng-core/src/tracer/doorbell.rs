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
    ring_after(0)
}

/// The same, some milliseconds later.
///
/// # Errors
/// Those of fork(2).
pub fn ring_later() -> io::Result<()> {
    ring_after(5_000_000)
}

fn ring_after(nanoseconds: i64) -> io::Result<()> {
    let pause = libc::timespec { tv_sec: 0, tv_nsec: nanoseconds as _ };
    // SAFETY: the child of this multi-threaded process calls nothing but nanosleep and _exit, which may be called there.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: `pause` is live; ends the child without running anything of ours.
        0 => unsafe {
            libc::nanosleep(&raw const pause, std::ptr::null_mut());
            libc::_exit(0)
        },
        _ => Ok(()),
    }
}
