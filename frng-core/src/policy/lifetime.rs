//! Names that go: unlink(2), rmdir(2), rename(2). A lie dies with its inode.
//!
//! While an inode without a name is open its lie is still told ([`LieTable::orphan`]). Whether it is open cannot be
//! seen from here. Where inodes have birth times a forgotten orphan does no harm: a later inode with its number is
//! told apart by its birth, or, if it was made in the same tick of the timer, by having a name
//! ([`crate::inode::InodeId::has_name`]). Where they have none, creation looks at `orphans_without_birth`.

use super::{Answer, Note, Outcome, Tracee, TraceeExt};
use crate::call::{Arg, Call, FileRef};
use crate::errno::Errno;
use crate::lie::{Lie, LieTable};
use crate::stat::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, Statx};

/// unlink, unlinkat and rmdir.
pub async fn unlink<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    refuse_mount_point(tracee, call.file().no_follow()).await?;
    if tracee.lies().kinds().all == 0 {
        return Ok(Answer::Pass);
    }
    let Ok(real) = tracee.stat(call.file().no_follow()).await else {
        return Ok(Answer::Pass);
    };
    let Some(lie) = dying(tracee, &real) else {
        return Ok(Answer::Pass);
    };
    let result = tracee.run(call).await?;
    bury(tracee, &real, &lie);
    Ok(Answer::Value(result))
}

/// rename, renameat and renameat2: the lie of what the new name was before dies.
pub async fn rename<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    refuse_mount_point(tracee, call.file().no_follow()).await?;
    refuse_mount_point(tracee, call.destination()).await?;
    // A row without flags answers 0.
    let keeps_all = call.int(Arg::Flags) & (libc::RENAME_EXCHANGE | libc::RENAME_NOREPLACE) != 0;
    if keeps_all || tracee.lies().kinds().all == 0 {
        return Ok(Answer::Pass);
    }
    let Ok(old) = tracee.stat(call.destination()).await else {
        return Ok(Answer::Pass);
    };
    let Some(lie) = dying(tracee, &old) else {
        return Ok(Answer::Pass);
    };
    if tracee.stat(call.file()).await.is_ok_and(|new| new.id() == old.id()) {
        // Two names of one inode: rename does nothing.
        return Ok(Answer::Pass);
    }
    let result = tracee.run(call).await?;
    bury(tracee, &old, &lie);
    Ok(Answer::Value(result))
}

/// What something is mounted on keeps its name (`is_local_mountpoint`), also where mounts are pretended.
///
/// # Errors
/// `EBUSY`.
async fn refuse_mount_point<T: Tracee>(tracee: &T, file: FileRef) -> Result<(), Errno> {
    if !tracee.has_mounts() {
        return Ok(());
    }
    match tracee.stat(file).await {
        Ok(real) if tracee.is_mounted_on(&real.id().key()) => Err(Errno::EBUSY),
        _ => Ok(()),
    }
}

/// The lie of an inode that goes with the name it was found by.
fn dying<T: Tracee>(tracee: &T, real: &Statx) -> Option<Lie> {
    // Directories have no other names, but links from below.
    if real.file_type() != S_IFDIR && real.nlink > 1 {
        return None;
    }
    tracee.lies().get(&real.id())
}

/// The inode has lost its name.
fn bury<T: Tracee>(tracee: &T, real: &Statx, lie: &Lie) {
    tracee.note(&Note { real, before: Some(*lie), now: None });
    match lie.mode & S_IFMT {
        // Never open but with O_PATH, which nobody keeps to look at what is deleted.
        S_IFLNK | S_IFCHR | S_IFBLK => tracee.lies().forget(&real.id()),
        _ => tracee.lies().orphan(&real.id()),
    }
}
