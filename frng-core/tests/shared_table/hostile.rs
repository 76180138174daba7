//! Whatever is in the memory, and whoever writes to it meanwhile: every call comes back, and touches nothing else.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use frng_core::lie::LieTable;
use frng_core::shared::{Layout, SharedTable};

use crate::support::{Memory, Random, inode, marked, set_xattr};

const LAYOUT: Layout = Layout { buckets: 4, records: 256, value_buckets: 4, values: 256, units: 1024 };

fn words(memory: &Memory) -> impl Iterator<Item = &AtomicU32> {
    let first: *mut u32 = memory.address().as_ptr().cast();
    // SAFETY: within the mapping, which is accessed by atomics only.
    (0..memory.len() / 4).map(move |index| unsafe { AtomicU32::from_ptr(first.add(index)) })
}

/// A word of the kinds that hurt most: anything, or what could be an index.
fn rubbish(random: &mut Random) -> u32 {
    match random.below(4) {
        0 => random.next() as u32,
        1 => random.below(300) as u32,
        2 => (random.below(256) as u32) << 16 | 2,
        _ => u32::MAX - random.below(3) as u32,
    }
}

fn some_lies(table: &SharedTable) {
    for ino in 0..40 {
        let id = inode(ino, Some(ino as i64 % 3));
        let _ = table.put(&id, marked(ino, 1, ino as u32));
        let _ = set_xattr(table, &id, b"user.a", &[1; 30]);
        let _ = set_xattr(table, &id, b"user.b", &[1; 3]);
    }
}

fn every_call(table: &SharedTable, random: &mut Random) {
    let ino = random.below(50);
    for birth in [None, Some(0), Some(1), Some(i64::MAX)] {
        let id = inode(ino, birth);
        table.get(&id);
        let _ = table.put(&id, marked(ino, 1, random.below(60) as u32));
        table.orphan(&id);
        table.adopt(&id);
        table.peek(id.key());
        let mut heard = 0;
        let _ = table.xattr(&id, b"user.a", &mut |piece| heard += piece.len());
        assert!(heard <= 65536);
        let _ = set_xattr(table, &id, b"user.b", &[7; 10]);
        table.xattr_names(&id, &mut |name| assert!(name.len() <= 255));
        let _ = table.remove_xattr(&id, b"user.a");
        if random.below(3) == 0 {
            table.forget(&id);
        }
    }
    table.kinds();
    table.each(&mut |_| ());
    let _ = table.verify();
}

/// Fails if `test` does not come back.
fn must_end(test: impl FnOnce() + Send + 'static) {
    let (sender, receiver) = channel();
    let thread = thread::spawn(move || {
        test();
        let _ = sender.send(());
    });
    assert_ne!(receiver.recv_timeout(Duration::from_secs(300)), Err(RecvTimeoutError::Timeout), "it hangs");
    thread.join().unwrap();
}

#[test]
fn nothing_but_rubbish_does_no_harm() {
    must_end(|| {
        let memory = Memory::for_layout(&LAYOUT);
        for seed in 1..=20 {
            let mut random = Random(seed * 31);
            let table = memory.create(&LAYOUT);
            words(&memory).for_each(|word| word.store(rubbish(&mut random), Ordering::Relaxed));
            for _ in 0..10 {
                every_call(&table, &mut random);
            }
            assert!(memory.open().is_none());
        }
    });
}

#[test]
fn a_table_with_some_rubbish_does_no_harm() {
    must_end(|| {
        for seed in 1..=60 {
            let memory = Memory::for_layout(&LAYOUT);
            let mut random = Random(seed * 77);
            let table = memory.create(&LAYOUT);
            some_lies(&table);
            table.verify().unwrap();
            for word in words(&memory).skip(4) {
                if word.load(Ordering::Relaxed) != 0 && random.below(4) == 0 {
                    word.store(rubbish(&mut random), Ordering::Relaxed);
                }
            }
            for _ in 0..10 {
                every_call(&table, &mut random);
            }
        }
    });
}

#[test]
fn somebody_who_goes_on_writing_rubbish_does_no_harm() {
    must_end(|| {
        let memory = Memory::for_layout(&LAYOUT);
        let table = memory.create(&LAYOUT);
        let end = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut random = Random(99);
                let all: Vec<&AtomicU32> = words(&memory).collect();
                while !end.load(Ordering::Relaxed) {
                    all[random.below(all.len() as u64) as usize].store(rubbish(&mut random), Ordering::Relaxed);
                }
            });
            let mut random = Random(5);
            for _ in 0..200 {
                every_call(&table, &mut random);
            }
            end.store(true, Ordering::Relaxed);
        });
    });
}

#[test]
fn what_is_no_table_is_not_opened() {
    let memory = Memory::for_layout(&LAYOUT);
    assert!(memory.open().is_none());
    memory.create(&LAYOUT);
    assert!(memory.open().is_some());
    // SAFETY: a part of the mapping.
    assert!(unsafe { SharedTable::open(memory.address(), memory.len() - 4096) }.is_none());
    let version = words(&memory).nth(2).unwrap();
    version.store(99, Ordering::Relaxed);
    assert!(memory.open().is_none());
}
