//! Paths of AF_UNIX sockets, in a process with another root: unix(7).

use super::{Answer, Last, Outcome, PATH_MAX, Tracee, TraceeExt};
use crate::call::{Arg, Call, Sys, TraceeAddr};
use crate::errno::Errno;

/// Bytes of `sa_family_t`.
const FAMILY_LEN: usize = size_of::<libc::sa_family_t>();
/// Bytes of a `struct sockaddr_un`.
const ADDRESS_LEN: usize = size_of::<libc::sockaddr_un>();
/// Where in [`Tracee::aside`] structures are put.
const STRUCTURES: u64 = 2 * PATH_MAX as u64;

/// Puts an address with its path translated into the tracee, and returns where and how long it is. `None` for other
/// families, abstract names, and what the kernel will refuse.
///
/// # Errors
/// Those of the path; `ENAMETOOLONG` if the translated one does not fit.
pub fn translate_address<T: Tracee>(
    tracee: &T,
    address: TraceeAddr,
    len: u64,
    last: Last,
) -> Result<Option<(TraceeAddr, u64)>, Errno> {
    let len = len as u32 as usize;
    let mut bytes = [0; ADDRESS_LEN + 1];
    if len <= FAMILY_LEN || len > ADDRESS_LEN {
        return Ok(None);
    }
    let Some(room) = bytes.get_mut(..len) else { return Ok(None) };
    if tracee.read(address, room).is_err() {
        return Ok(None);
    }
    let Some((family, path)) = bytes.split_at_checked(FAMILY_LEN) else { return Ok(None) };
    let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
    if family != (libc::AF_UNIX as libc::sa_family_t).to_ne_bytes() || path.is_empty() {
        return Ok(None);
    }
    let name = tracee.aside()?;
    tracee.translate(libc::AT_FDCWD, path, last, name)?;
    let mut buffer = [0; PATH_MAX];
    let name = tracee.read_cstr(name, &mut buffer)?;
    // The terminator may be missing.
    if name.len() > ADDRESS_LEN - FAMILY_LEN {
        return Err(Errno::ENAMETOOLONG);
    }
    let to = tracee.aside()?.add(STRUCTURES);
    tracee.write(to, family)?;
    tracee.write(to.add(FAMILY_LEN as u64), name)?;
    tracee.write(to.add((FAMILY_LEN + name.len()) as u64), &[0])?;
    Ok(Some((to, (FAMILY_LEN + name.len()).min(ADDRESS_LEN) as u64)))
}

/// sendmsg(2). Elsewhere it does not stop.
pub async fn sendmsg<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    /// Words of a `struct msghdr`; the name and its length are the first two.
    const WORDS: u64 = 7;
    let word = tracee.abi().word_len() as u64;
    let header = call.addr(Arg::In);
    let mut bytes = [0; 7 * 8];
    let len = (WORDS * word) as usize;
    let Some(bytes) = bytes.get_mut(..len) else { return Ok(Answer::Pass) };
    if !tracee.has_root() || tracee.read(header, bytes).is_err() {
        return Ok(Answer::Pass);
    }
    let (name, mut name_len) = (tracee.read_word(header)?, [0; 4]);
    tracee.read(header.add(word), &mut name_len)?;
    let name_len = u32::from_ne_bytes(name_len);
    let Some((at, len)) = translate_address(tracee, TraceeAddr(name), name_len.into(), Last::Target)? else {
        return Ok(Answer::Pass);
    };
    // The kernel reads the rest from a copy; another thread may change the program's own.
    let copy = tracee.aside()?.add(STRUCTURES + 1024);
    tracee.write(copy, bytes)?;
    tracee.write(copy, at.0.to_ne_bytes().get(..word as usize).ok_or(Errno::EFAULT)?)?;
    tracee.write(copy.add(word), &(len as u32).to_ne_bytes())?;
    tracee.run(&call.with(Arg::In, copy.0)).await.map(Answer::Value)
}

/// socketcall(2): the calls on sockets of older 32-bit ABIs, their arguments in memory (`net/socket.c`).
pub async fn socketcall<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let (sys, count) = match call.int(Arg::Op) {
        2 => (Sys::Bind, 3),
        3 => (Sys::Connect, 3),
        11 => (Sys::Sendto, 6),
        16 => (Sys::Sendmsg, 3),
        _ => return Ok(Answer::Pass),
    };
    let mut args = [0; 6];
    for (index, arg) in args.iter_mut().enumerate().take(count) {
        *arg = tracee.read_word(call.addr(Arg::In).add((index * tracee.abi().word_len()) as u64))?;
    }
    let unpacked = Call { sys, args };
    // Not by way of itself: a future cannot contain itself.
    let translated = super::root::translated(tracee, &unpacked)?;
    let outcome = match sys {
        Sys::Bind => super::creation::bind(tracee, &translated).await?,
        Sys::Sendmsg => sendmsg(tracee, &translated).await?,
        _ => Answer::Pass,
    };
    match outcome {
        Answer::Pass => tracee.run(&translated).await.map(Answer::Value),
        value => Ok(value),
    }
}
