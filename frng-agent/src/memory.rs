//! The program's memory: the agent's own, but any address a program gives may be wrong.

use frng_core::call::TraceeAddr;
use frng_core::errno::Errno;

use crate::arch;

/// Copies from the program; returns how many bytes could be read.
pub fn read(from: TraceeAddr, to: &mut [u8]) -> usize {
    // SAFETY: `to` is writable for its length. The copy ends early at an address that cannot be read: the tracer takes
    // the fault for it.
    let left = unsafe { arch::copy(to.as_mut_ptr(), from.0 as *const u8, to.len()) };
    to.len().saturating_sub(left)
}

/// Copies to the program; all or `EFAULT`, though a part may have been written.
pub fn write(to: TraceeAddr, from: &[u8]) -> Result<(), Errno> {
    // SAFETY: `from` is readable for its length, and the program has asked for its memory to be written to. The copy ends
    // early at an address that cannot be written.
    match unsafe { arch::copy(to.0 as *mut u8, from.as_ptr(), from.len()) } {
        0 => Ok(()),
        _ => Err(Errno::EFAULT),
    }
}
