//! Writing, which takes set-ID bits from a file unless the thread has `CAP_FSETID`: `fs/inode.c: file_remove_privs`.
//!
//! These calls are made too often to stop for it. They do in threads without that capability, and only once a file with
//! such bits is remembered: root's threads never stop, and nobody does where there are no such files. What writes without a
//! call (a shared mapping) takes no bits in the kernel either.

use super::{Answer, Outcome, Tracee, TraceeExt, ownership, view};
use crate::call::Call;
use crate::creds::CAP_FSETID;
use crate::errno::Errno;
use crate::lie::{Lie, LieTable};
use crate::stat::{S_IFREG, Statx};

/// write and its kin, whose result is how much they have written.
pub async fn write<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    // The bits go before anything is written: also where the memory turns out to be none.
    take(tracee, call, |result| matches!(result, Ok(1..) | Err(Errno::EFAULT))).await
}

/// fallocate.
pub async fn allocate<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    take(tracee, call, |result| result.is_ok()).await
}

async fn take<T: Tracee>(tracee: &T, call: &Call, has_changed: impl Fn(Result<u64, Errno>) -> bool) -> Outcome {
    if tracee.creds().has(CAP_FSETID) || tracee.lies().kinds().set_ids == 0 {
        return Ok(Answer::Pass);
    }
    match tracee.stat(call.file()).await {
        Ok(real) => take_bits(tracee, call, &real, has_changed).await,
        Err(_) => Ok(Answer::Pass),
    }
}

/// Runs a call that changes what is in a file, which takes its set-ID bits if the thread lacks `CAP_FSETID` and the result
/// says so.
///
/// # Errors
/// The kernel's.
pub(super) async fn take_bits<T: Tracee>(
    tracee: &T,
    call: &Call,
    real: &Statx,
    has_changed: impl Fn(Result<u64, Errno>) -> bool,
) -> Outcome {
    let is_plain = real.file_type() == S_IFREG;
    if !is_plain || tracee.creds().has(CAP_FSETID) || ownership::lost_bits(tracee, &view::seen(tracee, real)) == 0 {
        return Ok(Answer::Pass);
    }
    let result = tracee.run(call).await;
    if has_changed(result) {
        let now = view::seen(tracee, real);
        let mode = now.mode & !ownership::lost_bits(tracee, &now);
        view::show(tracee, real, &now, Lie { mode, ..now })?;
    }
    result.map(Answer::Value)
}

/// Whether the first file with set-ID bits is about to be remembered, and this engine is not the one that has others stop
/// at writes from then on: it leaves the call to that.
pub(super) fn leaves_first<T: Tracee>(tracee: &T, lie: &Lie) -> bool {
    lie.is_set_id_file() && tracee.lies().kinds().set_ids == 0 && !tracee.knows_others()
}
