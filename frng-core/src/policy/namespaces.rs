//! Calls after which paths may mean something else to a process: unshare(2), setns(2), chroot(2).

use super::{Answer, Outcome, Tracee, TraceeExt};
use crate::call::Call;

/// Runs as it is; afterwards the engine must not take what it knows of paths for granted.
pub async fn enter<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let result = tracee.run(call).await?;
    tracee.paths_changed();
    Ok(Answer::Value(result))
}
