//! An inode as a program sees it, asked in every way the ABI offers.

use std::ffi::CStr;
use std::fmt;
use std::mem::MaybeUninit;

use libc::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW};

use crate::sys::nr::Number;
use crate::sys::{self, Result, Word, errno};

/// The kernel's `struct stat` for the plain names of [`sys::nr`].
#[cfg(target_pointer_width = "64")]
pub type Stat = libc::stat;
/// The kernel's `struct stat64`.
#[cfg(target_pointer_width = "32")]
pub type Stat = libc::stat64;

/// What is stable about an inode: no times, no inode number, no size of a directory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Type and permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    nlink: u64,
    rdev: (u32, u32),
    size: u64,
}

impl Seen {
    fn kind(&self) -> &'static str {
        match self.mode & libc::S_IFMT {
            libc::S_IFREG => "file",
            libc::S_IFDIR => "dir",
            libc::S_IFLNK => "link",
            libc::S_IFCHR => "char",
            libc::S_IFBLK => "block",
            libc::S_IFIFO => "fifo",
            libc::S_IFSOCK => "socket",
            _ => "???",
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:04o} {}:{}", self.kind(), self.mode & 0o7777, self.uid, self.gid)?;
        let kind = self.mode & libc::S_IFMT;
        if kind != libc::S_IFDIR {
            write!(f, " nlink {}", self.nlink)?;
        }
        if kind == libc::S_IFREG || kind == libc::S_IFLNK {
            write!(f, " size {}", self.size)?;
        }
        if kind == libc::S_IFCHR || kind == libc::S_IFBLK || self.rdev != (0, 0) {
            write!(f, " rdev {}:{}", self.rdev.0, self.rdev.1)?;
        }
        Ok(())
    }
}

impl From<Stat> for Seen {
    #[allow(clippy::unnecessary_cast, reason = "ABIs differ in the widths")]
    fn from(st: Stat) -> Self {
        Self {
            mode: st.st_mode,
            uid: st.st_uid,
            gid: st.st_gid,
            nlink: st.st_nlink as u64,
            rdev: (libc::major(st.st_rdev as _), libc::minor(st.st_rdev as _)),
            size: st.st_size as u64,
        }
    }
}

impl From<libc::statx> for Seen {
    fn from(stx: libc::statx) -> Self {
        Self {
            mode: stx.stx_mode.into(),
            uid: stx.stx_uid,
            gid: stx.stx_gid,
            nlink: stx.stx_nlink.into(),
            rdev: (stx.stx_rdev_major, stx.stx_rdev_minor),
            size: stx.stx_size,
        }
    }
}

/// A zeroed kernel structure to be filled in by a call.
pub fn blank<T: Plain>() -> T {
    // SAFETY: `Plain` types are integers all through, for which zero is a value.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// Kernel structures made of nothing but integers.
///
/// # Safety
/// All-zero bytes must be a value of the type.
pub unsafe trait Plain {}
// SAFETY: integers all through.
unsafe impl Plain for Stat {}
// SAFETY: integers all through.
unsafe impl Plain for libc::statx {}

/// The answer of stat, lstat (whose number is given).
pub fn by_path(nr: Number, path: &CStr) -> Result<Seen> {
    let mut st: Stat = blank();
    sys::invoke(nr, &[path.word(), (&mut st).word()]).map(|_| st.into())
}

/// The answer of fstat.
pub fn by_fstat(fd: i32) -> Result<Seen> {
    let mut st: Stat = blank();
    quiet!(fstat(fd, &mut st)).map(|_| st.into())
}

/// The answer of newfstatat (fstatat64 on 32-bit ABIs).
pub fn by_fstatat(dirfd: i32, path: &CStr, flags: i32) -> Result<Seen> {
    let mut st: Stat = blank();
    quiet!(fstatat(dirfd, path, &mut st, flags)).map(|_| st.into())
}

/// The answer of statx for the basic fields.
pub fn by_statx(dirfd: i32, path: &CStr, flags: i32) -> Result<Seen> {
    let mut stx: libc::statx = blank();
    quiet!(statx(dirfd, path, flags, libc::STATX_BASIC_STATS, &mut stx)).map(|_| stx.into())
}

/// Shows what `path` names itself, a symlink as a symlink.
pub fn show(path: &CStr) {
    report(
        &path.to_string_lossy(),
        &[
            ("statx", by_statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW)),
            ("fstatat", by_fstatat(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW)),
            ("lstat", by_path(sys::nr::lstat, path)),
        ],
    );
}

/// Shows what `path` leads to.
pub fn show_target(path: &CStr) {
    report(
        &format!("-> {}", path.to_string_lossy()),
        &[
            ("statx", by_statx(AT_FDCWD, path, 0)),
            ("fstatat", by_fstatat(AT_FDCWD, path, 0)),
            ("stat", by_path(sys::nr::stat, path)),
        ],
    );
}

/// Shows what descriptor `fd` has open, under a `label` of the case's choice.
pub fn show_fd(label: &str, fd: i32) {
    report(
        label,
        &[
            ("fstat", by_fstat(fd)),
            ("statx", by_statx(fd, c"", AT_EMPTY_PATH)),
            ("fstatat", by_fstatat(fd, c"", AT_EMPTY_PATH)),
        ],
    );
}

/// Prints one line if all calls agree (those that the ABI lacks have no say), else one line each.
fn report(label: &str, answers: &[(&str, Result<Seen>)]) {
    let told = |answer: &Result<Seen>| match answer {
        Ok(seen) => seen.to_string(),
        Err(e) => errno::name(*e),
    };
    let present: Vec<_> = answers.iter().filter(|(_, a)| *a != Err(libc::ENOSYS)).collect();
    if present.iter().all(|(_, answer)| *answer == present[0].1) {
        println!("{label}: {}", told(&present[0].1));
    } else {
        for (call, answer) in present {
            println!("{label}: DISAGREE: {call} says {}", told(answer));
        }
    }
}
