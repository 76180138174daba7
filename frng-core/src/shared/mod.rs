//! The table of lies in memory that the daemon shares with code in its tracees.
//!
//! A [`SharedTable`] is a view of a mapping: any number of threads and processes use one mapping each of the same file
//! (at whatever address), with this same code, which allocates nothing and cannot panic.
//!
//! - Nobody waits for anybody. There are no locks; each change is one exchange of a record's 64-bit word, which every CPU
//!   can do. A process that is killed at any instruction leaves at worst a record or a piece of the arena that is never
//!   used again, or a counter that is too high, never a wrong answer and nothing that others stumble over.
//! - What others write is not believed: indices are checked, walks along chains end (`region`). Who writes rubbish makes
//!   the table's answers rubbish, but nobody's memory unsafe.
//! - The file has all its length from the begin and is sparse, so it grows without anybody noticing (`layout`).
//! - A lie takes 32 bytes, its share of the buckets and of the values (`records`, `values`): 40 for most tables of a
//!   million, 64 if no two lies say the same.
//!
//! `records` explains how a lie is found and made; `word` what is exchanged; `key` how an inode is told from others;
//! `xattrs` where extended attributes are; `kinds` the counters. `verify` walks over all of it, `salvage` reads what a killed daemon
//! has left, with the checksums of `check` (feature `std`).

mod check;
mod key;
mod kinds;
mod layout;
mod records;
mod region;
#[cfg(feature = "std")]
mod salvage;
mod table;
mod values;
#[cfg(feature = "std")]
mod verify;
mod word;
mod xattrs;

pub use layout::Layout;
#[cfg(feature = "std")]
pub use salvage::{ORIGIN_LEN, Salvage, Torn};
pub use table::{Entry, SharedTable};
#[cfg(feature = "std")]
pub use verify::Summary;
