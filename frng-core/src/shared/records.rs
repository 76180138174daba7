//! The records: one an inode, in chains by bucket.
//!
//! | bytes | |
//! |---|---|
//! | 0-7 | [`Word`] |
//! | 8-15 | inode number |
//! | 16-23 | [`PackedBirth`] |
//! | 24-27 | device |
//! | 28-31 | index of the next record in the chain |
//!
//! A record never leaves its chain. When its lie is forgotten it is dead, and serves the next inode of its bucket.
//!
//! # Making one
//! Two threads that make a lie about one inode must not both succeed. So a record is first *pending*: then its maker walks
//! the whole chain; kills all other pending records about the same inode, whose makers will notice and start over; and
//! gives way if there is a lie by now. Only then it makes its own live, which fails if another one has killed it. Of two makers
//! the one that was pending last must see the other, so one of them starts over. Nobody waits for anybody, and a record
//! whose maker was killed is in nobody's way.
//!
//! # Reading one
//! The key is only written while the record is claimed, which takes a new version. A reader that finds the version
//! unchanged after reading the key has read the key that belongs to it.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::key::{Key, PackedBirth};
use super::kinds::{Counters, Marks};
use super::layout::{Layout, Offsets, RECORD_LEN, element, header};
use super::region::{Region, TRIES, Walk, take};
use super::values::Values;
use super::word::{State, Word};
use crate::errno::Errno;
use crate::inode::Birth;
use crate::lie::Lie;

/// The records of a table.
#[derive(Clone, Copy)]
pub(super) struct Records {
    region: Region,
    buckets_at: usize,
    buckets: u32,
    records_at: usize,
    capacity: u32,
    values: Values,
    counters: Counters,
}

/// One of them, which may change at any time.
struct Record<'a> {
    word: &'a AtomicU64,
    ino: &'a AtomicU64,
    birth: &'a AtomicU64,
    dev: &'a AtomicU32,
    next: &'a AtomicU32,
}

/// What a record was when it was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub index: u32,
    pub word: Word,
    pub key: Key,
    pub birth: PackedBirth,
}

impl Record<'_> {
    fn word(&self) -> Word {
        Word(self.word.load(Ordering::SeqCst))
    }

    fn exchange(&self, old: Word, new: Word) -> bool {
        self.word.compare_exchange(old.0, new.0, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn is_about(&self, key: Key) -> bool {
        self.ino.load(Ordering::Acquire) == key.ino && self.dev.load(Ordering::Acquire) == key.dev
    }

    /// `None` while somebody writes the key.
    fn read(&self, index: u32) -> Option<Seen> {
        let mut before = self.word();
        // Each time the version has changed, of which there are only so many.
        for _ in 0..Word::VERSIONS {
            if before.state() == State::Claimed {
                return None;
            }
            let key = Key { dev: self.dev.load(Ordering::Acquire), ino: self.ino.load(Ordering::Acquire) };
            let birth = PackedBirth(self.birth.load(Ordering::Acquire));
            let word = self.word();
            if word.version() == before.version() && word.state() != State::Claimed {
                return Some(Seen { index, word, key, birth });
            }
            before = word;
        }
        None
    }

    /// While it is claimed, or not in a chain yet.
    fn write_key(&self, key: Key, birth: Option<Birth>, version: u64) {
        // Released, so that who sees any of this sees the new version too.
        self.ino.store(key.ino, Ordering::Release);
        self.dev.store(key.dev, Ordering::Release);
        self.birth.store(PackedBirth::new(birth, version).0, Ordering::Release);
    }
}

impl Records {
    pub fn new(region: Region, layout: &Layout, offsets: &Offsets, values: Values, counters: Counters) -> Records {
        Records {
            region,
            buckets_at: offsets.buckets,
            buckets: layout.buckets,
            records_at: offsets.records,
            capacity: layout.records,
            values,
            counters,
        }
    }

    fn record(&self, index: u32) -> Option<Record<'_>> {
        let at = element(self.records_at, index, self.capacity, RECORD_LEN)?;
        Some(Record {
            word: self.region.word64(at)?,
            ino: self.region.word64(at.checked_add(8)?)?,
            birth: self.region.word64(at.checked_add(16)?)?,
            dev: self.region.word32(at.checked_add(24)?)?,
            next: self.region.word32(at.checked_add(28)?)?,
        })
    }

    fn head(&self, bucket: u32) -> Option<&AtomicU32> {
        self.region.word32(element(self.buckets_at, bucket, self.buckets, 4)?)
    }

    /// Calls `look` with the records of a chain until it says that it has seen enough.
    fn walk(&self, bucket: u32, mut look: impl FnMut(u32, &Record<'_>) -> bool) -> Option<()> {
        let mut walk = Walk::new(self.capacity);
        let mut index = self.head(bucket)?.load(Ordering::SeqCst);
        while walk.goes_on(index) {
            let record = self.record(index)?;
            if look(index, &record) {
                break;
            }
            index = record.next.load(Ordering::Acquire);
        }
        Some(())
    }

    /// The lie about a device and inode number. There is at most one.
    pub fn find(&self, key: Key) -> Option<Seen> {
        let mut found = None;
        self.walk(key.bucket(self.buckets), |index, record| {
            if record.word().state() == State::Live && record.is_about(key) {
                found = record.read(index).filter(|seen| seen.key == key && seen.word.state() == State::Live);
            }
            found.is_some()
        });
        found
    }

    /// What a record with this word says.
    pub fn lie(&self, word: Word) -> Option<Lie> {
        self.values.get(word.value())
    }

    fn marks(&self, word: Word) -> Marks {
        if word.state() == State::Live {
            self.lie(word).map_or(Marks::default(), |lie| Marks::new(word, &lie))
        } else {
            Marks::default()
        }
    }

    /// Changes a record, if it is still what it was, and keeps the counters true.
    pub fn exchange(&self, index: u32, old: Word, new: Word) -> bool {
        let Some(record) = self.record(index) else { return false };
        let (before, after) = (self.marks(old), self.marks(new));
        // Before it too: whoever is killed in between has changed it.
        self.counters.note_change();
        self.counters.raise(after.without(before));
        let changed = record.exchange(old, new);
        self.counters.note_change();
        self.counters.lower(if changed { before.without(after) } else { after.without(before) });
        changed
    }

    /// Gives a lie whose birth is unknown this one; afterwards [`Records::exchange`] its word. `false` if somebody else
    /// was faster.
    ///
    /// # Errors
    /// `EIO` if the record is broken.
    pub fn learn_birth(&self, seen: &Seen, birth: Birth) -> Result<bool, Errno> {
        let unknown = PackedBirth::new(None, seen.word.version());
        let known = PackedBirth::new(Some(birth), 0);
        let record = self.record(seen.index).filter(|_| seen.birth == unknown).ok_or(Errno::EIO)?;
        Ok(record.birth.compare_exchange(unknown.0, known.0, Ordering::SeqCst, Ordering::SeqCst).is_ok())
    }

    /// Makes a lie. `false` if somebody else is making one too, or has made one: look again. `round` counts how often
    /// that was so.
    ///
    /// # Errors
    /// `ENOSPC` if there is no room; `EIO` if the chain leads out of the mapping.
    pub fn insert(&self, key: Key, birth: Option<Birth>, value: u32, round: u32) -> Result<bool, Errno> {
        let bucket = key.bucket(self.buckets);
        let (own, pending) = match self.recycle(bucket, key, birth, value) {
            Some(recycled) => recycled,
            None => self.add(bucket, key, birth, value)?,
        };
        let alone = self.is_alone(bucket, key, own);
        if alone == Some(true) && self.exchange(own, pending, pending.live()) {
            return Ok(true);
        }
        // Whoever has killed it has done this.
        if let Some(record) = self.record(own) {
            record.exchange(pending, pending.dead());
        }
        if alone.is_none() {
            return Err(Errno::EIO);
        }
        // Each maker for another time, so that two do not go on killing each other's.
        for _ in 0..(round & 15).wrapping_mul(own & 63) {
            core::hint::spin_loop();
        }
        Ok(false)
    }

    /// A pending record made from a dead one of the chain.
    fn recycle(&self, bucket: u32, key: Key, birth: Option<Birth>, value: u32) -> Option<(u32, Word)> {
        let mut recycled = None;
        self.walk(bucket, |index, record| {
            let word = record.word();
            let Some(claimed) = word.claimed().filter(|claimed| record.exchange(word, *claimed)) else {
                return false;
            };
            let version = claimed.version();
            record.write_key(key, birth, version);
            let pending = Word::pending(version, value, birth.is_some());
            // Nobody else touches a claimed one.
            record.word.store(pending.0, Ordering::SeqCst);
            recycled = Some((index, pending));
            true
        });
        recycled
    }

    /// A new pending record.
    fn add(&self, bucket: u32, key: Key, birth: Option<Birth>, value: u32) -> Result<(u32, Word), Errno> {
        let next = self.region.word32(header::NEXT_RECORD).ok_or(Errno::EIO)?;
        let index = take(next, 1, self.capacity).ok_or(Errno::ENOSPC)?;
        let (record, head) = (self.record(index).ok_or(Errno::EIO)?, self.head(bucket).ok_or(Errno::EIO)?);
        let pending = Word::pending(0, value, birth.is_some());
        record.write_key(key, birth, 0);
        record.word.store(pending.0, Ordering::SeqCst);
        let mut first = head.load(Ordering::SeqCst);
        for _ in 0..TRIES {
            record.next.store(first, Ordering::Release);
            match head.compare_exchange(first, index, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return Ok((index, pending)),
                Err(now) => first = now,
            }
        }
        Err(Errno::EAGAIN)
    }

    /// Kills the other pending records about an inode; whether there is no lie. `None` if the chain is broken.
    fn is_alone(&self, bucket: u32, key: Key, own: u32) -> Option<bool> {
        let mut alone = true;
        self.walk(bucket, |index, record| {
            // The word first: whoever was pending before we were is seen with its key.
            let may_matter = matches!(record.word().state(), State::Pending | State::Live);
            if index == own || !may_matter || !record.is_about(key) {
                return false;
            }
            alone = match record.read(index).filter(|seen| seen.key == key) {
                Some(seen) => match seen.word.state() {
                    State::Pending => record.exchange(seen.word, seen.word.dead()),
                    state => state != State::Live,
                },
                // Its maker will see ours.
                None => true,
            };
            !alone
        })?;
        Some(alone)
    }

    /// Calls `look` with every record that was ever used and is not being written now.
    pub fn each(&self, look: &mut dyn FnMut(&Seen)) {
        for index in 1..self.used() {
            if let Some(seen) = self.record(index).and_then(|record| record.read(index)) {
                look(&seen);
            }
        }
    }

    /// One more than the last record that was ever used.
    pub fn used(&self) -> u32 {
        let next = self.region.word32(header::NEXT_RECORD).map_or(0, |next| next.load(Ordering::SeqCst));
        next.min(self.capacity)
    }

    /// For [`super::salvage`]: whether nothing was ever written there.
    #[cfg(feature = "std")]
    pub fn is_blank(&self, index: u32) -> bool {
        self.record(index).is_some_and(|record| {
            record.word().0 == 0
                && record.ino.load(Ordering::SeqCst) == 0
                && record.birth.load(Ordering::SeqCst) == 0
                && record.next.load(Ordering::SeqCst) == 0
        })
    }

    /// For [`super::verify`]: chains there are.
    #[cfg(feature = "std")]
    pub fn buckets(&self) -> u32 {
        self.buckets
    }

    /// For [`super::verify`]: the bare links of a chain, to be walked with care.
    #[cfg(feature = "std")]
    pub fn first(&self, bucket: u32) -> Option<u32> {
        self.head(bucket).map(|head| head.load(Ordering::SeqCst))
    }

    /// For [`super::verify`]: the index after a record's, and what is in the record.
    #[cfg(feature = "std")]
    pub fn link(&self, index: u32) -> Option<(u32, Option<Seen>)> {
        let record = self.record(index)?;
        Some((record.next.load(Ordering::SeqCst), record.read(index)))
    }
}
