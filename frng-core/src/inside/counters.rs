//! What the agents count: shared memory of a daemon's agents and its tracer.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::call::Sys;

/// More than there are calls.
const CALLS: usize = 512;

/// Calls by [`Sys`], over all processes. A process that is killed may not have counted its last call.
#[repr(C)]
pub struct Counters {
    answered: [AtomicU64; CALLS],
    passed: [AtomicU64; CALLS],
}

const _: () = assert!(size_of::<Counters>() <= 2 * 4096);

impl Counters {
    /// A call has been answered, or looked at and left to the kernel.
    pub fn count(&self, sys: Sys, passed: bool) {
        let counters = if passed { &self.passed } else { &self.answered };
        if let Some(counter) = counters.get(sys as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often a call has been answered and left to the kernel since this was asked last.
    pub fn take(&self, sys: Sys) -> (u64, u64) {
        let take =
            |counters: &[AtomicU64]| counters.get(sys as usize).map_or(0, |counter| counter.swap(0, Ordering::Relaxed));
        (take(&self.answered), take(&self.passed))
    }
}
