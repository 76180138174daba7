//! One line of a state file, in memory.

use std::collections::BTreeMap;

use crate::inode::InodeId;
use crate::lie::Lie;

/// Extended attributes by name. Names and values are bytes, as the kernel has them.
pub type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// All that is remembered of one inode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which inode.
    pub inode: InodeId,
    /// Owner, group, mode and device number.
    pub lie: Lie,
    /// Extended attributes that are lies.
    pub xattrs: Xattrs,
    /// Its name in a tree, relative to that, when the tree was last looked through ([`audit`](super::audit)).
    pub path: Option<Vec<u8>>,
}
