//! What a million lies take.

use std::os::unix::fs::MetadataExt;

use frng_core::inode::{Birth, InodeId};
use frng_core::lie::{Lie, LieTable};
use frng_core::stat::S_IFREG;
use frng_core::state::Table;

const MILLION: u64 = 1_000_000;

fn bytes_of(inode_of: impl Fn(u64) -> u64, uid_of: impl Fn(u64) -> u32, lies: u64) -> u64 {
    let table = Table::anonymous().unwrap();
    for n in 0..lies {
        let birth = Some(Birth { sec: 1_700_000_000 + n as i64, nsec: n as u32 });
        let inode = InodeId { dev: 0x801, ino: inode_of(n), birth, has_name: true };
        table.put(&inode, Lie { uid: uid_of(n), gid: 0, mode: S_IFREG | 0o644, rdev: 0 }).unwrap();
    }
    assert_eq!(table.kinds().all as u64, lies);
    table.file().metadata().unwrap().blocks() * 512
}

#[test]
fn a_million_lies_about_scattered_inodes_with_an_owner_each_take_64_megabytes_at_most() {
    // Odd, so that all are different.
    let bytes = bytes_of(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15), |n| n as u32, MILLION);
    assert!(bytes <= 64 * MILLION, "{bytes}");
}

#[test]
fn a_small_table_takes_few_pages() {
    let bytes = bytes_of(|n| 131_000 + n, |n| n as u32 % 3, 100);
    assert!(bytes <= 8 * 4096, "{bytes}");
}
