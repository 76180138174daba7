//! `frng-state show`: a state as a table.

use std::fmt::Write as _;

use frng_core::stat::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK, split_dev};
use frng_core::state::Record;

/// A table, one record a line, its xattrs in the last column.
pub fn show(records: &[Record]) -> String {
    const HEAD: [&str; 7] = ["DEV", "INO", "MODE", "UID", "GID", "RDEV", "XATTRS"];
    let mut rows = vec![HEAD.map(String::from)];
    rows.extend(records.iter().map(row));
    let mut widths = [0; HEAD.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.len());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            // Writing to a string cannot fail.
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(record: &Record) -> [String; 7] {
    let rdev = if record.lie.is_device() { device(record.lie.rdev) } else { "-".into() };
    let xattrs = record
        .xattrs
        .iter()
        .map(|(name, value)| format!("{}=\"{}\"", name.escape_ascii(), value.escape_ascii()))
        .collect::<Vec<_>>()
        .join(" ");
    [
        device(record.inode.dev),
        record.inode.ino.to_string(),
        mode(record.lie.mode),
        record.lie.uid.to_string(),
        record.lie.gid.to_string(),
        rdev,
        xattrs,
    ]
}

fn device(dev: u64) -> String {
    let (major, minor) = split_dev(dev);
    format!("{major}:{minor}")
}

/// As `ls -l` shows it.
fn mode(mode: u32) -> String {
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
    use frng_core::inode::InodeId;
    use frng_core::lie::Lie;

    #[test]
    fn modes_look_as_in_ls() {
        assert_eq!(mode(S_IFREG | 0o4755), "-rwsr-xr-x");
        assert_eq!(mode(S_IFDIR | 0o1777), "drwxrwxrwt");
        assert_eq!(mode(S_IFCHR | 0o7620), "crwS-wS--T");
        assert_eq!(mode(S_IFLNK | 0o777), "lrwxrwxrwx");
    }

    #[test]
    fn the_table_is_aligned() {
        let xattrs = [(b"user.a".to_vec(), b"\xff\"".to_vec())].into();
        let record = Record {
            inode: InodeId { dev: 0x801, ino: 1234567, birth: None, has_name: true },
            lie: Lie { uid: 0, gid: 5, mode: S_IFCHR | 0o620, rdev: 0x501 },
            xattrs,
            path: None,
        };
        assert_eq!(
            show(&[record]),
            concat!(
                "DEV  INO      MODE        UID  GID  RDEV  XATTRS\n",
                "8:1  1234567  crw--w----  0    5    5:1   user.a=\"\\xff\\\"\"\n",
            )
        );
    }
}
