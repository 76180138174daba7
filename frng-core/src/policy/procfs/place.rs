//! What procfs opens to whom: `fs/proc/base.c`, `fs/proc/fd.c`.
//!
//! Its inodes belong to the faked ids of their process ([`shown`]), and the kernel's rules for modes hold. Besides, links that lead
//! into a process and what tells its memory are only for those who might trace it ([`Place::tells_of`]).

use crate::creds::Creds;
use crate::lie::Lie;
use crate::policy::{Tracee, view};
use crate::stat::{S_IFDIR, S_IFMT, Statx};

/// `SUID_DUMP_USER` (`include/linux/sched/coredump.h`).
const DUMPABLE: u32 = 1;
/// Mode of a directory whose owner tells the effective ids of its process (`fs/proc/base.c: task_dump_owner`).
const TELLS_IDS: u32 = S_IFDIR | 0o555;

/// Inode number of the root of procfs (`PROC_ROOT_INO`).
const ROOT: u64 = 1;

/// Files that `proc_mem_open` opens.
const MEMORY: [&[u8]; 8] = [b"auxv", b"environ", b"maps", b"mem", b"numa_maps", b"pagemap", b"smaps", b"smaps_rollup"];
/// Links out of procfs.
const LINKS: [&[u8]; 3] = [b"cwd", b"exe", b"root"];

/// Where in procfs a path stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The root.
    Root,
    /// The directory of a process or thread.
    Process(i32),
    /// The directory with the directories of its threads.
    Threads(i32),
    /// A file or directory in that of a process, or below it.
    Inside(i32, Kind),
}

/// What is different about a file in the directory of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Plain,
    /// It tells memory.
    Memory,
    /// It is a link out of procfs.
    Link,
    /// A directory of links to files, open to the process itself whatever its mode (`proc_fd_permission`).
    Files,
    /// The directory of what they are.
    DescriptorInfos,
    /// The directory of namespaces, links as well.
    Namespaces,
}

impl Place {
    /// Where a path stands that has just come to procfs from elsewhere.
    pub fn entered(real: &Statx) -> Option<Place> {
        (real.ino == ROOT).then_some(Place::Root)
    }

    /// From the path of an open file, as the kernel tells it.
    pub fn of(path: &[u8], own: i32) -> Option<Place> {
        let inside = path.strip_prefix(b"/proc")?;
        inside
            .split(|byte| *byte == b'/')
            .filter(|name| !name.is_empty())
            .try_fold(Place::Root, |place, name| place.next(name, own))
    }

    /// One component further, for the process `own`. `None` if it is about no process, or not known.
    pub fn next(self, name: &[u8], own: i32) -> Option<Place> {
        match (self, name) {
            (_, b".") => Some(self),
            (Place::Process(_), b"..") => Some(Place::Root),
            (Place::Threads(tid) | Place::Inside(tid, _), b"..") if !self.is_deep() => Some(Place::Process(tid)),
            (_, b"..") => None,
            (Place::Root, b"self" | b"thread-self") => Some(Place::Process(own)),
            (Place::Root, _) => number(name).map(Place::Process),
            (Place::Process(tid), b"task") => Some(Place::Threads(tid)),
            (Place::Threads(_), _) => number(name).map(Place::Process),
            (Place::Process(tid), _) => Some(Place::Inside(tid, Kind::of(name))),
            (Place::Inside(tid, Kind::Files | Kind::Namespaces), _) => Some(Place::Inside(tid, Kind::Link)),
            (Place::Inside(tid, _), _) => Some(Place::Inside(tid, Kind::Plain)),
        }
    }

    /// Whether it may be more than one component below the directory of a process.
    fn is_deep(self) -> bool {
        matches!(self, Place::Inside(_, Kind::Plain | Kind::Link))
    }

    /// The process or thread that it is about.
    pub fn of_whom(self) -> Option<i32> {
        match self {
            Place::Root => None,
            Place::Process(tid) | Place::Threads(tid) | Place::Inside(tid, _) => Some(tid),
        }
    }

    /// The process or thread that somebody has to be allowed to trace who searches it, reads it or follows it.
    pub fn tells_of(self) -> Option<i32> {
        match self {
            Place::Inside(tid, Kind::Link | Kind::DescriptorInfos) => Some(tid),
            _ => None,
        }
    }

    /// The process or thread that somebody has to be allowed to trace who opens it, though access(2) does not say so.
    pub fn is_memory_of(self) -> Option<i32> {
        match self {
            Place::Inside(tid, Kind::Memory) => Some(tid),
            _ => None,
        }
    }

    /// Whether a process may read and search it whatever its mode, being its own.
    pub fn is_own_files(self, own: i32) -> bool {
        self == Place::Inside(own, Kind::Files)
    }
}

impl Kind {
    fn of(name: &[u8]) -> Kind {
        match name {
            b"fd" | b"map_files" => Kind::Files,
            b"fdinfo" => Kind::DescriptorInfos,
            b"ns" => Kind::Namespaces,
            _ if MEMORY.contains(&name) => Kind::Memory,
            _ if LINKS.contains(&name) => Kind::Link,
            _ => Kind::Plain,
        }
    }
}

fn number(name: &[u8]) -> Option<i32> {
    core::str::from_utf8(name).ok()?.parse().ok()
}

/// What is shown of an inode of procfs at a place, as far as its process is known.
pub fn shown<T: Tracee>(tracee: &T, place: Option<Place>, real: &Statx) -> Lie {
    let seen = view::seen(tracee, real);
    let owner = place.and_then(Place::of_whom).and_then(|tid| {
        let others = tracee.others()?;
        others.pid()?;
        Some(owner(&others.creds(tid)?, others.dumpable(tid), real.mode.into()))
    });
    owner.map_or(seen, |(uid, gid)| Lie { uid, gid, ..seen })
}

/// Owner and group of an inode of procfs with this mode, type included, that is about a process with these credentials.
pub fn owner(creds: &Creds, dumpable: Option<u32>, mode: u32) -> (u32, u32) {
    let is_shown = mode & (S_IFMT | 0o7777) == TELLS_IDS || dumpable == Some(DUMPABLE);
    if is_shown { (creds.uid.effective, creds.gid.effective) } else { (0, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_procfs_is_about_a_process() {
        let of = |path: &str| Place::of(path.as_bytes(), 7);
        for (path, place) in [
            ("/proc", Some(Place::Root)),
            ("/proc/8", Some(Place::Process(8))),
            ("/proc/self", Some(Place::Process(7))),
            ("/proc/8/task", Some(Place::Threads(8))),
            ("/proc/8/task/9/environ", Some(Place::Inside(9, Kind::Memory))),
            ("/proc/8/fd", Some(Place::Inside(8, Kind::Files))),
            ("/proc/8/fd/3", Some(Place::Inside(8, Kind::Link))),
            ("/proc/8/fd/../maps", Some(Place::Inside(8, Kind::Memory))),
            ("/proc/8/net/tcp", Some(Place::Inside(8, Kind::Plain))),
            ("/proc/8/../9/./status", Some(Place::Inside(9, Kind::Plain))),
            ("/proc/8/net/..", None),
            ("/proc/sys/kernel", None),
            ("/process/8", None),
        ] {
            assert_eq!(of(path), place, "{path}");
        }
    }

    #[test]
    fn memory_and_links_are_for_those_who_might_trace() {
        let tells = |path: &str| Place::of(path.as_bytes(), 7).and_then(Place::tells_of);
        assert_eq!(Place::of(b"/proc/8/environ", 7).and_then(Place::is_memory_of), Some(8));
        for path in ["exe", "fd/0", "ns/mnt", "map_files/1-2", "fdinfo"] {
            assert_eq!(tells(&std::format!("/proc/8/{path}")), Some(8), "{path}");
        }
        for path in ["", "status", "mem", "fd", "ns", "task", "fdinfo/0", "net/tcp"] {
            assert_eq!(tells(&std::format!("/proc/8/{path}")), None, "{path}");
        }
    }
}
