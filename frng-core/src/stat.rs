//! The neutral form of what the kernel tells about an inode.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::inode::{Birth, InodeId};

/// `struct statx_timestamp`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Timestamp {
    /// Seconds since the epoch.
    pub sec: i64,
    /// Nanoseconds.
    pub nsec: u32,
    pad: i32,
}

/// `struct statx` (`include/uapi/linux/stat.h`): the one stat layout that is the same on every CPU, and the
/// only one with the birth time. Every question is asked through statx and answered in the layout the
/// program expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Statx {
    /// Which fields the kernel filled: `STATX_*`.
    pub mask: u32,
    /// Preferred I/O size in bytes.
    pub blksize: u32,
    /// `STATX_ATTR_*` bits that are set.
    pub attributes: u64,
    /// Number of hard links.
    pub nlink: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// File type and permission bits.
    pub mode: u16,
    spare0: u16,
    /// Inode number.
    pub ino: u64,
    /// Size in bytes.
    pub size: u64,
    /// Allocated 512-byte blocks.
    pub blocks: u64,
    /// Which bits of `attributes` the filesystem supports.
    pub attributes_mask: u64,
    /// Last access.
    pub atime: Timestamp,
    /// Birth, if `mask` has `STATX_BTIME`.
    pub btime: Timestamp,
    /// Last status change.
    pub ctime: Timestamp,
    /// Last modification.
    pub mtime: Timestamp,
    /// Device number, if this is a device node.
    pub rdev_major: u32,
    /// Device number, if this is a device node.
    pub rdev_minor: u32,
    /// Device of the filesystem.
    pub dev_major: u32,
    /// Device of the filesystem.
    pub dev_minor: u32,
    /// The rest of the 256 bytes: mount id, direct I/O alignments, subvolume, atomic write sizes.
    pub rest: [u64; 14],
}

/// `STATX_BASIC_STATS | STATX_BTIME`: what the policy always asks for.
pub const STATX_WANTED: u32 = 0x7ff | STATX_BTIME;
/// `STATX_BTIME`.
pub const STATX_BTIME: u32 = 0x800;

/// Bytes of a [`Statx`].
pub const STATX_LEN: usize = size_of::<Statx>();
const _: () = assert!(STATX_LEN == 256);

impl Statx {
    /// The inode this is about, with its birth time where the filesystem tells it.
    pub fn id(&self) -> InodeId {
        let birth = if self.mask & STATX_BTIME != 0 {
            Some(Birth { sec: self.btime.sec, nsec: self.btime.nsec })
        } else {
            None
        };
        InodeId { dev: make_dev(self.dev_major, self.dev_minor), ino: self.ino, birth, has_name: self.nlink != 0 }
    }

    /// The file type: `S_IFREG`, `S_IFDIR`, ...
    pub fn file_type(&self) -> u32 {
        u32::from(self.mode) & S_IFMT
    }

    /// Device number of a device node in the kernel's 64-bit user form.
    pub fn rdev(&self) -> u64 {
        make_dev(self.rdev_major, self.rdev_minor)
    }
}

/// Joins a device number as `makedev(3)` does.
pub const fn make_dev(major: u32, minor: u32) -> u64 {
    let (major, minor) = (major as u64, minor as u64);
    ((major & 0xffff_f000) << 32) | ((major & 0xfff) << 8) | ((minor & 0xffff_ff00) << 12) | (minor & 0xff)
}

/// Splits a device number as `major(3)` and `minor(3)` do.
pub const fn split_dev(dev: u64) -> (u32, u32) {
    let major = ((dev >> 32) & 0xffff_f000) | ((dev >> 8) & 0xfff);
    let minor = ((dev >> 12) & 0xffff_ff00) | (dev & 0xff);
    (major as u32, minor as u32)
}

/// Mask of the file type in a mode.
pub const S_IFMT: u32 = 0o170000;
/// Socket.
pub const S_IFSOCK: u32 = 0o140000;
/// Symbolic link.
pub const S_IFLNK: u32 = 0o120000;
/// Regular file.
pub const S_IFREG: u32 = 0o100000;
/// Block device.
pub const S_IFBLK: u32 = 0o060000;
/// Directory.
pub const S_IFDIR: u32 = 0o040000;
/// Character device.
pub const S_IFCHR: u32 = 0o020000;
/// FIFO.
pub const S_IFIFO: u32 = 0o010000;
/// Set-user-ID.
pub const S_ISUID: u32 = 0o4000;
/// Set-group-ID.
pub const S_ISGID: u32 = 0o2000;
/// Sticky.
pub const S_ISVTX: u32 = 0o1000;
/// Execute permission of the group; together with `S_ISGID` it means set-group-ID, without it mandatory locking.
pub const S_IXGRP: u32 = 0o010;
/// Any execute permission.
pub const S_IXUGO: u32 = 0o111;

/// A mode with its type as `ls -l` shows it.
#[cfg(feature = "std")]
pub fn ls_mode(mode: u32) -> String {
    let kind = match mode & S_IFMT {
        S_IFREG => '-',
        S_IFDIR => 'd',
        S_IFLNK => 'l',
        S_IFCHR => 'c',
        S_IFBLK => 'b',
        S_IFIFO => 'p',
        S_IFSOCK => 's',
        _ => '?',
    };
    let mut text = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (false, false) => '-',
            (false, true) => 'x',
            (true, false) => letter.to_ascii_uppercase(),
            (true, true) => letter,
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_look_as_in_ls() {
        assert_eq!(ls_mode(S_IFREG | 0o4755), "-rwsr-xr-x");
        assert_eq!(ls_mode(S_IFDIR | 0o1777), "drwxrwxrwt");
        assert_eq!(ls_mode(S_IFCHR | 0o7620), "crwS-wS--T");
        assert_eq!(ls_mode(S_IFLNK | 0o777), "lrwxrwxrwx");
    }

    #[test]
    fn device_numbers_survive_splitting_and_joining() {
        for (major, minor) in [(0, 0), (8, 1), (259, 70000), (0xfff, 0xfffff), (0xffff_ffff, 0xffff_ffff)] {
            assert_eq!(split_dev(make_dev(major, minor)), (major, minor));
            assert_eq!(make_dev(major, minor), libc::makedev(major, minor));
        }
    }
}
