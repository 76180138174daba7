//! Changes of capability sets and securebits, as pure functions: `kernel/capability.c` and
//! `security/commoncap.c`.

use crate::creds::{CAP_SETPCAP, Caps, Creds};
use crate::errno::Errno;

/// The bits of securebits there are (`include/uapi/linux/securebits.h`, Linux 6.14), without their locks.
const ALL_BITS: u64 = libc::SECURE_ALL_BITS as u64;
/// The locks: each the bit above what it locks.
const ALL_LOCKS: u64 = ALL_BITS << 1;
/// What only user space heeds, which therefore anybody may set.
const UNPRIVILEGED_BITS: u64 = (libc::SECBIT_EXEC_RESTRICT_FILE | libc::SECBIT_EXEC_DENY_INTERACTIVE) as u64;
const KEEP_CAPS: u32 = libc::SECBIT_KEEP_CAPS as u32;
const KEEP_CAPS_LOCKED: u32 = libc::SECBIT_KEEP_CAPS_LOCKED as u32;
const NO_CAP_AMBIENT_RAISE: u32 = libc::SECBIT_NO_CAP_AMBIENT_RAISE as u32;

/// The mask of a capability that a program names, or `EINVAL` if the kernel has none of this number.
fn mask(cap: u64, last_cap: u32) -> Result<u64, Errno> {
    if cap <= u64::from(last_cap.min(63)) { Ok(1 << cap) } else { Err(Errno::EINVAL) }
}

/// capset(2) of the calling thread (`cap_capset`). The sets hold valid capabilities only.
///
/// # Errors
/// `EPERM`.
pub fn capset(old: &Creds, effective: u64, permitted: u64, inheritable: u64) -> Result<Creds, Errno> {
    let beyond = |set: u64, limit: u64| set & !limit != 0;
    if !old.has(CAP_SETPCAP) && beyond(inheritable, old.caps.inheritable | old.caps.permitted) {
        return Err(Errno::EPERM);
    }
    if beyond(inheritable, old.caps.inheritable | old.caps.bounding)
        || beyond(permitted, old.caps.permitted)
        || beyond(effective, permitted)
    {
        return Err(Errno::EPERM);
    }
    let ambient = old.caps.ambient & permitted & inheritable;
    Ok(Creds { caps: Caps { inheritable, permitted, effective, ambient, ..old.caps }, ..*old })
}

/// prctl(PR_CAPBSET_READ).
///
/// # Errors
/// `EINVAL`.
pub fn bounding_has(creds: &Creds, cap: u64, last_cap: u32) -> Result<bool, Errno> {
    Ok(creds.caps.bounding & mask(cap, last_cap)? != 0)
}

/// prctl(PR_CAPBSET_DROP).
///
/// # Errors
/// `EPERM`, `EINVAL`.
pub fn drop_bounding(old: &Creds, cap: u64, last_cap: u32) -> Result<Creds, Errno> {
    if !old.has(CAP_SETPCAP) {
        return Err(Errno::EPERM);
    }
    let mut new = *old;
    new.caps.bounding &= !mask(cap, last_cap)?;
    Ok(new)
}

/// prctl(PR_SET_SECUREBITS).
///
/// # Errors
/// `EPERM`, also for bits that do not exist.
pub fn set_securebits(old: &Creds, bits: u64) -> Result<Creds, Errno> {
    let held = u64::from(old.securebits);
    let changed = held ^ bits;
    let locked = (held & ALL_LOCKS) >> 1;
    let unlocked = held & ALL_LOCKS & !bits;
    if locked & changed != 0 || unlocked != 0 || bits & !(ALL_BITS | ALL_LOCKS) != 0 {
        return Err(Errno::EPERM);
    }
    let unprivileged = UNPRIVILEGED_BITS | UNPRIVILEGED_BITS << 1;
    // "For legacy reason, denies non-change."
    if !old.has(CAP_SETPCAP) && (changed == 0 || changed & !unprivileged != 0) {
        return Err(Errno::EPERM);
    }
    Ok(Creds { securebits: bits as u32, ..*old })
}

/// prctl(PR_GET_KEEPCAPS).
pub fn keeps_caps(creds: &Creds) -> bool {
    creds.securebits & KEEP_CAPS != 0
}

/// prctl(PR_SET_KEEPCAPS).
///
/// # Errors
/// `EINVAL`, `EPERM`.
pub fn set_keep_caps(old: &Creds, keep: u64) -> Result<Creds, Errno> {
    let securebits = match keep {
        0 => old.securebits & !KEEP_CAPS,
        1 => old.securebits | KEEP_CAPS,
        _ => return Err(Errno::EINVAL),
    };
    if old.securebits & KEEP_CAPS_LOCKED != 0 {
        return Err(Errno::EPERM);
    }
    Ok(Creds { securebits, ..*old })
}

/// prctl(PR_CAP_AMBIENT) with its four further arguments: the new credentials and the result.
///
/// # Errors
/// `EINVAL`, `EPERM`.
pub fn ambient(old: &Creds, args: [u64; 4], last_cap: u32) -> Result<(Creds, u64), Errno> {
    const IS_SET: u64 = libc::PR_CAP_AMBIENT_IS_SET as u64;
    const RAISE: u64 = libc::PR_CAP_AMBIENT_RAISE as u64;
    const LOWER: u64 = libc::PR_CAP_AMBIENT_LOWER as u64;
    const CLEAR_ALL: u64 = libc::PR_CAP_AMBIENT_CLEAR_ALL as u64;

    let [operation, cap, unused, unused_too] = args;
    let mut new = *old;
    if operation == CLEAR_ALL && cap == 0 && unused == 0 && unused_too == 0 {
        new.caps.ambient = 0;
        return Ok((new, 0));
    }
    if operation == CLEAR_ALL || unused != 0 || unused_too != 0 {
        return Err(Errno::EINVAL);
    }
    let cap = mask(cap, last_cap)?;
    match operation {
        IS_SET => return Ok((new, u64::from(old.caps.ambient & cap != 0))),
        RAISE => {
            let holds = old.caps.permitted & old.caps.inheritable & cap != 0;
            if !holds || old.securebits & NO_CAP_AMBIENT_RAISE != 0 {
                return Err(Errno::EPERM);
            }
            new.caps.ambient |= cap;
        }
        LOWER => new.caps.ambient &= !cap,
        _ => return Err(Errno::EINVAL),
    }
    Ok((new, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST_CAP: u32 = 40;
    const ROOT: Creds = Creds::root(LAST_CAP);
    const RAISE: u64 = libc::PR_CAP_AMBIENT_RAISE as u64;
    const IS_SET: u64 = libc::PR_CAP_AMBIENT_IS_SET as u64;

    #[test]
    fn capset_cannot_raise_what_is_not_permitted() {
        let none = capset(&ROOT, 0, 0, 0).unwrap();
        assert_eq!(capset(&none, 0, 1, 0), Err(Errno::EPERM));
        assert_eq!(capset(&none, 0, 0, 1), Err(Errno::EPERM));
        assert_eq!(capset(&ROOT, 2, 1, 0), Err(Errno::EPERM));
    }

    #[test]
    fn inheritable_needs_setpcap_beyond_permitted_and_never_leaves_bounding() {
        let setpcap = 1 << CAP_SETPCAP;
        let only = capset(&ROOT, setpcap, setpcap, 0).unwrap();
        assert_eq!(capset(&only, setpcap, setpcap, 1).unwrap().caps.inheritable, 1);
        let bounded = drop_bounding(&only, 0, LAST_CAP).unwrap();
        assert_eq!(capset(&bounded, setpcap, setpcap, 1), Err(Errno::EPERM));
    }

    #[test]
    fn ambient_is_held_within_permitted_and_inheritable() {
        assert_eq!(ambient(&ROOT, [RAISE, 3, 0, 0], LAST_CAP), Err(Errno::EPERM));
        let old = capset(&ROOT, 0, ROOT.caps.permitted, 8).unwrap();
        let (raised, _) = ambient(&old, [RAISE, 3, 0, 0], LAST_CAP).unwrap();
        assert_eq!(ambient(&raised, [IS_SET, 3, 0, 0], LAST_CAP), Ok((raised, 1)));
        assert_eq!(capset(&raised, 0, raised.caps.permitted, 0).unwrap().caps.ambient, 0);
    }

    #[test]
    fn ambient_refuses_stray_arguments() {
        for args in [[RAISE, 41, 0, 0], [IS_SET, 0, 1, 0], [9, 0, 0, 0], [4, 1, 0, 0], [4, 0, 0, 1]] {
            assert_eq!(ambient(&ROOT, args, LAST_CAP), Err(Errno::EINVAL), "{args:?}");
        }
    }

    #[test]
    fn locked_securebits_stay() {
        let locked = set_securebits(&ROOT, 0b11).unwrap();
        assert_eq!(set_securebits(&locked, 0b10), Err(Errno::EPERM));
        assert_eq!(set_securebits(&locked, 0b01), Err(Errno::EPERM));
        assert_eq!(set_securebits(&locked, 0b111).unwrap().securebits, 0b111);
        assert_eq!(set_securebits(&ROOT, 1 << 12), Err(Errno::EPERM));
        assert_eq!(set_securebits(&ROOT, 1 << 32), Err(Errno::EPERM));
    }

    #[test]
    fn keep_caps_can_be_locked() {
        let locked = set_securebits(&ROOT, u64::from(KEEP_CAPS_LOCKED)).unwrap();
        assert_eq!(set_keep_caps(&locked, 0), Err(Errno::EPERM));
        assert_eq!(set_keep_caps(&locked, 2), Err(Errno::EINVAL));
        assert!(keeps_caps(&set_keep_caps(&ROOT, 1).unwrap()));
    }
}
