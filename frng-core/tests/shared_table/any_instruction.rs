//! Whatever instruction a writer dies after: the table is sound, says what it said before or after the call, and others
//! can go on.
//!
//! A child does some calls, one instruction after the other. Whenever the memory has changed, a copy of it is what would
//! be there if the child were killed now.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use frng_core::lie::{Lie, LieTable};
use frng_core::shared::{Entry, SharedTable};
use frng_core::stat::{S_IFDIR, S_ISGID};

use crate::stepped::Stepped;
use crate::support::{Memory, TINY, inode, marked, names, set_xattr, xattr};

const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";
const DIRECTORY: Lie = Lie { uid: 1, gid: 2, mode: S_IFDIR | S_ISGID | 0o755, rdev: 0 };
const CALLS: u64 = 17;

/// The calls; none of them allocates, as a fork of a process with threads must not.
fn call(table: &SharedTable, number: u64) {
    let (first, second, other) = (inode(1, Some(1)), inode(1, Some(2)), inode(2, None));
    let _ = match number {
        0 => table.put(&first, marked(1, 1, 1)),
        1 => table.put(&first, marked(1, 1, 2)),
        2 => table.put(&first, DIRECTORY),
        3 => set_xattr(table, &first, b"user.b", &[1; 50]),
        4 => set_xattr(table, &first, b"user.a", b""),
        5 => set_xattr(table, &first, b"user.b", b"other"),
        6 => set_xattr(table, &first, DEFAULT_ACL, b"acl"),
        7 => {
            table.orphan(&first);
            Ok(())
        }
        8 => {
            table.adopt(&first);
            Ok(())
        }
        9 => table.remove_xattr(&first, DEFAULT_ACL),
        10 => table.remove_xattr(&first, b"user.a"),
        11 => table.put(&second, marked(1, 2, 3)),
        12 => {
            table.forget(&second);
            Ok(())
        }
        13 => table.put(&other, marked(2, 0, 4)),
        14 => {
            table.orphan(&other);
            Ok(())
        }
        15 => table.put(&inode(2, Some(1)), marked(2, 1, 5)),
        _ => {
            table.get(&inode(2, Some(2)));
            Ok(())
        }
    };
}

/// All that a table says.
fn told(table: &SharedTable) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    table.each(&mut |entry: &Entry| {
        let xattrs: Vec<_> = names(table, &entry.inode)
            .into_iter()
            .map(|name| (String::from_utf8(name.clone()).unwrap(), xattr(table, &entry.inode, &name).unwrap()))
            .collect();
        told.insert(format!("{entry:?} {xattrs:?}"));
    });
    told
}

/// What is told before each call, and after the last.
fn all_told() -> Vec<BTreeSet<String>> {
    let memory = Memory::for_layout(&TINY);
    let table = memory.create(&TINY);
    let mut all = vec![told(&table)];
    for number in 0..CALLS {
        call(&table, number);
        all.push(told(&table));
    }
    all
}

/// A call that does two things may have done one.
fn half_done(before: &BTreeSet<String>, number: u64, now: &BTreeSet<String>) -> bool {
    match number {
        // The lie about the older inode is gone, that about the younger not there yet.
        11 => now.is_empty(),
        // The birth is known, the new lie is not told yet.
        15 => {
            let known = "birth: Some(Birth { sec: 1, nsec: 5 })";
            *now == before.iter().map(|entry| entry.replace("birth: None", known)).collect()
        }
        _ => false,
    }
}

#[test]
fn a_writer_may_be_killed_after_any_instruction() {
    let all = all_told();
    let (memory, copy, page) = (Memory::for_layout(&TINY), Memory::for_layout(&TINY), Memory::new(4096));
    let table = memory.create(&TINY);
    // SAFETY: the page outlives this.
    let done = unsafe { AtomicU64::from_ptr(page.address().as_ptr().cast()) };
    let child = Stepped::start(|| {
        for number in 0..CALLS {
            call(&table, number);
            done.store(number + 1, Ordering::SeqCst);
        }
    });
    let mut states = 0;
    while child.step() {
        if copy.is_equal_to(&memory) {
            continue;
        }
        states += 1;
        copy.copy_from(&memory);
        let (number, survivor) = (done.load(Ordering::SeqCst), copy.open().unwrap());
        let (before, after) = (&all[number as usize], all.get(number as usize + 1));
        let now = told(&survivor);
        let known = now == *before || Some(&now) == after || half_done(before, number, &now);
        assert!(known, "in call {number}: {now:?}");
        survivor.verify().unwrap();
        // Another one makes the same call.
        if number < CALLS {
            call(&survivor, number);
            assert_eq!(Some(&told(&survivor)), after, "call {number} by another one");
            survivor.verify().unwrap();
        }
        // Calls were made on the copy.
        copy.copy_from(&memory);
    }
    assert_eq!(done.load(Ordering::SeqCst), CALLS);
    assert_eq!(Some(&told(&table)), all.last());
    assert!(states > 150, "only {states} states were seen");
}
