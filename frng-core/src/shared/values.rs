//! What lies say: owner, group, mode and device number, each combination written once and never changed.
//!
//! A file tree has a handful of them. Sharing them makes a lie small and, more important, lets one 64-bit exchange
//! change a lie as a whole, which every CPU can do without a lock and without touching vector registers.
//!
//! A value is five words: uid, gid, rdev, mode and, in the upper half of that word, a checksum, index of the next value in the
//! chain.

use core::sync::atomic::{AtomicU32, Ordering};

use super::check::Check;
use super::layout::{Layout, Offsets, VALUE_LEN, element, header};
use super::region::{Region, TRIES, Walk, take};
use crate::errno::Errno;
use crate::lie::Lie;

const NEXT_AT: usize = 16;
/// Bits of a mode; above them there is the checksum.
const MODE_BITS: u32 = 16;

/// The values of a table.
#[derive(Clone, Copy)]
pub(super) struct Values {
    region: Region,
    buckets_at: usize,
    buckets: u32,
    values_at: usize,
    capacity: u32,
}

impl Values {
    pub fn new(region: Region, layout: &Layout, offsets: &Offsets) -> Values {
        Values {
            region,
            buckets_at: offsets.value_buckets,
            buckets: layout.value_buckets,
            values_at: offsets.values,
            capacity: layout.values,
        }
    }

    /// The value with this index.
    pub fn get(&self, index: u32) -> Option<Lie> {
        let [uid, gid, rdev, mode] = self.words(index)?;
        Some(Lie { uid, gid, mode: mode & ((1 << MODE_BITS) - 1), rdev: u64::from(rdev) })
    }

    /// Whether there is a value with this index, as it was written.
    #[cfg(feature = "std")]
    pub fn is_sound(&self, index: u32) -> bool {
        self.words(index).is_some_and(|[uid, gid, rdev, mode]| {
            [uid, gid, rdev, mode] == with_check(uid, gid, rdev, mode & ((1 << MODE_BITS) - 1))
        })
    }

    /// The index of a value, which is written if it is the first of its kind.
    ///
    /// # Errors
    /// `EOVERFLOW` for a mode or a device number that no kernel gives; `ENOSPC` if there is no room.
    pub fn intern(&self, lie: &Lie) -> Result<u32, Errno> {
        let fits = |_| Errno::EOVERFLOW;
        let mode = u16::try_from(lie.mode).map_err(fits)?;
        let value = with_check(lie.uid, lie.gid, u32::try_from(lie.rdev).map_err(fits)?, u32::from(mode));
        let bucket = self.bucket(&value).ok_or(Errno::EIO)?;
        let mut own = None;
        for _ in 0..TRIES {
            let head = bucket.load(Ordering::Acquire);
            if let Some(known) = self.find(head, &value) {
                return Ok(known);
            }
            let index = match own {
                Some(index) => index,
                None => self.write(&value).ok_or(Errno::ENOSPC)?,
            };
            own = Some(index);
            self.next(index).ok_or(Errno::EIO)?.store(head, Ordering::Relaxed);
            if bucket.compare_exchange(head, index, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return Ok(index);
            }
        }
        Err(Errno::EAGAIN)
    }

    fn find(&self, head: u32, value: &[u32; 4]) -> Option<u32> {
        let mut walk = Walk::new(self.capacity);
        let mut index = head;
        while walk.goes_on(index) {
            if self.words(index)? == *value {
                return Some(index);
            }
            index = self.next(index)?.load(Ordering::Acquire);
        }
        None
    }

    fn write(&self, value: &[u32; 4]) -> Option<u32> {
        let index = take(self.region.word32(header::NEXT_VALUE)?, 1, self.capacity)?;
        let at = element(self.values_at, index, self.capacity, VALUE_LEN)?;
        for (at, word) in (at..).step_by(4).zip(value) {
            self.region.word32(at)?.store(*word, Ordering::Relaxed);
        }
        Some(index)
    }

    fn words(&self, index: u32) -> Option<[u32; 4]> {
        let at = element(self.values_at, index, self.capacity, VALUE_LEN).filter(|_| index != 0)?;
        let mut words = [0; 4];
        for (at, word) in (at..).step_by(4).zip(&mut words) {
            *word = self.region.word32(at)?.load(Ordering::Relaxed);
        }
        Some(words)
    }

    fn next(&self, index: u32) -> Option<&AtomicU32> {
        let at = element(self.values_at, index, self.capacity, VALUE_LEN)?;
        self.region.word32(at.checked_add(NEXT_AT)?)
    }

    /// Values of few owners share few pages.
    fn bucket(&self, value: &[u32; 4]) -> Option<&AtomicU32> {
        let [uid, gid, rdev, mode] = *value;
        let mode = mode & ((1 << MODE_BITS) - 1);
        let hash = uid ^ gid.rotate_left(9) ^ rdev.wrapping_mul(0x9e37_79b9) ^ mode ^ (mode >> 12);
        let folded = hash ^ (hash >> 16);
        self.region.word32(element(self.buckets_at, folded & self.buckets.wrapping_sub(1), self.buckets, 4)?)
    }
}

/// The words of a value.
fn with_check(uid: u32, gid: u32, rdev: u32, mode: u32) -> [u32; 4] {
    let check = Check::new().and(uid).and(gid).and(rdev).and(mode);
    [uid, gid, rdev, mode | check.bits(16) << MODE_BITS]
}
