//! open(2) and its relatives: files that they make, and faked devices that they meet.
//!
//! Two limits. A descriptor of a faked null is one of the real /dev/null: fstat and fchown of it are about that inode,
//! and the kernel has no room in a descriptor to say which node it came from. And an openat2 with `RESOLVE_BENEATH` or
//! `RESOLVE_IN_ROOT` opens the file that stands in for a device, because only the kernel can follow such a path.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::creation::{introduce, is_plain};
use super::parent::{self, Parent};
use super::{Answer, Last, Outcome, RESOLVE_SCOPED, Tracee, TraceeExt};
use super::{procfs, sticky, view, writing};
use crate::call::table::TMPFILE;
use crate::call::{Arg, Call, FileRef, Sys, TraceeAddr};
use crate::creds::CAP_FSETID;
use crate::errno::Errno;
use crate::lie::{Lie, LieTable};
use crate::stat::{S_IFCHR, S_IFMT, S_IFREG, Statx, make_dev};

/// `struct open_how` (`include/uapi/linux/openat2.h`).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// `OPEN_HOW_SIZE_VER0`.
const OPEN_HOW_LEN: usize = size_of::<OpenHow>();

/// An open in any of its forms.
struct Opening {
    call: Call,
    how: OpenHow,
}

/// open and openat.
pub async fn open<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let how = OpenHow { flags: u64::from(call.int(Arg::OpenFlags)), mode: call.word(Arg::Mode), resolve: 0 };
    Opening { call: *call, how }.run(tracee).await
}

/// creat.
pub async fn creat<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let flags = (libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC) as u64;
    Opening { call: *call, how: OpenHow { flags, mode: call.word(Arg::Mode), resolve: 0 } }.run(tracee).await
}

/// openat2.
pub async fn openat2<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    match read_how(tracee, call.addr(Arg::OpenHow), call.word(Arg::Length)) {
        Some(how) => Opening { call: *call, how }.run(tracee).await,
        None => Ok(Answer::Pass),
    }
}

/// The structure of an openat2; `None` if it is one that the kernel refuses or we do not know.
fn read_how<T: Tracee>(tracee: &T, at: TraceeAddr, len: u64) -> Option<OpenHow> {
    let mut how = OpenHow { flags: 0, mode: 0, resolve: 0 };
    tracee.read(at, how.as_mut_bytes()).ok()?;
    // Later versions are longer; what they add is 0 if not used. The kernel takes a page at most.
    let mut rest = [0; 4096];
    let rest = rest.get_mut(..usize::try_from(len).ok()?.checked_sub(OPEN_HOW_LEN)?)?;
    if !rest.is_empty() {
        tracee.read(at.add(OPEN_HOW_LEN as u64), rest).ok()?;
    }
    rest.iter().all(|byte| *byte == 0).then_some(how)
}

impl Opening {
    fn has(&self, flag: i32) -> bool {
        self.how.flags & flag as u64 != 0
    }

    /// Mode of a new file, type included, before the umask.
    fn mode(&self) -> u32 {
        S_IFREG | self.how.mode as u32 & 0o7777
    }

    async fn run<T: Tracee>(&self, tracee: &T) -> Outcome {
        let kinds = tracee.lies().kinds();
        // fs/open.c: build_open_how ignores the rest of the flags for O_PATH.
        let is_path = self.has(libc::O_PATH);
        let makes_unnamed = !is_path && self.how.flags & TMPFILE != 0;
        let may_make = !is_path && self.has(libc::O_CREAT);
        if !is_path && self.names_procfs(tracee) {
            return self.open_in_procfs(tracee).await;
        }
        let may_be = Lie { uid: 0, gid: 0, mode: self.mode(), rdev: 0 };
        if (makes_unnamed || may_make) && writing::leaves_first(tracee, &may_be) {
            return Ok(Answer::Pass);
        }
        let makes_plain = is_plain(tracee, self.mode()) && kinds.inherited_from == 0;
        if makes_unnamed {
            return if makes_plain { Ok(Answer::Pass) } else { self.make_unnamed(tracee).await };
        }
        let meets_device = !is_path && kinds.devices > 0;
        let takes_bits = !is_path && self.has(libc::O_TRUNC) && kinds.all > 0 && !tracee.creds().has(CAP_FSETID);
        let is_new = may_make && self.has(libc::O_EXCL);
        let meets_others = may_make && !is_new && sticky::may_refuse(&kinds, &tracee.settings().protected);
        if !meets_device && !takes_bits && !meets_others && (!may_make || makes_plain) {
            return Ok(Answer::Pass);
        }
        if self.how.resolve & RESOLVE_SCOPED != 0 {
            return if may_make && !makes_plain { self.make_exclusively(tracee).await } else { Ok(Answer::Pass) };
        }
        let never_follows = self.has(libc::O_NOFOLLOW) || is_new;
        let follow = !never_follows;
        let found = tracee.stat(self.file(follow)).await;
        if let (true, Ok(real)) = (meets_others, &found) {
            let last = if follow { Last::Made } else { Last::Link };
            sticky::check(tracee, self.file(follow), last, &view::seen(tracee, real)).await?;
        }
        match found {
            Ok(real) if meets_device && view::seen(tracee, &real).is_device() => {
                self.open_existing(tracee, &real).await
            }
            // With O_EXCL or O_DIRECTORY the kernel refuses it.
            Ok(real) if takes_bits => writing::take_bits(tracee, &self.call, &real, |result| result.is_ok()).await,
            Err(Errno::ENOENT) if may_make && !makes_plain => self.make(tracee, follow).await,
            // There already, or an error that the kernel gives itself.
            _ => Ok(Answer::Pass),
        }
    }

    /// Whether this may read what procfs tells of a process, as far as the path alone says.
    fn names_procfs<T: Tracee>(&self, tracee: &T) -> bool {
        let creates = self.has(libc::O_CREAT) || self.how.flags & TMPFILE != 0;
        let reads = self.how.flags & libc::O_ACCMODE as u64 != libc::O_WRONLY as u64;
        if creates || !reads || tracee.settings().proc_device == 0 {
            return false;
        }
        let mut buffer = [0; procfs::NAME_MAX];
        tracee.read_cstr(self.call.addr(Arg::Path), &mut buffer).is_ok_and(procfs::may_name)
    }

    /// Opens what may be a file of procfs that tells something faked.
    async fn open_in_procfs<T: Tracee>(&self, tracee: &T) -> Outcome {
        if !tracee.knows_others() {
            return Ok(Answer::Pass);
        }
        let fd = tracee.run(&self.call).await?;
        procfs::replace(tracee, fd as i32, self.has(libc::O_CLOEXEC)).await?;
        Ok(Answer::Value(fd))
    }

    fn file(&self, follow: bool) -> FileRef {
        let flags = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
        FileRef { flags, ..self.call.file() }
    }

    /// Opens what exists: a faked device is never opened, but what it stands for.
    async fn open_existing<T: Tracee>(&self, tracee: &T, real: &Statx) -> Outcome {
        // On the file that stands in for a device the kernel fails with the very EEXIST or ENOTDIR of a device.
        if self.has(libc::O_DIRECTORY) || self.has(libc::O_CREAT) && self.has(libc::O_EXCL) {
            return Ok(Answer::Pass);
        }
        let seen = view::seen(tracee, real);
        if real.file_type() != S_IFREG || !seen.is_device() {
            return Ok(Answer::Pass);
        }
        // What the kernel says when it has no driver for the number. What is written to the file that stands in
        // for a device would be lost, what is read from it would be nonsense.
        let path = parent::put_path(tracee, device_path(&seen).ok_or(Errno::ENXIO)?)?;
        let fd = tracee.run(&self.of_device(path)).await?;
        Ok(Answer::Value(fd))
    }

    /// Makes a file that is not there. `follow` if a dangling symbolic link tells where.
    async fn make<T: Tracee>(&self, tracee: &T, follow: bool) -> Outcome {
        let dangling = follow && tracee.stat(self.file(false)).await.is_ok();
        let known = if dangling {
            None
        } else {
            match parent::of_path(tracee, self.call.file()).await {
                Ok(parent) if is_plain(tracee, self.mode()) && !parent.hands_down(tracee, self.mode()) => {
                    return Ok(Answer::Pass);
                }
                Ok(parent) => Some(parent),
                Err(_) => return Ok(Answer::Pass),
            }
        };
        let fd = tracee.run(&self.usable(tracee, self.how.flags)?).await?;
        self.finish(tracee, fd, known).await
    }

    /// Makes a file if the kernel finds none. For paths that only the kernel can follow.
    async fn make_exclusively<T: Tracee>(&self, tracee: &T) -> Outcome {
        match tracee.run(&self.usable(tracee, self.how.flags | libc::O_EXCL as u64)?).await {
            Ok(fd) => self.finish(tracee, fd, None).await,
            Err(Errno::EEXIST) => Ok(Answer::Pass),
            Err(error) => Err(error),
        }
    }

    /// Makes a file without a name. The path is that of the directory.
    async fn make_unnamed<T: Tracee>(&self, tracee: &T) -> Outcome {
        let parent = match tracee.stat(self.file(!self.has(libc::O_NOFOLLOW))).await {
            Ok(real) => Some(Parent::new(tracee, &real)),
            Err(_) => return Ok(Answer::Pass),
        };
        let fd = tracee.run(&self.usable(tracee, self.how.flags)?).await?;
        self.finish(tracee, fd, parent).await
    }

    /// Shows the new file behind `fd`, and returns that.
    async fn finish<T: Tracee>(&self, tracee: &T, fd: u64, parent: Option<Parent>) -> Outcome {
        let parent = match parent {
            Some(parent) => Some(parent),
            None => parent::of_descriptor(tracee, fd as i32).await.ok(),
        };
        introduce(tracee, FileRef::descriptor(fd as i32), parent.as_ref(), self.mode(), 0).await?;
        Ok(Answer::Value(fd))
    }

    /// The call with a mode that leaves the file usable for the real user.
    fn usable<T: Tracee>(&self, tracee: &T, flags: u64) -> Result<Call, Errno> {
        let mode = u64::from(view::real_permissions(self.mode()));
        // What the kernel refuses in an openat2 it shall see.
        let mode = mode | self.how.mode & !0o7777;
        if self.call.sys == Sys::Openat2 {
            self.with_how(tracee, OpenHow { flags, mode, ..self.how })
        } else {
            Ok(self.call.with(Arg::Mode, mode).with(Arg::OpenFlags, flags))
        }
    }

    /// An openat2 with another structure.
    fn with_how<T: Tracee>(&self, tracee: &T, how: OpenHow) -> Result<Call, Errno> {
        let at = parent::put_structure(tracee, how.as_bytes())?;
        Ok(self.call.with(Arg::OpenHow, at.0).with(Arg::Length, OPEN_HOW_LEN as u64))
    }

    /// The same opening of an existing device at an absolute path.
    fn of_device(&self, path: TraceeAddr) -> Call {
        const NOT_FOR_DEVICES: u64 = (libc::O_CREAT | libc::O_EXCL | libc::O_TRUNC | libc::O_NOFOLLOW) as u64;
        let flags = self.how.flags & !NOT_FOR_DEVICES;
        Call { sys: Sys::Openat, args: [libc::AT_FDCWD as u64, path.0, flags, 0, 0, 0] }
    }
}

/// The real device that a faked one stands for, if it is one that any user may open.
fn device_path(seen: &Lie) -> Option<&'static [u8]> {
    const DEVICES: &[(u64, &[u8])] = &[
        (make_dev(1, 3), b"/dev/null\0"),
        (make_dev(1, 5), b"/dev/zero\0"),
        (make_dev(1, 7), b"/dev/full\0"),
        (make_dev(1, 8), b"/dev/random\0"),
        (make_dev(1, 9), b"/dev/urandom\0"),
        (make_dev(5, 0), b"/dev/tty\0"),
        (make_dev(5, 2), b"/dev/ptmx\0"),
    ];
    if seen.mode & S_IFMT != S_IFCHR {
        return None;
    }
    DEVICES.iter().find(|(rdev, _)| *rdev == seen.rdev).map(|(_, path)| *path)
}
