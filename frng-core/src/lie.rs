//! What is remembered of an inode, and the table that remembers it.

use crate::errno::Errno;
use crate::inode::{InodeId, InodeKey};
use crate::stat::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFMT, S_IFREG, S_ISGID, S_ISUID, S_ISVTX};

/// What a fooled process is told of one inode instead of the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lie {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// File type and permission bits, as in `st_mode`. A faked device node is a regular file on disk.
    pub mode: u32,
    /// Device number of a faked device node, else 0.
    pub rdev: u64,
}

impl Lie {
    /// This lie, if somebody else has changed what was `before` into `now` in the meantime: what is the same here as before
    /// is as it is now.
    pub fn over(&self, before: &Lie, now: &Lie) -> Lie {
        Lie {
            uid: if self.uid == before.uid { now.uid } else { self.uid },
            gid: if self.gid == before.gid { now.gid } else { self.gid },
            mode: if self.mode == before.mode { now.mode } else { self.mode },
            rdev: if self.rdev == before.rdev { now.rdev } else { self.rdev },
        }
    }

    /// A directory whose new entries take its group.
    pub fn is_set_group_id_directory(&self) -> bool {
        self.mode & S_IFMT == S_IFDIR && self.mode & S_ISGID != 0
    }

    /// A node whose type on disk (regular file) is not the type shown.
    pub fn is_node(&self) -> bool {
        !matches!(self.mode & S_IFMT, S_IFREG | S_IFDIR | crate::stat::S_IFLNK)
    }

    /// A file that loses bits when somebody writes to it.
    pub fn is_set_id_file(&self) -> bool {
        self.mode & S_IFMT == S_IFREG && self.mode & (S_ISUID | S_ISGID) != 0
    }

    /// A directory in which others' files may be, and are not theirs to replace.
    pub fn is_shared_directory(&self) -> bool {
        self.mode & S_IFMT == S_IFDIR && self.mode & S_ISVTX != 0 && self.mode & 0o022 != 0
    }

    /// A faked character or block device.
    pub fn is_device(&self) -> bool {
        matches!(self.mode & S_IFMT, S_IFCHR | S_IFBLK)
    }
}

/// How many lies of the kinds that make other calls dearer the table holds. A handler looks here first, so
/// that a tree without such lies pays nothing for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    /// Lies in all.
    pub all: usize,
    /// Set-group-ID directories and directories with a default ACL: new entries inherit from them.
    pub inherited_from: usize,
    /// Lies with a type that is not the one on disk.
    pub nodes: usize,
    /// Faked character and block devices.
    pub devices: usize,
    /// Lies of inodes whose last name is gone.
    pub orphans: usize,
    /// Lies of inodes without a birth time whose last name is gone: a new inode may get the same number.
    pub orphans_without_birth: usize,
    /// Regular files with set-ID bits: writing takes those.
    pub set_ids: usize,
    /// Sticky directories that others may write to: not everything there may be opened as if it were new.
    pub shared_directories: usize,
}

/// The table of lies. All methods take `&self`: an implementation may be shared by many threads.
///
/// A lie found under the same device and inode number but with another birth time is about another inode: it is neither
/// returned nor changed, and dropped if that inode is the older one.
pub trait LieTable {
    /// The lie about this inode.
    fn get(&self, inode: &InodeId) -> Option<Lie>;

    /// Remembers a lie, replacing an older one about the same inode; its xattrs stay. An orphan stays one.
    fn put(&self, inode: &InodeId, lie: Lie) -> Result<(), Errno>;

    /// The same as [`LieTable::put`] for a change of what was `before`: what others have changed meanwhile, and `lie` does
    /// not, stays.
    fn put_change(&self, inode: &InodeId, before: &Lie, lie: Lie) -> Result<(), Errno>;

    /// Forgets the lie about this inode, xattrs included.
    fn forget(&self, inode: &InodeId);

    /// The inode has lost its last name but may still be open: its lie is still told, but not saved.
    fn orphan(&self, inode: &InodeId);

    /// The inode has a name again (`linkat` of an `O_TMPFILE`).
    fn adopt(&self, inode: &InodeId);

    /// The lie that may be about this number: birth not compared, nothing dropped.
    fn peek(&self, key: InodeKey) -> Option<Lie>;

    /// What the table holds.
    fn kinds(&self) -> Kinds;

    /// Whether there may be an xattr that is a lie, of any inode: so that a tree without them pays nothing.
    fn may_have_xattrs(&self) -> bool {
        true
    }

    /// Calls `each` with the value of an xattr that is a lie, piece by piece in order (an empty value may have no
    /// piece at all), and returns its full length in bytes. Values have up to 65536 bytes, so that nobody has to
    /// hold one as a whole.
    ///
    /// # Errors
    /// `ENODATA` if there is no lie about this name.
    fn xattr(&self, inode: &InodeId, name: &[u8], each: &mut dyn FnMut(&[u8])) -> Result<usize, Errno>;

    /// Remembers an xattr of `len` bytes, replacing one of the same name. The inode must have a lie already.
    /// `fill` is called with room for the value, piece by piece in order, until all of `len` is filled. It may be
    /// slow, and ask the table about other things; no lock is held while it runs. If it fails nothing changes.
    ///
    /// # Errors
    /// What `fill` fails with; `ENOSPC` if there is no room in the table; `ENODATA` if the inode has no lie.
    fn set_xattr(
        &self,
        inode: &InodeId,
        name: &[u8],
        len: usize,
        fill: &mut dyn FnMut(&mut [u8]) -> Result<(), Errno>,
    ) -> Result<(), Errno>;

    /// Forgets an xattr; `ENODATA` if there was none.
    fn remove_xattr(&self, inode: &InodeId, name: &[u8]) -> Result<(), Errno>;

    /// Calls `each` with every name that has a lie.
    fn xattr_names(&self, inode: &InodeId, each: &mut dyn FnMut(&[u8]));
}
