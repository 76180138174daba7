//! The table of lies of a daemon.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use super::record::{Record, Xattrs};
use crate::errno::Errno;
use crate::inode::{Birth, InodeId, InodeKey};
use crate::lie::{Kinds, Lie, LieTable};
use crate::policy::acl::DEFAULT as DEFAULT_ACL;
use crate::stat::{S_IFDIR, S_IFMT};

/// The lies of a daemon, used by its tracer's thread only.
#[derive(Default)]
pub struct Table {
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<InodeKey, Entry>,
    kinds: Kinds,
    changed: bool,
}

struct Entry {
    birth: Option<Birth>,
    lie: Lie,
    /// Its inode has no name any more: told, but not saved.
    orphan: bool,
    xattrs: Xattrs,
}

impl Entry {
    /// Whether an inode with this birth is the one the lie is about. Where one side does not know the birth time
    /// the number has to do.
    fn is_about(&self, birth: Option<Birth>) -> bool {
        match (self.birth, birth) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        }
    }

    /// What this entry adds to the table's [`Kinds`].
    fn kinds(&self) -> Kinds {
        let has_default_acl = self.lie.mode & S_IFMT == S_IFDIR && self.xattrs.contains_key(DEFAULT_ACL);
        Kinds {
            all: 1,
            inherited_from: usize::from(self.lie.is_set_group_id_directory() || has_default_acl),
            nodes: usize::from(self.lie.is_node()),
            devices: usize::from(self.lie.is_device()),
            orphans: usize::from(self.orphan),
            orphans_without_birth: usize::from(self.orphan && self.birth.is_none()),
        }
    }
}

impl Inner {
    /// Runs `change` on the entry about an inode, if there is one, and keeps [`Kinds`] true. An entry about another
    /// inode of the same number stays: a handler may be late, and speak of an inode that is gone.
    fn change<R>(&mut self, inode: &InodeId, change: impl FnOnce(&mut Entry) -> R) -> Option<R> {
        let entry = self.entries.get_mut(&inode.key()).filter(|entry| entry.is_about(inode.birth))?;
        self.kinds.subtract(&entry.kinds());
        let result = change(entry);
        self.kinds.add(&entry.kinds());
        self.changed = true;
        Some(result)
    }

    fn remove(&mut self, key: InodeKey) {
        if let Some(old) = self.entries.remove(&key) {
            self.kinds.subtract(&old.kinds());
            self.changed = true;
        }
    }

    fn insert(&mut self, key: InodeKey, entry: Entry) {
        self.kinds.add(&entry.kinds());
        self.changed = true;
        if let Some(old) = self.entries.insert(key, entry) {
            self.kinds.subtract(&old.kinds());
        }
    }
}

impl Kinds {
    fn add(&mut self, other: &Kinds) {
        self.all += other.all;
        self.inherited_from += other.inherited_from;
        self.nodes += other.nodes;
        self.devices += other.devices;
        self.orphans += other.orphans;
        self.orphans_without_birth += other.orphans_without_birth;
    }

    fn subtract(&mut self, other: &Kinds) {
        self.all -= other.all;
        self.inherited_from -= other.inherited_from;
        self.nodes -= other.nodes;
        self.devices -= other.devices;
        self.orphans -= other.orphans;
        self.orphans_without_birth -= other.orphans_without_birth;
    }
}

impl Table {
    /// A table without lies.
    pub fn new() -> Table {
        Table::default()
    }

    /// A table with these lies, which count as saved. Of two about the same inode number the later one is kept.
    pub fn from_records(records: Vec<Record>) -> Table {
        let mut inner = Inner::default();
        inner.entries.reserve(records.len());
        for Record { inode, lie, xattrs } in records {
            inner.insert(inode.key(), Entry { birth: inode.birth, lie, orphan: false, xattrs });
        }
        inner.changed = false;
        Table { inner: RefCell::new(inner) }
    }

    /// mock
    pub fn file(&self) -> crate::inside::local::LiesFile {
        let mut path = [0u8; 64];
        path[..9].copy_from_slice(b"/dev/zero");
        crate::inside::local::LiesFile { len: 4096, path }
    }

    /// What is to be saved, sorted by device and inode number: everything but orphans.
    pub fn records(&self) -> Vec<Record> {
        let inner = self.inner.borrow();
        let mut records: Vec<Record> = inner
            .entries
            .iter()
            .filter(|(_, entry)| !entry.orphan)
            .map(|(key, entry)| Record {
                inode: InodeId { dev: key.dev, ino: key.ino, birth: entry.birth },
                lie: entry.lie,
                xattrs: entry.xattrs.clone(),
            })
            .collect();
        records.sort_unstable_by_key(|record| record.inode.key());
        records
    }

    /// Forgets the orphans that are not among these inodes.
    pub fn retain_orphans(&self, open: &HashSet<InodeKey>) {
        let Inner { entries, kinds, .. } = &mut *self.inner.borrow_mut();
        entries.retain(|key, entry| {
            let kept = !entry.orphan || open.contains(key);
            if !kept {
                kinds.subtract(&entry.kinds());
            }
            kept
        });
    }

    /// Whether the table may differ from what it was made from.
    pub fn is_changed(&self) -> bool {
        self.inner.borrow().changed
    }

    /// Reads an entry; `None` if there is none about this inode. One about an older inode is dropped.
    fn look<R>(&self, inode: &InodeId, look: impl FnOnce(&Entry) -> R) -> Option<R> {
        match self.inner.borrow().entries.get(&inode.key())? {
            entry if entry.is_about(inode.birth) => return Some(look(entry)),
            entry if entry.birth > inode.birth => return None,
            _ => {}
        }
        self.inner.borrow_mut().remove(inode.key());
        None
    }
}

impl LieTable for Table {
    fn get(&self, inode: &InodeId) -> Option<Lie> {
        self.look(inode, |entry| entry.lie)
    }

    fn put(&self, inode: &InodeId, lie: Lie) -> Result<(), Errno> {
        let mut inner = self.inner.borrow_mut();
        let replaced = inner.change(inode, |entry| {
            entry.lie = lie;
            entry.birth = entry.birth.or(inode.birth);
        });
        if replaced.is_none() {
            inner.insert(inode.key(), Entry { birth: inode.birth, lie, orphan: false, xattrs: Xattrs::new() });
        }
        Ok(())
    }

    fn forget(&self, inode: &InodeId) {
        let mut inner = self.inner.borrow_mut();
        if inner.entries.get(&inode.key()).is_some_and(|entry| entry.is_about(inode.birth)) {
            inner.remove(inode.key());
        }
    }

    fn orphan(&self, inode: &InodeId) {
        self.inner.borrow_mut().change(inode, |entry| entry.orphan = true);
    }

    fn adopt(&self, inode: &InodeId) {
        self.inner.borrow_mut().change(inode, |entry| entry.orphan = false);
    }

    fn peek(&self, key: InodeKey) -> Option<Lie> {
        self.inner.borrow().entries.get(&key).map(|entry| entry.lie)
    }

    fn kinds(&self) -> Kinds {
        self.inner.borrow().kinds
    }

    fn xattr(&self, inode: &InodeId, name: &[u8], each: &mut dyn FnMut(&[u8])) -> Result<usize, Errno> {
        // Copied, so that `each` may use the table.
        let value = self.look(inode, |entry| entry.xattrs.get(name).cloned()).flatten().ok_or(Errno::ENODATA)?;
        each(&value);
        Ok(value.len())
    }

    fn set_xattr(
        &self,
        inode: &InodeId,
        name: &[u8],
        len: usize,
        fill: &mut dyn FnMut(&mut [u8]) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let mut value = vec![0; len];
        fill(&mut value)?;
        self.inner
            .borrow_mut()
            .change(inode, |entry| entry.xattrs.insert(name.to_vec(), value))
            .map(drop)
            .ok_or(Errno::ENODATA)
    }

    fn remove_xattr(&self, inode: &InodeId, name: &[u8]) -> Result<(), Errno> {
        let removed = self.inner.borrow_mut().change(inode, |entry| entry.xattrs.remove(name));
        removed.flatten().map(drop).ok_or(Errno::ENODATA)
    }

    fn xattr_names(&self, inode: &InodeId, each: &mut dyn FnMut(&[u8])) {
        // Copied, so that `each` may use the table.
        let names: Vec<Vec<u8>> = self.look(inode, |entry| entry.xattrs.keys().cloned().collect()).unwrap_or_default();
        for name in &names {
            each(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stat::{S_IFCHR, S_IFREG, S_ISGID, make_dev};

    fn set_xattr(table: &Table, inode: &InodeId, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        table.set_xattr(inode, name, value.len(), &mut |room| {
            room.copy_from_slice(value);
            Ok(())
        })
    }

    fn inode(ino: u64, born: Option<i64>) -> InodeId {
        InodeId { dev: 1, ino, birth: born.map(|sec| Birth { sec, nsec: 5 }) }
    }

    fn file(uid: u32) -> Lie {
        Lie { uid, gid: 0, mode: S_IFREG | 0o644, rdev: 0 }
    }

    const DIRECTORY: Lie = Lie { uid: 0, gid: 0, mode: S_IFDIR | 0o755, rdev: 0 };
    const SGID_DIRECTORY: Lie = Lie { mode: S_IFDIR | S_ISGID | 0o755, ..DIRECTORY };
    const NULL: Lie = Lie { uid: 0, gid: 0, mode: S_IFCHR | 0o666, rdev: make_dev(1, 3) };

    #[test]
    fn lies_about_an_inode_with_another_birth_are_dropped_xattrs_included() {
        let table = Table::new();
        table.put(&inode(7, Some(1)), file(10)).unwrap();
        set_xattr(&table, &inode(7, Some(1)), b"user.a", b"b").unwrap();
        assert_eq!(table.peek(inode(7, Some(2)).key()), Some(file(10)));
        assert_eq!(table.get(&inode(7, Some(2))), None);
        assert_eq!(table.kinds(), Kinds::default());
        assert_eq!(table.get(&inode(7, Some(1))), None);

        table.put(&inode(7, Some(1)), NULL).unwrap();
        set_xattr(&table, &inode(7, Some(1)), b"user.a", b"b").unwrap();
        table.put(&inode(7, Some(2)), file(11)).unwrap();
        assert_eq!(table.xattr(&inode(7, Some(2)), b"user.a", &mut |_| ()), Err(Errno::ENODATA));
        assert_eq!(table.kinds(), Kinds { all: 1, ..Kinds::default() });
        assert_eq!(set_xattr(&table, &inode(7, Some(3)), b"user.a", b"b"), Err(Errno::ENODATA));
        assert_eq!(table.get(&inode(7, Some(3))), None);
        assert_eq!(table.kinds().all, 0);
    }

    #[test]
    fn an_unknown_birth_matches_any_and_is_learned() {
        let table = Table::new();
        table.put(&inode(7, None), file(10)).unwrap();
        assert_eq!(table.get(&inode(7, Some(1))), Some(file(10)));
        table.put(&inode(7, Some(1)), file(11)).unwrap();
        assert_eq!(table.get(&inode(7, None)), Some(file(11)));
        assert_eq!(table.get(&inode(7, Some(2))), None);
    }

    #[test]
    fn replacing_a_lie_keeps_its_xattrs_and_its_orphanhood() {
        let table = Table::new();
        let id = inode(7, Some(1));
        table.put(&id, file(10)).unwrap();
        set_xattr(&table, &id, b"user.a", b"value").unwrap();
        table.orphan(&id);
        table.put(&id, file(11)).unwrap();
        let mut value = Vec::new();
        assert_eq!(table.xattr(&id, b"user.a", &mut |piece| value.extend_from_slice(piece)), Ok(5));
        assert_eq!(value, b"value");
        assert_eq!(table.set_xattr(&id, b"user.a", 3, &mut |_| Err(Errno::EFAULT)), Err(Errno::EFAULT));
        assert_eq!(table.xattr(&id, b"user.a", &mut |_| ()), Ok(5));
        assert!(table.records().is_empty());
        table.adopt(&id);
        assert_eq!(table.records().len(), 1);
        assert_eq!(table.remove_xattr(&id, b"user.a"), Ok(()));
        assert_eq!(table.remove_xattr(&id, b"user.a"), Err(Errno::ENODATA));
    }

    #[test]
    fn what_comes_late_about_a_deleted_inode_leaves_the_next_of_its_number_alone() {
        let table = Table::new();
        let (old, new) = (inode(1, Some(1)), inode(1, Some(2)));
        table.put(&old, file(3)).unwrap();
        table.put(&new, file(7)).unwrap();
        table.orphan(&old);
        table.forget(&old);
        assert_eq!(table.get(&old), None);
        assert_eq!((table.get(&new), table.kinds().orphans), (Some(file(7)), 0));
    }

    #[test]
    fn orphans_that_nobody_has_open_go_and_the_rest_stays() {
        let table = Table::new();
        let (open, closed, named) = (inode(1, Some(1)), inode(2, Some(1)), inode(3, Some(1)));
        for id in [&open, &closed, &named] {
            table.put(id, file(7)).unwrap();
        }
        table.orphan(&open);
        table.orphan(&closed);
        table.retain_orphans(&HashSet::from([open.key()]));
        assert_eq!((table.get(&open), table.get(&closed), table.get(&named)), (Some(file(7)), None, Some(file(7))));
        assert_eq!((table.kinds().all, table.kinds().orphans), (2, 1));
    }

    #[test]
    fn kinds_follow_every_change() {
        let table = Table::new();
        let (dir, node, plain) = (inode(1, None), inode(2, Some(1)), inode(3, None));
        table.put(&dir, SGID_DIRECTORY).unwrap();
        set_xattr(&table, &dir, DEFAULT_ACL, b"").unwrap();
        table.put(&node, NULL).unwrap();
        table.put(&plain, file(1)).unwrap();
        table.orphan(&plain);
        table.orphan(&node);
        assert_eq!(
            table.kinds(),
            Kinds { all: 3, inherited_from: 1, nodes: 1, devices: 1, orphans: 2, orphans_without_birth: 1 }
        );
        table.put(&dir, DIRECTORY).unwrap();
        assert_eq!(table.kinds().inherited_from, 1);
        table.remove_xattr(&dir, DEFAULT_ACL).unwrap();
        assert_eq!(table.kinds().inherited_from, 0);
        table.put(&node, Lie { mode: crate::stat::S_IFIFO, ..NULL }).unwrap();
        assert_eq!((table.kinds().nodes, table.kinds().devices), (1, 0));
        table.put(&inode(3, Some(9)), file(1)).unwrap();
        assert_eq!(table.kinds().orphans_without_birth, 0);
        table.forget(&dir);
        table.forget(&dir);
        table.forget(&node);
        table.forget(&plain);
        assert_eq!(table.kinds(), Kinds::default());
    }

    #[test]
    fn records_come_back_sorted_and_loading_them_is_no_change() {
        let table = Table::new();
        for ino in [9, 3, 5] {
            table.put(&inode(ino, Some(1)), file(ino as u32)).unwrap();
        }
        assert!(table.is_changed());
        let records = table.records();
        assert_eq!(records.iter().map(|record| record.inode.ino).collect::<Vec<_>>(), [3, 5, 9]);
        let again = Table::from_records(records.clone());
        assert!(!again.is_changed());
        assert_eq!(again.records(), records);
        again.get(&inode(3, Some(2)));
        assert!(again.is_changed());
    }

    #[test]
    fn names_may_be_asked_about_while_they_are_listed() {
        let table = Table::new();
        let id = inode(1, None);
        table.put(&id, file(0)).unwrap();
        set_xattr(&table, &id, b"user.b", b"").unwrap();
        set_xattr(&table, &id, b"user.a", b"").unwrap();
        let mut names = Vec::new();
        table.xattr_names(&id, &mut |name| {
            table.remove_xattr(&id, name).unwrap();
            names.push(name.to_vec());
        });
        assert_eq!(names, [b"user.a", b"user.b"]);
    }
}
