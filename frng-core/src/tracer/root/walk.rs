//! What a path leads to in another root. The kernel is asked where it can resolve the whole of it there; else one
//! component after the other is looked at, as `fs/namei.c: link_path_walk` does.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use super::mounts::{Mounts, Shown};
use super::open;
use crate::errno::Errno;
use crate::inode::InodeKey;
use crate::policy::resolving::{self, Begin};
use crate::policy::{Last, RESOLVE_CACHED, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV};
use crate::stat::{S_IFDIR, S_IFLNK, Statx};
use crate::tracer::remote::Remote;

/// `MAXSYMLINKS` (`include/linux/namei.h`).
const LINKS_MAX: usize = 40;
/// `PROC_ROOT_INO` (`include/linux/proc_fs.h`).
const PROC_ROOT: u64 = 1;

/// An open directory and which one it is.
#[derive(Clone, Debug)]
pub struct Directory {
    /// `O_PATH`.
    pub fd: Arc<OwnedFd>,
    /// Its inode.
    pub key: InodeKey,
}

impl Directory {
    /// A directory that was just opened.
    pub fn new(fd: OwnedFd) -> Result<Directory, Errno> {
        let stat = open::known(&fd)?;
        if stat.file_type() != S_IFDIR {
            return Err(Errno::ENOTDIR);
        }
        Ok(Directory { fd: Arc::new(fd), key: stat.id().key() })
    }

    /// Its descriptor.
    pub fn raw(&self) -> i32 {
        self.fd.as_raw_fd()
    }
}

/// What a path leads to: a name in a directory, or that itself. The name need not exist.
#[derive(Clone, Debug)]
pub struct Found {
    /// The directory.
    pub directory: Arc<OwnedFd>,
    /// With slashes behind it, if there were some; empty: the directory itself; `/`: the root as a name.
    pub name: Vec<u8>,
    /// It is a link of procfs that tells more than its text.
    pub is_magic: bool,
    /// What has to stay open for that name to lead there.
    pub file: Option<Arc<OwnedFd>>,
}

impl Found {
    fn itself(directory: Directory) -> Found {
        Found { directory: directory.fd, name: Vec::new(), is_magic: false, file: None }
    }

    fn named(directory: &Directory, name: &[u8], trailing: bool) -> Found {
        let mut name = name.to_vec();
        if trailing {
            name.push(b'/');
        }
        Found { directory: Arc::clone(&directory.fd), name, is_magic: false, file: None }
    }

    /// An open file.
    ///
    /// # Errors
    /// Those of procfs.
    pub fn by_descriptor(file: Arc<OwnedFd>) -> Result<Found, Errno> {
        let name = file.as_raw_fd().to_string().into_bytes();
        let own = open::path_only(libc::AT_FDCWD, b"/proc/self/fd", libc::O_DIRECTORY)?;
        Ok(Found { directory: Arc::new(own), name, is_magic: true, file: Some(file) })
    }

    /// `O_PATH` of it, its name followed unless `flags` have `O_NOFOLLOW`.
    pub fn open(&self, flags: i32) -> Result<OwnedFd, Errno> {
        let name = if self.name.is_empty() { b"." } else { &self.name[..] };
        open::path_only(self.directory.as_raw_fd(), name, flags)
    }
}

/// What procfs means to the process whose path it is.
pub trait Process {
    /// What `/proc/self` says.
    fn tgid(&self) -> i32;
    /// The thread.
    fn tid(&self) -> i32;
    /// The root of a traced process.
    fn root_of(&self, pid: i32) -> Option<Directory>;
    /// The program that a traced process executes, if the kernel would name another.
    fn program_of(&self, pid: i32) -> Option<Found>;
}

/// What may be asked.
pub enum Nearness<'r> {
    /// Whatever it takes.
    Any,
    /// What the kernel has cached, and what is not on one of these filesystems.
    Cached(&'r Remote),
}

/// A walk.
pub struct Walk<'a, P> {
    /// The root.
    pub root: &'a Directory,
    /// What is mounted.
    pub mounts: &'a Mounts,
    /// Whose path it is.
    pub process: &'a P,
    /// `RESOLVE_*` that refuse something on the way.
    pub refused: u64,
}

/// A path cut before its last component.
struct Cut<'p> {
    before: &'p [u8],
    name: &'p [u8],
    trailing: bool,
}

fn cut(path: &[u8]) -> Cut<'_> {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
    let trailing = end < path.len();
    let path = &path[..end];
    let begin = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    Cut { before: &path[..begin], name: &path[begin..], trailing }
}

fn is_special(name: &[u8]) -> bool {
    matches!(name, b"" | b"." | b"..")
}

impl<P: Process> Walk<'_, P> {
    /// What a path that is not empty leads to; `start` gives the directory where a relative one begins.
    ///
    /// # Errors
    /// The kernel's for everything but the last component.
    pub fn find(
        &self,
        start: impl FnOnce() -> Result<Directory, Errno>,
        path: &[u8],
        last: Last,
    ) -> Result<Found, Errno> {
        let start = if path.first() == Some(&b'/') { self.root.clone() } else { start()? };
        if let Some(result) = self.ask(&start, path, last, &Nearness::Any) {
            return result;
        }
        self.step_by_step(start, path, last)
    }

    /// Asks the kernel; `None` if it cannot tell, or not without asking what is not near.
    pub fn ask(&self, start: &Directory, path: &[u8], last: Last, near: &Nearness) -> Option<Result<Found, Errno>> {
        if !self.mounts.is_empty() || self.refused != 0 {
            return None;
        }
        let is_absolute = path.first() == Some(&b'/');
        let Cut { before, name, trailing } = cut(path);
        if is_special(name) || !is_absolute && (open::is_in_procfs(&*start.fd) || !self.is_inside(start)) {
            return None;
        }
        let directory = if before.iter().all(|byte| *byte == b'/') {
            if is_absolute && open::is_in_procfs(&*start.fd) {
                return None;
            }
            Arc::clone(&start.fd)
        } else {
            let begin = if is_absolute { Begin::Root } else { Begin::Inside };
            let cached = if matches!(near, Nearness::Any) { 0 } else { RESOLVE_CACHED };
            match open::resolved(start.raw(), before, libc::O_DIRECTORY, resolving::flags(begin, false) | cached) {
                Ok(directory) => Arc::new(directory),
                Err(errno @ (Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES | Errno::ENAMETOOLONG)) => {
                    return Some(Err(errno));
                }
                Err(_) => return None,
            }
        };
        let follows = match last {
            Last::Name => false,
            Last::Link => trailing,
            Last::Target => true,
            Last::Made => !trailing,
        };
        if follows {
            let at = directory.as_raw_fd();
            let stat = match near {
                Nearness::Any => open::stat_at(at, name, libc::AT_SYMLINK_NOFOLLOW),
                Nearness::Cached(remote) if remote.holds_open(at) => return None,
                // What is mounted at the name may be.
                Nearness::Cached(_) => match open::resolved(at, name, libc::O_NOFOLLOW, RESOLVE_NO_XDEV) {
                    Err(Errno::EXDEV) => return None,
                    file => file.and_then(|file| open::known(&file)),
                },
            };
            match stat {
                Ok(stat) if stat.file_type() == S_IFLNK => return None,
                // The kernel tells what is wrong with the name.
                _ => {}
            }
        }
        let mut name = name.to_vec();
        if trailing {
            name.push(b'/');
        }
        Some(Ok(Found { directory, name, is_magic: false, file: None }))
    }

    /// Whether a directory is below the root. From elsewhere a path may get to the root, where `..` ends, unnoticed.
    fn is_inside(&self, directory: &Directory) -> bool {
        directory.key == self.root.key
            || match (open::place(&*self.root.fd), open::place(&*directory.fd)) {
                (Ok(root), Ok(place)) => super::show::inside(&root, &place).is_some(),
                _ => false,
            }
    }

    fn step_by_step(&self, start: Directory, path: &[u8], last: Last) -> Result<Found, Errno> {
        let mut at = start;
        let mut rest = path.to_vec();
        let mut links = 0;
        loop {
            let begin = rest.iter().position(|byte| *byte != b'/').unwrap_or(rest.len());
            let end = rest[begin..].iter().position(|byte| *byte == b'/').map_or(rest.len(), |len| begin + len);
            let next = rest[end..].iter().position(|byte| *byte != b'/').map_or(rest.len(), |len| end + len);
            let (name, trailing, is_last) = (rest[begin..end].to_vec(), end < rest.len(), next == rest.len());
            rest.drain(..next);
            match &name[..] {
                // Nothing can be made or removed there; the kernel says the same of its own root.
                b"" if last == Last::Name => return Ok(Found::named(&at, b"/", false)),
                b"" => return Ok(Found::itself(at)),
                b"." | b".." if is_last && last == Last::Name => return Ok(Found::named(&at, &name, trailing)),
                // Only names can be made; the kernel says so.
                b"." | b".." if is_last && last == Last::Made => return Ok(Found::named(&at, b".", trailing)),
                b"." => {
                    if is_last {
                        return Ok(Found::itself(at));
                    }
                    continue;
                }
                b".." => {
                    at = self.parent(at)?;
                    if is_last {
                        return Ok(Found::itself(at));
                    }
                    continue;
                }
                _ => {}
            }
            if is_last && (last == Last::Name || last == Last::Made && trailing) {
                return Ok(Found::named(&at, &name, trailing));
            }
            let file = match open::path_only(at.raw(), &name, libc::O_NOFOLLOW) {
                Ok(file) => file,
                // The kernel says what is wrong with the last one.
                Err(_) if is_last => return Ok(Found::named(&at, &name, trailing)),
                Err(errno) => return Err(errno),
            };
            let stat = open::stat(&file)?;
            if stat.file_type() == S_IFLNK {
                if is_last && last == Last::Link && !trailing {
                    let is_magic = self.is_magic(&at, &name);
                    return Ok(Found { is_magic, ..Found::named(&at, &name, false) });
                }
                links += 1;
                if links > LINKS_MAX || self.refuses(RESOLVE_NO_SYMLINKS) {
                    return Err(Errno::ELOOP);
                }
                match self.link(&at, &name, &file, is_last && !trailing)? {
                    Link::Text(text) => {
                        if text.is_empty() {
                            return Err(Errno::ENOENT);
                        }
                        if text[0] == b'/' {
                            self.leave(&at, self.root)?;
                            at = self.root.clone();
                        }
                        let slash: &[u8] = if trailing { b"/" } else { b"" };
                        rest = [&text, slash, &rest].concat();
                    }
                    Link::Directory(directory) => {
                        self.leave(&at, &directory)?;
                        if is_last {
                            return Ok(Found::itself(directory));
                        }
                        at = directory;
                    }
                    Link::File(found) => {
                        if self.refuses(RESOLVE_NO_XDEV) {
                            self.jump(&at, &found.open(0)?)?;
                        }
                        return Ok(found);
                    }
                }
                continue;
            }
            self.jump(&at, &file)?;
            if let Some(shown) = self.mounts.at(&stat.id().key()) {
                if self.refuses(RESOLVE_NO_XDEV) {
                    return Err(Errno::EXDEV);
                }
                match shown {
                    Shown::Directory(directory) if is_last => return Ok(Found::itself(directory)),
                    Shown::Directory(directory) => {
                        at = directory;
                        continue;
                    }
                    Shown::File(found) if is_last => {
                        return Ok(Found::named_in(found, trailing));
                    }
                    Shown::File(_) => return Err(Errno::ENOTDIR),
                }
            }
            if is_last {
                return Ok(self.terminals(&at, &name, &stat).unwrap_or_else(|| Found::named(&at, &name, trailing)));
            }
            at = directory(file, &stat)?;
        }
    }

    fn refuses(&self, flag: u64) -> bool {
        self.refused & flag != 0
    }

    /// Goes from a directory to what is open, by a name or by a link.
    ///
    /// # Errors
    /// `EXDEV` if that crosses mounts and must not.
    fn jump(&self, from: &Directory, to: &impl AsRawFd) -> Result<(), Errno> {
        if self.refuses(RESOLVE_NO_XDEV) && open::mount_id(&*from.fd)? != open::mount_id(to)? {
            return Err(Errno::EXDEV);
        }
        Ok(())
    }

    /// Goes to a directory that may be anywhere.
    ///
    /// # Errors
    /// `EXDEV` if that is in another mount and must not be.
    fn leave(&self, from: &Directory, to: &Directory) -> Result<(), Errno> {
        if self.refuses(RESOLVE_NO_XDEV) && self.mount_of(from)? != self.mount_of(to)? {
            return Err(Errno::EXDEV);
        }
        Ok(())
    }

    /// Which mount a directory is in: where what is shown by it begins, or the root, and the kernel's number.
    pub fn mount_of(&self, directory: &Directory) -> Result<(InodeKey, u64), Errno> {
        let begins = |at: &Directory| at.key == self.root.key || self.mounts.shows(&at.key);
        Ok((self.above(directory, begins)?.key, open::mount_id(&*directory.fd)?))
    }

    /// Whether a directory is another one or below it.
    pub fn is_below(&self, directory: &Directory, other: &InodeKey) -> Result<bool, Errno> {
        let end = self.above(directory, |at| at.key == self.root.key || at.key == *other)?;
        Ok(end.key == *other)
    }

    /// The first one, from a directory on upwards, of which that holds; at last the root, or the host's.
    fn above(&self, directory: &Directory, holds: impl Fn(&Directory) -> bool) -> Result<Directory, Errno> {
        let mut at = directory.clone();
        while !holds(&at) {
            let parent = self.parent(at.clone())?;
            if parent.key == at.key {
                break;
            }
            at = parent;
        }
        Ok(at)
    }

    /// What the host's devpts has nobody open (its `ptmxmode` is 0) the one that was asked for lets everybody open: the same
    /// by its other name.
    fn terminals(&self, at: &Directory, name: &[u8], stat: &Statx) -> Option<Found> {
        const EVERYBODY: u16 = 0o006;
        if name != b"ptmx" || stat.mode & EVERYBODY == EVERYBODY || !open::is_in_devpts(&*at.fd) {
            return None;
        }
        let dev = Directory::new(open::path_only(libc::AT_FDCWD, b"/dev", libc::O_DIRECTORY).ok()?).ok()?;
        Some(Found::named(&dev, name, false))
    }

    /// `..` of a directory.
    fn parent(&self, mut at: Directory) -> Result<Directory, Errno> {
        loop {
            if at.key == self.root.key {
                return Ok(at);
            }
            if self.refuses(RESOLVE_NO_XDEV) && self.mounts.is_point(&at.key) {
                return Err(Errno::EXDEV);
            }
            match self.mounts.point_of(&at.key) {
                Some(point) => at = point,
                None => break,
            }
        }
        let parent = Directory::new(open::path_only(at.raw(), b"..", libc::O_DIRECTORY)?)?;
        self.jump(&at, &parent.fd)?;
        Ok(parent)
    }

    /// Whether a link of procfs leads elsewhere than its text says.
    fn is_magic(&self, at: &Directory, name: &[u8]) -> bool {
        at.key.ino != PROC_ROOT
            && open::is_in_procfs(&*at.fd)
            && open::resolved(at.raw(), name, 0, RESOLVE_NO_MAGICLINKS).err() == Some(Errno::ELOOP)
    }

    /// Where a symbolic link leads.
    fn link(&self, at: &Directory, name: &[u8], link: &OwnedFd, is_last: bool) -> Result<Link, Errno> {
        if !open::is_in_procfs(link) {
            return Ok(Link::Text(open::link(link.as_raw_fd(), b"")?));
        }
        if at.key.ino == PROC_ROOT {
            return Ok(Link::Text(match name {
                b"self" => self.process.tgid().to_string().into_bytes(),
                b"thread-self" => format!("{}/task/{}", self.process.tgid(), self.process.tid()).into_bytes(),
                _ => open::link(link.as_raw_fd(), b"")?,
            }));
        }
        if !self.is_magic(at, name) {
            return Ok(Link::Text(open::link(link.as_raw_fd(), b"")?));
        }
        if self.refuses(RESOLVE_NO_MAGICLINKS) {
            return Err(Errno::ELOOP);
        }
        let pid = if matches!(name, b"root" | b"exe") { process_of(at) } else { None };
        if let (b"root", Some(root)) = (name, pid.and_then(|pid| self.process.root_of(pid))) {
            return Ok(Link::Directory(root));
        }
        if let (b"exe", true, Some(program)) = (name, is_last, pid.and_then(|pid| self.process.program_of(pid))) {
            return Ok(Link::File(program));
        }
        if is_last {
            return Ok(Link::File(Found { is_magic: true, ..Found::named(at, name, false) }));
        }
        Ok(Link::Directory(Directory::new(open::path_only(at.raw(), name, libc::O_DIRECTORY)?)?))
    }
}

impl Found {
    /// The same with a slash behind it.
    fn named_in(mut found: Found, trailing: bool) -> Found {
        if trailing {
            found.name.push(b'/');
        }
        found
    }
}

/// Where a symbolic link leads.
enum Link {
    Text(Vec<u8>),
    Directory(Directory),
    File(Found),
}

fn directory(file: OwnedFd, stat: &Statx) -> Result<Directory, Errno> {
    if stat.file_type() != S_IFDIR {
        return Err(Errno::ENOTDIR);
    }
    Ok(Directory { fd: Arc::new(file), key: stat.id().key() })
}

/// The process whose directory in procfs this is: `/proc/PID` or `/proc/PID/task/TID`.
pub fn process_of(directory: &Directory) -> Option<i32> {
    let place = open::place(&*directory.fd).ok()?;
    std::str::from_utf8(place.rsplit(|byte| *byte == b'/').next()?).ok()?.parse().ok()
}
