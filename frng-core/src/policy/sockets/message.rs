//! `SCM_CREDENTIALS` in messages: what they tell of the sender. `net/core/scm.c`.
//!
//! The kernel carries only what is true. What a sender claims that is faked is remembered until the next message from
//! its process is received.

use super::{UCRED_LEN, bytes, words};
use crate::call::{Arg, Call, TraceeAddr};
use crate::creds::{CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN, Creds, Ids};
use crate::errno::Errno;
use crate::policy::root_socket::translate_address;
use crate::policy::{Answer, Last, Others, Outcome, PATH_MAX, SCRATCH_LEN, Tracee, TraceeExt, others, view};

/// What a message tells of its sender: `struct ucred`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Process.
    pub pid: i32,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Sender {
    fn new(bytes_: &[u8; UCRED_LEN]) -> Sender {
        let [pid, uid, gid] = words(bytes_);
        Sender { pid: pid as i32, uid, gid }
    }

    fn bytes(&self) -> [u8; UCRED_LEN] {
        bytes([self.pid as u32, self.uid, self.gid])
    }

    /// `scm_check_creds`: whether a process may tell this of itself.
    fn may_be_told_by(&self, creds: &Creds, pid: i32) -> bool {
        let is_one_of = |ids: &Ids, id: u32| [ids.real, ids.effective, ids.saved].contains(&id);
        (self.pid == pid || creds.has(CAP_SYS_ADMIN))
            && (is_one_of(&creds.uid, self.uid) || creds.has(CAP_SETUID))
            && (is_one_of(&creds.gid, self.gid) || creds.has(CAP_SETGID))
    }
}

/// Words of a `struct msghdr`: name and its length, the vector and its length, control messages and their length, flags.
const HEADER_WORDS: usize = 7;
const NAME: usize = 0;
const CONTROL: usize = 4;

/// A `struct msghdr`.
struct Header([u64; HEADER_WORDS]);

impl Header {
    fn read<T: Tracee>(tracee: &T, at: TraceeAddr) -> Result<Header, Errno> {
        let mut words = [0; HEADER_WORDS];
        for (index, word) in words.iter_mut().enumerate() {
            *word = tracee.read_word(at.add((index * tracee.abi().word_len()) as u64))?;
        }
        Ok(Header(words))
    }

    fn write<T: Tracee>(&self, tracee: &T, at: TraceeAddr) -> Result<(), Errno> {
        let len = tracee.abi().word_len();
        for (index, word) in self.0.iter().enumerate() {
            write_word(tracee, at.add((index * len) as u64), *word)?;
        }
        Ok(())
    }

    /// A pointer and the number behind it.
    fn pair(&self, index: usize) -> (TraceeAddr, u64) {
        let at = |index| self.0.get(index).copied().unwrap_or(0);
        (TraceeAddr(at(index)), at(index + 1))
    }

    fn set_pair(&mut self, index: usize, (pointer, number): (TraceeAddr, u64)) {
        if let Some([first, second, ..]) = self.0.get_mut(index..) {
            (*first, *second) = (pointer.0, number);
        }
    }
}

/// Writes in native byte order, which of a narrow ABI is the lower half on all that are known.
fn write_word<T: Tracee>(tracee: &T, at: TraceeAddr, word: u64) -> Result<(), Errno> {
    if tracee.abi().word_len() == 8 {
        tracee.write(at, &word.to_ne_bytes())
    } else {
        tracee.write(at, &(word as u32).to_ne_bytes())
    }
}

/// Where the credentials are among the control messages, if there are any, and how many bytes of them:
/// `for_each_cmsghdr`.
fn find_credentials<T: Tracee>(tracee: &T, (control, len): (TraceeAddr, u64)) -> Option<(TraceeAddr, usize)> {
    let word = tracee.abi().word_len() as u64;
    // Length, level and type.
    let header_len = word + 8;
    let mut begin = 0u64;
    while begin.checked_add(header_len)? <= len {
        let at = control.add(begin);
        let message_len = tracee.read_word(at).ok()?;
        let mut kind = [0; 8];
        tracee.read(at.add(word), &mut kind).ok()?;
        if message_len < header_len || message_len > len - begin {
            return None;
        }
        let [level, kind] =
            [kind.first_chunk(), kind.last_chunk()].map(|half| half.map_or(0, |half| i32::from_ne_bytes(*half)));
        if level == libc::SOL_SOCKET && kind == libc::SCM_CREDENTIALS {
            return Some((at.add(header_len), usize::try_from(message_len - header_len).ok()?));
        }
        begin = begin.checked_add(message_len.checked_next_multiple_of(word)?)?;
    }
    None
}

/// sendmsg(2).
pub async fn sendmsg<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    /// Where in [`Tracee::aside`] the header is put, behind two paths and an address.
    const HEADER_AT: u64 = 2 * PATH_MAX as u64 + 1024;
    let Ok(mut header) = Header::read(tracee, call.addr(Arg::In)) else { return Ok(Answer::Pass) };
    let mut changed = false;
    if tracee.has_root() {
        let (name, len) = header.pair(NAME);
        if let Some(translated) = translate_address(tracee, name, u64::from(len as u32), Last::Target).await? {
            header.set_pair(NAME, translated);
            changed = true;
        }
    }
    let claim = claim(tracee, &mut header).await?;
    if claim.is_none() && !changed {
        return Ok(Answer::Pass);
    }
    // The kernel reads the rest from a copy; another thread may change the program's own.
    let copy = tracee.aside()?.add(HEADER_AT);
    header.write(tracee, copy)?;
    // Before, since it may be received while this call returns.
    let others = tracee.others().filter(|others| claim.is_some_and(|sender| others.sends_as(sender)));
    let result = tracee.run(&call.with(Arg::In, copy.0)).await;
    if let (Some(others), Err(_)) = (others, result) {
        others.has_not_sent();
    }
    result.map(Answer::Value)
}

/// Whom a message claims to be from, if it does. Then the control messages of `header` are a copy that tells the truth.
///
/// # Errors
/// `EINVAL`, `EPERM`, `ESRCH`: it may not; those of scratch memory.
async fn claim<T: Tracee>(tracee: &T, header: &mut Header) -> Result<Option<Sender>, Errno> {
    let (control, len) = header.pair(CONTROL);
    // Of another length they are the kernel's to refuse.
    let found = find_credentials(tracee, (control, len)).filter(|(_, len)| *len == UCRED_LEN);
    let Some((at, _)) = found else { return Ok(None) };
    let Some(pid) = tracee.others().and_then(|others| others.pid()) else { return Ok(None) };
    if len > SCRATCH_LEN as u64 {
        return Ok(None);
    }
    let mut claim = [0; UCRED_LEN];
    tracee.read(at, &mut claim)?;
    let claim = Sender::new(&claim);
    if claim.uid == u32::MAX || claim.gid == u32::MAX {
        return Err(Errno::EINVAL);
    }
    if !claim.may_be_told_by(&tracee.creds(), pid) {
        return Err(Errno::EPERM);
    }
    if claim.pid != pid && !others::exists(tracee, claim.pid).await {
        return Err(Errno::ESRCH);
    }
    let copy = tracee.scratch()?;
    let mut piece = [0; 256];
    for done in (0..len).step_by(piece.len()) {
        let part = piece.len().min((len - done) as usize);
        let bytes = piece.get_mut(..part).ok_or(Errno::EFAULT)?;
        tracee.read(control.add(done), bytes)?;
        tracee.write(copy.add(done), bytes)?;
    }
    let settings = tracee.settings();
    let truth = Sender { pid, uid: settings.real_uid, gid: settings.real_gid };
    tracee.write(copy.add(at.0 - control.0), &truth.bytes())?;
    header.set_pair(CONTROL, (copy, len));
    Ok(Some(claim))
}

/// recvmsg(2).
pub async fn recvmsg<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let at = call.addr(Arg::Out);
    match Header::read(tracee, at).map(|header| header.pair(CONTROL)) {
        Ok((control, len)) if !control.is_null() && len != 0 => {}
        _ => return Ok(Answer::Pass),
    }
    let result = tracee.run(call).await?;
    // It tells how long they are now.
    let received = Header::read(tracee, at)?.pair(CONTROL);
    if let (Some((at, len)), Some(others)) = (find_credentials(tracee, received), tracee.others()) {
        // What had no room is cut off.
        let len = len.min(UCRED_LEN);
        let mut real = [0; UCRED_LEN];
        tracee.read(at, real.get_mut(..len).unwrap_or_default())?;
        let real = Sender::new(&real);
        // The kernel itself is nobody.
        if real.pid != 0 {
            let peek = call.int(Arg::Flags) as i32 & libc::MSG_PEEK != 0;
            let told = others.received_from(real.pid, peek).unwrap_or_else(|| sender(tracee, others, real));
            tracee.write(at, told.bytes().get(..len).unwrap_or_default())?;
        }
    }
    Ok(Answer::Value(result))
}

/// Whom the kernel would tell a message to be from that does not say it itself.
fn sender<T: Tracee>(tracee: &T, others: &dyn Others, real: Sender) -> Sender {
    let (uid, gid) = match others.creds(real.pid) {
        Some(creds) => (creds.uid.real, creds.gid.real),
        None => view::unknown_ids(tracee, real.uid, real.gid),
    };
    Sender { pid: real.pid, uid, gid }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_root_may_tell_ids_of_its_own_only() {
        let mut creds = Creds::root(40);
        let foreign = Sender { pid: 1, uid: 5, gid: 6 };
        assert!(foreign.may_be_told_by(&creds, 7));
        creds.caps.effective = 0;
        creds.uid = Ids { real: 1, effective: 2, saved: 3, fs: 4 };
        creds.gid = Ids::all(9);
        let own = Sender { pid: 7, uid: 3, gid: 9 };
        assert!(own.may_be_told_by(&creds, 7));
        assert!(!Sender { uid: 4, ..own }.may_be_told_by(&creds, 7));
        assert!(!Sender { gid: 0, ..own }.may_be_told_by(&creds, 7));
        assert!(!Sender { pid: 1, ..own }.may_be_told_by(&creds, 7));
    }
}
