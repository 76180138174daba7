//! The utime family: results, and whether times that were set read back.

use std::ffi::CStr;

use libc::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW};

use super::cases;
use crate::stage::{as_user, dir, file, mode, open_dir, open_rw, symlink};
use crate::sys::{BAD, NULL, errno};

cases![
    utime_sets_both,
    utimes_sets_both,
    futimesat_sets_both,
    utimensat_sets_both,
    utimensat_of_a_descriptor,
    utimensat_of_empty_path,
    utimensat_now,
    utimensat_omit_keeps,
    utimensat_null_is_now,
    utimensat_of_a_symlink,
    utimensat_of_foreign_file,
    utimensat_of_a_mode_000_file,
    utimensat_of_a_device_node,
    utimensat_of_bad_values_is_einval,
    utimensat_of_bad_flags_is_einval,
    bad_paths_get_the_kernels_errno,
    times_survive_chown_and_chmod,
    other_user_is_refused,
];

type Spec = [i64; 4];

// include/uapi/linux/stat.h; libc types them by the ABI's long.
const UTIME_NOW: i64 = 0x3fff_ffff;
const UTIME_OMIT: i64 = 0x3fff_fffe;

/// The modification and access times as seconds.nanoseconds; those of this decade are "now".
fn tell(path: &CStr) {
    let mut stx: libc::statx = crate::seen::blank();
    match quiet!(statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, libc::STATX_BASIC_STATS, &mut stx)) {
        Ok(_) => {
            let moment = |t: libc::statx_timestamp| {
                if t.tv_sec > 1_600_000_000 { "now".to_owned() } else { format!("{}.{}", t.tv_sec, t.tv_nsec) }
            };
            println!("{}: atime {} mtime {}", path.to_string_lossy(), moment(stx.stx_atime), moment(stx.stx_mtime));
        }
        Err(e) => println!("{}: {}", path.to_string_lossy(), errno::name(e)),
    }
}

/// `struct timespec[2]` of this ABI's utimensat.
fn spec(times: Spec) -> [libc::timespec; 2] {
    let moment = |seconds: i64, nanoseconds: i64| libc::timespec { tv_sec: seconds as _, tv_nsec: nanoseconds as _ };
    [moment(times[0], times[1]), moment(times[2], times[3])]
}

fn utime_sets_both() {
    file(c"f");
    let _ = call!(utime(c"f", &[1_000_000_000usize, 1_100_000_000]));
    tell(c"f");
    let _ = call!(utime(c"f", NULL));
    tell(c"f");
}

fn utimes_sets_both() {
    file(c"f");
    let _ = call!(utimes(c"f", &[1_000_000_000usize, 5, 1_100_000_000, 999_999]));
    tell(c"f");
    let _ = call!(utimes(c"f", &[1usize, 1_000_000, 1, 0]));
    let _ = call!(utimes(c"f", NULL));
    tell(c"f");
}

fn futimesat_sets_both() {
    dir(c"d");
    file(c"d/f");
    let fd = open_dir(c"d");
    let _ = call!(futimesat(fd, c"f", &[1_000_000_000usize, 5, 1_100_000_000, 999_999]));
    tell(c"d/f");
    let _ = call!(futimesat(fd, NULL, &[1_000_000_000usize, 5, 1_100_000_000, 999_999]));
    tell(c"d");
}

fn utimensat_sets_both() {
    file(c"f");
    let _ = call!(utimensat(AT_FDCWD, c"f", &spec([1_000_000_000, 1, 1_100_000_000, 999_999_999]), 0));
    tell(c"f");
    let _ = call!(utimensat(AT_FDCWD, c"f", &spec([0, 0, 1, 0]), 0));
    tell(c"f");
}

fn utimensat_of_a_descriptor() {
    let fd = open_rw(c"f");
    let _ = call!(utimensat(fd, NULL, &spec([1_000_000_000, 1, 1_100_000_000, 2]), 0));
    tell(c"f");
    let _ = call!(utimensat(fd, NULL, &spec([1_000_000_000, 1, 1_100_000_000, 2]), AT_SYMLINK_NOFOLLOW));
    let _ = call!(utimensat(AT_FDCWD, NULL, &spec([1_000_000_000, 1, 1_100_000_000, 2]), 0));
}

fn utimensat_of_empty_path() {
    let fd = open_rw(c"f");
    let _ = call!(utimensat(fd, c"", &spec([1_000_000_000, 1, 1_100_000_000, 2]), AT_EMPTY_PATH));
    tell(c"f");
    let _ = call!(utimensat(fd, c"", &spec([1, 1, 1, 2]), 0));
}

fn utimensat_now() {
    file(c"f");
    must!(utimensat(AT_FDCWD, c"f", &spec([1_000_000_000, 1, 1_100_000_000, 2]), 0));
    let _ = call!(utimensat(AT_FDCWD, c"f", &spec([0, UTIME_NOW, 1_100_000_000, 3]), 0));
    tell(c"f");
    let _ = call!(utimensat(AT_FDCWD, c"f", &spec([77, UTIME_NOW, 77, UTIME_NOW]), 0));
    tell(c"f");
}

fn utimensat_omit_keeps() {
    file(c"f");
    must!(utimensat(AT_FDCWD, c"f", &spec([1_000_000_000, 1, 1_100_000_000, 2]), 0));
    let _ = call!(utimensat(AT_FDCWD, c"f", &spec([5, UTIME_OMIT, 6, 7]), 0));
    tell(c"f");
    let _ = call!(utimensat(AT_FDCWD, c"f", &spec([5, UTIME_OMIT, 6, UTIME_OMIT]), 0));
    tell(c"f");
    let _ = call!(utimensat(AT_FDCWD, c"missing", &spec([5, UTIME_OMIT, 6, UTIME_OMIT]), 0));
}

fn utimensat_null_is_now() {
    file(c"f");
    must!(utimensat(AT_FDCWD, c"f", &spec([1_000_000_000, 1, 1_100_000_000, 2]), 0));
    let _ = call!(utimensat(AT_FDCWD, c"f", NULL, 0));
    tell(c"f");
}

fn utimensat_of_a_symlink() {
    file(c"f");
    symlink(c"f", c"l");
    let _ = call!(utimensat(AT_FDCWD, c"l", &spec([1_000_000_000, 1, 1_100_000_000, 2]), AT_SYMLINK_NOFOLLOW));
    tell(c"l");
    tell(c"f");
    let _ = call!(utimensat(AT_FDCWD, c"l", &spec([1_200_000_000, 1, 1_300_000_000, 2]), 0));
    tell(c"f");
}

fn utimensat_of_foreign_file() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1000, 1000, 0));
    must!(fchmodat(AT_FDCWD, c"f", 0o400));
    let _ = call!(utimensat(AT_FDCWD, c"f", &spec([1_000_000_000, 1, 1_100_000_000, 2]), 0));
    tell(c"f");
    let _ = call!(utimensat(AT_FDCWD, c"f", NULL, 0));
    tell(c"f");
}

fn utimensat_of_a_mode_000_file() {
    file(c"f");
    mode(c"f", 0);
    let _ = call!(utimensat(AT_FDCWD, c"f", &spec([1_000_000_000, 1, 1_100_000_000, 2]), 0));
    tell(c"f");
}

fn utimensat_of_a_device_node() {
    must!(mknodat(AT_FDCWD, c"n", libc::S_IFBLK | 0o600, libc::makedev(8, 0)));
    let _ = call!(utimensat(AT_FDCWD, c"n", &spec([1_000_000_000, 1, 1_100_000_000, 2]), 0));
    tell(c"n");
}

fn utimensat_of_bad_values_is_einval() {
    file(c"f");
    let _ = call!(utimensat(AT_FDCWD, c"f", &spec([1, 1_000_000_000, 1, 0]), 0));
    let _ = call!(utimensat(AT_FDCWD, c"f", &spec([1, -1, 1, 0]), 0));
    let _ = call!(utimensat(AT_FDCWD, c"f", BAD, 0));
}

fn utimensat_of_bad_flags_is_einval() {
    file(c"f");
    let _ = call!(utimensat(AT_FDCWD, c"f", NULL, 1));
    let _ = call!(utimensat(AT_FDCWD, c"f", NULL, -1));
}

fn bad_paths_get_the_kernels_errno() {
    file(c"f");
    symlink(c"loop", c"loop");
    for path in [c"", c"missing", c"f/g", c"loop"] {
        let _ = call!(utimensat(AT_FDCWD, path, NULL, 0));
        let _ = call!(utimes(path, NULL));
        let _ = call!(utime(path, NULL));
    }
    let _ = call!(utimensat(AT_FDCWD, BAD, NULL, 0));
    let _ = call!(utimensat(999, c"f", NULL, 0));
}

fn times_survive_chown_and_chmod() {
    file(c"f");
    must!(utimensat(AT_FDCWD, c"f", &spec([1_000_000_000, 1, 1_100_000_000, 2]), 0));
    must!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    must!(fchmodat(AT_FDCWD, c"f", 0o4711));
    must!(linkat(AT_FDCWD, c"f", AT_FDCWD, c"g", 0));
    must!(renameat2(AT_FDCWD, c"f", AT_FDCWD, c"h", 0));
    tell(c"h");
}

fn other_user_is_refused() {
    file(c"f");
    as_user(1000, || {
        let _ = call!(utimensat(AT_FDCWD, c"f", &spec([1_000_000_000, 1, 1_100_000_000, 2]), 0));
        let _ = call!(utimensat(AT_FDCWD, c"f", NULL, 0));
    });
}
