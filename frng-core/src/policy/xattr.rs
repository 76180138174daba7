//! Extended attributes: xattr(7).

use super::{Answer, Outcome, Tracee};
use crate::call::Call;

/// Not decided yet.
pub async fn set<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn set_at<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn get<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn get_at<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn list<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn remove<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}
