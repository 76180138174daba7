//! Programs to be executed in another root.
//!
//! A static program is executed by a name that the kernel understands. One with an ELF interpreter would get the host's,
//! so a copy of it is executed whose header names the one inside ([`super::copies`]): the kernel then loads both as
//! always, and nothing else of the program is different. What a copy gives away is told otherwise: `/proc/self/exe` by
//! translation, `AT_EXECFN` and the name of the thread after the exec.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::sync::Arc;

use goblin::elf::program_header::PT_INTERP;
use goblin::elf::{Elf, header};

use super::copies::Copy;
use super::walk::Found;
use super::{Path, naming, open};
use crate::call::{Sys, TraceeAddr};
use crate::errno::Errno;
use crate::policy::{Last, PATH_MAX, Tracee};
use crate::stat::{S_IFLNK, S_IFREG, Statx};
use crate::tracer::thread::Thread;

/// Bytes of a thread's name (`TASK_COMM_LEN`), with its terminator.
pub const COMM_LEN: usize = 16;

/// A program that is executed in another root.
pub struct Program {
    /// What the kernel tells of its file.
    pub stat: Statx,
    /// Its file, which may have lost or changed its name since.
    pub file: Arc<OwnedFd>,
    /// The name it was executed by.
    pub called: Vec<u8>,
    /// The name that its thread has to get, terminated.
    pub comm: Option<[u8; COMM_LEN]>,
    /// What is executed in its place.
    pub(super) copy: Option<Rc<Copy>>,
}

/// What is behind the last slash.
fn base(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// Reads the first bytes of a file that is open by its path only.
pub fn read_head(file: &OwnedFd, head: &mut [u8]) -> io::Result<usize> {
    let file = readable(file)?;
    let mut have = 0;
    while have < head.len() {
        match file.read_at(&mut head[have..], have as u64)? {
            0 => break,
            got => have += got,
        }
    }
    Ok(have)
}

fn readable(file: &OwnedFd) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// The interpreter that an ELF file names.
pub(super) fn interpreter(file: &OwnedFd) -> Option<Vec<u8>> {
    let file = readable(file).ok()?;
    let mut begin = [0; header::header64::SIZEOF_EHDR];
    file.read_exact_at(&mut begin, 0).ok()?;
    let elf = Elf::parse_header(&begin).ok()?;
    let mut bytes = vec![0; super::copies::end_of_headers(&elf)?];
    file.read_exact_at(&mut bytes, 0).ok()?;
    let headers = super::copies::program_headers(&elf, &bytes)?;
    let header = headers.iter().find(|header| header.p_type == PT_INTERP)?;
    if !(2..=PATH_MAX as u64).contains(&header.p_filesz) {
        return None;
    }
    let mut name = vec![0; header.p_filesz as usize];
    file.read_exact_at(&mut name, header.p_offset).ok()?;
    let end = name.iter().position(|byte| *byte == 0)?;
    name.truncate(end);
    Some(name)
}

impl Thread {
    /// What a program's name leads to, with `O_PATH` of its file, and what comes of that; see [`Thread::look`].
    ///
    /// # Errors
    /// The same.
    pub(super) async fn with_program<R: Send + 'static>(
        &self,
        dirfd: i32,
        path: &[u8],
        flags: i32,
        then: impl FnOnce(Found, OwnedFd) -> Result<R, Errno> + Send + 'static,
    ) -> Result<R, Errno> {
        if path.is_empty() {
            let link = format!("/proc/{}/fd/{dirfd}", self.tid);
            let open = move || {
                let file = open::path_only(libc::AT_FDCWD, link.as_bytes(), 0).map_err(|_| Errno::EBADF)?;
                let found = Found::by_descriptor(Arc::new(file))?;
                let file = found.open(0)?;
                then(found, file)
            };
            return if self.may_wait_for(dirfd, path) { self.elsewhere(open).await? } else { open() };
        }
        let open = move |found: Found| {
            let nofollow = if found.is_magic { 0 } else { libc::O_NOFOLLOW };
            let file = found.open(nofollow)?;
            then(found, file)
        };
        self.look(Path::new(dirfd, path, Last::with_flags(flags)), open).await
    }

    /// See [`crate::policy::Tracee::prepare_program`].
    pub(in crate::tracer) async fn prepare_inside(
        &self,
        dirfd: i32,
        path: &[u8],
        flags: i32,
        called: &[u8],
        emulator: Option<&[u8]>,
        to: TraceeAddr,
    ) -> Result<(), Errno> {
        let emulated = emulator.is_some();
        let program = self.with_program(dirfd, path, flags, move |found, file| {
            let stat = open::stat(&file)?;
            match stat.file_type() {
                S_IFREG => {}
                S_IFLNK => return Err(Errno::ELOOP),
                _ => return Err(Errno::EACCES),
            }
            open::may_execute(&file)?;
            let interpreter = if emulated { None } else { interpreter(&file) };
            Ok((found, file, stat, interpreter))
        });
        let (found, file, stat, interpreter) = program.await?;
        let file = Arc::new(file);
        let copy = match interpreter {
            None => None,
            Some(name) => {
                let interpreter = self.look(Path::new(libc::AT_FDCWD, &name, Last::Target), |found| {
                    let interpreter = found.open(libc::O_NOFOLLOW)?;
                    open::may_execute(&interpreter)?;
                    Ok((open::stat(&interpreter)?, interpreter))
                });
                Some(self.copy_of((&stat, &file), interpreter.await?).await?)
            }
        };
        let name = match (emulator, &copy) {
            (Some(emulator), _) => emulator.to_vec(),
            (None, Some(copy)) => copy.name(),
            (None, None) => self.host_name(&found),
        };
        let place = if path.is_empty() && naming::is_by_file() { open::place(&*file)? } else { Vec::new() };
        let comm = if place.is_empty() { base(called) } else { base(&place) };
        let is_named = base(&name) == comm;
        let program = Program { stat, file, called: called.to_vec(), comm: (!is_named).then(|| comm_of(comm)), copy };
        self.put_name(to, &padded(&name, called.len()))?;
        self.rooted.borrow_mut().starting = Some(Rc::new(program));
        Ok(())
    }
}

impl Thread {
    /// A program has been executed: which one, if it is in another root.
    pub fn start_program(&self) -> Option<Rc<Program>> {
        let mut rooted = self.rooted.borrow_mut();
        let started = rooted.starting.take();
        rooted.comm = started.as_ref().and_then(|program| program.comm);
        rooted.running = started.clone();
        started
    }

    /// Whether the thread lacks the name that its program gives it.
    pub fn is_misnamed(&self) -> bool {
        self.rooted.borrow().comm.is_some()
    }

    /// Gives the thread that name.
    pub async fn take_name(&self) -> Result<(), Errno> {
        let Some(comm) = self.rooted.borrow_mut().comm.take() else { return Ok(()) };
        let at = self.scratch()?;
        self.write(at, &comm)?;
        self.syscall(Sys::Prctl, [libc::PR_SET_NAME as u64, at.0, 0, 0, 0, 0]).await.map(|_| ())
    }
}

impl Program {
    /// The real `security.capability` of its file: its length in bytes, and the bytes in `value`.
    pub fn capability(&self, value: &mut [u8]) -> Option<usize> {
        let path = std::ffi::CString::new(format!("/proc/self/fd/{}", self.file.as_raw_fd())).ok()?;
        let name = c"security.capability";
        // SAFETY: both names are terminated strings and `value` has the length given.
        let len = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
        usize::try_from(len).ok()
    }
}

/// A thread's name, cut and terminated.
fn comm_of(name: &[u8]) -> [u8; COMM_LEN] {
    let mut comm = [0; COMM_LEN];
    for (to, from) in comm.iter_mut().zip(name.iter().take(COMM_LEN - 1)) {
        *to = *from;
    }
    comm
}

/// The same path at least so long: what is told to the program takes its place.
fn padded(path: &[u8], len: usize) -> Vec<u8> {
    let mut padded = vec![b'/'; len.saturating_sub(path.len())];
    padded.extend_from_slice(path);
    padded
}
