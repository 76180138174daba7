//! Tables in memory that children share, and numbers that look random.

use std::ptr::NonNull;

use frng_core::errno::Errno;
use frng_core::inode::{Birth, InodeId};
use frng_core::lie::{Lie, LieTable};
use frng_core::shared::{Layout, SharedTable};

/// A layout in which everything meets everything else.
pub const TINY: Layout = Layout { buckets: 2, records: 64, value_buckets: 2, values: 1024, units: 1024 };

/// Memory that is shared with children made by fork.
pub struct Memory {
    address: NonNull<u8>,
    len: usize,
}

// SAFETY: it is accessed by atomics only, or by one thread.
unsafe impl Sync for Memory {}

impl Memory {
    pub fn new(len: usize) -> Memory {
        // SAFETY: a new mapping.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        assert_ne!(address, libc::MAP_FAILED);
        Memory { address: NonNull::new(address.cast()).unwrap(), len }
    }

    pub fn for_layout(layout: &Layout) -> Memory {
        Memory::new(layout.bytes().unwrap())
    }

    pub fn address(&self) -> NonNull<u8> {
        self.address
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// A new table.
    pub fn create(&self, layout: &Layout) -> SharedTable {
        // SAFETY: the tests keep the memory longer than the table.
        unsafe { SharedTable::create(self.address, self.len, layout) }.unwrap()
    }

    /// The table in it.
    pub fn open(&self) -> Option<SharedTable> {
        // SAFETY: the tests keep the memory longer than the table.
        unsafe { SharedTable::open(self.address, self.len) }
    }

    /// Copies all of `other`, which is as long and does not change.
    pub fn copy_from(&self, other: &Memory) {
        assert_eq!(self.len, other.len);
        // SAFETY: both are mapped with this length, and are different mappings.
        unsafe { std::ptr::copy_nonoverlapping(other.address.as_ptr(), self.address.as_ptr(), self.len) };
    }
}

impl Memory {
    /// Whether both have the same bytes; neither may change meanwhile.
    pub fn is_equal_to(&self, other: &Memory) -> bool {
        assert_eq!(self.len, other.len);
        // SAFETY: both are mapped with this length, and whoever might write is stopped.
        unsafe { libc::memcmp(self.address.as_ptr().cast(), other.address.as_ptr().cast(), self.len) == 0 }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`.
        unsafe { libc::munmap(self.address.as_ptr().cast(), self.len) };
    }
}

/// Marsaglia's xorshift.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 16) % end
    }
}

pub fn inode(ino: u64, born: Option<i64>) -> InodeId {
    InodeId { dev: 1, ino, birth: born.map(|sec| Birth { sec, nsec: 5 }), has_name: false }
}

pub fn set_xattr(table: &SharedTable, inode: &InodeId, name: &[u8], value: &[u8]) -> Result<(), Errno> {
    let mut left = value;
    table.set_xattr(inode, name, value.len(), &mut |room| {
        let (piece, rest) = left.split_at(room.len());
        room.copy_from_slice(piece);
        left = rest;
        Ok(())
    })
}

pub fn xattr(table: &SharedTable, inode: &InodeId, name: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut value = Vec::new();
    let len = table.xattr(inode, name, &mut |piece| value.extend_from_slice(piece))?;
    assert_eq!(len, value.len());
    Ok(value)
}

pub fn names(table: &SharedTable, inode: &InodeId) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    table.xattr_names(inode, &mut |name| names.push(name.to_vec()));
    names
}

/// A lie all of whose parts tell of which inode it is and which of its lies: a mixture of two is seen.
pub fn marked(ino: u64, birth: i64, count: u32) -> Lie {
    Lie { uid: count, gid: ino as u32, mode: 0o100000 | (birth as u32 & 0o777), rdev: u64::from(count) }
}

/// Fails if a lie is not one of [`marked`] of this inode.
pub fn check_marked(lie: &Lie, ino: u64, birth: i64) {
    assert_eq!(*lie, marked(ino, birth, lie.uid));
}
