//! Looks whether all of a table is as it must be.

use std::collections::HashMap;

use super::SharedTable;
use super::kinds::Marks;
use super::records::Seen;
use super::word::State;
use crate::lie::Kinds;

/// What a sound table holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// What the lies add up to.
    pub kinds: Kinds,
    /// What the counters say: as much or, after kills, more.
    pub counted: Kinds,
    /// Records that may be used again.
    pub dead: usize,
    /// Records that whoever wanted them never finished.
    pub unfinished: usize,
    /// Records in the longest chain.
    pub longest_chain: usize,
    /// Units of 16 bytes used for xattrs, replaced ones included.
    pub units: u32,
}

impl SharedTable {
    /// Walks over everything: chains end, and hold each record at most once and each lie exactly once, in the right bucket; no two lies are about
    /// one inode number; values and xattrs are complete; no counter is too low. Nobody may use the table meanwhile.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(&self) -> Result<Summary, String> {
        let mut summary = Summary { counted: self.counters.read(), units: self.arena.used(), ..Summary::default() };
        let mut reached = vec![false; self.records.used() as usize];
        let mut keys = HashMap::new();
        for bucket in 0..self.records.buckets() {
            let mut index = self.records.first(bucket).ok_or("a bucket is outside of the mapping")?;
            let mut length = 0;
            while index != 0 {
                match reached.get_mut(index as usize) {
                    Some(reached @ false) => *reached = true,
                    Some(true) => return Err(format!("record {index} is twice in chains, last in {bucket}")),
                    None => return Err(format!("record {index} of chain {bucket} was never made")),
                }
                let (next, seen) = self.records.link(index).ok_or("a record is outside of the mapping")?;
                if let Some(seen) = seen {
                    if seen.word.state() == State::Live {
                        if seen.key.bucket(self.records.buckets()) != bucket {
                            return Err(format!("lie {seen:?} is in chain {bucket}"));
                        }
                        if let Some(other) = keys.insert(seen.key, index) {
                            return Err(format!("lies {other} and {index} are about one inode: {seen:?}"));
                        }
                    }
                }
                index = next;
                length += 1;
            }
            summary.longest_chain = summary.longest_chain.max(length);
        }
        for index in 1..self.records.used() {
            let (_, seen) = self.records.link(index).ok_or("a record is outside of the mapping")?;
            match seen {
                Some(seen) if seen.word.state() == State::Live => {
                    if !reached[index as usize] {
                        return Err(format!("lie {seen:?} is in no chain"));
                    }
                    self.verify_lie(&seen, &mut summary.kinds)?;
                }
                Some(seen) if seen.word.state() == State::Dead => summary.dead += 1,
                _ => summary.unfinished += 1,
            }
        }
        let (found, counted) = (summary.kinds, summary.counted);
        let is_low = found.all > counted.all
            || found.inherited_from > counted.inherited_from
            || found.nodes > counted.nodes
            || found.devices > counted.devices
            || found.orphans > counted.orphans
            || found.orphans_without_birth > counted.orphans_without_birth;
        if is_low {
            return Err(format!("counters {counted:?} are lower than what is there: {found:?}"));
        }
        Ok(summary)
    }

    fn verify_lie(&self, seen: &Seen, kinds: &mut Kinds) -> Result<(), String> {
        let Some(lie) = self.records.lie(seen.word) else {
            return Err(format!("lie {seen:?} has no value"));
        };
        if seen.word.is_birth_known() && !seen.birth.is_known() {
            return Err(format!("lie {seen:?} has no birth"));
        }
        if !self.values.is_sound(seen.word.value()) {
            return Err(format!("lie {seen:?} has a broken value"));
        }
        let list = seen.word.xattrs();
        if list != 0 && !self.arena.is_sound(list) {
            return Err(format!("lie {seen:?} has broken xattrs"));
        }
        let default_acl = self.arena.find(list, crate::policy::acl::DEFAULT).is_some();
        if default_acl != seen.word.has_default_acl() {
            return Err(format!("lie {seen:?} is wrong about its default ACL"));
        }
        Marks::new(seen.word, &lie).add_to(kinds);
        Ok(())
    }
}
