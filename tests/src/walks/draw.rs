//! Drawing a walk.
//!
//! What frng does not do as root's kernel, and says so, is not drawn:
//! * write(2) takes `security.capability` from files (`differences.rs`);
//! * opening a faked null device and its like opens the real one, whose own owner is shown then;
//! * chown(2) leaves the change time: times are set, and never shown.
//!
//! Devices have no driver here, so that opening one is `ENXIO` for root too, and does no harm.

use libc::{
    AT_EACCESS, AT_EMPTY_PATH, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, O_CREAT, O_DIRECTORY, O_EXCL,
    O_NOATIME, O_NOFOLLOW, O_PATH, O_RDONLY, O_RDWR, O_TMPFILE, O_TRUNC, O_WRONLY, RENAME_EXCHANGE, RENAME_NOREPLACE,
    S_IFBLK, S_IFCHR, S_IFIFO, S_IFREG, S_IFSOCK, XATTR_CREATE, XATTR_REPLACE,
};

use super::act::{Act, GROUPS, TIMES};
use super::{PROCESSES, Step};
use crate::random::Random;

/// Few names, so that most paths meet something, in several ways to write them.
const PATHS: &[&str] = &[
    "a", "b", "c", "d", "a", "b", "c", "d", "a/a", "a/b", "a/c", "b/a", "b/b", "b/d", "c/a", "c/d", "d/a", "a/a/a",
    "a/a/b", "a/b/c", "b/a/c", "b/b/b", ".", "a/.", "a/..", "a/../b", "b/../a/b", "./c", "a/", "b/", "d/", "c/a/",
];

const TARGETS: &[&str] =
    &["a", "b", "c", "d", "a/a", "b/a", "../a", "../b", "../c/a", ".", "..", "a/", "b/../c", "./d", "missing", "d/d"];

const MODES: &[u32] = &[
    0o755, 0o777, 0o700, 0o644, 0o666, 0o600, 0o000, 0o1777, 0o2755, 0o2775, 0o4755, 0o6777, 0o2644, 0o2070, 0o711,
    0o744, 0o070, 0o007, 0o770, 0o444, 0o222, 0o111, 0o3777,
];

const IDS: &[i32] = &[-1, 0, 0, 1000, 1000, 1001, 2000];

const FLAGS: &[i32] = &[
    O_RDONLY,
    O_RDONLY,
    O_WRONLY,
    O_RDWR,
    O_PATH,
    O_PATH | O_NOFOLLOW,
    O_RDONLY | O_DIRECTORY,
    O_RDONLY | O_NOFOLLOW,
    O_RDONLY | O_NOATIME,
    O_RDONLY | O_TRUNC,
    O_WRONLY | O_TRUNC,
    O_RDWR | O_CREAT,
    O_WRONLY | O_CREAT,
    O_RDONLY | O_CREAT,
    O_WRONLY | O_CREAT | O_EXCL,
    O_RDWR | O_CREAT | O_TRUNC,
    O_RDWR | O_CREAT | O_NOFOLLOW,
    O_RDWR | O_TMPFILE,
    O_WRONLY | O_TMPFILE | O_EXCL,
];

const XATTRS: &[&str] = &["user.a", "user.b", "trusted.a", "user.", "nowhere.a", "system.posix_acl_access"];

/// Capabilities that decide about files and users.
const CAPABILITIES: &[u32] = &[0, 1, 2, 3, 4, 6, 7, 21, 27];

/// The calls of a walk.
pub fn steps(seed: u64) -> Vec<Step> {
    let mut random = Drawer { random: Random::new(seed), made: Vec::new() };
    let len = 5 + random.below(56);
    // Some trees are made before anybody gives up anything.
    let planted = 1 + random.below(1 + len / 3);
    let mut steps = Vec::with_capacity(len);
    while steps.len() < len {
        let who = random.below(PROCESSES);
        if steps.len() < planted {
            steps.push((who, plant(&mut random)));
        } else if random.once_in(7) {
            for act in identity(&mut random) {
                steps.push((who, act));
            }
        } else {
            steps.push((who, any(&mut random)));
        }
    }
    steps.truncate(len);
    steps
}

/// Draws, and knows what is probably there by now.
struct Drawer {
    random: Random,
    made: Vec<&'static str>,
}

impl std::ops::Deref for Drawer {
    type Target = Random;

    fn deref(&self) -> &Random {
        &self.random
    }
}

impl std::ops::DerefMut for Drawer {
    fn deref_mut(&mut self) -> &mut Random {
        &mut self.random
    }
}

/// A path for a new name, in a directory that may be there.
fn new(random: &mut Drawer) -> &'static str {
    let path = random.one_of(PATHS);
    let parent = path.trim_end_matches('/').rsplit_once('/').map(|(parent, _)| parent);
    if parent.is_none_or(|parent| random.made.contains(&parent)) || random.once_in(8) {
        if !random.made.contains(&path) {
            random.made.push(path);
        }
        return path;
    }
    random.one_of(&["a", "b", "c", "d"])
}

/// A path, mostly one of what was made.
fn path(random: &mut Drawer) -> &'static str {
    if random.made.is_empty() || random.once_in(4) {
        return random.one_of(PATHS);
    }
    let index = random.random.below(random.made.len());
    random.made[index]
}

fn slot(random: &mut Drawer) -> i32 {
    random.below(super::SLOTS) as i32
}

/// Mostly the working directory.
fn at(random: &mut Drawer) -> i32 {
    if random.once_in(12) { slot(random) } else { -1 }
}

fn mode(random: &mut Drawer) -> u32 {
    if random.once_in(4) { random.below(0o10000) as u32 } else { random.one_of(MODES) }
}

fn id(random: &mut Drawer) -> i32 {
    random.one_of(IDS)
}

fn flag(random: &mut Drawer, flag: i32) -> i32 {
    if random.once_in(3) { flag } else { 0 }
}

fn acl(random: &mut Drawer) -> u32 {
    random.below(0o1000000) as u32
}

fn capabilities(random: &mut Drawer) -> u32 {
    let all = CAPABILITIES.iter().fold(0, |set, cap| set | 1 << cap);
    match random.below(4) {
        0 => 0,
        1 => 1 << random.one_of(CAPABILITIES),
        2 => all & !(1 << random.one_of(CAPABILITIES)),
        _ => all & random.number() as u32,
    }
}

/// What makes a tree for the others.
fn plant(random: &mut Drawer) -> Act {
    match random.below(10) {
        0..=3 => Act::Mkdir(-1, new(random), mode(random)),
        4..=5 => Act::Open(slot(random), -1, new(random), (O_CREAT | O_RDWR) as u32, mode(random)),
        6 => Act::Symlink(random.one_of(TARGETS), -1, new(random)),
        7..=8 => Act::Chown(-1, path(random), id(random), id(random), AT_SYMLINK_NOFOLLOW),
        _ => Act::Chmod(-1, path(random), mode(random)),
    }
}

/// A change of the user, as programs do it or in part.
fn identity(random: &mut Drawer) -> Vec<Act> {
    let user = random.one_of(&[1000, 1000, 1001, 2000]);
    match random.below(12) {
        0..=3 => vec![
            Act::Setgroups(random.below(GROUPS.len() + 1) as i32),
            Act::Setresgid(user, user, user),
            Act::Setresuid(user, user, user),
        ],
        4 => {
            let kept = capabilities(random);
            vec![Act::Keepcaps(1), Act::Setresuid(user, user, user), Act::Capset(kept, kept)]
        }
        5 => vec![Act::Setfsuid(id(random))],
        6 => vec![Act::Setfsgid(id(random))],
        7 => vec![Act::Setresuid(id(random), id(random), id(random))],
        8 => vec![Act::Setresgid(id(random), id(random), id(random))],
        9 => vec![Act::Setresuid(-1, random.one_of(&[0, user]), -1)],
        10 => vec![Act::Capset(capabilities(random), capabilities(random))],
        _ => vec![Act::Setgroups(random.below(GROUPS.len() + 1) as i32)],
    }
}

fn any(r: &mut Drawer) -> Act {
    match r.below(61) {
        0..=2 => Act::Mkdir(at(r), new(r), mode(r)),
        3..=4 => {
            let kind = r.one_of(&[S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, 0]);
            Act::Mknod(at(r), new(r), kind | mode(r), r.below(3) as i32)
        }
        5..=6 => Act::Symlink(r.one_of(TARGETS), at(r), new(r)),
        7..=8 => Act::Link(at(r), path(r), at(r), new(r), flag(r, AT_SYMLINK_FOLLOW)),
        9 => Act::LinkSlot(slot(r), at(r), new(r)),
        10..=12 => Act::Unlink(at(r), path(r), flag(r, AT_REMOVEDIR)),
        13..=16 => {
            let flags = r.one_of(&[0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE]);
            Act::Rename(at(r), path(r), at(r), if r.once_in(2) { new(r) } else { path(r) }, flags)
        }
        17..=22 => {
            let flags = r.one_of(FLAGS);
            let path = if flags & O_CREAT != 0 { new(r) } else { path(r) };
            Act::Open(slot(r), at(r), path, flags as u32, mode(r))
        }
        23 => Act::Reopen(slot(r), slot(r), r.one_of(&[O_RDONLY, O_WRONLY, O_RDWR, O_PATH]) as u32),
        24 => Act::Close(slot(r)),
        25..=26 => Act::Chmod(at(r), path(r), mode(r)),
        27 => Act::Chmod2(at(r), path(r), mode(r), r.one_of(&[0, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH])),
        28..=29 => Act::Fchmod(slot(r), mode(r)),
        30..=32 => Act::Chown(at(r), path(r), id(r), id(r), flag(r, AT_SYMLINK_NOFOLLOW)),
        33 => Act::Fchown(slot(r), id(r), id(r)),
        34 => Act::Truncate(path(r), r.one_of(&[-1, 0, 3, 4096])),
        35 => Act::Ftruncate(slot(r), r.one_of(&[-1, 0, 3, 4096])),
        36..=37 => Act::Access(at(r), path(r), r.below(8) as u32),
        38 => {
            let flags = r.one_of(&[0, AT_EACCESS, AT_SYMLINK_NOFOLLOW, AT_EACCESS | AT_SYMLINK_NOFOLLOW]);
            Act::Access2(at(r), path(r), r.below(8) as u32, flags)
        }
        39 => Act::Utimens(at(r), path(r), r.below(TIMES.len()) as i32, flag(r, AT_SYMLINK_NOFOLLOW)),
        40 => Act::Futimens(slot(r), r.below(TIMES.len()) as i32),
        41 => {
            let flags = r.one_of(&[0, 0, XATTR_CREATE, XATTR_REPLACE]);
            Act::Setxattr(path(r), r.one_of(XATTRS), r.one_of(&["", "x", "value"]), flags, flag(r, 1))
        }
        42 => Act::Fsetxattr(slot(r), r.one_of(XATTRS), "v", 0),
        43 => Act::Getxattr(path(r), r.one_of(XATTRS)),
        44 => Act::Fgetxattr(slot(r), r.one_of(XATTRS)),
        45 => Act::Listxattr(path(r)),
        46 => Act::Removexattr(path(r), r.one_of(XATTRS)),
        47 => Act::AccessAcl(path(r), acl(r)),
        48 => Act::DefaultAcl(path(r), acl(r)),
        49..=50 => Act::Stat(at(r), path(r), flag(r, 1)),
        51 => Act::Fstat(slot(r)),
        52 => Act::Readlink(at(r), path(r)),
        53 => Act::List(at(r), path(r)),
        54 => Act::Umask(r.one_of(&[0, 0o22, 0o77, 0o27, 0o777, 0o700])),
        55 => Act::Chdir(path(r)),
        56 => Act::Fchdir(slot(r)),
        57..=58 => Act::Write(slot(r), r.one_of(&[0, 1, 3, 16])),
        59 => Act::Pwrite(slot(r), r.one_of(&[0, 5, -1])),
        60 if r.once_in(2) => Act::CopyRange(slot(r), slot(r), r.one_of(&[0, 1, 16])),
        _ => Act::Ids(),
    }
}
