//! stat(2) and statx(2).

use zerocopy::{FromZeros, IntoBytes};

use super::{Answer, Outcome, Tracee, TraceeExt, procfs, view};
use crate::call::{Arg, Call, FileRef};
use crate::errno::Errno;
use crate::lie::Lie;
use crate::stat::{STATX_BTIME, Statx, Timestamp};

/// stat, lstat, fstat and newfstatat, their 64-bit and their old forms, in the layout that the ABI has for the call. `fs/stat.c: vfs_fstatat, vfs_statx`.
pub async fn stat<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let mut file = call.file();
    const ALLOWED: i32 =
        libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT | libc::AT_EMPTY_PATH | libc::AT_STATX_SYNC_TYPE;
    if file.flags & !ALLOWED != 0 {
        return Err(Errno::EINVAL);
    }
    // newfstatat ignores how fresh the answer shall be, statx would refuse both at once.
    file.flags = file.flags & !libc::AT_STATX_SYNC_TYPE | libc::AT_NO_AUTOMOUNT;
    check_path(tracee, call)?;
    let real = tracee.stat(file).await?;
    let shown = view::told(tracee, &real, seen(tracee, file, &real).await?);
    let mut bytes = [0; 256];
    let len = tracee.abi().encode_stat(call.sys, &shown, &mut bytes)?;
    tracee.write(call.addr(Arg::StatBuf), bytes.get(..len).ok_or(Errno::EFAULT)?)?;
    Ok(Answer::Value(0))
}

/// What is shown of a file.
async fn seen<T: Tracee>(tracee: &T, file: FileRef, real: &Statx) -> Result<Lie, Errno> {
    if procfs::has(tracee, real) { procfs::asked(tracee, file, real).await } else { Ok(view::seen(tracee, real)) }
}

/// A null pointer as the path is a fault, but with `AT_EMPTY_PATH` where the kernel takes it.
fn check_path<T: Tracee>(tracee: &T, call: &Call) -> Result<(), Errno> {
    let named = call.sys.row().args.contains(&Arg::Path);
    let refused = named && call.addr(Arg::Path).is_null() && !tracee.settings().null_paths.takes(call.file().dirfd);
    if refused { Err(Errno::EFAULT) } else { Ok(()) }
}

/// `STATX_MTIME | STATX_CTIME`.
const STATX_CHANGE_TIMES: u32 = 0x40 | 0x80;
/// What every kernel that knows it tells, asked or not: `STATX_BASIC_STATS`, `STATX_MNT_ID`; and the birth time.
const STATX_COMMON: u32 = 0x7ff | 0x1000 | STATX_BTIME;
/// `STATX_TYPE | STATX_MODE | STATX_UID | STATX_GID | STATX_INO | STATX_BTIME`: to find the lie and lay it over.
const STATX_NEEDED: u32 = 0x1 | 0x2 | 0x8 | 0x10 | 0x100 | STATX_BTIME;
/// `STATX__RESERVED`.
const STATX_RESERVED: u32 = 0x8000_0000;

/// statx(2). `fs/stat.c: do_statx, cp_statx`.
pub async fn statx<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let file = call.file();
    let asked = call.int(Arg::Mask);
    const ALLOWED: i32 =
        libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT | libc::AT_EMPTY_PATH | libc::AT_STATX_SYNC_TYPE;
    if asked & STATX_RESERVED != 0
        || file.flags & libc::AT_STATX_SYNC_TYPE == libc::AT_STATX_SYNC_TYPE
        || file.flags & !ALLOWED != 0
    {
        return Err(Errno::EINVAL);
    }
    check_path(tracee, call)?;
    // What tracee.stat() asks for answers this question too, unless it is about the rarer fields, or about so few
    // that a filesystem with fine-grained times (Linux 6.13) leaves the change times out.
    let common = asked & !STATX_COMMON == 0 && asked & STATX_CHANGE_TIMES != 0;
    let buffer = call.addr(Arg::Out);
    let (real, result) = if common {
        (tracee.stat(file).await?, 0)
    } else {
        let result = tracee.run(&call.with(Arg::Mask, u64::from(asked | STATX_NEEDED))).await?;
        let mut real = Statx::new_zeroed();
        tracee.read(buffer, real.as_mut_bytes())?;
        (real, result)
    };
    let mut shown = view::told(tracee, &real, seen(tracee, file, &real).await?);
    if asked & STATX_BTIME == 0 {
        shown.mask &= !STATX_BTIME;
        shown.btime = Timestamp::default();
    }
    tracee.write(buffer, shown.as_bytes())?;
    Ok(Answer::Value(result))
}
