//! prctl(2).

use super::{Answer, Outcome, Tracee};
use crate::call::Call;

/// Not decided yet.
pub async fn prctl<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// The operations to stop at.
pub const PRCTLS: &[u32] = &[];
