//! The table of lies of a daemon.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};

use super::format::is_known_mode;
use super::live::LiveFile;
use super::record::{Record, Xattrs};
use crate::errno::Errno;
use crate::inode::{Birth, InodeId, InodeKey};
use crate::inside::local::LiesFile;
use crate::lie::{Kinds, Lie, LieTable};
use crate::memory::{Mapping, Place, anonymous_file, full_disk};
use crate::shared::{Entry, Layout, SharedTable, Summary};

/// The lies of a daemon: a [`SharedTable`] and the file it is in.
pub struct Table {
    shared: SharedTable,
    file: File,
    mapping: Mapping,
    /// Some changes have been [taken](Table::take_changes).
    was_changed: AtomicBool,
    /// Records that no kernel would ask for and the shared table has no room for: kept to be saved again.
    aside: Vec<Record>,
    /// Paths of the records that it was loaded from, which nobody asks for but the state file.
    paths: HashMap<InodeKey, (Option<Birth>, Vec<u8>)>,
}

impl Table {
    /// A table without lies, in a file that code in tracees can map too. If its disk gets full this process goes on with
    /// memory of its own.
    ///
    /// # Errors
    /// One line that says what is wrong with the place and how to mend it.
    pub fn create(place: &Place) -> Result<Table, String> {
        place.file(|file| {
            let table = Table::with_largest(file)?;
            full_disk::survive(&table.mapping, &table.file)?;
            Ok(table)
        })
    }

    /// A table without lies, in the file of a live table.
    ///
    /// # Errors
    /// The kernel's, if the file cannot be used for it.
    pub fn create_live(live: &LiveFile) -> io::Result<Table> {
        let table = Table::with_largest(live.file().try_clone()?)?;
        full_disk::survive(&table.mapping, &table.file)?;
        table.shared.sign(&live.origin().bytes());
        Ok(table)
    }

    /// A table without lies, for this process only.
    ///
    /// # Errors
    /// The kernel's, if there is no memory.
    pub fn anonymous() -> io::Result<Table> {
        Table::with_largest(anonymous_file()?)
    }

    /// The largest table that limits on addresses and file sizes allow.
    fn with_largest(file: File) -> io::Result<Table> {
        let mut result = Err(io::Error::from_raw_os_error(libc::ENOMEM));
        for layout in [Layout::LARGE, Layout::MEDIUM, Layout::SMALL] {
            result = file.try_clone().and_then(|file| Table::with_layout(file, &layout));
            match &result {
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOMEM | libc::EFBIG)) => {}
                _ => break,
            }
        }
        result
    }

    fn with_layout(file: File, layout: &Layout) -> io::Result<Table> {
        let impossible = || io::Error::from_raw_os_error(libc::ENOMEM);
        let len = layout.bytes().ok_or_else(impossible)?;
        file.set_len(len as u64)?;
        let mapping = Mapping::new(&file, len, libc::PROT_READ | libc::PROT_WRITE, 0)?;
        // SAFETY: mapped as long as the table, which keeps the mapping, and zero, as the file is new. Nothing else in this
        // process accesses it.
        let shared = unsafe { SharedTable::create(mapping.address(), len, layout) }.ok_or_else(impossible)?;
        Ok(Table {
            shared,
            file,
            mapping,
            was_changed: AtomicBool::new(false),
            aside: Vec::new(),
            paths: HashMap::new(),
        })
    }

    /// Adds lies, which count as saved. Of two about the same inode number that about the younger inode is
    /// kept, else the later one.
    ///
    /// # Errors
    /// One line, if there are too many.
    pub fn load(&mut self, records: Vec<Record>) -> Result<(), String> {
        for mut record in records {
            if let Some(path) = record.path.take() {
                self.paths.insert(record.inode.key(), (record.inode.birth, path));
            }
            match self.add(&record) {
                Ok(()) => {}
                Err(Errno::EOVERFLOW | Errno::ERANGE | Errno::E2BIG) => {
                    self.shared.forget(&record.inode);
                    self.aside.push(record);
                }
                Err(error) => {
                    return Err(format!(
                        "cannot load the lies: {error}; raise the limits on address space and file sizes (ulimit -v, ulimit -f)"
                    ));
                }
            }
        }
        self.shared.forget_changes();
        Ok(())
    }

    fn add(&self, Record { inode, lie, xattrs, .. }: &Record) -> Result<(), Errno> {
        self.shared.forget(inode);
        self.shared.put(inode, *lie)?;
        for (name, value) in xattrs {
            let mut left = value.as_slice();
            let set = self.shared.set_xattr(inode, name, value.len(), &mut |room| {
                let (piece, rest) = left.split_at_checked(room.len()).ok_or(Errno::EIO)?;
                room.copy_from_slice(piece);
                left = rest;
                Ok(())
            });
            match set {
                // There is a lie about a younger inode.
                Err(Errno::ENODATA) => return Ok(()),
                result => result?,
            }
        }
        Ok(())
    }

    /// What code in tracees needs to map the same table.
    pub fn shared_with_agents(&self) -> LiesFile {
        LiesFile::new(self.mapping.len() as u64, std::process::id(), self.file.as_raw_fd())
    }

    /// What is to be saved, sorted by device and inode number: everything but orphans.
    pub fn records(&self) -> Vec<Record> {
        let mut records = self.aside.clone();
        self.shared.each(&mut |entry| {
            // What a program has spoilt must not make a file of it that cannot be read.
            if !entry.is_orphan && is_known_mode(entry.lie.mode.into()) {
                records.push(Table::record(&self.shared, entry));
            }
        });
        for record in &mut records {
            let path = self.paths.get(&record.inode.key()).filter(|(birth, _)| *birth == record.inode.birth);
            record.path = path.map(|(_, path)| path.clone());
        }
        records.sort_unstable_by_key(|record| record.inode.key());
        records
    }

    /// All of a lie.
    pub(super) fn record(table: &SharedTable, entry: &Entry) -> Record {
        let mut xattrs = Xattrs::new();
        let inode = entry.inode;
        if entry.has_xattrs {
            table.xattr_names(&inode, &mut |name| {
                let mut value = Vec::new();
                if table.xattr(&inode, name, &mut |piece| value.extend_from_slice(piece)).is_ok() {
                    xattrs.insert(name.to_vec(), value);
                }
            });
        }
        Record { inode, lie: entry.lie, xattrs, path: None }
    }

    /// Whether a table has room for numbers and lengths like these; else the record is kept aside.
    pub(super) fn can_hold(Record { inode, lie, xattrs, .. }: &Record) -> bool {
        u32::try_from(inode.dev).is_ok()
            && u32::try_from(lie.rdev).is_ok()
            && u16::try_from(lie.mode).is_ok()
            && xattrs.iter().all(|(name, value)| SharedTable::can_hold_xattr(name, value.len()))
    }

    /// The inodes of all orphans.
    pub fn orphans(&self) -> HashSet<InodeKey> {
        let mut orphans = HashSet::new();
        self.shared.each(&mut |entry| {
            if entry.is_orphan {
                orphans.insert(entry.inode.key());
            }
        });
        orphans
    }

    /// Forgets the orphans among these inodes.
    pub fn drop_orphans(&self, gone: &HashSet<InodeKey>) {
        self.shared.retain(&mut |entry| !entry.is_orphan || !gone.contains(&entry.inode.key()));
    }

    /// Whether the table may differ from what it was made from.
    pub fn is_changed(&self) -> bool {
        self.was_changed.load(Ordering::SeqCst) || self.shared.is_changed()
    }

    /// Whether it may differ from what it was when this was asked last; [`Table::records`] then has those changes. Costs those who
    /// make changes nothing.
    pub fn take_changes(&self) -> bool {
        let changed = self.shared.take_changes();
        self.was_changed.fetch_or(changed, Ordering::SeqCst);
        changed
    }

    /// The file it is in, of which code in a tracee maps [`Table::len`] bytes.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Bytes of the file, most of them holes.
    pub fn len(&self) -> usize {
        self.mapping.len()
    }

    /// Whether there is no lie.
    pub fn is_empty(&self) -> bool {
        self.kinds().all == 0
    }

    /// Looks whether all of it is as it must be; nobody may use it meanwhile.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(&self) -> Result<Summary, String> {
        self.shared.verify()
    }
}

impl LieTable for Table {
    fn get(&self, inode: &InodeId) -> Option<Lie> {
        self.shared.get(inode)
    }

    fn put(&self, inode: &InodeId, lie: Lie) -> Result<(), Errno> {
        self.shared.put(inode, lie)
    }

    fn put_change(&self, inode: &InodeId, before: &Lie, lie: Lie) -> Result<(), Errno> {
        self.shared.put_change(inode, before, lie)
    }

    fn forget(&self, inode: &InodeId) {
        self.shared.forget(inode);
    }

    fn orphan(&self, inode: &InodeId) {
        self.shared.orphan(inode);
    }

    fn adopt(&self, inode: &InodeId) {
        self.shared.adopt(inode);
    }

    fn peek(&self, key: InodeKey) -> Option<Lie> {
        self.shared.peek(key)
    }

    fn kinds(&self) -> Kinds {
        self.shared.kinds()
    }

    fn may_have_xattrs(&self) -> bool {
        self.shared.may_have_xattrs()
    }

    fn xattr(&self, inode: &InodeId, name: &[u8], each: &mut dyn FnMut(&[u8])) -> Result<usize, Errno> {
        self.shared.xattr(inode, name, each)
    }

    fn set_xattr(
        &self,
        inode: &InodeId,
        name: &[u8],
        len: usize,
        fill: &mut dyn FnMut(&mut [u8]) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        self.shared.set_xattr(inode, name, len, fill)
    }

    fn remove_xattr(&self, inode: &InodeId, name: &[u8]) -> Result<(), Errno> {
        self.shared.remove_xattr(inode, name)
    }

    fn xattr_names(&self, inode: &InodeId, each: &mut dyn FnMut(&[u8])) {
        self.shared.xattr_names(inode, each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inode::Birth;
    use crate::policy::acl::DEFAULT as DEFAULT_ACL;
    use crate::stat::{S_IFCHR, S_IFDIR, S_IFREG, S_ISGID, make_dev};

    fn new_table() -> Table {
        Table::anonymous().unwrap()
    }

    fn set_xattr(table: &Table, inode: &InodeId, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        table.set_xattr(inode, name, value.len(), &mut |room| {
            room.copy_from_slice(value);
            Ok(())
        })
    }

    fn inode(ino: u64, born: Option<i64>) -> InodeId {
        InodeId { dev: 1, ino, birth: born.map(|sec| Birth { sec, nsec: 5 }), has_name: false }
    }

    fn file(uid: u32) -> Lie {
        Lie { uid, gid: 0, mode: S_IFREG | 0o644, rdev: 0 }
    }

    const DIRECTORY: Lie = Lie { uid: 0, gid: 0, mode: S_IFDIR | 0o755, rdev: 0 };
    const SGID_DIRECTORY: Lie = Lie { mode: S_IFDIR | S_ISGID | 0o755, ..DIRECTORY };
    const NULL: Lie = Lie { uid: 0, gid: 0, mode: S_IFCHR | 0o666, rdev: make_dev(1, 3) };

    #[test]
    fn lies_about_an_inode_with_another_birth_are_dropped_xattrs_included() {
        let table = new_table();
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
        let table = new_table();
        table.put(&inode(7, None), file(10)).unwrap();
        assert_eq!(table.get(&inode(7, Some(1))), Some(file(10)));
        table.put(&inode(7, Some(1)), file(11)).unwrap();
        assert_eq!(table.get(&inode(7, None)), Some(file(11)));
        assert_eq!(table.get(&inode(7, Some(2))), None);
    }

    #[test]
    fn replacing_a_lie_keeps_its_xattrs_and_its_orphanhood() {
        let table = new_table();
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
        let table = new_table();
        let (old, new) = (inode(1, Some(1)), inode(1, Some(2)));
        table.put(&old, file(3)).unwrap();
        table.put(&new, file(7)).unwrap();
        table.orphan(&old);
        table.forget(&old);
        assert_eq!(table.get(&old), None);
        assert_eq!((table.get(&new), table.kinds().orphans), (Some(file(7)), 0));
    }

    #[test]
    fn an_inode_with_a_name_is_no_orphan_of_the_same_birth() {
        let table = new_table();
        let open = inode(1, Some(1));
        let next = InodeId { has_name: true, ..open };
        table.put(&next, file(3)).unwrap();
        assert_eq!((table.get(&open), table.get(&next)), (Some(file(3)), Some(file(3))));
        table.orphan(&next);
        assert_eq!((table.get(&open), table.get(&next)), (Some(file(3)), None));
        table.put(&next, file(7)).unwrap();
        assert_eq!((table.get(&next), table.kinds().all, table.kinds().orphans), (Some(file(7)), 1, 0));
        // Where there are no births a name proves nothing.
        let unborn = InodeId { has_name: true, ..inode(2, None) };
        table.put(&unborn, file(3)).unwrap();
        table.orphan(&unborn);
        assert_eq!(table.get(&unborn), Some(file(3)));
    }

    #[test]
    fn orphans_that_nobody_has_open_go_and_the_rest_stays() {
        let table = new_table();
        let (open, closed, named) = (inode(1, Some(1)), inode(2, Some(1)), inode(3, Some(1)));
        for id in [&open, &closed, &named] {
            table.put(id, file(7)).unwrap();
        }
        table.orphan(&open);
        table.orphan(&closed);
        assert_eq!(table.orphans(), HashSet::from([open.key(), closed.key()]));
        table.drop_orphans(&HashSet::from([closed.key(), named.key()]));
        assert_eq!((table.get(&open), table.get(&closed), table.get(&named)), (Some(file(7)), None, Some(file(7))));
        assert_eq!((table.kinds().all, table.kinds().orphans), (2, 1));
    }

    #[test]
    fn kinds_follow_every_change() {
        let table = new_table();
        let (dir, node, plain) = (inode(1, None), inode(2, Some(1)), inode(3, None));
        table.put(&dir, SGID_DIRECTORY).unwrap();
        set_xattr(&table, &dir, DEFAULT_ACL, b"").unwrap();
        table.put(&node, NULL).unwrap();
        table.put(&plain, file(1)).unwrap();
        table.orphan(&plain);
        table.orphan(&node);
        assert_eq!(
            table.kinds(),
            Kinds {
                all: 3,
                inherited_from: 1,
                nodes: 1,
                devices: 1,
                orphans: 2,
                orphans_without_birth: 1,
                ..Kinds::default()
            }
        );
        table.put(&dir, DIRECTORY).unwrap();
        assert_eq!(table.kinds().inherited_from, 1);
        table.remove_xattr(&dir, DEFAULT_ACL).unwrap();
        assert_eq!(table.kinds().inherited_from, 0);
        table.put(&node, Lie { mode: crate::stat::S_IFIFO, ..NULL }).unwrap();
        assert_eq!((table.kinds().nodes, table.kinds().devices), (1, 0));
        table.put(&inode(3, Some(9)), file(1)).unwrap();
        assert_eq!(table.kinds().orphans_without_birth, 0);
        table.put(&inode(3, Some(9)), Lie { mode: file(1).mode | 0o4000, ..file(1) }).unwrap();
        assert_eq!(table.kinds().set_ids, 1);
        table.put(&dir, Lie { mode: crate::stat::S_IFDIR | 0o1777, ..DIRECTORY }).unwrap();
        assert_eq!(table.kinds().shared_directories, 1);
        table.forget(&dir);
        table.forget(&dir);
        table.forget(&node);
        table.forget(&plain);
        assert_eq!(table.kinds(), Kinds::default());
    }

    #[test]
    fn records_come_back_sorted_and_loading_them_is_no_change() {
        let table = new_table();
        for ino in [9, 3, 5] {
            table.put(&inode(ino, Some(1)), file(ino as u32)).unwrap();
        }
        assert!(table.is_changed());
        let records = table.records();
        assert_eq!(records.iter().map(|record| record.inode.ino).collect::<Vec<_>>(), [3, 5, 9]);
        let mut again = new_table();
        again.load(records.clone()).unwrap();
        assert!(!again.is_changed());
        assert_eq!(again.records(), records);
        again.get(&inode(3, Some(2)));
        assert!(again.is_changed());
    }

    #[test]
    fn names_may_be_asked_about_while_they_are_listed() {
        let table = new_table();
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
