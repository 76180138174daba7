//! The counters behind [`Kinds`].
//!
//! They are raised before a lie is published and lowered after it is gone. Who is killed in between leaves a counter too
//! high, which costs others time; too low would be a wrong answer.

use core::sync::atomic::{AtomicU32, Ordering};

use super::layout::header;
use super::region::Region;
use super::word::{State, Word};
use crate::lie::{Kinds, Lie};
use crate::stat::{S_IFDIR, S_IFMT};

/// Which counters a lie counts in, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks(u8);

const ALL: u8 = 1 << 0;
const INHERITED_FROM: u8 = 1 << 1;
const NODE: u8 = 1 << 2;
const DEVICE: u8 = 1 << 3;
const ORPHAN: u8 = 1 << 4;
const ORPHAN_WITHOUT_BIRTH: u8 = 1 << 5;
const SET_ID: u8 = 1 << 6;
const SHARED_DIRECTORY: u8 = 1 << 7;
const COUNTERS: usize = 8;

impl Marks {
    /// Those of a record with this word, which says `lie`.
    pub fn new(word: Word, lie: &Lie) -> Marks {
        if word.state() != State::Live {
            return Marks::default();
        }
        let has_default_acl = lie.mode & S_IFMT == S_IFDIR && word.has_default_acl();
        let mark = |is: bool, mark: u8| if is { mark } else { 0 };
        Marks(
            ALL | mark(lie.is_set_group_id_directory() || has_default_acl, INHERITED_FROM)
                | mark(lie.is_node(), NODE)
                | mark(lie.is_device(), DEVICE)
                | mark(word.is_orphan(), ORPHAN)
                | mark(word.is_orphan() && !word.is_birth_known(), ORPHAN_WITHOUT_BIRTH)
                | mark(lie.is_set_id_file(), SET_ID)
                | mark(lie.is_shared_directory(), SHARED_DIRECTORY),
        )
    }

    /// Adds one lie with these marks to what was counted.
    #[cfg(feature = "std")]
    pub fn add_to(self, kinds: &mut Kinds) {
        let count = |mark: u8| usize::from(self.0 & mark != 0);
        kinds.all += count(ALL);
        kinds.inherited_from += count(INHERITED_FROM);
        kinds.nodes += count(NODE);
        kinds.devices += count(DEVICE);
        kinds.orphans += count(ORPHAN);
        kinds.orphans_without_birth += count(ORPHAN_WITHOUT_BIRTH);
        kinds.set_ids += count(SET_ID);
        kinds.shared_directories += count(SHARED_DIRECTORY);
    }

    /// Those that are not among the others.
    pub fn without(self, others: Marks) -> Marks {
        Marks(self.0 & !others.0)
    }
}

/// The counters of a table.
#[derive(Clone, Copy)]
pub(super) struct Counters {
    region: Region,
}

impl Counters {
    pub fn new(region: Region) -> Counters {
        Counters { region }
    }

    /// Counts one more lie with these marks.
    pub fn raise(&self, marks: Marks) {
        self.each(marks, |counter| {
            counter.fetch_add(1, Ordering::SeqCst);
        });
    }

    /// Counts one less.
    pub fn lower(&self, marks: Marks) {
        self.each(marks, |counter| {
            counter.fetch_sub(1, Ordering::SeqCst);
        });
    }

    fn each(&self, marks: Marks, change: impl Fn(&AtomicU32)) {
        let mut bits = marks.0;
        while bits != 0 {
            let index = bits.trailing_zeros() as usize;
            if let Some(counter) = self.counter(index) {
                change(counter);
            }
            bits &= bits.wrapping_sub(1);
        }
    }

    fn counter(&self, index: usize) -> Option<&AtomicU32> {
        self.region.word32(header::KINDS.checked_add(index.checked_mul(4)?)?)
    }

    /// Whether there is no lie at all.
    pub fn are_zero(&self) -> bool {
        self.counter(0).is_some_and(|all| all.load(Ordering::SeqCst) == 0)
    }

    /// All of them.
    pub fn read(&self) -> Kinds {
        let mut counts = [0; COUNTERS];
        for (index, count) in counts.iter_mut().enumerate() {
            *count = self.counter(index).map_or(0, |counter| counter.load(Ordering::SeqCst) as usize);
        }
        let [all, inherited_from, nodes, devices, orphans, orphans_without_birth, set_ids, shared_directories] = counts;
        Kinds { all, inherited_from, nodes, devices, orphans, orphans_without_birth, set_ids, shared_directories }
    }

    /// From the first change on the table is not what it was made from. To be called after a change: who takes the changes before
    /// that and then reads the table has seen it, or is told again.
    pub fn note_change(&self) {
        if let Some(changed) = self.region.word32(header::CHANGED) {
            if changed.load(Ordering::SeqCst) == 0 {
                changed.store(1, Ordering::SeqCst);
            }
        }
    }

    /// Whether there was one.
    pub fn is_changed(&self) -> bool {
        self.region.word32(header::CHANGED).is_some_and(|changed| changed.load(Ordering::Relaxed) != 0)
    }

    /// Whether there was one since this was asked last.
    pub fn take_changes(&self) -> bool {
        self.region.word32(header::CHANGED).is_some_and(|changed| changed.swap(0, Ordering::SeqCst) != 0)
    }
}
