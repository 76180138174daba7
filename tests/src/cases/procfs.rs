//! What /proc tells of processes and threads: proc_pid_status(5), fs/proc/array.c and fs/proc/base.c.

use std::ffi::{CStr, CString};
use std::os::unix::fs::MetadataExt;

use libc::{AT_EMPTY_PATH, AT_FDCWD, O_CLOEXEC, O_PATH, O_RDONLY, O_RDWR, O_WRONLY};

use super::cases;
use crate::stage::{Child, as_user, copy_of_self, drop_to, file_with, in_child, in_thread, open_dir, run};
use crate::sys::{errno, ok_or_errno};

cases![
    status_of_root,
    status_after_a_drop,
    status_of_four_different_ids,
    status_tells_groups,
    status_tells_capability_sets,
    status_tells_no_new_privs_and_seccomp,
    status_tells_the_umask,
    status_tells_blocked_signals,
    status_by_each_name,
    status_read_at_once,
    status_of_root_read_at_once,
    status_by_directory_descriptors,
    status_by_openat2,
    status_of_another_process,
    status_of_another_process_seen_by_a_user,
    status_of_a_thread_with_ids_of_its_own,
    status_of_a_stopped_process,
    status_after_exec,
    status_is_a_file_of_its_own_elsewhere,
    status_cannot_be_written,
    a_path_descriptor_of_status_tells_nothing,
    close_on_exec_stays_with_the_descriptor,
    owner_of_ones_own_directory,
    owner_of_another_process,
    owner_by_descriptors,
    owner_of_an_undumpable_process,
    owner_follows_the_effective_ids,
    maps_of_ids_are_those_of_root,
];

/// Lines about identity.
const LINES: [&str; 14] = [
    "State",
    "Umask",
    "TracerPid",
    "Uid",
    "Gid",
    "Groups",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Seccomp_filters",
];

/// The capability that root in a container lacks: CAP_SYS_RESOURCE.
const NOT_COMPARED: u64 = 1 << 24;

/// A line without what the oracle's root may lack.
fn comparable(name: &str, line: &str) -> String {
    let set = line.split_once('\t').filter(|_| name.starts_with("Cap"));
    match set.and_then(|(_, digits)| u64::from_str_radix(digits, 16).ok()) {
        Some(set) => format!("{name}:\t{:016x}", set & !NOT_COMPARED),
        None => line.into(),
    }
}

/// Prints the lines about identity of a text.
fn tell(label: &str, text: &str) {
    for line in text.lines() {
        let name = line.split(':').next().unwrap_or_default();
        if LINES.contains(&name) {
            println!("{label}: {:?}", comparable(name, line));
        }
    }
}

/// Prints one line of a file.
fn tell_line(label: &str, path: &str, name: &str) {
    match std::fs::read_to_string(path) {
        Ok(text) => match text.lines().find(|line| line.split(':').next() == Some(name)) {
            Some(line) => println!("{label}: {:?}", comparable(name, line)),
            None => println!("{label}: no {name}"),
        },
        Err(error) => println!("{label}: {error}"),
    }
}

/// Prints the lines about identity of a file.
fn tell_file(label: &str, path: &str) {
    match std::fs::read_to_string(path) {
        Ok(text) => tell(label, &text),
        Err(error) => println!("{label}: {error}"),
    }
}

/// Reads what is open, without asking about it.
fn read_all(fd: i32) -> String {
    let mut text = Vec::new();
    let mut piece = [0u8; 512];
    while let Ok(got @ 1..) = quiet!(read(fd, &mut piece, piece.len())) {
        text.extend_from_slice(&piece[..got]);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The groups of a login of root, whatever root has here.
fn with_groups_of_root() {
    must!(setgroups(1, &[0u32]));
}

fn tell_open(label: &str, opened: crate::sys::Result) {
    match opened {
        Ok(fd) => {
            tell(label, &read_all(fd as i32));
            must!(close(fd));
        }
        Err(error) => println!("{label}: {}", errno::name(error)),
    }
}

fn status_of_root() {
    with_groups_of_root();
    tell_status();
}

/// What a program of a role prints.
pub fn tell_status() {
    tell_file("program", "/proc/self/status");
}

fn status_after_a_drop() {
    with_groups_of_root();
    as_user(1000, || tell_file("user", "/proc/self/status"));
    in_child(|| {
        must!(setresuid(-1, 1000, -1));
        tell_file("effective only", "/proc/self/status");
    });
}

fn status_of_four_different_ids() {
    with_groups_of_root();
    in_child(|| {
        must!(setresgid(21, 22, 23));
        must!(setfsgid(24));
        must!(setresuid(11, 0, 13));
        must!(setfsuid(14));
        tell_file("ids", "/proc/self/status");
    });
}

fn status_tells_groups() {
    in_child(|| {
        must!(setgroups(3, &[7u32, 5, 4_000_000_000]));
        tell_line("three", "/proc/self/status", "Groups");
        must!(setgroups(0, crate::sys::NULL));
        tell_line("none", "/proc/self/status", "Groups");
    });
}

fn status_tells_capability_sets() {
    with_groups_of_root();
    in_child(|| {
        must!(prctl(libc::PR_CAPBSET_DROP, 27, 0, 0, 0));
        let header = [0x2008_0522u32, 0];
        must!(capset(&header, &[0x25u32, 0xff, 0x21, 0, 0, 0]));
        must!(prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, 0, 0, 0));
        tell_file("sets", "/proc/self/status");
    });
}

fn status_tells_no_new_privs_and_seccomp() {
    with_groups_of_root();
    in_child(|| {
        must!(prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        tell_file("after", "/proc/self/status");
    });
}

fn status_tells_the_umask() {
    in_child(|| {
        for mask in [0, 0o27, 0o777] {
            must!(umask(mask));
            tell_line("mask", "/proc/self/status", "Umask");
        }
    });
}

fn status_tells_blocked_signals() {
    in_child(|| {
        let set = 1u64 << (libc::SIGUSR1 - 1) | 1 << (libc::SIGTERM - 1);
        must!(rt_sigprocmask(libc::SIG_BLOCK, &set, crate::sys::NULL, 8));
        tell_line("root", "/proc/self/status", "SigBlk");
        drop_to(1000);
        tell_line("user", "/proc/self/status", "SigBlk");
    });
}

fn status_by_each_name() {
    in_child(|| {
        must!(setresgid(5, 5, 5));
        for name in ["self", "thread-self", &std::process::id().to_string()] {
            tell_line("process", &format!("/proc/{name}/status"), "Gid");
        }
        for name in [format!("self/task/{}", std::process::id()), "self/../self".into(), "./self/./".into()] {
            tell_line("longer", &format!("/proc/{name}/status"), "Gid");
        }
        must!(chdir(c"/proc/self"));
        tell_line("relative", "status", "Gid");
        tell_line("relative", "./status", "Gid");
        tell_line("relative", "task/../status", "Gid");
        tell_line("not there", "/proc/self/task/1/status", "Gid");
        tell_line("not there", "/proc/self/statuses", "Gid");
    });
}

/// Nothing is asked about the file before it is read.
fn status_read_at_once() {
    as_user(1000, || {
        tell_open("openat", quiet!(openat(AT_FDCWD, c"/proc/self/status", O_RDONLY)));
        tell_open("openat", quiet!(openat(AT_FDCWD, c"/proc/thread-self/status", O_RDONLY | O_CLOEXEC)));
    });
}

fn status_of_root_read_at_once() {
    with_groups_of_root();
    for _ in 0..3 {
        tell_open("openat", quiet!(openat(AT_FDCWD, c"/proc/self/status", O_RDONLY)));
    }
}

fn status_by_directory_descriptors() {
    as_user(1000, || {
        let directory = open_dir(c"/proc/self");
        let top = open_dir(c"/proc");
        let path = must!(openat(AT_FDCWD, c"/proc/self", O_PATH));
        tell_open("directory", quiet!(openat(directory, c"status", O_RDONLY)));
        tell_open("top", quiet!(openat(top, c"self/status", O_RDONLY)));
        tell_open("O_PATH", quiet!(openat(path, c"status", O_RDONLY)));
    });
}

fn status_by_openat2() {
    as_user(1000, || {
        let directory = open_dir(c"/proc/self");
        let how = [0u64, 0, 0];
        tell_open("openat2", quiet!(openat2(directory, c"status", &how, 24)));
        let beneath = [O_CLOEXEC as u64, 0, 8];
        tell_open("beneath", quiet!(openat2(directory, c"status", &beneath, 24)));
        let no_links = [0u64, 0, 4];
        tell_open("no links", quiet!(openat2(AT_FDCWD, c"/proc/self/status", &no_links, 24)));
    });
}

fn status_of_another_process() {
    let child = Child::new(|| drop_to(1000));
    tell_line("child", &child.in_procfs("status"), "Uid");
    tell_line("child", &child.in_procfs("status"), "CapEff");
    tell_line("child", &child.in_procfs(&format!("task/{}/status", child.pid)), "Gid");
    tell_line("root", "/proc/self/status", "Uid");
    child.end();
}

fn status_of_another_process_seen_by_a_user() {
    with_groups_of_root();
    let child = Child::new(|| ());
    let file = child.in_procfs("status");
    as_user(1000, || {
        tell_file("root", &file);
        tell_line("user", "/proc/self/status", "Uid");
    });
    child.end();
}

fn status_of_a_thread_with_ids_of_its_own() {
    in_child(|| {
        in_thread(|| {
            must!(setresuid(1000, 1000, 1000));
            let tid = must!(gettid());
            tell_line("thread", "/proc/thread-self/status", "Uid");
            tell_line("thread", &format!("/proc/self/task/{tid}/status"), "Uid");
            tell_line("thread", &format!("/proc/{tid}/status"), "Uid");
            tell_line("process", "/proc/self/status", "Uid");
        });
    });
}

fn status_of_a_stopped_process() {
    let child = Child::new(|| drop_to(1000));
    must!(kill(child.pid, libc::SIGSTOP));
    let mut status = 0i32;
    must!(wait4(child.pid, &mut status, libc::WUNTRACED, crate::sys::NULL));
    tell_line("stopped", &child.in_procfs("status"), "State");
    tell_line("stopped", &child.in_procfs("status"), "Uid");
    must!(kill(child.pid, libc::SIGCONT));
    must!(wait4(child.pid, &mut status, libc::WCONTINUED, crate::sys::NULL));
    child.end();
}

fn status_after_exec() {
    copy_of_self(c"p");
    as_user(1000, || run(c"./p", &[c"p", c"role", c"status"]));
    must!(fchmodat(AT_FDCWD, c"p", 0o4755));
    as_user(1000, || run(c"./p", &[c"p", c"role", c"status"]));
}

fn status_is_a_file_of_its_own_elsewhere() {
    file_with(c"status", b"mine\n");
    println!("{:?}", std::fs::read_to_string("status"));
    let here = open_dir(c".");
    let fd = must!(openat(here, c"status", O_RDWR)) as i32;
    println!("{:?}", read_all(fd));
    must!(unlinkat(AT_FDCWD, c"status", 0));
    let _ = call!(openat(AT_FDCWD, c"status", O_RDONLY));
    must!(mknodat(AT_FDCWD, c"status", libc::S_IFCHR | 0o666, libc::makedev(1, 3)));
    println!("{:?}", std::fs::read_to_string("status"));
}

fn status_cannot_be_written() {
    as_user(1000, || {
        for flags in [O_WRONLY, O_RDWR] {
            let _ = ok_or_errno("user", quiet!(openat(AT_FDCWD, c"/proc/self/status", flags)));
        }
    });
    let fd = must!(openat(AT_FDCWD, c"/proc/self/status", O_RDONLY));
    let _ = call!(write(fd, c"x", 1));
}

fn a_path_descriptor_of_status_tells_nothing() {
    let fd = must!(openat(AT_FDCWD, c"/proc/self/status", O_PATH));
    let mut bytes = [0u8; 16];
    let _ = call!(read(fd, &mut bytes, 16));
    let mut stat = [0u8; 256];
    let _ = call!(statx(fd, c"", AT_EMPTY_PATH, 0xfff, &mut stat));
    let _ = call!(read(fd, &mut bytes, 16));
}

fn close_on_exec_stays_with_the_descriptor() {
    for flags in [O_RDONLY, O_RDONLY | O_CLOEXEC] {
        let fd = must!(openat(AT_FDCWD, c"/proc/self/status", flags));
        let _ = call!(fcntl(fd, libc::F_GETFD));
        let mut stat = [0u8; 256];
        must!(statx(fd, c"", AT_EMPTY_PATH, 0xfff, &mut stat));
        let _ = call!(fcntl(fd, libc::F_GETFD));
        println!("access mode {}", must!(fcntl(fd, libc::F_GETFL)) & libc::O_ACCMODE as usize);
        must!(close(fd));
    }
}

/// Prints owner and mode.
fn tell_owner(label: &str, path: &str) {
    let told = |metadata: std::io::Result<std::fs::Metadata>| match metadata {
        Ok(metadata) => format!("{}:{} {:o}", metadata.uid(), metadata.gid(), metadata.mode()),
        Err(error) => error.to_string(),
    };
    println!("{label}: {}, {}", told(std::fs::symlink_metadata(path)), told(std::fs::metadata(path)));
}

fn owner_of_ones_own_directory() {
    let tell = || {
        for name in ["", "/status", "/task", "/fd", "/environ", "/fd/1"] {
            // What a descriptor is of differs.
            let path = format!("/proc/self{name}");
            match std::fs::symlink_metadata(&path) {
                Ok(metadata) => println!("{name} {}:{}", metadata.uid(), metadata.gid()),
                Err(error) => println!("{name} {error}"),
            }
        }
    };
    tell();
    in_child(|| {
        drop_to(1000);
        // Changed ids made it undumpable.
        must!(prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0));
        tell();
    });
}

fn owner_of_another_process() {
    let child = Child::new(|| {
        drop_to(1000);
        must!(prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0));
    });
    let files = ["", "task", "status", &format!("task/{}", child.pid)].map(|name| child.in_procfs(name));
    for file in &files {
        tell_owner("by root", file);
    }
    as_user(1001, || {
        for file in &files {
            tell_owner("by a user", file);
        }
    });
    child.end();
    tell_owner("by itself", "/proc/self/");
}

fn owner_by_descriptors() {
    let child = Child::new(|| drop_to(1000));
    let path = CString::new(child.in_procfs("")).unwrap_or_default();
    let directory = open_dir(&path);
    let tell = |label: &str, dirfd: i32, path: &CStr, flags: i32| {
        let mut stat = [0u32; 64];
        match quiet!(statx(dirfd, path, flags, 0x7ff, &mut stat)) {
            Ok(_) => println!("{label}: {}:{}", stat[5], stat[6]),
            Err(error) => println!("{label}: {}", errno::name(error)),
        }
    };
    tell("directory", directory, c"", AT_EMPTY_PATH);
    tell("file", directory, c"status", 0);
    tell("link", directory, c"cwd", libc::AT_SYMLINK_NOFOLLOW);
    in_child(|| {
        must!(fchdir(directory));
        tell("working directory", AT_FDCWD, c"", AT_EMPTY_PATH);
        tell("relative", AT_FDCWD, c"task", 0);
    });
    child.end();
    tell("gone", directory, c"", AT_EMPTY_PATH);
    tell("gone", directory, c"status", 0);
}

fn owner_of_an_undumpable_process() {
    // Undumpable, because its ids have changed.
    let child = Child::new(|| drop_to(1000));
    for name in ["", "task", "status", "fd"] {
        tell_owner(name, &child.in_procfs(name));
    }
    child.end();
}

fn owner_follows_the_effective_ids() {
    in_child(|| {
        must!(setresgid(1, 2, 3));
        must!(setresuid(0, 12, 0));
        tell_owner("effective", "/proc/self/");
        must!(setresuid(-1, 0, -1));
        must!(setresgid(-1, 0, -1));
        tell_owner("root again", "/proc/self/");
    });
}

fn maps_of_ids_are_those_of_root() {
    for name in ["uid_map", "gid_map", "setgroups"] {
        println!("{name} {:?}", std::fs::read_to_string(format!("/proc/self/{name}")));
    }
    as_user(1000, || println!("{:?}", std::fs::read_to_string("/proc/self/uid_map")));
}
