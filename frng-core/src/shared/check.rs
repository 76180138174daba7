//! Checksums of what is written once: they tell it from what a lost or half-written page has in its place.
//!
//! Who writes rubbish on purpose can add its checksum; they are no protection against that. They are computed when something
//! is written and looked at when the table of a killed daemon is read (`salvage`), never in between.

/// A checksum over 32-bit words.
#[derive(Clone, Copy)]
pub(super) struct Check(u32);

impl Check {
    /// Of no words, and not zero: zeros are what a lost page reads as.
    pub const fn new() -> Check {
        Check(0x9e37_79b9)
    }

    /// Of the words so far and one more. No two words give the same.
    pub const fn and(self, word: u32) -> Check {
        // The finaliser of MurmurHash3, which is a bijection.
        let mixed = self.0.rotate_left(5) ^ word;
        let mixed = (mixed ^ (mixed >> 16)).wrapping_mul(0x85eb_ca6b);
        let mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xc2b2_ae35);
        Check(mixed ^ (mixed >> 16))
    }

    /// Its lowest bits, as many as there is room for.
    pub const fn bits(self, count: u32) -> u32 {
        self.0 & ((1 << count) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_and_single_bits_are_noticed() {
        let of = |words: &[u32]| words.iter().fold(Check::new(), |check, word| check.and(*word)).bits(24);
        let words = [1000, 1000, 0, 0o100_644];
        assert_ne!(of(&[0; 4]), 0);
        for index in 0..4 {
            for bit in 0..32 {
                let mut other = words;
                other[index] ^= 1 << bit;
                assert_ne!(of(&words), of(&other));
            }
        }
        assert_ne!(of(&words), of(&words[..3]));
    }
}
