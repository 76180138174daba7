//! User and group ids of a thread: credentials(7), `kernel/sys.c`, `kernel/groups.c`, `kernel/uid16.c`.
//!
//! What a change does is in [`rules`]; the handlers decode arguments and store the result. As in the kernel ids
//! belong to a thread; a libc changes them in all threads of a process.

pub mod rules;

use super::{Answer, Outcome, Process, Tracee};
use crate::call::{Arg, Call, Sys, TraceeAddr};
use crate::creds::{CAP_SETGID, Creds, Ids};
use crate::errno::Errno;

/// The dumpable flag of a process after a change of its ids: `/proc/sys/fs/suid_dumpable`, taken to be the
/// kernel's default.
pub const SUID_DUMPABLE: u32 = 0;

/// What the 16-bit calls show for an id that does not fit: `/proc/sys/kernel/overflowuid`, taken to be the
/// kernel's default.
const OVERFLOW_ID: u16 = 65534;

/// Largest number of supplementary groups.
const NGROUPS_MAX: u32 = 65536;

/// Stores changed credentials, with what follows from the change (`commit_creds` in `kernel/cred.c`).
pub(super) fn commit<T: Tracee>(tracee: &T, new: Creds) {
    if rules::makes_undumpable(&tracee.creds(), &new) {
        tracee.set_process(Process { dumpable: SUID_DUMPABLE, ..tracee.process() });
    }
    tracee.set_creds(new);
}

/// The end of a call that changes credentials.
pub(super) fn change<T: Tracee>(tracee: &T, new: Result<Creds, Errno>) -> Outcome {
    commit(tracee, new?);
    Ok(Answer::Value(0))
}

/// An id as the result of a call.
fn shown(call: &Call, id: u32) -> Outcome {
    let narrow = matches!(call.sys, Sys::Getuid16 | Sys::Geteuid16 | Sys::Getgid16 | Sys::Getegid16);
    Ok(Answer::Value(if narrow { u64::from(narrowed(id)) } else { u64::from(id) }))
}

/// Whether ids in memory have 16 bits.
fn is_narrow(call: &Call) -> bool {
    matches!(call.sys, Sys::Getresuid16 | Sys::Getresgid16 | Sys::Getgroups16 | Sys::Setgroups16)
}

/// `high2lowuid`.
fn narrowed(id: u32) -> u16 {
    u16::try_from(id).unwrap_or(OVERFLOW_ID)
}

/// The bytes of an id in the width that the call has, and how many of them there are.
fn encoded(call: &Call, id: u32) -> ([u8; 4], usize) {
    if is_narrow(call) {
        let [first, second] = narrowed(id).to_ne_bytes();
        ([first, second, 0, 0], 2)
    } else {
        (id.to_ne_bytes(), 4)
    }
}

/// getuid(2).
pub async fn getuid<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    shown(call, tracee.creds().uid.real)
}

/// geteuid(2).
pub async fn geteuid<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    shown(call, tracee.creds().uid.effective)
}

/// getgid(2).
pub async fn getgid<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    shown(call, tracee.creds().gid.real)
}

/// getegid(2).
pub async fn getegid<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    shown(call, tracee.creds().gid.effective)
}

/// getresuid(2).
pub async fn getresuid<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    write_three(tracee, call, tracee.creds().uid)
}

/// getresgid(2).
pub async fn getresgid<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    write_three(tracee, call, tracee.creds().gid)
}

/// One after the other: those before a bad pointer are written.
fn write_three<T: Tracee>(tracee: &T, call: &Call, ids: Ids) -> Outcome {
    for (nth, id) in [ids.real, ids.effective, ids.saved].into_iter().enumerate() {
        let (bytes, len) = encoded(call, id);
        tracee.write(TraceeAddr(call.nth(Arg::Out, nth)), bytes.get(..len).unwrap_or_default())?;
    }
    Ok(Answer::Value(0))
}

/// setuid(2).
pub async fn setuid<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    change(tracee, rules::setuid(&tracee.creds(), call.id(0)))
}

/// setgid(2).
pub async fn setgid<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    change(tracee, rules::setgid(&tracee.creds(), call.id(0)))
}

/// setreuid(2).
pub async fn setreuid<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    change(tracee, rules::setreuid(&tracee.creds(), call.id(0), call.id(1)))
}

/// setregid(2).
pub async fn setregid<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    change(tracee, rules::setregid(&tracee.creds(), call.id(0), call.id(1)))
}

/// setresuid(2).
pub async fn setresuid<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    change(tracee, rules::setresuid(&tracee.creds(), [call.id(0), call.id(1), call.id(2)]))
}

/// setresgid(2).
pub async fn setresgid<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    change(tracee, rules::setresgid(&tracee.creds(), [call.id(0), call.id(1), call.id(2)]))
}

/// setfsuid(2): the result is the id before.
pub async fn setfsuid<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let old = tracee.creds();
    commit(tracee, rules::setfsuid(&old, call.id(0)));
    Ok(Answer::Value(u64::from(old.uid.fs)))
}

/// setfsgid(2): the result is the id before.
pub async fn setfsgid<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let old = tracee.creds();
    commit(tracee, rules::setfsgid(&old, call.id(0)));
    Ok(Answer::Value(u64::from(old.gid.fs)))
}

/// getgroups(2).
pub async fn getgroups<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let size = usize::try_from(call.int(Arg::Count) as i32).map_err(|_| Errno::EINVAL)?;
    let count = tracee.group_count();
    if size == 0 {
        return Ok(Answer::Value(count as u64));
    }
    if count > size {
        return Err(Errno::EINVAL);
    }
    let mut to = call.addr(Arg::Out);
    let mut buffer = [0; 256];
    let mut filled = 0;
    for index in 0..count {
        let (bytes, len) = encoded(call, tracee.group(index).unwrap_or(u32::from(OVERFLOW_ID)));
        for (room, byte) in buffer.iter_mut().skip(filled).zip(bytes).take(len) {
            *room = byte;
        }
        filled += len;
        if filled == buffer.len() || index + 1 == count {
            tracee.write(to, buffer.get(..filled).unwrap_or_default())?;
            to = to.add(filled as u64);
            filled = 0;
        }
    }
    Ok(Answer::Value(count as u64))
}

/// setgroups(2).
pub async fn setgroups<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    if !tracee.creds().has(CAP_SETGID) {
        return Err(Errno::EPERM);
    }
    let count = call.int(Arg::Count);
    if count > NGROUPS_MAX {
        return Err(Errno::EINVAL);
    }
    let mut list =
        List { tracee, from: call.addr(Arg::In), narrow: is_narrow(call), buffer: [0; 256], begin: 0, len: 0 };
    tracee.set_groups(count as usize, &mut |index| list.id(index, count as usize))?;
    Ok(Answer::Value(0))
}

/// A list of groups in the tracee's memory, read piece by piece.
struct List<'t, T> {
    tracee: &'t T,
    from: TraceeAddr,
    narrow: bool,
    buffer: [u8; 256],
    /// Index of the first byte in the buffer.
    begin: usize,
    /// Bytes in the buffer.
    len: usize,
}

impl<T: Tracee> List<'_, T> {
    /// The group at an index of a list of `count`. Asked for in order, so that what comes first in the list fails
    /// first.
    fn id(&mut self, index: usize, count: usize) -> Result<u32, Errno> {
        let width = if self.narrow { 2 } else { 4 };
        let at = index * width;
        if at < self.begin || at + width > self.begin + self.len {
            let want = self.buffer.len().min(count.saturating_sub(index) * width);
            let room = self.buffer.get_mut(..want).ok_or(Errno::EFAULT)?;
            self.len = self.tracee.read_some(self.from.add(at as u64), room)?;
            if self.len < width {
                // An id across the end of a page.
                self.tracee.read(self.from.add(at as u64), self.buffer.get_mut(..width).ok_or(Errno::EFAULT)?)?;
                self.len = width;
            }
            self.begin = at;
        }
        let bytes = self.buffer.get(at - self.begin..).ok_or(Errno::EFAULT)?;
        let id = if self.narrow {
            let id = u16::from_ne_bytes(*bytes.first_chunk().ok_or(Errno::EFAULT)?);
            if id == u16::MAX { u32::MAX } else { u32::from(id) }
        } else {
            u32::from_ne_bytes(*bytes.first_chunk().ok_or(Errno::EFAULT)?)
        };
        if id == u32::MAX { Err(Errno::EINVAL) } else { Ok(id) }
    }
}
