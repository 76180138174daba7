//! Signals for a thread in the agent: the tracer holds them back until it has left.

use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering};

use frng_core::call::Sys;
use frng_core::errno::{ERESTARTNOINTR, Errno};
use frng_core::inside::layout;

/// The last two words of a stack.
#[repr(C)]
pub struct Signals {
    /// Not 0: a signal is held back; stop before leaving.
    leaving: AtomicU64,
    /// Not 0: about to issue a call that may wait.
    waits: AtomicU64,
}

const _: () = assert!(size_of::<Signals>() as u64 == layout::LEAVING_BELOW);
const _: () = assert!(offset_of!(Signals, waits) as u64 == layout::LEAVING_BELOW - layout::WAITS_BELOW);

impl Signals {
    /// Issues a call by `issue`. If it may wait and a signal is held back, it is not issued but fails as if the signal had
    /// come before it. The tracer does the same where it finds `waits` set.
    pub fn watch(&self, sys: Sys, issue: impl FnOnce() -> u64) -> u64 {
        if !may_wait(sys) {
            return issue();
        }
        self.waits.store(1, Ordering::SeqCst);
        let raw = if self.leaving.load(Ordering::SeqCst) == 0 { issue() } else { Errno(ERESTARTNOINTR).to_raw() };
        self.waits.store(0, Ordering::SeqCst);
        raw
    }
}

/// Opening a fifo waits for its other end, a terminal for its carrier.
fn may_wait(sys: Sys) -> bool {
    matches!(sys, Sys::Open | Sys::Openat | Sys::Openat2 | Sys::Creat)
}
