//! Sequences that random walks have found to be told otherwise than by root, and a few walks themselves.

use super::cases;
use crate::walks;

cases![walks_of_the_seeds_from_1, walks_of_the_seeds_from_21, walks_of_the_seeds_from_41];

fn of_seeds(first: u64, count: u64) {
    for seed in first..first + count {
        println!("walk {seed}");
        walks::play(&walks::drawn(seed, None));
    }
}

fn walks_of_the_seeds_from_1() {
    of_seeds(1, 20);
}

fn walks_of_the_seeds_from_21() {
    of_seeds(21, 20);
}

fn walks_of_the_seeds_from_41() {
    of_seeds(41, 20);
}
