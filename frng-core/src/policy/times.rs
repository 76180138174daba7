//! utime(2) and its kin: the times are really set where the real user may; of other users' files root is told so.
//! `fs/utimes.c`.

use super::permission::{self, Subject, WRITE};
use super::xattr_target::Target;
use super::{Answer, Outcome, Tracee, TraceeExt, view};
use crate::call::{Arg, Call, FileRef, Sys, TraceeAddr};
use crate::errno::Errno;

/// What times a call wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Times {
    /// Both now: whoever may write to the file may have that.
    Now,
    /// Others: its owner's right.
    Given,
}

/// utime, utimes, futimesat, utimensat and utimensat_time64.
pub async fn utimes<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let mut file = call.file();
    if file.flags & !(libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH) != 0 {
        return Ok(Answer::Pass);
    }
    if file.path.is_null() && file.dirfd != libc::AT_FDCWD {
        // utimensat and futimesat take no path for the descriptor itself.
        let flags = tracee.descriptor_flags(file.dirfd).await;
        if file.flags != 0 || flags.is_ok_and(|flags| flags & libc::O_PATH as u32 != 0) {
            // EINVAL, EBADF; or 0, if no time is to be set.
            return Ok(Answer::Pass);
        }
        file = FileRef::descriptor(file.dirfd);
    }
    let Ok(real) = tracee.stat(file).await else {
        return Ok(Answer::Pass);
    };
    let seen = view::seen(tracee, &real);
    let ours = real.uid == tracee.settings().real_uid;
    let owner = view::is_owner_or_capable(tracee, &seen);
    if owner && ours {
        return Ok(Answer::Pass);
    }
    let Some(times) = wanted(tracee, call) else {
        return Ok(Answer::Pass);
    };
    let target = Target::of_file(file);
    let refused = match times {
        _ if owner => None,
        Times::Given => Some(Errno::EPERM),
        Times::Now => {
            let who = Subject::acting(&tracee.creds());
            let allowed = permission::allows(tracee, &who, &target, &real, &seen, WRITE).await;
            if allowed { None } else { Some(Errno::EACCES) }
        }
    };
    if let Some(error) = refused {
        return match target.probe_write(tracee).await {
            Err(Errno::EROFS) => Err(Errno::EROFS),
            _ => Err(if view::is_immutable(&real) { Errno::EPERM } else { error }),
        };
    }
    match tracee.run(call).await {
        // Pretended, unless root is refused as well.
        Err(Errno::EPERM | Errno::EACCES) if !view::is_immutable(&real) => Ok(Answer::Value(0)),
        result => result.map(Answer::Value),
    }
}

/// Whether a call is to change neither time, which the kernel is content with whatever the path.
/// `fs/utimes.c: SYSCALL_DEFINE4(utimensat)`.
pub(super) fn changes_nothing<T: Tracee>(tracee: &T, call: &Call) -> bool {
    const OMIT: u64 = libc::UTIME_OMIT as u64;
    matches!(call.sys, Sys::Utimensat | Sys::UtimensatTime64)
        && nanoseconds(tracee, call).is_some_and(|both| both == (OMIT, OMIT))
}

/// The second words of both times of a call, if they can be read.
fn nanoseconds<T: Tracee>(tracee: &T, call: &Call) -> Option<(u64, u64)> {
    let from = call.addr(Arg::In);
    let wide = call.sys == Sys::UtimensatTime64;
    let len = if wide { TIMESPEC64_LEN } else { tracee.abi().timespec_len() };
    let second = |from: TraceeAddr| {
        let at = from.add(len / 2);
        // Of `struct __kernel_timespec` a 32-bit program's nanoseconds have 32 bits (`kernel/time/time.c:
        // get_timespec64`): in big-endian order the upper half comes first.
        let padding = if wide && tracee.abi().word_len() == 4 && cfg!(target_endian = "big") { 4 } else { 0 };
        tracee.read_word(at.add(padding))
    };
    Some((second(from).ok()?, second(from.add(len)).ok()?))
}

/// What the structure of a call wants; `None` if the kernel decides without a look at the file: nothing shall be changed,
/// or the structure is wrong.
fn wanted<T: Tracee>(tracee: &T, call: &Call) -> Option<Times> {
    const NOW: u64 = libc::UTIME_NOW as u64;
    const OMIT: u64 = libc::UTIME_OMIT as u64;
    let from = call.addr(Arg::In);
    if from.is_null() {
        return Some(Times::Now);
    }
    if call.sys == Sys::Utime {
        return Some(Times::Given);
    }
    let (atime, mtime) = nanoseconds(tracee, call)?;
    match (call.sys, atime, mtime) {
        (Sys::Utimensat | Sys::UtimensatTime64, NOW, NOW) => Some(Times::Now),
        (Sys::Utimensat | Sys::UtimensatTime64, OMIT, OMIT) => None,
        (Sys::Utimensat | Sys::UtimensatTime64, ..) => {
            let valid = |nsec| matches!(nsec, NOW | OMIT | 0..1_000_000_000);
            (valid(atime) && valid(mtime)).then_some(Times::Given)
        }
        (_, 0..1_000_000, 0..1_000_000) => Some(Times::Given),
        _ => None,
    }
}

/// Bytes of a `struct __kernel_timespec`: two 64-bit words on every ABI.
const TIMESPEC64_LEN: u64 = 16;
