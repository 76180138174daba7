//! The neutral part of frng: everything that is the same on every CPU.
//!
//! - [`call`]: the neutral call model, one table of all calls frng knows;
//! - [`arch`]: the questions a CPU's crate answers;
//! - [`binfmt`]: what a program's file tells by its first bytes;
//! - [`policy`]: what each call does to a fooled process, written once for every engine;
//! - [`inside`]: what the tracer and the code inside of tracees agree on;
//! - [`lie`], [`inode`], [`creds`]: what is remembered of files and threads;
//! - [`shared`]: the table of lies, in memory that processes share;
//! - `tracer`, `daemon`, `state`, `stats`, `log` (feature `std`): the process that does it.
//!
//! Without the feature `std` the crate allocates nothing and needs no operating system library, so that
//! the policy can run inside a tracee.
#![cfg_attr(not(feature = "std"), no_std)]

pub mod arch;
pub mod binfmt;
pub mod call;
pub mod creds;
pub mod errno;
pub mod inode;
pub mod inside;
pub mod lie;
pub mod policy;
pub mod shared;
pub mod stat;

#[cfg(feature = "std")]
pub mod daemon;
#[cfg(feature = "std")]
pub mod filter;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
#[cfg(feature = "std")]
pub mod log;
#[cfg(feature = "std")]
pub mod memory;
#[cfg(feature = "std")]
pub mod proc_text;
#[cfg(feature = "std")]
pub mod state;
#[cfg(feature = "std")]
pub mod stats;
#[cfg(feature = "std")]
pub mod tracer;
