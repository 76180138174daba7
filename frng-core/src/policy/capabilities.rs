//! capget(2) and capset(2): capabilities(7), `kernel/capability.c`.

pub mod rules;

use super::identity::change;
use super::{Answer, Outcome, Tracee};
use crate::call::{Arg, Call, Sys, TraceeAddr};
use crate::creds::{Caps, all_caps};
use crate::errno::Errno;

/// `_LINUX_CAPABILITY_VERSION_1`: sets of 32 bits.
const VERSION_1: u32 = 0x1998_0330;
/// `_LINUX_CAPABILITY_VERSION_2`: sets of 64 bits. Deprecated for an error in a header, not in the kernel.
const VERSION_2: u32 = 0x2007_1026;
/// `_LINUX_CAPABILITY_VERSION_3`, the one the kernel recommends.
const VERSION_3: u32 = 0x2008_0522;

/// Bytes of a `struct __user_cap_data_struct`: 32 bits each of effective, permitted and inheritable.
const DATA_LEN: usize = 12;
/// Bytes of the two that versions 2 and 3 have, lower halves first.
const DATA_MAX: usize = 2 * DATA_LEN;

/// Reads the version and returns the bytes of data it means (`cap_validate_magic`).
///
/// # Errors
/// `EFAULT`; `EINVAL` for an unknown version, whose place the recommended one has then taken.
fn data_len<T: Tracee>(tracee: &T, header: TraceeAddr) -> Result<usize, Errno> {
    match read_u32(tracee, header)? {
        VERSION_1 => Ok(DATA_LEN),
        VERSION_2 | VERSION_3 => Ok(DATA_MAX),
        _ => {
            tracee.write(header, &VERSION_3.to_ne_bytes())?;
            Err(Errno::EINVAL)
        }
    }
}

fn read_u32<T: Tracee>(tracee: &T, from: TraceeAddr) -> Result<u32, Errno> {
    let mut bytes = [0; 4];
    tracee.read(from, &mut bytes)?;
    Ok(u32::from_ne_bytes(bytes))
}

/// The thread the header names; 0 is the caller.
fn pid<T: Tracee>(tracee: &T, header: TraceeAddr) -> Result<i32, Errno> {
    read_u32(tracee, header.add(4)).map(|pid| pid as i32)
}

/// capget(2).
pub async fn capget<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let (header, data) = (call.addr(Arg::In), call.addr(Arg::Out));
    let len = match data_len(tracee, header) {
        // So a program asks for the recommended version.
        Ok(_) | Err(Errno::EINVAL) if data.is_null() => return Ok(Answer::Value(0)),
        result => result?,
    };
    let creds = match pid(tracee, header)? {
        0 => tracee.creds(),
        ..0 => return Err(Errno::EINVAL),
        pid => match tracee.creds_of(pid) {
            Some(creds) => creds,
            // Not one of us: the truth, or ESRCH.
            None => return Ok(Answer::Pass),
        },
    };
    tracee.write(data, encode(&creds.caps).get(..len).unwrap_or_default())?;
    Ok(Answer::Value(0))
}

/// capset(2).
pub async fn capset<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let header = call.addr(Arg::In);
    let len = data_len(tracee, header)?;
    let pid = pid(tracee, header)?;
    if pid != 0 && tracee.syscall(Sys::Gettid, [0; 6]).await? != pid as u64 {
        return Err(Errno::EPERM);
    }
    let mut bytes = [0; DATA_MAX];
    tracee.read(TraceeAddr(call.nth(Arg::In, 1)), bytes.get_mut(..len).unwrap_or_default())?;
    let valid = all_caps(tracee.settings().last_cap);
    let [effective, permitted, inheritable] = decode(&bytes).map(|set| set & valid);
    change(tracee, rules::capset(&tracee.creds(), effective, permitted, inheritable))
}

fn encode(caps: &Caps) -> [u8; DATA_MAX] {
    let mut bytes = [0; DATA_MAX];
    let low = [caps.effective, caps.permitted, caps.inheritable].map(|set| set as u32);
    let high = [caps.effective, caps.permitted, caps.inheritable].map(|set| (set >> 32) as u32);
    for (room, half) in bytes.chunks_exact_mut(4).zip(low.into_iter().chain(high)) {
        room.copy_from_slice(&half.to_ne_bytes());
    }
    bytes
}

/// Effective, permitted, inheritable.
fn decode(bytes: &[u8; DATA_MAX]) -> [u64; 3] {
    let mut sets = [0; 3];
    for (index, half) in bytes.chunks_exact(4).enumerate() {
        let half = u64::from(half.try_into().map_or(0, u32::from_ne_bytes));
        if let Some(set) = sets.get_mut(index % 3) {
            *set |= if index < 3 { half } else { half << 32 };
        }
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_survive_encoding() {
        let caps = Caps { inheritable: 3 << 40, permitted: 0x1_0000_0002, effective: 1, bounding: 7, ambient: 7 };
        assert_eq!(decode(&encode(&caps)), [caps.effective, caps.permitted, caps.inheritable]);
    }
}
