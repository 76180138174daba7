//! The value of the xattr security.capability: capabilities(7), `include/uapi/linux/capability.h`,
//! `security/commoncap.c`.

use crate::errno::Errno;

/// Bytes of the longest value, `struct vfs_ns_cap_data`.
pub const MAX_LEN: usize = 24;
/// Bytes of `struct vfs_cap_data`, the form without a root user id.
const V2_LEN: usize = 20;
/// `VFS_CAP_REVISION_2`.
pub const V2: u32 = 0x0200_0000;
/// `VFS_CAP_REVISION_3`: with a root user id.
pub const V3: u32 = 0x0300_0000;
/// `VFS_CAP_FLAGS_EFFECTIVE`, beside the revision.
pub const EFFECTIVE: u32 = 1;

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

/// Whether it is a version 2 or a version 3 value. `validheader`.
pub fn has_known_form(value: &[u8]) -> bool {
    let version = word(value, 0).map(|magic| magic & !EFFECTIVE);
    matches!((value.len(), version), (V2_LEN, Some(V2)) | (MAX_LEN, Some(V3)))
}

/// What is shown of a value after it was set: version 3 for root of the initial user namespace becomes version 2.
/// `cap_convert_nscap, cap_inode_getsecurity`.
///
/// # Errors
/// `EINVAL` if it has no known form, or is for a root user that cannot be.
pub fn shown(value: &[u8]) -> Result<Value, Errno> {
    if !has_known_form(value) {
        return Err(Errno::EINVAL);
    }
    let (len, version) = match word(value, 5) {
        None | Some(0) => (V2_LEN, V2),
        Some(u32::MAX) => return Err(Errno::EINVAL),
        Some(_) => (MAX_LEN, V3),
    };
    let magic = version | word(value, 0).unwrap_or(0) & EFFECTIVE;
    let mut bytes = [0; MAX_LEN];
    let rest = value.iter().copied().skip(size_of::<u32>());
    for (slot, byte) in bytes.iter_mut().zip(magic.to_le_bytes().into_iter().chain(rest)) {
        *slot = byte;
    }
    Ok(Value { bytes, len })
}

/// A little-endian word of a value.
pub fn word(value: &[u8], index: usize) -> Option<u32> {
    match value.get(index * 4..index * 4 + 4) {
        Some(&[a, b, c, d]) => Some(u32::from_le_bytes([a, b, c, d])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn shown_of(words: &[u32]) -> Result<Vec<u8>, Errno> {
        shown(&value(words)).map(|value| value.as_bytes().to_vec())
    }

    #[test]
    fn version_2_is_shown_as_it_is() {
        let net_raw = [V2 | EFFECTIVE, 0x2000, 0, 0, 0];
        assert_eq!(shown_of(&net_raw), Ok(value(&net_raw)));
    }

    #[test]
    fn version_3_for_user_0_is_shown_as_version_2() {
        assert_eq!(shown_of(&[V3 | EFFECTIVE, 1, 2, 3, 4, 0]), Ok(value(&[V2 | EFFECTIVE, 1, 2, 3, 4])));
        assert_eq!(shown_of(&[V3, 1, 2, 3, 4, 1000]), Ok(value(&[V3, 1, 2, 3, 4, 1000])));
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
            assert_eq!(shown_of(wrong), Err(Errno::EINVAL), "{wrong:x?}");
        }
        assert_eq!(shown(b"x"), Err(Errno::EINVAL));
    }
}
