//! New inodes: whose they are, and with which mode. Those that open(2) makes are in `opening.rs`, device nodes in
//! `devices.rs`.
//!
//! Nearly every new inode is one of root's with an ordinary mode in an ordinary directory. It is shown rightly without
//! a lie, so the program's call runs as it is, without a second stop ([`is_plain`], [`Parent::hands_down`]).

use super::parent::{self, Parent};
use super::{Answer, Outcome, Tracee, TraceeExt, UnknownOwner, acl, view, writing};
use crate::call::{Arg, Call, FileRef, Sys, TraceeAddr};
use crate::errno::Errno;
use crate::lie::{Lie, LieTable};
use crate::stat::{S_IFDIR, S_IFLNK, S_IFMT, S_IFSOCK, S_ISGID, S_ISUID, S_ISVTX, S_IXGRP, Statx};

/// Whether a new inode of this mode (type included, before the umask), if made by the program's own call, is shown
/// as it shall be and can be used by the real user; inheritance aside.
pub(super) fn is_plain<T: Tracee>(tracee: &T, mode: u32) -> bool {
    let (creds, settings) = (tracee.creds(), tracee.settings());
    let own_is_roots = settings.unknown != UnknownOwner::AsItIs;
    let after_umask = mode & !(tracee.process().umask & 0o777);
    own_is_roots
        && creds.uid.fs == 0
        && creds.gid.fs == 0
        && mode & (S_ISUID | S_ISGID) == 0
        && view::real_permissions(after_umask) == after_umask & 0o777
        // It could get the number, and with it the lie, of one that is gone.
        && tracee.lies().kinds().orphans_without_birth == 0
}

impl Parent {
    /// Whether a lie about this directory decides about an inode of this mode that is made in it.
    pub(super) fn hands_down<T: Tracee>(&self, tracee: &T, mode: u32) -> bool {
        // What the directory really is the kernel itself hands down; then the lie is no different.
        let has_lie = tracee.lies().get(&self.id).is_some();
        has_lie && (self.seen.is_set_group_id_directory() || acl::inherited_mode(tracee, &self.id, mode).is_some())
    }
}

/// The directory in which an inode of this mode shall be made; `None` if the program's own call does all that is
/// needed, or knows what is wrong.
pub(super) async fn unusual<T: Tracee>(tracee: &T, file: FileRef, mode: u32) -> Option<Parent> {
    let plain = is_plain(tracee, mode);
    if plain && tracee.lies().kinds().inherited_from == 0 {
        return None;
    }
    let parent = parent::of_path(tracee, file).await.ok()?;
    if plain && !parent.hands_down(tracee, mode) { None } else { Some(parent) }
}

/// Makes a new inode by `changed`, the program's call with a mode that leaves the inode usable, and shows it with the
/// mode (type included, before the umask) and device number that the program asked for.
pub(super) async fn make<T: Tracee>(
    tracee: &T,
    changed: &Call,
    file: FileRef,
    parent: &Parent,
    mode: u32,
    rdev: u64,
) -> Outcome {
    if writing::leaves_first(tracee, &Lie { uid: 0, gid: 0, mode, rdev }) {
        return Ok(Answer::Pass);
    }
    let made = tracee.run(changed).await?;
    introduce(tracee, file.no_follow(), Some(parent), mode, rdev).await?;
    Ok(Answer::Value(made))
}

/// Shows an inode that has just been made in `parent`, if that is known. `fs/inode.c: inode_init_owner, mode_strip_sgid`.
pub(super) async fn introduce<T: Tracee>(
    tracee: &T,
    file: FileRef,
    parent: Option<&Parent>,
    mode: u32,
    rdev: u64,
) -> Result<(), Errno> {
    let Ok(mut real) = tracee.stat(file).await else {
        // Somebody else has removed it already.
        return Ok(());
    };
    let lies = tracee.lies();
    let id = real.id();
    if lies.get(&id).is_some() {
        // It was about an older inode of the same number.
        lies.forget(&id);
    }
    let creds = tracee.creds();
    // What is left of the permissions asked for tells the umask, or what takes its place.
    let mut shown = Lie {
        uid: creds.uid.fs,
        gid: creds.gid.fs,
        mode: mode & (S_IFMT | S_ISUID | S_ISGID | S_ISVTX) | mode & u32::from(real.mode) & 0o777,
        rdev,
    };
    if let Some(Parent { seen: directory, .. }) = parent.filter(|parent| parent.seen.is_set_group_id_directory()) {
        shown.gid = directory.gid;
        if mode & S_IFMT == S_IFDIR {
            shown.mode |= S_ISGID;
        } else if mode & (S_ISGID | S_IXGRP) == S_ISGID | S_IXGRP && !view::in_group_or_capable(tracee, directory.gid) {
            shown.mode &= !S_ISGID;
        }
    }
    // A default ACL takes the place of the umask.
    if let Some(limited) = parent.and_then(|parent| acl::inherited_mode(tracee, &parent.id, mode)) {
        shown.mode = shown.mode & !0o777 | limited & 0o777;
    }
    make_usable(tracee, file, &mut real, &shown).await;
    let before = view::unknown(tracee, &real);
    view::show(tracee, &real, &before, shown)?;
    match parent {
        Some(parent) => acl::inherit(tracee, &parent.id, &real, mode),
        None => Ok(()),
    }
}

/// Gives a new inode the permissions on disk that its real owner needs, if a umask took them, and none that a device
/// must not have.
async fn make_usable<T: Tracee>(tracee: &T, file: FileRef, real: &mut Statx, shown: &Lie) {
    let had = u32::from(real.mode) & 0o777;
    let needed = view::real_permissions(shown.mode & S_IFMT | had);
    if real.file_type() == S_IFLNK || had == needed {
        return;
    }
    let changed = if file.is_descriptor() {
        tracee.syscall(Sys::Fchmod, [file.dirfd as u64, u64::from(needed), 0, 0, 0, 0]).await
    } else {
        let (dirfd, path) = tracee.at(file);
        tracee.syscall(Sys::Fchmodat, [dirfd, path, u64::from(needed), 0, 0, 0]).await
    };
    if changed.is_ok() {
        real.mode = (real.file_type() | needed) as u16;
    }
}

/// mkdir and mkdirat.
pub async fn mkdir<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    // fs/namei.c: vfs_mkdir lets no set-ID bit through.
    let mode = S_IFDIR | call.int(Arg::Mode) & (0o777 | S_ISVTX);
    let file = call.file();
    let Some(parent) = unusual(tracee, file, mode).await else {
        return Ok(Answer::Pass);
    };
    let changed = call.with(Arg::Mode, u64::from(view::real_permissions(mode)));
    make(tracee, &changed, file, &parent, mode, 0).await
}

/// symlink and symlinkat.
pub async fn symlink<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let (file, mode) = (call.file(), S_IFLNK | 0o777);
    let Some(parent) = unusual(tracee, file, mode).await else {
        return Ok(Answer::Pass);
    };
    make(tracee, call, file, &parent, mode, 0).await
}

/// link and linkat: another name for the same inode, whose lie stays.
///
/// What protected_hardlinks (proc_sys_fs(5)) refuses the real user, files of others, is refused the fake root.
pub async fn link<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let flags = call.int(Arg::AtFlags) as i32;
    if flags & !(libc::AT_SYMLINK_FOLLOW | libc::AT_EMPTY_PATH) != 0 || flags == 0 {
        return Ok(Answer::Pass);
    }
    // One of the two ways to name an inode that has no name yet.
    let mut file = call.file();
    let mut changed = None;
    let mut first = [0];
    if flags & libc::AT_EMPTY_PATH != 0
        && file.dirfd >= 0
        && tracee.read_some(file.path, &mut first).is_ok()
        && first == [0]
    {
        // The real kernel lets only CAP_DAC_READ_SEARCH, since Linux 6.10 also the opener, do this.
        let path = parent::descriptor_path(tracee, file.dirfd)?;
        let by_link = call
            .with(Arg::Dirfd, libc::AT_FDCWD as u64)
            .with(Arg::Path, path.0)
            .with(Arg::AtFlags, libc::AT_SYMLINK_FOLLOW as u64);
        changed = Some(by_link);
        file = FileRef::descriptor(file.dirfd);
    } else if flags & libc::AT_SYMLINK_FOLLOW == 0 {
        return Ok(Answer::Pass);
    } else {
        file.flags = 0;
    }
    let nameless = tracee.stat(file).await.ok().filter(|real| real.nlink == 0);
    if nameless.is_none() && changed.is_none() {
        return Ok(Answer::Pass);
    }
    let made = tracee.run(&changed.unwrap_or(*call)).await?;
    if let Some(real) = nameless {
        tracee.lies().adopt(&real.id());
    }
    Ok(Answer::Value(made))
}

/// bind of an AF_UNIX socket to a path. `net/unix/af_unix.c: unix_bind_bsd`.
pub async fn bind<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let Some(path) = socket_path(tracee, call) else {
        return Ok(Answer::Pass);
    };
    let file = FileRef { dirfd: libc::AT_FDCWD, path, flags: libc::AT_SYMLINK_NOFOLLOW };
    // The inode of a socket starts with all permissions; what fchmod made of it the kernel has applied itself.
    let mode = S_IFSOCK | 0o777;
    let Some(parent) = unusual(tracee, file, mode).await else {
        return Ok(Answer::Pass);
    };
    make(tracee, call, file, &parent, mode, 0).await
}

/// The path in the `struct sockaddr_un` of a bind, put into scratch with a terminator, which it may lack.
/// `None` for other families, abstract addresses, and what the kernel will refuse.
pub(super) fn socket_path<T: Tracee>(tracee: &T, call: &Call) -> Option<TraceeAddr> {
    const FAMILY_LEN: usize = size_of::<libc::sa_family_t>();
    let len = call.int(Arg::Length) as usize;
    // With a byte more, for the terminator.
    let mut address = [0; size_of::<libc::sockaddr_un>() + 1];
    if len <= FAMILY_LEN || len >= address.len() {
        return None;
    }
    tracee.read(call.addr(Arg::In), address.get_mut(..len)?).ok()?;
    let (family, path) = address.split_at_checked(FAMILY_LEN)?;
    if family != (libc::AF_UNIX as libc::sa_family_t).to_ne_bytes() || path.first() == Some(&0) {
        return None;
    }
    parent::put_path(tracee, path).ok()
}
