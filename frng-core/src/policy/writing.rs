//! Writing, which takes set-ID bits from a file unless the thread has `CAP_FSETID`: `fs/inode.c: file_remove_privs`.
//!
//! These calls are made too often to stop for it. They do in threads without that capability, and only once a file with
//! such bits is remembered: root's threads never stop, and nobody does where there are no such files. What writes without a
//! call (a shared mapping) takes no bits in the kernel either.

mod queued;

use super::{Answer, Outcome, Tracee, TraceeExt, ownership, view};
use crate::call::{Arg, Call, FileRef};
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

/// io_submit, whose result is how many requests it has taken. A write to a file is over by then, or the bits are gone at
/// least: `fs/aio.c: aio_write`.
pub async fn submit<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    if !may_take(tracee) {
        return Ok(Answer::Pass);
    }
    let taken = tracee.run(call).await?;
    for index in 0..taken {
        let Ok(written_to) = queued::written_to(tracee, call.addr(Arg::In), index) else { break };
        let Some(fd) = written_to else { continue };
        if let Ok(real) = tracee.stat(FileRef::descriptor(fd)).await {
            if real.file_type() == S_IFREG {
                forget_bits(tracee, &real)?;
            }
        }
    }
    Ok(Answer::Value(taken))
}

/// Whether a write of this thread can take bits from any file.
fn may_take<T: Tracee>(tracee: &T) -> bool {
    !tracee.creds().has(CAP_FSETID) && tracee.lies().kinds().set_ids > 0
}

async fn take<T: Tracee>(tracee: &T, call: &Call, has_changed: impl Fn(Result<u64, Errno>) -> bool) -> Outcome {
    if !may_take(tracee) {
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
        forget_bits(tracee, real)?;
    }
    result.map(Answer::Value)
}

/// The bits of a file are gone that a change by this thread takes.
fn forget_bits<T: Tracee>(tracee: &T, real: &Statx) -> Result<(), Errno> {
    let now = view::seen(tracee, real);
    match ownership::lost_bits(tracee, &now) {
        0 => Ok(()),
        lost => view::show(tracee, real, &now, Lie { mode: now.mode & !lost, ..now }),
    }
}

/// Whether the first file with set-ID bits is about to be remembered, and this engine is not the one that has others stop
/// at writes from then on: it leaves the call to that.
pub(super) fn leaves_first<T: Tracee>(tracee: &T, lie: &Lie) -> bool {
    lie.is_set_id_file() && tracee.lies().kinds().set_ids == 0 && !tracee.knows_others()
}
