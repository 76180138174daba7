//! Filesystems that may keep whoever asks them waiting: those of a network, or of another process (FUSE).
//!
//! The tracer is one thread for all tracees, so it asks such a filesystem nothing: the tracee itself is made to, and nobody else waits for the
//! answer. Which one a file is on is found out without asking any filesystem: by the text of a link of procfs, which is the path
//! that the kernel keeps, and by the list of mounts.

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::Seek;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::proc_text;

/// Types of filesystems that need nobody else, and those of the kernel's own. All others may be remote.
const LOCAL: &[&str] = &[
    "bcachefs",
    "bpf",
    "btrfs",
    "cgroup",
    "cgroup2",
    "configfs",
    "cramfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "erofs",
    "exfat",
    "ext2",
    "ext3",
    "ext4",
    "f2fs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "jfs",
    "minix",
    "mqueue",
    "msdos",
    "nilfs2",
    "nsfs",
    "ntfs3",
    "overlay",
    "proc",
    "pstore",
    "ramfs",
    "reiserfs",
    "rootfs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tmpfs",
    "tracefs",
    "udf",
    "vfat",
    "xfs",
    "zfs",
];

/// Below these programs have no files of theirs, but systemd has mounted what is made when it is looked at.
const SYSTEM: &[&str] = &["/proc/", "/sys/", "/dev/"];

/// How often to look whether something was mounted. Nobody mounts a filesystem of a network in less.
const OFTEN: Duration = Duration::from_millis(1);

/// Which parts of the tree that the daemon sees are remote.
#[derive(Default)]
pub struct Remote {
    /// The list of mounts; `None` where there is none, and nothing is taken to be remote.
    list: Option<File>,
    mounts: RefCell<Mounts>,
    /// When it was last looked whether the list has changed.
    looked: Cell<Option<Instant>>,
}

impl Remote {
    /// What is mounted now, and later.
    pub fn new() -> Remote {
        let remote = Remote { list: File::open("/proc/self/mountinfo").ok(), ..Remote::default() };
        remote.read();
        remote
    }

    fn read(&self) {
        let read = |mut list: &File| {
            list.rewind()?;
            proc_text::rest(list)
        };
        if let Some(Ok(text)) = self.list.as_ref().map(read) {
            *self.mounts.borrow_mut() = Mounts::parse(&text);
        }
    }

    /// Whether anything is.
    pub fn exists(&self) -> bool {
        let Some(list) = &self.list else { return false };
        let now = Instant::now();
        if self.looked.get().is_some_and(|looked| now - looked < OFTEN) {
            return self.mounts.borrow().some_remote;
        }
        self.looked.set(Some(now));
        // Told once for each change (fs/proc_namespace.c: mounts_poll).
        let mut events = [PollFd::new(list.as_fd(), PollFlags::POLLPRI)];
        if poll(&mut events, PollTimeout::ZERO).is_ok_and(|ready| ready > 0) {
            self.read();
        }
        self.mounts.borrow().some_remote
    }

    /// Whether what a link of procfs leads to is.
    pub fn holds(&self, link: &Path) -> bool {
        // Where the link cannot be read the tracee will know more.
        self.exists()
            && fs::read_link(link).map_or(true, |path| self.mounts.borrow().is_remote(path.as_os_str().as_bytes()))
    }

    /// Whether what one of our own descriptors leads to is.
    pub fn holds_open(&self, fd: i32) -> bool {
        self.exists() && self.holds(Path::new(&format!("/proc/self/fd/{fd}")))
    }

    /// Whether a path from a directory, as the kernel names it, may lead there without leaving it: it is remote, or something below.
    pub fn is_within_reach(&self, directory: &[u8]) -> bool {
        self.exists() && self.mounts.borrow().is_within_reach(directory)
    }

    /// Whether the root directory is.
    pub fn holds_root(&self) -> bool {
        self.exists() && self.mounts.borrow().is_remote(b"/")
    }
}

/// Mount points, those below others first and of the same name the later first; whether each is remote.
#[derive(Default)]
struct Mounts {
    points: Vec<(Vec<u8>, bool)>,
    some_remote: bool,
}

impl Mounts {
    /// Of `/proc/PID/mountinfo` (proc_pid_mountinfo(5)).
    fn parse(text: &[u8]) -> Mounts {
        let mut points: Vec<_> = text.split(|byte| *byte == b'\n').filter_map(mount).collect();
        points.reverse();
        points.sort_by_key(|(point, _)| usize::MAX - point.len());
        let some_remote = points.iter().any(|(_, remote)| *remote);
        Mounts { points, some_remote }
    }

    fn is_remote(&self, path: &[u8]) -> bool {
        let holds = |point: &[u8]| {
            path.strip_prefix(point).is_some_and(|rest| point == b"/" || rest.is_empty() || rest.starts_with(b"/"))
        };
        self.points.iter().find(|(point, _)| holds(point)).is_some_and(|(_, remote)| *remote)
    }

    fn is_within_reach(&self, directory: &[u8]) -> bool {
        let is_below = |point: &[u8]| {
            directory == b"/" || point.strip_prefix(directory).is_some_and(|rest| rest.starts_with(b"/"))
        };
        self.is_remote(directory) || self.points.iter().any(|(point, remote)| *remote && is_below(point))
    }
}

/// Where a line of the list says that something is mounted, and whether that is remote.
fn mount(line: &[u8]) -> Option<(Vec<u8>, bool)> {
    const POINT: usize = 4;
    let mut words = line.split(|byte| *byte == b' ');
    let point = unescape(words.nth(POINT)?);
    let kind = words.skip_while(|word| *word != b"-").nth(1)?;
    let is_local = LOCAL.iter().any(|local| local.as_bytes() == kind)
        || SYSTEM.iter().any(|place| point.starts_with(place.as_bytes()));
    Some((point, !is_local))
}

/// A word of a list of mounts: bytes that would be taken for its end are given in octal.
pub fn unescape(word: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(word.len());
    let mut rest = word;
    while let [first, after @ ..] = rest {
        let octal = after.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                text.push(byte);
                rest = &after[3..];
            }
            None => {
                text.push(*first);
                rest = after;
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &[u8] = b"\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:21 / /proc rw - proc proc rw
24 23 0:30 / /proc/sys/fs/binfmt_misc rw shared:9 - autofs systemd-1 rw,fd=29
30 22 0:44 / /home\\040of/us rw,nosuid shared:5 master:1 - nfs4 server:/home rw,vers=4.2
31 30 0:45 / /home\\040of/us/cache rw - tmpfs none rw
32 22 0:46 / /net rw - fuse.sshfs host: rw
33 22 0:47 / /net rw - tmpfs none rw
";

    #[test]
    fn a_path_belongs_to_the_last_mount_on_its_way() {
        let mounts = Mounts::parse(LIST);
        let remote = |path: &str| mounts.is_remote(path.as_bytes());
        assert!(remote("/home of/us") && remote("/home of/us/x/y (deleted)"));
        for local in
            ["/", "/home of", "/home of/usx", "/home of/us/cache", "/home of/us/cache/x", "/net/x", "/proc/sys/fs/x"]
        {
            assert!(!remote(local), "{local}");
        }
        assert!(!remote("pipe:[123]"));
        let reaches = |path: &str| mounts.is_within_reach(path.as_bytes());
        assert!(reaches("/") && reaches("/home of/us") && reaches("/home of"));
        assert!(!reaches("/home of/us/cache") && !reaches("/home") && !reaches("/usr"));
        assert!(mounts.some_remote);
    }

    #[test]
    fn what_systemd_mounts_on_demand_in_procfs_makes_nothing_remote() {
        let local: Vec<&[u8]> = LIST.split_inclusive(|byte| *byte == b'\n').take(3).collect();
        assert!(!Mounts::parse(&local.concat()).some_remote);
        assert!(!Mounts::parse(b"").is_remote(b"/"));
    }

    #[test]
    fn the_list_of_this_machine_can_be_read() {
        assert!(Remote::new().mounts.borrow().points.iter().any(|(point, _)| point == b"/"));
    }
}
