//! User and group ids of a thread: credentials(7).

use super::{Answer, Outcome, Tracee};
use crate::call::Call;

/// Not decided yet.
pub async fn getuid<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn geteuid<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn getgid<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn getegid<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn getresuid<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn getresgid<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn setuid<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn setgid<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn setreuid<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn setregid<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn setresuid<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn setresgid<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn setfsuid<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn setfsgid<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn getgroups<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// Not decided yet.
pub async fn setgroups<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}
