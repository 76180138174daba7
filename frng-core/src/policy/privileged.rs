//! Things only root may do that a build meets and that have no visible consequence here.

use super::{Answer, Outcome, Tracee};
use crate::call::Call;

/// Not decided yet.
pub async fn accept_name<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn settimeofday<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn clock_settime<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn adjtimex<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn setpriority<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn or_pretend<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn mlock<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn setrlimit<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn prlimit<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}
