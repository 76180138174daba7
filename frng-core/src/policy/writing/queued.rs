//! Requests of io_submit(2): `struct iocb` (`include/uapi/linux/aio_abi.h`), the same for programs of either word length.

use crate::call::TraceeAddr;
use crate::errno::Errno;
use crate::policy::{Tracee, TraceeExt};

/// `IOCB_CMD_PWRITE`.
const PWRITE: u16 = 1;
/// `IOCB_CMD_PWRITEV`.
const PWRITEV: u16 = 8;

/// `UIO_MAXIOV`: the kernel takes no request of more parts.
const PARTS_MAX: u64 = 1024;

/// Bytes of parts that are read at a time.
const PARTS_LEN: usize = 1024;

/// The descriptor that one of the requests at these addresses writes to. `None` if it does not write, or writes nothing.
///
/// # Errors
/// `EFAULT` if it cannot be read: the kernel has not come so far.
pub fn written_to<T: Tracee>(tracee: &T, requests: TraceeAddr, index: u64) -> Result<Option<i32>, Errno> {
    let word = tracee.abi().word_len() as u64;
    let mut request = [0; 40];
    tracee.read(TraceeAddr(tracee.read_word(requests.add(index * word))?), &mut request)?;
    let Some(Request { opcode, fd, from, count }) = Request::parse(&request) else { return Ok(None) };
    let writes = match opcode {
        PWRITE => count > 0,
        PWRITEV => writes_any(tracee, from, count.min(PARTS_MAX))?,
        _ => false,
    };
    Ok(writes.then_some(fd))
}

/// What is looked at of a `struct iocb`.
struct Request {
    opcode: u16,
    fd: i32,
    /// Of what is written, or of its parts.
    from: TraceeAddr,
    /// Bytes, or parts.
    count: u64,
}

impl Request {
    fn parse(bytes: &[u8]) -> Option<Request> {
        Some(Request {
            opcode: u16::from_ne_bytes(*bytes.get(16..)?.first_chunk()?),
            fd: i32::from_ne_bytes(*bytes.get(20..)?.first_chunk()?),
            from: TraceeAddr(u64::from_ne_bytes(*bytes.get(24..)?.first_chunk()?)),
            count: u64::from_ne_bytes(*bytes.get(32..)?.first_chunk()?),
        })
    }
}

/// Whether any of so many parts has a length.
fn writes_any<T: Tracee>(tracee: &T, parts: TraceeAddr, count: u64) -> Result<bool, Errno> {
    // Each is an address and a length.
    let word = tracee.abi().word_len();
    let part_len = 2 * word;
    let mut bytes = [0; PARTS_LEN];
    let mut at = 0;
    let end = count as usize * part_len;
    while at < end {
        let some = bytes.get_mut(..(end - at).min(PARTS_LEN)).unwrap_or_default();
        tracee.read(parts.add(at as u64), some)?;
        if some.chunks(part_len).any(|part| part.iter().skip(word).any(|byte| *byte != 0)) {
            return Ok(true);
        }
        at += PARTS_LEN;
    }
    Ok(false)
}
