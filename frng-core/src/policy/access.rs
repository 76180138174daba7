//! access(2) and its kin: permission checks answered as root's kernel would. `fs/open.c: do_faccessat`.

use super::permission::{self, EXECUTE, READ, Subject, WRITE};
use super::xattr_target::Target;
use super::{Answer, Outcome, Tracee, TraceeExt, procfs, reach, view};
use crate::call::{Arg, Call};
use crate::errno::Errno;
use crate::stat::{S_IFDIR, S_IFMT, S_IFREG};

/// access, faccessat and faccessat2.
///
/// Where the real kernel will say the same, the program's own call runs as it is: that tells about read-only filesystems
/// and those mounted noexec too. The latter are not noticed where the real user may not execute the file.
pub async fn access<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    const FLAGS: i32 = libc::AT_EACCESS | libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH;
    let (mut file, want) = (call.file(), call.int(Arg::Mode));
    if want == 0 || want & !(READ | WRITE | EXECUTE) != 0 || file.flags & !FLAGS != 0 || file.path.is_null() {
        // Existence, which the real kernel knows, or EINVAL or EFAULT.
        return Ok(Answer::Pass);
    }
    let creds = tracee.creds();
    let who = if file.flags & libc::AT_EACCESS != 0 { Subject::acting(&creds) } else { Subject::real(&creds) };
    file.flags &= !libc::AT_EACCESS;
    let Ok(real) = tracee.stat(file).await else {
        return Ok(Answer::Pass);
    };
    if procfs::has(tracee, &real) && reach::is_restricted(&creds) {
        // Looked at before (`reach.rs`), by the owner that procfs tells.
        return Ok(Answer::Pass);
    }
    let seen = view::seen(tracee, &real);
    let target = Target::of_file(file);
    let allowed = permission::allows(tracee, &who, &target, &real, &seen, want).await;
    let really = real.uid == tracee.settings().real_uid && u32::from(real.mode) >> 6 & want == want;
    if allowed && really {
        return Ok(Answer::Pass);
    }
    // Devices can be written to on a read-only filesystem.
    let asks_filesystem = want & WRITE != 0 && matches!(seen.mode & S_IFMT, S_IFREG | S_IFDIR);
    if asks_filesystem {
        match tracee.run(&call.with(Arg::Mode, WRITE.into())).await {
            Ok(_) => {}
            // Permission is looked at before the mount.
            Err(Errno::EACCES) if allowed => {
                if target.probe_write(tracee).await == Err(Errno::EROFS) {
                    return Err(Errno::EROFS);
                }
            }
            Err(Errno::EACCES) => {}
            // EROFS, or EPERM for an immutable file.
            Err(error) => return Err(error),
        }
    }
    if allowed { Ok(Answer::Value(0)) } else { Err(Errno::EACCES) }
}
