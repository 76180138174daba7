//! The same random calls made by root and by a fooled thread: what they return must be the same.

// What the other tests use of it.
#[allow(dead_code)]
mod support;

use std::ffi::{CStr, CString};
use std::fmt::Write as _;

use frng_core::call::Sys;
use frng_core::creds::Creds;
use frng_core::errno::Errno;
use frng_core::policy::Tracee;
use frng_core::stat::{S_IFCHR, make_dev};
use support::{Fooled, at, issue};

const CWD: u64 = libc::AT_FDCWD as u64;
const ROUNDS: usize = 6000;
/// Supplementary groups of everybody.
const GROUPS: &[u32] = &[50, 60];

/// Who makes the calls: root itself, or somebody who is told to be root.
enum Side {
    Root { _directory: tempfile::TempDir },
    Fooled(Box<Fooled>),
}

impl Side {
    /// Takes this thread to an empty directory of root.
    fn root() -> Side {
        let directory = tempfile::tempdir().expect("a directory for temporary files");
        // SAFETY: plain system calls; unshare gives this thread a working directory and a umask of its own.
        unsafe {
            assert_eq!(libc::unshare(libc::CLONE_FS), 0);
            assert_eq!(libc::syscall(libc::SYS_setgroups, GROUPS.len(), GROUPS.as_ptr()), 0);
            libc::umask(0o022);
        }
        std::env::set_current_dir(directory.path()).expect("chdir");
        Side::Root { _directory: directory }
    }

    /// The same, but root is only believed in.
    fn fooled() -> Side {
        let fooled = Fooled::new();
        fooled.set_groups(GROUPS.len(), &mut |index| Ok(GROUPS[index])).expect("setgroups");
        Side::Fooled(Box::new(fooled))
    }

    fn call(&self, sys: Sys, args: [u64; 6]) -> Result<u64, Errno> {
        match self {
            Side::Root { .. } => issue(sys, args),
            Side::Fooled(fooled) => fooled.call(sys, args),
        }
    }

    /// Becomes an ordinary user, or root again.
    fn become_user(&self, uid: u32) {
        match self {
            // SAFETY: plain system calls that change this thread only.
            Side::Root { .. } => unsafe {
                assert_eq!(libc::syscall(libc::SYS_setresuid, 0, 0, 0), 0);
                assert_eq!(libc::syscall(libc::SYS_setresgid, uid, uid, 0), 0);
                assert_eq!(libc::syscall(libc::SYS_setresuid, uid, uid, 0), 0);
            },
            Side::Fooled(fooled) if uid == 0 => fooled.set_creds(Creds::root(40)),
            Side::Fooled(fooled) => fooled.become_user(uid, uid),
        }
    }

    fn mode(&self, path: &CStr) -> String {
        // SAFETY: all bytes 0 are a stat structure.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        let buffer = &raw mut stat as u64;
        let result = self.call(Sys::Newfstatat, at(path, [buffer, libc::AT_SYMLINK_NOFOLLOW as u64]));
        format!("{result:?} {}:{} {:o}", stat.st_uid, stat.st_gid, stat.st_mode)
    }
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ word >> 31) % limit as u64) as usize
    }

    fn one<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// An ACL, most often a valid one.
    fn acl(&mut self) -> Vec<u8> {
        let mut entries = vec![(1, self.below(8), 0)];
        let named = self.one(&[0, 0, 1, 2]);
        for _ in 0..named {
            entries.push((2, self.below(8), self.one(&[0, 7, 1000, 1001, 70000])));
        }
        entries.push((4, self.below(8), 5));
        let groups = self.one(&[0, 0, 1, 2]);
        for _ in 0..groups {
            entries.push((8, self.below(8), self.one(&[0, 50, 60, 1000])));
        }
        if named + groups > 0 || self.below(4) == 0 {
            entries.push((16, self.below(8), u32::MAX));
        }
        entries.push((32, self.below(8), u32::MAX));
        let any = self.below(entries.len());
        match self.below(16) {
            0 => drop(entries.remove(any)),
            1 => entries[any].0 = self.one(&[0, 1, 2, 3, 4, 8, 16, 32, 64]),
            2 => entries[any].1 = 8 + self.below(8),
            3 => entries[any].2 = u32::MAX,
            4 => entries.insert(any, (2, 7, 9)),
            5 => entries.clear(),
            _ => {}
        }
        let mut value = self.one(&[2, 2, 2, 2, 2, 2, 2, 3_u32]).to_le_bytes().to_vec();
        for (tag, perm, id) in entries {
            value.extend((tag as u16).to_le_bytes());
            value.extend((perm as u16).to_le_bytes());
            value.extend(id.to_le_bytes());
        }
        match self.below(20) {
            0 => value.truncate(self.below(value.len())),
            1 => value.push(0),
            _ => {}
        }
        value
    }

    /// A value of security.capability, most often a valid one.
    fn capability(&mut self) -> Vec<u8> {
        let mut words =
            vec![self.one(&[0x0200_0000, 0x0300_0000, 0x0100_0000]) | self.one(&[0, 1, 2, 0]), 0x2000, 0, 0, 0];
        if words[0] >> 24 == 3 || self.below(8) == 0 {
            words.push(self.one(&[0, 1000, u32::MAX]));
        }
        let mut value: Vec<u8> = words.iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
        if self.below(10) == 0 {
            value.truncate(self.below(value.len()));
        }
        value
    }

    fn value(&mut self, name: &CStr) -> Vec<u8> {
        match (name.to_bytes(), self.below(12)) {
            (b"system.posix_acl_access" | b"system.posix_acl_default", 1..) => self.acl(),
            (b"security.capability", 1..) => self.capability(),
            _ => vec![b'x'; self.one(&[0, 1, 7, 60])],
        }
    }
}

const FILES: &[&CStr] = &[c"file", c"owned", c"group", c"directory", c"sticky", c"device", c"link", c"none", c"file/x"];
const NAMES: &[&CStr] = &[
    c"user.a",
    c"user.b",
    c"user.",
    c"trusted.a",
    c"trusted.",
    c"security.a",
    c"security.",
    c"security.capability",
    c"security.capability",
    c"system.posix_acl_access",
    c"system.posix_acl_access",
    c"system.posix_acl_access",
    c"system.posix_acl_default",
    c"system.posix_acl_default",
    c"system.none",
    c"none.a",
    c"",
];
const USERS: &[u32] = &[0, 0, 0, 1000, 1001];

/// The forms of a call: by path, by path of a link, by descriptor, and the newest one.
type Forms = [Sys; 4];
const XATTR_SET: Forms = [Sys::Setxattr, Sys::Lsetxattr, Sys::Fsetxattr, Sys::Setxattrat];
const XATTR_GET: Forms = [Sys::Getxattr, Sys::Lgetxattr, Sys::Fgetxattr, Sys::Getxattrat];
const XATTR_LIST: Forms = [Sys::Listxattr, Sys::Llistxattr, Sys::Flistxattr, Sys::Listxattrat];
const XATTR_REMOVE: Forms = [Sys::Removexattr, Sys::Lremovexattr, Sys::Fremovexattr, Sys::Removexattrat];

/// A file, and how it is named.
#[derive(Debug)]
enum Named<'a> {
    Path(&'a CStr),
    Link(&'a CStr),
    /// Opened with these flags.
    Descriptor(&'a CStr, i32),
    At(&'a CStr, i32),
    /// A descriptor and an empty path.
    AtDescriptor(&'a CStr, i32),
}

impl<'a> Named<'a> {
    fn any(random: &mut Random, path: &'a CStr) -> Named<'a> {
        let open = random.one(&[libc::O_RDONLY, libc::O_PATH, libc::O_PATH | libc::O_NOFOLLOW]);
        match random.below(8) {
            0..3 => Named::Path(path),
            3..5 => Named::Link(path),
            5 => Named::Descriptor(path, open),
            6 => Named::At(path, random.one(&[0, libc::AT_SYMLINK_NOFOLLOW, libc::AT_EMPTY_PATH, 1])),
            _ => Named::AtDescriptor(path, open),
        }
    }

    fn call(&self, side: &Side, user: u32, forms: &Forms, rest: &[u64]) -> Result<u64, Errno> {
        let [path_form, link_form, descriptor_form, at_form] = *forms;
        let with = |form: Sys, first: &[u64], rest: &[u64]| {
            let mut args = [0; 6];
            args.iter_mut().zip(first.iter().chain(rest)).for_each(|(slot, word)| *slot = *word);
            side.call(form, args)
        };
        // `struct xattr_args`, to which the newest form moves what does not fit.
        let structure = match rest {
            [_, value, size, flags] => [*value, size | flags << 32],
            _ => [0; 2],
        };
        let structured = [rest[0], structure.as_ptr() as u64, 16];
        let at_rest = if rest.len() == 4 { &structured[..] } else { rest };
        match *self {
            Named::Path(path) => with(path_form, &[path.as_ptr() as u64], rest),
            Named::Link(path) => with(link_form, &[path.as_ptr() as u64], rest),
            Named::At(path, flags) => with(at_form, &[CWD, path.as_ptr() as u64, flags as u64], at_rest),
            Named::Descriptor(path, flags) => {
                with_open(side, user, path, flags, |fd| with(descriptor_form, &[fd], rest))
            }
            Named::AtDescriptor(path, flags) => with_open(side, user, path, flags, |fd| {
                with(at_form, &[fd, c"".as_ptr() as u64, libc::AT_EMPTY_PATH as u64], at_rest)
            }),
        }
    }
}

/// Calls `with` a descriptor that root opened: the right to open is another matter.
fn with_open(
    side: &Side,
    user: u32,
    path: &CStr,
    flags: i32,
    with: impl FnOnce(u64) -> Result<u64, Errno>,
) -> Result<u64, Errno> {
    side.become_user(0);
    let fd = issue(Sys::Openat, at(path, [flags as u64]));
    side.become_user(user);
    let fd = fd?;
    let result = with(fd);
    issue(Sys::Close, [fd, 0, 0, 0, 0, 0])?;
    result
}

fn setup(side: &Side) {
    let path = std::env::current_dir().expect("getcwd");
    let path = CString::new(path.into_os_string().into_encoded_bytes()).expect("a path");
    side.call(Sys::Fchmodat, at(&path, [0o755])).unwrap();
    for name in [c"file", c"owned", c"group"] {
        let flags = (libc::O_CREAT | libc::O_WRONLY) as u64;
        side.call(Sys::Close, [side.call(Sys::Openat, at(name, [flags, 0o644])).unwrap(), 0, 0, 0, 0, 0]).unwrap();
    }
    side.call(Sys::Mkdirat, at(c"directory", [0o755])).unwrap();
    side.call(Sys::Mkdirat, at(c"sticky", [0o755])).unwrap();
    side.call(Sys::Mknodat, at(c"device", [(S_IFCHR | 0o644).into(), make_dev(1, 3)])).unwrap();
    side.call(Sys::Symlinkat, [c"file".as_ptr() as u64, CWD, c"link".as_ptr() as u64, 0, 0, 0]).unwrap();
    side.call(Sys::Fchownat, at(c"owned", [1000, 1000, 0])).unwrap();
    side.call(Sys::Fchownat, at(c"group", [1001, 50, 0])).unwrap();
    side.call(Sys::Fchmodat, at(c"group", [0o2755])).unwrap();
    side.call(Sys::Fchmodat, at(c"sticky", [0o1777])).unwrap();
}

/// One random call, and what came of it.
fn step(side: &Side, random: &mut Random, user: u32) -> String {
    let (path, name) = (random.one(FILES), random.one(NAMES));
    let name_at = name.as_ptr() as u64;
    let named = Named::any(random, path);
    let mut told = String::new();
    match random.below(if user == 0 { 9 } else { 7 }) {
        0 | 1 => {
            let (value, flags) = (random.value(name), random.one(&[0, 0, 0, 0, 1, 2, 3, 4]));
            let size = value.len() as u64;
            let result = named.call(side, user, &XATTR_SET, &[name_at, value.as_ptr() as u64, size, flags]);
            let _ = write!(told, "set {named:?} {name:?} {value:x?} {flags} = {result:?}, {}", side.mode(path));
        }
        2 => {
            let mut value = vec![0xaa; random.one(&[0, 1, 4, 20, 200])];
            let size = value.len() as u64;
            let result = named.call(side, user, &XATTR_GET, &[name_at, value.as_mut_ptr() as u64, size, 0]);
            let _ = write!(told, "get {named:?} {name:?} {size} = {result:?} {value:x?}");
        }
        3 => {
            let result = named.call(side, user, &XATTR_REMOVE, &[name_at]);
            let _ = write!(told, "remove {named:?} {name:?} = {result:?}, {}", side.mode(path));
        }
        4 => {
            let mut list = vec![0; random.one(&[0, 0, 10, 40, 1000])];
            let size = list.len() as u64;
            let result = named.call(side, user, &XATTR_LIST, &[list.as_mut_ptr() as u64, size]);
            let mut names: Vec<&[u8]> = list.split(|byte| *byte == 0).filter(|name| !name.is_empty()).collect();
            names.sort_unstable();
            let names: Vec<_> = names.into_iter().map(String::from_utf8_lossy).collect();
            let _ = write!(told, "list {named:?} {size} = {result:?} {names:?}");
        }
        5 => {
            let (mode, flags) = (random.below(9) as u64, random.one(&[0, 0, 0x100, 0x200, 0x400]));
            let result = side.call(Sys::Faccessat2, at(path, [mode, flags]));
            let _ = write!(told, "access {path:?} {mode} {flags:x} = {result:?}");
        }
        6 => {
            let second = |nsec: i64| libc::timespec { tv_sec: 1000, tv_nsec: nsec };
            let choices = [1, libc::UTIME_NOW, libc::UTIME_OMIT, 1_000_000_000];
            let times = [second(random.one(&choices)), second(random.one(&choices))];
            let pointer = if random.below(3) == 0 { 0 } else { times.as_ptr() as u64 };
            let flags = random.one(&[0, 0, 0x100, 0x200]);
            let result = side.call(Sys::Utimensat, at(path, [pointer, flags]));
            let nsec = [times[0].tv_nsec, times[1].tv_nsec];
            let _ = write!(told, "utimensat {path:?} {} {nsec:?} {flags:x} = {result:?}", pointer == 0);
        }
        7 => {
            let mode = random.one(&[0, 0o600, 0o644, 0o755, 0o750, 0o7, 0o70, 0o2775, 0o4711, 0o640]);
            let result = side.call(Sys::Fchmodat, at(path, [mode]));
            let _ = write!(told, "chmod {path:?} {mode:o} = {result:?}, {}", side.mode(path));
        }
        _ => {
            let mode = random.one(&[0o600, 0o644, 0o666, 0o755, 0o777, 0]);
            let new = c"directory/new";
            let (made, flags) = match random.below(3) {
                0 => (side.call(Sys::Mkdirat, at(new, [mode])), libc::AT_REMOVEDIR),
                1 => (side.call(Sys::Mknodat, at(new, [mode | u64::from(S_IFCHR), 5])), 0),
                _ => {
                    let flags = (libc::O_CREAT | libc::O_EXCL | libc::O_RDWR) as u64;
                    let opened = side.call(Sys::Openat, at(new, [flags, mode]));
                    (opened.and_then(|fd| side.call(Sys::Close, [fd, 0, 0, 0, 0, 0])), 0)
                }
            };
            let _ = write!(told, "new {mode:o} = {made:?}, {}", side.mode(new));
            for name in [c"system.posix_acl_access", c"system.posix_acl_default"] {
                let mut value = vec![0xaa; 200];
                let args = [new.as_ptr() as u64, name.as_ptr() as u64, value.as_mut_ptr() as u64, 200, 0, 0];
                let got = side.call(Sys::Getxattr, args);
                let _ = write!(told, " {got:?} {value:x?}");
            }
            let removed = side.call(Sys::Unlinkat, at(new, [flags as u64]));
            let _ = write!(told, " {removed:?}");
        }
    }
    told
}

/// All that one side is told, call by call.
fn run(side: &Side, seed: u64) -> Vec<String> {
    let mut random = Random(seed);
    setup(side);
    let mut told = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let user = random.one(USERS);
        side.become_user(user);
        told.push(format!("{user}: {}", step(side, &mut random, user)));
    }
    side.become_user(0);
    told
}

fn is_root() -> bool {
    // SAFETY: a plain system call.
    let root = unsafe { libc::geteuid() == 0 };
    if !root {
        eprintln!("skipped: needs root as its oracle");
    }
    root
}

#[test]
fn random_calls_return_what_they_return_to_root() {
    if !is_root() {
        return;
    }
    let seed = 20;
    let root = std::thread::spawn(move || run(&Side::root(), seed)).join().expect("root's side");
    let fooled = std::thread::spawn(move || run(&Side::fooled(), seed)).join().expect("our side");
    for (round, (root, fooled)) in root.iter().zip(&fooled).enumerate() {
        assert_eq!(root, fooled, "round {round}");
    }
}
