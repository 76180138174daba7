//! Many threads on few inodes.

use std::sync::Barrier;
use std::thread;

use frng_core::lie::LieTable;
use frng_core::shared::Layout;

use crate::support::{Memory, Random, check_marked, inode, marked, names, set_xattr, xattr};

const THREADS: u64 = 8;
const LAYOUT: Layout = Layout { buckets: 2, records: 1 << 16, value_buckets: 1 << 10, values: 1 << 16, units: 1 << 20 };

#[test]
fn threads_that_do_everything_to_few_inodes_leave_a_sound_table() {
    let memory = Memory::for_layout(&LAYOUT);
    let table = memory.create(&LAYOUT);
    thread::scope(|scope| {
        for seed in 1..=THREADS {
            let table = memory.open().unwrap();
            scope.spawn(move || {
                let mut random = Random(seed * 7919);
                for _ in 0..10_000 {
                    let (ino, birth) = (random.below(5), 1 + random.below(3) as i64);
                    let id = inode(ino, Some(birth));
                    match random.below(10) {
                        0..=2 => table.put(&id, marked(ino, birth, random.below(50) as u32)).unwrap(),
                        3 => table.forget(&id),
                        4 => table.orphan(&id),
                        5 => table.adopt(&id),
                        6 => {
                            let value = vec![ino as u8 * 16 + birth as u8; random.below(40) as usize];
                            let _ = set_xattr(&table, &id, b"user.a", &value);
                        }
                        7 => {
                            if let Ok(value) = xattr(&table, &id, b"user.a") {
                                assert!(value.iter().all(|byte| *byte == ino as u8 * 16 + birth as u8));
                            }
                            assert!(names(&table, &id).len() <= 1);
                        }
                        8 => drop(table.remove_xattr(&id, b"user.a")),
                        _ => table.get(&id).iter().for_each(|lie| check_marked(lie, ino, birth)),
                    }
                }
            });
        }
    });
    let summary = table.verify().unwrap();
    assert_eq!((summary.kinds, summary.unfinished), (summary.counted, 0));
}

#[test]
fn a_thread_reads_what_it_wrote_whatever_others_do_in_the_same_chain() {
    let layout = Layout { buckets: 1, ..LAYOUT };
    let memory = Memory::for_layout(&layout);
    let table = memory.create(&layout);
    thread::scope(|scope| {
        for ino in 0..THREADS {
            let table = memory.open().unwrap();
            scope.spawn(move || {
                let mut random = Random(ino + 1);
                for count in 0..4_000 {
                    let birth = i64::from(count);
                    let id = inode(ino, Some(birth));
                    let lie = marked(ino, birth, random.below(9) as u32);
                    table.put(&id, lie).unwrap();
                    assert_eq!(table.get(&id), Some(lie));
                    assert_eq!(table.get(&inode(ino, Some(birth - 1))), None);
                    if random.below(2) == 0 {
                        table.forget(&id);
                        assert_eq!(table.get(&id), None);
                    }
                }
            });
        }
    });
    let summary = table.verify().unwrap();
    assert_eq!((summary.kinds, summary.unfinished), (summary.counted, 0));
    assert!(summary.kinds.all <= THREADS as usize);
    // Records serve again, so there are few: each for some two thousand lies.
    assert!(summary.longest_chain < 200, "{summary:?}");
}

#[test]
fn of_all_who_make_the_first_lie_about_an_inode_at_once_nobody_is_lost() {
    let layout = Layout { buckets: 1, ..LAYOUT };
    let memory = Memory::for_layout(&layout);
    let table = memory.create(&layout);
    let barrier = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for thread in 0..THREADS as u32 {
            let (table, barrier) = (memory.open().unwrap(), &barrier);
            scope.spawn(move || {
                for round in 0..200 {
                    let id = inode(round, Some(1));
                    barrier.wait();
                    table.put(&id, marked(round, 1, thread)).unwrap();
                    check_marked(&table.get(&id).unwrap(), round, 1);
                    barrier.wait();
                    assert_eq!(table.kinds().all, 1);
                    barrier.wait();
                    table.forget(&id);
                    barrier.wait();
                    assert_eq!((table.get(&id), table.kinds().all), (None, 0));
                }
            });
        }
    });
    table.verify().unwrap();
}
