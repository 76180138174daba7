//! Programs that trace others: ptrace(2) and the waits of a tracer, wait4(2) and its kin.
//!
//! A process has one tracer, and that is frng. What another one would see and do is the engine's to pretend: `docs/NESTED.md`.

use super::{Outcome, Tracee};
use crate::call::Call;

/// ptrace(2).
pub async fn ptrace<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    tracee.ptrace(call).await
}

/// wait4(2), waitid(2), waitpid(2) of a process that traces others.
pub async fn wait<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    tracee.wait(call).await
}
