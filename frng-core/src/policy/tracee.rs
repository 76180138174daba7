//! What a handler can ask of the engine it runs in.

use crate::arch::Abi;
use crate::call::{Call, FileRef, Sys, TraceeAddr};
use crate::creds::Creds;
use crate::errno::Errno;
use crate::inode::InodeKey;
use crate::lie::LieTable;
use crate::policy::{Others, Schedule, parent};
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

/// protected_regular and protected_fifos (proc_sys_fs(5)): 0, 1 or 2. protected_symlinks: 0 or 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Protected {
    /// Of regular files.
    pub regular: u32,
    /// Of FIFOs.
    pub fifos: u32,
    /// Of symbolic links.
    pub symlinks: u32,
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
    /// Links to files of others are refused (protected_hardlinks, proc_sys_fs(5)).
    pub protected_hardlinks: bool,
    /// What of others' files in sticky directories may be opened with `O_CREAT`, and what of their links followed.
    pub protected: Protected,
    /// The device of procfs, as [`crate::stat::make_dev`] has it; 0 if it is not known.
    pub proc_device: u64,
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

    /// What a log wants to know of an inode; nobody else does.
    fn note(&self, _note: &super::Note<'_>) {}

    /// The invocation's settings.
    fn settings(&self) -> &Settings;

    /// Faked credentials of this thread.
    fn creds(&self) -> Creds;

    /// Faked credentials of another thread, or of this one, by the id that this one knows it by. `None` if it is
    /// not traced, or if the engine cannot tell.
    fn creds_of(&self, _tid: i32) -> Option<Creds> {
        None
    }

    /// What the engine knows of other tracees; `None` if it knows none.
    fn others(&self) -> Option<&dyn Others> {
        None
    }

    /// Whether the engine knows other tracees. One that does not leaves the call to one that does: what a handler
    /// returns that has asked does not matter then.
    fn knows_others(&self) -> bool {
        true
    }

    /// Makes a copy of what an open file of procfs tells, with what is faked of the thread it is about, and puts a path
    /// by which the tracee can open it, terminated, to `path`. Returns its length. The path is good until the handler
    /// ends. `None` if that file is to be read as it is: it tells nothing that is faked, or nothing of a tracee, or has
    /// been read from.
    fn told_by_procfs(&self, _fd: i32, _path: &mut [u8]) -> Option<usize> {
        None
    }

    /// Whether any tracee has another owner in procfs than root.
    fn has_other_owners(&self) -> bool {
        false
    }

    /// Owner and group of an inode of procfs that belongs to a tracee; its mode, type included, is `mode`. `fd` may be
    /// `AT_FDCWD`. `None` if it belongs to none.
    fn owner_in_procfs(&self, _fd: i32, _mode: u32) -> Option<(u32, u32)> {
        None
    }

    /// The path of an open file of procfs, as the kernel tells it, in `path`. `fd` may be `AT_FDCWD`. Returns its length;
    /// `None` if it is none, or means something else here.
    fn name_in_procfs(&self, _fd: i32, _path: &mut [u8]) -> Option<usize> {
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

    /// The least utilization that the kernel takes for granted of realtime threads: `kernel.sched_util_clamp_min_rt_default`
    /// of proc_sys_kernel(5), 0 to 1024; 0 if it knows of none, or if the engine pretends no scheduling.
    fn realtime_utilization(&self) -> u32;

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
    async fn program_head(&self, _dirfd: i32, _path: &[u8], _flags: i32, _head: &mut [u8]) -> Option<usize> {
        None
    }

    /// statx(2), as [`Tracee::stat`], of a path in the root of the process, if that is another one; without any call in the
    /// tracee's name. `flags` may have `AT_SYMLINK_NOFOLLOW`. `None` if the tracee's own kernel can be asked.
    async fn stat_inside(&self, _dirfd: i32, _path: &[u8], _flags: i32) -> Option<Result<Statx, Errno>> {
        None
    }

    /// The text of a symbolic link, in the root of the process and without any call in the tracee's name; returns its
    /// length. `None` if it is none, or if the engine cannot tell.
    async fn symlink_text(&self, _dirfd: i32, _path: &[u8], _text: &mut [u8]) -> Option<usize> {
        None
    }

    /// Whether the kernel would run a program of this `AUDIT_ARCH_*` although the engine could not fool it; if so, says it
    /// to the user.
    fn refuses_program(&self, _path: &[u8], _audit_arch: u32) -> bool {
        false
    }

    /// The emulator that is to run a program whose file begins so, if it is for another CPU; its name outside, in `name`.
    /// Returns its length.
    fn emulator(&self, _path: &[u8], _head: &[u8], _name: &mut [u8]) -> Option<usize> {
        None
    }

    /// The process may see other mounts or another root from now on.
    fn paths_changed(&self);

    /// The same may hold for the child that the thread is about to make.
    fn next_child_apart(&self);

    /// The next child, which the call under way makes, was to be traced by nobody (`CLONE_UNTRACED`), or not.
    fn next_child_untraced(&self, untraced: bool);

    /// From now on the thread, and who it makes, mount for themselves by [`Tracee::mount`], as in a mount namespace of their own.
    fn mounts_apart(&self) {}

    /// The same for the next child, which the call under way makes.
    fn next_child_mounts_apart(&self) {}

    /// Whether the thread leaves any files alone.
    fn leaves_any(&self) -> bool {
        false
    }

    /// Whether the file that a path leads to, or with an empty one the descriptor itself, is one that the thread leaves
    /// alone, or would be if it were made.
    async fn is_left(&self, _dirfd: i32, _path: &[u8], _last: Last) -> bool {
        false
    }

    // A process with another root. An engine that knows none leaves all of it as it is.

    /// Whether the process has another root, so that its paths are to be translated.
    fn has_root(&self) -> bool {
        false
    }

    /// Whether the kernel itself may show it other mounts or another root than us.
    fn has_own_view(&self) -> bool {
        false
    }

    /// Finds what a path leads to in the root of the process, and puts a name that the kernel understands, terminated,
    /// to `to`, where there is room for [`PATH_MAX`] bytes. It is good until the handler ends. Returns whether it is that
    /// of a link of procfs which tells more than its text. `refused` are those of openat2(2)'s [`RESOLVE_REFUSING`] that it asks for.
    ///
    /// # Errors
    /// Those of looking it up; not that of the last component, for the kernel to tell.
    async fn translate(
        &self,
        _dirfd: i32,
        _path: &[u8],
        _last: Last,
        _refused: u64,
        _to: TraceeAddr,
    ) -> Result<bool, Errno> {
        Err(Errno::ENOSYS)
    }

    /// As [`Tracee::translate`], for bind(2): a name that tells where the socket is, for [`Tracee::bound_name`].
    ///
    /// # Errors
    /// The same.
    async fn translate_to_bind(&self, _dirfd: i32, _path: &[u8], _last: Last, _to: TraceeAddr) -> Result<(), Errno> {
        Err(Errno::ENOSYS)
    }

    /// By which name a socket was bound, in `text`, or by which it is found. Returns its length.
    fn bound_name(&self, _path: &[u8], _text: &mut [u8]) -> Option<usize> {
        None
    }

    /// Memory in the tracee for what takes the place of arguments, [`ASIDE_LEN`] bytes; otherwise as
    /// [`Tracee::scratch`], and apart from it.
    ///
    /// # Errors
    /// `ENOMEM`.
    fn aside(&self) -> Result<TraceeAddr, Errno> {
        Err(Errno::ENOMEM)
    }

    /// chroot(2), if the process is `allowed` to: the path is looked up in any case.
    ///
    /// # Errors
    /// The kernel's.
    async fn change_root(&self, _path: &[u8], _allowed: bool) -> Result<(), Errno> {
        Err(Errno::ENOSYS)
    }

    /// pivot_root(2): gives the process the directory `new` as its root, and mounts the former one at `old`.
    ///
    /// # Errors
    /// pivot_root(2)'s.
    async fn pivot_root(&self, _new: &[u8], _old: &[u8]) -> Result<(), Errno> {
        Err(Errno::ENOSYS)
    }

    /// The working directory as seen from the root, in `text`. Returns its length.
    ///
    /// # Errors
    /// `ENOENT` if it was removed.
    fn working_directory(&self, _text: &mut [u8]) -> Result<usize, Errno> {
        Err(Errno::ENOSYS)
    }

    /// What readlink(2) tells of a link of procfs for which [`Tracee::translate`] has returned true, in `text`. Returns
    /// its length.
    ///
    /// # Errors
    /// readlink(2)'s.
    async fn link_text(&self, _dirfd: i32, _path: &[u8], _text: &mut [u8]) -> Result<usize, Errno> {
        Err(Errno::ENOSYS)
    }

    /// Has a program ready to be executed in the root of the process, and puts the name to execute, terminated, to `to`.
    /// `called` is the name it is told to have been executed by. It is executed by the emulator of this name, if there is one.
    ///
    /// # Errors
    /// execve(2)'s.
    async fn prepare_program(
        &self,
        _dirfd: i32,
        _path: &[u8],
        _flags: i32,
        _called: &[u8],
        _emulator: Option<&[u8]>,
        _to: TraceeAddr,
    ) -> Result<(), Errno> {
        Err(Errno::ENOSYS)
    }

    /// The prepared program was not executed.
    fn forget_program(&self) {}

    /// Shows `source` at a path, for processes in another root. procfs tells `told` of it, if it is not one that is moved.
    ///
    /// # Errors
    /// mount(2)'s.
    async fn mount(&self, _source: MountSource<'_>, _path: &[u8], _told: &MountTold<'_>) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }

    /// Has procfs tell other flags and options of what is mounted at a path by [`Tracee::mount`], if anything is.
    ///
    /// # Errors
    /// Those of looking it up.
    async fn remount(&self, _path: &[u8], _told: &MountTold<'_>) -> Result<(), Errno> {
        Ok(())
    }

    /// Whether something is shown at a path by [`Tracee::mount`], or it is the root.
    ///
    /// # Errors
    /// Those of looking it up.
    async fn is_mount_point(&self, _path: &[u8]) -> Result<bool, Errno> {
        Ok(false)
    }

    /// Whether anything is mounted by [`Tracee::mount`].
    fn has_mounts(&self) -> bool {
        false
    }

    /// Whether something is mounted on this inode by [`Tracee::mount`].
    fn is_mounted_on(&self, _inode: &InodeKey) -> bool {
        false
    }

    /// Ends [`Tracee::mount`]. `last` tells whether a symbolic link is followed.
    ///
    /// # Errors
    /// umount(2)'s.
    async fn umount(&self, _path: &[u8], _last: Last) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }

    /// ptrace(2), as if this thread could be the tracer of others that are fooled.
    ///
    /// # Errors
    /// The kernel's.
    async fn ptrace(&self, _call: &Call) -> Outcome {
        Ok(Answer::Pass)
    }

    /// A wait, which tells of those that this thread's process traces, too.
    ///
    /// # Errors
    /// The kernel's.
    async fn wait(&self, _call: &Call) -> Outcome {
        Ok(Answer::Pass)
    }

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

/// Bytes of the smallest page of any CPU.
const PAGE_LEN: usize = 4096;
/// `PATH_MAX`: bytes of a path with its terminator.
pub const PATH_MAX: usize = 4096;

/// Bytes of [`Tracee::aside`]: two paths and a page for structures.
pub const ASIDE_LEN: usize = 3 * 4096;

// `RESOLVE_*` (`include/uapi/linux/openat2.h`).
/// Mounts are not crossed.
pub const RESOLVE_NO_XDEV: u64 = 0x01;
/// Links of procfs that lead elsewhere than their text says are not followed.
pub const RESOLVE_NO_MAGICLINKS: u64 = 0x02;
/// No symbolic link is followed.
pub const RESOLVE_NO_SYMLINKS: u64 = 0x04;
/// A path never leaves its directory.
pub const RESOLVE_BENEATH: u64 = 0x08;
/// Its directory is the root of a path.
pub const RESOLVE_IN_ROOT: u64 = 0x10;
/// Only what needs no waiting. Since Linux 5.12.
pub const RESOLVE_CACHED: u64 = 0x20;
/// What refuses a path because of where it leads through.
pub const RESOLVE_REFUSING: u64 = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;
/// What makes a path mean the same whatever the root, and something else than to other calls.
pub const RESOLVE_SCOPED: u64 = RESOLVE_BENEATH | RESOLVE_IN_ROOT;

/// What a call does with the last component of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// Makes or removes the name: never followed, whatever is there (`fs/namei.c: filename_parentat`).
    Name,
    /// Not followed, unless a slash is behind it.
    Link,
    /// Followed.
    Target,
    /// Followed, and made where that leads if it is not there: open(2) with `O_CREAT`.
    Made,
}

impl Last {
    /// For a call with these `AT_*` flags.
    pub const fn with_flags(flags: i32) -> Last {
        if flags & libc::AT_SYMLINK_NOFOLLOW != 0 { Last::Link } else { Last::Target }
    }
}

/// What is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountSource<'a> {
    /// A file or directory as the process names it.
    Bind(&'a [u8]),
    /// What is mounted there, which is not any more.
    Moved(&'a [u8]),
    /// A directory of the host.
    Host(&'a [u8]),
    /// The mount point itself: it is one, and shows what it is.
    Itself,
}

/// What mount(2) was told of a mount, for proc_pid_mountinfo(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MountTold<'a> {
    /// The kind of filesystem.
    pub kind: &'a [u8],
    /// What is mounted.
    pub source: &'a [u8],
    /// `MS_*`.
    pub flags: u64,
    /// Options of the filesystem.
    pub data: &'a [u8],
}

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

    /// [`Tracee::stat`] of a path that need not be in the tracee's memory. `flags` may have `AT_SYMLINK_NOFOLLOW`. Uses
    /// scratch.
    ///
    /// # Errors
    /// The kernel's; those of scratch memory.
    async fn stat_name(&self, dirfd: i32, path: &[u8], flags: i32) -> Result<Statx, Errno> {
        if let Some(result) = self.stat_inside(dirfd, path, flags).await {
            return result;
        }
        let mut terminated = [0; PATH_MAX];
        terminated.get_mut(..path.len()).ok_or(Errno::ENAMETOOLONG)?.copy_from_slice(path);
        let terminated = terminated.get(..=path.len()).ok_or(Errno::ENAMETOOLONG)?;
        let path = parent::put_path(self, terminated)?;
        self.stat(FileRef { dirfd, path, flags: flags | libc::AT_NO_AUTOMOUNT }).await
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
            let from = from.add(start as u64);
            // Small steps first: most paths are short. What comes behind the page may not be there.
            let want = room.len().min(256).min(PAGE_LEN - from.0 as usize % PAGE_LEN);
            let got = self.read_some(from, room.get_mut(..want).ok_or(Errno::EFAULT)?)?;
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
