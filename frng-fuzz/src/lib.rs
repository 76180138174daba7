//! What frng reads of bytes that others have made. Each target takes any bytes, and panics if a rule does not hold.
//!
//! The fuzzers in `fuzz/` call them for as long as somebody wants (`checks/fuzz`); `tests/mutations.rs` does with its own mutations in
//! every test run, from the same corpora.

mod elf;
mod imports;
mod input;
mod live;
mod memory;
mod messages;
mod sites;
mod state;

pub use elf::elf;
pub use imports::imports;
pub use live::live;
pub use memory::memory;
pub use messages::messages;
pub use sites::sites;
pub use state::state;

/// The name of a target, which is that of its corpus, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("elf", elf),
    ("imports", imports),
    ("live", live),
    ("memory", memory),
    ("messages", messages),
    ("sites", sites),
    ("state", state),
];
