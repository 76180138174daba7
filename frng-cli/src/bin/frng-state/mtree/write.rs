//! Writing a manifest.

use std::fmt::Write as _;

use frng_core::lie::Lie;
use frng_core::stat::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFSOCK, split_dev};

use super::names::encode;

/// The first line.
pub const HEAD: &str = "#mtree\n";

/// The line of a name, relative to the tree; `link` is where a symbolic link leads.
pub fn line(path: &[u8], lie: &Lie, link: Option<&[u8]>) -> String {
    let kind = match lie.mode & S_IFMT {
        S_IFDIR => "dir",
        S_IFLNK => "link",
        S_IFCHR => "char",
        S_IFBLK => "block",
        S_IFIFO => "fifo",
        S_IFSOCK => "socket",
        _ => "file",
    };
    let name = if path.is_empty() { ".".into() } else { format!("./{}", encode(path)) };
    let mut line = format!("{name} type={kind} mode={:04o} uid={} gid={}", lie.mode & 0o7777, lie.uid, lie.gid);
    // Writing to a string cannot fail. Readers of `linux` numbers know minor ones below 256 only.
    if lie.is_device() {
        let (major, minor) = split_dev(lie.rdev);
        let _ = write!(line, " device=native,{major},{minor}");
    }
    if let Some(link) = link {
        let _ = write!(line, " link={}", encode(link));
    }
    line.push('\n');
    line
}
