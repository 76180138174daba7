//! The table as handlers see it.

use core::ptr::NonNull;

use super::key::{Key, Relation};
use super::kinds::Counters;
use super::layout::Layout;
use super::records::{Records, Seen};
use super::region::{Region, TRIES};
use super::values::Values;
use super::word::{State, Word};
use super::xattrs::Arena;
use crate::errno::Errno;
use crate::inode::{InodeId, InodeKey};
use crate::lie::{Kinds, Lie, LieTable};

/// The table of lies in memory that processes share. See the module for how it works.
#[derive(Clone, Copy)]
pub struct SharedTable {
    #[cfg(feature = "std")]
    pub(super) region: Region,
    pub(super) counters: Counters,
    pub(super) values: Values,
    pub(super) records: Records,
    pub(super) arena: Arena,
}

/// A lie with what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The inode.
    pub inode: InodeId,
    /// What is told of it.
    pub lie: Lie,
    /// Its inode has no name any more: told, but not saved.
    pub is_orphan: bool,
    /// Some of its extended attributes are lies.
    pub has_xattrs: bool,
}

impl SharedTable {
    /// A new table in memory that is zero; `None` if the layout does not fit.
    ///
    /// # Safety
    /// `len` bytes at `base`, which is aligned to 8 bytes, are mapped readable and writable as long as the table or a
    /// copy of it is used, and are accessed by tables (and by whatever other processes do) only.
    pub unsafe fn create(base: NonNull<u8>, len: usize, layout: &Layout) -> Option<SharedTable> {
        // SAFETY: the caller's promise.
        let region = unsafe { Region::new(base, len) };
        let table = SharedTable::new(region, layout)?;
        layout.write(&region)?;
        Some(table)
    }

    /// The table that another mapping of the same memory has; `None` if there is none of this version.
    ///
    /// # Safety
    /// As for [`SharedTable::create`].
    pub unsafe fn open(base: NonNull<u8>, len: usize) -> Option<SharedTable> {
        // SAFETY: the caller's promise.
        let region = unsafe { Region::new(base, len) };
        // Believed only now: later anybody may have changed it.
        SharedTable::new(region, &Layout::read(&region)?)
    }

    fn new(region: Region, layout: &Layout) -> Option<SharedTable> {
        let offsets = layout.offsets().filter(|offsets| offsets.len <= region.len())?;
        let counters = Counters::new(region);
        let values = Values::new(region, layout, &offsets);
        let records = Records::new(region, layout, &offsets, values, counters);
        Some(SharedTable {
            #[cfg(feature = "std")]
            region,
            counters,
            values,
            records,
            arena: Arena::new(region, layout, &offsets),
        })
    }

    /// Whether anything was changed since the begin, or since the last [`SharedTable::forget_changes`].
    pub fn is_changed(&self) -> bool {
        self.counters.is_changed()
    }

    /// What is there now is what the table was made from.
    pub fn forget_changes(&self) {
        self.counters.take_changes();
    }

    /// Whether anything was changed since this was asked last. Who reads the table afterwards sees those changes.
    pub fn take_changes(&self) -> bool {
        self.counters.take_changes()
    }

    /// Whether there can be an extended attribute of this name and with so many bytes.
    #[cfg(feature = "std")]
    pub fn can_hold_xattr(name: &[u8], len: usize) -> bool {
        (1..=super::xattrs::NAME_MAX).contains(&name.len()) && len <= super::xattrs::VALUE_MAX
    }

    /// Drops the lies that `keep` does not want. What changes meanwhile is kept.
    pub fn retain(&self, keep: &mut dyn FnMut(&Entry) -> bool) {
        self.records.each(&mut |seen| {
            if self.entry(seen).is_some_and(|entry| !keep(&entry)) {
                self.records.exchange(seen.index, seen.word, seen.word.dead());
            }
        });
    }

    /// Calls `look` with every lie, in no order.
    pub fn each(&self, look: &mut dyn FnMut(&Entry)) {
        self.records.each(&mut |seen| {
            if let Some(entry) = self.entry(seen) {
                look(&entry);
            }
        });
    }

    pub(super) fn entry(&self, seen: &Seen) -> Option<Entry> {
        let lie = self.records.lie(seen.word).filter(|_| seen.word.state() == State::Live)?;
        let InodeKey { dev, ino } = seen.key.inode_key();
        Some(Entry {
            inode: InodeId { dev, ino, birth: seen.birth.birth(), has_name: !seen.word.is_orphan() },
            lie,
            is_orphan: seen.word.is_orphan(),
            has_xattrs: seen.word.xattrs() != 0,
        })
    }

    /// What a record is to an inode.
    fn relation(seen: &Seen, inode: &InodeId) -> Relation {
        let relation = seen.birth.relation(inode);
        // Without births only the number tells, and a name proves nothing: NFS hides deleted files behind one.
        let are_born = seen.birth.is_known() && inode.birth.is_some();
        if relation == Relation::Same && are_born && inode.has_name && seen.word.is_orphan() {
            Relation::OfTheSameTick
        } else {
            relation
        }
    }

    /// The record about an inode. One about an older inode is dropped.
    fn find(&self, inode: &InodeId) -> Option<Seen> {
        if self.counters.are_zero() {
            return None;
        }
        let key = Key::new(inode.key())?;
        for _ in 0..TRIES {
            let seen = self.records.find(key)?;
            match SharedTable::relation(&seen, inode) {
                Relation::Same => return Some(seen),
                // What was seen of the inode may be from before it lost its name. Who remembers something of it decides.
                Relation::Newer | Relation::OfTheSameTick => return None,
                Relation::Older => self.records.exchange(seen.index, seen.word, seen.word.dead()),
            };
        }
        None
    }

    /// Changes the word of the record about an inode; an older one is left alone. `None` if there is none, or `change`
    /// wants none.
    fn change(&self, inode: &InodeId, mut change: impl FnMut(Word) -> Option<Word>) -> Option<()> {
        let key = Key::new(inode.key())?;
        for _ in 0..TRIES {
            let seen = self.records.find(key).filter(|seen| SharedTable::relation(seen, inode) == Relation::Same)?;
            let new = change(seen.word)?;
            if new == seen.word || self.records.exchange(seen.index, seen.word, new) {
                return Some(());
            }
        }
        None
    }
}

impl SharedTable {
    /// Remembers a lie; with `before`, as a change of that.
    fn put_over(&self, inode: &InodeId, before: Option<&Lie>, lie: Lie) -> Result<(), Errno> {
        let key = Key::new(inode.key()).ok_or(Errno::EOVERFLOW)?;
        let value = self.values.intern(&lie)?;
        for round in 0..TRIES {
            let Some(seen) = self.records.find(key) else {
                if self.records.insert(key, inode.birth, value, round)? {
                    return Ok(());
                }
                continue;
            };
            match SharedTable::relation(&seen, inode) {
                // The inode is gone, and its number has been given away again.
                Relation::Newer => return Ok(()),
                Relation::Older | Relation::OfTheSameTick => {
                    self.records.exchange(seen.index, seen.word, seen.word.dead());
                }
                Relation::Same => {
                    let value = match before {
                        Some(before) => match self.records.lie(seen.word) {
                            Some(now) => self.values.intern(&lie.over(before, &now))?,
                            None => continue,
                        },
                        None => value,
                    };
                    let mut new = seen.word.with_value(value);
                    match inode.birth {
                        Some(birth) if !seen.birth.is_known() => {
                            if !self.records.learn_birth(&seen, birth)? {
                                continue;
                            }
                            new = new.with_birth_known();
                        }
                        // Who learned it may have been killed before saying so.
                        _ if seen.birth.is_known() => new = new.with_birth_known(),
                        _ => {}
                    }
                    if new == seen.word || self.records.exchange(seen.index, seen.word, new) {
                        return Ok(());
                    }
                }
            }
        }
        Err(Errno::EAGAIN)
    }
}

impl LieTable for SharedTable {
    fn get(&self, inode: &InodeId) -> Option<Lie> {
        self.find(inode).and_then(|seen| self.records.lie(seen.word))
    }

    fn put(&self, inode: &InodeId, lie: Lie) -> Result<(), Errno> {
        self.put_over(inode, None, lie)
    }

    fn put_change(&self, inode: &InodeId, before: &Lie, lie: Lie) -> Result<(), Errno> {
        self.put_over(inode, Some(before), lie)
    }

    fn forget(&self, inode: &InodeId) {
        let _ = self.change(inode, |word| Some(word.dead()));
    }

    fn orphan(&self, inode: &InodeId) {
        let _ = self.change(inode, |word| Some(word.with_orphan(true)));
    }

    fn adopt(&self, inode: &InodeId) {
        let _ = self.change(inode, |word| Some(word.with_orphan(false)));
    }

    fn peek(&self, key: InodeKey) -> Option<Lie> {
        self.records.find(Key::new(key)?).and_then(|seen| self.records.lie(seen.word))
    }

    fn kinds(&self) -> Kinds {
        self.counters.read()
    }

    fn may_have_xattrs(&self) -> bool {
        self.arena.is_used()
    }

    fn xattr(&self, inode: &InodeId, name: &[u8], each: &mut dyn FnMut(&[u8])) -> Result<usize, Errno> {
        let seen = self.find(inode).ok_or(Errno::ENODATA)?;
        let blob = self.arena.find(seen.word.xattrs(), name).ok_or(Errno::ENODATA)?;
        self.arena.read(&blob, each).ok_or(Errno::EIO)?;
        Ok(blob.value_len)
    }

    fn set_xattr(
        &self,
        inode: &InodeId,
        name: &[u8],
        len: usize,
        fill: &mut dyn FnMut(&mut [u8]) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        self.find(inode).ok_or(Errno::ENODATA)?;
        let span = self.arena.write(name, len, fill)?;
        let mut room = None;
        let mut failed = None;
        let mut is_new = true;
        let changed = self.change(inode, |word| {
            let (new, old) = (self.arena.blob(span.first), self.arena.find(word.xattrs(), name));
            is_new = !new.zip(old).is_some_and(|(new, old)| self.arena.have_same_value(&new, &old));
            if !is_new {
                return Some(word);
            }
            match self.arena.edited(word.xattrs(), name, Some(span.first), &mut room) {
                Ok((list, default_acl)) => Some(word.with_xattrs(list, default_acl)),
                Err(error) => {
                    failed = Some(error);
                    None
                }
            }
        });
        if changed.is_none() || !is_new {
            room.into_iter().for_each(|room| self.arena.give_back(room));
            self.arena.give_back(span);
        }
        changed.ok_or(failed.unwrap_or(Errno::ENODATA))
    }

    fn remove_xattr(&self, inode: &InodeId, name: &[u8]) -> Result<(), Errno> {
        let mut room = None;
        let mut failed = None;
        let mut list = 0;
        let changed = self.change(inode, |word| {
            self.arena.find(word.xattrs(), name)?;
            match self.arena.edited(word.xattrs(), name, None, &mut room) {
                Ok((edited, default_acl)) => {
                    list = edited;
                    Some(word.with_xattrs(edited, default_acl))
                }
                Err(error) => {
                    failed = Some(error);
                    None
                }
            }
        });
        if changed.is_none() || list == 0 {
            room.into_iter().for_each(|room| self.arena.give_back(room));
        }
        changed.ok_or(failed.unwrap_or(Errno::ENODATA))
    }

    fn xattr_names(&self, inode: &InodeId, each: &mut dyn FnMut(&[u8])) {
        let Some(seen) = self.find(inode) else { return };
        for blob in self.arena.blobs(seen.word.xattrs()) {
            if let Some(name) = self.arena.name(&blob) {
                each(name.bytes());
            }
        }
    }
}
