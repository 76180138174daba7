//! What looking a lie up costs in a small and in a large table, in the order the inodes were made and in none:
//! `cargo bench -p frng-benches --bench lies`.

use std::hint::black_box;

use criterion::Criterion;
use frng_core::inode::{Birth, InodeId};
use frng_core::lie::{Lie, LieTable};
use frng_core::stat::S_IFREG;
use frng_core::state::Table;

fn inode(number: u64) -> InodeId {
    InodeId {
        dev: 0x801,
        ino: 131_073 + number,
        birth: Some(Birth { sec: 1_700_000_000, nsec: number as u32 }),
        has_name: true,
    }
}

fn table(lies: u64) -> Table {
    let table = Table::anonymous().expect("memory for a table");
    for number in 0..lies {
        let lie = Lie { uid: number as u32 % 7, gid: 0, mode: S_IFREG | 0o644, rdev: 0 };
        table.put(&inode(number), lie).expect("room in the table");
    }
    table
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("look up");
    for lies in [1_000, 1_000_000] {
        let table = table(lies);
        let mut number = 0;
        group.bench_function(format!("{lies} lies, in order"), |bencher| {
            bencher.iter(|| {
                number = (number + 1) % lies;
                black_box(table.get(&inode(number)))
            });
        });
        group.bench_function(format!("{lies} lies, in no order"), |bencher| {
            bencher.iter(|| {
                // A linear congruence that jumps about, and is the same for both tables.
                number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                black_box(table.get(&inode((number >> 33) % lies)))
            });
        });
        group.bench_function(format!("{lies} lies, an inode without one"), |bencher| {
            bencher.iter(|| {
                number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                black_box(table.get(&inode(lies + (number >> 33) % lies)))
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
