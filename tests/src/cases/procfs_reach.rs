//! What procfs opens to whom: modes of files in /proc/PID by the faked owner, and `ptrace_may_access` for memory and links.

use std::ffi::CString;

use libc::{AT_FDCWD, O_DIRECTORY, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR};

use super::cases;
use crate::stage::{Child, as_user, drop_to, in_child, open_dir, proc_path};
use crate::sys::errno;

cases![
    a_user_looks_at_itself,
    a_user_that_is_not_dumpable_looks_at_itself,
    a_user_looks_at_root,
    a_user_looks_at_another,
    a_user_looks_at_one_of_its_own,
    a_user_looks_at_one_of_its_own_that_is_not_dumpable,
    a_user_looks_at_one_of_its_own_with_a_capability,
    a_user_looks_at_one_of_another_group,
    a_user_looks_at_the_first_process,
    a_user_with_one_capability_looks_at_another,
    a_user_asks_what_it_may_search_of_others,
    root_without_ptrace_looks_at_root,
    root_looks_at_a_user,
    by_descriptors_of_directories,
    by_the_working_directory,
    by_directories_of_threads,
    through_links_of_another,
    descriptors_of_ones_own_by_every_name,
];

const FILES: [&str; 17] = [
    "auxv",
    "cmdline",
    "comm",
    "environ",
    "io",
    "limits",
    "maps",
    "mem",
    "mountinfo",
    "net/dev",
    "oom_score_adj",
    "pagemap",
    "personality",
    "smaps",
    "stat",
    "status",
    "syscall",
];
const DIRECTORIES: [&str; 7] = [".", "attr", "fd", "fdinfo", "map_files", "ns", "task"];
const LINKS: [&str; 5] = ["cwd", "exe", "root", "fd/0", "ns/mnt"];

fn told(result: crate::sys::Result) -> String {
    match result {
        Ok(fd) => {
            let _ = quiet!(close(fd));
            "opened".into()
        }
        Err(error) => errno::name(error),
    }
}

fn asked(result: crate::sys::Result) -> String {
    result.map_or_else(errno::name, |_| "ok".into())
}

/// Tells what this thread may do in the directory of a process, which is named relative to another one.
fn look_from(directory: i32, name: &str) {
    let at = |rest: &str| CString::new(format!("{name}/{rest}")).unwrap_or_default();
    let opened = |rest: &str, flags: i32| told(quiet!(openat(directory, &*at(rest), flags | O_NONBLOCK, 0)));
    let access = |rest: &str, mode: i32| asked(quiet!(faccessat(directory, &*at(rest), mode)));
    for file in FILES {
        println!("{file}: {}, {}", opened(file, O_RDONLY), access(file, libc::R_OK));
    }
    println!("mem to write: {}", opened("mem", O_RDWR));
    println!("comm to write: {}", opened("comm", O_RDWR));
    for each in DIRECTORIES {
        // Of whether fdinfo may be searched access(2) tells otherwise on older kernels: a case of its own.
        let search = if each == "fdinfo" { String::new() } else { access(each, libc::X_OK) };
        println!("{each}: {}, {search}", opened(each, O_RDONLY | O_DIRECTORY));
    }
    look_at_links(directory, name);
}

fn look_at_links(directory: i32, name: &str) {
    let at = |rest: &str| CString::new(format!("{name}/{rest}")).unwrap_or_default();
    let opened = |rest: &str, flags: i32| told(quiet!(openat(directory, &*at(rest), flags | O_NONBLOCK, 0)));
    for link in LINKS {
        let mut text = [0u8; 4096];
        let read = asked(quiet!(readlinkat(directory, &*at(link), &mut text, text.len())));
        let mut buffer: crate::seen::Stat = crate::seen::blank();
        let followed = asked(quiet!(fstatat(directory, &*at(link), &mut buffer, 0)));
        let itself = opened(link, O_PATH | libc::O_NOFOLLOW);
        println!("{link}: read {read}, followed {followed}, itself {itself}, {}", opened(link, O_PATH));
    }
}

fn look(name: &str) {
    look_from(AT_FDCWD, name);
}

/// Becomes this user for good, and dumpable again as a program that it executes is.
fn become_plainly(uid: u32) {
    drop_to(uid);
    dumpable(1);
}

fn dumpable(yes: i32) {
    must!(prctl(libc::PR_SET_DUMPABLE, yes, 0, 0, 0));
}

fn a_user_looks_at_itself() {
    in_child(|| {
        become_plainly(1000);
        look("/proc/self");
    });
}

fn a_user_that_is_not_dumpable_looks_at_itself() {
    in_child(|| {
        drop_to(1000);
        dumpable(0);
        look("/proc/self");
    });
}

fn looks_at(child: Child) {
    in_child(|| {
        become_plainly(1000);
        look(&child.in_procfs("."));
    });
    child.end();
}

fn a_user_looks_at_root() {
    looks_at(Child::new(|| ()));
}

fn a_user_asks_what_it_may_search_of_others() {
    let ask = |child: Child| {
        let name = CString::new(child.in_procfs("fdinfo")).unwrap_or_default();
        as_user(1000, || {
            println!("{}", asked(quiet!(faccessat(AT_FDCWD, &*name, libc::X_OK))));
        });
        child.end();
    };
    ask(Child::new(|| ()));
    ask(Child::new(|| become_plainly(1001)));
    ask(Child::new(|| become_plainly(1000)));
}

fn a_user_looks_at_another() {
    looks_at(Child::new(|| become_plainly(1001)));
}

fn a_user_looks_at_one_of_its_own() {
    looks_at(Child::new(|| become_plainly(1000)));
}

fn a_user_looks_at_one_of_its_own_that_is_not_dumpable() {
    looks_at(Child::new(|| {
        drop_to(1000);
        dumpable(0);
    }));
}

/// It may do more than who looks at it.
fn a_user_looks_at_one_of_its_own_with_a_capability() {
    looks_at(Child::new(|| {
        const CHOWN: u32 = 1;
        must!(setgroups(0, crate::sys::NULL));
        must!(setresgid(1000, 1000, 1000));
        must!(prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0));
        must!(setresuid(1000, 1000, 1000));
        must!(capset(&[0x2008_0522u32, 0], &[0, CHOWN, 0, 0, 0, 0u32]));
        dumpable(1);
    }));
}

fn a_user_looks_at_one_of_another_group() {
    looks_at(Child::new(|| {
        must!(setresgid(1000, 1000, 1001));
        must!(setresuid(1000, 1000, 1000));
        dumpable(1);
    }));
}

fn a_user_looks_at_the_first_process() {
    in_child(|| {
        become_plainly(1000);
        look("/proc/1");
    });
}

/// As this user with one of root's capabilities.
fn with_capability(number: u32, scene: impl FnOnce()) {
    in_child(|| {
        must!(prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0));
        drop_to(1000);
        must!(capset(&[0x2008_0522u32, 0], &[1u32 << number, 1 << number, 0, 0, 0, 0]));
        scene();
    });
}

fn a_user_with_one_capability_looks_at_another() {
    const DAC_OVERRIDE: u32 = 1;
    const DAC_READ_SEARCH: u32 = 2;
    const SYS_PTRACE: u32 = 19;
    let child = Child::new(|| become_plainly(1001));
    for capability in [DAC_OVERRIDE, DAC_READ_SEARCH, SYS_PTRACE] {
        println!("with {capability}");
        with_capability(capability, || look(&child.in_procfs(".")));
    }
    child.end();
}

/// Memory is told whom CAP_SYS_ADMIN lets measure performance, too, by newer kernels.
fn root_without_ptrace_looks_at_root() {
    const SYS_PTRACE: u32 = 19;
    let child = Child::new(|| ());
    in_child(|| {
        let header = [0x2008_0522u32, 0];
        let mut caps = [0u32; 6];
        must!(capget(&header, &mut caps));
        caps[0] &= !(1 << SYS_PTRACE);
        must!(capset(&header, &caps));
        look_at_links(AT_FDCWD, &child.in_procfs("."));
    });
    child.end();
}

fn root_looks_at_a_user() {
    let child = Child::new(|| become_plainly(1000));
    look(&child.in_procfs("."));
    child.end();
}

fn by_descriptors_of_directories() {
    let child = Child::new(|| become_plainly(1001));
    let directory = open_dir(&CString::new(child.in_procfs("")).unwrap_or_default());
    as_user(1000, || look_from(directory, "."));
    let mut buffer = [0u8; 16];
    as_user(1000, || println!("through fd: {}", told(quiet!(openat(directory, c"fd/../environ", O_RDONLY, 0)))));
    println!("{}", asked(quiet!(readlinkat(directory, c"exe", &mut buffer, 16))));
    child.end();
}

fn by_the_working_directory() {
    let child = Child::new(|| become_plainly(1001));
    in_child(|| {
        become_plainly(1000);
        must!(chdir(&*CString::new(child.in_procfs("")).unwrap_or_default()));
        look(".");
        must!(chdir(c"task"));
        look("..");
        must!(chdir(c"/proc/self"));
        look(".");
    });
    child.end();
}

fn by_directories_of_threads() {
    let child = Child::new(|| become_plainly(1001));
    in_child(|| {
        become_plainly(1000);
        look(&child.in_procfs(&format!("task/{}", child.pid)));
        look("/proc/thread-self");
    });
    child.end();
}

fn through_links_of_another() {
    let child = Child::new(|| become_plainly(1001));
    as_user(1000, || {
        for path in ["cwd/.", "root/etc/passwd", "exe", "fd/0", "cwd"] {
            let path = CString::new(child.in_procfs(path)).unwrap_or_default();
            println!("opened: {}", told(quiet!(openat(AT_FDCWD, &*path, O_RDONLY | O_NONBLOCK, 0))));
            println!("entered: {}", asked(quiet!(chdir(&*path))));
        }
    });
    child.end();
}

fn descriptors_of_ones_own_by_every_name() {
    in_child(|| {
        become_plainly(1000);
        let pid = std::process::id();
        for path in ["/proc/self/fd".into(), format!("/proc/{pid}/fd"), format!("/proc/{pid}/task/{pid}/fd")] {
            println!("{}", told(quiet!(openat(AT_FDCWD, &*CString::new(path).unwrap_or_default(), O_DIRECTORY, 0))));
        }
        let fd = open_dir(c"/proc/self");
        println!("{}", told(quiet!(openat(AT_FDCWD, &*proc_path(fd), O_DIRECTORY, 0))));
        println!("{}", told(quiet!(openat(AT_FDCWD, c"/proc/self/fd/../environ", O_RDONLY, 0))));
        dumpable(0);
        println!("{}", told(quiet!(openat(AT_FDCWD, c"/proc/self/fd", O_DIRECTORY, 0))));
        println!("{}", asked(quiet!(chdir(c"/proc/self/fd"))));
    });
}
