//! Waking the tracer.
//!
//! The tracer blocks in waitpid, which ends for tracees and children only. A child that exits at once is a wake-up
//! that cannot get lost, needs no signal handler and costs the tracer nothing at all other stops. Where no child can be
//! made (a limit on processes) the tracer's thread gets signals until it has noticed one: a single one might come in
//! the instant before it waits.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering, fence};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// Ignored by default, so that one that comes late does nothing.
const SIGNAL: Signal = Signal::SIGURG;
/// Between two signals.
const PAUSE: Duration = Duration::from_millis(5);

/// The thread to be woken; 0 before there is one.
static TRACER: AtomicI32 = AtomicI32::new(0);
/// Somebody sends signals and has not been noticed yet.
static KNOCKING: AtomicBool = AtomicBool::new(false);
/// The tracer waits for an order, not for a tracee.
static UNNEEDED: AtomicBool = AtomicBool::new(false);

/// Makes the calling thread the one that [`ring`] wakes.
///
/// # Errors
/// Those of sigaction(2).
pub fn listen_here() -> io::Result<()> {
    extern "C" fn nothing(_: i32) {}
    // Without SA_RESTART: it is to interrupt.
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing.
    unsafe { sigaction(SIGNAL, &action)? };
    // SAFETY: takes no memory.
    let tid = unsafe { libc::syscall(libc::SYS_gettid) };
    TRACER.store(tid as i32, Ordering::Relaxed);
    Ok(())
}

/// Whether the tracer should look for orders instead of waiting.
pub fn is_knocking() -> bool {
    KNOCKING.load(Ordering::Acquire)
}

/// The tracer is going to look for orders now.
pub fn noticed() {
    KNOCKING.store(false, Ordering::Release);
}

/// Waits for an order by `wait`, which needs no bell. Afterwards the tracer has to look for further ones.
pub fn while_unneeded<R>(wait: impl FnOnce() -> R) -> R {
    UNNEEDED.store(true, Ordering::SeqCst);
    let result = wait();
    UNNEEDED.store(false, Ordering::SeqCst);
    // An order for which nobody has rung is seen by who looks from here on.
    fence(Ordering::SeqCst);
    result
}

/// Ends the tracer's wait, so that it looks for orders. May be called by any thread of the daemon, after its order is there.
pub fn ring() {
    fence(Ordering::SeqCst);
    if UNNEEDED.load(Ordering::SeqCst) {
        return;
    }
    if ring_after(0).is_err() {
        knock();
    }
}

/// Wakes the tracer without making a process; returns when it has noticed.
fn knock() {
    KNOCKING.store(true, Ordering::Release);
    while is_knocking() {
        // SAFETY: takes no memory; the thread lives as long as the process serves.
        unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), TRACER.load(Ordering::Relaxed), SIGNAL as i32) };
        thread::sleep(PAUSE);
    }
}

/// The same, some milliseconds later.
///
/// # Errors
/// Those of clone(2).
pub fn ring_later() -> io::Result<()> {
    ring_after(5_000_000)
}

fn ring_after(nanoseconds: i64) -> io::Result<()> {
    let pause = libc::timespec { tv_sec: 0, tv_nsec: nanoseconds as _ };
    let (flags, none) = ((libc::CLONE_FILES | libc::SIGCHLD) as libc::c_ulong, 0 as libc::c_ulong);
    // With our descriptors, not with copies of them: the end of a process that has a file open may have to wait for the file's server.
    // SAFETY: as fork(2); the child of this multi-threaded process calls nothing but nanosleep and _exit, which may be called there.
    match unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: `pause` is live; ends the child without running anything of ours.
        0 => unsafe {
            libc::nanosleep(&raw const pause, std::ptr::null_mut());
            libc::_exit(0)
        },
        _ => Ok(()),
    }
}
