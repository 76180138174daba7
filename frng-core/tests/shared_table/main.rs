//! The shared table of lies: against a simple model, by many threads, by processes that are killed at any instruction, in
//! memory full of rubbish, and what it takes.

mod any_instruction;
mod hostile;
mod interleaved;
mod kills;
mod memory;
mod model;
mod stepped;
mod support;
mod threads;
