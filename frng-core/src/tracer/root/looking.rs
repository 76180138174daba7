//! Looking up what a path leads to: here, or on a thread of its own if a filesystem may keep whoever looks waiting.

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use super::mounts::Mounts;
use super::open;
use super::walk::{Directory, Found, Nearness, Process, Walk};
use crate::errno::Errno;
use crate::policy::Last;
use crate::tracer::lookup::{is_remote, link_to};
use crate::tracer::thread::Thread;

/// A path and what is wanted of it.
#[derive(Clone, Copy)]
pub struct Path<'p> {
    /// Where it begins, if it is relative.
    pub dirfd: i32,
    /// Not empty.
    pub path: &'p [u8],
    /// What is done with its last component.
    pub last: Last,
    /// `RESOLVE_*` of openat2(2) that refuse something on the way.
    pub refused: u64,
}

impl<'p> Path<'p> {
    /// One on which nothing is refused.
    pub fn new(dirfd: i32, path: &'p [u8], last: Last) -> Path<'p> {
        Path { dirfd, path, last, refused: 0 }
    }
}

/// What procfs means to a process, to be taken along to another thread.
struct ProcfsSnapshot {
    tgid: i32,
    tid: i32,
    roots: Vec<(i32, Directory)>,
    programs: Vec<(i32, Arc<OwnedFd>)>,
}

impl ProcfsSnapshot {
    fn of(thread: &Thread) -> ProcfsSnapshot {
        let mut known = ProcfsSnapshot { tgid: thread.tgid, tid: thread.tid, roots: Vec::new(), programs: Vec::new() };
        for other in thread.world.threads.borrow().values().filter_map(|other| other.upgrade()) {
            let rooted = other.rooted.borrow();
            known.roots.extend(rooted.root.clone().map(|root| (other.tid, root)));
            known.programs.extend(rooted.running.as_ref().map(|program| (other.tid, Arc::clone(&program.file))));
        }
        known
    }
}

impl Process for ProcfsSnapshot {
    fn tgid(&self) -> i32 {
        self.tgid
    }

    fn tid(&self) -> i32 {
        self.tid
    }

    fn root_of(&self, pid: i32) -> Option<Directory> {
        self.roots.iter().find(|(tid, _)| *tid == pid).map(|(_, root)| root.clone())
    }

    fn program_of(&self, pid: i32) -> Option<Found> {
        let (_, file) = self.programs.iter().find(|(tid, _)| *tid == pid)?;
        Found::by_descriptor(Arc::clone(file)).ok()
    }
}

impl Process for Thread {
    fn tgid(&self) -> i32 {
        self.tgid
    }

    fn tid(&self) -> i32 {
        self.tid
    }

    fn root_of(&self, pid: i32) -> Option<Directory> {
        let other = self.world.threads.borrow().get(&pid)?.upgrade()?;
        other.rooted.borrow().root.clone()
    }

    fn program_of(&self, pid: i32) -> Option<Found> {
        let other = self.world.threads.borrow().get(&pid)?.upgrade()?;
        let file = Arc::clone(&other.rooted.borrow().running.as_ref()?.file);
        Found::by_descriptor(file).ok()
    }
}

impl Thread {
    /// What a path leads to in the root of this thread or, without one, in ours; and what comes of that. `then` must not need this
    /// thread: where a filesystem may keep it waiting another one looks.
    ///
    /// # Errors
    /// Those of looking it up, and those of `then`.
    pub(in crate::tracer) async fn look<R: Send + 'static>(
        &self,
        path: Path<'_>,
        then: impl FnOnce(Found) -> Result<R, Errno> + Send + 'static,
    ) -> Result<R, Errno> {
        if !self.may_wait_for(path.dirfd, path.path) {
            return then(self.found(path)?);
        }
        let (known, root, mounts) =
            (ProcfsSnapshot::of(self), self.root()?, Mounts::clone(&self.rooted.borrow().mounts));
        let Path { dirfd, path, last, refused } = path;
        let path = path.to_vec();
        self.elsewhere(move || {
            let walk = Walk { root: &root, mounts: &mounts, process: &known, refused };
            then(walk.find(|| start(known.tid, dirfd), &path, last)?)
        })
        .await?
    }

    /// What a path leads to, where a filesystem might keep waiting who looks it up but need not be asked. `None`: it may have to be, or
    /// there is none.
    pub(super) fn found_near(&self, Path { dirfd, path, last, refused }: Path<'_>) -> Option<Result<Found, Errno>> {
        let remote = &self.world.remote;
        if !remote.exists() {
            return None;
        }
        let root = self.root().ok()?;
        let begin = if path.first() == Some(&b'/') {
            root.clone()
        } else {
            let link = link_to(self.tid, dirfd)?;
            if is_remote(self, &link) {
                return None;
            }
            start(self.tid, dirfd).ok()?
        };
        if remote.holds_open(root.raw()) {
            return None;
        }
        let mounts = Rc::clone(&self.rooted.borrow().mounts);
        let walk = Walk { root: &root, mounts: &mounts, process: self, refused };
        walk.ask(&begin, path, last, &Nearness::Cached(remote))
    }

    /// What a path leads to, however long it takes everybody.
    pub(super) fn find(&self, dirfd: i32, path: &[u8], last: Last) -> Result<Found, Errno> {
        self.found(Path::new(dirfd, path, last))
    }

    fn found(&self, Path { dirfd, path, last, refused }: Path<'_>) -> Result<Found, Errno> {
        let mounts = Rc::clone(&self.rooted.borrow().mounts);
        let root = self.root()?;
        let walk = Walk { root: &root, mounts: &mounts, process: self, refused };
        walk.find(|| start(self.tid, dirfd), path, last)
    }

    /// The root that it believes to have.
    pub(super) fn root(&self) -> Result<Directory, Errno> {
        match &self.rooted.borrow().root {
            Some(root) => Ok(root.clone()),
            None => Directory::new(open::path_only(libc::AT_FDCWD, b"/", libc::O_DIRECTORY)?),
        }
    }

    /// Whether a filesystem may keep waiting who looks a path up: one that the root, what is mounted there or the directory where
    /// it begins is on, or that is mounted below. Links of procfs may lead elsewhere.
    pub(super) fn may_wait_for(&self, dirfd: i32, path: &[u8]) -> bool {
        let remote = &self.world.remote;
        if !remote.exists() {
            return false;
        }
        let rooted = self.rooted.borrow();
        let root = rooted.root.as_ref().map_or_else(|| Ok(b"/".to_vec()), |root| open::place(&*root.fd));
        let start = (path.first() != Some(&b'/')).then(|| link_to(self.tid, dirfd)).flatten();
        let start = start.map(|link| open::link(libc::AT_FDCWD, link.as_bytes()));
        // Where it cannot be told nobody knows how long it takes.
        let reaches = |place: Result<Vec<u8>, Errno>| place.map_or(true, |place| remote.is_within_reach(&place));
        reaches(root) || start.is_some_and(reaches) || rooted.mounts.places().into_iter().any(reaches)
    }
}

/// The directory where a relative path of a thread begins.
pub(super) fn start(tid: i32, dirfd: i32) -> Result<Directory, Errno> {
    let link = link_to(tid, dirfd).ok_or(Errno::EBADF)?;
    let opened = open::path_only(libc::AT_FDCWD, link.as_bytes(), 0);
    let opened = opened.map_err(|errno| if errno == Errno::ENOENT { Errno::EBADF } else { errno })?;
    Directory::new(opened)
}
