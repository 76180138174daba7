//! Whether the files that lies are about are still what they were: `frng-state check STATE DIR`.
//!
//! A running frng never tells a lie of another file, because an inode's birth belongs to its lie. But a lie is not told either when its
//! file is another inode now: device numbers change with a restart of the machine, trees are copied to other file systems, files are
//! replaced behind our back. Such records can be found again by inode number and birth, or by the path that they had in the tree when
//! it was last looked through.

use std::collections::{HashMap, HashSet};

use super::record::Record;
use crate::inode::{Birth, InodeKey};
use crate::policy::view::real_permissions;
use crate::stat::{S_IFLNK, S_IFMT, S_IFREG, Statx};

/// A name in a tree.
#[derive(Clone, Debug)]
pub struct Found {
    /// Relative to the tree; `.` for the tree itself.
    pub path: Vec<u8>,
    /// What the kernel tells of it.
    pub real: Statx,
}

/// What has become of the file of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is in the tree.
    Present,
    /// Its inode number is another file's now, and it is nowhere.
    Reused,
    /// It is in the tree, but the device has another number.
    OtherDevice,
    /// A file of the same kind and permissions, made later, has its path.
    Copied,
    /// It was in the tree, and is not any more.
    Deleted,
    /// It is not in the tree, and nothing says that it ever was.
    Elsewhere,
}

/// A record and what was found out about it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// As it is in the state.
    pub record: Record,
    /// What has become of its file.
    pub fate: Fate,
    /// Which of the names in the tree it is, if any. For [`Fate::Reused`] that of the file which has its number now.
    pub name: Option<usize>,
}

impl Finding {
    /// The record as it should be; `None` if it should go.
    pub fn mended(&self, names: &[Found]) -> Option<Record> {
        let mut record = self.record.clone();
        let found = self.name.and_then(|index| names.get(index));
        match (self.fate, found) {
            (Fate::Reused | Fate::Deleted, _) => return None,
            (Fate::Present | Fate::OtherDevice | Fate::Copied, Some(found)) => {
                let id = found.real.id();
                // One that was recorded without a birth gets none: nobody has seen that it is of this inode.
                let birth = if self.fate == Fate::Copied { id.birth } else { record.inode.birth };
                (record.inode.dev, record.inode.ino, record.inode.birth) = (id.dev, id.ino, birth);
                record.path = Some(found.path.clone());
            }
            _ => {}
        }
        Some(record)
    }
}

/// Looks for the files of all records among the names in a tree.
pub fn audit(records: Vec<Record>, names: &[Found]) -> Vec<Finding> {
    let index = Index::new(names);
    let mut findings: Vec<Finding> =
        records.into_iter().map(|record| Finding { record, fate: Fate::Elsewhere, name: None }).collect();
    // The surest first: no file is two records'.
    let mut taken = HashSet::new();
    for fate in [Fate::Present, Fate::OtherDevice, Fate::Copied] {
        for finding in findings.iter_mut().filter(|finding| finding.fate == Fate::Elsewhere) {
            let name = match fate {
                Fate::Present => index.same(&finding.record),
                Fate::OtherDevice => index.on_other_device(&finding.record),
                _ => index.copy(&finding.record),
            };
            if let Some(name) = name.filter(|name| taken.insert(names[*name].real.id().key())) {
                (finding.fate, finding.name) = (fate, Some(name));
            }
        }
    }
    let is_same_tree = findings.iter().any(|finding| {
        let name = finding.name.and_then(|name| names.get(name));
        finding.record.path.is_some() && finding.record.path.as_ref() == name.map(|found| &found.path)
    });
    for finding in findings.iter_mut().filter(|finding| finding.fate == Fate::Elsewhere) {
        finding.name = index.by_key.get(&finding.record.inode.key()).copied();
        if finding.name.is_some() {
            finding.fate = Fate::Reused;
        } else if is_same_tree && finding.record.path.is_some() {
            finding.fate = Fate::Deleted;
        }
    }
    findings
}

struct Index<'a> {
    names: &'a [Found],
    by_key: HashMap<InodeKey, usize>,
    /// `None` if several devices have such an inode.
    by_birth: HashMap<(u64, Birth), Option<usize>>,
    by_path: HashMap<&'a [u8], usize>,
}

impl<'a> Index<'a> {
    fn new(names: &'a [Found]) -> Index<'a> {
        let mut index = Index {
            names,
            by_key: HashMap::new(),
            by_birth: HashMap::new(),
            by_path: HashMap::with_capacity(names.len()),
        };
        for (at, found) in names.iter().enumerate() {
            let id = found.real.id();
            index.by_path.insert(&found.path, at);
            if index.by_key.insert(id.key(), at).is_none() {
                if let Some(birth) = id.birth {
                    index.by_birth.entry((id.ino, birth)).and_modify(|several| *several = None).or_insert(Some(at));
                }
            }
        }
        index
    }

    /// One of the names of the inode, that which it had before if it still has it.
    fn same(&self, record: &Record) -> Option<usize> {
        let is_same = |at: &usize| {
            let id = self.names[*at].real.id();
            let births = id.birth.zip(record.inode.birth);
            id.key() == record.inode.key()
                && births.is_none_or(|(one, other)| one == other)
                && is_of_kind(record, &self.names[*at].real)
        };
        let before = record.path.as_ref().and_then(|path| self.by_path.get(path.as_slice()));
        before
            .filter(|at| is_same(at))
            .or_else(|| self.by_key.get(&record.inode.key()).filter(|at| is_same(at)))
            .copied()
    }

    fn on_other_device(&self, record: &Record) -> Option<usize> {
        let at = (*self.by_birth.get(&(record.inode.ino, record.inode.birth?))?)?;
        is_of_kind(record, &self.names[at].real).then_some(at)
    }

    fn copy(&self, record: &Record) -> Option<usize> {
        let at = *self.by_path.get(record.path.as_ref()?.as_slice())?;
        let real = &self.names[at].real;
        let births = real.id().birth.zip(record.inode.birth);
        let is_like_it =
            real.file_type() == S_IFLNK || u32::from(real.mode) & 0o777 == real_permissions(record.lie.mode);
        (is_of_kind(record, real) && is_like_it && births.is_none_or(|(copy, original)| copy > original)).then_some(at)
    }
}

/// Whether the file on disk is of the kind that there is for such a lie.
fn is_of_kind(record: &Record, real: &Statx) -> bool {
    record.lie.mode & S_IFMT == real.file_type() || (record.lie.is_node() && real.file_type() == S_IFREG)
}
