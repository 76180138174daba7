//! The policy of identity, capabilities, exec and the other rights of root, run in the thread that is fooled,
//! without a tracer.

#![cfg(feature = "std")]

#[allow(dead_code, reason = "each test uses a part of it")]
mod support;

use std::ffi::CStr;

use frng_core::call::{FileRef, Sys, TraceeAddr};
use frng_core::creds::{CAP_IPC_LOCK, CAP_SYS_ADMIN, Creds, Ids};
use frng_core::errno::Errno;
use frng_core::policy::exec::after_exec;
use frng_core::policy::{Process, Tracee};
use frng_core::stat::Statx;
use support::{Fooled, at_once, issue};

/// An address that nobody can read or write.
const BAD: u64 = 8;
const V1: u32 = 0x1998_0330;
const V3: u32 = 0x2008_0522;
const ALL: u64 = (1 << 41) - 1;

fn prctl(fooled: &Fooled, operation: i32, args: [u64; 4]) -> Result<u64, Errno> {
    let [a, b, c, d] = args;
    fooled.call(Sys::Prctl, [operation as u64, a, b, c, d, 0])
}

fn pointer<T>(to: &T) -> u64 {
    std::ptr::from_ref(to) as u64
}

fn pointer_mut<T>(to: &mut T) -> u64 {
    std::ptr::from_mut(to) as u64
}

fn without(fooled: &Fooled, cap: u32) {
    let mut creds = fooled.creds();
    creds.caps.effective &= !(1 << cap);
    fooled.set_creds(creds);
}

#[test]
fn ids_before_a_bad_pointer_are_written() {
    let fooled = Fooled::new();
    fooled.call(Sys::Setresuid, [1, 2, 3, 0, 0, 0]).unwrap();
    let mut ids = [9u32; 3];
    let base = pointer_mut(&mut ids);
    assert_eq!(fooled.call(Sys::Getresuid, [base, BAD, base + 8, 0, 0, 0]), Err(Errno::EFAULT));
    assert_eq!(ids, [1, 9, 9]);
    let base = pointer_mut(&mut ids);
    assert_eq!(fooled.call(Sys::Getresuid, [base, base + 4, base + 8, 0, 0, 0]), Ok(0));
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(fooled.call(Sys::Geteuid, [0; 6]), Ok(2));
    assert_eq!(fooled.issued(), 0);
}

#[test]
fn ids_that_do_not_fit_16_bits_are_shown_as_overflow() {
    let fooled = Fooled::new();
    fooled.call(Sys::Setresuid16, [0xffff_0001, 0xffff, 3, 0, 0, 0]).unwrap();
    assert_eq!(fooled.creds().uid, Ids { real: 1, effective: 0, saved: 3, fs: 0 });
    fooled.call(Sys::Setresgid, [70000, 2, 3, 0, 0, 0]).unwrap();
    let mut ids = [9u16; 3];
    let base = pointer_mut(&mut ids);
    fooled.call(Sys::Getresgid16, [base, base + 2, base + 4, 0, 0, 0]).unwrap();
    assert_eq!(ids, [65534, 2, 3]);
    assert_eq!(fooled.call(Sys::Getgid16, [0; 6]), Ok(65534));
    assert_eq!(fooled.call(Sys::Getgid, [0; 6]), Ok(70000));
    let list = [5u16, 4];
    fooled.call(Sys::Setgroups16, [2, pointer(&list), 0, 0, 0, 0]).unwrap();
    assert_eq!(fooled.call(Sys::Getgroups16, [3, base, 0, 0, 0, 0]), Ok(2));
    assert_eq!(ids, [4, 5, 3]);
    let list = [5u16, 0xffff];
    assert_eq!(fooled.call(Sys::Setgroups16, [2, pointer(&list), 0, 0, 0, 0]), Err(Errno::EINVAL));
}

#[test]
fn groups_are_sorted_and_counted() {
    let fooled = Fooled::new();
    let many: Vec<u32> = (0..1000).rev().collect();
    let base = many.as_ptr() as u64;
    assert_eq!(fooled.call(Sys::Setgroups, [1000, base, 0, 0, 0, 0]), Ok(0));
    assert_eq!(fooled.call(Sys::Getgroups, [0, BAD, 0, 0, 0, 0]), Ok(1000));
    let mut told = vec![0u32; 1001];
    assert_eq!(fooled.call(Sys::Getgroups, [1001, told.as_mut_ptr() as u64, 0, 0, 0, 0]), Ok(1000));
    assert!(told[..1000].iter().copied().eq(0..1000));
    assert_eq!(fooled.call(Sys::Getgroups, [999, told.as_mut_ptr() as u64, 0, 0, 0, 0]), Err(Errno::EINVAL));
    assert_eq!(fooled.call(Sys::Getgroups, [u64::MAX, BAD, 0, 0, 0, 0]), Err(Errno::EINVAL));
    assert_eq!(fooled.call(Sys::Getgroups, [1000, BAD, 0, 0, 0, 0]), Err(Errno::EFAULT));
}

#[test]
fn setgroups_that_fails_changes_nothing() {
    let fooled = Fooled::new();
    let list = [7u32, u32::MAX];
    fooled.call(Sys::Setgroups, [1, pointer(&list), 0, 0, 0, 0]).unwrap();
    assert_eq!(fooled.call(Sys::Setgroups, [2, pointer(&list), 0, 0, 0, 0]), Err(Errno::EINVAL));
    assert_eq!(fooled.call(Sys::Setgroups, [2, BAD, 0, 0, 0, 0]), Err(Errno::EFAULT));
    assert_eq!(fooled.call(Sys::Setgroups, [65537, pointer(&list), 0, 0, 0, 0]), Err(Errno::EINVAL));
    assert_eq!(fooled.call(Sys::Setgroups, [u64::MAX, pointer(&list), 0, 0, 0, 0]), Err(Errno::EINVAL));
    assert_eq!((fooled.group_count(), fooled.group(0)), (1, Some(7)));
    fooled.become_user(1000, 1000);
    assert_eq!(fooled.call(Sys::Setgroups, [u64::MAX, BAD, 0, 0, 0, 0]), Err(Errno::EPERM));
}

#[test]
fn capget_speaks_three_versions() {
    let fooled = Fooled::new();
    let mut data = [7u32; 6];
    assert_eq!(fooled.call(Sys::Capget, [pointer(&[V3, 0]), pointer_mut(&mut data), 0, 0, 0, 0]), Ok(0));
    assert_eq!(data, [u32::MAX, u32::MAX, 0, 0x1ff, 0x1ff, 0]);
    data = [7; 6];
    assert_eq!(fooled.call(Sys::Capget, [pointer(&[V1, 0]), pointer_mut(&mut data), 0, 0, 0, 0]), Ok(0));
    assert_eq!(data, [u32::MAX, u32::MAX, 0, 7, 7, 7]);
    for (buffer, result) in [(0, Ok(0)), (pointer_mut(&mut data), Err(Errno::EINVAL))] {
        let mut header = [1u32, 0];
        assert_eq!(fooled.call(Sys::Capget, [pointer_mut(&mut header), buffer, 0, 0, 0, 0]), result);
        assert_eq!(header, [V3, 0]);
    }
    assert_eq!(fooled.call(Sys::Capget, [BAD, 0, 0, 0, 0, 0]), Err(Errno::EFAULT));
    assert_eq!(fooled.call(Sys::Capget, [pointer(&[V3, 0]), BAD, 0, 0, 0, 0]), Err(Errno::EFAULT));
    let negative = [V3, -1i32 as u32];
    assert_eq!(fooled.call(Sys::Capget, [pointer(&negative), pointer_mut(&mut data), 0, 0, 0, 0]), Err(Errno::EINVAL));
}

#[test]
fn capset_is_for_the_calling_thread_only() {
    let fooled = Fooled::new();
    let tid = issue(Sys::Gettid, [0; 6]).unwrap() as u32;
    let data = [1u32, 3, 0, 0, 0, 0];
    assert_eq!(fooled.call(Sys::Capset, [pointer(&[V3, 1]), pointer(&data), 0, 0, 0, 0]), Err(Errno::EPERM));
    assert_eq!(fooled.call(Sys::Capset, [pointer(&[V3, 0]), BAD, 0, 0, 0, 0]), Err(Errno::EFAULT));
    assert_eq!(fooled.call(Sys::Capset, [pointer(&[V3, tid]), pointer(&data), 0, 0, 0, 0]), Ok(0));
    assert_eq!((fooled.creds().caps.effective, fooled.creds().caps.permitted), (1, 3));
    // Bits of no capability are ignored.
    let data = [1u32, 3, 0, 0, 0x8000_0000, 0];
    assert_eq!(fooled.call(Sys::Capset, [pointer(&[V3, 0]), pointer(&data), 0, 0, 0, 0]), Ok(0));
}

#[test]
fn prctl_tells_what_it_was_told() {
    let fooled = Fooled::new();
    assert_eq!(prctl(&fooled, libc::PR_GET_NO_NEW_PRIVS, [0; 4]), Ok(0));
    assert_eq!(prctl(&fooled, libc::PR_SET_NO_NEW_PRIVS, [1, 0, 0, 1]), Err(Errno::EINVAL));
    assert_eq!(prctl(&fooled, libc::PR_SET_NO_NEW_PRIVS, [1, 0, 0, 0]), Ok(0));
    assert_eq!(prctl(&fooled, libc::PR_GET_NO_NEW_PRIVS, [0; 4]), Ok(1));
    assert_eq!(prctl(&fooled, libc::PR_GET_NO_NEW_PRIVS, [0, 0, 1, 0]), Err(Errno::EINVAL));
    assert_eq!(prctl(&fooled, libc::PR_GET_DUMPABLE, [0; 4]), Ok(1));
    assert_eq!(prctl(&fooled, libc::PR_SET_DUMPABLE, [2, 0, 0, 0]), Err(Errno::EINVAL));
    assert_eq!(prctl(&fooled, libc::PR_SET_DUMPABLE, [0; 4]), Ok(0));
    assert_eq!(prctl(&fooled, libc::PR_GET_DUMPABLE, [0; 4]), Ok(0));
    assert_eq!(prctl(&fooled, libc::PR_SET_KEEPCAPS, [1, 0, 0, 0]), Ok(0));
    assert_eq!(prctl(&fooled, libc::PR_GET_SECUREBITS, [0; 4]), Ok(16));
    assert_eq!(prctl(&fooled, libc::PR_CAPBSET_DROP, [5, 0, 0, 0]), Ok(0));
    assert_eq!(prctl(&fooled, libc::PR_CAPBSET_READ, [5, 0, 0, 0]), Ok(0));
    assert_eq!(prctl(&fooled, libc::PR_CAPBSET_READ, [41, 0, 0, 0]), Err(Errno::EINVAL));
}

#[test]
fn a_change_of_ids_makes_undumpable() {
    let fooled = Fooled::new();
    fooled.call(Sys::Setuid, [0; 6]).unwrap();
    assert_eq!(fooled.process().dumpable, 1);
    fooled.call(Sys::Setfsgid, [5, 0, 0, 0, 0, 0]).unwrap();
    assert_eq!(fooled.process().dumpable, 0);
}

#[test]
fn a_filter_is_checked_and_not_installed() {
    const FILTER: u64 = libc::SECCOMP_SET_MODE_FILTER as u64;
    let fooled = Fooled::new();
    let kill_all = [libc::sock_filter { code: 6, jt: 0, jf: 0, k: 0 }];
    let filter = libc::sock_fprog { len: 1, filter: kill_all.as_ptr().cast_mut() };
    let empty = libc::sock_fprog { len: 0, ..filter };
    let bad = libc::sock_fprog { len: 1, filter: BAD as *mut _ };
    let seccomp = |operation, flags, filter| fooled.call(Sys::Seccomp, [operation, flags, filter, 0, 0, 0]);

    assert_eq!(seccomp(FILTER, 0, 0), Err(Errno::EFAULT));
    assert_eq!(seccomp(FILTER, 0, pointer(&bad)), Err(Errno::EFAULT));
    assert_eq!(seccomp(FILTER, 0, pointer(&empty)), Err(Errno::EINVAL));
    assert_eq!(seccomp(FILTER, 1 << 20, pointer(&filter)), Err(Errno::EINVAL));
    assert_eq!(seccomp(FILTER, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER, pointer(&filter)), Err(Errno::EBUSY));
    assert_eq!(prctl(&fooled, libc::PR_GET_SECCOMP, [0; 4]), Ok(0));
    without(&fooled, CAP_SYS_ADMIN);
    assert_eq!(seccomp(FILTER, 0, pointer(&filter)), Err(Errno::EACCES));
    prctl(&fooled, libc::PR_SET_NO_NEW_PRIVS, [1, 0, 0, 0]).unwrap();
    assert_eq!(seccomp(FILTER, libc::SECCOMP_FILTER_FLAG_TSYNC, pointer(&filter)), Ok(0));
    assert_eq!(prctl(&fooled, libc::PR_GET_SECCOMP, [0; 4]), Ok(2));
    assert_eq!(prctl(&fooled, libc::PR_SET_SECCOMP, [2, pointer(&filter), 0, 0]), Ok(0));
    assert_eq!(prctl(&fooled, libc::PR_SET_SECCOMP, [1, 0, 0, 0]), Err(Errno::EINVAL));
    assert_eq!(prctl(&fooled, libc::PR_SET_SECCOMP, [3, 0, 0, 0]), Err(Errno::EINVAL));
    assert_eq!(fooled.call(Sys::IoUringSetup, [1, BAD, 0, 0, 0, 0]), Err(Errno::ENOSYS));
}

#[test]
fn names_and_clocks_are_checked_and_stay() {
    let fooled = Fooled::new();
    let name = [b'a'; 65];
    assert_eq!(fooled.call(Sys::Sethostname, [pointer(&name), 64, 0, 0, 0, 0]), Ok(0));
    assert_eq!(fooled.call(Sys::Sethostname, [pointer(&name), 65, 0, 0, 0, 0]), Err(Errno::EINVAL));
    assert_eq!(fooled.call(Sys::Setdomainname, [pointer(&name), u64::MAX, 0, 0, 0, 0]), Err(Errno::EINVAL));
    assert_eq!(fooled.call(Sys::Sethostname, [BAD, 1, 0, 0, 0, 0]), Err(Errno::EFAULT));
    assert_eq!(fooled.call(Sys::Sethostname, [BAD, 0, 0, 0, 0, 0]), Ok(0));

    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let set = |clock: i32, time: &[u64; 2]| fooled.call(Sys::ClockSettime, [clock as u64, pointer(time), 0, 0, 0, 0]);
    assert_eq!(set(libc::CLOCK_REALTIME, &[now, 0]), Ok(0));
    assert_eq!(set(libc::CLOCK_REALTIME, &[now, 1_000_000_000]), Err(Errno::EINVAL));
    assert_eq!(set(libc::CLOCK_MONOTONIC, &[now, 0]), Err(Errno::EINVAL));
    // The CPU time of this process, as clock_getcpuclockid names it.
    assert_eq!(set(-6, &[now, 0]), Err(Errno::EPERM));
    assert_eq!(fooled.call(Sys::Settimeofday, [pointer(&[now, 0]), 0, 0, 0, 0, 0]), Ok(0));
    assert_eq!(fooled.call(Sys::Settimeofday, [0, pointer(&[901, 0]), 0, 0, 0, 0]), Err(Errno::EINVAL));
    assert_eq!(fooled.call(Sys::Settimeofday, [0, pointer(&[60i32, 0]), 0, 0, 0, 0]), Ok(0));
    assert_eq!(fooled.call(Sys::Settimeofday, [BAD, 0, 0, 0, 0, 0]), Err(Errno::EFAULT));

    fooled.become_user(1000, 1000);
    assert_eq!(fooled.call(Sys::Sethostname, [pointer(&name), 65, 0, 0, 0, 0]), Err(Errno::EPERM));
    let set = |clock: i32, time: &[u64; 2]| fooled.call(Sys::ClockSettime, [clock as u64, pointer(time), 0, 0, 0, 0]);
    assert_eq!(set(libc::CLOCK_REALTIME, &[now, 0]), Err(Errno::EPERM));
}

#[test]
fn adjtimex_is_answered_with_the_true_state() {
    let fooled = Fooled::new();
    // SAFETY: all bytes 0 are a timex structure.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    timex.modes = libc::ADJ_FREQUENCY;
    timex.freq = 12345;
    let state = fooled.call(Sys::Adjtimex, [pointer_mut(&mut timex), 0, 0, 0, 0, 0]);
    assert!(state.is_ok(), "{state:?}");
    assert_eq!(timex.modes, libc::ADJ_FREQUENCY);
    assert_ne!(timex.freq, 12345);
    assert_ne!(timex.time.tv_sec, 0);
    fooled.become_user(1000, 1000);
    assert_eq!(fooled.call(Sys::Adjtimex, [pointer_mut(&mut timex), 0, 0, 0, 0, 0]), Err(Errno::EPERM));
    assert_eq!(fooled.call(Sys::Adjtimex, [BAD, 0, 0, 0, 0, 0]), Err(Errno::EFAULT));
}

#[test]
fn memory_that_is_not_there_cannot_be_locked() {
    let fooled = Fooled::new();
    let pages = 64 << 10;
    // SAFETY: a new mapping at an address of the kernel's choice; the second half is given back at once.
    let begin = unsafe {
        let begin = libc::mmap(std::ptr::null_mut(), 2 * pages, 3, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
        assert_ne!(begin, libc::MAP_FAILED);
        libc::munmap(begin.byte_add(pages), pages);
        begin as u64
    };
    let nothing = libc::rlimit { rlim_cur: 4096, rlim_max: libc::RLIM_INFINITY };
    let mut old = nothing;
    // SAFETY: live structures. The limit is the whole test process', and nothing else of it locks memory.
    unsafe {
        libc::getrlimit(libc::RLIMIT_MEMLOCK, &mut old);
        libc::setrlimit(libc::RLIMIT_MEMLOCK, &libc::rlimit { rlim_max: old.rlim_max, ..nothing });
    }
    assert_eq!(fooled.call(Sys::Mlock, [begin + 1, pages as u64 - 1, 0, 0, 0, 0]), Ok(0));
    assert_eq!(fooled.issued(), 2);
    assert_eq!(fooled.call(Sys::Mlock, [begin, 2 * pages as u64, 0, 0, 0, 0]), Err(Errno::ENOMEM));
    assert_eq!(fooled.call(Sys::Mlockall, [libc::MCL_FUTURE as u64, 0, 0, 0, 0, 0]), Ok(0));
    assert_eq!(fooled.issued(), 0);
    assert_eq!(fooled.call(Sys::Mlockall, [libc::MCL_CURRENT as u64, 0, 0, 0, 0, 0]), Ok(0));
    assert_eq!(fooled.call(Sys::Mlockall, [99, 0, 0, 0, 0, 0]), Err(Errno::EINVAL));
    assert_eq!(fooled.call(Sys::Mlockall, [libc::MCL_ONFAULT as u64, 0, 0, 0, 0, 0]), Err(Errno::EINVAL));
    without(&fooled, CAP_IPC_LOCK);
    assert_eq!(fooled.call(Sys::Mlock, [begin, pages as u64, 0, 0, 0, 0]), Err(Errno::ENOMEM));
}

#[test]
fn a_raised_hard_limit_takes_the_soft_limit_as_far_as_it_goes() {
    let fooled = Fooled::new();
    let resource = u64::from(libc::RLIMIT_CORE);
    let limit = |new: u64, old: u64| fooled.call(Sys::Prlimit64, [0, resource, new, old, 0, 0]);
    limit(pointer(&[1u64, 4096]), 0).unwrap();
    let mut old = [0u64; 2];
    assert_eq!(limit(pointer(&[8192u64, u64::MAX]), pointer_mut(&mut old)), Ok(0));
    assert_eq!(old, [1, 4096]);
    assert_eq!(issue(Sys::Prlimit64, [0, resource, 0, pointer_mut(&mut old), 0, 0]), Ok(0));
    assert_eq!(old, [4096, 4096]);
    assert_eq!(limit(pointer(&[2u64, 1]), 0), Err(Errno::EINVAL));
    let no_file = u64::from(libc::RLIMIT_NOFILE);
    let unlimited = [u64::MAX; 2];
    assert_eq!(fooled.call(Sys::Prlimit64, [0, no_file, pointer(&unlimited), 0, 0, 0]), Err(Errno::EPERM));
    fooled.become_user(1000, 1000);
    let limit = |new: u64, old: u64| fooled.call(Sys::Prlimit64, [0, resource, new, old, 0, 0]);
    assert_eq!(limit(pointer(&[8192u64, u64::MAX]), 0), Err(Errno::EPERM));
}

#[test]
fn immutable_is_accepted_and_the_other_flags_are_set() {
    const GET: u64 = 0x8008_6601;
    const SET: u64 = 0x4008_6602;
    const IMMUTABLE: u32 = 0x10;
    const NODUMP: u32 = 0x40;
    let fooled = Fooled::new();
    fooled.file(c"f");
    let fd = fooled.open(c"f", libc::O_RDONLY, 0).unwrap();
    let mut flags = 0u32;
    if issue(Sys::Ioctl, [fd, GET, pointer_mut(&mut flags), 0, 0, 0]).is_err() {
        println!("skipped: the filesystem of temporary files has no flags");
        return;
    }
    let with_both = flags | IMMUTABLE | NODUMP;
    assert_eq!(fooled.call(Sys::Ioctl, [fd, SET, pointer(&with_both), 0, 0, 0]), Ok(0));
    let mut told = 0u32;
    fooled.call(Sys::Ioctl, [fd, GET, pointer_mut(&mut told), 0, 0, 0]).unwrap();
    assert_eq!(told, flags | NODUMP);
    assert_eq!(fooled.call(Sys::Ioctl, [fd, SET, BAD, 0, 0, 0]), Err(Errno::EFAULT));
    fooled.chown(c"f", 7, 7).unwrap();
    fooled.become_user(1000, 1000);
    assert_eq!(fooled.call(Sys::Ioctl, [fd, SET, pointer(&flags), 0, 0, 0]), Err(Errno::EPERM));
    fooled.become_user(7, 7);
    assert_eq!(fooled.call(Sys::Ioctl, [fd, SET, pointer(&flags), 0, 0, 0]), Ok(0));
    assert_eq!(fooled.call(Sys::Ioctl, [fd, SET, pointer(&with_both), 0, 0, 0]), Err(Errno::EPERM));
    fooled.close(fd);
}

/// What the kernel tells of a file.
fn stat(fooled: &Fooled, path: &CStr) -> Statx {
    let file = FileRef { dirfd: libc::AT_FDCWD, path: TraceeAddr(path.as_ptr() as u64), flags: 0 };
    at_once(fooled.stat(file)).unwrap()
}

/// A stack as exec leaves it, and where its auxv begins.
fn stack(variables: u64) -> (Vec<u64>, usize) {
    let mut words = vec![2, 0x1000, 0x2000, 0];
    words.extend(0x3000..0x3000 + variables);
    words.push(0);
    let auxv = words.len();
    for kind in [33, 16, 11, 12, 13, 14, 23, 25] {
        words.extend([kind, 54321]);
    }
    words.extend([0, 0, 0x5555, 0x5555]);
    (words, auxv)
}

/// Executes a file with this stack.
fn exec(fooled: &Fooled, path: &CStr, stack: u64) -> Result<(), Errno> {
    after_exec(fooled, Some(&stat(fooled, path)), &mut |_| None, TraceeAddr(stack))
}

#[test]
fn exec_of_a_set_user_id_file_changes_creds_and_auxv() {
    let fooled = Fooled::new();
    fooled.file(c"f");
    fooled.chown(c"f", 7, 8).unwrap();
    fooled.chmod(c"f", 0o6755).unwrap();
    for variables in [0, 1, 126, 127, 128, 2000] {
        fooled.become_user(1000, 1001);
        fooled.set_process(Process { dumpable: 1, ..fooled.process() });
        let (words, auxv) = stack(variables);
        exec(&fooled, c"f", words.as_ptr() as u64).unwrap();
        let creds = fooled.creds();
        assert_eq!(creds.uid, Ids { real: 1000, effective: 7, saved: 7, fs: 7 });
        assert_eq!(creds.gid, Ids { real: 1001, effective: 8, saved: 8, fs: 8 });
        assert_eq!((creds.caps.permitted, creds.caps.effective), (0, 0));
        assert_eq!(fooled.process().dumpable, 0);
        let told = &words[auxv..];
        let ids = [33, 54321, 16, 54321, 11, 1000, 12, 7, 13, 1001, 14, 8, 23, 1, 25, 54321, 0, 0, 0x5555, 0x5555];
        assert_eq!(told, ids, "{variables}");
    }
}

#[test]
fn exec_of_an_ordinary_file_by_root_keeps_root() {
    let fooled = Fooled::new();
    fooled.file(c"f");
    let (words, auxv) = stack(3);
    let mut asked = false;
    let mut real = |_: &mut [u8; 24]| {
        asked = true;
        None
    };
    after_exec(&fooled, Some(&stat(&fooled, c"f")), &mut real, TraceeAddr(words.as_ptr() as u64)).unwrap();
    assert!(!asked);
    assert_eq!(fooled.creds(), Creds::root(40));
    assert_eq!(fooled.process().dumpable, 1);
    assert_eq!(words[auxv..auxv + 14], [33, 54321, 16, 54321, 11, 0, 12, 0, 13, 0, 14, 0, 23, 0]);
}

#[test]
fn exec_finds_the_auxv_when_the_number_of_arguments_is_gone() {
    let fooled = Fooled::new();
    fooled.file(c"f");
    fooled.become_user(1000, 1001);
    let (mut words, auxv) = stack(3);
    for argc in [0, 1 << 33, u64::MAX, words.as_ptr() as u64 + 8] {
        words[0] = argc;
        exec(&fooled, c"f", words.as_ptr() as u64).unwrap();
        assert_eq!(words[auxv..auxv + 6], [33, 54321, 16, 54321, 11, 1000]);
        words[auxv + 5] = 54321;
    }
}

#[test]
fn exec_gives_the_capabilities_of_the_file() {
    let mut value = [0; 24];
    value[..20].copy_from_slice(&[1, 0, 0, 2, 5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    let fooled = Fooled::new();
    fooled.file(c"f");
    let run = || {
        fooled.become_user(1000, 1000);
        let mut creds = fooled.creds();
        creds.caps.permitted = 0;
        fooled.set_creds(creds);
        let (words, _) = stack(3);
        let mut real = |room: &mut [u8; 24]| {
            *room = value;
            Some(20)
        };
        after_exec(&fooled, Some(&stat(&fooled, c"f")), &mut real, TraceeAddr(words.as_ptr() as u64)).unwrap();
        (fooled.creds().caps.permitted, fooled.creds().caps.effective)
    };
    assert_eq!(run(), (1 << 32 | 5, 1 << 32 | 5));
    // A lie about them counts more than the truth.
    fooled.set_creds(Creds::root(40));
    let lie = &value[..20].iter().map(|byte| if *byte == 5 { 6 } else { *byte }).collect::<Vec<u8>>();
    let name = c"security.capability".as_ptr() as u64;
    let set = [c"f".as_ptr() as u64, name, lie.as_ptr() as u64, 20, 0, 0];
    fooled.call(Sys::Setxattr, set).unwrap();
    assert_eq!(run(), (1 << 32 | 6, 1 << 32 | 6));
    assert_eq!(fooled.creds().caps.bounding, ALL);
}

#[test]
fn a_hostile_stack_ends_in_an_error() {
    let fooled = Fooled::new();
    fooled.file(c"f");
    assert_eq!(exec(&fooled, c"f", BAD), Err(Errno::EFAULT));
    assert_eq!(exec(&fooled, c"f", u64::MAX - 8), Err(Errno::EFAULT));
    let endless = vec![1u64; 2 << 20];
    assert_eq!(exec(&fooled, c"f", endless.as_ptr() as u64), Err(Errno::E2BIG));
    // The pages end in the middle of it.
    let page = 64 << 10;
    // SAFETY: two new pages at an address of the kernel's choice, of which the second is given back.
    let end = unsafe {
        let begin = libc::mmap(std::ptr::null_mut(), 2 * page, 3, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
        assert_ne!(begin, libc::MAP_FAILED);
        let end = begin.byte_add(page);
        libc::munmap(end, page);
        end.cast::<u64>()
    };
    let (words, auxv) = stack(0);
    for (cut, result) in [(2, Err(Errno::EFAULT)), (auxv, Err(Errno::EFAULT)), (auxv + 8, Ok(()))] {
        // SAFETY: within the page that is still there.
        let begin = unsafe {
            let begin = end.sub(cut);
            begin.copy_from_nonoverlapping(words.as_ptr(), cut);
            begin
        };
        assert_eq!(exec(&fooled, c"f", begin as u64), result, "{cut}");
    }
    // SAFETY: the last pair that there is: AT_EUID.
    assert_eq!(unsafe { [end.sub(2).read(), end.sub(1).read()] }, [12, 0]);
}
