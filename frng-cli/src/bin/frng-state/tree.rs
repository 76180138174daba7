//! A directory tree that lies are about: which inode has which name in it, and what it is really.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use frng_core::inode::InodeKey;
use frng_core::lie::Lie;
use frng_core::stat::{S_IFDIR, S_IFREG, STATX_WANTED, Statx};
use frng_core::state::Record;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use zerocopy::FromZeros;

use super::progress::Progress;

/// An open tree.
pub struct Tree {
    /// As the user names it.
    path: PathBuf,
    root: OwnedFd,
}

/// One name in a tree.
pub struct Found {
    /// Relative to the tree, without `./`; empty for the tree itself.
    pub path: Vec<u8>,
    /// What the kernel tells of it.
    pub real: Statx,
}

impl Tree {
    /// Opens one.
    ///
    /// # Errors
    /// One line for the user; so have the others.
    pub fn open(path: &Path) -> Result<Tree, String> {
        let root = File::open(path).and_then(|file| {
            let is_directory = file.metadata()?.is_dir();
            if is_directory { Ok(file.into()) } else { Err(io::Error::from_raw_os_error(libc::ENOTDIR)) }
        });
        let root = root.map_err(|error| format!("cannot open the tree {}: {}", path.display(), reason(&error)))?;
        Ok(Tree { path: path.to_path_buf(), root })
    }

    /// All names in it, parents before children, in the order of their bytes. What is mounted in it belongs to it.
    pub fn walk(&self) -> Result<Vec<Found>, String> {
        self.walk_from(b"")
    }

    /// All names from one on.
    pub fn walk_from(&self, start: &[u8]) -> Result<Vec<Found>, String> {
        let mut found = Vec::new();
        let mut open = vec![start.to_vec()];
        let mut progress = Progress::of("names looked at");
        while let Some(path) = open.pop() {
            let full = self.outside(&path);
            let failed = |error: io::Error| format!("cannot look at {}: {}", full.display(), reason(&error));
            let real = look(&full).map_err(failed)?;
            if real.file_type() == S_IFDIR {
                let mut children = Vec::new();
                for entry in fs::read_dir(&full).map_err(failed)? {
                    children.push(join(&path, entry.map_err(failed)?.file_name().as_bytes()));
                }
                children.sort_unstable();
                open.extend(children.into_iter().rev());
            }
            found.push(Found { path, real });
            progress.add(1);
        }
        Ok(found)
    }

    /// Which inodes have which names.
    pub fn names(&self) -> Result<Names, String> {
        let mut names: BTreeMap<InodeKey, Vec<Vec<u8>>> = BTreeMap::new();
        for Found { path, real } in self.walk()? {
            names.entry(real.id().key()).or_default().push(if path.is_empty() { b".".to_vec() } else { path });
        }
        Ok(Names(names))
    }

    /// The name that something in the tree has for us.
    pub fn outside(&self, path: &[u8]) -> PathBuf {
        if path.is_empty() { self.path.clone() } else { self.path.join(OsStr::from_bytes(path)) }
    }

    /// Opens, as `O_PATH`, the directory that a name in the tree is in; with it comes the name in that directory (`.` for the
    /// tree itself). Symbolic links on the way lead where they lead for somebody whose root the tree is.
    ///
    /// # Errors
    /// Those of openat2(2).
    pub fn parent<'path>(&self, path: &'path [u8]) -> io::Result<(OwnedFd, &'path OsStr)> {
        let slash = path.iter().rposition(|byte| *byte == b'/');
        let (directory, name) = match slash {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&b"."[..], if path.is_empty() { &b"."[..] } else { path }),
        };
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let directory = openat2(&self.root, OsStr::from_bytes(directory), how)?;
        Ok((directory, OsStr::from_bytes(name)))
    }

    /// What the kernel tells of a name; `None` if there is no such name.
    ///
    /// # Errors
    /// Those of openat2(2) and statx(2).
    pub fn find(&self, path: &[u8]) -> io::Result<Option<Statx>> {
        let found = self.parent(path).and_then(|(directory, name)| look_at(directory.as_fd(), name));
        match found {
            Ok(real) => Ok(Some(real)),
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Names of inodes.
pub struct Names(BTreeMap<InodeKey, Vec<Vec<u8>>>);

impl Names {
    /// Those of the inode of a record.
    pub fn of(&self, record: &Record) -> &[Vec<u8>] {
        self.0.get(&record.inode.key()).map_or(&[], Vec::as_slice)
    }
}

/// A name in a directory of the tree.
pub fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}

/// What the kernel tells of a file, not following a symbolic link.
///
/// # Errors
/// Those of statx(2).
pub fn look(path: &Path) -> io::Result<Statx> {
    // SAFETY: AT_FDCWD is always valid.
    look_at(unsafe { BorrowedFd::borrow_raw(libc::AT_FDCWD) }, path.as_os_str())
}

/// The same for a name in a directory.
///
/// # Errors
/// Those of statx(2).
pub fn look_at(directory: BorrowedFd<'_>, name: &OsStr) -> io::Result<Statx> {
    let name = CString::new(name.as_bytes())?;
    let mut real = Statx::new_zeroed();
    let room = (&raw mut real).cast();
    // SAFETY: `name` ends with a NUL and `room` has the size of a struct statx.
    let done =
        unsafe { libc::statx(directory.as_raw_fd(), name.as_ptr(), libc::AT_SYMLINK_NOFOLLOW, STATX_WANTED, room) };
    if done == 0 { Ok(real) } else { Err(io::Error::last_os_error()) }
}

/// Whether a record is about this inode, and not an earlier one of its number.
pub fn is_about(record: &Record, real: &Statx) -> bool {
    let id = real.id();
    record.inode.key() == id.key() && record.inode.birth.zip(id.birth).is_none_or(|(one, other)| one == other)
}

/// What frng shows of this inode to its owner's commands without a lie: what is the caller's own as root's.
pub fn without_lie(real: &Statx) -> Lie {
    let own = |id: u32, ours: u32| if id == ours { 0 } else { id };
    // What stands in for a node would have its type from a lie.
    Lie {
        uid: own(real.uid, nix::unistd::getuid().as_raw()),
        gid: own(real.gid, nix::unistd::getgid().as_raw()),
        mode: real.mode.into(),
        rdev: real.rdev(),
    }
}

/// Whether this may be what stands in for a faked device.
pub fn may_stand_in(real: &Statx) -> bool {
    real.file_type() == S_IFREG && real.size == 0
}

/// The kernel's words for an error.
pub fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_string(),
        None => error.to_string(),
    }
}
