//! Which inode a lie is about.

/// When an inode was made (`statx` btime). Inode numbers are reused, a number together with its birth
/// only within one tick of the kernel's timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Birth {
    /// Seconds since the epoch.
    pub sec: i64,
    /// Nanoseconds.
    pub nsec: u32,
}

/// Device and inode number: what a directory entry or an old `struct stat` tells of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InodeKey {
    /// Device number of the filesystem, as `makedev(3)` forms it.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
}

/// One inode, told apart from later ones with the same number where the filesystem knows birth times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InodeId {
    /// Device number of the filesystem.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Birth time; `None` if the filesystem has none.
    pub birth: Option<Birth>,
    /// Whether it has links. Before Linux 6.13 births are as coarse as the timer's ticks, so that a number may be given
    /// away twice with the same one: an inode with a name is none of those that have lost their last.
    pub has_name: bool,
}

impl InodeId {
    /// The part without the birth time.
    pub fn key(&self) -> InodeKey {
        InodeKey { dev: self.dev, ino: self.ino }
    }
}
