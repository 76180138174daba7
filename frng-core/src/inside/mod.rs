//! What the tracer and the agent agree on: where things are in a tracee's memory, and what the agent is told.
//!
//! The agent is code in the trampoline's mapping that answers calls inside the tracee, without a stop. It runs the
//! policy of this crate. `docs/INLINE.md` tells the whole dance.

pub mod calls;
pub mod counters;
pub mod layout;
pub mod local;
pub mod mount_names;
pub mod sites;
