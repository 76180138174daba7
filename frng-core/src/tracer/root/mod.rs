//! Processes with another root: what the kernel is not asked to do, because it would refuse.
//!
//! A process that has called chroot(2) keeps the kernel's root. It gets a filter that stops at every call with a path;
//! the path is resolved here ([`walk`]) in the root it believes to have, and replaced by a name that leads the kernel to
//! the same file: `/proc/DAEMON/fd/N/NAME`, where N is the directory, open here until the call is over. That name is short
//! whatever the path, and nobody can rename a part of it meanwhile.

mod copies;
pub mod emulators;
mod left;
mod looking;
mod maps;
mod mountinfo;
mod mounting;
mod mounts;
mod naming;
mod open;
mod pivoting;
mod program;
mod show;
mod walk;

use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

pub use copies::Copies;
pub use emulators::Emulators;
pub use looking::Path;
pub use mounts::Mounts;
pub use program::{COMM_LEN, Program};
pub use walk::Directory;

use super::lookup;
use super::ptrace;
use super::thread::Thread;
use super::told;
use crate::call::TraceeAddr;
use crate::errno::Errno;
use crate::filter::Late;
use crate::policy::{Last, PATH_MAX, Tracee, reach};
use crate::stat::{S_IFREG, Statx};
use walk::{Found, Process};

/// What a thread has of it. Copied by fork, kept by exec.
#[derive(Clone, Default)]
pub struct Rooted {
    /// The root, if it has another one.
    pub root: Option<Directory>,
    /// What is mounted, for all processes of an invocation or of a mount namespace that is pretended.
    pub mounts: Rc<Mounts>,
    /// The directories below which files are left alone, as the kernel names them.
    pub left: Rc<[Vec<u8>]>,
    /// Its filter stops at every call with a path.
    pub is_filtered: bool,
    /// The program that it executes, if the kernel would name another.
    pub running: Option<Rc<Program>>,
    /// The program that it is about to execute.
    pub starting: Option<Rc<Program>>,
    /// The name that it has to get before its program runs.
    pub comm: Option<[u8; COMM_LEN]>,
}

impl Rooted {
    /// Mounts for itself from now on.
    pub fn take_mounts_apart(&mut self) {
        self.mounts = Rc::new(Mounts::clone(&self.mounts));
    }
}

/// Reads a program as for an exec in another root, and makes of its file one for another ELF interpreter: for fuzzers.
#[cfg(feature = "fuzzing")]
pub fn read_program(file: &OwnedFd, content: &[u8]) {
    let _ = program::interpreter(file);
    let _ = crate::binfmt::cpu(content);
    if let Ok(file) = file.try_clone() {
        let _ = copies::redirect(&file.into(), content.len() as u64, 1);
    }
}

/// Two threads whose agent would have to know the same.
pub fn same_root(one: &Thread, other: &Thread) -> bool {
    let key = |thread: &Thread| thread.rooted.borrow().root.as_ref().map(|root| root.key);
    key(one) == key(other) && one.mount_names() == other.mount_names()
}

impl Thread {
    /// Whether its paths are translated.
    pub fn is_rooted(&self) -> bool {
        self.rooted.borrow().root.is_some()
    }

    /// Where its root is open in this process; only if it has one.
    pub fn root_fd(&self) -> u32 {
        self.rooted.borrow().root.as_ref().map_or(0, |root| root.raw() as u32)
    }

    /// Whether it may be refused something because of a path.
    pub fn is_restricted(&self) -> bool {
        reach::is_restricted(&self.creds.get())
    }

    /// Whether all of its calls with a path are looked at.
    pub fn looks_at_paths(&self) -> bool {
        self.is_rooted() || self.is_restricted()
    }

    /// Makes this thread stop at every call with a path if it is restricted and does not yet, and at writes if those take
    /// set-ID bits. Tells whether it did.
    ///
    /// # Errors
    /// Those of seccomp(2), and of scratch memory.
    pub async fn watch_if_restricted(&self) -> Result<bool, Errno> {
        if !self.is_restricted() || !self.engine.filters() {
            return Ok(false);
        }
        let lacks_paths = !self.rooted.borrow().is_filtered;
        if lacks_paths {
            self.add_filter(Late::Paths, 0).await?;
            self.rooted.borrow_mut().is_filtered = true;
        }
        Ok(self.watch_writes().await? || lacks_paths)
    }

    /// See [`Tracee::stat_inside`].
    pub(super) async fn stat_found(&self, dirfd: i32, path: &[u8], flags: i32) -> Result<Statx, Errno> {
        let last = Last::with_flags(flags);
        let follow = if last == Last::Target { 0 } else { libc::O_NOFOLLOW };
        self.look(Path::new(dirfd, path, last), move |found| open::stat(&found.open(follow)?)).await
    }

    /// See [`Tracee::symlink_text`].
    pub(super) async fn text_found(&self, dirfd: i32, path: &[u8]) -> Result<Vec<u8>, Errno> {
        let text = |found: Found| open::link(found.open(libc::O_NOFOLLOW)?.as_raw_fd(), b"");
        self.look(Path::new(dirfd, path, Last::Link), text).await
    }

    /// `O_PATH` of what exists at a path.
    async fn open_found(&self, path: &[u8], last: Last) -> Result<OwnedFd, Errno> {
        let flags = if last == Last::Target { 0 } else { libc::O_NOFOLLOW };
        self.look(Path::new(libc::AT_FDCWD, path, last), move |found| found.open(flags)).await
    }

    /// A name of what was found, for the kernel. Kept open until the handler ends.
    pub(super) fn host_name(&self, found: &Found) -> Vec<u8> {
        let name = match &found.name[..] {
            b"/" => return b"/".to_vec(),
            b"" => b".",
            name => name,
        };
        let number = found.directory.as_raw_fd();
        self.held.borrow_mut().extend(found.file.iter().chain([&found.directory]).map(Arc::clone));
        [format!("/proc/{}/fd/{number}/", std::process::id()).as_bytes(), name].concat()
    }

    fn put_name(&self, to: TraceeAddr, name: &[u8]) -> Result<(), Errno> {
        if name.len() >= PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        self.write(to, &[name, b"\0"].concat())
    }

    /// See [`Tracee::translate`].
    pub(super) async fn translate_path(&self, path: Path<'_>, to: TraceeAddr) -> Result<bool, Errno> {
        let found = match self.found_near(path) {
            Some(found) => found?,
            None => self.look(path, Ok).await?,
        };
        self.put_name(to, &self.host_name(&found))?;
        Ok(found.is_magic)
    }

    /// See [`Tracee::translate_to_bind`].
    pub(super) async fn translate_lastingly(&self, path: Path<'_>, to: TraceeAddr) -> Result<(), Errno> {
        let found = self.look(path, Ok).await?;
        let place = open::place(&*found.directory)?;
        let name = [&place, &b"/"[..], &found.name].concat();
        self.put_name(to, &name)?;
        self.world.bound.borrow_mut().insert(name, path.path.to_vec());
        Ok(())
    }

    /// See [`Tracee::bound_name`].
    pub(super) fn name_when_bound(&self, place: &[u8]) -> Option<Vec<u8>> {
        self.world.bound.borrow().get(place).cloned().or_else(|| self.seen_place(place))
    }

    /// See [`Tracee::change_root`].
    pub(super) async fn enter_root(&self, path: &[u8], allowed: bool) -> Result<(), Errno> {
        let root = self.look(Path::new(libc::AT_FDCWD, path, Last::Target), |found| {
            let root = Directory::new(found.open(0)?)?;
            open::may_execute(&*root.fd)?;
            Ok(root)
        });
        let root = root.await?;
        if !allowed {
            return Err(Errno::EPERM);
        }
        self.enter(root).await
    }

    /// Gives another root to the process and whoever has its root in common.
    async fn enter(&self, root: Directory) -> Result<(), Errno> {
        let shares = |other: &Rc<Thread>| {
            other.tid == self.tid || ptrace::same_root(self.tid, other.tid).unwrap_or(other.tgid == self.tgid)
        };
        let together: Vec<Rc<Thread>> = {
            let threads = self.world.threads.borrow();
            threads.values().filter_map(|other| other.upgrade()).filter(shares).collect()
        };
        if self.engine.filters() && !self.rooted.borrow().is_filtered {
            self.watch_paths(&together).await?;
        }
        for thread in &together {
            thread.rooted.borrow_mut().root = Some(root.clone());
        }
        for thread in &together {
            told::tell(thread);
        }
        Ok(())
    }

    /// Makes these threads, of which this is one, stop at every call with a path.
    async fn watch_paths(&self, together: &[Rc<Thread>]) -> Result<(), Errno> {
        /// `SECCOMP_FILTER_FLAG_TSYNC` (seccomp(2)).
        const TSYNC: u64 = 1;
        let threads = together.iter().filter(|other| other.tgid == self.tgid).count();
        let flags = if threads > 1 { TSYNC } else { 0 };
        let unsynced = self.add_filter(Late::Paths, flags).await?;
        let all = unsynced == 0;
        if !all {
            // One has a filter that the others lack.
            self.add_filter(Late::Paths, 0).await?;
        }
        for other in together {
            let same = other.tid == self.tid || all && other.tgid == self.tgid;
            if same {
                other.rooted.borrow_mut().is_filtered = true;
            } else {
                self.world.log.error(format_args!(
                    "{}: has its root in common with {}, but its filter cannot be changed: some of its paths will be \
                     outside",
                    other.tid, self.tid
                ));
            }
        }
        Ok(())
    }

    /// See [`Tracee::working_directory`].
    pub(super) fn working_directory_text(&self) -> Result<Vec<u8>, Errno> {
        let directory = looking::start(self.tid, libc::AT_FDCWD)?;
        if open::known(&*directory.fd)?.nlink == 0 {
            return Err(Errno::ENOENT);
        }
        let place = open::place(&*directory.fd)?;
        Ok(match self.seen_place(&place) {
            Some(seen) => seen,
            None => [b"(unreachable)", &place[..]].concat(),
        })
    }

    /// See [`Tracee::link_text`].
    pub(super) async fn magic_text(&self, dirfd: i32, path: &[u8]) -> Result<Vec<u8>, Errno> {
        let found = self.look(Path::new(dirfd, path, Last::Link), Ok).await?;
        let directory = Directory { fd: Arc::clone(&found.directory), key: open::known(&*found.directory)?.id().key() };
        let pid = walk::process_of(&directory);
        if let (b"exe", Some(program)) = (&found.name[..], pid.and_then(|pid| self.program_of(pid))) {
            let place = open::link(program.directory.as_raw_fd(), &program.name)?;
            return Ok(self.seen_place(&place).unwrap_or(place));
        }
        let place = match (&found.name[..], pid.and_then(|pid| self.root_of(pid))) {
            (b"root", Some(root)) => open::place(&*root.fd)?,
            _ => open::link(found.directory.as_raw_fd(), &found.name)?,
        };
        // Of a file without a name or a pipe the text is no path.
        Ok(self.seen_place(&place).unwrap_or(place))
    }

    /// The beginning of a program; see [`Tracee::program_head`].
    pub(super) async fn head_inside(&self, dirfd: i32, path: &[u8], flags: i32, head: &mut [u8]) -> Option<usize> {
        let len = head.len();
        let read = self.with_program(dirfd, path, flags, move |_, file| {
            // Opening a fifo would wait.
            let is_program = open::stat(&file)?.file_type() == S_IFREG && open::may_execute(&file).is_ok();
            if !is_program {
                return Err(Errno::EACCES);
            }
            let mut head = vec![0; len];
            let have = program::read_head(&file, &mut head).map_err(|_| Errno::EIO)?;
            head.truncate(have);
            Ok(head)
        });
        let read = read.await.ok()?;
        head.get_mut(..read.len())?.copy_from_slice(&read);
        Some(read.len())
    }

    /// Whether the kernel's view of paths is not ours.
    pub(super) fn has_foreign_view(&self) -> bool {
        self.view.get() != lookup::View::Same
    }
}
