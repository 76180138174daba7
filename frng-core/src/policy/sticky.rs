//! Files that others have put into a directory that everybody may write to, and that somebody opens as if they were new, and
//! links that others have put there: `fs/namei.c: may_create_in_sticky, may_follow_link`. The kernel refuses both to root, too; here links
//! are refused only where paths are walked ([`super::reach`]).

use super::permission::Subject;
use super::walk::{Walked, walk};
use super::{Last, Protected, Tracee};
use crate::call::FileRef;
use crate::errno::Errno;
use crate::lie::{Kinds, Lie};
use crate::stat::{S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, S_ISVTX};

/// Whether there can be anything to refuse, so that trees without it pay nothing: a file of somebody else is remembered, and
/// so is such a directory.
pub(super) fn may_refuse(kinds: &Kinds, protected: &Protected) -> bool {
    // Of what is neither a file nor a FIFO nobody is asked.
    kinds.shared_directories > 0 && (kinds.nodes > 0 || kinds.all > 0 && protected.regular > 0)
}

/// Looks at an open with `O_CREAT` of what is there already, which is shown as `target`.
///
/// # Errors
/// `EACCES`.
pub(super) async fn check<T: Tracee>(tracee: &T, file: FileRef, last: Last, target: &Lie) -> Result<(), Errno> {
    let creds = tracee.creds();
    if target.uid == creds.uid.fs || target.mode & S_IFMT == S_IFDIR || !tracee.knows_others() {
        return Ok(());
    }
    // Whom no directory on the way is closed to: that has been looked at.
    let who = Subject { caps: u64::MAX, ..Subject::acting(&creds) };
    match walk(tracee, &who, file, last).await? {
        Some(Walked { directory: Some(directory), target: Some(target), .. }) => {
            allowed(&tracee.settings().protected, &directory.seen, &target.seen, creds.uid.fs)
        }
        _ => Ok(()),
    }
}

/// # Errors
/// `EACCES` for who acts as `uid`.
pub(super) fn allowed(protected: &Protected, directory: &Lie, target: &Lie, uid: u32) -> Result<(), Errno> {
    let level = match target.mode & S_IFMT {
        S_IFREG => protected.regular,
        S_IFIFO => protected.fifos,
        // As if it were protected from others, but not from the group.
        _ => 1,
    };
    if directory.mode & S_ISVTX == 0 || level == 0 || target.uid == directory.uid || target.uid == uid {
        return Ok(());
    }
    let by_others = directory.mode & 0o002 != 0;
    let by_group = directory.mode & 0o020 != 0 && level >= 2;
    if by_others || by_group { Err(Errno::EACCES) } else { Ok(()) }
}

/// Whether who acts as `uid` may follow a link in a directory, as the last component of a path. On the way to others nothing
/// is asked.
///
/// # Errors
/// `EACCES`.
pub(super) fn may_follow(protected: &Protected, directory: &Lie, link: &Lie, uid: u32) -> Result<(), Errno> {
    const SHARED: u32 = S_ISVTX | 0o002;
    let is_shared = directory.mode & SHARED == SHARED;
    let is_refused = protected.symlinks > 0 && is_shared && link.uid != uid && link.uid != directory.uid;
    if is_refused { Err(Errno::EACCES) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stat::{S_IFLNK, S_IFSOCK};

    const fn lie(uid: u32, mode: u32) -> Lie {
        Lie { uid, gid: 0, mode, rdev: 0 }
    }

    #[test]
    fn files_of_others_are_protected_as_far_as_the_machine_says() {
        let directory = |mode| lie(0, S_IFDIR | mode);
        for (kind, regular, fifos, directory, refused) in [
            (S_IFREG, 0, 2, directory(0o1777), false),
            (S_IFREG, 1, 0, directory(0o1777), true),
            (S_IFREG, 1, 0, directory(0o777), false),
            (S_IFREG, 1, 2, directory(0o1775), false),
            (S_IFREG, 2, 0, directory(0o1775), true),
            (S_IFIFO, 2, 0, directory(0o1777), false),
            (S_IFIFO, 0, 1, directory(0o1777), true),
            (S_IFIFO, 0, 2, directory(0o1770), true),
            (S_IFSOCK, 0, 0, directory(0o1777), true),
            (S_IFSOCK, 2, 2, directory(0o1775), false),
            (S_IFREG, 2, 2, lie(7, S_IFDIR | 0o1777), false),
        ] {
            let protected = Protected { regular, fifos, symlinks: 0 };
            let result = allowed(&protected, &directory, &lie(7, kind | 0o666), 0);
            assert_eq!(result.is_err(), refused, "{kind:o} {regular} {fifos} {directory:?}");
            assert_eq!(allowed(&protected, &directory, &lie(7, kind | 0o666), 7), Ok(()));
        }
    }

    #[test]
    fn links_of_others_are_protected_where_everybody_may_put_some() {
        for (symlinks, mode, owner, uid, refused) in [
            (1, 0o1777, 0, 8, true),
            (1, 0o1777, 0, 0, true),
            (1, 0o1777, 0, 7, false),
            (1, 0o1777, 7, 8, false),
            (1, 0o777, 0, 8, false),
            (1, 0o1775, 0, 8, false),
            (0, 0o1777, 0, 8, false),
        ] {
            let protected = Protected { symlinks, ..Protected::default() };
            let result = may_follow(&protected, &lie(owner, S_IFDIR | mode), &lie(7, S_IFLNK | 0o777), uid);
            assert_eq!(result.is_err(), refused, "{symlinks} {mode:o} {owner} {uid}");
        }
    }
}
