//! A process with another root: chroot(2), and the translation of paths that follows from it.
//!
//! Before the handler of a call runs, each path among the arguments is replaced by a name that leads the kernel to the
//! same file without the process's own root ([`Tracee::translate`]). Handlers need not know. What tells paths (getcwd,
//! readlink of procfs) is translated back.

use super::root_socket::translate_address;
use super::{Answer, Last, Outcome, PATH_MAX, RESOLVE_CACHED, RESOLVE_REFUSING, Tracee, TraceeExt, left, root_exec};
use crate::call::{Arg, Call, Sys, TraceeAddr, table};
use crate::creds::CAP_SYS_CHROOT;
use crate::errno::Errno;

pub use super::root_socket::socket_name;

/// Answers a call, whatever the root of the process.
pub async fn dispatch<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let is_left = left::is_left(tracee, call).await;
    if !tracee.has_root() {
        return if is_left { Ok(Answer::Pass) } else { table::dispatch(tracee, call).await };
    }
    match call.sys {
        Sys::Execve | Sys::Execveat => root_exec::execute(tracee, call).await,
        Sys::Socketcall => super::sockets::socketcall(tracee, call).await,
        // These look at paths themselves.
        Sys::Chroot | Sys::PivotRoot | Sys::Mount | Sys::Umount | Sys::Umount2 | Sys::Readlink | Sys::Readlinkat => {
            table::dispatch(tracee, call).await
        }
        _ => by_paths(tracee, call, is_left).await,
    }
}

/// Answers a call of a process with another root, none of those that look at paths themselves. `is_left` tells that it is the kernel's.
pub async fn by_paths<T: Tracee>(tracee: &T, call: &Call, is_left: bool) -> Outcome {
    let translated = match translated(tracee, call).await? {
        Translated { call, failed: None } => call,
        Translated { failed: Some(errno), .. } if is_common(call.sys) => return Err(errno),
        Translated { call, failed: Some(errno) } => return first_fault(tracee, &call, errno).await,
    };
    let outcome = if is_left { Ok(Answer::Pass) } else { table::dispatch(tracee, &translated).await };
    match outcome {
        Ok(Answer::Pass) if translated.args != call.args => tracee.run(&translated).await.map(Answer::Value),
        outcome => outcome,
    }
}

/// A call with its paths replaced.
pub(super) struct Translated {
    /// What can be made. A path that leads nowhere is [`NOWHERE`].
    pub call: Call,
    /// Why the first such path does.
    pub failed: Option<Errno>,
}

/// A path that is `ENOTDIR`.
const NOWHERE: &[u8] = b"/dev/null/nothing\0";

/// Calls that hardly ever have anything wrong but their paths.
fn is_common(sys: Sys) -> bool {
    use Sys::*;
    let asks = matches!(sys, Stat | Lstat | Newfstatat | Statx | Access | Faccessat | Faccessat2);
    asks || matches!(sys, Open | Openat | Chdir)
}

/// Why a call fails of which a path leads nowhere, as `errno` says: what is wrong with the other arguments may come first.
async fn first_fault<T: Tracee>(tracee: &T, call: &Call, errno: Errno) -> Outcome {
    let outcome = match table::dispatch(tracee, call).await {
        Ok(Answer::Pass) => tracee.run(call).await.map(Answer::Value),
        outcome => outcome,
    };
    if outcome == Err(Errno::ENOTDIR) { Err(errno) } else { outcome }
}

/// Replaces the paths of a call.
///
/// # Errors
/// Those of memory for the names, and of socket addresses.
pub(super) async fn translated<T: Tracee>(tracee: &T, call: &Call) -> Result<Translated, Errno> {
    let mut translated = *call;
    let mut failed = None;
    if let Some(address) = match call.sys {
        Sys::Bind | Sys::Connect => Some(0),
        Sys::Sendto => Some(1),
        _ => None,
    } {
        let last = if call.sys == Sys::Bind { Last::Name } else { Last::Target };
        let length = if address == 0 { call.word(Arg::Length) } else { call.nth(Arg::Length, 1) };
        let translated_address =
            translate_address(tracee, TraceeAddr(call.nth(Arg::In, address)), length, last).await?;
        if let Some((at, len)) = translated_address {
            translated = translated.with_nth(Arg::In, address, at.0).with_nth(Arg::Length, address, len);
        }
        return Ok(Translated { call: translated, failed });
    }
    let mut refused = 0;
    if call.sys == Sys::Openat2 {
        let Some(resolve) = resolve_flags(tracee, call) else { return Ok(Translated { call: translated, failed }) };
        refused = resolve & RESOLVE_REFUSING;
        // A path that never leaves its directory means the same whatever the root; what else there is the kernel refuses.
        if resolve & !(RESOLVE_REFUSING | RESOLVE_CACHED) != 0 {
            return Ok(Translated { call: translated, failed });
        }
        if refused != 0 {
            translated = without_refusals(tracee, call, resolve)?;
        }
    }
    for (kind, directory, nth) in
        [(Arg::Path, Arg::Dirfd, 0), (Arg::Link, Arg::Dirfd, 0), (Arg::NewPath, Arg::NewDirfd, 1)]
    {
        if !call.row().args.contains(&kind) {
            continue;
        }
        let mut buffer = [0; PATH_MAX];
        let path = match tracee.read_cstr(call.addr(kind), &mut buffer) {
            // EFAULT, ENAMETOOLONG, ENOENT or the descriptor itself.
            Err(_) | Ok([]) => continue,
            Ok(path) => path,
        };
        let has_directory = call.row().args.contains(&directory);
        let dirfd = if has_directory { call.int(directory) as i32 } else { libc::AT_FDCWD };
        let to = tracee.aside()?.add((nth * PATH_MAX) as u64);
        if let Err(errno) = tracee.translate(dirfd, path, last(tracee, call, kind), refused, to).await {
            tracee.write(to, NOWHERE)?;
            failed = failed.or(Some(errno));
        }
        translated = translated.with(kind, to.0);
        if has_directory {
            translated = translated.with(directory, libc::AT_FDCWD as u64);
        }
    }
    Ok(Translated { call: translated, failed })
}

/// The `resolve` of a `struct open_how`, which comes behind flags and mode; `None` if it cannot be read.
pub(super) fn resolve_flags<T: Tracee>(tracee: &T, call: &Call) -> Option<u64> {
    let mut resolve = [0; 8];
    tracee.read(call.addr(Arg::OpenHow).add(RESOLVE_AT), &mut resolve).ok()?;
    Some(u64::from_ne_bytes(resolve))
}

/// Where `resolve` is in a `struct open_how`, in bytes.
const RESOLVE_AT: u64 = 16;

/// An openat2 without the flags that refuse the translated name, which goes through a link of procfs.
fn without_refusals<T: Tracee>(tracee: &T, call: &Call, resolve: u64) -> Result<Call, Errno> {
    let mut how = [0; RESOLVE_AT as usize];
    tracee.read(call.addr(Arg::OpenHow), &mut how)?;
    let copy = tracee.aside()?.add(2 * PATH_MAX as u64);
    tracee.write(copy, &how)?;
    tracee.write(copy.add(RESOLVE_AT), &(resolve & !RESOLVE_REFUSING).to_ne_bytes())?;
    Ok(call.with(Arg::OpenHow, copy.0).with(Arg::Length, RESOLVE_AT + 8))
}

/// What a call does with the last component of its path of this kind.
pub(super) fn last<T: Tracee>(tracee: &T, call: &Call, kind: Arg) -> Last {
    /// `IN_DONT_FOLLOW` (inotify(7)).
    const IN_DONT_FOLLOW: u32 = 0x0200_0000;
    let follows = |yes| if yes { Last::Target } else { Last::Link };
    let flags = call.int(Arg::AtFlags) as i32;
    match call.sys {
        _ if kind == Arg::NewPath => Last::Name,
        Sys::Mkdir | Sys::Mkdirat | Sys::Mknod | Sys::Mknodat | Sys::Symlink | Sys::Symlinkat => Last::Name,
        Sys::Unlink | Sys::Unlinkat | Sys::Rmdir | Sys::Rename | Sys::Renameat | Sys::Renameat2 => Last::Name,
        Sys::Open | Sys::Openat => opened(u64::from(call.int(Arg::OpenFlags))),
        Sys::Creat => Last::Made,
        Sys::Openat2 => {
            let mut flags = [0; 8];
            // The kernel will say what is wrong with it.
            let _ = tracee.read(call.addr(Arg::OpenHow), &mut flags);
            opened(u64::from_ne_bytes(flags))
        }
        Sys::Linkat => follows(flags & libc::AT_SYMLINK_FOLLOW != 0),
        Sys::NameToHandleAt => follows(call.int(Arg::Flags) as i32 & libc::AT_SYMLINK_FOLLOW != 0),
        Sys::InotifyAddWatch => follows(call.int(Arg::Mask) & IN_DONT_FOLLOW == 0),
        _ => follows(kind == Arg::Path && flags & libc::AT_SYMLINK_NOFOLLOW == 0),
    }
}

/// The same for an open with these `O_*` flags. `fs/open.c: build_open_flags`.
fn opened(flags: u64) -> Last {
    let has = |flag: i32| flags & flag as u64 != 0;
    let makes = has(libc::O_CREAT) && !has(libc::O_PATH);
    if has(libc::O_NOFOLLOW) || makes && has(libc::O_EXCL) {
        // With O_CREAT a slash at the end is EISDIR, which the kernel says of the name as it is.
        if makes { Last::Name } else { Last::Link }
    } else if makes {
        Last::Made
    } else {
        Last::Target
    }
}

/// Reads the path of a call that looks at it itself.
pub(super) fn path_of<'b, T: Tracee>(
    tracee: &T,
    at: TraceeAddr,
    buffer: &'b mut [u8; PATH_MAX],
) -> Result<&'b [u8], Errno> {
    match tracee.read_cstr(at, buffer)? {
        [] => Err(Errno::ENOENT),
        path => Ok(path),
    }
}

/// chroot(2). `fs/open.c: ksys_chroot`.
pub async fn chroot<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    if tracee.has_own_view() {
        return super::namespaces::enter(tracee, call).await;
    }
    let mut buffer = [0; PATH_MAX];
    let path = path_of(tracee, call.addr(Arg::Path), &mut buffer)?;
    tracee.change_root(path, tracee.creds().has(CAP_SYS_CHROOT)).await?;
    Ok(Answer::Value(0))
}

/// pivot_root(2). `fs/namespace.c: path_pivot_root`.
pub async fn pivot_root<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    if tracee.has_own_view() {
        return Ok(Answer::Pass);
    }
    if !tracee.creds().has(crate::creds::CAP_SYS_ADMIN) {
        return Err(Errno::EPERM);
    }
    let mut new = [0; PATH_MAX];
    let new = path_of(tracee, call.addr(Arg::Path), &mut new)?;
    let mut old = [0; PATH_MAX];
    let old = path_of(tracee, TraceeAddr(call.nth(Arg::Path, 1)), &mut old)?;
    tracee.pivot_root(new, old).await?;
    Ok(Answer::Value(0))
}

/// getcwd(2). `fs/d_path.c: getcwd`.
pub async fn getcwd<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    if !tracee.has_root() {
        return Ok(Answer::Pass);
    }
    let mut text = [0; PATH_MAX];
    let len = tracee.working_directory(text.get_mut(..PATH_MAX - 1).unwrap_or_default())?;
    // With its terminator.
    let text = text.get(..=len).ok_or(Errno::ENAMETOOLONG)?;
    if (call.word(Arg::Length)) < text.len() as u64 {
        return Err(Errno::ERANGE);
    }
    tracee.write(call.addr(Arg::Out), text)?;
    Ok(Answer::Value(text.len() as u64))
}

/// readlink and readlinkat.
pub async fn readlink<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let mut buffer = [0; PATH_MAX];
    if !tracee.has_root() {
        return Ok(Answer::Pass);
    }
    let path = match tracee.read_cstr(call.addr(Arg::Link), &mut buffer) {
        Err(_) | Ok([]) => return Ok(Answer::Pass),
        Ok(path) => path,
    };
    let len = call.int(Arg::Length) as i32;
    if len <= 0 {
        return Err(Errno::EINVAL);
    }
    let at = call.row().args.contains(&Arg::Dirfd);
    let dirfd = if at { call.int(Arg::Dirfd) as i32 } else { libc::AT_FDCWD };
    let to = tracee.aside()?;
    if tracee.translate(dirfd, path, Last::Link, 0, to).await? {
        let mut text = [0; PATH_MAX];
        let have = tracee.link_text(dirfd, path, &mut text).await?;
        let text = text.get(..have.min(len as usize)).ok_or(Errno::ENAMETOOLONG)?;
        tracee.write(call.addr(Arg::Out), text)?;
        return Ok(Answer::Value(text.len() as u64));
    }
    let mut translated = call.with(Arg::Link, to.0);
    if at {
        translated = translated.with(Arg::Dirfd, libc::AT_FDCWD as u64);
    }
    tracee.run(&translated).await.map(Answer::Value)
}
