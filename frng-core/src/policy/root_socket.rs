//! Paths of AF_UNIX sockets, in a process with another root: unix(7).

use super::{Answer, Last, Outcome, PATH_MAX, Tracee, TraceeExt};
use crate::call::{Arg, Call, TraceeAddr};
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
pub async fn translate_address<T: Tracee>(
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
    let at = tracee.aside()?;
    let mut buffer = [0; PATH_MAX];
    let mut name: &[u8] = &[];
    if last == Last::Name {
        // It is told to whoever asks for the name of the socket.
        tracee.translate_to_bind(libc::AT_FDCWD, path, last, at).await?;
        name = tracee.read_cstr(at, &mut buffer)?;
    }
    if name.is_empty() || name.len() > ADDRESS_LEN - FAMILY_LEN {
        tracee.translate(libc::AT_FDCWD, path, last, 0, at).await?;
        name = tracee.read_cstr(at, &mut buffer)?;
    }
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

/// getsockname(2) and getpeername(2). `net/socket.c: move_addr_to_user`.
pub async fn socket_name<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    /// Bytes of a `struct sockaddr_storage`.
    const STORAGE_LEN: usize = 128;
    let (address, len_at) = (call.addr(Arg::Out), call.addr(Arg::Count));
    let mut room = [0; 4];
    if !tracee.has_root() || tracee.read(len_at, &mut room).is_err() || i32::from_ne_bytes(room) < 0 {
        return Ok(Answer::Pass);
    }
    // All of the address, however much of it the program wants.
    let scratch = tracee.scratch()?;
    tracee.write(scratch, &(STORAGE_LEN as u32).to_ne_bytes())?;
    let whole = call.with(Arg::Out, scratch.add(16).0).with(Arg::Count, scratch.0);
    let result = tracee.run(&whole).await?;
    let (mut len, mut bytes) = ([0; 4], [0; STORAGE_LEN + 1]);
    tracee.read(scratch, &mut len)?;
    let mut len = (u32::from_ne_bytes(len) as usize).min(STORAGE_LEN);
    tracee.read(scratch.add(16), bytes.get_mut(..len).unwrap_or_default())?;
    if let Some((family, path)) = bytes.split_at_mut_checked(FAMILY_LEN) {
        let name = path.split(|byte| *byte == 0).next().unwrap_or_default();
        let mut text = [0; ADDRESS_LEN - FAMILY_LEN];
        let is_path = family == (libc::AF_UNIX as libc::sa_family_t).to_ne_bytes() && name.first() == Some(&b'/');
        if let Some(seen) = if is_path { tracee.bound_name(name, &mut text) } else { None } {
            // With a terminator.
            path.fill(0);
            if let (Some(to), Some(from)) = (path.get_mut(..seen), text.get(..seen)) {
                to.copy_from_slice(from);
            }
            len = FAMILY_LEN + seen + 1;
        }
    }
    let room = i32::from_ne_bytes(room) as usize;
    tracee.write(address, bytes.get(..len.min(room)).unwrap_or_default())?;
    tracee.write(len_at, &(len as u32).to_ne_bytes())?;
    Ok(Answer::Value(result))
}
