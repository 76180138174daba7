//! What a handler can ask of the engine it runs in.

use crate::arch::Abi;
use crate::call::{Call, FileRef, Sys, TraceeAddr};
use crate::creds::Creds;
use crate::errno::Errno;
use crate::lie::LieTable;
use crate::policy::Schedule;
use crate::stat::Statx;

/// How a handler ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The program's own call runs as it was made, untouched (also if the handler has issued others before).
    Pass,
    /// The program's call is not made (any more); this is its result.
    Value(u64),
}

/// How a handler ends; an error becomes the call's errno.
pub type Outcome = Result<Answer, Errno>;

/// Owner and group shown for files without a lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownOwner {
    /// What is the caller's own is shown as root's, the rest as it is.
    #[default]
    OwnAsRoot,
    /// Everything is shown as root's.
    AllAsRoot,
    /// Everything is shown as it is.
    AsItIs,
}

/// For which directories statx and newfstatat take a null pointer as an empty path, with `AT_EMPTY_PATH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullPaths {
    /// None.
    Refused,
    /// Descriptors (Linux 6.11).
    OfDescriptors,
    /// `AT_FDCWD`, too, on later kernels.
    Taken,
}

impl NullPaths {
    /// Whether a null pointer is no fault with this directory.
    pub fn takes(self, dirfd: i32) -> bool {
        match self {
            Self::Refused => false,
            Self::OfDescriptors => dirfd >= 0,
            Self::Taken => true,
        }
    }
}

/// What is the same for all tracees of an invocation.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Rule for files without a lie.
    pub unknown: UnknownOwner,
    /// The user everything really runs as.
    pub real_uid: u32,
    /// The group everything really runs as.
    pub real_gid: u32,
    /// The kernel's last capability.
    pub last_cap: u32,
    /// What this kernel does with null pointers as paths.
    pub null_paths: NullPaths,
}

/// What is faked of a process as a whole: shared by its threads, copied by fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// umask(2).
    pub umask: u32,
    /// prctl(PR_SET_DUMPABLE), as the program set it. The real one stays 1: without it the kernel forbids
    /// the tracer to read the tracee's memory.
    pub dumpable: u32,
}

/// A thread that has issued a call, as its handler sees it: the kernel in its name, its memory, its faked
/// credentials, and the lies.
///
/// Futures need no `Send`: an engine polls all of them on one thread.
#[allow(async_fn_in_trait)]
pub trait Tracee {
    /// The engine's table of lies.
    type Lies: LieTable + ?Sized;

    /// The calling convention of the call.
    fn abi(&self) -> &dyn Abi;

    /// The lies.
    fn lies(&self) -> &Self::Lies;

    /// The invocation's settings.
    fn settings(&self) -> &Settings;

    /// Faked credentials of this thread.
    fn creds(&self) -> Creds;

    /// Faked credentials of another thread, or of this one, by the id that this one knows it by. `None` if it is
    /// not traced, or if the engine cannot tell.
    fn creds_of(&self, _tid: i32) -> Option<Creds> {
        None
    }

    /// Changes the faked credentials of this thread.
    fn set_creds(&self, creds: Creds);

    /// Number of supplementary groups.
    fn group_count(&self) -> usize;

    /// A supplementary group; they are kept sorted, as the kernel does.
    fn group(&self, index: usize) -> Option<u32>;

    /// Replaces the supplementary groups by `count` ids that `id` gives by index. If `id` fails nothing changes.
    fn set_groups(&self, count: usize, id: &mut dyn FnMut(usize) -> Result<u32, Errno>) -> Result<(), Errno>;

    /// What is faked of the process.
    fn process(&self) -> Process;

    /// Changes what is faked of the process.
    fn set_process(&self, process: Process);

    /// What is pretended of the scheduling of another thread, or of this one, by the id that this one knows it by; 0 is
    /// this one. `None` if it is not traced, or if the engine cannot tell.
    fn schedule(&self, tid: i32) -> Option<Schedule>;

    /// Changes what is pretended of the scheduling of a thread for which [`Tracee::schedule`] has an answer.
    fn set_schedule(&self, tid: i32, schedule: Schedule);

    /// Issues a call in the tracee's name. The first one of a handler takes the place of the program's own
    /// call (so it may block and be interrupted like it); the others must not block.
    ///
    /// # Errors
    /// The kernel's; restart codes included, which are to be passed on.
    async fn syscall(&self, sys: Sys, args: [u64; 6]) -> Result<u64, Errno>;

    /// `statx(2)` with everything the policy needs (`STATX_WANTED`) of a file as the tracee names it.
    /// `file.flags` may have `AT_SYMLINK_NOFOLLOW`, `AT_EMPTY_PATH`, `AT_NO_AUTOMOUNT` and `AT_STATX_*`.
    ///
    /// Its own call, because an engine may know a way without a stop.
    async fn stat(&self, file: FileRef) -> Result<Statx, Errno>;

    /// The `O_*` flags of an open descriptor, as `fcntl(F_GETFL)` tells them.
    ///
    /// Its own call, because an engine may know a way without a stop (`/proc/PID/fdinfo`).
    ///
    /// # Errors
    /// `EBADF`.
    async fn descriptor_flags(&self, fd: i32) -> Result<u32, Errno> {
        self.syscall(Sys::Fcntl, [fd as u64, libc::F_GETFL as u64, 0, 0, 0, 0]).await.map(|flags| flags as u32)
    }

    /// The first bytes of a regular file that somebody may execute, without any call in the tracee's name; returns how
    /// many. `None` if it is none, or if the engine cannot tell. The path is as in a call with these `AT_*` flags.
    fn program_head(&self, _dirfd: i32, _path: &[u8], _flags: i32, _head: &mut [u8]) -> Option<usize> {
        None
    }

    /// Whether the kernel would run a program of this `AUDIT_ARCH_*` although the engine could not fool it; if so, says it
    /// to the user.
    fn refuses_program(&self, _path: &[u8], _audit_arch: u32) -> bool {
        false
    }

    /// The process may see other mounts or another root from now on.
    fn paths_changed(&self);

    /// Copies the tracee's memory; all or `EFAULT`.
    fn read(&self, from: TraceeAddr, to: &mut [u8]) -> Result<(), Errno>;

    /// Copies as much as is readable, at least one byte, and returns how much.
    fn read_some(&self, from: TraceeAddr, to: &mut [u8]) -> Result<usize, Errno>;

    /// Writes the tracee's memory; all or `EFAULT`.
    fn write(&self, to: TraceeAddr, from: &[u8]) -> Result<(), Errno>;

    /// Memory in the tracee that belongs to this handler until it ends, [`SCRATCH_LEN`] bytes, for
    /// [`Tracee::read`], [`Tracee::write`] and the kernel. [`Tracee::stat`] does not use it.
    ///
    /// # Errors
    /// `ENOMEM`.
    fn scratch(&self) -> Result<TraceeAddr, Errno>;

    /// An empty string in the tracee, for `AT_EMPTY_PATH`.
    fn empty_path(&self) -> TraceeAddr;
}

/// Bytes of [`Tracee::scratch`]: a path, an xattr name and some structures; a larger value has to live in the
/// program's own memory.
pub const SCRATCH_LEN: usize = 3 * 4096;

/// `PATH_MAX`: bytes of a path with its terminator.
pub const PATH_MAX: usize = 4096;

/// Conveniences over the primitives; the same for every engine.
#[allow(async_fn_in_trait)]
pub trait TraceeExt: Tracee {
    /// Lets the program's call, perhaps with other arguments, run now and returns its result.
    async fn run(&self, call: &Call) -> Result<u64, Errno> {
        self.syscall(call.sys, call.args).await
    }

    /// Dirfd and path argument words for a call of the `*at` family, and its `AT_*` flags.
    fn at(&self, file: FileRef) -> (u64, u64) {
        let path = if file.is_descriptor() { self.empty_path() } else { file.path };
        (file.dirfd as u64, path.0)
    }

    /// Reads a path or name with its terminator taken off.
    ///
    /// # Errors
    /// `EFAULT`; `ENAMETOOLONG` if no terminator is within `buf`.
    fn read_cstr<'b>(&self, from: TraceeAddr, buf: &'b mut [u8]) -> Result<&'b [u8], Errno> {
        let mut have = 0;
        loop {
            let start = have;
            let room = buf.get_mut(start..).ok_or(Errno::ENAMETOOLONG)?;
            if room.is_empty() {
                return Err(Errno::ENAMETOOLONG);
            }
            // Small steps first: most paths are short.
            let want = room.len().min(256);
            let got = self.read_some(from.add(start as u64), room.get_mut(..want).ok_or(Errno::EFAULT)?)?;
            have += got;
            let new = buf.get(start..have).ok_or(Errno::EFAULT)?;
            if let Some(end) = new.iter().position(|byte| *byte == 0) {
                return buf.get(..start + end).ok_or(Errno::EFAULT);
            }
        }
    }

    /// Reads a pointer or a `long` in the width of the ABI.
    ///
    /// # Errors
    /// `EFAULT`.
    fn read_word(&self, from: TraceeAddr) -> Result<u64, Errno> {
        if self.abi().word_len() == 8 {
            let mut word = [0; 8];
            self.read(from, &mut word)?;
            Ok(u64::from_ne_bytes(word))
        } else {
            let mut word = [0; 4];
            self.read(from, &mut word)?;
            Ok(u32::from_ne_bytes(word).into())
        }
    }

    /// Whether a group is the thread's filesystem group or one of its supplementary groups (`in_group_p`).
    fn in_group(&self, gid: u32) -> bool {
        self.creds().gid.fs == gid || (0..self.group_count()).any(|index| self.group(index) == Some(gid))
    }
}

impl<T: Tracee + ?Sized> TraceeExt for T {}
