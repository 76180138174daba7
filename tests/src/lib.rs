//! Conformance of frng: what a program sees under `frng` must be what it sees as real root.
//!
//! * [`cases`] holds the cases, one file per theme. A case never asserts: it *prints* what it saw.
//! * [`sys`] issues each kernel call by its number, so that every variant is tried, not only the one
//!   the libc prefers.
//! * [`seen`] shows an inode through every stat variant at once.
//! * [`stage`] sets a scene: files, child processes, other users, threads.
//! * [`tracer`] is a small debugger.
//! * [`walks`] draws random sequences of calls of several processes, and [`mazes`] random paths.
//! * [`crashes`] has writers that are killed and what must be left of their work.
//! * [`roles`] are the second halves of cases that exec a copy of themselves.
//!
//! The harness (`tests/conformance/`) runs each case natively as root and under each engine as an
//! unprivileged user, and compares what was printed. Root's output is the only expected value.

#[macro_use]
pub mod sys;
pub mod cases;
pub mod crashes;
pub mod mazes;
pub mod random;
pub mod roles;
pub mod seen;
pub mod stage;
pub mod tracer;
pub mod walks;
