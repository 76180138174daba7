//! Calls that only 32-bit ABIs have: 16-bit ids, older and wider forms of stat, multiplexed socket calls, times and
//! lengths in 64 bits. Elsewhere each prints `(not on this ABI)`.

use std::ffi::CStr;

use libc::{AF_UNIX, AT_FDCWD, O_CREAT, O_RDWR, S_IFCHR, SOCK_STREAM};

use super::cases;
use crate::seen::{blank, show};
use crate::stage::{as_user, dir, file, mode, open_rw, symlink};
use crate::sys::nr::Number;
use crate::sys::{self, BAD, NULL, errno, ok_or_errno};

cases![
    chown16_of_65535_leaves_it,
    lchown16_and_fchown16_name_their_files,
    chown16_errors_are_the_kernels,
    ids_that_do_not_fit_are_shown_as_65534,
    sixteen_bit_ids_of_a_thread,
    setting_sixteen_bit_ids_to_65535,
    setfsuid16_tells_the_one_before,
    groups_in_sixteen_bits,
    the_older_stats_show_what_is_faked,
    the_older_stats_of_what_does_not_fit,
    the_older_stats_errors_are_the_kernels,
    truncate64_beyond_four_gigabytes,
    truncate64_of_a_device_node_is_einval,
    fcntl64_tells_the_flags,
    socketcall_bind_gives_the_socket_an_owner,
    socketcall_errors_are_the_kernels,
    utimensat_time64_goes_beyond_2038,
    utimensat_time64_of_foreign_files,
    utimensat_time64_of_bad_values,
    clocks_are_not_for_users,
    clock_errors_are_the_kernels,
    nice_below_zero_is_read_back,
    nice_is_refused_to_users,
];

/// `SYS_SOCKET`, `SYS_BIND` (`include/uapi/linux/net.h`).
const SYS_SOCKET: i32 = 1;
const SYS_BIND: i32 = 2;

const PRIO_PROCESS: i32 = 0;

fn chown16_of_65535_leaves_it() {
    file(c"f");
    let _ = call!(chown16(c"f", 1000, 2000));
    show(c"f");
    let _ = call!(chown16(c"f", 65535, 7));
    show(c"f");
    let _ = call!(chown16(c"f", -1, -1));
    let _ = call!(chown16(c"f", 0x10003, 0x10004));
    show(c"f");
}

fn lchown16_and_fchown16_name_their_files() {
    file(c"f");
    symlink(c"f", c"l");
    let _ = call!(lchown16(c"l", 1, 2));
    let _ = call!(fchown16(open_rw(c"f"), 3, 4));
    show(c"f");
    show(c"l");
}

fn chown16_errors_are_the_kernels() {
    let _ = call!(chown16(c"missing", 1, 2));
    let _ = call!(chown16(BAD, 1, 2));
    let _ = call!(fchown16(-1, 1, 2));
    file(c"f");
    as_user(1000, || {
        let _ = call!(chown16(c"f", 1000, 1000));
    });
}

fn ids_that_do_not_fit_are_shown_as_65534() {
    file(c"f");
    let _ = quiet!(chown(c"f", 70001, 80002));
    show(c"f");
    older(c"f");
}

fn sixteen_bit_ids_of_a_thread() {
    let tell = || {
        let _ = call!(getuid16());
        let _ = call!(geteuid16());
        let _ = call!(getgid16());
        let _ = call!(getegid16());
        let mut ids = [0x5555u16; 8];
        let (first, rest) = ids.split_at_mut(2);
        let (second, third) = rest.split_at_mut(2);
        let _ = call!(getresuid16(&mut first[..], &mut second[..], &mut third[..]));
        println!("{ids:?}");
        let mut ids = [0x5555u16; 3];
        let [first, second, third] = &mut ids;
        let _ = call!(getresgid16(first, second, third));
        println!("{ids:?}");
        let _ = call!(getresgid16(BAD, BAD, BAD));
    };
    let _ = call!(setresgid16(1, 2, 3));
    let _ = call!(setresuid16(4, 0, 6));
    tell();
    let _ = call!(setregid16(7, 8));
    let _ = call!(setreuid16(9, 10));
    tell();
    let _ = call!(setuid16(4));
    let _ = call!(setgid16(11));
    tell();
}

fn setting_sixteen_bit_ids_to_65535() {
    let _ = call!(setuid16(65535));
    let _ = call!(setgid16(65535));
    let _ = call!(setresuid16(65535, 65535, 5));
    let _ = call!(setreuid16(65535, 65535));
    let _ = call!(setresgid16(65535, 6, 65535));
    let _ = call!(setregid16(7, -1));
    super::identity::show_ids("then");
    // Beyond 16 bits nothing is looked at.
    let _ = call!(setresgid16(0x7_0001, 0x7_0002, 0x7_0003));
    super::identity::show_ids("then");
    let _ = quiet!(setresuid(70_000, 70_001, 70_002));
    let _ = call!(getuid16());
    let _ = call!(geteuid16());
}

fn setfsuid16_tells_the_one_before() {
    let _ = call!(setfsuid16(70));
    let _ = call!(setfsuid16(65535));
    let _ = call!(setfsgid16(80));
    let _ = call!(setfsgid16(65535));
    let _ = quiet!(setfsuid(70_000));
    let _ = call!(setfsuid16(0));
    super::identity::show_ids("then");
}

fn groups_in_sixteen_bits() {
    let _ = call!(setgroups16(3, &[30u16, 10, 20][..]));
    let mut ids = [0x5555u16; 4];
    let _ = call!(getgroups16(0, NULL));
    let _ = call!(getgroups16(4, &mut ids[..]));
    println!("{ids:?}");
    let _ = call!(getgroups16(2, &mut ids[..]));
    let _ = call!(getgroups16(4, BAD));
    let _ = call!(setgroups16(2, &[5u16, 65535][..]));
    let _ = call!(setgroups16(1, BAD));
    let _ = quiet!(setgroups(2, &[70_000u32, 9][..]));
    let _ = call!(getgroups16(4, &mut ids[..]));
    println!("{ids:?}");
    as_user(1000, || {
        let _ = call!(setgroups16(0, NULL));
    });
}

/// What an older stat filled, as far as it is the same for root.
fn tell_older(what: &str, number: Number, args: &[usize], is_old: bool) {
    // A 64-bit ABI has one stat only, which is not older than any.
    if number.get().is_none() || size_of::<usize>() == 8 {
        println!("{what} (not on this ABI)");
        return;
    }
    let mut buffer = [0xaau8; 80];
    let mut words = args.to_vec();
    words.push(buffer.as_mut_ptr() as usize);
    if let Err(e) = sys::invoke(number, &words) {
        println!("{what} = {}", errno::name(e));
        return;
    }
    let half = |at: usize| u16::from_ne_bytes([buffer[at], buffer[at + 1]]);
    let word = |at: usize| u32::from_ne_bytes([buffer[at], buffer[at + 1], buffer[at + 2], buffer[at + 3]]);
    // struct __old_kernel_stat, struct stat: the modes come behind device and inode numbers.
    let begin = if is_old { 4 } else { 8 };
    let (rdev, size, end) = if is_old { (u32::from(half(12)), word(16), 32) } else { (word(16), word(20), 64) };
    let directory = u32::from(half(begin)) & libc::S_IFMT == libc::S_IFDIR;
    let [nlink, size] = if directory { [0, 0] } else { [half(begin + 2).into(), size] };
    println!(
        "{what}: mode {:o} nlink {nlink} owner {}:{} rdev {rdev:#x} size {size} untouched behind {}",
        half(begin),
        half(begin + 4),
        half(begin + 6),
        buffer[end..].iter().all(|byte| *byte == 0xaa)
    );
}

/// A file in all older stats. Inode numbers of most filesystems have too many bits for the oldest.
fn older(path: &CStr) {
    let word = [path.as_ptr() as usize];
    tell_older("stat", sys::nr::newstat, &word, false);
    tell_older("lstat", sys::nr::newlstat, &word, false);
    tell_older("oldstat", sys::nr::oldstat, &word, true);
    tell_older("oldlstat", sys::nr::oldlstat, &word, true);
}

fn the_older_stats_show_what_is_faked() {
    file(c"f");
    let _ = quiet!(fchownat(AT_FDCWD, c"f", 1000, 2000, 0));
    let _ = quiet!(fchmodat(AT_FDCWD, c"f", 0o6751));
    older(c"f");
    let _ = quiet!(mknodat(AT_FDCWD, c"n", S_IFCHR | 0o640, 0x4560_1278));
    older(c"n");
    symlink(c"f", c"l");
    older(c"l");
    dir(c"d");
    mode(c"d", 0o1777);
    older(c"d");
    let fd = open_rw(c"f") as usize;
    tell_older("fstat", sys::nr::newfstat, &[fd], false);
    tell_older("oldfstat", sys::nr::oldfstat, &[fd], true);
    older(c"/dev/null");
    older(c"/proc");
}

fn the_older_stats_of_what_does_not_fit() {
    let fd = open_rw(c"f");
    let _ = call!(ftruncate64(fd, 0x7fff_ffff, 0));
    older(c"f");
    let _ = call!(ftruncate64(fd, 0x8000_0000u32, 0));
    tell_older("stat", sys::nr::newstat, &[c"f".as_ptr() as usize], false);
    show(c"f");
}

fn the_older_stats_errors_are_the_kernels() {
    older(c"missing");
    older(c"/dev/null/x");
    tell_older("oldfstat", sys::nr::oldfstat, &[77], true);
    tell_older("fstat", sys::nr::newfstat, &[77], false);
    let _ = call!(newstat(c"/", BAD));
    let _ = call!(oldstat(c"/proc", BAD));
    let _ = call!(oldlstat(BAD, BAD));
}

fn truncate64_beyond_four_gigabytes() {
    file(c"f");
    let _ = call!(truncate64(c"f", 5, 1));
    show(c"f");
    let _ = call!(truncate64(c"f", 3, 0));
    show(c"f");
    let _ = call!(truncate64(c"f", 0, -1));
    let _ = call!(truncate64(c"missing", 0, 0));
}

fn truncate64_of_a_device_node_is_einval() {
    must!(mknodat(AT_FDCWD, c"n", S_IFCHR | 0o666, 0x103));
    let _ = call!(truncate64(c"n", 5, 0));
    show(c"n");
}

fn fcntl64_tells_the_flags() {
    let fd = must!(openat(AT_FDCWD, c"f", O_CREAT | O_RDWR, 0o644));
    let _ = call!(fcntl64(fd, libc::F_GETFL));
    let _ = quiet!(fchown(fd, 5, 6));
    let _ = call!(fcntl64(fd, libc::F_SETFL, libc::O_APPEND));
    show(c"f");
}

/// `struct sockaddr_un` for this path, and its length.
fn address(path: &[u8]) -> ([u8; 110], usize) {
    let mut bytes = [0; 110];
    bytes[..2].copy_from_slice(&(AF_UNIX as u16).to_ne_bytes());
    bytes[2..2 + path.len()].copy_from_slice(path);
    (bytes, 2 + path.len())
}

fn socketcall_bind_gives_the_socket_an_owner() {
    let bind = |path: &[u8]| {
        let fd = call!(socketcall(SYS_SOCKET, &[AF_UNIX as usize, SOCK_STREAM as usize, 0][..])).map(|_| ());
        if fd.is_err() {
            return;
        }
        let fd = must!(socket(AF_UNIX, SOCK_STREAM, 0));
        let (bytes, len) = address(path);
        let _ = call!(socketcall(SYS_BIND, &[fd, bytes.as_ptr() as usize, len][..]));
    };
    bind(b"plain");
    show(c"plain");
    dir(c"d");
    let _ = quiet!(fchownat(AT_FDCWD, c"d", 0, 4000, 0));
    mode(c"d", 0o2777);
    as_user(1000, || bind(b"d/s"));
    show(c"d/s");
    bind(b"plain");
    bind(b"\0abstract frng");
}

fn socketcall_errors_are_the_kernels() {
    let (bytes, len) = address(b"s");
    let _ = call!(socketcall(SYS_BIND, &[77, bytes.as_ptr() as usize, len][..]));
    let _ = call!(socketcall(SYS_BIND, BAD));
    let _ = call!(socketcall(0, BAD));
    let _ = call!(socketcall(99, BAD));
    if sys::nr::socketcall.get().is_some() {
        let fd = must!(socket(AF_UNIX, SOCK_STREAM, 0));
        let _ = call!(socketcall(SYS_BIND, &[fd, BAD, len][..]));
        let _ = call!(socketcall(SYS_BIND, &[fd, bytes.as_ptr() as usize, 1][..]));
    }
}

/// `struct __kernel_timespec[2]`.
type Spec = [i64; 4];

const UTIME_NOW: i64 = 0x3fff_ffff;
const UTIME_OMIT: i64 = 0x3fff_fffe;

/// The times of a file, "now" if they are of these years.
fn times(path: &CStr) {
    let mut stx: libc::statx = blank();
    let _ = quiet!(statx(AT_FDCWD, path, 0, libc::STATX_BASIC_STATS, &mut stx));
    for (name, time) in [("atime", stx.stx_atime), ("mtime", stx.stx_mtime)] {
        if (1_600_000_000..4_000_000_000).contains(&time.tv_sec) {
            println!("{name} now");
        } else {
            println!("{name} {}.{}", time.tv_sec, time.tv_nsec);
        }
    }
}

fn utimensat_time64_goes_beyond_2038() {
    file(c"f");
    let set: Spec = [5_000_000_000, 6, -7, 999_999_999];
    let _ = call!(utimensat_time64(AT_FDCWD, c"f", &set, 0));
    times(c"f");
    // What a 32-bit program has behind its nanoseconds is padding.
    let padded: Spec = [8, 9 | 0x5555 << 32, 10, 11 | -1 << 32];
    let _ = call!(utimensat_time64(AT_FDCWD, c"f", &padded, 0));
    times(c"f");
    let fd = open_rw(c"f");
    let _ = call!(utimensat_time64(fd, NULL, &set, 0));
    times(c"f");
}

fn utimensat_time64_of_foreign_files() {
    file(c"f");
    mode(c"f", 0o644);
    file(c"w");
    mode(c"w", 0o666);
    let of_user = || {
        for path in [c"f", c"w"] {
            let now: Spec = [0, UTIME_NOW, 0, UTIME_NOW | 1 << 40];
            let _ = call!(utimensat_time64(AT_FDCWD, path, &now, 0));
            let given: Spec = [1, 2, 3, 4];
            let _ = call!(utimensat_time64(AT_FDCWD, path, &given, 0));
            let omit: Spec = [0, UTIME_OMIT, 0, UTIME_OMIT];
            let _ = call!(utimensat_time64(AT_FDCWD, path, &omit, 0));
            let half: Spec = [0, UTIME_NOW, 0, UTIME_OMIT];
            let _ = call!(utimensat_time64(AT_FDCWD, path, &half, 0));
            let _ = call!(utimensat_time64(AT_FDCWD, path, NULL, 0));
        }
    };
    as_user(1000, of_user);
    of_user();
}

fn utimensat_time64_of_bad_values() {
    file(c"f");
    for nanoseconds in [-1i64, 1_000_000_000, 0x3fff_fffd] {
        let spec: Spec = [1, nanoseconds, 2, 3];
        let _ = call!(utimensat_time64(AT_FDCWD, c"f", &spec, 0));
        as_user(1000, || {
            let _ = call!(utimensat_time64(AT_FDCWD, c"f", &spec, 0));
        });
    }
    let _ = call!(utimensat_time64(AT_FDCWD, c"f", BAD, 0));
    let _ = call!(utimensat_time64(AT_FDCWD, c"missing", NULL, 0));
    let _ = call!(utimensat_time64(AT_FDCWD, c"f", NULL, 0x8000));
}

/// What would set the clock is tried as a user only, whom the kernel refuses it.
fn clocks_are_not_for_users() {
    as_user(1000, || {
        let time: [i64; 2] = [1_000_000_000, 0];
        let _ = call!(stime(&[1_000_000_000usize]));
        let _ = call!(clock_settime(libc::CLOCK_REALTIME, &time));
        let mut timex = [0u64; 32];
        // ADJ_TICK
        timex[0] = 0x4000;
        let _ = call!(clock_adjtime(libc::CLOCK_REALTIME, &mut timex));
    });
}

fn clock_errors_are_the_kernels() {
    let _ = call!(stime(BAD));
    let _ = call!(clock_settime(libc::CLOCK_REALTIME, BAD));
    let _ = call!(clock_settime(libc::CLOCK_REALTIME, &[1i64, 2_000_000_000]));
    let _ = call!(clock_settime(libc::CLOCK_MONOTONIC, &[1i64, 0]));
    let _ = call!(clock_adjtime(libc::CLOCK_REALTIME, BAD));
    let mut nothing = [0u64; 32];
    let _ = ok_or_errno("clock_adjtime", quiet!(clock_adjtime(libc::CLOCK_REALTIME, &mut nothing)));
}

fn nice_below_zero_is_read_back() {
    for increment in [-5, 3, -100, 100, 0] {
        let _ = call!(nice(increment));
        let _ = call!(getpriority(PRIO_PROCESS, 0));
    }
}

fn nice_is_refused_to_users() {
    as_user(1000, || {
        let _ = call!(nice(-1));
        let _ = call!(nice(2));
        let _ = call!(getpriority(PRIO_PROCESS, 0));
        let _ = call!(nice(-1));
    });
}
