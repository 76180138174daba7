//! `frng-state diff`: what two states remember differently.

use std::collections::BTreeMap;

use frng_core::state::Record;

use super::show::{head, row, table};
use super::tree::Names;

/// A table of what only one of them has (`-` the first, `+` the second), both lines for what differs; `None` if nothing
/// does. An inode of unknown birth is the one of the same number.
pub fn diff(one: Vec<Record>, other: Vec<Record>, names: Option<&Names>) -> Option<String> {
    let mut others: BTreeMap<_, _> = other.into_iter().map(|record| (record.inode.key(), record)).collect();
    let mut marked = Vec::new();
    for record in one {
        match others.remove(&record.inode.key()) {
            Some(other) if is_same(&record, &other) => {}
            other => {
                marked.push(("-", record));
                marked.extend(other.map(|other| ("+", other)));
            }
        }
    }
    marked.extend(others.into_values().map(|record| ("+", record)));
    if marked.is_empty() {
        return None;
    }
    // Stable: the line of the first state comes first.
    marked.sort_by_key(|(_, record)| record.inode.key());
    let mut first = head(names.is_some());
    first.insert(0, " ".into());
    let rows = marked.iter().map(|(mark, record)| {
        let mut cells = row(record, names);
        cells.insert(0, (*mark).into());
        cells
    });
    Some(table(first, rows))
}

fn is_same(one: &Record, other: &Record) -> bool {
    let births = one.inode.birth.zip(other.inode.birth);
    (one.lie, &one.xattrs) == (other.lie, &other.xattrs) && births.is_none_or(|(one, other)| one == other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use frng_core::inode::{Birth, InodeId};
    use frng_core::lie::Lie;
    use frng_core::stat::S_IFREG;

    fn record(ino: u64, uid: u32, birth: Option<i64>) -> Record {
        Record {
            inode: InodeId { dev: 1, ino, birth: birth.map(|sec| Birth { sec, nsec: 0 }), has_name: true },
            lie: Lie { uid, gid: 0, mode: S_IFREG | 0o644, rdev: 0 },
            xattrs: BTreeMap::new(),
            path: None,
        }
    }

    #[test]
    fn only_what_differs_is_told() {
        let one = vec![record(1, 1, None), record(2, 2, Some(1)), record(3, 3, None), record(5, 5, Some(1))];
        assert_eq!(diff(one.clone(), one.clone(), None), None);
        let other = vec![record(1, 1, Some(9)), record(2, 2, Some(1)), record(3, 33, None), record(4, 4, None)];
        let told = diff(one, other, None).unwrap();
        let rows: Vec<Vec<&str>> = told.lines().map(|line| line.split_whitespace().collect()).collect();
        let brief: Vec<(&str, &str)> = rows[1..].iter().map(|row| (row[0], row[4])).collect();
        assert_eq!(brief, [("-", "3"), ("+", "33"), ("+", "4"), ("-", "5")]);
        assert_eq!(rows[0][..2], ["DEV", "INO"]);
    }

    #[test]
    fn another_birth_is_another_inode() {
        assert!(diff(vec![record(1, 1, Some(1))], vec![record(1, 1, Some(2))], None).is_some());
    }
}
