//! Which inode a record is about, in few bits.

use crate::inode::{Birth, InodeId, InodeKey};

/// Device and inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The kernel's `dev_t` has 12 + 20 bits, which is what the low half of the user's form holds.
    pub dev: u32,
    pub ino: u64,
}

impl Key {
    /// `None` for a device number that no kernel gives.
    pub fn new(key: InodeKey) -> Option<Key> {
        Some(Key { dev: u32::try_from(key.dev).ok()?, ino: key.ino })
    }

    pub fn inode_key(self) -> InodeKey {
        InodeKey { dev: u64::from(self.dev), ino: self.ino }
    }

    /// Which of `buckets` (a power of two) it belongs to. Inodes with neighbouring numbers, as files made one after the
    /// other have, get neighbouring buckets: they share cache lines, and a small table touches few pages.
    pub fn bucket(self, buckets: u32) -> u32 {
        // Devices are spread, with 2^32 divided by the golden ratio.
        let dev = self.dev.wrapping_mul(0x9e37_79b9);
        let folded = self.ino ^ (self.ino >> 21) ^ (self.ino >> 42);
        (folded as u32 ^ dev.rotate_left(16)) & buckets.wrapping_sub(1)
    }
}

/// Birth time in 64 bits: seconds in the upper 34, nanoseconds in the lower 30. Times before 1697 and after 2242 are
/// taken for the first and the last second of these. Where nanoseconds are no such number the birth is unknown, and the upper
/// bits are the version of the record: so an unknown birth of a record's earlier use is not taken for a later one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PackedBirth(pub u64);

const NSEC_BITS: u32 = 30;
const NSEC_MASK: u64 = (1 << NSEC_BITS) - 1;
/// Added to the seconds, so that later births are greater numbers.
const BIAS: i64 = 1 << 33;

impl PackedBirth {
    pub fn new(birth: Option<Birth>, version: u64) -> PackedBirth {
        match birth {
            Some(Birth { sec, nsec }) => {
                let sec = sec.clamp(-BIAS, BIAS.wrapping_sub(1)).wrapping_add(BIAS) as u64;
                PackedBirth((sec << NSEC_BITS) | u64::from(nsec.min(999_999_999)))
            }
            None => PackedBirth((version << NSEC_BITS) | NSEC_MASK),
        }
    }

    pub fn birth(self) -> Option<Birth> {
        if !self.is_known() {
            return None;
        }
        let sec = ((self.0 >> NSEC_BITS) as i64).wrapping_sub(BIAS);
        Some(Birth { sec, nsec: (self.0 & NSEC_MASK) as u32 })
    }

    pub fn is_known(self) -> bool {
        self.0 & NSEC_MASK < 1_000_000_000
    }

    /// What a record with this birth is to an inode. Where one side does not know the birth the number has to do.
    pub fn relation(self, inode: &InodeId) -> Relation {
        let other = PackedBirth::new(inode.birth, 0);
        if !self.is_known() || !other.is_known() || self == other {
            Relation::Same
        } else if self.0 < other.0 {
            Relation::Older
        } else {
            Relation::Newer
        }
    }
}

/// What a record found under an inode's number is to that inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// About it.
    Same,
    /// About an inode that had the number before.
    Older,
    /// About one that had the number before and was made in the same tick of the timer, as far as can be told.
    OfTheSameTick,
    /// About an inode that got the number later: somebody speaks of an inode that is gone.
    Newer,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn births_survive_packing_and_keep_their_order() {
        let times = [(-BIAS, 0), (-1, 5), (0, 0), (0, 999_999_999), (1_700_000_000, 123), (BIAS - 1, 999_999_999)];
        let mut last = None;
        for (sec, nsec) in times {
            let birth = Some(Birth { sec, nsec });
            let packed = PackedBirth::new(birth, 7);
            assert_eq!(packed.birth(), birth);
            assert!(last < Some(packed.0));
            last = Some(packed.0);
        }
        assert_eq!(PackedBirth::new(None, 2047).birth(), None);
        assert_eq!(
            PackedBirth::new(Some(Birth { sec: i64::MAX, nsec: 3 }), 0).birth().map(|at| at.sec),
            Some(BIAS - 1)
        );
    }

    #[test]
    fn neighbouring_inodes_have_neighbouring_buckets() {
        let bucket = |dev, ino| Key { dev, ino }.bucket(1 << 21);
        assert_eq!(bucket(5, 1000) ^ bucket(5, 1001), 1);
        assert_eq!(bucket(5, 1000) >> 10, bucket(5, 1010) >> 10);
        assert_ne!(bucket(5, 1000) >> 10, bucket(6, 1000) >> 10);
        assert_ne!(bucket(5, 1 << 21), bucket(5, 1 << 22));
    }
}
