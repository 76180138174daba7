//! What is pretended to be mounted, seen by processes in another root.

use std::cell::RefCell;

use super::open;
use super::walk::{Directory, Found};
use crate::errno::Errno;
use crate::inode::InodeKey;

/// What is shown at a mount point.
#[derive(Clone, Debug)]
pub enum Shown {
    /// A directory.
    Directory(Directory),
    /// A file, by its name in its own directory.
    File(Found),
}

/// A mount.
struct Mount {
    /// The mount point.
    point: InodeKey,
    /// Itself, if it is a directory; then it keeps the inode from being reused.
    directory: Option<Directory>,
    shown: Shown,
}

/// The mounts of an invocation's processes, the last ones on top.
#[derive(Default)]
pub struct Mounts {
    mounts: RefCell<Vec<Mount>>,
}

impl Mounts {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.mounts.borrow().is_empty()
    }

    /// What is shown at a mount point; with several on each other, the topmost.
    pub fn at(&self, point: &InodeKey) -> Option<Shown> {
        let mounts = self.mounts.borrow();
        let mut shown = mounts.iter().rev().find(|mount| mount.point == *point)?.shown.clone();
        // Mounted on what is mounted.
        for _ in 0..mounts.len() {
            let Shown::Directory(directory) = &shown else { break };
            let Some(upper) = mounts.iter().rev().find(|mount| mount.point == directory.key) else { break };
            if matches!(&upper.shown, Shown::Directory(itself) if itself.key == directory.key) {
                break;
            }
            shown = upper.shown.clone();
        }
        Some(shown)
    }

    /// The mount point at which a directory is shown, unless it is shown at itself.
    pub fn point_of(&self, shown: &InodeKey) -> Option<Directory> {
        let mounts = self.mounts.borrow();
        let mount = mounts.iter().rev().find(|mount| match &mount.shown {
            Shown::Directory(directory) => directory.key == *shown && mount.point != *shown,
            Shown::File(_) => false,
        })?;
        mount.directory.clone()
    }

    /// Mounts something.
    pub fn add(&self, point: InodeKey, directory: Option<Directory>, shown: Shown) {
        self.mounts.borrow_mut().push(Mount { point, directory, shown });
    }

    /// Whether something is mounted on a file.
    pub fn has_on(&self, point: &InodeKey) -> bool {
        self.mounts.borrow().iter().any(|mount| mount.point == *point)
    }

    /// Whether a file is a mount point, or what is shown at one.
    pub fn is_point(&self, key: &InodeKey) -> bool {
        self.mounts.borrow().iter().any(|mount| mount.point == *key || mount.shows(key))
    }

    /// Ends the last mount at a file, named by the mount point or by what is shown there.
    pub fn remove(&self, key: &InodeKey) -> bool {
        let mut mounts = self.mounts.borrow_mut();
        match mounts.iter().rposition(|mount| mount.point == *key || mount.shows(key)) {
            Some(index) => {
                mounts.remove(index);
                true
            }
            None => false,
        }
    }

    /// Where something on the host is seen, as a path of the host, by the mounts that show it.
    pub fn seen_at(&self, place: &[u8]) -> Option<Vec<u8>> {
        self.mounts.borrow().iter().rev().find_map(|mount| {
            let (Shown::Directory(shown), Some(point)) = (&mount.shown, &mount.directory) else { return None };
            let rest = place.strip_prefix(&open::place(&*shown.fd).ok()?[..])?;
            if !rest.is_empty() && rest[0] != b'/' || shown.key == mount.point {
                return None;
            }
            Some([&open::place(&*point.fd).ok()?, rest].concat())
        })
    }
}

impl Mount {
    fn shows(&self, key: &InodeKey) -> bool {
        match &self.shown {
            Shown::Directory(directory) => directory.key == *key,
            Shown::File(found) => {
                found.open(libc::O_NOFOLLOW).and_then(|fd| open::stat(&fd)).is_ok_and(|stat| stat.id().key() == *key)
            }
        }
    }
}

/// What is found, as it is to be shown elsewhere.
pub fn shown(found: Found) -> Result<Shown, Errno> {
    let fd = found.open(0)?;
    match Directory::new(fd) {
        Ok(directory) => Ok(Shown::Directory(directory)),
        Err(Errno::ENOTDIR) => Ok(Shown::File(found)),
        Err(errno) => Err(errno),
    }
}
