//! The word of a record: all of it that changes while it is about one inode, so that every change is one exchange.

use core::fmt;

/// | bits | |
/// |---|---|
/// | 0-1 | [`State`] |
/// | 2 | orphan |
/// | 3 | its xattrs have a default ACL |
/// | 4 | its birth is known |
/// | 5-15 | version: how often the record was used before |
/// | 16-39 | index of its value |
/// | 40-63 | index of its list of xattrs |
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(pub u64);

/// Who may do what with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Somebody is writing the key, nobody else may touch it. So are records that were never used.
    Claimed,
    /// Key and value are there; its maker is looking whether somebody else is making one about the same inode.
    Pending,
    /// A lie.
    Live,
    /// A lie no more: whoever needs a record of the chain may claim it.
    Dead,
}

const STATE: u64 = 0b11;
const ORPHAN: u64 = 1 << 2;
const DEFAULT_ACL: u64 = 1 << 3;
const BIRTH_KNOWN: u64 = 1 << 4;
const VERSION_SHIFT: u32 = 5;
const VERSION_MASK: u64 = 0x7ff;
const VALUE_SHIFT: u32 = 16;
const XATTRS_SHIFT: u32 = 40;
const INDEX_MASK: u64 = 0xff_ffff;

impl Word {
    /// How many versions there are: no record is used more often, so no word ever means two things.
    pub const VERSIONS: u32 = VERSION_MASK as u32 + 1;

    /// Of a record whose key is complete.
    pub fn pending(version: u64, value: u32, birth_known: bool) -> Word {
        let version = (version & VERSION_MASK) << VERSION_SHIFT;
        let value = (u64::from(value) & INDEX_MASK) << VALUE_SHIFT;
        Word(1 | if birth_known { BIRTH_KNOWN } else { 0 } | version | value)
    }

    pub fn state(self) -> State {
        match self.0 & STATE {
            0 => State::Claimed,
            1 => State::Pending,
            2 => State::Live,
            _ => State::Dead,
        }
    }

    pub fn version(self) -> u64 {
        (self.0 >> VERSION_SHIFT) & VERSION_MASK
    }

    pub fn value(self) -> u32 {
        ((self.0 >> VALUE_SHIFT) & INDEX_MASK) as u32
    }

    pub fn xattrs(self) -> u32 {
        ((self.0 >> XATTRS_SHIFT) & INDEX_MASK) as u32
    }

    pub fn is_orphan(self) -> bool {
        self.0 & ORPHAN != 0
    }

    pub fn has_default_acl(self) -> bool {
        self.0 & DEFAULT_ACL != 0
    }

    pub fn is_birth_known(self) -> bool {
        self.0 & BIRTH_KNOWN != 0
    }

    /// From pending.
    pub fn live(self) -> Word {
        Word(self.0 & !STATE | 2)
    }

    pub fn dead(self) -> Word {
        Word(3 | self.0 & (VERSION_MASK << VERSION_SHIFT))
    }

    /// For the next use of a dead record; `None` if there is no version left.
    pub fn claimed(self) -> Option<Word> {
        let version = self.version();
        (self.state() == State::Dead && version != VERSION_MASK)
            .then_some(Word(version.wrapping_add(1) << VERSION_SHIFT))
    }

    pub fn with_value(self, value: u32) -> Word {
        Word(self.0 & !(INDEX_MASK << VALUE_SHIFT) | (u64::from(value) & INDEX_MASK) << VALUE_SHIFT)
    }

    pub fn with_birth_known(self) -> Word {
        Word(self.0 | BIRTH_KNOWN)
    }

    pub fn with_orphan(self, orphan: bool) -> Word {
        Word(if orphan { self.0 | ORPHAN } else { self.0 & !ORPHAN })
    }

    pub fn with_xattrs(self, list: u32, default_acl: bool) -> Word {
        let rest = self.0 & !(INDEX_MASK << XATTRS_SHIFT) & !DEFAULT_ACL;
        let acl = if default_acl { DEFAULT_ACL } else { 0 };
        Word(rest | acl | (u64::from(list) & INDEX_MASK) << XATTRS_SHIFT)
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Word")
            .field("state", &self.state())
            .field("version", &self.version())
            .field("value", &self.value())
            .field("xattrs", &self.xattrs())
            .field("orphan", &self.is_orphan())
            .finish()
    }
}
