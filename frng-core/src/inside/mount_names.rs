//! Names of mount points, as far as an agent must know them: a Bloom filter.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A set of names that may seem to have a few others, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct MountNames([u64; 4]);

impl MountNames {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == MountNames::default()
    }

    /// Adds a name.
    pub fn add(&mut self, name: &[u8]) {
        for (index, bit) in places(name) {
            if let Some(word) = self.0.get_mut(index) {
                *word |= bit;
            }
        }
    }

    /// Whether a name may be among them. If not it is not.
    pub fn may_have(&self, name: &[u8]) -> bool {
        places(name).iter().all(|(index, bit)| self.0.get(*index).is_some_and(|word| word & bit != 0))
    }
}

/// The two bits of a name, by the two lowest bytes of its FNV-1a hash.
fn places(name: &[u8]) -> [(usize, u64); 2] {
    let hash = name
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    [hash, hash >> 8].map(|hash| ((hash >> 6 & 3) as usize, 1 << (hash & 63)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_found_and_hardly_anything_else() {
        let mut names = MountNames::default();
        assert!(names.is_empty() && !names.may_have(b"proc"));
        let mounted = [&b"proc"[..], b"sys", b"dev", b"pts", b"shm", b"run", b"tmp"];
        mounted.iter().for_each(|name| names.add(name));
        assert!(mounted.iter().all(|name| names.may_have(name)));
        let others = (0..10_000).filter(|number: &u32| names.may_have(&number.to_ne_bytes())).count();
        assert!(others < 200, "{others}");
    }
}
