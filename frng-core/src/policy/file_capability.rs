//! The value of the xattr security.capability: capabilities(7), `include/uapi/linux/capability.h`,
//! `security/commoncap.c`.

use crate::errno::Errno;

/// Bytes of the longest value, `struct vfs_ns_cap_data`.
pub const MAX_LEN: usize = 24;
/// Bytes of `struct vfs_cap_data`, the form without a root user id.
const V2_LEN: usize = 20;
const V2: u32 = 0x0200_0000;
const V3: u32 = 0x0300_0000;
const EFFECTIVE: u32 = 1;

/// A value as getxattr(2) shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl Value {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// What is shown of a value after it was set: version 3 for root of the initial user namespace becomes version 2.
/// `cap_convert_nscap, cap_inode_getsecurity`.
///
/// # Errors
/// `EINVAL` if it is neither a version 2 nor a version 3 value.
pub fn checked(value: &[u8]) -> Result<Value, Errno> {
    let word = |index: usize| match value.get(index * 4..index * 4 + 4) {
        Some(&[a, b, c, d]) => Ok(u32::from_le_bytes([a, b, c, d])),
        _ => Err(Errno::EINVAL),
    };
    let magic = word(0)?;
    let len = match (value.len(), magic & !EFFECTIVE) {
        (V2_LEN, V2) => V2_LEN,
        (MAX_LEN, V3) => match word(5)? {
            0 => V2_LEN,
            // No user has this id.
            u32::MAX => return Err(Errno::EINVAL),
            _ => MAX_LEN,
        },
        _ => return Err(Errno::EINVAL),
    };
    let mut bytes = [0; MAX_LEN];
    for (slot, byte) in bytes.iter_mut().zip(value) {
        *slot = *byte;
    }
    let version = if len == V2_LEN { V2 } else { V3 };
    for (slot, byte) in bytes.iter_mut().zip((version | magic & EFFECTIVE).to_le_bytes()) {
        *slot = byte;
    }
    Ok(Value { bytes, len })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn shown(words: &[u32]) -> Result<Vec<u8>, Errno> {
        checked(&value(words)).map(|value| value.as_bytes().to_vec())
    }

    #[test]
    fn version_2_is_shown_as_it_is() {
        let net_raw = [V2 | EFFECTIVE, 0x2000, 0, 0, 0];
        assert_eq!(shown(&net_raw), Ok(value(&net_raw)));
    }

    #[test]
    fn version_3_for_user_0_is_shown_as_version_2() {
        assert_eq!(shown(&[V3 | EFFECTIVE, 1, 2, 3, 4, 0]), Ok(value(&[V2 | EFFECTIVE, 1, 2, 3, 4])));
        assert_eq!(shown(&[V3, 1, 2, 3, 4, 1000]), Ok(value(&[V3, 1, 2, 3, 4, 1000])));
    }

    #[test]
    fn other_values_are_refused() {
        for wrong in [
            &[][..],
            &[V2],
            &[V2, 0, 0, 0, 0, 0],
            &[V3, 0, 0, 0, 0],
            &[V2 | 2, 0, 0, 0, 0],
            &[0x0100_0000, 0, 0],
            &[V3, 0, 0, 0, 0, u32::MAX],
        ] {
            assert_eq!(shown(wrong), Err(Errno::EINVAL), "{wrong:x?}");
        }
        assert_eq!(checked(b"x"), Err(Errno::EINVAL));
    }
}
