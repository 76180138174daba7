//! Calls of a process with another root whose arguments are more than a path: they find what they would find for root. The
//! trees are those of `roots`.

use std::ffi::CStr;

use libc::{AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_CREAT, O_RDONLY, O_WRONLY, S_IFCHR, S_IFIFO};

use super::cases;
use super::roots::{inside, opened, tree};
use crate::seen::{self, show};
use crate::stage::{as_user, fork, open_dir, tell_end};
use crate::sys::{self, ok_or_errno};

cases![
    ownership_and_nodes_inside,
    xattrs_and_times_inside,
    access_inside,
    openat2_inside,
    openat2_refuses_links,
    sockets_inside,
    watches_inside,
    fifos_block_inside,
];

fn ownership_and_nodes_inside() {
    tree();
    inside(|| {
        let _ = call!(fchownat(AT_FDCWD, c"/absolute/g", 1000, 2000, 0));
        let _ = call!(fchownat(AT_FDCWD, c"/to-file", 3000, 3000, AT_SYMLINK_NOFOLLOW));
        let _ = call!(fchownat(AT_FDCWD, c"/to-file", 4000, 4000, 0));
        let _ = call!(fchmodat(AT_FDCWD, c"/absolute", 0o2750));
        let _ = call!(fchmodat(AT_FDCWD, c"/", 0o711));
        let _ = call!(mknodat(AT_FDCWD, c"/null", S_IFCHR | 0o666, 0x103));
        let _ = call!(mknodat(AT_FDCWD, c"/absolute/zero", S_IFCHR | 0o600, 0x105));
        for path in [c"/d/g", c"/to-file", c"/f", c"/d", c"/", c"/null", c"/d/zero"] {
            show(path);
        }
        let fd = must!(openat(AT_FDCWD, c"/null", libc::O_RDWR, 0)) as i32;
        let mut byte = [1u8];
        let _ = call!(write(fd, &byte, 1));
        let _ = call!(read(fd, &mut byte[..], 1));
        let fd = must!(openat(AT_FDCWD, c"/d/zero", libc::O_RDWR, 0)) as i32;
        let _ = call!(read(fd, &mut byte[..], 1));
        println!("{byte:?}");
        let _ = call!(truncate(c"/absolute/g", 3));
        let _ = call!(truncate(c"/null", 0));
        show(c"/d/g");
        let _ = call!(mkdirat(AT_FDCWD, c"/d/inherits", 0o755));
        show(c"/d/inherits");
    });
    show(c"r/d/g");
    show(c"r/null");
}

fn xattrs_and_times_inside() {
    tree();
    inside(|| {
        let _ = call!(setxattr(c"/absolute/g", c"trusted.a", b"value", 5, 0));
        let mut text = [0u8; 64];
        let _ = call!(getxattr(c"/d/g", c"trusted.a", &mut text[..], 64));
        let _ = call!(lgetxattr(c"/to-file", c"trusted.a", &mut text[..], 64));
        let _ = call!(listxattr(c"/relative/g", &mut text[..], 64));
        let _ = call!(removexattr(c"/d/g", c"trusted.a"));
        let _ = call!(removexattr(c"/nothing/g", c"trusted.a"));
        let times = [[1u64, 0], [2, 0]];
        let _ = ok_or_errno("utimensat", quiet!(utimensat(AT_FDCWD, c"/absolute/g", &times, 0)));
        let mut stx: libc::statx = seen::blank();
        must!(statx(AT_FDCWD, c"/d/g", 0, libc::STATX_BASIC_STATS, &mut stx));
        println!("{}", stx.stx_mtime.tv_sec != 0);
    });
}

fn access_inside() {
    tree();
    inside(|| {
        must!(fchmodat(AT_FDCWD, c"/d/g", 0o640));
        for path in [c"/absolute/g", c"/secret", c"/to-file", c"/dangling", c"/loop1", c"/d/", c"/f/"] {
            let _ = ok_or_errno(&format!("access {path:?}"), quiet!(faccessat(AT_FDCWD, path, libc::R_OK)));
            let _ = ok_or_errno(&format!("execute {path:?}"), quiet!(faccessat(AT_FDCWD, path, libc::X_OK)));
        }
        as_user(1000, || {
            for path in [c"/absolute/g", c"/to-file"] {
                let _ = ok_or_errno(&format!("access {path:?}"), quiet!(faccessat(AT_FDCWD, path, libc::R_OK)));
            }
        });
    });
}

fn openat2_inside() {
    tree();
    inside(|| {
        let top = open_dir(c"/d");
        for (resolve, name) in [(0, "plain"), (0x08, "beneath"), (0x10, "in root")] {
            for path in [c"/absolute/g", c"g", c"../f", c"e/up", c"/g", c"parent/f"] {
                let how = [O_RDONLY as u64, 0, resolve];
                opened(&format!("{name} {path:?}"), quiet!(openat2(top, path, &how, 24)));
            }
        }
        let how = [O_RDONLY as u64, 0, 0x02];
        opened("no magic links", quiet!(openat2(AT_FDCWD, c"/absolute/g", &how, 24)));
        let how = [(O_WRONLY | O_CREAT) as u64, 0o604, 0];
        opened("made", quiet!(openat2(AT_FDCWD, c"/maker", &how, 24)));
        show(c"/made-by-link");
    });
}

/// With `RESOLVE_NO_SYMLINKS` and the like, whose names the kernel never sees as they are.
fn openat2_refuses_links() {
    tree();
    inside(|| {
        let below = open_dir(c"/d");
        for (resolve, name) in
            [(0x04, "no symlinks"), (0x02, "no magic links"), (0x01, "no other mounts"), (0x07, "all")]
        {
            for path in [
                c"/d/g",
                c"/absolute/g",
                c"/relative/g",
                c"/to-file",
                c"/d/../f",
                c"/../f",
                c"/absolute/..",
                c"/dangling",
                c"/loop1",
                c"/nothing/f",
                c"/f/x",
                c".",
                c"/",
                c"e/up",
                c"/d/e/up/",
            ] {
                for (flags, how) in
                    [(O_RDONLY, "read"), (libc::O_PATH | libc::O_NOFOLLOW, "path"), (O_WRONLY | O_CREAT, "make")]
                {
                    let mode = if flags & O_CREAT != 0 { 0o600 } else { 0 };
                    let asked = [flags as u64, mode, resolve];
                    opened(&format!("{name} {how} {path:?}"), quiet!(openat2(AT_FDCWD, path, &asked, 24)));
                    opened(&format!("{name} {how} below {path:?}"), quiet!(openat2(below, path, &asked, 24)));
                }
            }
        }
        for resolve in [0x40u64, 0x44, 0x18, 0x0c] {
            let asked = [O_RDONLY as u64, 0, resolve];
            opened(&format!("{resolve:#x}"), quiet!(openat2(below, c"/f", &asked, 24)));
            opened(&format!("{resolve:#x} through a link"), quiet!(openat2(below, c"e/up", &asked, 24)));
        }
        show(c"/nowhere");
    });
}

fn address(path: &CStr) -> (libc::sockaddr_un, usize) {
    let mut address = libc::sockaddr_un { sun_family: libc::AF_UNIX as libc::sa_family_t, sun_path: [0; 108] };
    for (to, from) in address.sun_path.iter_mut().zip(path.to_bytes()) {
        *to = *from as libc::c_char;
    }
    (address, 2 + path.to_bytes().len() + 1)
}

fn socket_names(label: &CStr, server: i32, client: i32) {
    for (what, fd, peer) in [("own", server, false), ("peer", client, true), ("own", client, false)] {
        for room in [110u32, 9, 2] {
            let (mut address, mut len) = (address(c"").0, room);
            let at = (&raw mut address).cast();
            // SAFETY: the address outlives the call and is as long as it says.
            let result =
                unsafe { if peer { libc::getpeername(fd, at, &mut len) } else { libc::getsockname(fd, at, &mut len) } };
            let path: Vec<u8> = address.sun_path.iter().take(12).map(|byte| *byte as u8).collect();
            println!("{label:?} {what} {result} {len} {:?}", String::from_utf8_lossy(&path));
        }
    }
}

fn sockets_inside() {
    tree();
    inside(|| {
        let stream = || must!(socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)) as i32;
        let (bound, len) = address(c"/absolute/s");
        let server = stream();
        let _ = call!(bind(server, &bound, len));
        let _ = call!(bind(stream(), &bound, len));
        show(c"/d/s");
        // SAFETY: no memory is involved.
        println!("listen {}", unsafe { libc::listen(server, 5) });
        for path in [c"/d/s", c"d/s", c"/relative/s", c"/secret", c"/nothing", c"/f", c"/nothing/s"] {
            let (to, len) = address(path);
            let client = stream();
            // SAFETY: the address outlives the call and is as long as it says.
            let result = unsafe { libc::connect(client, (&raw const to).cast(), len as u32) };
            if result == 0 {
                socket_names(path, server, client);
            }
            println!("connect {path:?} {:?}", sys::libc_result(result.into()).map_err(sys::errno::name));
        }
        let (bound, len) = address(c"/dangling");
        let _ = call!(bind(stream(), &bound, len));
        let (bound, len) = address(c"/nothing/s");
        let _ = call!(bind(stream(), &bound, len));
        let receiver = must!(socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0)) as i32;
        let (bound, len) = address(c"/relative/g-socket");
        let _ = call!(bind(receiver, &bound, len));
        let sender = must!(socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0)) as i32;
        let (mut to, len) = address(c"/absolute/g-socket");
        // SAFETY: all memory outlives the calls and is as long as they say.
        unsafe {
            println!(
                "sendto {}",
                libc::sendto(sender, b"abc".as_ptr().cast(), 3, 0, (&raw const to).cast(), len as u32)
            );
            let mut part = libc::iovec { iov_base: b"defg".as_ptr().cast_mut().cast(), iov_len: 4 };
            let mut message: libc::msghdr = std::mem::zeroed();
            message.msg_name = (&raw mut to).cast();
            message.msg_namelen = len as u32;
            message.msg_iov = &raw mut part;
            message.msg_iovlen = 1;
            println!("sendmsg {}", libc::sendmsg(sender, &raw const message, 0));
            let mut text = [0u8; 16];
            println!("recv {}", libc::recv(receiver, text.as_mut_ptr().cast(), 16, 0));
            println!("recv {}", libc::recv(receiver, text.as_mut_ptr().cast(), 16, 0));
        }
    });
}

fn watches_inside() {
    tree();
    inside(|| {
        // SAFETY: no memory is involved.
        let watch = unsafe { libc::inotify_init() };
        for path in [c"/absolute", c"/to-file", c"/secret", c"/loop1", c"/f/"] {
            // SAFETY: the path is a terminated string.
            let result = unsafe { libc::inotify_add_watch(watch, path.as_ptr(), libc::IN_CREATE | libc::IN_MODIFY) };
            println!("{path:?} {:?}", sys::libc_result(result.into()).map_err(sys::errno::name));
        }
        opened("create", quiet!(openat(AT_FDCWD, c"/d/watched", O_WRONLY | O_CREAT, 0o644)));
        let mut event = [0u8; 256];
        let len = must!(read(watch, &mut event[..], 256));
        println!("{}", event[..len.min(256)].windows(7).any(|part| part == b"watched"));
    });
}

fn fifos_block_inside() {
    tree();
    inside(|| {
        must!(mknodat(AT_FDCWD, c"/absolute/fifo", S_IFIFO | 0o600, 0));
        let child = fork(|| {
            let fd = must!(openat(AT_FDCWD, c"/relative/fifo", O_WRONLY, 0)) as i32;
            must!(write(fd, b"through", 7));
        });
        let fd = must!(openat(AT_FDCWD, c"/d/fifo", O_RDONLY, 0)) as i32;
        let mut text = [0u8; 16];
        let _ = call!(read(fd, &mut text[..], 16));
        if let Ok(pid) = child {
            tell_end(pid);
        }
    });
}
