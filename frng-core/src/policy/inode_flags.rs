//! ioctl(FS_IOC_SETFLAGS): chattr(1).

use super::{Answer, Outcome, Tracee};
use crate::call::Call;

/// Not decided yet.
pub async fn ioctl<T: Tracee>(_tracee: &T, _call: &Call) -> Outcome {
    Ok(Answer::Pass)
}

/// The ioctl numbers to stop at.
pub const IOCTLS: &[u32] = &[0x4008_6602, 0x4004_6602];
