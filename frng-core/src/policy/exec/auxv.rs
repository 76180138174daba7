//! The auxiliary vector, in which the kernel tells a new program its ids: getauxval(3).
//!
//! At exec the stack pointer points to argc; behind it are the arguments and a null pointer, the environment and a
//! null pointer, and pairs of words up to `AT_NULL` (`create_elf_tables` in `fs/binfmt_elf.c`).

use crate::call::TraceeAddr;
use crate::creds::Creds;
use crate::errno::Errno;
use crate::policy::Tracee;

/// Pointers to arguments and environment together are never more: the kernel gives strings and pointers
/// three quarters of `_STK_LIM`.
const POINTERS_MAX: u64 = 6 << 20;
/// Bytes of the auxv that are looked at: 64 pairs of 64-bit words, where kernels give some 25.
const AUXV_MAX: usize = 1024;

const AT_NULL: u64 = 0;
const AT_UID: u64 = 11;
const AT_EUID: u64 = 12;
const AT_GID: u64 = 13;
const AT_EGID: u64 = 14;
const AT_SECURE: u64 = 23;
const AT_EXECFN: u64 = 31;

/// Has the auxv of a program that has not run yet, its stack pointer being `stack`, tell of these credentials.
///
/// # Errors
/// `EFAULT` if the memory cannot be accessed, `E2BIG` if there is no auxv where it should be.
pub fn rewrite<T: Tracee>(tracee: &T, stack: TraceeAddr, creds: &Creds, secure: bool) -> Result<(), Errno> {
    let word_len = tracee.abi().word_len();
    let begin = find(tracee, stack, word_len)?;
    let mut auxv = [0; AUXV_MAX];
    let have = read_up_to(tracee, begin, &mut auxv)?;
    let mut used = 0;
    for pair in auxv.get_mut(..have).unwrap_or_default().chunks_exact_mut(2 * word_len) {
        let Some((kind, value)) = pair.split_at_mut_checked(word_len) else { break };
        let shown = match word(kind) {
            AT_NULL => break,
            AT_UID => creds.uid.real,
            AT_EUID => creds.uid.effective,
            AT_GID => creds.gid.real,
            AT_EGID => creds.gid.effective,
            AT_SECURE => u32::from(secure),
            _ => {
                used += 2 * word_len;
                continue;
            }
        };
        for (byte, shown) in value.iter_mut().zip(extended(shown, word_len)) {
            *byte = shown;
        }
        used += 2 * word_len;
    }
    tracee.write(begin, auxv.get(..used).unwrap_or_default())
}

/// Has the auxv of a program that has not run yet tell that it was executed by this name. It takes the place of the one
/// that the kernel has put on the stack, which must be no shorter.
///
/// # Errors
/// `EFAULT` if the memory cannot be accessed, `E2BIG` if there is no auxv where it should be.
pub fn set_file_name<T: Tracee>(tracee: &T, stack: TraceeAddr, name: &[u8]) -> Result<(), Errno> {
    let word_len = tracee.abi().word_len();
    let begin = find(tracee, stack, word_len)?;
    let mut auxv = [0; AUXV_MAX];
    let have = read_up_to(tracee, begin, &mut auxv)?;
    for pair in auxv.get(..have).unwrap_or_default().chunks_exact(2 * word_len) {
        let Some((kind, value)) = pair.split_at_checked(word_len) else { break };
        match word(kind) {
            AT_NULL => break,
            AT_EXECFN => {
                let to = TraceeAddr(word(value));
                tracee.write(to, name)?;
                return tracee.write(to.add(name.len() as u64), &[0]);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Where the auxv begins: behind the null pointer that ends the environment, which is the second one. How many arguments there
/// are is not asked: a program that has run up to its first call may have taken that off its stack, as glibc's on arm does.
fn find<T: Tracee>(tracee: &T, stack: TraceeAddr, word_len: usize) -> Result<TraceeAddr, Errno> {
    if word_len != 4 && word_len != 8 {
        return Err(Errno::EINVAL);
    }
    let bytes = word_len as u64;
    let limit = stack.0.checked_add(POINTERS_MAX).ok_or(Errno::EFAULT)?;
    let mut at = stack.add(bytes);
    let mut ends = 0;
    let mut buffer = [0; 1024];
    while (stack.0..limit).contains(&at.0) {
        let have = read_up_to(tracee, at, &mut buffer)?;
        for pointer in buffer.get(..have).unwrap_or_default().chunks_exact(word_len) {
            at = at.add(bytes);
            if word(pointer) == 0 {
                ends += 1;
            }
            if ends == 2 {
                return Ok(at);
            }
        }
        if have < word_len {
            return Err(Errno::EFAULT);
        }
    }
    Err(Errno::E2BIG)
}

/// Reads as much as there is, up to the length of `to`.
fn read_up_to<T: Tracee>(tracee: &T, from: TraceeAddr, to: &mut [u8]) -> Result<usize, Errno> {
    let mut have = 0;
    while let Some(room) = to.get_mut(have..) {
        if room.is_empty() {
            break;
        }
        match tracee.read_some(from.add(have as u64), room) {
            Ok(got) if got > 0 => have += got,
            // The end of the stack.
            _ if have > 0 => break,
            _ => return Err(Errno::EFAULT),
        }
    }
    Ok(have)
}

/// A word of 4 or 8 bytes. Tracees have the daemon's byte order.
fn word(bytes: &[u8]) -> u64 {
    if let Ok(bytes) = bytes.try_into() {
        u64::from_ne_bytes(bytes)
    } else if let Ok(bytes) = bytes.try_into() {
        u64::from(u32::from_ne_bytes(bytes))
    } else {
        0
    }
}

/// The bytes of an id as a word of 4 or 8 bytes.
fn extended(id: u32, word_len: usize) -> impl Iterator<Item = u8> {
    let narrow = id.to_ne_bytes();
    let wide = u64::from(id).to_ne_bytes();
    (0..word_len).map(move |index| {
        let byte = if word_len == 4 { narrow.get(index) } else { wide.get(index) };
        byte.copied().unwrap_or(0)
    })
}
