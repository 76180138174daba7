//! Every target holds its rules for what is in its corpus, and for many changes of it.
//!
//! `MUTATIONS=NUMBER` makes it take so many of each; `SEED=NUMBER` begins elsewhere.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use frng_fuzz::{TARGETS, Target};

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end.max(1)
    }
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// The longest input.
const LONGEST: usize = 16 * 1024;

/// Bytes that have a meaning often.
const SPECIAL: &[u64] =
    &[0, 1, 0x7f, 0x80, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, u64::MAX, u64::MAX / 2, 0x1000];

/// Changes one input in one way.
fn mutate(input: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let len = 1 << random.below(8);
    let end = (at + random.below(len + 1)).min(input.len());
    match random.below(8) {
        0 => {
            input.splice(at..end, []);
        }
        1 => {
            let piece: Vec<u8> = (0..random.below(len)).map(|_| random.next() as u8).collect();
            input.splice(at..at, piece);
        }
        2 if !input.is_empty() => {
            let at = at.min(input.len() - 1);
            input[at] ^= 1 << random.below(8);
        }
        3 => {
            let special = SPECIAL[random.below(SPECIAL.len())].to_le_bytes();
            let width = 1 << random.below(4);
            let end = (at + width).min(input.len());
            input.splice(at..end, special[..width].iter().copied());
        }
        4 => {
            let copy = input[at..end].to_vec();
            let to = random.below(input.len() + 1);
            input.splice(to..to, copy);
        }
        5 if !others.is_empty() => {
            // The rest of another one.
            let other = &others[random.below(others.len())];
            let from = random.below(other.len() + 1);
            input.splice(at.., other[from..].iter().copied());
        }
        6 if !input.is_empty() => {
            let digit = b"0123456789-+:,() \n"[random.below(18)];
            let at = at.min(input.len() - 1);
            input[at] = digit;
        }
        _ => input.extend((0..random.below(len)).map(|_| random.next() as u8)),
    }
    input.truncate(LONGEST);
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let mut paths: Vec<_> =
        fs::read_dir(&directory).expect("a corpus").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let inputs: Vec<_> = paths.iter().map(|path| fs::read(path).expect("an input")).collect();
    assert!(!inputs.is_empty(), "{} is empty", directory.display());
    inputs
}

fn check((name, target): Target) {
    let corpus = corpus(name);
    let try_input = |input: &[u8], what: &str| {
        if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
            let path = std::env::temp_dir().join(format!("frng-fuzz-{name}-{}", std::process::id()));
            fs::write(&path, input).expect("room for what has failed");
            panic!("{name}, {what}: the input is {}", path.display());
        }
    };
    for input in &corpus {
        try_input(input, "corpus");
    }
    let seed = number("SEED", 1);
    // A table takes a thousand times as long as a message.
    for round in 0..number("MUTATIONS", if name == "live" { 500 } else { 20_000 }) {
        let mut random = Random((seed << 32 | round).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut input = corpus[random.below(corpus.len())].clone();
        for _ in 0..=random.below(6) {
            mutate(&mut input, &corpus, &mut random);
        }
        try_input(&input, &format!("seed {seed}, round {round}"));
    }
}

/// One test for each, so that they run side by side and are named.
macro_rules! tests {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            let target = TARGETS.iter().find(|(name, _)| *name == stringify!($name));
            check(*target.expect("a target"));
        }
    )*

        #[test]
        fn there_is_a_test_for_every_target() {
            assert_eq!(TARGETS.iter().map(|(name, _)| *name).collect::<Vec<_>>(), [$(stringify!($name)),*]);
        }
    };
}

tests!(elf imports live memory messages sites state);
