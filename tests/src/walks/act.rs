//! What a process can do in a walk. An act is shown as the source text it is written with, so that a sequence that was
//! drawn can be pasted as a case.

use std::fmt;

/// An argument as source text: numbers of `u32` are bits, and octal.
trait Spelled {
    fn spell(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl Spelled for &'static str {
    fn spell(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl Spelled for i32 {
    fn spell(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Spelled for u32 {
    fn spell(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#o}")
    }
}

macro_rules! acts {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*);)*) => {
        /// One call, or a few that belong together.
        ///
        /// `slot` is where a process keeps a descriptor, `at` the slot of the directory in which a path begins, -1 for the
        /// working directory. What is in a slot that was not filled is -1, and `EBADF`.
        #[derive(Clone, Copy, Debug)]
        pub enum Act {
            $($(#[$doc])* $name($($type),*),)*
        }

        impl fmt::Display for Act {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name($($argument),*) => spell(f, stringify!($name), &[$($argument as &dyn Spelled),*]),)*
                }
            }
        }
    };
}

acts! {
    /// setresuid(2).
    Setresuid(real: i32, effective: i32, saved: i32);
    /// setresgid(2).
    Setresgid(real: i32, effective: i32, saved: i32);
    /// setgroups(2) with the first so many of [`GROUPS`].
    Setgroups(count: i32);
    /// setfsuid(2).
    Setfsuid(uid: i32);
    /// setfsgid(2).
    Setfsgid(gid: i32);
    /// `PR_SET_KEEPCAPS`.
    Keepcaps(on: i32);
    /// capset(2).
    Capset(effective: u32, permitted: u32);
    /// What the process takes itself for.
    Ids();
    /// umask(2).
    Umask(mask: u32);
    /// chdir(2).
    Chdir(path: &'static str);
    /// fchdir(2).
    Fchdir(slot: i32);
    /// mkdirat(2).
    Mkdir(at: i32, path: &'static str, mode: u32);
    /// mknodat(2); `minor` is that of a device, whose major number is [`NO_DRIVER`].
    Mknod(at: i32, path: &'static str, mode: u32, minor: i32);
    /// symlinkat(2).
    Symlink(target: &'static str, at: i32, path: &'static str);
    /// linkat(2).
    Link(from_at: i32, from: &'static str, to_at: i32, to: &'static str, flags: i32);
    /// linkat(2) of `/proc/self/fd/N`, as it is done for what `O_TMPFILE` has made.
    LinkSlot(slot: i32, at: i32, path: &'static str);
    /// unlinkat(2).
    Unlink(at: i32, path: &'static str, flags: i32);
    /// renameat2(2).
    Rename(from_at: i32, from: &'static str, to_at: i32, to: &'static str, flags: u32);
    /// openat(2), without ever waiting (`O_NONBLOCK`).
    Open(slot: i32, at: i32, path: &'static str, flags: u32, mode: u32);
    /// Opening `/proc/self/fd/N` of what is in a slot.
    Reopen(slot: i32, from: i32, flags: u32);
    /// close(2).
    Close(slot: i32);
    /// fchmodat(2).
    Chmod(at: i32, path: &'static str, mode: u32);
    /// fchmodat2(2).
    Chmod2(at: i32, path: &'static str, mode: u32, flags: i32);
    /// fchmod(2).
    Fchmod(slot: i32, mode: u32);
    /// fchownat(2).
    Chown(at: i32, path: &'static str, uid: i32, gid: i32, flags: i32);
    /// fchown(2).
    Fchown(slot: i32, uid: i32, gid: i32);
    /// truncate(2).
    Truncate(path: &'static str, len: i32);
    /// ftruncate(2).
    Ftruncate(slot: i32, len: i32);
    /// write(2) of so many bytes.
    Write(slot: i32, len: i32);
    /// pwrite(2) of one byte.
    Pwrite(slot: i32, offset: i32);
    /// copy_file_range(2) of so many bytes.
    CopyRange(from: i32, to: i32, len: i32);
    /// faccessat(2).
    Access(at: i32, path: &'static str, mode: u32);
    /// faccessat2(2).
    Access2(at: i32, path: &'static str, mode: u32, flags: i32);
    /// utimensat(2); `times` is an index to [`TIMES`].
    Utimens(at: i32, path: &'static str, times: i32, flags: i32);
    /// utimensat(2) of a descriptor.
    Futimens(slot: i32, times: i32);
    /// setxattr(2), lsetxattr(2) with `nofollow`.
    Setxattr(path: &'static str, name: &'static str, value: &'static str, flags: i32, nofollow: i32);
    /// fsetxattr(2).
    Fsetxattr(slot: i32, name: &'static str, value: &'static str, flags: i32);
    /// getxattr(2).
    Getxattr(path: &'static str, name: &'static str);
    /// fgetxattr(2).
    Fgetxattr(slot: i32, name: &'static str);
    /// listxattr(2).
    Listxattr(path: &'static str);
    /// removexattr(2).
    Removexattr(path: &'static str, name: &'static str);
    /// setxattr(2) of an access ACL; the digits of `list` are owner, user 1000, owning group, group 2000, mask, others.
    AccessAcl(path: &'static str, list: u32);
    /// The same of a default ACL.
    DefaultAcl(path: &'static str, list: u32);
    /// stat(2), or lstat(2).
    Stat(at: i32, path: &'static str, nofollow: i32);
    /// fstat(2).
    Fstat(slot: i32);
    /// readlinkat(2).
    Readlink(at: i32, path: &'static str);
    /// The names in a directory and what getdents64(2) says they are.
    List(at: i32, path: &'static str);
}

/// Supplementary groups.
pub const GROUPS: [u32; 3] = [2000, 1001, 0];

/// A major number for local use (`Documentation/admin-guide/devices.txt`): no machine has a device there.
pub const NO_DRIVER: u32 = 120;

/// Nanoseconds of access and change for utimensat(2), `None` for a null pointer.
pub const TIMES: [Option<[libc::c_long; 2]>; 6] = [
    None,
    Some([libc::UTIME_NOW, libc::UTIME_NOW]),
    Some([libc::UTIME_OMIT, libc::UTIME_OMIT]),
    Some([libc::UTIME_NOW, libc::UTIME_OMIT]),
    Some([5, 7]),
    Some([-1, 7]),
];

fn spell(f: &mut fmt::Formatter<'_>, name: &str, arguments: &[&dyn Spelled]) -> fmt::Result {
    write!(f, "{name}(")?;
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            write!(f, ", ")?;
        }
        argument.spell(f)?;
    }
    write!(f, ")")
}
