//! Asking the kernel about a tracee's file without stopping the tracee once more.
//!
//! A path means the same to the daemon as to a tracee as long as both see the same mounts and the same root, the
//! resolution starts at the tracee's own directory (by `/proc/TID`), and it does not pass through a link of
//! procfs that depends on who looks (where it fails: through no symbolic link to another mount at all). Where that is not certain the answer is `None` and the tracee
//! itself is made to ask.
//!
//! It is, too, where a filesystem might keep us waiting ([`super::remote`]). Then only what the kernel has cached is looked up anywhere, and what
//! is on the mount where the way begins.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

use super::thread::Thread;
use crate::call::FileRef;
use crate::errno::Errno;
use crate::inode::InodeKey;
use crate::policy::{PATH_MAX, RESOLVE_CACHED, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV, TraceeExt};
use crate::proc_text;
use crate::stat::{STATX_WANTED, Statx};

/// Whether a thread sees the same mounts and root as the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Paths mean the same.
    Same,
    /// They may not.
    Foreign,
}

/// Compares mount namespace and root of a thread with our own.
pub fn view(tid: i32) -> View {
    static OURS: OnceLock<Option<[InodeKey; 2]>> = OnceLock::new();
    let ours = OURS.get_or_init(|| Some([identity("/proc/self/ns/mnt")?, identity("/proc/self/root")?]));
    let theirs = || Some([identity(&format!("/proc/{tid}/ns/mnt"))?, identity(&format!("/proc/{tid}/root"))?]);
    match ours {
        Some(ours) if theirs() == Some(*ours) => View::Same,
        _ => View::Foreign,
    }
}

/// Whether a thread knows the others by the same numbers as we do: whether it is in our pid namespace.
pub fn knows_our_numbers(tid: i32) -> bool {
    static OURS: OnceLock<Option<InodeKey>> = OnceLock::new();
    let ours = OURS.get_or_init(|| identity("/proc/self/ns/pid"));
    ours.is_some() && identity(&format!("/proc/{tid}/ns/pid")) == *ours
}

/// What a path leads to, as far as the kernel knows it without asking a filesystem for news.
pub fn identity(path: &str) -> Option<InodeKey> {
    let stat = statx(libc::AT_FDCWD, &CString::new(path).ok()?, libc::AT_STATX_DONT_SYNC).ok()?;
    Some(stat.id().key())
}

/// statx(2) of a file as the tracee names it, or `None` if only the tracee can tell.
pub fn stat(thread: &Thread, file: FileRef) -> Option<Result<Statx, Errno>> {
    if thread.view.get() != View::Same {
        return None;
    }
    let mut buffer = [0u8; PATH_MAX];
    let path = if file.path.is_null() { &[][..] } else { thread.read_cstr(file.path, &mut buffer).ok()? };
    if path.is_empty() {
        return if file.flags & libc::AT_EMPTY_PATH != 0 { descriptor(thread, file) } else { None };
    }
    by_path(thread, file, path)
}

/// What comes of an `O_PATH` descriptor of a file as the tracee names it with these `AT_*` flags, or `None` if only the tracee can
/// tell or there is none. Where a filesystem might keep us waiting another thread looks.
pub async fn find<R: Send + 'static>(
    thread: &Thread,
    dirfd: i32,
    path: &[u8],
    flags: i32,
    then: impl FnOnce(OwnedFd) -> Option<R> + Send + 'static,
) -> Option<R> {
    let way = Way::of(thread, dirfd, path, flags)?;
    if !thread.world.remote.exists() {
        return then(way.open().ok()?);
    }
    if !way.begins_remote(thread) {
        match way.open_near() {
            Ok(file) if !is_remote(thread, &link_to_ours(file.as_raw_fd())) => return then(file),
            // It is elsewhere, or the kernel would have to ask.
            Ok(_) => {}
            Err(error) if matches!(error.raw_os_error(), Some(libc::EXDEV | libc::EAGAIN)) => {}
            Err(_) => return None,
        }
    }
    thread.elsewhere(move || then(way.open().ok()?)).await.ok()?
}

/// A file of a tracee as it can be named here.
struct Way {
    /// The magic link to where a relative path begins.
    base: Option<CString>,
    path: CString,
    follow: bool,
    resolve: u64,
}

impl Way {
    fn of(thread: &Thread, dirfd: i32, path: &[u8], flags: i32) -> Option<Way> {
        if path.is_empty() {
            let path = link_to(thread.tid, dirfd).filter(|_| flags & libc::AT_EMPTY_PATH != 0)?;
            return Some(Way { base: None, path, follow: true, resolve: 0 });
        }
        if thread.view.get() != View::Same {
            return None;
        }
        let base = if path.starts_with(b"/") { None } else { Some(link_to(thread.tid, dirfd)?) };
        let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
        Some(Way { base, path: CString::new(path).ok()?, follow, resolve: RESOLVE_NO_MAGICLINKS })
    }

    fn begins_remote(&self, thread: &Thread) -> bool {
        match &self.base {
            Some(link) => is_remote(thread, link),
            None if self.resolve == 0 => is_remote(thread, &self.path),
            None => thread.world.remote.holds_root(),
        }
    }

    fn open(&self) -> io::Result<OwnedFd> {
        self.open_by(open_path)
    }

    fn open_near(&self) -> io::Result<OwnedFd> {
        self.open_by(open_what_is_near)
    }

    fn open_by(&self, open: impl FnOnce(i32, &CStr, bool, u64) -> io::Result<OwnedFd>) -> io::Result<OwnedFd> {
        let base = self.base.as_deref().map(open_base).transpose()?;
        open(base.as_ref().map_or(libc::AT_FDCWD, AsRawFd::as_raw_fd), &self.path, self.follow, self.resolve)
    }
}

/// The text of a symbolic link; see [`crate::policy::Tracee::symlink_text`].
pub async fn link_text(thread: &Thread, dirfd: i32, path: &[u8]) -> Option<Vec<u8>> {
    let text = |link: OwnedFd| {
        let mut text = vec![0; PATH_MAX];
        // SAFETY: the path is a terminated string and `text` has the length given.
        let len = unsafe { libc::readlinkat(link.as_raw_fd(), c"".as_ptr(), text.as_mut_ptr().cast(), text.len()) };
        text.truncate(usize::try_from(len).ok()?);
        Some(text)
    };
    find(thread, dirfd, path, libc::AT_SYMLINK_NOFOLLOW, text).await
}

/// The file behind a descriptor of the tracee, or its working directory.
fn descriptor(thread: &Thread, file: FileRef) -> Option<Result<Statx, Errno>> {
    let link = link_to(thread.tid, file.dirfd)?;
    if is_remote(thread, &link) {
        return None;
    }
    statx(libc::AT_FDCWD, &link, file.flags & libc::AT_STATX_SYNC_TYPE).ok().map(Ok)
}

/// The magic link to a directory descriptor of a thread, or to its working directory.
pub fn link_to(tid: i32, dirfd: i32) -> Option<CString> {
    let link = match dirfd {
        libc::AT_FDCWD => format!("/proc/{tid}/cwd"),
        fd if fd >= 0 => format!("/proc/{tid}/fd/{fd}"),
        _ => return None,
    };
    CString::new(link).ok()
}

fn by_path(thread: &Thread, file: FileRef, path: &[u8]) -> Option<Result<Statx, Errno>> {
    let follow = file.flags & libc::AT_SYMLINK_NOFOLLOW == 0;
    let held = held(path);
    let link = if path.starts_with(b"/") { None } else { Some(link_to(thread.tid, file.dirfd)?) };
    let remote = &thread.world.remote;
    let careful = remote.exists();
    let begins_remote = || match (held, &link) {
        (Some((directory, _)), _) => is_remote(thread, &link_to_ours(directory)),
        (None, Some(link)) => is_remote(thread, link),
        (None, None) => remote.holds_root(),
    };
    if careful && begins_remote() {
        return None;
    }
    let base = link.map(|link| open_base(&link)).transpose().ok()?;
    let base_fd = held.map_or(base.as_ref().map_or(libc::AT_FDCWD, AsRawFd::as_raw_fd), |(directory, _)| directory);
    let path = CString::new(held.map_or(path, |(_, name)| name)).ok()?;
    let open = |resolve| {
        if careful {
            open_what_is_near(base_fd, &path, follow, resolve)
        } else {
            open_path(base_fd, &path, follow, resolve)
        }
    };
    let opened = match open(RESOLVE_NO_MAGICLINKS) {
        Ok(opened) => opened,
        Err(error) => {
            let errno = error.raw_os_error()?;
            let again = |resolve| open(resolve).err().and_then(|error| error.raw_os_error());
            let certain = is_the_tracees(errno, path.as_bytes())
                && !base.as_ref().is_some_and(is_in_procfs)
                && held.is_none_or(|(directory, _)| !is_on_procfs(directory))
                && (again(RESOLVE_NO_XDEV) == Some(errno) || again(RESOLVE_NO_SYMLINKS) == Some(errno));
            return certain.then_some(Err(Errno(errno)));
        }
    };
    if careful && is_remote(thread, &link_to_ours(opened.as_raw_fd())) {
        return None;
    }
    let stat = statx(opened.as_raw_fd(), c"", libc::AT_EMPTY_PATH | (file.flags & libc::AT_STATX_SYNC_TYPE)).ok()?;
    // Links named `self` in procfs lead each process somewhere else.
    if (stat.dev_major, stat.dev_minor) == proc_device()? { None } else { Some(Ok(stat)) }
}

/// Whether what a link of procfs leads to may keep us waiting.
pub fn is_remote(thread: &Thread, link: &CStr) -> bool {
    thread.world.remote.holds(Path::new(OsStr::from_bytes(link.to_bytes())))
}

/// The magic link to a descriptor of our own.
fn link_to_ours(fd: i32) -> CString {
    // Has no zero byte.
    CString::new(format!("/proc/self/fd/{fd}")).unwrap_or_default()
}

/// Whether the tracee would get this error as well, if no symbolic link led into procfs on the way. `ELOOP` may be our own
/// refusal of magic links.
fn is_the_tracees(errno: i32, path: &[u8]) -> bool {
    let names_proc = path.windows(4).any(|part| part == b"proc");
    matches!(errno, libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG | libc::EACCES) && !names_proc
}

/// Of a name in a directory that is open here (see [`super::root`]): which, and the rest of the name.
fn held(path: &[u8]) -> Option<(i32, &[u8])> {
    static PREFIX: OnceLock<String> = OnceLock::new();
    let prefix = PREFIX.get_or_init(|| format!("/proc/{}/fd/", std::process::id()));
    let path = path.strip_prefix(prefix.as_bytes())?;
    let slash = path.iter().position(|byte| *byte == b'/')?;
    let number = std::str::from_utf8(&path[..slash]).ok()?.parse().ok()?;
    let rest = path[slash..].iter().position(|byte| *byte != b'/').map_or(path.len(), |begin| slash + begin);
    Some((number, if rest < path.len() { &path[rest..] } else { b"." }))
}

fn is_in_procfs(directory: &OwnedFd) -> bool {
    is_on_procfs(directory.as_raw_fd())
}

fn is_on_procfs(directory: i32) -> bool {
    match statx(directory, c"", libc::AT_EMPTY_PATH) {
        Ok(stat) => proc_device().is_none_or(|device| device == (stat.dev_major, stat.dev_minor)),
        Err(_) => true,
    }
}

fn open_base(link: &CStr) -> io::Result<OwnedFd> {
    // SAFETY: `link` is a terminated string.
    let fd = unsafe { libc::open(link.as_ptr(), libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor of our own.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Opens as [`open_path`] what the kernel has cached or what is on the mount of `base`, which is not remote; else `EXDEV`.
fn open_what_is_near(base: i32, path: &CStr, follow: bool, resolve: u64) -> io::Result<OwnedFd> {
    match open_path(base, path, follow, resolve | RESOLVE_CACHED) {
        // Not cached, or a kernel that cannot be asked so.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINVAL)) => {
            open_path(base, path, follow, resolve | RESOLVE_NO_XDEV)
        }
        result => result,
    }
}

fn open_path(base: i32, path: &CStr, follow: bool, resolve: u64) -> io::Result<OwnedFd> {
    let no_follow = if follow { 0 } else { libc::O_NOFOLLOW };
    // SAFETY: the structure holds integers only; all zeros is a value of it.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (libc::O_PATH | libc::O_CLOEXEC | no_follow) as u64;
    how.resolve = resolve;
    // SAFETY: `path` is a terminated string and `how` has the size given.
    let fd =
        unsafe { libc::syscall(libc::SYS_openat2, base, path.as_ptr(), &raw const how, size_of::<libc::open_how>()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor of our own.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn statx(dirfd: i32, path: &CStr, flags: i32) -> io::Result<Statx> {
    let mut bytes = [0u8; size_of::<Statx>()];
    // SAFETY: `path` is a terminated string and `bytes` has the size of a struct statx.
    let result =
        unsafe { libc::syscall(libc::SYS_statx, dirfd, path.as_ptr(), flags, STATX_WANTED, bytes.as_mut_ptr()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    zerocopy::FromBytes::read_from_bytes(&bytes).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
}

/// The `O_*` flags of an open descriptor (proc_pid_fdinfo(5)); `None` if it cannot be told.
pub fn descriptor_flags(tid: i32, fd: i32) -> Option<u32> {
    let info = proc_text::read_to_string(format!("/proc/{tid}/fdinfo/{fd}")).ok()?;
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
    u32::from_str_radix(flags.trim(), 8).ok()
}

/// The file that a process executes.
pub fn executable(tid: i32) -> Option<Statx> {
    let link = CString::new(format!("/proc/{tid}/exe")).ok()?;
    // It has just been read.
    statx(libc::AT_FDCWD, &link, libc::AT_STATX_DONT_SYNC).ok()
}

/// The real `security.capability` of the file that a process executes: its length in bytes, and the bytes in `value`.
pub fn capability(tid: i32, value: &mut [u8]) -> Option<usize> {
    let link = CString::new(format!("/proc/{tid}/exe")).ok()?;
    // SAFETY: both names are terminated strings and `value` has the length given.
    let len = unsafe {
        libc::getxattr(link.as_ptr(), c"security.capability".as_ptr(), value.as_mut_ptr().cast(), value.len())
    };
    usize::try_from(len).ok()
}

/// The device of procfs.
fn proc_device() -> Option<(u32, u32)> {
    static DEVICE: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    *DEVICE.get_or_init(|| {
        let stat = statx(libc::AT_FDCWD, c"/proc/self", libc::AT_SYMLINK_NOFOLLOW).ok()?;
        Some((stat.dev_major, stat.dev_minor))
    })
}
