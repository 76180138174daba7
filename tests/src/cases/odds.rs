//! Things only root may do that a build meets, and that leave no trace in its result.
//!
//! The oracle is real root on a real machine: nothing here may change that machine. Names are set to
//! what they are, clocks are only asked, priorities are the case's own.

use libc::{AT_FDCWD, PRIO_PROCESS, SCHED_BATCH, SCHED_FIFO, SCHED_OTHER, SCHED_RR};

use super::cases;
use crate::seen::blank;
use crate::stage::{dir, file, in_child, open_ro, open_rw};
use crate::sys::{BAD, NULL, Result, ok_or_errno};

cases![
    sethostname_to_the_present_name,
    setdomainname_to_the_present_name,
    sethostname_errors_are_the_kernels,
    settimeofday_of_nothing,
    adjtimex_is_asked,
    setpriority_below_zero,
    setpriority_below_zero_is_read_back,
    setpriority_errors_are_the_kernels,
    sched_setscheduler_to_realtime,
    sched_setscheduler_is_read_back,
    sched_setscheduler_errors_are_the_kernels,
    mlock_of_a_page,
    mlockall_and_back,
    set_flags_to_the_present_ones,
    get_flags_errors_are_the_kernels,
    bind_to_a_port_below_1024,
    bind_to_a_port_below_1024_is_read_back,
    setrlimit_down_and_up,
    ioctl_of_unknown_number,
    open_of_kernel_log_levels,
    setsid_and_process_groups,
];

/// `struct utsname`: six fields of 65 bytes; 1 is the host's name, 5 the domain's.
fn uts_field(index: usize) -> Vec<u8> {
    let mut names = [0u8; 390];
    must!(uname(&mut names));
    let field = &names[index * 65..(index + 1) * 65];
    field.iter().copied().take_while(|&b| b != 0).collect()
}

fn sethostname_to_the_present_name() {
    let name = uts_field(1);
    let _ = call!(sethostname(&name[..], name.len()));
    println!("{}", uts_field(1) == name);
}

fn setdomainname_to_the_present_name() {
    let name = uts_field(5);
    let _ = call!(setdomainname(&name[..], name.len()));
    println!("{}", uts_field(5) == name);
}

fn sethostname_errors_are_the_kernels() {
    let _ = call!(sethostname(c"x", -1));
    let _ = call!(sethostname(c"x", 65));
    let _ = call!(sethostname(BAD, 5));
    let _ = call!(setdomainname(c"x", 65));
    let _ = call!(setdomainname(BAD, 5));
}

fn settimeofday_of_nothing() {
    let _ = call!(settimeofday(NULL, NULL));
    let _ = call!(settimeofday(BAD, NULL));
}

fn adjtimex_is_asked() {
    let mut nothing = [0usize; 64];
    let _ = ok_or_errno("adjtimex", quiet!(adjtimex(&mut nothing)));
    let _ = call!(adjtimex(BAD));
}

fn setpriority_below_zero() {
    let _ = call!(setpriority(PRIO_PROCESS, 0, -5));
    let _ = call!(setpriority(PRIO_PROCESS, 0, 5));
    let _ = call!(setpriority(PRIO_PROCESS, 0, -100));
}

/// The kernel tells 20 minus the nice value.
fn setpriority_below_zero_is_read_back() {
    let _ = call!(getpriority(PRIO_PROCESS, 0));
    let _ = call!(setpriority(PRIO_PROCESS, 0, -5));
    let _ = call!(getpriority(PRIO_PROCESS, 0));
    in_child(|| {
        let _ = call!(getpriority(PRIO_PROCESS, 0));
    });
    let _ = call!(setpriority(PRIO_PROCESS, 0, 3));
    let _ = call!(getpriority(PRIO_PROCESS, 0));
    let _ = call!(setpriority(PRIO_PROCESS, 0, 1));
    let _ = call!(getpriority(PRIO_PROCESS, 0));
}

fn setpriority_errors_are_the_kernels() {
    let _ = call!(setpriority(9, 0, 0));
    let _ = call!(setpriority(PRIO_PROCESS, 0x7fff_fff0, 0));
}

fn sched_setscheduler_to_realtime() {
    let _ = call!(sched_setscheduler(0, SCHED_FIFO, &[1i32]));
    let _ = call!(sched_setscheduler(0, SCHED_RR, &[1i32]));
    let _ = call!(sched_setscheduler(0, SCHED_OTHER, &[0i32]));
}

fn sched_setscheduler_is_read_back() {
    let _ = call!(sched_setscheduler(0, SCHED_BATCH, &[0i32]));
    let _ = call!(sched_getscheduler(0));
    let _ = call!(sched_setscheduler(0, SCHED_RR, &[1i32]));
    let _ = call!(sched_getscheduler(0));
    let _ = call!(sched_setscheduler(0, SCHED_OTHER, &[0i32]));
    let _ = call!(sched_getscheduler(0));
}

fn sched_setscheduler_errors_are_the_kernels() {
    let _ = call!(sched_setscheduler(0, SCHED_FIFO, &[0i32]));
    let _ = call!(sched_setscheduler(0, SCHED_FIFO, &[100i32]));
    let _ = call!(sched_setscheduler(0, 77, &[0i32]));
    let _ = call!(sched_setscheduler(0, SCHED_FIFO, NULL));
    let _ = call!(sched_setscheduler(0, SCHED_FIFO, BAD));
    let _ = call!(sched_setscheduler(-1, SCHED_FIFO, &[1i32]));
    let _ = call!(sched_setscheduler(0x7fff_fff0, SCHED_FIFO, &[1i32]));
}

fn mlock_of_a_page() {
    let page = vec![1u8; 4096];
    let _ = call!(mlock(&page[..], 4096));
    let _ = call!(munlock(&page[..], 4096));
    let _ = call!(mlock2(&page[..], 4096, 1));
    let _ = call!(mlock2(&page[..], 4096, 99));
    let _ = call!(mlock(BAD, 4096));
}

/// MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT.
fn mlockall_and_back() {
    let _ = call!(mlockall(7));
    let _ = call!(munlockall());
    let _ = call!(mlockall(99));
    let _ = call!(mlockall(0));
}

const FS_IOC_GETFLAGS: usize = 0x8000_6601 | size_of::<usize>() << 16;
const FS_IOC_SETFLAGS: usize = 0x4000_6602 | size_of::<usize>() << 16;

fn set_flags_to_the_present_ones() {
    file(c"f");
    dir(c"d");
    for path in [c"f", c"d"] {
        let fd = open_ro(path);
        let mut flags = [0u32; 2];
        let _ = call!(ioctl(fd, FS_IOC_GETFLAGS, &mut flags));
        println!("{:#x}", flags[0]);
        let _ = call!(ioctl(fd, FS_IOC_SETFLAGS, &flags));
    }
}

fn get_flags_errors_are_the_kernels() {
    let fd = open_rw(c"f");
    let _ = call!(ioctl(fd, FS_IOC_GETFLAGS, BAD));
    let _ = call!(ioctl(fd, FS_IOC_SETFLAGS, BAD));
    let _ = call!(ioctl(999, FS_IOC_SETFLAGS, BAD));
}

/// A TCP socket of 127.0.0.1 at `port`, in network order as the kernel has it.
fn bind_inet(port: u16) -> (i32, Result) {
    let fd = must!(socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0)) as i32;
    let mut address = [0u8; 16];
    address[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
    address[2..4].copy_from_slice(&port.to_be_bytes());
    address[4..8].copy_from_slice(&[127, 0, 0, 1]);
    (fd, quiet!(bind(fd, &address, 16)))
}

fn bind_to_a_port_below_1024() {
    let (_fd, result) = bind_inet(987);
    let _ = ok_or_errno("bind", result);
}

fn bind_to_a_port_below_1024_is_read_back() {
    let (fd, result) = bind_inet(986);
    let _ = ok_or_errno("bind", result);
    let mut address = [0u8; 16];
    let mut length = 16u32;
    let _ = call!(getsockname(fd, &mut address, &mut length));
    println!("{:?}", &address[2..8]);
}

fn setrlimit_down_and_up() {
    let mut limit = [0u64; 2];
    must!(prlimit64(0, libc::RLIMIT_CORE, NULL, &mut limit));
    let _ = call!(prlimit64(0, libc::RLIMIT_CORE, &[0u64, 0], NULL));
    let _ = call!(prlimit64(0, libc::RLIMIT_CORE, NULL, &mut limit));
    println!("{limit:?}");
}

fn ioctl_of_unknown_number() {
    let fd = open_rw(c"f");
    let _ = call!(ioctl(fd, 0x1234_5678, 0));
}

fn open_of_kernel_log_levels() {
    let mut stx: libc::statx = blank();
    let _ = call!(statx(AT_FDCWD, c"/proc/sys/kernel/printk", 0, libc::STATX_BASIC_STATS, &mut stx));
    println!("{:o} {}:{}", stx.stx_mode, stx.stx_uid, stx.stx_gid);
}

fn setsid_and_process_groups() {
    in_child(|| {
        let _ = ok_or_errno("setsid", quiet!(setsid()));
        let _ = call!(setsid());
        let _ = call!(setpgid(0, 0));
    });
    let _ = call!(setpgid(0, 0));
}
