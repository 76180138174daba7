//! POSIX ACLs: how they are set, how they hang together with the mode, how they are inherited.
//!
//! What is shown is the lie if there is one, else the ACL on disk. Lies are never carried out on disk: an ACL there could
//! keep the real user from their own files.

use super::posix_acl::{self, Changes, Check, Classes, Permission, Reader};
use super::xattr_target::{REST_LEN, Target};
use super::{Answer, Outcome, Tracee, parent, view};
use crate::call::{Sys, TraceeAddr};
use crate::errno::Errno;
use crate::inode::InodeId;
use crate::lie::{Lie, LieTable};
use crate::stat::{S_IFDIR, S_IFMT, S_ISGID, Statx};

/// Name of the xattr with the ACL that is checked.
pub const ACCESS: &[u8] = b"system.posix_acl_access";
/// Name of the xattr with the ACL that a directory hands down.
pub const DEFAULT: &[u8] = b"system.posix_acl_default";

/// Brings a faked access ACL in line with the new mode of its file; to be called after each chmod(2) that succeeds. Does
/// nothing for a file without one. `fs/posix_acl.c: posix_acl_chmod`.
///
/// # Errors
/// Those of [`LieTable::set_xattr`].
pub fn chmod<T: Tracee>(tracee: &T, inode: &InodeId, mode: u32) -> Result<(), Errno> {
    match classes(tracee, inode, ACCESS) {
        Some(classes) => copy(tracee.lies(), (inode, ACCESS), (inode, ACCESS), &classes.chmod(mode)),
        None => Ok(()),
    }
}

/// The mode of a new inode, if its directory has a faked default ACL, which then takes the place of the umask: `mode` is
/// what the program asked for, type included, before the umask. `None` if there is no such ACL.
/// `fs/posix_acl.c: posix_acl_create`.
///
/// Only directories counted in [`crate::lie::Kinds::inherited_from`] have one.
pub fn inherited_mode<T: Tracee>(tracee: &T, directory: &InodeId, mode: u32) -> Option<u32> {
    if !posix_acl::can_have_one(mode) {
        return None;
    }
    classes(tracee, directory, DEFAULT).map(|classes| classes.create(mode).mode)
}

/// Gives a new inode the ACLs that a faked default ACL of its directory has for it; to be called when the inode, which on
/// disk is `real`, is shown as it shall be ([`inherited_mode`]). `mode` is what the program asked for. Does nothing if
/// the directory has no such ACL. `fs/posix_acl.c: posix_acl_create`.
///
/// # Errors
/// Those of [`LieTable`].
pub fn inherit<T: Tracee>(tracee: &T, directory: &InodeId, real: &Statx, mode: u32) -> Result<(), Errno> {
    if !posix_acl::can_have_one(mode) {
        return Ok(());
    }
    let Some(created) = classes(tracee, directory, DEFAULT).map(|classes| classes.create(mode)) else {
        return Ok(());
    };
    let is_directory = mode & S_IFMT == S_IFDIR;
    if created.extended || is_directory {
        let seen = view::seen(tracee, real);
        view::remember(tracee, real, &seen, seen)?;
    }
    let id = real.id();
    if created.extended {
        copy(tracee.lies(), (directory, DEFAULT), (&id, ACCESS), &created.changes)?;
    }
    if is_directory {
        copy(tracee.lies(), (directory, DEFAULT), (&id, DEFAULT), &Changes::default())?;
    }
    Ok(())
}

/// What the access ACL of a file says about somebody who is not its owner; `None` if there is none, faked or real.
pub(super) async fn allows<T: Tracee>(
    tracee: &T,
    target: &Target,
    real: &Statx,
    mut permission: Permission<'_>,
) -> Option<bool> {
    let mut reader = Reader::default();
    let mut each = |piece: &[u8]| reader.feed(piece, &mut |entry| permission.entry(entry));
    if tracee.lies().xattr(&real.id(), ACCESS, &mut each).is_err() {
        let room = Target::room(tracee).ok()?;
        let name = Target::put_name(tracee, ACCESS).ok()?;
        let len = target.get(tracee, name, room, REST_LEN).await.ok()?;
        for_each_piece(tracee, room, len as usize, &mut each).ok()?;
    }
    Some(permission.is_allowed())
}

/// The same by the faked access ACL alone.
pub(super) fn allows_as_remembered<T: Tracee>(
    tracee: &T,
    real: &Statx,
    mut permission: Permission<'_>,
) -> Option<bool> {
    let mut reader = Reader::default();
    let mut each = |piece: &[u8]| reader.feed(piece, &mut |entry| permission.entry(entry));
    tracee.lies().xattr(&real.id(), ACCESS, &mut each).ok()?;
    Some(permission.is_allowed())
}

/// setxattr of one of the two names. Flags are of no consequence. `fs/posix_acl.c: do_set_acl, vfs_set_acl,
/// set_posix_acl, posix_acl_update_mode`.
pub(super) async fn set<T: Tracee>(
    tracee: &T,
    target: &Target,
    real: &Statx,
    name: &[u8],
    value: TraceeAddr,
    len: usize,
) -> Outcome {
    let seen = view::seen(tracee, real);
    let list = match checked(tracee, real, &seen, name, value, len) {
        Ok(Some(list)) => list,
        // A list without entries is none.
        Ok(None) => return remove(tracee, target, real, name).await,
        Err(error) => {
            target.probe_write(tracee).await?;
            return Err(error);
        }
    };
    if name == ACCESS && !list.is_extended() {
        // The mode says all, no list is kept.
        remove_on_disk(tracee, target, name).await?;
        let now = view::seen(tracee, real);
        view::remember(tracee, real, &now, Lie { mode: mode_with(tracee, &list, &now), ..now })?;
        let _ = tracee.lies().remove_xattr(&real.id(), name);
        return settled(tracee, target, real).await;
    }
    target.probe_write(tracee).await?;
    // From here to the end of the change nothing is awaited, so that nobody sees a half of it or changes the rest
    // meanwhile. The list comes first: its memory may be gone, and then nothing is changed.
    let now = view::seen(tracee, real);
    view::remember(tracee, real, &now, now)?;
    let list = match store(tracee, real, name, value, len) {
        Ok(list) => list,
        Err(error) => {
            view::forget_if_plain(tracee, real);
            return Err(error);
        }
    };
    if name == DEFAULT {
        return Ok(Answer::Value(0));
    }
    view::remember(tracee, real, &now, Lie { mode: mode_with(tracee, &list, &now), ..now })?;
    settled(tracee, target, real).await
}

/// Remembers a list, which must be as it was when it was checked.
fn store<T: Tracee>(tracee: &T, real: &Statx, name: &[u8], value: TraceeAddr, len: usize) -> Result<Check, Errno> {
    let mut window = Window { from: value, left: len, ..Window::default() };
    let (mut reader, mut check, mut filled) = (Reader::default(), Check::new(), 0);
    tracee.lies().set_xattr(&real.id(), name, len, &mut |room| {
        window.fill(tracee, room)?;
        reader.feed(room, &mut |entry| check.entry(entry));
        filled += room.len();
        let complete = filled == len;
        if complete && (!reader.is_known_version() || check.is_malformed() || !check.is_valid()) {
            return Err(Errno::EINVAL);
        }
        Ok(())
    })?;
    Ok(check)
}

/// The mode of a file with this access ACL.
fn mode_with<T: Tracee>(tracee: &T, list: &Check, seen: &Lie) -> u32 {
    let mode = list.mode(seen.mode);
    if view::in_group_or_capable(tracee, seen.gid) { mode } else { mode & !S_ISGID }
}

/// The end of a change of mode: gives the file the permissions on disk that go with it, and forgets the lie if nothing
/// is left of it then.
async fn settled<T: Tracee>(tracee: &T, target: &Target, real: &Statx) -> Outcome {
    let real = use_mode(tracee, target, real, view::seen(tracee, real).mode).await;
    view::forget_if_plain(tracee, &real);
    Ok(Answer::Value(0))
}

/// removexattr of one of the two names, which succeeds also if there is none. `fs/posix_acl.c: vfs_remove_acl`.
pub(super) async fn remove<T: Tracee>(tracee: &T, target: &Target, real: &Statx, name: &[u8]) -> Outcome {
    let seen = view::seen(tracee, real);
    if let Err(error) = permitted(tracee, real, &seen, name) {
        target.probe_write(tracee).await?;
        // A default ACL of what is no directory: there is none.
        return if error == Errno::EACCES { Ok(Answer::Value(0)) } else { Err(error) };
    }
    let takes_bit = name == ACCESS
        && seen.mode & S_ISGID != 0
        && !view::in_group_or_capable(tracee, seen.gid)
        && removal_takes_bit(tracee, target).await;
    remove_on_disk(tracee, target, name).await?;
    if takes_bit {
        let now = view::seen(tracee, real);
        view::show(tracee, real, &now, Lie { mode: now.mode & !S_ISGID, ..now })?;
    }
    forgotten(tracee, real, name)
}

/// Whether the filesystem has the removal of an access ACL take the set-group-ID bit, as any change of it does: tmpfs
/// (`fs/posix_acl.c: simple_set_acl`), but not those that look at the mode only if there is a list.
async fn removal_takes_bit<T: Tracee>(tracee: &T, target: &Target) -> bool {
    /// `TMPFS_MAGIC` (statfs(2)), in the first word.
    const TMPFS: [u8; 4] = 0x0102_1994u32.to_ne_bytes();
    let file = target.file;
    let path = match file.is_descriptor() {
        true => parent::descriptor_path(tracee, file.dirfd),
        false if file.dirfd == libc::AT_FDCWD => Ok(file.path),
        false => return false,
    };
    let (Ok(path), Ok(buffer)) = (path, parent::put_structure(tracee, &[0; 4])) else { return false };
    let mut kind = [0; 4];
    tracee.syscall(Sys::Statfs, [path.0, buffer.0, 0, 0, 0, 0]).await.is_ok()
        && tracee.read(buffer, &mut kind).is_ok()
        && kind == TMPFS
}

/// What the kernel checks before it sets a list; `None` if there are no entries in it.
fn checked<T: Tracee>(
    tracee: &T,
    real: &Statx,
    seen: &Lie,
    name: &[u8],
    value: TraceeAddr,
    len: usize,
) -> Result<Option<Check>, Errno> {
    if len == 0 {
        return Ok(None);
    }
    let (mut reader, mut check) = (Reader::default(), Check::new());
    if len >= posix_acl::HEADER_LEN {
        for_each_piece(tracee, value, len, &mut |piece| reader.feed(piece, &mut |entry| check.entry(entry)))?;
        if !reader.is_known_version() {
            return Err(Errno::EOPNOTSUPP);
        }
    }
    if posix_acl::count(len)? == 0 {
        return Ok(None);
    }
    if check.is_malformed() {
        return Err(Errno::EINVAL);
    }
    permitted(tracee, real, seen, name)?;
    if check.is_valid() { Ok(Some(check)) } else { Err(Errno::EINVAL) }
}

/// Whether this inode may get another list of this name by this thread: else `EPERM`, `EOPNOTSUPP` for symbolic
/// links, `EACCES` for default ACLs of what is no directory.
fn permitted<T: Tracee>(tracee: &T, real: &Statx, seen: &Lie, name: &[u8]) -> Result<(), Errno> {
    if view::is_immutable(real) {
        Err(Errno::EPERM)
    } else if !posix_acl::can_have_one(seen.mode) {
        Err(Errno::EOPNOTSUPP)
    } else if name == DEFAULT && seen.mode & S_IFMT != S_IFDIR {
        Err(Errno::EACCES)
    } else if !view::is_owner_or_capable(tracee, seen) {
        Err(Errno::EPERM)
    } else {
        Ok(())
    }
}

/// Removes a real list, so that it does not show where no lie hides it, and finds out what stands in the way of any
/// change. That the file is another real user's is ignored.
async fn remove_on_disk<T: Tracee>(tracee: &T, target: &Target, name: &[u8]) -> Result<(), Errno> {
    let name = Target::put_name(tracee, name)?;
    match target.remove(tracee, name).await {
        Ok(_) | Err(Errno::EPERM | Errno::EACCES | Errno::ENODATA | Errno::EOPNOTSUPP) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Forgets a list that was a lie, and the whole lie if nothing is left of it.
fn forgotten<T: Tracee>(tracee: &T, real: &Statx, name: &[u8]) -> Outcome {
    // That there is none is no error.
    let _ = tracee.lies().remove_xattr(&real.id(), name);
    view::forget_if_plain(tracee, real);
    Ok(Answer::Value(0))
}

/// Gives a file of ours the permissions on disk that go with the mode shown, and returns what it then is.
async fn use_mode<T: Tracee>(tracee: &T, target: &Target, real: &Statx, mode: u32) -> Statx {
    let permissions = view::real_permissions(mode);
    let mut changed = *real;
    if real.uid == tracee.settings().real_uid
        && u32::from(real.mode) & 0o777 != permissions
        && target.set_permissions(tracee, permissions).await.is_ok()
    {
        changed.mode = (real.file_type() | permissions) as u16;
    }
    changed
}

/// The entries of a faked list that stand for mode bits; `None` if there is no such list.
fn classes<T: Tracee>(tracee: &T, inode: &InodeId, name: &[u8]) -> Option<Classes> {
    let (mut reader, mut classes) = (Reader::default(), Classes::default());
    tracee.lies().xattr(inode, name, &mut |piece| reader.feed(piece, &mut |entry| classes.entry(entry))).ok()?;
    Some(classes)
}

/// Makes a faked list from another, or from its former self.
fn copy<L: LieTable + ?Sized>(
    lies: &L,
    (from, from_name): (&InodeId, &[u8]),
    (to, to_name): (&InodeId, &[u8]),
    changes: &Changes,
) -> Result<(), Errno> {
    let len = lies.xattr(from, from_name, &mut |_| ())?;
    let mut filled = 0_usize;
    lies.set_xattr(to, to_name, len, &mut |room| {
        let mut at = 0_usize;
        lies.xattr(from, from_name, &mut |piece| {
            // What of the piece falls into the room.
            let source = piece.get(filled.saturating_sub(at)..).unwrap_or_default();
            let target = room.get_mut(at.saturating_sub(filled)..).unwrap_or_default();
            for (slot, byte) in target.iter_mut().zip(source) {
                *slot = *byte;
            }
            at += piece.len();
        })?;
        changes.apply(filled, room);
        filled += room.len();
        Ok(())
    })
}

/// Bytes of the tracee's memory that are looked at together: whole entries.
const PIECE_LEN: usize = 512;
const _: () = assert!(PIECE_LEN % posix_acl::ENTRY_LEN == 0);

/// Reads memory of any length.
pub(super) fn for_each_piece<T: Tracee>(
    tracee: &T,
    from: TraceeAddr,
    len: usize,
    each: &mut dyn FnMut(&[u8]),
) -> Result<(), Errno> {
    let mut buffer = [0; PIECE_LEN];
    let mut done = 0;
    while done < len {
        let piece = buffer.get_mut(..PIECE_LEN.min(len - done)).unwrap_or_default();
        tracee.read(from.add(done as u64), piece)?;
        each(piece);
        done += piece.len();
    }
    Ok(())
}

/// Hands out a list from the tracee's memory, as it is shown later: ids that mean nothing are taken off.
struct Window {
    from: TraceeAddr,
    left: usize,
    /// The header, then whole entries.
    buffer: [u8; PIECE_LEN],
    start: usize,
    end: usize,
    past_header: bool,
}

impl Default for Window {
    fn default() -> Window {
        Window { from: TraceeAddr::NULL, left: 0, buffer: [0; PIECE_LEN], start: 0, end: 0, past_header: false }
    }
}

impl Window {
    fn fill<T: Tracee>(&mut self, tracee: &T, room: &mut [u8]) -> Result<(), Errno> {
        for slot in room {
            if self.start == self.end {
                self.refill(tracee)?;
            }
            *slot = *self.buffer.get(self.start).ok_or(Errno::EFAULT)?;
            self.start += 1;
        }
        Ok(())
    }

    fn refill<T: Tracee>(&mut self, tracee: &T) -> Result<(), Errno> {
        let len = self.left.min(if self.past_header { PIECE_LEN } else { posix_acl::HEADER_LEN });
        let buffer = self.buffer.get_mut(..len).unwrap_or_default();
        tracee.read(self.from, buffer)?;
        if self.past_header {
            for bytes in buffer.chunks_exact_mut(posix_acl::ENTRY_LEN) {
                if let Ok(bytes) = <&mut [u8; posix_acl::ENTRY_LEN]>::try_from(bytes) {
                    *bytes = posix_acl::Entry::from_bytes(*bytes).to_bytes();
                }
            }
        }
        self.from = self.from.add(len as u64);
        self.left -= len;
        (self.start, self.end, self.past_header) = (0, len, true);
        Ok(())
    }
}
