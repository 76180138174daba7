//! Where what is in the mapping.
//!
//! | section | |
//! |---|---|
//! | header | one page: magic, capacities, counters |
//! | buckets | a `u32` each: index of the first record of the chain |
//! | records | 32 bytes each, see `records` |
//! | value buckets | a `u32` each: index of the first value of the chain |
//! | values | 20 bytes each, see `values` |
//! | arena | units of 16 bytes, see `xattrs` |
//!
//! Index 0 means none everywhere, so the first of everything is wasted. The file has its full length from the begin
//! and is sparse: only pages that were touched take room.

use core::sync::atomic::Ordering;

use super::region::Region;

/// Bytes of a page, as far as the layout cares.
const PAGE: usize = 4096;
/// Bytes of a record.
pub(super) const RECORD_LEN: usize = 32;
/// Bytes of a value.
pub(super) const VALUE_LEN: usize = 20;
/// Bytes of a unit of the arena.
pub(super) const UNIT_LEN: usize = 16;
/// One more than the highest index of a value or a unit that a record's word has room for.
const INDEX_END: u32 = 1 << 24;

/// "frnglies", and which layout it is.
const MAGIC: u64 = u64::from_be_bytes(*b"frnglies");
const VERSION: u32 = 3;

const MAGIC_AT: usize = 0;
const VERSION_AT: usize = 8;
const CAPACITIES_AT: usize = 12;

/// What the header counts. Each has a cache line's offset of its own group.
pub(super) mod header {
    /// First record never used.
    pub const NEXT_RECORD: usize = 64;
    /// First value never used.
    pub const NEXT_VALUE: usize = 68;
    /// First unit of the arena never used.
    pub const NEXT_UNIT: usize = 72;
    /// Not 0 after a change.
    pub const CHANGED: usize = 76;
    /// Eight words: `kinds`.
    pub const KINDS: usize = 128;
    /// Up to here the header never changes.
    #[cfg(feature = "std")]
    pub const CONSTANT_END: usize = 32;
    /// Whose table it is: `salvage`.
    #[cfg(feature = "std")]
    pub const ORIGIN: usize = 256;
    /// The checksum of both.
    #[cfg(feature = "std")]
    pub const SEAL: usize = 320;
}

/// How much fits into a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Chains of records; a power of two.
    pub buckets: u32,
    /// One more than the records there can be.
    pub records: u32,
    /// Chains of values; a power of two.
    pub value_buckets: u32,
    /// One more than the different values there can be.
    pub values: u32,
    /// One more than the units of 16 bytes for xattrs.
    pub units: u32,
}

impl Layout {
    /// 16 million lies with as many different owners and modes, 256 MB of xattrs: 1.1 GB of addresses.
    pub const LARGE: Layout =
        Layout { buckets: 1 << 21, records: 1 << 24, value_buckets: 1 << 18, values: INDEX_END, units: INDEX_END };
    /// A million lies, 16 MB of xattrs: 80 MB of addresses.
    pub const MEDIUM: Layout =
        Layout { buckets: 1 << 20, records: 1 << 20, value_buckets: 1 << 16, values: 1 << 20, units: 1 << 20 };
    /// 64 thousand lies, 2 MB of xattrs: 6 MB of addresses.
    pub const SMALL: Layout =
        Layout { buckets: 1 << 16, records: 1 << 16, value_buckets: 1 << 12, values: 1 << 16, units: 1 << 17 };

    /// Where everything begins, if there can be such a mapping.
    pub(super) fn offsets(&self) -> Option<Offsets> {
        let sound = self.buckets.is_power_of_two()
            && self.value_buckets.is_power_of_two()
            && self.values <= INDEX_END
            && self.units <= INDEX_END;
        if !sound {
            return None;
        }
        let mut end = PAGE;
        let mut section = |count: u32, size: usize| {
            let begin = end;
            end = usize::try_from(count).ok()?.checked_mul(size)?.checked_add(begin)?.checked_next_multiple_of(PAGE)?;
            Some(begin)
        };
        Some(Offsets {
            buckets: section(self.buckets, 4)?,
            records: section(self.records, RECORD_LEN)?,
            value_buckets: section(self.value_buckets, 4)?,
            values: section(self.values, VALUE_LEN)?,
            arena: section(self.units, UNIT_LEN)?,
            len: end,
        })
    }

    /// Bytes of a mapping; `None` for a layout that cannot be.
    pub fn bytes(&self) -> Option<usize> {
        self.offsets().map(|offsets| offsets.len)
    }

    /// Writes the header of a table without lies into zeros.
    pub(super) fn write(&self, region: &Region) -> Option<()> {
        let Layout { buckets, records, value_buckets, values, units } = *self;
        for (at, capacity) in (CAPACITIES_AT..).step_by(4).zip([buckets, records, value_buckets, values, units]) {
            region.word32(at)?.store(capacity, Ordering::Relaxed);
        }
        for at in [header::NEXT_RECORD, header::NEXT_VALUE, header::NEXT_UNIT] {
            region.word32(at)?.store(1, Ordering::Relaxed);
        }
        region.word32(VERSION_AT)?.store(VERSION, Ordering::Relaxed);
        region.word64(MAGIC_AT)?.store(MAGIC, Ordering::Release);
        Some(())
    }

    /// Reads it from the header; `None` if there is no table of this version, or one that is larger than the mapping.
    pub(super) fn read(region: &Region) -> Option<Layout> {
        let magic = region.word64(MAGIC_AT)?.load(Ordering::Acquire);
        let version = region.word32(VERSION_AT)?.load(Ordering::Relaxed);
        let mut capacities = [0; 5];
        for (at, capacity) in (CAPACITIES_AT..).step_by(4).zip(&mut capacities) {
            *capacity = region.word32(at)?.load(Ordering::Relaxed);
        }
        let [buckets, records, value_buckets, values, units] = capacities;
        let layout = Layout { buckets, records, value_buckets, values, units };
        (magic == MAGIC && version == VERSION && layout.bytes()? <= region.len()).then_some(layout)
    }
}

/// Where the sections begin, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Offsets {
    pub buckets: usize,
    pub records: usize,
    pub value_buckets: usize,
    pub values: usize,
    pub arena: usize,
    pub len: usize,
}

/// Where the element with an index is; `None` if a section has no such element.
pub(super) fn element(section: usize, index: u32, capacity: u32, size: usize) -> Option<usize> {
    if index >= capacity {
        return None;
    }
    usize::try_from(index).ok()?.checked_mul(size)?.checked_add(section)
}
