//! chmod(2) and umask(2).

use super::{Answer, Outcome, Tracee};
use crate::call::Call;

/// Not decided yet.
pub async fn chmod<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn umask<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}
