//! chmod(2) and umask(2).

use super::{Answer, Outcome, Process, Tracee, TraceeExt, acl, view, writing};
use crate::call::{Arg, Call};
use crate::errno::Errno;
use crate::lie::{Lie, LieTable};
use crate::stat::{S_IFLNK, S_IFMT, S_ISGID};

/// chmod, fchmod, fchmodat and fchmodat2. `fs/open.c: chmod_common`, `fs/attr.c: setattr_prepare`.
///
/// The real call is made with bits that leave the file usable: so the change time moves, a read-only filesystem or a
/// descriptor without a file is found out, and execute permission is what it shall be.
pub async fn chmod<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let file = call.file();
    if file.flags & !(libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH) != 0 {
        return Ok(Answer::Pass);
    }
    let real = tracee.stat(file).await?;
    if real.file_type() == S_IFLNK || view::is_immutable(&real) {
        // EOPNOTSUPP and EPERM, for root too.
        return Ok(Answer::Pass);
    }
    let seen = view::seen(tracee, &real);
    if !view::is_owner_or_capable(tracee, &seen) {
        let by_descriptor = call.row().args.contains(&Arg::Fd);
        if by_descriptor && tracee.descriptor_flags(file.dirfd).await? & libc::O_PATH as u32 != 0 {
            return Err(Errno::EBADF);
        }
        return Err(Errno::EPERM);
    }
    let mode = |seen: &Lie| {
        let mode = seen.mode & S_IFMT | call.int(Arg::Mode) & 0o7777;
        if view::in_group_or_capable(tracee, seen.gid) { mode } else { mode & !S_ISGID }
    };
    if writing::leaves_first(tracee, &Lie { mode: mode(&seen), ..seen }) {
        return Ok(Answer::Pass);
    }
    let permissions = view::real_permissions(mode(&seen));
    let mut on_disk = real;
    on_disk.mode = (real.file_type() | permissions) as u16;
    // Between the change on disk and the lie it is shown as before: by a lie, if that change could be seen.
    let is_held = tracee.lies().get(&real.id()).is_none() && view::unknown(tracee, &on_disk).mode != mode(&seen);
    if is_held {
        view::remember(tracee, &real, &seen, seen)?;
    }
    let on_disk = match tracee.run(&call.with(Arg::Mode, u64::from(permissions))).await {
        Ok(_) => on_disk,
        // The file is another real user's.
        Err(Errno::EPERM | Errno::EACCES) => real,
        Err(error) => {
            if is_held {
                view::forget_if_plain(tracee, &real);
            }
            return Err(error);
        }
    };
    // Meanwhile somebody else may have changed its owner.
    let now = view::seen(tracee, &real);
    let mode = mode(&now);
    view::show(tracee, &on_disk, &now, Lie { mode, ..now })?;
    acl::chmod(tracee, &real.id(), mode)?;
    if is_held {
        // It may be another real user's, and as it was.
        view::forget_if_plain(tracee, &on_disk);
    }
    Ok(Answer::Value(0))
}

/// umask(2): remembered, because files are made with more permissions than asked for.
pub async fn umask<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let umask = call.int(Arg::Mode) & 0o777;
    tracee.set_process(Process { umask, ..tracee.process() });
    Ok(Answer::Pass)
}
