//! The xattr `security.capability`: `include/uapi/linux/capability.h`, `get_vfs_caps_from_disk`.

use crate::creds::all_caps;
use crate::policy::file_capability::{EFFECTIVE, MAX_LEN, V2, V3, word};

const REVISION_MASK: u32 = 0xff00_0000;
/// `VFS_CAP_REVISION_1`: sets of 32 bits, which can be read but no longer be stored.
const V1: u32 = 0x0100_0000;

/// The capabilities of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileCaps {
    /// What the program gets, within the bounding set.
    pub permitted: u64,
    /// What the program keeps of the inheritable set.
    pub inheritable: u64,
    /// Whether what it gets is effective at once.
    pub effective: bool,
}

impl FileCaps {
    /// Reads the value of the xattr. `None` if it is in none of the three forms, or of another user namespace's
    /// root.
    ///
    /// The kernel refuses to execute a file with a value that is in none of the forms. It also refuses to store
    /// such a value, so that this makes no difference.
    pub fn parse(value: &[u8], last_cap: u32) -> Option<FileCaps> {
        let word = |index| word(value, index);
        let magic = word(0)?;
        let (len, wide, root) = match magic & REVISION_MASK {
            V1 => (12, false, 0),
            V2 => (20, true, 0),
            V3 => (MAX_LEN, true, word(5)?),
            _ => return None,
        };
        if value.len() != len || root != 0 {
            return None;
        }
        let set = |low: usize, high: usize| -> Option<u64> {
            let high = if wide { word(high)? } else { 0 };
            Some((u64::from(word(low)?) | u64::from(high) << 32) & all_caps(last_cap))
        };
        Some(FileCaps { permitted: set(1, 3)?, inheritable: set(2, 4)?, effective: magic & EFFECTIVE != 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn the_three_revisions_are_read() {
        let caps = |permitted, inheritable, effective| Some(FileCaps { permitted, inheritable, effective });
        assert_eq!(FileCaps::parse(&value(&[0x0100_0000, 5, 6]), 40), caps(5, 6, false));
        assert_eq!(FileCaps::parse(&value(&[0x0200_0001, 5, 6, 1, 2]), 40), caps(1 << 32 | 5, 2 << 32 | 6, true));
        assert_eq!(FileCaps::parse(&value(&[0x0300_0001, 5, 6, 1, 2, 0]), 40), caps(1 << 32 | 5, 2 << 32 | 6, true));
    }

    #[test]
    fn unknown_capabilities_are_masked() {
        let caps = FileCaps::parse(&value(&[0x0200_0000, u32::MAX, 0, u32::MAX, 0]), 40);
        assert_eq!(caps.map(|caps| caps.permitted), Some((1 << 41) - 1));
    }

    #[test]
    fn other_values_are_none() {
        let good = value(&[0x0200_0001, 5, 6, 1, 2]);
        assert_eq!(FileCaps::parse(&value(&[0x0300_0001, 5, 6, 1, 2, 1000]), 40), None);
        assert_eq!(FileCaps::parse(&value(&[0x0400_0001, 5, 6, 1, 2, 0]), 40), None);
        for len in 0..good.len() {
            assert_eq!(FileCaps::parse(&good[..len], 40), None);
        }
        assert_eq!(FileCaps::parse(&[good, vec![0]].concat(), 40), None);
    }
}
