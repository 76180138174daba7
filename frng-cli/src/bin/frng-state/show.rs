//! `frng-state show`: a state as a table.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use frng_core::stat::{ls_mode, split_dev};
use frng_core::state::Record;

use super::filter::Filter;
use super::tree::{self, Names, Tree};

const HEAD: [&str; 7] = ["DEV", "INO", "MODE", "UID", "GID", "RDEV", "XATTRS"];

/// The records that the filter takes; of these files only, if there are any.
///
/// # Errors
/// One line if a file is not there or has no lie, or the tree cannot be read.
pub fn show(records: Vec<Record>, tree: Option<&Path>, filter: &Filter, files: &[PathBuf]) -> Result<String, String> {
    let names = tree.map(names).transpose()?;
    let wanted = if files.is_empty() { records } else { of_files(&records, files)? };
    let rows = wanted.iter().filter(|record| filter.takes(&record.lie)).map(|record| row(record, names.as_ref()));
    Ok(table(head(names.is_some()), rows))
}

/// The names of what is in a tree.
pub fn names(tree: &Path) -> Result<Names, String> {
    Tree::open(tree)?.names()
}

fn of_files(records: &[Record], files: &[PathBuf]) -> Result<Vec<Record>, String> {
    let one = |file: &PathBuf| {
        let real = tree::look(file).map_err(|error| format!("cannot look at {}: {error}", file.display()))?;
        let record = records.iter().find(|record| tree::is_about(record, &real));
        record.cloned().ok_or_else(|| format!("{}: no lie is remembered about it", file.display()))
    };
    files.iter().map(one).collect()
}

/// The first line of a table of [`row`]s.
pub fn head(with_names: bool) -> Vec<String> {
    let mut head = HEAD.map(String::from).to_vec();
    if with_names {
        head.push("NAMES".into());
    }
    head
}

/// Rows with aligned columns.
pub fn table(head: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut all = vec![head];
    all.extend(rows);
    let mut widths = vec![0; all[0].len()];
    for row in &all {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.len());
        }
    }
    let mut text = String::new();
    for row in &all {
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

/// A record's cells: its xattrs are in the last, or in the last but one before its names.
pub fn row(record: &Record, names: Option<&Names>) -> Vec<String> {
    let rdev = if record.lie.is_device() { device(record.lie.rdev) } else { "-".into() };
    let xattrs: Vec<String> = record
        .xattrs
        .iter()
        .map(|(name, value)| format!("{}=\"{}\"", name.escape_ascii(), value.escape_ascii()))
        .collect();
    let mut cells = vec![
        device(record.inode.dev),
        record.inode.ino.to_string(),
        ls_mode(record.lie.mode),
        record.lie.uid.to_string(),
        record.lie.gid.to_string(),
        rdev,
        // A column that others follow is never empty.
        if xattrs.is_empty() && names.is_some() { "-".into() } else { xattrs.join(" ") },
    ];
    if let Some(names) = names {
        let names: Vec<String> = names.of(record).iter().map(|name| name.escape_ascii().to_string()).collect();
        cells.push(if names.is_empty() { "-".into() } else { names.join(" ") });
    }
    cells
}

fn device(dev: u64) -> String {
    let (major, minor) = split_dev(dev);
    format!("{major}:{minor}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use frng_core::inode::InodeId;
    use frng_core::lie::Lie;
    use frng_core::stat::S_IFCHR;

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
            show(vec![record], None, &Filter::default(), &[]).unwrap(),
            concat!(
                "DEV  INO      MODE        UID  GID  RDEV  XATTRS\n",
                "8:1  1234567  crw--w----  0    5    5:1   user.a=\"\\xff\\\"\"\n",
            )
        );
    }
}
