//! /dev of another root, as builders make it: nodes, mounts and links.

use std::ffi::{CStr, CString};

use libc::{AT_FDCWD, MS_BIND, MS_REC, O_RDONLY, O_RDWR};

use super::cases;
use super::mounts::{apart, enter, tree};
use crate::seen::show;
use crate::stage::{dir, in_child, symlink};
use crate::sys::{self, NULL};

cases![devices_of_a_bound_directory, devices_as_builders_have_them];

fn devices_of_a_bound_directory() {
    tree();
    dir(c"r/dev");
    apart(|| {
        must!(mount(c"/dev", c"r/dev", NULL, MS_BIND | MS_REC, NULL));
        enter();
        for path in [c"/dev/null", c"/dev/zero", c"/dev/../f"] {
            show(path);
        }
        let fd = must!(openat(AT_FDCWD, c"/dev/zero", O_RDONLY, 0)) as i32;
        let mut byte = [1u8];
        let _ = call!(read(fd, &mut byte[..], 1));
        println!("{byte:?}");
    });
}

/// The devices that programs want, by what builders make of them: nodes, mounts and links.
fn devices_as_builders_have_them() {
    tree();
    for path in [c"r/dev", c"r/dev/pts", c"r/dev/shm"] {
        dir(path);
    }
    for (path, target) in
        [(c"r/dev/fd", c"/proc/self/fd"), (c"r/dev/stdin", c"/proc/self/fd/0"), (c"r/dev/stdout", c"/proc/self/fd/1")]
    {
        symlink(target, path);
    }
    for (path, minor) in
        [(c"r/dev/null", 3), (c"r/dev/zero", 5), (c"r/dev/full", 7), (c"r/dev/random", 8), (c"r/dev/urandom", 9)]
    {
        must!(mknodat(AT_FDCWD, path, libc::S_IFCHR | 0o666, 0x100 + minor));
    }
    must!(mknodat(AT_FDCWD, c"r/dev/ptmx", libc::S_IFCHR | 0o666, 0x502));
    apart(|| {
        must!(mount(c"proc", c"r/proc", c"proc", 0, NULL));
        must!(mount(c"devpts", c"r/dev/pts", c"devpts", 0, c"ptmxmode=666,mode=620"));
        must!(mount(c"shm", c"r/dev/shm", c"tmpfs", 0, c"mode=1777"));
        enter();
        let mut bytes = [1u8; 4];
        for path in [c"/dev/null", c"/dev/zero", c"/dev/full", c"/dev/urandom", c"/dev/random"] {
            let fd = must!(openat(AT_FDCWD, path, O_RDWR, 0)) as i32;
            println!("{path:?}");
            let read = quiet!(read(fd, &mut bytes[..], 4)).map_err(sys::errno::name);
            println!("{read:?} {:?}", quiet!(write(fd, &[0u8], 1)).map_err(sys::errno::name));
        }
        // A file in memory that all processes of the root see.
        let fd = must!(openat(AT_FDCWD, c"/dev/shm/segment", O_RDWR | libc::O_CREAT | libc::O_EXCL, 0o600)) as i32;
        must!(write(fd, b"shared", 6));
        in_child(|| println!("{:?}", std::fs::read_to_string("/dev/shm/segment").ok()));
        must!(unlinkat(AT_FDCWD, c"/dev/shm/segment", 0));
        // Open files by their numbers.
        let fd = must!(openat(AT_FDCWD, c"/e", O_RDONLY, 0)) as i32;
        let name = CString::new(format!("/dev/fd/{fd}")).unwrap_or_default();
        println!("{:?}", std::fs::read_link(name.to_string_lossy().into_owned()).ok());
        println!("{:?}", quiet!(openat(AT_FDCWD, &*name, O_RDONLY, 0)).is_ok());
        println!("{:?}", std::fs::read_link("/dev/stdout").ok());
        terminal(c"/dev/ptmx");
        terminal(c"/dev/pts/ptmx");
    });
}

/// A pair of a new terminal.
fn terminal(path: &CStr) {
    let Ok(main) = quiet!(openat(AT_FDCWD, path, O_RDWR | libc::O_NOCTTY, 0)) else {
        println!("{path:?} cannot be opened");
        return;
    };
    let (mut number, mut unlock) = (0u32, 0i32);
    // SAFETY: both integers outlive the calls, which read or write one each.
    let (numbered, unlocked) = unsafe {
        (
            libc::ioctl(main as i32, libc::TIOCGPTN, &raw mut number),
            libc::ioctl(main as i32, libc::TIOCSPTLCK, &raw mut unlock),
        )
    };
    let name = CString::new(format!("/dev/pts/{number}")).unwrap_or_default();
    let other = quiet!(openat(AT_FDCWD, &*name, O_RDWR | libc::O_NOCTTY, 0));
    println!("{path:?} {numbered} {unlocked} opened: {}", other.is_ok());
    let Ok(other) = other else { return };
    must!(write(main as i32, b"typed\n", 6));
    let mut line = [0u8; 16];
    let len = must!(read(other as i32, &mut line[..], 16));
    println!("{:?}", String::from_utf8_lossy(&line[..len.min(16)]));
    // SAFETY: no memory is involved.
    println!("a terminal: {}", unsafe { libc::isatty(other as i32) });
    let is_named = std::fs::read_link(format!("/proc/self/fd/{other}"))
        .is_ok_and(|link| link.as_os_str() == &*name.to_string_lossy());
    println!("named: {is_named}");
}
