//! What is pretended to be mounted, seen by processes in another root.

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::open;
use super::show::inside;
use super::walk::{Directory, Found};
use crate::errno::Errno;
use crate::inode::InodeKey;
use crate::inside::mount_names::MountNames;
use crate::policy::mounts::{BIND, RDONLY, REC, RELATIME, flags_of_new, flags_of_remount};
use crate::policy::{MountSource, MountTold};

/// What is shown at a mount point.
#[derive(Clone, Debug)]
pub enum Shown {
    /// A directory.
    Directory(Directory),
    /// A file, by its name in its own directory.
    File(Found),
}

/// A mount point.
#[derive(Clone, Debug)]
pub struct Point {
    /// `O_PATH`, which keeps the inode from being reused.
    pub fd: Arc<OwnedFd>,
    /// Its inode.
    pub key: InodeKey,
}

/// What procfs tells of a mount.
#[derive(Clone, Debug)]
pub struct Told {
    /// Where it comes from.
    pub origin: Origin,
    /// `MS_*`; `None`: those of what is shown.
    pub flags: Option<u64>,
}

/// Where a mount comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// It is a filesystem of this kind.
    New { kind: Vec<u8>, source: Vec<u8>, options: Vec<u8>, is_read_only: bool },
    /// It is part of another mount; with what is mounted below it.
    Bind { is_recursive: bool },
}

impl Told {
    /// Of what is mounted now.
    pub fn new(source: MountSource, told: &MountTold) -> Told {
        match source {
            MountSource::Bind(_) | MountSource::Moved(_) => {
                Told { origin: Origin::Bind { is_recursive: told.flags & REC != 0 }, flags: None }
            }
            MountSource::Host(_) | MountSource::Itself => Told {
                origin: Origin::New {
                    kind: told.kind.to_vec(),
                    source: told.source.to_vec(),
                    options: told.data.to_vec(),
                    is_read_only: told.flags & RDONLY != 0,
                },
                flags: Some(flags_of_new(told.flags)),
            },
        }
    }
}

/// A mount.
#[derive(Clone, Debug)]
pub struct Mount {
    /// Where it is.
    pub point: Point,
    /// What is there.
    pub shown: Shown,
    /// What is told of it.
    pub told: Told,
    /// How many were mounted before.
    pub number: u64,
}

/// The mounts that processes of an invocation have in common, the last ones on top.
#[derive(Clone, Default)]
pub struct Mounts {
    mounts: RefCell<Vec<Mount>>,
    made: Cell<u64>,
    names: Cell<MountNames>,
}

impl Mounts {
    /// Where what is shown is, as the kernel tells it.
    pub fn places(&self) -> Vec<Result<Vec<u8>, Errno>> {
        let place = |mount: &Mount| match &mount.shown {
            Shown::Directory(directory) => open::place(&*directory.fd),
            Shown::File(found) => open::place(&*found.directory),
        };
        self.mounts.borrow().iter().map(place).collect()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.mounts.borrow().is_empty()
    }

    /// What is shown at a mount point; with several on each other, the topmost.
    pub fn at(&self, point: &InodeKey) -> Option<Shown> {
        let topmost = self.topmost(point)?;
        Some(self.mounts.borrow().get(topmost)?.shown.clone())
    }

    /// The mount at a mount point; with several on each other, the topmost.
    pub fn topmost(&self, point: &InodeKey) -> Option<usize> {
        let mounts = self.mounts.borrow();
        let last_at = |key: &InodeKey| mounts.iter().rposition(|mount| mount.point.key == *key);
        let mut index = last_at(point)?;
        // Mounted on what is mounted.
        for _ in 0..mounts.len() {
            let Shown::Directory(directory) = &mounts[index].shown else { break };
            let Some(upper) = last_at(&directory.key) else { break };
            if matches!(&mounts[upper].shown, Shown::Directory(itself) if itself.key == directory.key) {
                break;
            }
            index = upper;
        }
        Some(index)
    }

    /// The last mount at a file, or that shows it.
    pub fn showing(&self, key: &InodeKey) -> Option<usize> {
        self.mounts.borrow().iter().rposition(|mount| mount.is_at(key))
    }

    /// The mount point at which a directory is shown, unless it is shown at itself.
    pub fn point_of(&self, shown: &InodeKey) -> Option<Directory> {
        let mounts = self.mounts.borrow();
        let mount = mounts.iter().rev().find(|mount| match &mount.shown {
            Shown::Directory(directory) => directory.key == *shown && mount.point.key != *shown,
            Shown::File(_) => false,
        })?;
        Some(Directory { fd: Arc::clone(&mount.point.fd), key: mount.point.key })
    }

    /// All of them.
    pub fn all(&self) -> Vec<Mount> {
        self.mounts.borrow().clone()
    }

    /// The names of the mount points in their directories.
    pub fn names(&self) -> MountNames {
        self.names.get()
    }

    fn renew_names(&self) {
        let mut names = MountNames::default();
        for mount in self.mounts.borrow().iter() {
            let place = open::place(&*mount.point.fd).unwrap_or_default();
            names.add(place.rsplit(|byte| *byte == b'/').next().unwrap_or_default());
        }
        self.names.set(names);
    }

    /// Mounts something.
    pub fn add(&self, point: Point, shown: Shown, told: Told) {
        let number = self.made.get();
        self.made.set(number + 1);
        self.mounts.borrow_mut().push(Mount { point, shown, told, number });
        self.renew_names();
    }

    /// Has something else told of a mount.
    pub fn change(&self, index: usize, told: &MountTold) {
        let mut mounts = self.mounts.borrow_mut();
        let Some(mount) = mounts.get_mut(index) else { return };
        mount.told.flags = Some(flags_of_remount(mount.told.flags.unwrap_or(RELATIME), told.flags));
        if let (Origin::New { options, is_read_only, .. }, 0) = (&mut mount.told.origin, told.flags & BIND) {
            *is_read_only = told.flags & RDONLY != 0;
            if !told.data.is_empty() {
                *options = told.data.to_vec();
            }
        }
    }

    /// Whether something is mounted on a file.
    pub fn has_on(&self, point: &InodeKey) -> bool {
        self.mounts.borrow().iter().any(|mount| mount.point.key == *point)
    }

    /// Whether a directory is what is shown at a mount point.
    pub fn shows(&self, key: &InodeKey) -> bool {
        let is_it = |mount: &Mount| matches!(&mount.shown, Shown::Directory(directory) if directory.key == *key);
        self.mounts.borrow().iter().any(is_it)
    }

    /// Whether a file is a mount point, or what is shown at one.
    pub fn is_point(&self, key: &InodeKey) -> bool {
        self.mounts.borrow().iter().any(|mount| mount.is_at(key))
    }

    /// Has a mount at another mount point.
    ///
    /// # Errors
    /// `ENOTDIR` if only one of both is a directory.
    pub fn change_point(&self, index: usize, point: Point, is_directory: bool) -> Result<(), Errno> {
        let mut mounts = self.mounts.borrow_mut();
        let mount = mounts.get_mut(index).ok_or(Errno::EINVAL)?;
        if is_directory != matches!(mount.shown, Shown::Directory(_)) {
            return Err(Errno::ENOTDIR);
        }
        mount.point = point;
        drop(mounts);
        self.renew_names();
        Ok(())
    }

    /// Ends a mount.
    pub fn remove(&self, index: usize) {
        self.mounts.borrow_mut().remove(index);
        self.renew_names();
    }

    /// Where something on the host is seen by the last mount that shows it below `root`, as a path from there.
    pub fn seen_at(&self, place: &[u8], root: &[u8]) -> Option<Vec<u8>> {
        self.mounts.borrow().iter().rev().find_map(|mount| {
            let Shown::Directory(shown) = &mount.shown else { return None };
            let rest = inside(&open::place(&*shown.fd).ok()?, place)?;
            if shown.key == mount.point.key {
                return None;
            }
            inside(root, &joined(&open::place(&*mount.point.fd).ok()?, &rest))
        })
    }
}

/// A path from a directory, `/` being that itself.
pub fn joined(directory: &[u8], rest: &[u8]) -> Vec<u8> {
    match (directory, rest) {
        (_, b"/") => directory.to_vec(),
        (b"/", _) => rest.to_vec(),
        _ => [directory, rest].concat(),
    }
}

impl Mount {
    fn is_at(&self, key: &InodeKey) -> bool {
        self.point.key == *key || self.shows(key)
    }

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
