//! Doing what was drawn, and telling what came of it.

use std::ffi::{CStr, CString};

use libc::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, O_DIRECTORY, O_NONBLOCK, O_RDONLY};

use super::SLOTS;
use super::act::{Act, GROUPS, NO_DRIVER, TIMES};
use crate::cases::xattr_acl;
use crate::seen::{self, Seen};
use crate::stage::proc_path;
use crate::sys::{NULL, Result, errno};

/// A process of a walk.
pub struct Actor {
    /// Descriptors, -1 for none.
    slots: [i32; SLOTS],
}

impl Actor {
    /// One that has opened nothing.
    pub const fn new() -> Actor {
        Actor { slots: [-1; SLOTS] }
    }

    fn fd(&self, slot: i32) -> i32 {
        usize::try_from(slot).ok().and_then(|slot| self.slots.get(slot).copied()).unwrap_or(-1)
    }

    fn at(&self, slot: i32) -> i32 {
        if slot == -1 { AT_FDCWD } else { self.fd(slot) }
    }

    /// Keeps a new descriptor and closes the one that was there.
    fn keep(&mut self, slot: i32, opened: Result) -> String {
        if let (Ok(fd), Ok(slot)) = (opened, usize::try_from(slot)) {
            let old = std::mem::replace(&mut self.slots[slot], fd as i32);
            if old >= 0 {
                let _ = quiet!(close(old));
            }
        }
        opened.map_or_else(errno::name, |_| "opened".to_owned())
    }

    /// Does it; what was returned, as text.
    pub fn perform(&mut self, act: Act) -> String {
        match act {
            Act::Setresuid(real, effective, saved) => value(quiet!(setresuid(real, effective, saved))),
            Act::Setresgid(real, effective, saved) => value(quiet!(setresgid(real, effective, saved))),
            Act::Setgroups(count) => value(quiet!(setgroups(count, &GROUPS))),
            Act::Setfsuid(uid) => value(quiet!(setfsuid(uid))),
            Act::Setfsgid(gid) => value(quiet!(setfsgid(gid))),
            Act::Keepcaps(on) => value(quiet!(prctl(libc::PR_SET_KEEPCAPS, on, 0, 0, 0))),
            Act::Capset(effective, permitted) => {
                value(quiet!(capset(&CAPABILITY_HEADER, &[effective, permitted, 0, 0, 0, 0u32])))
            }
            Act::Ids() => ids(),
            Act::Umask(mask) => quiet!(umask(mask)).map_or_else(errno::name, |old| format!("{old:o}")),
            Act::Chdir(path) => value(quiet!(chdir(&*text(path)))),
            Act::Fchdir(slot) => value(quiet!(fchdir(self.fd(slot)))),
            Act::Mkdir(at, path, mode) => value(quiet!(mkdirat(self.at(at), &*text(path), mode))),
            Act::Mknod(at, path, mode, minor) => {
                let device = libc::makedev(NO_DRIVER, minor as u32);
                value(quiet!(mknodat(self.at(at), &*text(path), mode, device)))
            }
            Act::Symlink(target, at, path) => value(quiet!(symlinkat(&*text(target), self.at(at), &*text(path)))),
            Act::Link(from_at, from, to_at, to, flags) => {
                value(quiet!(linkat(self.at(from_at), &*text(from), self.at(to_at), &*text(to), flags)))
            }
            Act::LinkSlot(slot, at, path) => {
                let from = proc_path(self.fd(slot));
                value(quiet!(linkat(AT_FDCWD, &*from, self.at(at), &*text(path), AT_SYMLINK_FOLLOW)))
            }
            Act::Unlink(at, path, flags) => value(quiet!(unlinkat(self.at(at), &*text(path), flags))),
            Act::Rename(from_at, from, to_at, to, flags) => {
                value(quiet!(renameat2(self.at(from_at), &*text(from), self.at(to_at), &*text(to), flags)))
            }
            Act::Open(slot, at, path, flags, mode) => {
                let flags = flags | O_NONBLOCK as u32;
                self.keep(slot, quiet!(openat(self.at(at), &*text(path), flags, mode)))
            }
            Act::Reopen(slot, from, flags) => {
                let path = proc_path(self.fd(from));
                self.keep(slot, quiet!(openat(AT_FDCWD, &*path, flags | O_NONBLOCK as u32, 0)))
            }
            Act::Close(slot) => {
                let closed = quiet!(close(self.fd(slot)));
                if let Ok(slot) = usize::try_from(slot) {
                    self.slots[slot] = -1;
                }
                value(closed)
            }
            Act::Chmod(at, path, mode) => value(quiet!(fchmodat(self.at(at), &*text(path), mode))),
            Act::Chmod2(at, path, mode, flags) => {
                let path = if flags & AT_EMPTY_PATH != 0 { "" } else { path };
                value(quiet!(fchmodat2(self.at(at), &*text(path), mode, flags)))
            }
            Act::Fchmod(slot, mode) => value(quiet!(fchmod(self.fd(slot), mode))),
            Act::Chown(at, path, uid, gid, flags) => {
                value(quiet!(fchownat(self.at(at), &*text(path), uid, gid, flags)))
            }
            Act::Fchown(slot, uid, gid) => value(quiet!(fchown(self.fd(slot), uid, gid))),
            // The width of `off_t` is the ABI's, and so is that of this.
            Act::Truncate(path, len) => value(quiet!(truncate(&*text(path), len as isize))),
            Act::Ftruncate(slot, len) => value(quiet!(ftruncate(self.fd(slot), len as isize))),
            Act::Write(slot, len) => value(quiet!(write(self.fd(slot), &[b'w'; 16], len))),
            // The offset is one word or two.
            Act::Pwrite(slot, offset) => value(quiet!(pwrite64(self.fd(slot), c"p", 1, offset, offset >> 31))),
            Act::CopyRange(from, to, len) => {
                value(quiet!(copy_file_range(self.fd(from), NULL, self.fd(to), NULL, len, 0)))
            }
            Act::Access(at, path, mode) => value(quiet!(faccessat(self.at(at), &*text(path), mode))),
            Act::Access2(at, path, mode, flags) => value(quiet!(faccessat2(self.at(at), &*text(path), mode, flags))),
            Act::Utimens(at, path, times, flags) => {
                let path = text(path);
                with_times(times, |times| quiet!(utimensat(self.at(at), &*path, times, flags)))
            }
            Act::Futimens(slot, times) => with_times(times, |times| quiet!(utimensat(self.fd(slot), NULL, times, 0))),
            Act::Setxattr(path, name, content, flags, nofollow) => {
                let (path, name) = (text(path), text(name));
                value(if nofollow == 0 {
                    quiet!(setxattr(&*path, &*name, content.as_bytes(), content.len(), flags))
                } else {
                    quiet!(lsetxattr(&*path, &*name, content.as_bytes(), content.len(), flags))
                })
            }
            Act::Fsetxattr(slot, name, content, flags) => {
                value(quiet!(fsetxattr(self.fd(slot), &*text(name), content.as_bytes(), content.len(), flags)))
            }
            Act::Getxattr(path, name) => {
                let mut found = [0u8; 256];
                content(quiet!(getxattr(&*text(path), &*text(name), &mut found, 256)), &found)
            }
            Act::Fgetxattr(slot, name) => {
                let mut found = [0u8; 256];
                content(quiet!(fgetxattr(self.fd(slot), &*text(name), &mut found, 256)), &found)
            }
            Act::Listxattr(path) => {
                let mut names = [0u8; 1024];
                list(quiet!(listxattr(&*text(path), &mut names, 1024)), &names)
            }
            Act::Removexattr(path, name) => value(quiet!(removexattr(&*text(path), &*text(name)))),
            Act::AccessAcl(path, list) => set_acl(path, c"system.posix_acl_access", list),
            Act::DefaultAcl(path, list) => set_acl(path, c"system.posix_acl_default", list),
            Act::Stat(at, path, nofollow) => {
                let flags = if nofollow == 0 { 0 } else { AT_SYMLINK_NOFOLLOW };
                stat(self.at(at), &text(path), flags)
            }
            Act::Fstat(slot) => {
                told(&[seen::by_fstat(self.fd(slot)), seen::by_statx(self.fd(slot), c"", AT_EMPTY_PATH)])
            }
            Act::Readlink(at, path) => {
                let mut target = [0u8; 256];
                content(quiet!(readlinkat(self.at(at), &*text(path), &mut target, 256)), &target)
            }
            Act::List(at, path) => match quiet!(openat(self.at(at), &*text(path), O_RDONLY | O_DIRECTORY, 0)) {
                Ok(fd) => {
                    let names = names(fd as i32);
                    let _ = quiet!(close(fd));
                    names.join(" ")
                }
                Err(error) => errno::name(error),
            },
        }
    }
}

const CAPABILITY_HEADER: [u32; 2] = [0x2008_0522, 0];

fn text(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

fn value(result: Result) -> String {
    result.map_or_else(errno::name, |value| (value as isize).to_string())
}

/// What was put into a buffer.
fn content(result: Result, found: &[u8]) -> String {
    match result {
        Ok(len) => found.get(..len).unwrap_or_default().escape_ascii().to_string(),
        Err(error) => errno::name(error),
    }
}

/// The names of extended attributes, in an order of our own.
fn list(result: Result, found: &[u8]) -> String {
    match result {
        Ok(len) => {
            let names = found.get(..len).unwrap_or_default().split(|byte| *byte == 0).filter(|name| !name.is_empty());
            let mut names: Vec<String> = names.map(|name| name.escape_ascii().to_string()).collect();
            names.sort();
            format!("[{}]", names.join(" "))
        }
        Err(error) => errno::name(error),
    }
}

/// One answer if all are the same.
fn told(answers: &[Result<Seen>]) -> String {
    let told = |answer: &Result<Seen>| answer.map_or_else(errno::name, |seen| seen.to_string());
    if answers.iter().all(|answer| *answer == answers[0]) {
        told(&answers[0])
    } else {
        format!("DISAGREE: {}", answers.iter().map(told).collect::<Vec<_>>().join(" | "))
    }
}

fn stat(at: i32, path: &CStr, flags: i32) -> String {
    told(&[seen::by_statx(at, path, flags), seen::by_fstatat(at, path, flags)])
}

fn ids() -> String {
    let (mut uids, mut gids, mut groups, mut caps) = ([0u32; 3], [0u32; 3], [0u32; 8], [0u32; 6]);
    let mut told = Vec::new();
    let [real, effective, saved] = &mut uids;
    told.push(value(quiet!(getresuid(real, effective, saved))));
    let [real, effective, saved] = &mut gids;
    told.push(value(quiet!(getresgid(real, effective, saved))));
    told.push(value(quiet!(getgroups(8, &mut groups))));
    told.push(value(quiet!(capget(&CAPABILITY_HEADER, &mut caps))));
    // Of those that decide here; a container's root need not have the others.
    const OF_FILES_AND_USERS: u32 = 0xff;
    let [effective, permitted, ..] = caps.map(|set| set & OF_FILES_AND_USERS);
    format!("{} uid {uids:?} gid {gids:?} groups {groups:?} caps {effective:x} {permitted:x}", told.join(" "))
}

fn with_times(index: i32, set: impl FnOnce(usize) -> Result) -> String {
    let Some(nanoseconds) = TIMES[index as usize] else { return value(set(NULL)) };
    let times = nanoseconds.map(|nanosecond| [1_000_000_000isize, nanosecond as isize]);
    value(set(times.as_ptr() as usize))
}

fn set_acl(path: &str, name: &CStr, list: u32) -> String {
    const NO_ID: u32 = u32::MAX;
    let digit = |index: u32| (list >> (3 * index) & 7) as u16;
    let entries = [
        (1, digit(5), NO_ID),
        (2, digit(4), 1000),
        (4, digit(3), NO_ID),
        (8, digit(2), 2000),
        (0x10, digit(1), NO_ID),
        (0x20, digit(0), NO_ID),
    ];
    let blob = xattr_acl::acl(&entries);
    value(quiet!(setxattr(&*text(path), name, &blob[..], blob.len(), 0)))
}

/// What getdents64 tells of a directory, in an order of our own.
fn names(fd: i32) -> Vec<String> {
    let mut names = Vec::new();
    let mut buffer = [0u8; 4096];
    loop {
        match quiet!(getdents64(fd, &mut buffer, 4096)) {
            Ok(0) => break,
            Ok(len) => {
                // `struct linux_dirent64`: inode number, offset, length of the record, type, name.
                let mut rest = &buffer[..len];
                while let [_, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, low, high, kind, name @ ..] = rest {
                    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
                    names.push(format!("{}:{kind}", name.escape_ascii()));
                    rest = rest.get(usize::from(u16::from_le_bytes([*low, *high])).max(19)..).unwrap_or_default();
                }
            }
            Err(error) => {
                names.push(errno::name(error));
                break;
            }
        }
    }
    names.sort();
    names
}

/// All that is below a directory, with extended attributes, as this process sees it.
pub fn tree(path: &str, lines: &mut String) {
    let c_path = text(path);
    let seen = stat(AT_FDCWD, &c_path, AT_SYMLINK_NOFOLLOW);
    lines.push_str(&format!("  {path}: {seen}"));
    let mut buffer = [0u8; 1024];
    let xattrs = quiet!(llistxattr(&*c_path, &mut buffer, 1024));
    let mut xattr_names: Vec<&[u8]> = buffer[..xattrs.unwrap_or(0)].split(|byte| *byte == 0).collect();
    xattr_names.sort_unstable();
    for name in xattr_names.into_iter().filter(|name| !name.is_empty()) {
        let c_name = CString::new(name).unwrap_or_default();
        let mut found = [0u8; 256];
        let content = content(quiet!(lgetxattr(&*c_path, &*c_name, &mut found, 256)), &found);
        lines.push_str(&format!(" {}={content}", name.escape_ascii()));
    }
    let is_directory = seen.starts_with("dir ");
    let opened = |flags| quiet!(openat(AT_FDCWD, &*c_path, flags, 0));
    let flags = O_RDONLY | O_DIRECTORY | libc::O_NOFOLLOW | O_NONBLOCK;
    let Some(fd) = Some(flags).filter(|_| is_directory).and_then(|flags| opened(flags).ok()) else {
        lines.push('\n');
        return;
    };
    let names = names(fd as i32);
    let _ = quiet!(close(fd));
    lines.push_str(&format!(" [{}]\n", names.join(" ")));
    for name in &names {
        match name.rsplit_once(':') {
            Some(("." | "..", _)) | None => {}
            Some((name, _)) => tree(&format!("{path}/{name}"), lines),
        }
    }
}
