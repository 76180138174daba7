//! The mapping, as atomics at checked offsets.
//!
//! Every process that maps the file may be hostile and write anything anywhere at any time. So whatever was read from the
//! mapping is a number to be checked, nothing in it is ever referenced but as an atomic, and offsets that lie outside
//! give `None`.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// How often a loop that competes with other threads is tried again. Each failure means that another one got on, so an
/// honest thread never gets here; a hostile one must not keep it forever.
pub(super) const TRIES: u32 = 1 << 12;

/// Memory shared with other threads and processes.
#[derive(Clone, Copy)]
pub(super) struct Region {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a region is only accessed by atomics; `new` asks for a mapping that stays.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// # Safety
    /// `len` bytes at `base`, which is aligned to 8 bytes, are mapped readable and writable for as long as the region
    /// or a copy of it is used, and nobody accesses them but by atomics.
    pub(super) unsafe fn new(base: NonNull<u8>, len: usize) -> Region {
        Region { base, len }
    }

    /// Bytes of the mapping.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    fn at(&self, offset: usize, size: usize) -> Option<*mut u8> {
        let end = offset.checked_add(size)?;
        if end > self.len || offset & size.wrapping_sub(1) != 0 {
            return None;
        }
        // SAFETY: `offset` is within the mapping.
        Some(unsafe { self.base.as_ptr().add(offset) })
    }

    /// The 32-bit word at an offset divisible by 4.
    pub(super) fn word32(&self, offset: usize) -> Option<&AtomicU32> {
        // SAFETY: within the mapping, aligned, and accessed by atomics only.
        self.at(offset, 4).map(|place| unsafe { AtomicU32::from_ptr(place.cast()) })
    }

    /// The 64-bit word at an offset divisible by 8.
    pub(super) fn word64(&self, offset: usize) -> Option<&AtomicU64> {
        // SAFETY: within the mapping, aligned, and accessed by atomics only.
        self.at(offset, 8).map(|place| unsafe { AtomicU64::from_ptr(place.cast()) })
    }

    /// Copies bytes to an offset divisible by 4. The last word is filled up with zeros.
    pub(super) fn copy_in(&self, offset: usize, bytes: &[u8]) -> Option<()> {
        let mut at = offset;
        for piece in bytes.chunks(4) {
            let mut word = [0; 4];
            word.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
            self.word32(at)?.store(u32::from_ne_bytes(word), Ordering::Relaxed);
            at = at.checked_add(4)?;
        }
        Some(())
    }

    /// Copies bytes from an offset divisible by 4.
    pub(super) fn copy_out(&self, offset: usize, bytes: &mut [u8]) -> Option<()> {
        let mut at = offset;
        for piece in bytes.chunks_mut(4) {
            let word = self.word32(at)?.load(Ordering::Relaxed).to_ne_bytes();
            piece.iter_mut().zip(word).for_each(|(to, from)| *to = from);
            at = at.checked_add(4)?;
        }
        Some(())
    }
}

/// Takes `count` units off what is not used yet; `None` if there are not so many. What is taken is never given back
/// but by [`give_back`].
pub(super) fn take(next: &AtomicU32, count: u32, capacity: u32) -> Option<u32> {
    let mut first = next.load(Ordering::Relaxed);
    for _ in 0..TRIES {
        let end = first.checked_add(count).filter(|end| *end <= capacity && first != 0)?;
        match next.compare_exchange_weak(first, end, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return Some(first),
            Err(now) => first = now,
        }
    }
    None
}

/// Gives units back that nobody has seen, if none were taken since.
pub(super) fn give_back(next: &AtomicU32, first: u32, count: u32) {
    if let Some(end) = first.checked_add(count) {
        let _ = next.compare_exchange(end, first, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// Bounds a walk along a chain of indices, which others may have tied to a ring (Brent's algorithm) or go on extending.
pub(super) struct Walk {
    landmark: u32,
    steps: u32,
    until: u32,
    left: u32,
}

impl Walk {
    /// A walk of at most `longest` steps.
    pub(super) fn new(longest: u32) -> Walk {
        Walk { landmark: 0, steps: 0, until: 8, left: longest }
    }

    /// Whether the walk may go on to `index`: no at 0, the end of a chain, and where it would never end.
    pub(super) fn goes_on(&mut self, index: u32) -> bool {
        if index == 0 || index == self.landmark || self.left == 0 {
            return false;
        }
        self.left = self.left.wrapping_sub(1);
        self.steps = self.steps.wrapping_add(1);
        if self.steps == self.until {
            self.landmark = index;
            self.steps = 0;
            self.until = self.until.saturating_mul(2);
        }
        true
    }
}
