//! The table of lies as a killed daemon, a power cut or a hostile program may leave it.

use std::alloc::{Layout as Size, alloc_zeroed, dealloc};
use std::collections::HashSet;
use std::ptr::NonNull;

use frng_core::inode::{Birth, InodeId};
use frng_core::lie::{Lie, LieTable};
use frng_core::shared::{Layout, ORIGIN_LEN, SharedTable};

use crate::input::Input;

const LAYOUT: Layout = Layout { buckets: 4, records: 256, value_buckets: 4, values: 256, units: 1024 };

struct Memory {
    base: NonNull<u8>,
    size: Size,
}

impl Memory {
    fn new() -> Memory {
        let len = LAYOUT.bytes().expect("it is small");
        let size = Size::from_size_align(len, 4096).expect("a page");
        // SAFETY: the size is not 0.
        let base = unsafe { alloc_zeroed(size) };
        Memory { base: NonNull::new(base).expect("memory"), size }
    }

    fn len(&self) -> usize {
        self.size.size()
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: as long as this, and nobody uses a table in it meanwhile.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr(), self.len()) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated with this size.
        unsafe { dealloc(self.base.as_ptr(), self.size) };
    }
}

fn inode(ino: u64) -> InodeId {
    InodeId { dev: 1, ino, birth: Some(Birth { sec: ino as i64 % 3, nsec: 5 }), has_name: true }
}

/// Whose lie it is can be seen by its owner.
fn lie(ino: u64) -> Lie {
    Lie { uid: 1000 + ino as u32, gid: 7, mode: 0o100_644, rdev: 0 }
}

/// Writes pieces of the bytes somewhere into a sound table, as offset, length and content, and then does everything with it. What is
/// salvaged is what was put there once, if only whole pages or sectors were lost.
pub fn live(bytes: &[u8]) {
    let mut input = Input(bytes);
    let mut memory = Memory::new();
    // SAFETY: the memory lives longer than the table.
    let table = unsafe { SharedTable::create(memory.base, memory.len(), &LAYOUT) }.expect("there is room");
    for ino in 1..40 {
        let _ = table.put(&inode(ino), lie(ino));
        let mut value = [ino as u8; 30].into_iter();
        let _ = table.set_xattr(&inode(ino), b"user.a", 30, &mut |room| {
            room.iter_mut().zip(&mut value).for_each(|(to, from)| *to = from);
            Ok(())
        });
    }
    table.sign(&[7; ORIGIN_LEN]);
    let loses = input.u8() & 1 == 0;
    while !input.is_empty() {
        let at = input.u32() as usize % memory.len();
        if loses {
            // A sector that was never written.
            let begin = at / 512 * 512;
            memory.bytes()[begin..begin + 512].fill(0);
        } else {
            let len = usize::from(input.u8() % 33);
            let piece = input.take(len);
            let len = piece.len().min(memory.len() - at);
            memory.bytes()[at..at + len].copy_from_slice(&piece[..len]);
        }
    }
    // SAFETY: the memory lives longer than the table.
    let Some(table) = (unsafe { SharedTable::open(memory.base, memory.len()) }) else { return };
    let is_ours = table.origin().is_some();
    let _ = table.bytes();
    let salvage = table.salvage();
    let mut seen = HashSet::new();
    for entry in &salvage.lies {
        assert!(seen.insert(entry.inode.key()), "{entry:?} is told twice");
        if loses && is_ours {
            assert_eq!(entry.lie, lie(entry.inode.ino), "{entry:?} never was");
        }
    }
    let _ = table.verify();
    for ino in 0..45 {
        let id = inode(ino);
        table.get(&id);
        table.peek(id.key());
        table.orphan(&id);
        let mut heard = 0;
        let _ = table.xattr(&id, b"user.a", &mut |piece| heard += piece.len());
        assert!(heard <= 65536);
        table.xattr_names(&id, &mut |name| assert!(name.len() <= 255));
        let _ = table.put(&id, lie(ino));
        let _ = table.remove_xattr(&id, b"user.a");
        if ino % 3 == 0 {
            table.forget(&id);
        }
    }
    table.kinds();
    table.each(&mut |_| ());
}
