//! Reading the table that a killed daemon has left.
//!
//! Whoever was killed, at whatever instruction, has left a sound table (see the module). What is in a file may be less: it was cut,
//! or it is on a disk and the power went. So nothing in it is believed before it was looked at.
//!
//! - The *header*, what never changes of it, has a checksum, and says which state the table is of and since which start of the machine.
//! - *Values*, *xattrs* and lists of them are written once, with a checksum.
//! - A *record* changes by exchanges of its word, which no checksum over the record could follow. It is 32 bytes in one sector of a
//!   disk, so it is whole; and it is looked at if it is in the chain of the inode that it says it is about.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::fmt;

use super::check::Check;
use super::layout::{Layout, header};
use super::region::Region;
use super::word::State;
use super::{Entry, SharedTable};
use crate::stat::split_dev;

/// Records of a page.
const PER_PAGE: u32 = 128;

/// Bytes that say whose a table is.
pub const ORIGIN_LEN: usize = 40;

/// What could be read of a table.
#[derive(Clone, Debug, Default)]
pub struct Salvage {
    /// The lies that are as they were written.
    pub lies: Vec<Entry>,
    /// What is not, and was dropped.
    pub torn: Vec<Torn>,
}

/// Something that was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Torn {
    /// A lie about this device and inode number, and what is wrong with it.
    Lie {
        /// Device, as in `st_dev`.
        dev: u64,
        /// Inode number.
        ino: u64,
        /// In a few words.
        why: &'static str,
    },
    /// Records with these indices, both included, are gone.
    Records(u32, u32),
    /// The file is shorter than the table.
    End,
}

impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Torn::Lie { dev, ino, why } => {
                let (major, minor) = split_dev(*dev);
                write!(f, "the lie about inode {ino} of device {major}:{minor} {why}")
            }
            Torn::End => f.write_str("the end of the file"),
            Torn::Records(first, last) => write!(f, "the records {first} to {last} are gone"),
        }
    }
}

impl SharedTable {
    /// Writes whose table this is into its header, and the header's checksum.
    pub fn sign(&self, origin: &[u8; ORIGIN_LEN]) {
        // Both are within the header's page.
        let _ = self.region.copy_in(header::ORIGIN, origin);
        if let (Some(check), Some(seal)) = (check_of(&self.region), self.region.word32(header::SEAL)) {
            seal.store(check, std::sync::atomic::Ordering::SeqCst);
        }
    }

    /// Whose table this is; `None` if the header is not what was signed.
    pub fn origin(&self) -> Option<[u8; ORIGIN_LEN]> {
        let seal = self.region.word32(header::SEAL)?.load(std::sync::atomic::Ordering::SeqCst);
        if check_of(&self.region)? != seal {
            return None;
        }
        let mut origin = [0; ORIGIN_LEN];
        self.region.copy_out(header::ORIGIN, &mut origin)?;
        Some(origin)
    }

    /// Bytes that it takes, as its header says.
    pub fn bytes(&self) -> Option<usize> {
        Layout::read(&self.region)?.bytes()
    }

    /// All lies that are sound, orphans included, and what is not. Nobody may use the table meanwhile.
    pub fn salvage(&self) -> Salvage {
        let mut salvage = Salvage::default();
        let mut known = HashMap::new();
        for index in 1..self.records.used() {
            // Others were made and not finished, or are dead.
            let Some((_, Some(seen))) = self.records.link(index) else { continue };
            if seen.word.state() != State::Live {
                continue;
            }
            let torn = |why| {
                let key = seen.key.inode_key();
                Torn::Lie { dev: key.dev, ino: key.ino, why }
            };
            if let Some(why) = self.fault(&seen) {
                salvage.torn.push(torn(why));
                continue;
            }
            let Some(entry) = self.entry(&seen) else { continue };
            match known.entry(seen.key) {
                Place::Vacant(place) => {
                    place.insert((salvage.lies.len(), seen.birth));
                    salvage.lies.push(entry);
                }
                Place::Occupied(mut place) => {
                    let (at, birth) = *place.get();
                    salvage.torn.push(torn("is there twice"));
                    // The younger inode is the one that is there, if any.
                    if birth.0 < seen.birth.0 {
                        place.insert((at, seen.birth));
                        salvage.lies[at] = entry;
                    }
                }
            }
        }
        self.look_for_lost_pages(&mut salvage);
        salvage
    }

    /// Pages of records of which none was ever written, although the counters say that there were lies. A maker that was killed leaves one
    /// that is not counted yet.
    fn look_for_lost_pages(&self, salvage: &mut Salvage) {
        let missing = self.counters.read().all.saturating_sub(salvage.lies.len());
        let used = self.records.used();
        for first in (0..used).step_by(PER_PAGE as usize) {
            // There is no record 0.
            let page = first.max(1)..used.min(first.saturating_add(PER_PAGE));
            if !page.is_empty() && missing > 0 && page.clone().all(|index| self.records.is_blank(index)) {
                salvage.torn.push(Torn::Records(page.start, page.end - 1));
            }
        }
    }

    /// What is wrong with a live record.
    fn fault(&self, seen: &super::records::Seen) -> Option<&'static str> {
        use crate::stat::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK};
        if !self.values.is_sound(seen.word.value()) {
            return Some("has a broken value");
        }
        let mode = self.records.lie(seen.word).map_or(0, |lie| lie.mode);
        if !matches!(mode & S_IFMT, S_IFBLK | S_IFCHR | S_IFDIR | S_IFIFO | S_IFLNK | S_IFREG | S_IFSOCK) {
            return Some("has a mode that no inode has");
        }
        if seen.word.is_birth_known() && !seen.birth.is_known() {
            return Some("has no birth");
        }
        let list = seen.word.xattrs();
        if list != 0 && !self.arena.is_sound(list) {
            return Some("has broken xattrs");
        }
        if self.records.find(seen.key).is_none_or(|found| found.index != seen.index) {
            return Some("is not where its inode is looked for");
        }
        None
    }
}

/// The checksum of the header: of what is written when the table is made.
fn check_of(region: &Region) -> Option<u32> {
    let mut check = Check::new();
    for at in (0..header::CONSTANT_END).chain(header::ORIGIN..header::ORIGIN + ORIGIN_LEN).step_by(4) {
        check = check.and(region.word32(at)?.load(std::sync::atomic::Ordering::SeqCst));
    }
    Some(check.bits(31))
}
