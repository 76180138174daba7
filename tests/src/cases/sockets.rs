//! Who is at the other end of a socket: unix(7), net/core/sock.c and net/core/scm.c.

use libc::{
    AF_UNIX, MSG_PEEK, SCM_CREDENTIALS, SCM_RIGHTS, SO_PASSCRED, SO_PEERCRED, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET,
};

use super::cases;
use crate::stage::{as_user, drop_to, fork, in_child, open_ro, tell_end};
use crate::sys::{BAD, NULL, errno};

cases![
    peer_of_a_pair_is_its_maker,
    peer_of_a_pair_made_by_a_user,
    peer_of_a_connected_user,
    peer_of_a_user_that_has_ended,
    peer_of_a_listener_that_gave_up_root,
    peer_tells_effective_ids,
    peer_of_nobody,
    peer_of_short_buffers,
    groups_of_a_peer,
    other_levels_have_other_options,
    messages_tell_who_sent_them,
    messages_of_users,
    messages_tell_real_ids,
    root_tells_any_ids,
    root_tells_any_process,
    a_user_tells_its_own_ids_only,
    credentials_beside_descriptors,
    credentials_in_a_row,
    credentials_peeked_at,
    malformed_control_messages,
    control_messages_without_room,
];

/// `SO_PEERGROUPS`.
const SO_PEERGROUPS: i32 = 59;

/// Bytes of a `long`, by which control messages are aligned.
const WORD: usize = size_of::<usize>();

/// A pair of connected sockets.
fn pair(kind: i32) -> [i32; 2] {
    let mut ends = [0i32; 2];
    must!(socketpair(AF_UNIX, kind, 0, &mut ends));
    ends
}

/// Whose process an id is.
fn whose(pid: i32) -> &'static str {
    if pid == 0 {
        "nobody"
    } else if pid == std::process::id() as i32 {
        "this"
    } else if Ok(pid as usize) == quiet!(getppid()) {
        "the parent"
    } else {
        "another"
    }
}

fn tell_peer(label: &str, fd: i32) {
    let (mut creds, mut len) = ([0i32; 3], 12u32);
    match quiet!(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &mut creds, &mut len)) {
        Ok(_) => println!("{label}: {} {}:{} ({len} bytes)", whose(creds[0]), creds[1], creds[2]),
        Err(error) => println!("{label}: {}", errno::name(error)),
    }
}

fn tell_groups(label: &str, fd: i32, room: u32) {
    let (mut groups, mut len) = ([77u32; 16], room);
    let result = quiet!(getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, &mut groups, &mut len));
    println!("{label}: {} {len} {:?}", result.map_or_else(errno::name, |_| "ok".into()), &groups[..4]);
}

/// The address of a socket with this name in the working directory.
fn address(name: &std::ffi::CStr) -> ([u8; 110], usize) {
    let mut bytes = [0u8; 110];
    bytes[..2].copy_from_slice(&(AF_UNIX as u16).to_ne_bytes());
    bytes[2..2 + name.count_bytes()].copy_from_slice(name.to_bytes());
    (bytes, 2 + name.count_bytes())
}

/// A listening socket that everybody may connect to.
fn listener() -> i32 {
    let server = must!(socket(AF_UNIX, SOCK_STREAM, 0)) as i32;
    let (name, len) = address(c"s");
    must!(bind(server, &name, len));
    must!(fchmodat(libc::AT_FDCWD, c"s", 0o777));
    must!(fchmodat(libc::AT_FDCWD, c".", 0o777));
    must!(listen(server, 8));
    server
}

fn connected() -> i32 {
    let client = must!(socket(AF_UNIX, SOCK_STREAM, 0)) as i32;
    let (name, len) = address(c"s");
    must!(connect(client, &name, len));
    client
}

fn peer_of_a_pair_is_its_maker() {
    let [one, other] = pair(SOCK_STREAM);
    tell_peer("one", one);
    tell_peer("other", other);
    as_user(1000, || {
        tell_peer("child", one);
        tell_peer("child", other);
    });
    tell_peer("one", one);
}

fn peer_of_a_pair_made_by_a_user() {
    as_user(1000, || {
        let [one, other] = pair(SOCK_DGRAM);
        tell_peer("one", one);
        tell_peer("other", other);
    });
}

fn peer_of_a_connected_user() {
    let server = listener();
    let mut go = [0i32; 2];
    must!(pipe2(&mut go, 0));
    for uid in [0, 1000, 4_000_000_000u32] {
        let child = fork(|| {
            if uid != 0 {
                drop_to(uid);
            }
            let client = connected();
            let mut byte = [0u8; 1];
            must!(read(go[0], &mut byte, 1));
            tell_peer("client", client);
            must!(close(client));
        });
        let accepted = must!(accept4(server, NULL, NULL, 0)) as i32;
        tell_peer("server", accepted);
        must!(write(go[1], c"x", 1));
        tell_end(child.unwrap_or(0));
    }
}

fn peer_of_a_user_that_has_ended() {
    let server = listener();
    as_user(1000, || {
        connected();
    });
    let accepted = must!(accept4(server, NULL, NULL, 0)) as i32;
    tell_peer("server", accepted);
    tell_groups("server", accepted, 64);
}

fn peer_of_a_listener_that_gave_up_root() {
    let server = listener();
    in_child(|| {
        let client = connected();
        tell_peer("before", client);
    });
    must!(setresgid(1000, 1000, 1000));
    must!(setresuid(1000, 1000, 1000));
    in_child(|| {
        let client = connected();
        tell_peer("after", client);
    });
    let [one, _] = pair(SOCK_STREAM);
    tell_peer("a pair", one);
    must!(accept4(server, NULL, NULL, 0));
}

fn peer_tells_effective_ids() {
    in_child(|| {
        must!(setresgid(1, 2, 3));
        must!(setresuid(11, 12, 13));
        let [one, _] = pair(SOCK_STREAM);
        tell_peer("ids", one);
    });
}

fn peer_of_nobody() {
    let socket = must!(socket(AF_UNIX, SOCK_STREAM, 0)) as i32;
    tell_peer("unconnected", socket);
    tell_groups("unconnected", socket, 64);
    tell_peer("no socket", open_ro(c"."));
    tell_peer("nothing", 77);
    let inet = must!(socket(libc::AF_INET, SOCK_DGRAM, 0)) as i32;
    tell_peer("inet", inet);
}

fn peer_of_short_buffers() {
    let [one, _] = pair(SOCK_STREAM);
    for len in [0u32, 4, 7, 11, 13, 100] {
        let (mut bytes, mut len) = ([0xffu8; 100], len);
        let result = quiet!(getsockopt(one, SOL_SOCKET, SO_PEERCRED, &mut bytes, &mut len));
        println!("{:?} {len} {:?}", result.map_err(errno::name), &bytes[4..14]);
    }
    let mut len = -1i32;
    let mut bytes = [0u8; 12];
    let _ = call!(getsockopt(one, SOL_SOCKET, SO_PEERCRED, &mut bytes, &mut len));
    let _ = call!(getsockopt(one, SOL_SOCKET, SO_PEERCRED, &mut bytes, BAD));
    len = 12;
    let _ = call!(getsockopt(one, SOL_SOCKET, SO_PEERCRED, BAD, &mut len));
}

fn groups_of_a_peer() {
    in_child(|| {
        must!(setgroups(3, &[7u32, 5, 9]));
        let [one, _] = pair(SOCK_STREAM);
        tell_groups("enough", one, 64);
        tell_groups("just", one, 12);
        tell_groups("short", one, 8);
        must!(setgroups(0, NULL));
        let [one, _] = pair(SOCK_STREAM);
        tell_groups("none", one, 64);
    });
}

/// What has the number of an option of sockets.
fn other_levels_have_other_options() {
    let stream = must!(socket(libc::AF_INET, SOCK_STREAM, 0)) as i32;
    let (mut value, mut len) = ([0i32; 4], 16u32);
    for option in [SO_PEERCRED, SO_PEERGROUPS] {
        let result = quiet!(getsockopt(stream, libc::IPPROTO_TCP, option, &mut value, &mut len));
        println!("{:?}", result.map_err(errno::name));
    }
}

/// Control messages: each with its type and content.
fn control(messages: &[(i32, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, content) in messages {
        bytes.extend_from_slice(&(WORD + 8 + content.len()).to_ne_bytes());
        bytes.extend_from_slice(&SOL_SOCKET.to_ne_bytes());
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(WORD), 0);
    }
    bytes
}

fn ucred(pid: u32, uid: u32, gid: u32) -> Vec<u8> {
    [pid, uid, gid].iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Sends a byte with these control messages.
fn send(fd: i32, control: &[u8]) -> crate::sys::Result {
    let byte = [b'x'];
    let vector = [byte.as_ptr() as usize, 1];
    let header = [NULL, 0, vector.as_ptr() as usize, 1, control.as_ptr() as usize, control.len(), 0];
    quiet!(sendmsg(fd, &header, 0))
}

/// Receives a byte and tells the control messages that come with it.
fn receive(label: &str, fd: i32, flags: i32, room: usize) {
    let mut byte = [0u8];
    let mut control = vec![0u8; room];
    let vector = [byte.as_mut_ptr() as usize, 1];
    let mut header = [NULL, 0, vector.as_ptr() as usize, 1, control.as_mut_ptr() as usize, room, 0];
    if let Err(error) = quiet!(recvmsg(fd, &mut header, flags)) {
        println!("{label}: {}", errno::name(error));
        return;
    }
    println!("{label}: {} bytes of control messages, flags {:x}", header[5], header[6] as u32);
    let mut rest = &control[..header[5]];
    while rest.len() >= WORD + 8 {
        let mut len = [0; WORD];
        len.copy_from_slice(&rest[..WORD]);
        let len = usize::from_ne_bytes(len).min(rest.len());
        let words: Vec<i32> =
            rest[WORD..len].chunks_exact(4).map(|w| i32::from_ne_bytes([w[0], w[1], w[2], w[3]])).collect();
        match words[..] {
            [SOL_SOCKET, SCM_CREDENTIALS, pid, uid, gid] => {
                println!("{label}: from {} {}:{}", whose(pid), uid as u32, gid as u32);
            }
            [SOL_SOCKET, SCM_RIGHTS, ref fds @ ..] => println!("{label}: {} descriptors", fds.len()),
            [SOL_SOCKET, SCM_CREDENTIALS, pid, ref cut @ ..] => println!("{label}: from {} {cut:?}", whose(pid)),
            _ => println!("{label}: {words:?}"),
        }
        rest = &rest[len.next_multiple_of(WORD).min(rest.len())..];
    }
}

/// A pair, the second of which is told who sends.
fn passing(kind: i32) -> [i32; 2] {
    let ends = pair(kind);
    must!(setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &1i32, 4));
    ends
}

fn messages_tell_who_sent_them() {
    let [from, to] = passing(SOCK_DGRAM);
    let _ = crate::sys::try_("send", send(from, &[]));
    receive("root", to, 0, 64);
    must!(write(from, c"x", 1));
    receive("written", to, 0, 64);
    // Not asked for.
    must!(write(to, c"x", 1));
    receive("not asked", from, 0, 64);
}

fn messages_of_users() {
    let [from, to] = passing(SOCK_DGRAM);
    as_user(1000, || {
        let _ = crate::sys::try_("send", send(from, &[]));
        receive("itself", to, 0, 64);
        let _ = crate::sys::try_("send", send(from, &[]));
    });
    receive("parent", to, 0, 64);
}

fn messages_tell_real_ids() {
    let [from, to] = passing(SOCK_DGRAM);
    in_child(|| {
        must!(setresgid(1, 2, 3));
        must!(setresuid(11, 12, 13));
        let _ = crate::sys::try_("send", send(from, &[]));
        receive("ids", to, 0, 64);
    });
}

fn root_tells_any_ids() {
    let [from, to] = passing(SOCK_DGRAM);
    let pid = std::process::id();
    for (uid, gid) in [(0, 0), (1000, 1001), (4_000_000_000, 7)] {
        let _ = crate::sys::try_("send", send(from, &control(&[(SCM_CREDENTIALS, &ucred(pid, uid, gid))])));
        receive("root", to, 0, 64);
    }
    let _ = crate::sys::try_("send", send(from, &control(&[(SCM_CREDENTIALS, &ucred(pid, u32::MAX, 0))])));
    let _ = crate::sys::try_("send", send(from, &control(&[(SCM_CREDENTIALS, &ucred(pid, 0, u32::MAX))])));
}

fn root_tells_any_process() {
    let [from, to] = passing(SOCK_DGRAM);
    let parent = must!(getppid()) as u32;
    let _ = crate::sys::try_("send", send(from, &control(&[(SCM_CREDENTIALS, &ucred(parent, 5, 6))])));
    receive("root", to, 0, 64);
    let _ = crate::sys::try_("send", send(from, &control(&[(SCM_CREDENTIALS, &ucred(0x3fff_ffff, 5, 6))])));
}

fn a_user_tells_its_own_ids_only() {
    let [from, to] = passing(SOCK_DGRAM);
    in_child(|| {
        must!(setgroups(1, &[9u32]));
        must!(setresgid(1, 2, 3));
        must!(setresuid(11, 12, 13));
        let pid = std::process::id();
        for (uid, gid) in [(11, 1), (12, 2), (13, 3), (0, 1), (11, 0), (14, 1), (11, 9)] {
            let sent = send(from, &control(&[(SCM_CREDENTIALS, &ucred(pid, uid, gid))]));
            if crate::sys::try_("send", sent).is_ok() {
                receive("user", to, 0, 64);
            }
        }
        let parent = must!(getppid()) as u32;
        let _ = crate::sys::try_("send", send(from, &control(&[(SCM_CREDENTIALS, &ucred(parent, 11, 1))])));
    });
}

fn credentials_beside_descriptors() {
    let [from, to] = passing(SOCK_DGRAM);
    let creds = ucred(std::process::id(), 5, 6);
    let fds: Vec<u8> = [from, to, from].iter().flat_map(|fd| fd.to_ne_bytes()).collect();
    let _ = crate::sys::try_("send", send(from, &control(&[(SCM_RIGHTS, &fds), (SCM_CREDENTIALS, &creds)])));
    receive("behind", to, 0, 128);
    let _ = crate::sys::try_("send", send(from, &control(&[(SCM_CREDENTIALS, &creds), (SCM_RIGHTS, &fds)])));
    receive("before", to, 0, 128);
    let _ = crate::sys::try_("send", send(from, &control(&[(SCM_RIGHTS, &fds)])));
    receive("none", to, 0, 128);
}

fn credentials_in_a_row() {
    let [from, to] = passing(SOCK_DGRAM);
    for uid in 1..4 {
        let _ =
            crate::sys::try_("send", send(from, &control(&[(SCM_CREDENTIALS, &ucred(std::process::id(), uid, 7))])));
    }
    for _ in 1..4 {
        receive("row", to, 0, 64);
    }
}

fn credentials_peeked_at() {
    let [from, to] = passing(SOCK_STREAM);
    let _ = crate::sys::try_("send", send(from, &control(&[(SCM_CREDENTIALS, &ucred(std::process::id(), 8, 7))])));
    receive("peek", to, MSG_PEEK, 64);
    receive("take", to, 0, 64);
}

fn malformed_control_messages() {
    let [from, _] = passing(SOCK_DGRAM);
    let creds = ucred(std::process::id(), 5, 6);
    let whole = control(&[(SCM_CREDENTIALS, &creds)]);
    let _ = crate::sys::try_("short", send(from, &control(&[(SCM_CREDENTIALS, &creds[..8])])));
    let _ = crate::sys::try_("long", send(from, &control(&[(SCM_CREDENTIALS, &[&creds[..], &creds].concat())])));
    let _ = crate::sys::try_("cut", send(from, &whole[..whole.len() - 8]));
    let _ = crate::sys::try_("header only", send(from, &whole[..WORD + 4]));
    let header = [NULL, 0, NULL, 0, BAD, 64, 0];
    let _ = call!(sendmsg(from, &header, 0));
    let _ = call!(sendmsg(from, BAD, 0));
    let _ = call!(recvmsg(from, BAD, 0));
}

fn control_messages_without_room() {
    let [from, to] = passing(SOCK_DGRAM);
    for room in [0, WORD, WORD + 8, WORD + 16, WORD + 20] {
        must!(write(from, c"x", 1));
        receive("short", to, 0, room);
    }
}
