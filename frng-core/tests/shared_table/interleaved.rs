//! One call in the midst of another: a child is stopped after some instructions of its call, we make ours, it goes on.
//! Nothing depends on luck, so what goes wrong in a window of a few instructions does so every time.

use std::sync::atomic::{AtomicU64, Ordering};

use frng_core::inode::InodeId;
use frng_core::lie::{Lie, LieTable};
use frng_core::shared::SharedTable;

use crate::stepped::Stepped;
use crate::support::{Memory, TINY, inode, marked, names, set_xattr};

/// Makes `ours` in the midst of `theirs` at many places, `stride` instructions from one to the next, each time in a table that `before` has filled. `theirs` must not
/// allocate; what it returns is passed to `check`.
fn interleave(
    stride: usize,
    before: impl Fn(&SharedTable),
    theirs: impl Fn(&SharedTable) -> u64,
    ours: impl Fn(&SharedTable),
    check: impl Fn(&SharedTable, u64),
) {
    let mut places = 0;
    loop {
        let (memory, page) = (Memory::for_layout(&TINY), Memory::new(4096));
        let table = memory.create(&TINY);
        before(&table);
        // SAFETY: the page outlives this.
        let result = unsafe { AtomicU64::from_ptr(page.address().as_ptr().cast()) };
        let child = Stepped::start(|| result.store(1 + theirs(&table), Ordering::SeqCst));
        let steps = places * stride;
        if !(0..steps).all(|_| child.step() && result.load(Ordering::SeqCst) == 0) {
            break;
        }
        ours(&table);
        child.finish();
        let summary = table.verify().unwrap_or_else(|error| panic!("after {steps} instructions: {error}"));
        assert_eq!((summary.kinds, summary.unfinished), (summary.counted, 0), "after {steps} instructions");
        check(&table, result.load(Ordering::SeqCst) - 1);
        places += 1;
    }
    assert!(places > 5, "only {places} places");
}

fn put(table: &SharedTable, inode: &InodeId, lie: Lie) {
    table.put(inode, lie).unwrap();
}

fn all(table: &SharedTable) -> Vec<(InodeId, Lie)> {
    let mut all = Vec::new();
    table.each(&mut |entry| all.push((InodeId { has_name: false, ..entry.inode }, entry.lie)));
    all
}

#[test]
fn two_first_lies_about_one_inode_become_one() {
    let id = inode(1, Some(1));
    let (first, second) = (marked(1, 1, 1), marked(1, 1, 2));
    let theirs = |table: &SharedTable| u64::from(table.put(&id, first).is_err());
    let check = |table: &SharedTable, failed| {
        assert_eq!(failed, 0);
        let lie = table.get(&id).unwrap();
        assert!(lie == first || lie == second);
    };
    interleave(397, |_| (), theirs, |table| put(table, &id, second), check);
    // The same with records that can serve again, before and behind a lie about another inode.
    let before = |table: &SharedTable| {
        for ino in [3, 5, 7] {
            put(table, &inode(ino, None), marked(ino, 0, 1));
        }
        table.forget(&inode(3, None));
        table.forget(&inode(7, None));
    };
    interleave(797, before, theirs, |table| put(table, &id, second), check);
}

#[test]
fn a_record_that_serves_again_does_not_answer_for_the_inode_before() {
    // Of one chain.
    let (id, next) = (inode(1, Some(1)), inode(3, Some(1)));
    interleave(
        23,
        |table| put(table, &id, marked(1, 1, 1)),
        |table| table.get(&id).map_or(0, |lie| 1 + u64::from(lie.gid)),
        |table| {
            table.forget(&id);
            put(table, &next, marked(3, 1, 1));
        },
        |table, told| {
            assert!(told == 0 || told == 2, "{told}");
            assert_eq!(all(table), [(next, marked(3, 1, 1))]);
        },
    );
}

#[test]
fn what_is_said_of_one_inode_does_not_reach_the_next_that_its_record_serves() {
    for birth in [None, Some(1)] {
        let (id, known, next) = (inode(1, birth), inode(1, Some(1)), inode(3, None));
        interleave(
            797,
            |table| put(table, &id, marked(1, 1, 1)),
            |table| u64::from(table.put(&known, marked(1, 1, 2)).is_err()),
            |table| {
                table.forget(&id);
                put(table, &next, marked(3, 0, 3));
            },
            |table, failed| {
                assert_eq!(failed, 0);
                let all = all(table);
                // Theirs was before we forgot it, or after.
                assert!(all.contains(&(next, marked(3, 0, 3))), "{all:?}");
                assert!(all.len() == 1 || all.contains(&(known, marked(1, 1, 2))), "{all:?}");
            },
        );
    }
}

#[test]
fn two_xattrs_set_at_once_are_both_there() {
    let id = inode(1, None);
    interleave(
        797,
        |table| put(table, &id, marked(1, 0, 1)),
        |table| u64::from(set_xattr(table, &id, b"user.b", b"b").is_err()),
        |table| set_xattr(table, &id, b"user.a", b"a").unwrap(),
        |table, failed| {
            assert_eq!(failed, 0);
            assert_eq!(names(table, &id), [b"user.a", b"user.b"]);
        },
    );
}

#[test]
fn of_an_older_and_a_younger_inode_the_younger_ones_lie_stays() {
    let (old, new) = (inode(1, Some(1)), inode(1, Some(2)));
    for already in [false, true] {
        interleave(
            797,
            |table| {
                if already {
                    put(table, &old, marked(1, 1, 7));
                }
            },
            |table| u64::from(table.put(&old, marked(1, 1, 1)).is_err()),
            |table| put(table, &new, marked(1, 2, 2)),
            |table, failed| {
                assert_eq!(failed, 0);
                assert_eq!(all(table), [(new, marked(1, 2, 2))]);
            },
        );
    }
}
