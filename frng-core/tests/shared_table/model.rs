//! Random calls on a table and on a model that is as simple as can be: the same answers, the same counts.

use std::collections::{BTreeMap, HashMap};

use frng_core::errno::Errno;
use frng_core::inode::{Birth, InodeId, InodeKey};
use frng_core::lie::{Kinds, Lie, LieTable};
use frng_core::shared::{Layout, SharedTable};
use frng_core::stat::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFREG, S_ISGID};

use crate::support::{Memory, Random, names, set_xattr, xattr};

const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    birth: Option<Birth>,
    lie: Lie,
    orphan: bool,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

#[derive(Default)]
struct Model(HashMap<InodeKey, Entry>);

fn is_about(entry: &Entry, inode: &InodeId) -> bool {
    let is_other = entry.orphan && inode.has_name;
    entry.birth.is_none() || inode.birth.is_none() || entry.birth == inode.birth && !is_other
}

impl Model {
    /// The entry about an inode, to be changed; others stay.
    fn exact(&mut self, inode: &InodeId) -> Option<&mut Entry> {
        self.0.get_mut(&inode.key()).filter(|entry| is_about(entry, inode))
    }

    /// The entry about an inode, to be looked at; one about an older inode goes.
    fn look(&mut self, inode: &InodeId) -> Option<&mut Entry> {
        let entry = self.0.get(&inode.key())?;
        if !is_about(entry, inode) && entry.birth < inode.birth {
            self.0.remove(&inode.key());
        }
        self.exact(inode)
    }

    fn put(&mut self, inode: &InodeId, lie: Lie) {
        if let Some(entry) = self.exact(inode) {
            entry.lie = lie;
            entry.birth = entry.birth.or(inode.birth);
        } else if self.0.get(&inode.key()).is_none_or(|entry| entry.birth <= inode.birth) {
            self.0.insert(inode.key(), Entry { birth: inode.birth, lie, orphan: false, xattrs: BTreeMap::new() });
        }
    }

    fn kinds(&self) -> Kinds {
        let count = |is: &dyn Fn(&Entry) -> bool| self.0.values().filter(|entry| is(entry)).count();
        let inherits = |entry: &Entry| {
            let acl = entry.lie.mode & 0o170000 == S_IFDIR && entry.xattrs.contains_key(DEFAULT_ACL);
            acl || entry.lie.is_set_group_id_directory()
        };
        Kinds {
            all: self.0.len(),
            inherited_from: count(&inherits),
            nodes: count(&|entry| entry.lie.is_node()),
            devices: count(&|entry| entry.lie.is_device()),
            orphans: count(&|entry| entry.orphan),
            orphans_without_birth: count(&|entry| entry.orphan && entry.birth.is_none()),
            set_ids: count(&|entry| entry.lie.is_set_id_file()),
            shared_directories: count(&|entry| entry.lie.is_shared_directory()),
        }
    }
}

fn random_inode(random: &mut Random) -> InodeId {
    let birth = match random.below(5) {
        0 => None,
        n => Some(Birth { sec: n as i64 - 3, nsec: 7 }),
    };
    InodeId {
        dev: 1 + random.below(2),
        ino: random.below(6) << (random.below(2) * 40),
        birth,
        has_name: random.below(2) == 0,
    }
}

fn random_lie(random: &mut Random) -> Lie {
    let kinds = [S_IFREG, S_IFDIR, S_IFDIR | S_ISGID, S_IFCHR, S_IFBLK, S_IFIFO];
    let mode = kinds[random.below(6) as usize] | random.below(4) as u32;
    Lie { uid: random.below(3) as u32, gid: random.below(3) as u32, mode, rdev: random.below(2) }
}

/// What both must agree on afterwards.
fn compare(table: &SharedTable, model: &Model) {
    let mut found = HashMap::new();
    table.each(&mut |entry| {
        let xattrs = names(table, &entry.inode)
            .into_iter()
            .map(|name| (name.clone(), xattr(table, &entry.inode, &name).unwrap()))
            .collect();
        assert_eq!(entry.has_xattrs, model.0[&entry.inode.key()].xattrs != BTreeMap::new());
        let entry = (entry.inode, Entry { birth: entry.inode.birth, lie: entry.lie, orphan: entry.is_orphan, xattrs });
        assert_eq!(found.insert(entry.0.key(), entry.1), None);
    });
    assert_eq!(found, model.0);
}

fn run(seed: u64, layout: &Layout, calls: usize) {
    let memory = Memory::for_layout(layout);
    let tables = [memory.create(layout), memory.open().unwrap()];
    let (mut model, mut random) = (Model::default(), Random(seed));
    for call in 0..calls {
        let table = &tables[call % 2];
        let inode = random_inode(&mut random);
        let name: &[u8] = [b"user.a".as_slice(), b"user.long name", DEFAULT_ACL][random.below(3) as usize];
        match random.below(12) {
            0..=2 => {
                let lie = random_lie(&mut random);
                assert_eq!(table.put(&inode, lie), Ok(()));
                model.put(&inode, lie);
            }
            3 | 4 => assert_eq!(table.get(&inode), model.look(&inode).map(|entry| entry.lie)),
            5 => {
                table.forget(&inode);
                if model.exact(&inode).is_some() {
                    model.0.remove(&inode.key());
                }
            }
            6 => {
                table.orphan(&inode);
                model.exact(&inode).into_iter().for_each(|entry| entry.orphan = true);
            }
            7 => {
                table.adopt(&inode);
                model.exact(&inode).into_iter().for_each(|entry| entry.orphan = false);
            }
            8 => assert_eq!(table.peek(inode.key()), model.0.get(&inode.key()).map(|entry| entry.lie)),
            9 => {
                let value = vec![random.next() as u8; random.below(4) as usize * 171];
                let set = set_xattr(table, &inode, name, &value);
                let entry = model.look(&inode).ok_or(Errno::ENODATA);
                // Replaced ones are never used again.
                if set == Err(Errno::ENOSPC) && entry.is_ok() {
                    continue;
                }
                assert_eq!(set, entry.map(|entry| drop(entry.xattrs.insert(name.to_vec(), value))));
            }
            10 => {
                let removed = table.remove_xattr(&inode, name);
                let entry = model.exact(&inode).and_then(|entry| entry.xattrs.remove(name));
                if removed != Err(Errno::ENOSPC) {
                    assert_eq!(removed, entry.map(drop).ok_or(Errno::ENODATA));
                } else {
                    return;
                }
            }
            _ => {
                let entry = model.look(&inode).and_then(|entry| entry.xattrs.get(name));
                assert_eq!(xattr(table, &inode, name), entry.cloned().ok_or(Errno::ENODATA));
            }
        }
        assert_eq!(table.kinds(), model.kinds());
        if call % 16 == 0 {
            compare(table, &model);
            let summary = table.verify().unwrap();
            assert_eq!((summary.kinds, summary.unfinished), (summary.counted, 0));
        }
    }
}

#[test]
fn random_calls_have_the_answers_of_a_simple_model() {
    for seed in 1..=20 {
        let layout = Layout { buckets: 2, records: 256, value_buckets: 2, values: 1024, units: 1 << 16 };
        run(seed, &layout, 1000);
    }
}

#[test]
fn a_record_serves_many_inodes_and_is_replaced_when_it_has_had_all_its_versions() {
    let layout = Layout { buckets: 1, records: 8, ..crate::support::TINY };
    let memory = Memory::for_layout(&layout);
    let table = memory.create(&layout);
    for ino in 0..3 * 2048 {
        let inode = crate::support::inode(ino, Some(1));
        table.put(&inode, crate::support::marked(1, 1, 1)).unwrap();
        assert!(table.get(&inode).is_some());
        table.forget(&inode);
        assert_eq!(table.get(&inode), None);
    }
    let summary = table.verify().unwrap();
    assert_eq!((summary.dead, summary.kinds.all), (3, 0));
}

#[test]
fn a_full_table_refuses_new_lies_and_keeps_the_old() {
    let layout = Layout { buckets: 2, records: 10, ..crate::support::TINY };
    let memory = Memory::for_layout(&layout);
    let table = memory.create(&layout);
    let lie = crate::support::marked(1, 1, 1);
    for ino in 0..9 {
        table.put(&crate::support::inode(ino, None), lie).unwrap();
    }
    assert_eq!(table.put(&crate::support::inode(9, None), lie), Err(Errno::ENOSPC));
    assert_eq!(table.put(&crate::support::inode(8, None), Lie { uid: 7, ..lie }), Ok(()));
    let summary = table.verify().unwrap();
    assert_eq!((summary.kinds.all, summary.counted.all), (9, 9));
}

#[test]
fn what_comes_late_about_an_older_inode_does_not_replace_a_younger_ones_lie() {
    let memory = Memory::for_layout(&crate::support::TINY);
    let table = memory.create(&crate::support::TINY);
    let (old, new) = (crate::support::inode(1, Some(1)), crate::support::inode(1, Some(2)));
    let (first, second) = (crate::support::marked(1, 1, 1), crate::support::marked(1, 2, 2));
    table.put(&new, second).unwrap();
    table.put(&old, first).unwrap();
    assert_eq!((table.get(&old), table.get(&new)), (None, Some(second)));
}

#[test]
fn setting_an_xattr_to_what_it_is_takes_no_room() {
    let memory = Memory::for_layout(&crate::support::TINY);
    let table = memory.create(&crate::support::TINY);
    let inode = crate::support::inode(1, None);
    table.put(&inode, crate::support::marked(1, 1, 1)).unwrap();
    set_xattr(&table, &inode, b"user.a", &[7; 700]).unwrap();
    let used = table.verify().unwrap().units;
    for _ in 0..1000 {
        set_xattr(&table, &inode, b"user.a", &[7; 700]).unwrap();
        assert_eq!(table.set_xattr(&inode, b"user.a", 9000, &mut |_| Err(Errno::EFAULT)), Err(Errno::EFAULT));
    }
    assert_eq!(table.verify().unwrap().units, used);
    assert_eq!(xattr(&table, &inode, b"user.a"), Ok(vec![7; 700]));
}
