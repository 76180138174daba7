//! Who is at the other end of a socket: unix(7).
//!
//! The kernel keeps the credentials of whoever made a connection; what is faked is found by the process id in them. So a
//! process that gives up root after it has connected is taken for what it is now. A listener, which usually does so, is
//! remembered as it was.

mod message;

pub use message::{Sender, recvmsg, sendmsg};

use super::{Answer, Outcome, Tracee, TraceeExt, view};
use crate::call::{Arg, Call, Sys, TraceeAddr};
use crate::errno::Errno;

const PEERCRED: u32 = libc::SO_PEERCRED as u32;
/// `SO_PEERGROUPS` (`include/uapi/asm-generic/socket.h`).
const PEERGROUPS: u32 = 59;

/// The options to stop at, whatever their level.
pub const OPTIONS: &[u32] = &[PEERCRED, PEERGROUPS];

/// `NETLINK_AUDIT` (`include/uapi/linux/netlink.h`).
const NETLINK_AUDIT: u32 = 9;

/// The protocols of a new socket to stop at, whatever its family.
pub const PROTOCOLS: &[u32] = &[NETLINK_AUDIT];

/// Bytes of a `struct ucred`: process, user and group.
const UCRED_LEN: usize = 12;

/// The words of a `struct ucred`.
fn words(bytes: &[u8; UCRED_LEN]) -> [u32; 3] {
    let mut words = [0; 3];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = bytes.try_into().map_or(0, u32::from_ne_bytes);
    }
    words
}

/// A `struct ucred`.
fn bytes(words: [u32; 3]) -> [u8; UCRED_LEN] {
    let mut bytes = [0; UCRED_LEN];
    for (room, word) in bytes.chunks_exact_mut(4).zip(words) {
        room.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

/// getsockopt(2). `net/core/sock.c: sk_getsockopt`.
pub async fn getsockopt<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    if call.int(Arg::Int) as i32 != libc::SOL_SOCKET {
        return Ok(Answer::Pass);
    }
    let len_at = call.addr(Arg::Count);
    let mut len = [0; 4];
    // EFAULT, EINVAL.
    if tracee.read(len_at, &mut len).is_err() || i32::from_ne_bytes(len) < 0 {
        return Ok(Answer::Pass);
    }
    let room = i32::from_ne_bytes(len) as usize;
    let to = call.addr(Arg::Out);
    if call.int(Arg::Op) == PEERCRED {
        let peer = bytes(peer(tracee, call).await?);
        let told = peer.get(..room.min(UCRED_LEN)).unwrap_or_default();
        tracee.write(to, told)?;
        tracee.write(len_at, &(told.len() as u32).to_ne_bytes())?;
        return Ok(Answer::Value(0));
    }
    let by_creds = call.with(Arg::Op, PEERCRED.into());
    let [pid, ..] = peer(tracee, &by_creds).await?;
    let Some(others) = tracee.others().filter(|others| others.creds(pid as i32).is_some()) else {
        return Ok(Answer::Pass);
    };
    let count = (0..).take_while(|index| others.group(pid as i32, *index).is_some()).count();
    tracee.write(len_at, &(4 * count as u32).to_ne_bytes())?;
    if room < 4 * count {
        return Err(Errno::ERANGE);
    }
    for index in 0..count {
        let group = others.group(pid as i32, index).unwrap_or_default();
        tracee.write(to.add(4 * index as u64), &group.to_ne_bytes())?;
    }
    Ok(Answer::Value(0))
}

/// Process, user and group at the other end, by a getsockopt of `SO_PEERCRED`.
async fn peer<T: Tracee>(tracee: &T, call: &Call) -> Result<[u32; 3], Errno> {
    let scratch = tracee.scratch()?;
    let to = scratch.add(8);
    tracee.write(scratch, &(UCRED_LEN as u32).to_ne_bytes())?;
    tracee.run(&call.with(Arg::Out, to.0).with(Arg::Count, scratch.0)).await?;
    let mut told = [0; UCRED_LEN];
    tracee.read(to, &mut told)?;
    let [pid, uid, gid] = words(&told);
    if pid == 0 {
        // Nobody, or somebody in no namespace of ours.
        return Ok([pid, uid, gid]);
    }
    let others = tracee.others();
    let now = others.and_then(|others| others.creds(pid as i32));
    let listener = others.and_then(|others| others.creds_of_listener(pid as i32));
    let creds = match listener {
        Some(listener) if has_named_peer(tracee, call, scratch).await => Some(listener),
        _ => now,
    };
    let (uid, gid) =
        creds.map_or_else(|| view::unknown_ids(tracee, uid, gid), |creds| (creds.uid.effective, creds.gid.effective));
    Ok([pid, uid, gid])
}

/// Whether the other end has a name, as what has come of a listener has.
async fn has_named_peer<T: Tracee>(tracee: &T, call: &Call, scratch: TraceeAddr) -> bool {
    const FAMILY_LEN: u32 = size_of::<libc::sa_family_t>() as u32;
    let args = [call.word(Arg::Fd), scratch.add(8).0, scratch.0, 0, 0, 0];
    let mut len = [0; 4];
    tracee.write(scratch, &(size_of::<libc::sockaddr_un>() as u32).to_ne_bytes()).is_ok()
        && tracee.syscall(Sys::Getpeername, args).await.is_ok()
        && tracee.read(scratch, &mut len).is_ok()
        && u32::from_ne_bytes(len) > FAMILY_LEN
}

/// socket(2): the kernel would refuse all messages to its auditing, which programs like sudo complain about. Where it knows
/// no auditing they do without.
pub async fn socket<T: Tracee>(_tracee: &T, call: &Call) -> Outcome {
    let is_audit = call.nth(Arg::Int, 0) as i32 == libc::AF_NETLINK && call.int(Arg::Op) == NETLINK_AUDIT;
    if is_audit { Err(Errno::EPROTONOSUPPORT) } else { Ok(Answer::Pass) }
}

/// listen(2).
pub async fn listen<T: Tracee>(tracee: &T, _call: &Call) -> Outcome {
    if let Some(others) = tracee.others() {
        others.listens();
    }
    Ok(Answer::Pass)
}

/// `SYS_SOCKET` (`include/uapi/linux/net.h`).
const SYS_SOCKET: u32 = 1;
/// `SYS_BIND`.
pub(super) const SYS_BIND: u32 = 2;

/// They and others, with the number of their arguments.
const SUBCALLS: &[(u32, Sys, usize)] = &[
    (SYS_SOCKET, Sys::Socket, 3),
    (SYS_BIND, Sys::Bind, 3),
    (3, Sys::Connect, 3),
    (4, Sys::Listen, 2),
    (6, Sys::Getsockname, 3),
    (7, Sys::Getpeername, 3),
    (11, Sys::Sendto, 6),
    (15, Sys::Getsockopt, 5),
    (16, Sys::Sendmsg, 3),
    (17, Sys::Recvmsg, 3),
];

/// The operations of socketcall to stop at in any root.
pub const SOCKETCALLS: &[u32] = &[SYS_SOCKET, SYS_BIND, 4, 15, 16, 17];

/// socketcall(2), by which older 32-bit ABIs reach the calls on sockets. Its operand are their arguments in memory
/// (`net/socket.c`). Another thread may change these at any time, so they are read once, and the call is made with what
/// was read.
pub async fn socketcall<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let operation = call.int(Arg::Op);
    let Some((_, sys, count)) = SUBCALLS.iter().find(|(number, ..)| *number == operation) else {
        return Ok(Answer::Pass);
    };
    if !tracee.has_root() && !SOCKETCALLS.contains(&operation) {
        return Ok(Answer::Pass);
    }
    let mut args = [0; 6];
    for (index, arg) in args.iter_mut().enumerate().take(*count) {
        *arg = tracee.read_word(call.addr(Arg::In).add((index * tracee.abi().word_len()) as u64))?;
    }
    let mut unpacked = Call { sys: *sys, args };
    if tracee.has_root() {
        unpacked = super::root::translated(tracee, &unpacked).await?.call;
    }
    // Not by way of the table: a future cannot contain itself.
    let outcome = match sys {
        Sys::Socket => socket(tracee, &unpacked).await?,
        Sys::Bind => super::creation::bind(tracee, &unpacked).await?,
        Sys::Listen => listen(tracee, &unpacked).await?,
        Sys::Sendmsg => sendmsg(tracee, &unpacked).await?,
        Sys::Recvmsg => recvmsg(tracee, &unpacked).await?,
        Sys::Getsockopt if OPTIONS.contains(&unpacked.int(Arg::Op)) => getsockopt(tracee, &unpacked).await?,
        Sys::Getsockname | Sys::Getpeername => super::root::socket_name(tracee, &unpacked).await?,
        _ => Answer::Pass,
    };
    match outcome {
        Answer::Pass => tracee.run(&unpacked).await.map(Answer::Value),
        value => Ok(value),
    }
}
