//! Whose live table a file holds, and since when.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use crate::proc_text;
use crate::shared::ORIGIN_LEN;
use crate::state::StateFile;

/// A state file, by its directory and its name, and a start of the machine. The state file itself is another inode after each save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    boot: [u8; 16],
    dev: u64,
    ino: u64,
    name: u64,
}

impl Origin {
    /// Of a state file now.
    pub fn of(state: &StateFile) -> io::Result<Origin> {
        let directory = File::from(state.directory().try_clone_to_owned()?).metadata()?;
        // An exotic kernel may not tell. Then every table is of this boot, as far as we know.
        let boot = proc_text::read_to_string("/proc/sys/kernel/random/boot_id").ok().and_then(|text| boot_id(&text));
        Ok(Origin {
            boot: boot.unwrap_or_default(),
            dev: directory.dev(),
            ino: directory.ino(),
            name: fnv1a(state.name().as_encoded_bytes()),
        })
    }

    /// Of the same state file, maybe before the machine was started again. Device numbers may change with that.
    pub fn is_of_same_state(&self, other: &Origin) -> bool {
        (self.ino, self.name) == (other.ino, other.name) && (self.dev == other.dev || !self.is_of_same_boot(other))
    }

    /// Of the same start of the machine.
    pub fn is_of_same_boot(&self, other: &Origin) -> bool {
        self.boot == other.boot
    }

    /// As it is in a header.
    pub fn bytes(&self) -> [u8; ORIGIN_LEN] {
        let mut bytes = [0; ORIGIN_LEN];
        bytes[..16].copy_from_slice(&self.boot);
        for (place, number) in bytes[16..].chunks_exact_mut(8).zip([self.dev, self.ino, self.name]) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// From a header.
    pub fn from_bytes(bytes: &[u8; ORIGIN_LEN]) -> Origin {
        let (boot, rest) = bytes.split_at(16);
        let mut numbers = rest
            .chunks_exact(8)
            .map(|bytes| bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)));
        let mut next = || numbers.next().unwrap_or(0);
        let mut origin = Origin { boot: [0; 16], dev: next(), ino: next(), name: next() };
        origin.boot.copy_from_slice(boot);
        origin
    }
}

fn boot_id(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
    u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32).map(u128::to_be_bytes)
}

/// The hash of Fowler, Noll and Vo.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_survive_the_header() {
        let origin = Origin { boot: [7; 16], dev: 0x801, ino: u64::MAX - 1, name: fnv1a(b"state") };
        assert_eq!(Origin::from_bytes(&origin.bytes()), origin);
        assert_eq!(
            boot_id("01020304-0506-0708-090a-0b0c0d0e0f10\n"),
            Some([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])
        );
        assert_eq!(boot_id("1"), None);
    }
}
