//! Requests of io_submit(2): `struct iocb` (`include/uapi/linux/aio_abi.h`), the same for programs of either word length.

use crate::call::TraceeAddr;
use crate::policy::{Tracee, TraceeExt};

/// `IOCB_CMD_PWRITE`.
const PWRITE: u16 = 1;
/// `IOCB_CMD_PWRITEV`.
const PWRITEV: u16 = 8;

/// `UIO_MAXIOV`: the kernel takes no request of more parts.
const PARTS_MAX: u64 = 1024;

/// The descriptor that one of the requests at these addresses writes to. `None` if it does not write, or writes nothing.
pub fn written_to<T: Tracee>(tracee: &T, requests: TraceeAddr, index: u64) -> Option<i32> {
    let word = tracee.abi().word_len() as u64;
    let mut request = [0; 40];
    tracee.read(TraceeAddr(tracee.read_word(requests.add(index * word)).ok()?), &mut request).ok()?;
    let opcode = u16::from_ne_bytes(*request.get(16..)?.first_chunk()?);
    let fd = i32::from_ne_bytes(*request.get(20..)?.first_chunk()?);
    let from = TraceeAddr(u64::from_ne_bytes(*request.get(24..)?.first_chunk()?));
    let count = u64::from_ne_bytes(*request.get(32..)?.first_chunk()?);
    // Parts are an address and a length each.
    let part_len = |part: u64| tracee.read_word(from.add((2 * part + 1) * word)).unwrap_or(0);
    let writes = match opcode {
        PWRITE => count > 0,
        PWRITEV => (0..count.min(PARTS_MAX)).any(|part| part_len(part) > 0),
        _ => false,
    };
    writes.then_some(fd)
}
