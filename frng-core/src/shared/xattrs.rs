//! Extended attributes: blobs and lists in the arena, written once and never changed.
//!
//! A blob is a name and its value: two words with their lengths in bytes, then the bytes, each filled up to a word. A list is a word
//! with a count, then the index of a blob each, sorted by name. A record's word names its list; changing an attribute
//! makes a new list. The first word of each has a checksum of the rest above the number.
//!
//! Since readers never wait and may have stopped anywhere, what was replaced is not used again: it is rubbish until
//! the daemon ends. Attributes are few and seldom set twice, and setting one to what it is already makes none.

use core::cmp::Ordering as Order;
use core::sync::atomic::Ordering;

use super::check::Check;
use super::layout::{Layout, Offsets, UNIT_LEN, element, header};
use super::region::{Region, give_back, take};
use crate::errno::Errno;
use crate::policy::acl::DEFAULT as DEFAULT_ACL;

/// Longest name in bytes (`XATTR_NAME_MAX`).
pub(super) const NAME_MAX: usize = 255;
/// Longest value in bytes (`XATTR_SIZE_MAX`).
pub(super) const VALUE_MAX: usize = 65536;
/// Longest list (`XATTR_LIST_MAX` bytes of names).
const COUNT_MAX: u32 = 65536;
/// Bits of the length of a name; above them there is the checksum.
const NAME_BITS: u32 = 8;
/// Bits of the count of a list; above them there is the checksum.
const COUNT_BITS: u32 = 17;
const COUNT_MASK: u32 = (1 << COUNT_BITS) - 1;
/// Bytes that are passed on at once. The stack of an agent is small.
const PIECE: usize = 512;

/// Units in the arena.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub first: u32,
    count: u32,
}

/// A name and its value.
#[derive(Clone, Copy)]
pub(super) struct Blob {
    pub index: u32,
    name_at: usize,
    name_len: usize,
    value_at: usize,
    pub value_len: usize,
}

/// A copy of a name.
pub(super) struct Name {
    bytes: [u8; NAME_MAX],
    len: usize,
}

impl Name {
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

/// The arena of a table.
#[derive(Clone, Copy)]
pub(super) struct Arena {
    region: Region,
    arena_at: usize,
    capacity: u32,
}

impl Arena {
    pub fn new(region: Region, layout: &Layout, offsets: &Offsets) -> Arena {
        Arena { region, arena_at: offsets.arena, capacity: layout.units }
    }

    fn allocate(&self, bytes: usize) -> Result<Span, Errno> {
        let count = u32::try_from(bytes.div_ceil(UNIT_LEN)).map_err(|_| Errno::ENOSPC)?;
        let next = self.region.word32(header::NEXT_UNIT).ok_or(Errno::EIO)?;
        Ok(Span { first: take(next, count, self.capacity).ok_or(Errno::ENOSPC)?, count })
    }

    /// For what nobody has seen yet.
    pub fn give_back(&self, span: Span) {
        if let Some(next) = self.region.word32(header::NEXT_UNIT) {
            give_back(next, span.first, span.count);
        }
    }

    /// Where a unit is.
    fn place(&self, index: u32) -> Option<usize> {
        element(self.arena_at, index, self.capacity, UNIT_LEN).filter(|_| index != 0)
    }

    fn word(&self, at: usize, index: usize) -> Option<u32> {
        let at = at.checked_add(index.checked_mul(4)?)?;
        self.region.word32(at).map(|word| word.load(Ordering::Relaxed))
    }

    fn set_word(&self, at: usize, index: usize, value: u32) -> Option<()> {
        let at = at.checked_add(index.checked_mul(4)?)?;
        self.region.word32(at)?.store(value, Ordering::Relaxed);
        Some(())
    }

    /// Writes a blob; its value comes from `fill`, piece by piece.
    ///
    /// # Errors
    /// What `fill` fails with; `ERANGE` and `E2BIG` for a name and a value no kernel gives; `ENOSPC`.
    pub fn write(
        &self,
        name: &[u8],
        len: usize,
        fill: &mut dyn FnMut(&mut [u8]) -> Result<(), Errno>,
    ) -> Result<Span, Errno> {
        if name.is_empty() || name.len() > NAME_MAX {
            return Err(Errno::ERANGE);
        }
        if len > VALUE_MAX {
            return Err(Errno::E2BIG);
        }
        // Cannot overflow, both are small.
        let span = self.allocate(8_usize.wrapping_add(padded(name.len())).wrapping_add(padded(len)))?;
        let written = self.write_to(span, name, len, fill);
        if written.is_err() {
            self.give_back(span);
        }
        written.map(|()| span)
    }

    fn write_to(
        &self,
        span: Span,
        name: &[u8],
        len: usize,
        fill: &mut dyn FnMut(&mut [u8]) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let at = self.place(span.first).ok_or(Errno::EIO)?;
        self.set_word(at, 0, name.len() as u32).ok_or(Errno::EIO)?;
        self.set_word(at, 1, len as u32).ok_or(Errno::EIO)?;
        let blob = self.blob(span.first).ok_or(Errno::EIO)?;
        self.region.copy_in(blob.name_at, name).ok_or(Errno::EIO)?;
        let (mut value_at, mut left) = (blob.value_at, len);
        let mut piece = [0; PIECE];
        while left != 0 {
            let room = piece.get_mut(..left.min(PIECE)).ok_or(Errno::EIO)?;
            fill(room)?;
            self.region.copy_in(value_at, room).ok_or(Errno::EIO)?;
            value_at = value_at.checked_add(room.len()).ok_or(Errno::EIO)?;
            left = left.saturating_sub(room.len());
        }
        let check = self.check_of(&blob).ok_or(Errno::EIO)?.bits(32 - NAME_BITS);
        self.set_word(at, 0, name.len() as u32 | check << NAME_BITS).ok_or(Errno::EIO)
    }

    /// The checksum of a blob: of all that is behind its first word.
    fn check_of(&self, blob: &Blob) -> Option<Check> {
        let at = self.place(blob.index)?;
        let words = 2_usize.wrapping_add(padded(blob.name_len) / 4).wrapping_add(padded(blob.value_len) / 4);
        let mut check = Check::new().and(blob.name_len as u32);
        for index in 1..words {
            check = check.and(self.word(at, index)?);
        }
        Some(check)
    }

    /// The blob with an index; `None` if there is none within the arena.
    pub fn blob(&self, index: u32) -> Option<Blob> {
        let at = self.place(index)?;
        let name_len = usize::try_from(self.word(at, 0)? & ((1 << NAME_BITS) - 1)).ok()?;
        let value_len = usize::try_from(self.word(at, 1)?).ok().filter(|len| *len <= VALUE_MAX)?;
        let name_at = at.checked_add(8)?;
        let value_at = name_at.checked_add(padded(name_len))?;
        let end = value_at.checked_add(padded(value_len))?;
        (end <= self.region.len()).then_some(Blob { index, name_at, name_len, value_at, value_len })
    }

    /// A copy of its name.
    pub fn name(&self, blob: &Blob) -> Option<Name> {
        let mut name = Name { bytes: [0; NAME_MAX], len: blob.name_len };
        self.region.copy_out(blob.name_at, name.bytes.get_mut(..blob.name_len)?)?;
        Some(name)
    }

    /// Passes its value on, piece by piece.
    pub fn read(&self, blob: &Blob, each: &mut dyn FnMut(&[u8])) -> Option<()> {
        let (mut at, mut left) = (blob.value_at, blob.value_len);
        let mut piece = [0; PIECE];
        while left != 0 {
            let part = piece.get_mut(..left.min(PIECE))?;
            self.region.copy_out(at, part)?;
            each(part);
            at = at.checked_add(part.len())?;
            left = left.saturating_sub(part.len());
        }
        Some(())
    }

    /// Whether two blobs have the same value.
    pub fn have_same_value(&self, one: &Blob, other: &Blob) -> bool {
        let words = padded(one.value_len) / 4;
        one.value_len == other.value_len
            && (0..words).all(|index| self.word(one.value_at, index) == self.word(other.value_at, index))
    }

    /// How many attributes a list has.
    fn count(&self, list: u32) -> u32 {
        self.place(list).and_then(|at| self.word(at, 0)).map_or(0, |word| (word & COUNT_MASK).min(COUNT_MAX))
    }

    /// The blobs of a list, sorted by name; those that are none are left out.
    pub fn blobs(&self, list: u32) -> impl Iterator<Item = Blob> {
        let at = self.place(list).unwrap_or(0);
        (1..=self.count(list)).filter_map(move |index| self.blob(self.word(at, index as usize)?))
    }

    /// The blob of this name.
    pub fn find(&self, list: u32, name: &[u8]) -> Option<Blob> {
        self.blobs(list).find(|blob| self.name(blob).is_some_and(|copy| copy.bytes() == name))
    }

    /// Makes the list that has `blob` under its name instead of what `list` has, or nothing. Where `room` is large
    /// enough it is written there. Returns its index, 0 for an empty one, and whether it has a default ACL.
    ///
    /// # Errors
    /// `ENOSPC` if there is no room.
    pub fn edited(
        &self,
        list: u32,
        name: &[u8],
        blob: Option<u32>,
        room: &mut Option<Span>,
    ) -> Result<(u32, bool), Errno> {
        let bytes = (self.count(list) as usize).saturating_add(2).saturating_mul(4);
        let span = match *room {
            Some(span) if bytes <= (span.count as usize).saturating_mul(UNIT_LEN) => span,
            old => {
                old.into_iter().for_each(|span| self.give_back(span));
                *room = None;
                self.allocate(bytes)?
            }
        };
        *room = Some(span);
        let at = self.place(span.first).ok_or(Errno::EIO)?;
        let (mut count, mut default_acl, mut check) = (0_usize, false, Check::new());
        let mut push = |blob: u32, name: &[u8]| {
            count = count.saturating_add(1);
            default_acl |= name == DEFAULT_ACL;
            check = check.and(blob);
            self.set_word(at, count, blob).ok_or(Errno::EIO)
        };
        let mut new = blob;
        for old in self.blobs(list) {
            let Some(old_name) = self.name(&old) else { continue };
            let order = old_name.bytes().cmp(name);
            if order != Order::Less {
                if let Some(blob) = new.take() {
                    push(blob, name)?;
                }
            }
            if order != Order::Equal {
                push(old.index, old_name.bytes())?;
            }
        }
        if let Some(blob) = new {
            push(blob, name)?;
        }
        let check = check.and(count as u32).bits(32 - COUNT_BITS);
        self.set_word(at, 0, count as u32 & COUNT_MASK | check << COUNT_BITS).ok_or(Errno::EIO)?;
        Ok((if count == 0 { 0 } else { span.first }, default_acl))
    }

    /// Whether there ever was anything in it.
    pub fn is_used(&self) -> bool {
        // Unit 0 stands for none.
        self.used() > 1
    }

    /// Units that were ever used.
    pub fn used(&self) -> u32 {
        self.region.word32(header::NEXT_UNIT).map_or(0, |next| next.load(Ordering::SeqCst)).min(self.capacity)
    }

    /// Whether all of a list is where lists are, sorted, complete and as it was written.
    #[cfg(feature = "std")]
    pub fn is_sound(&self, list: u32) -> bool {
        let Some(at) = self.place(list) else { return false };
        let Some(first) = self.word(at, 0) else { return false };
        let count = first & COUNT_MASK;
        if !(1..=COUNT_MAX).contains(&count) {
            return false;
        }
        let mut check = Check::new();
        for index in 1..=count {
            let Some(word) = self.word(at, index as usize) else { return false };
            check = check.and(word);
        }
        if check.and(count).bits(32 - COUNT_BITS) != first >> COUNT_BITS {
            return false;
        }
        let mut names: Vec<Vec<u8>> = Vec::new();
        for blob in self.blobs(list) {
            let Some(name) = self.name(&blob) else { return false };
            if !self.is_blob_sound(&blob)
                || blob.index >= self.used()
                || names.last().is_some_and(|last| last.as_slice() >= name.bytes())
            {
                return false;
            }
            names.push(name.bytes().to_vec());
        }
        names.len() == count as usize
    }

    #[cfg(feature = "std")]
    fn is_blob_sound(&self, blob: &Blob) -> bool {
        let first = self.place(blob.index).and_then(|at| self.word(at, 0));
        let check = self.check_of(blob).map(|check| check.bits(32 - NAME_BITS));
        first.map(|first| first >> NAME_BITS) == check && check.is_some()
    }
}

/// Bytes up to the next word.
fn padded(len: usize) -> usize {
    len.wrapping_add(3) & !3
}
