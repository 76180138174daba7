//! The neutral call model: what a syscall is, with no CPU in it.
//!
//! [`table`] has one row a call. A row says which arguments there are (their [`Arg`] kinds), when the call must
//! stop ([`Stop`]) and which handler of [`crate::policy`] answers it. The seccomp filter, the dispatcher, the
//! log and `docs/COVERAGE.md` are derived from it.

mod args;
#[cfg(feature = "std")]
pub mod coverage;
#[cfg(feature = "std")]
mod print;
pub mod table;

pub use args::{Arg, FileRef, TraceeAddr};
pub use table::Sys;

/// Calls that not every kernel has: newer than Linux 5.6, which frng needs, or left out of some.
pub const NEWER: &[Sys] = &[
    Sys::Faccessat2,
    Sys::Fchmodat2,
    Sys::Setxattrat,
    Sys::Getxattrat,
    Sys::Listxattrat,
    Sys::Removexattrat,
    Sys::ProcessMadvise,
    Sys::Kcmp,
    Sys::MovePages,
    Sys::MigratePages,
];

/// When a call must be looked at; everything else runs natively.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Never: the policy issues it itself, or it is in the table to be documented.
    Never,
    /// Every time.
    Always,
    /// If any of these bits is set in the argument of this kind.
    AnyBit(Arg, u64),
    /// If the argument of this kind (its lower 32 bits) is one of these values.
    OneOf(Arg, &'static [u32]),
    /// An open by path with its flags in the argument of kind [`Arg::OpenFlags`]: if it may make a file; every
    /// time once faked devices exist that must be redirected.
    Opening,
    /// An exec: if the kernel may run programs of conventions that are not registered.
    Executing,
    /// Never: it runs as it is, or a filter of its own ([`crate::filter::pretend_synced`]) answers it.
    Syncing,
    /// Only in a process with another root, where paths are translated.
    Inside,
    /// Only in a process that traces others: a wait, which has to tell of them.
    Tracing,
    /// Only in a process that lacks capabilities of root, and so may be refused it.
    Restricted,
    /// Only in a process that lacks `CAP_FSETID`, once there are files with set-ID bits: a write, which takes those.
    Writing,
}

/// How many calls of a tracee are looked at: each scope has what those before have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// As few as possible.
    Plain,
    /// Every open, since there are faked devices.
    Opens,
    /// Every call that names a file or tells the name of one, since the process has another root; and those that it may be
    /// refused, since it lacks capabilities of root.
    Paths,
}

impl Scope {
    /// Whether every open is looked at.
    pub const fn has_opens(self) -> bool {
        matches!(self, Scope::Opens | Scope::Paths)
    }
}

/// One row of the table.
#[derive(Debug)]
pub struct Row {
    /// The call.
    pub sys: Sys,
    /// Its name in the manual.
    pub name: &'static str,
    /// Kinds of its arguments, in order.
    pub args: &'static [Arg],
    /// When it stops.
    pub stop: Stop,
    /// The theme (file of [`crate::policy`]) and name of its handler.
    pub handler: &'static str,
    /// What is decided about it, for the coverage list.
    pub note: &'static str,
}

impl Row {
    /// Whether the call is looked at in a process with another root: it has a path or the address of a socket among its
    /// arguments, or tells a path.
    pub fn may_name_files(&self) -> bool {
        let is_path = |arg: &Arg| matches!(arg, Arg::Path | Arg::Link | Arg::NewPath);
        self.stop == Stop::Inside
            || matches!(self.sys, Sys::Bind | Sys::Sendmsg | Sys::Socketcall)
            || self.args.iter().any(is_path)
    }
}

impl Row {
    /// Whether the call is looked at in [`Scope::Paths`], whatever its arguments.
    pub fn stops_in_paths(&self) -> bool {
        let may_be_refused = self.stop == Stop::Restricted || matches!(self.sys, Sys::Kill | Sys::Prlimit64);
        self.may_name_files() || may_be_refused
    }
}

/// A syscall as a tracee issued it.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Which.
    pub sys: Sys,
    /// The argument registers; 32-bit ABIs zero-extended.
    pub args: [u64; 6],
}

impl Call {
    /// Its row.
    pub fn row(&self) -> &'static Row {
        self.sys.row()
    }

    /// Whether this call is one to look at (see [`Stop`]).
    pub fn stops(&self, scope: Scope) -> bool {
        if scope == Scope::Paths && self.row().stops_in_paths() {
            return true;
        }
        match self.row().stop {
            Stop::Never | Stop::Syncing | Stop::Inside | Stop::Restricted | Stop::Tracing | Stop::Writing => false,
            Stop::Always => true,
            Stop::AnyBit(kind, bits) => self.word(kind) & bits != 0,
            Stop::OneOf(kind, values) => values.contains(&self.int(kind)),
            Stop::Executing => true,
            Stop::Opening => scope.has_opens() || self.word(Arg::OpenFlags) & table::MAY_CREATE != 0,
        }
    }

    /// The position of the `nth` argument of a kind.
    fn position(&self, kind: Arg, nth: usize) -> Option<usize> {
        self.row().args.iter().enumerate().filter(|(_, arg)| **arg == kind).nth(nth).map(|(i, _)| i)
    }

    /// The argument of this kind; 0 if the call has none.
    pub fn word(&self, kind: Arg) -> u64 {
        self.nth(kind, 0)
    }

    /// The `nth` (from 0) argument of this kind; 0 if the call has none.
    pub fn nth(&self, kind: Arg, nth: usize) -> u64 {
        self.position(kind, nth).and_then(|i| self.args.get(i)).copied().unwrap_or(0)
    }

    /// The lower 32 bits of the argument of this kind: what a C `int` or `unsigned int` parameter receives.
    pub fn int(&self, kind: Arg) -> u32 {
        self.word(kind) as u32
    }

    /// The argument of this kind as an address in the tracee.
    pub fn addr(&self, kind: Arg) -> TraceeAddr {
        TraceeAddr(self.word(kind))
    }

    /// The same call with the argument of this kind replaced.
    pub fn with(&self, kind: Arg, value: u64) -> Call {
        self.with_nth(kind, 0, value)
    }

    /// The same call with the `nth` argument of this kind replaced.
    pub fn with_nth(&self, kind: Arg, nth: usize, value: u64) -> Call {
        let mut changed = *self;
        if let Some(slot) = self.position(kind, nth).and_then(|i| changed.args.get_mut(i)) {
            *slot = value;
        }
        changed
    }

    /// An id argument, `None` being -1, "leave as it is". 16-bit forms are widened.
    pub fn id(&self, nth: usize) -> Option<u32> {
        match self.position(Arg::Id16, nth) {
            Some(_) => match self.nth(Arg::Id16, nth) as u16 {
                u16::MAX => None,
                id => Some(u32::from(id)),
            },
            None => match self.nth(Arg::Id, nth) as u32 {
                u32::MAX => None,
                id => Some(id),
            },
        }
    }

    /// The file the call is about, whichever of the four ways it names it: path, path without following,
    /// descriptor, or directory descriptor with path and flags.
    pub fn file(&self) -> FileRef {
        if self.position(Arg::Fd, 0).is_some() {
            return FileRef::descriptor(self.int(Arg::Fd) as i32);
        }
        let dirfd = match self.position(Arg::Dirfd, 0) {
            Some(_) => self.int(Arg::Dirfd) as i32,
            None => libc::AT_FDCWD,
        };
        if self.position(Arg::Link, 0).is_some() {
            return FileRef { dirfd, path: self.addr(Arg::Link), flags: libc::AT_SYMLINK_NOFOLLOW };
        }
        FileRef { dirfd, path: self.addr(Arg::Path), flags: self.int(Arg::AtFlags) as i32 }
    }

    /// The file that the path of a call names, whatever its descriptor is for.
    pub fn file_by_path(&self) -> FileRef {
        FileRef { dirfd: libc::AT_FDCWD, path: self.addr(Arg::Path), flags: 0 }
    }

    /// The second name of a call with two (rename, link). Its last component is never followed.
    pub fn destination(&self) -> FileRef {
        let dirfd = match self.position(Arg::NewDirfd, 0) {
            Some(_) => self.int(Arg::NewDirfd) as i32,
            None => libc::AT_FDCWD,
        };
        FileRef { dirfd, path: self.addr(Arg::NewPath), flags: libc::AT_SYMLINK_NOFOLLOW }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_ways_to_name_a_file_decode_alike() {
        let chown = Call { sys: Sys::Chown, args: [0x1000, 1, 2, 0, 0, 0] };
        assert_eq!(chown.file(), FileRef { dirfd: libc::AT_FDCWD, path: TraceeAddr(0x1000), flags: 0 });
        assert_eq!((chown.id(0), chown.id(1)), (Some(1), Some(2)));
        let lchown = Call { sys: Sys::Lchown, args: [0x1000, u64::MAX, 2, 0, 0, 0] };
        assert_eq!(lchown.file().flags, libc::AT_SYMLINK_NOFOLLOW);
        assert_eq!(lchown.id(0), None);
        let fchown = Call { sys: Sys::Fchown, args: [7, 0xffff_ffff, 2, 0, 0, 0] };
        assert_eq!(fchown.file(), FileRef::descriptor(7));
        assert_eq!(fchown.id(0), None);
        let at = Call { sys: Sys::Fchownat, args: [0xffff_ff9c, 0x1000, 1, 2, 0x100, 0] };
        assert_eq!(at.file(), FileRef { dirfd: libc::AT_FDCWD, path: TraceeAddr(0x1000), flags: 0x100 });
    }

    #[test]
    fn rows_stand_at_their_own_index() {
        for (index, row) in table::ROWS.iter().enumerate() {
            assert_eq!(row.sys as usize, index, "{}", row.name);
            assert!(row.args.len() <= 6, "{}", row.name);
        }
    }
}
