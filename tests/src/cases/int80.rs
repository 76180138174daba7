//! Calls of the i386 table issued by 64-bit code, with `int $0x80`: other numbers, 32-bit arguments, 64-bit registers.

use std::ffi::CStr;

use frng_core::call::Sys;
use libc::{AF_UNIX, AT_FDCWD, O_CREAT, O_EXCL, O_RDWR, S_IFCHR, SOCK_STREAM};

use super::cases;
use crate::seen::show;
use crate::stage::{as_user, dir, file, in_child, in_thread, mode};
use crate::sys::gate::Gate;

cases![
    ids_are_faked,
    owners_are_remembered_by_both_tables,
    stat64_shows_what_is_faked,
    files_are_made,
    inherited_groups_are_seen_to,
    devices_are_made_and_met,
    modes_are_changed,
    both_tables_in_turn,
    in_a_child_and_in_a_thread,
    in_threads_at_once,
    socketcall_bind,
    times_are_set,
    a_user_is_refused,
    execve_takes_pointers_of_32_bits,
    io_submit_takes_pointers_of_32_bits,
    filters_are_pretended,
    children_keep_their_registers,
];

/// Plays a scene where there is another ABI of 32 bits to enter. Elsewhere the harness does not run these cases.
fn with_gate(scene: impl FnOnce(&mut Gate)) {
    match Gate::new() {
        Some(mut gate) => scene(&mut gate),
        None => println!("(not on this CPU)"),
    }
}

/// Issues a call and prints it with its result.
fn tell(gate: &mut Gate, what: &str, sys: Sys, args: &[u32]) -> i32 {
    let result = gate.call(sys, args);
    println!("{what} = {}", if result < 0 { crate::sys::errno::name(-result) } else { result.to_string() });
    result
}

fn ids_are_faked() {
    with_gate(|gate| {
        tell(gate, "getuid16", Sys::Getuid16, &[]);
        tell(gate, "getuid", Sys::Getuid, &[]);
        tell(gate, "setresgid", Sys::Setresgid, &[1, 70_002, 3]);
        tell(gate, "setresuid16", Sys::Setresuid16, &[4, 5, 0xffff]);
        tell(gate, "getegid16", Sys::Getegid16, &[]);
        tell(gate, "getegid", Sys::Getegid, &[]);
        tell(gate, "geteuid", Sys::Geteuid, &[]);
        super::identity::show_ids("64 bits");
    });
}

fn owners_are_remembered_by_both_tables() {
    file(c"f");
    with_gate(|gate| {
        let path = gate.text(c"f");
        tell(gate, "chown", Sys::Chown, &[path, 70_001, 2000]);
        show(c"f");
        tell(gate, "chown16", Sys::Chown16, &[path, 0xffff, 7]);
        show(c"f");
        tell(gate, "fchownat", Sys::Fchownat, &[AT_FDCWD as u32, path, 8, u32::MAX, 0]);
        show(c"f");
        let missing = gate.text(c"missing");
        tell(gate, "chown", Sys::Chown, &[missing, 1, 1]);
        tell(gate, "chown", Sys::Chown, &[0x10, 1, 1]);
    });
}

/// The child of a call with a flag that is taken away goes on with all its registers: the gate tells if upper halves are lost.
fn children_keep_their_registers() {
    with_gate(|gate| {
        for flag in [0, libc::CLONE_UNTRACED, libc::CLONE_NEWUTS] {
            let own = std::process::id();
            let result = gate.call(Sys::Clone, &[(flag | libc::SIGCHLD) as u32, 0, 0, 0, 0]);
            if std::process::id() != own {
                // SAFETY: leaves without the parent's exit handlers.
                unsafe { libc::_exit(result) }
            }
            println!("{flag:#x} {}", result > 0);
            crate::stage::tell_end(result);
        }
    });
}

/// `struct stat64`: mode, links, owner, device number, size.
fn stat64(gate: &mut Gate, path: &CStr) {
    let at = gate.text(path);
    let buffer = gate.room(96);
    if tell(gate, "stat64", Sys::Stat64, &[at, buffer]) == 0 {
        let bytes = gate.bytes(buffer, 96);
        let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let [mode, nlink, uid, gid, rdev, size] = [16, 20, 24, 28, 32, 44].map(word);
        println!("mode {mode:o} nlink {nlink} owner {uid}:{gid} rdev {rdev:#x} size {size}");
    }
}

fn stat64_shows_what_is_faked() {
    file(c"f");
    let _ = quiet!(fchownat(AT_FDCWD, c"f", 70_001, 2000, 0));
    must!(mknodat(AT_FDCWD, c"n", S_IFCHR | 0o640, 0x4560_1278));
    with_gate(|gate| {
        stat64(gate, c"f");
        stat64(gate, c"n");
        stat64(gate, c"missing");
        stat64(gate, c"/dev/null");
    });
}

fn files_are_made() {
    with_gate(|gate| {
        let path = gate.text(c"f");
        let flags = (O_CREAT | O_EXCL | O_RDWR) as u32;
        let fd = gate.call(Sys::Open, &[path, flags, 0o4711]);
        println!("open is {}", if fd >= 0 { "ok" } else { "not" });
        show(c"f");
        tell(gate, "fchown", Sys::Fchown, &[fd as u32, 5, 6]);
        show(c"f");
        tell(gate, "open", Sys::Open, &[path, flags, 0o4711]);
        let directory = gate.text(c"d");
        tell(gate, "mkdir", Sys::Mkdir, &[directory, 0o1070]);
        show(c"d");
        tell(gate, "unlink", Sys::Unlink, &[path]);
        show(c"f");
    });
}

fn inherited_groups_are_seen_to() {
    dir(c"d");
    let _ = quiet!(fchownat(AT_FDCWD, c"d", 0, 4000, 0));
    mode(c"d", 0o2777);
    with_gate(|gate| {
        let (file, directory) = (gate.text(c"d/f"), gate.text(c"d/d"));
        tell(gate, "mkdir", Sys::Mkdir, &[directory, 0o700]);
        tell(gate, "mknod", Sys::Mknod, &[file, libc::S_IFREG | 0o640, 0]);
        show(c"d/f");
        show(c"d/d");
    });
}

fn devices_are_made_and_met() {
    with_gate(|gate| {
        let (null, other) = (gate.text(c"null"), gate.text(c"other"));
        tell(gate, "mknod", Sys::Mknod, &[null, S_IFCHR | 0o666, 0x103]);
        tell(gate, "mknod", Sys::Mknod, &[other, S_IFCHR | 0o600, 0x1234]);
        show(c"null");
        show(c"other");
        let fd = gate.call(Sys::Open, &[null, O_RDWR as u32, 0]);
        println!("null opens {}", fd >= 0);
        let mut byte = [0u8; 1];
        let _ = call!(read(fd, &mut byte, 1));
        let _ = call!(write(fd, &byte, 1));
        tell(gate, "truncate64", Sys::Truncate64, &[other, 5, 0]);
    });
}

fn modes_are_changed() {
    file(c"f");
    with_gate(|gate| {
        let path = gate.text(c"f");
        for mode in [0o6755, 0o000, 0o444] {
            tell(gate, "chmod", Sys::Chmod, &[path, mode]);
            show(c"f");
        }
        tell(gate, "access", Sys::Access, &[path, 2]);
        tell(gate, "access", Sys::Access, &[path, 1]);
        tell(gate, "umask", Sys::Umask, &[0o077]);
        let _ = call!(umask(0o022));
    });
}

fn both_tables_in_turn() {
    file(c"f");
    with_gate(|gate| {
        let path = gate.text(c"f");
        for id in 1..20 {
            let _ = quiet!(fchownat(AT_FDCWD, c"f", id, 100 + id, 0));
            gate.call(Sys::Chown, &[path, u32::MAX, 200 + id]);
            let _ = quiet!(fchmodat(AT_FDCWD, c"f", 0o600 + id));
            gate.call(Sys::Chmod, &[path, 0o640 + id]);
        }
        stat64(gate, c"f");
        show(c"f");
    });
}

fn in_a_child_and_in_a_thread() {
    file(c"f");
    with_gate(|gate| {
        in_child(|| {
            let path = gate.text(c"f");
            tell(gate, "chown", Sys::Chown, &[path, 1, 2]);
            show(c"f");
        });
        in_thread(|| stat64(gate, c"f"));
        stat64(gate, c"f");
    });
}

fn in_threads_at_once() {
    with_gate(|gate| {
        let gate = &*gate;
        let ids = std::sync::Mutex::new(std::collections::BTreeMap::new());
        let start = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..5 {
                        let id = gate.call(Sys::Getuid16, &[]);
                        *ids.lock().expect("nobody panics").entry(id).or_insert(0) += 1;
                    }
                });
            }
        });
        println!("{:?}", ids.into_inner());
    });
}

fn socketcall_bind() {
    dir(c"d");
    mode(c"d", 0o777);
    with_gate(|gate| {
        let fd = must!(socket(AF_UNIX, SOCK_STREAM, 0)) as u32;
        let address = gate.room(16);
        gate.put(address, &[&(AF_UNIX as u16).to_ne_bytes()[..], b"d/s\0"].concat());
        let words = gate.room(12);
        gate.put(words, &[fd, address, 6].map(u32::to_ne_bytes).concat());
        let _ = quiet!(setfsuid(5));
        let _ = quiet!(setfsgid(6));
        tell(gate, "socketcall", Sys::Socketcall, &[2, words]);
        show(c"d/s");
        tell(gate, "socketcall", Sys::Socketcall, &[2, 0x10]);
    });
}

fn times_are_set() {
    file(c"f");
    with_gate(|gate| {
        let (path, times) = (gate.text(c"f"), gate.room(32));
        gate.put(times, &[5i64, 6, 7, 8 | 1 << 40].map(i64::to_ne_bytes).concat());
        tell(gate, "utimensat_time64", Sys::UtimensatTime64, &[AT_FDCWD as u32, path, times, 0]);
        let mut stx: libc::statx = crate::seen::blank();
        let _ = quiet!(statx(AT_FDCWD, c"f", 0, libc::STATX_BASIC_STATS, &mut stx));
        println!("{} {} {}", stx.stx_atime.tv_sec, stx.stx_mtime.tv_sec, stx.stx_mtime.tv_nsec);
    });
}

fn a_user_is_refused() {
    file(c"f");
    with_gate(|gate| {
        as_user(1000, || {
            let path = gate.text(c"f");
            tell(gate, "chown16", Sys::Chown16, &[path, 1000, 1000]);
            tell(gate, "setuid16", Sys::Setuid16, &[0]);
            tell(gate, "stime", Sys::Stime, &[path]);
            tell(gate, "nice", Sys::Nice, &[-1i32 as u32]);
        });
    });
}

fn execve_takes_pointers_of_32_bits() {
    with_gate(|gate| {
        let shell = gate.text(c"/bin/sh");
        let (option, script) = (gate.text(c"-c"), gate.text(c"echo $0 $(id -u) $(id -g)"));
        let argv = gate.room(20);
        gate.put(argv, &[shell, option, script, option, 0].map(u32::to_ne_bytes).concat());
        let none = gate.room(4);
        in_child(|| {
            let _ = quiet!(setresgid(7, 7, 7));
            tell(gate, "execve", Sys::Execve, &[shell, argv, none]);
        });
    });
}

fn io_submit_takes_pointers_of_32_bits() {
    /// `io_setup` (`arch/x86/entry/syscalls/syscall_32.tbl`).
    const IO_SETUP: u32 = 245;
    /// `IOCB_CMD_PWRITE`, `IOCB_CMD_PWRITEV` (`include/uapi/linux/aio_abi.h`).
    const WAYS: [u32; 2] = [1, 8];
    let files = super::dropped::set_id_files();
    with_gate(|gate| {
        as_user(1000, || {
            let context = gate.room(4);
            if gate.call_by_number(IO_SETUP, &[16, context]) != 0 {
                println!("SETUP FAILED: io_setup");
            }
            let context = gate.bytes(context, 4).try_into().map_or(0, u32::from_ne_bytes);
            let text = gate.text(c"text");
            let parts = gate.room(16);
            gate.put(parts, &[text, 0, text, 4].map(u32::to_ne_bytes).concat());
            let pointers = gate.room(8);
            for (index, (way, from, count)) in [(WAYS[0], text, 4), (WAYS[1], parts, 2)].into_iter().enumerate() {
                let fd = must!(openat(AT_FDCWD, files[index], O_RDWR, 0)) as u32;
                let request = gate.room(64);
                gate.put(request, &[0, 0, 0, 0, way, fd, from, 0, count, 0].map(u32::to_ne_bytes).concat());
                gate.put(pointers + 4 * index as u32, &request.to_ne_bytes());
            }
            tell(gate, "io_submit", Sys::IoSubmit, &[context, 2, pointers]);
        });
    });
    files.iter().for_each(|name| show(name));
}

fn filters_are_pretended() {
    with_gate(|gate| {
        // PR_GET_NO_NEW_PRIVS, PR_GET_SECCOMP, PR_GET_KEEPCAPS.
        for operation in [39, 21, 7] {
            tell(gate, "prctl", Sys::Prctl, &[operation, 0, 0, 0, 0]);
        }
    });
}
