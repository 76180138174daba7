//! What [`crate::init`] has mapped for the agent.

use core::ptr::NonNull;

use frng_core::inside::counters::Counters;
use frng_core::inside::layout;
use frng_core::inside::local::Local;
use frng_core::shared::SharedTable;

use crate::arch::TRAMPOLINE;

/// The private page of this process.
pub fn local() -> &'static Local {
    // SAFETY: mapped by `init` before anything jumps to the agent, for as long as the program lives.
    unsafe { &*((TRAMPOLINE + layout::LOCAL) as *const Local) }
}

/// The table of lies; `None` if it is broken.
pub fn lies(len: u64) -> Option<SharedTable> {
    let at = NonNull::new((TRAMPOLINE + layout::LIES) as *mut u8)?;
    // SAFETY: mapped by `init` with this length before anything jumps to the agent.
    unsafe { SharedTable::open(at, len as usize) }
}

/// What is counted, if it is.
pub fn counters(at: u64) -> Option<&'static Counters> {
    // SAFETY: the tracer tells an address within the trampoline's shared memory.
    unsafe { (at as *const Counters).as_ref() }
}
