//! Processes that write lies and are killed at random instants: what they have completed is there, and the table is sound.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use frng_core::lie::LieTable;
use frng_core::shared::{Layout, SharedTable};

use crate::support::{Memory, Random, check_marked, inode, marked, set_xattr};

const CHILDREN: u64 = 4;
const KEYS: u64 = 4;
const ROUNDS: u64 = 200;
const LAYOUT: Layout = Layout { buckets: 4, records: 1 << 16, value_buckets: 1 << 12, values: 1 << 22, units: 1 << 22 };

/// The inode that the `count`th lie of a child is about; nobody else writes about it.
fn own(child: u64, count: u64) -> u64 {
    100 + child * KEYS + count % KEYS
}

/// Writes lies until it is killed. Nothing here allocates.
fn write(table: &SharedTable, child: u64, seed: u64, done: &AtomicU64) {
    let mut random = Random(seed);
    loop {
        let count = done.load(Ordering::SeqCst) + 1;
        let ino = own(child, count);
        if table.put(&inode(ino, Some(1)), marked(ino, 1, count as u32)).is_err() {
            // No progress is noticed.
            return;
        }
        done.store(count, Ordering::SeqCst);
        let (ino, birth) = (random.below(3), 1 + random.below(2) as i64);
        let id = inode(ino, Some(birth));
        let _ = match random.below(8) {
            0..=2 => table.put(&id, marked(ino, birth, random.below(9) as u32)),
            3 => {
                table.forget(&id);
                Ok(())
            }
            4 => {
                table.orphan(&id);
                Ok(())
            }
            5 => table.put(&inode(ino, None), marked(ino, birth, 3)),
            6 => table.remove_xattr(&id, b"user.a"),
            _ => set_xattr(table, &id, b"user.a", &[birth as u8; 20]),
        };
    }
}

/// Children, killed when dropped.
struct Children(Vec<i32>);

impl Children {
    fn start(count: u64, child: impl Fn(u64)) -> Children {
        let mut children = Children(Vec::new());
        for number in 0..count {
            // SAFETY: the child calls nothing that takes locks or allocates.
            match unsafe { libc::fork() } {
                0 => {
                    child(number);
                    // SAFETY: the end of this process.
                    unsafe { libc::_exit(1) }
                }
                pid => {
                    assert!(pid > 0);
                    children.0.push(pid);
                }
            }
        }
        children
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        for pid in &self.0 {
            // SAFETY: a child of ours that was not waited for.
            unsafe {
                libc::kill(*pid, libc::SIGKILL);
                libc::waitpid(*pid, std::ptr::null_mut(), 0);
            }
        }
    }
}

#[test]
fn what_killed_processes_have_completed_is_there_and_the_table_is_sound() {
    let (memory, page) = (Memory::for_layout(&LAYOUT), Memory::new(4096));
    let table = memory.create(&LAYOUT);
    // SAFETY: the page outlives this, and its first words are used as these only.
    let done: Vec<&AtomicU64> = (0..CHILDREN as usize)
        .map(|n| unsafe { AtomicU64::from_ptr(page.address().as_ptr().cast::<u64>().add(n)) })
        .collect();
    let mut random = Random(4711);
    for round in 0..ROUNDS {
        let before: Vec<u64> = done.iter().map(|done| done.load(Ordering::SeqCst)).collect();
        let seed = random.next() | 1;
        let children = Children::start(CHILDREN, |child| write(&table, child, seed + 2 * child, done[child as usize]));
        std::thread::sleep(Duration::from_micros(200 + random.below(4000)));
        drop(children);
        if let Err(error) = table.verify() {
            panic!("round {round}: {error}");
        }
        for child in 0..CHILDREN {
            let done = done[child as usize].load(Ordering::SeqCst);
            assert!(done >= before[child as usize]);
            for last in done.saturating_sub(KEYS - 1).max(1)..=done {
                let ino = own(child, last);
                let lie = table.get(&inode(ino, Some(1)));
                let lie = lie.unwrap_or_else(|| panic!("round {round}: lie {last} of child {child} is lost"));
                check_marked(&lie, ino, 1);
                let next = last + KEYS;
                let possible = u64::from(lie.uid) == last || next == done + 1 && u64::from(lie.uid) == next;
                assert!(possible, "round {round}: {lie:?} after {done}");
            }
        }
    }
    let all: u64 = done.iter().map(|done| done.load(Ordering::SeqCst)).sum();
    assert!(all > ROUNDS, "only {all} lies were written");
}
