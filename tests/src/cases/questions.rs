//! stat in all its forms.

use std::ffi::CString;

use libc::{
    AT_EMPTY_PATH, AT_FDCWD, AT_NO_AUTOMOUNT, AT_STATX_DONT_SYNC, AT_STATX_FORCE_SYNC, AT_SYMLINK_FOLLOW,
    AT_SYMLINK_NOFOLLOW, O_NOFOLLOW, O_PATH, STATX_BASIC_STATS, STATX_BTIME, STATX_GID, STATX_MODE, STATX_TYPE,
    STATX_UID,
};

use super::cases;
use crate::seen::{Seen, Stat, blank, show, show_fd, show_target};
use crate::stage::{as_user, dir, file, mode, open_dir, open_rw, proc_path, symlink};
use crate::sys::{BAD, NULL, Result, errno};

cases![
    fresh_files_belong_to_root,
    all_variants_agree_on_a_lie,
    stat_follows_and_lstat_does_not,
    stat_of_dangling_symlink_is_enoent,
    relative_to_a_directory_descriptor,
    descriptor_of_a_file_is_no_directory,
    empty_path_without_flag_is_enoent,
    empty_path_names_the_descriptor,
    empty_path_names_the_working_directory,
    null_path_with_empty_path_flag,
    path_wins_over_empty_path_flag,
    o_path_descriptor_is_asked,
    o_path_symlink_is_asked,
    symlink_trailing_slash_is_followed,
    proc_self_fd_is_followed,
    proc_self_fd_itself_is_a_link,
    bad_path_pointers_are_efault,
    bad_buffers_are_efault,
    bad_paths_get_the_kernels_errno,
    bad_descriptors_are_ebadf,
    fstatat_of_foreign_flags_is_einval,
    statx_of_foreign_flags_is_einval,
    statx_reserved_mask_bit_is_einval,
    statx_of_both_sync_flags_is_einval,
    statx_sync_flags_are_allowed,
    statx_of_no_field,
    statx_of_single_fields,
    statx_of_every_field,
    statx_of_newer_fields,
    statx_leaves_what_lies_behind_the_buffer,
    fstat_of_pipe,
    fstat_of_socketpair,
    fstat_of_inet_socket,
    fstat_of_dev_null,
    files_outside_belong_to_root,
    dev_nodes_are_devices,
    proc_self_belongs_to_the_asker,
    another_user_sees_the_same_lie,
    stat_of_working_directory_after_fchdir,
    stat_of_unreadable_directorys_entry,
    stat_of_sparse_and_grown_file,
];

fn fresh_files_belong_to_root() {
    file(c"f");
    dir(c"d");
    symlink(c"f", c"l");
    show(c"f");
    show(c"d");
    show(c"l");
    show(c".");
}

fn all_variants_agree_on_a_lie() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1000, 2000, 0));
    must!(fchmodat(AT_FDCWD, c"f", 0o4711));
    show(c"f");
    show_target(c"f");
    show_fd("descriptor", open_rw(c"f"));
}

fn stat_follows_and_lstat_does_not() {
    file(c"f");
    symlink(c"f", c"l");
    must!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    must!(fchownat(AT_FDCWD, c"l", 3, 4, AT_SYMLINK_NOFOLLOW));
    show(c"l");
    show_target(c"l");
}

fn stat_of_dangling_symlink_is_enoent() {
    symlink(c"nowhere", c"l");
    show(c"l");
    show_target(c"l");
}

fn relative_to_a_directory_descriptor() {
    dir(c"d");
    file(c"d/f");
    must!(fchownat(AT_FDCWD, c"d/f", 1, 2, 0));
    let fd = open_dir(c"d");
    tell("fstatat", crate::seen::by_fstatat(fd, c"f", 0));
    tell("statx", crate::seen::by_statx(fd, c"f", 0));
    tell("fstatat ..", crate::seen::by_fstatat(fd, c"..", 0));
}

fn descriptor_of_a_file_is_no_directory() {
    let fd = open_rw(c"f");
    tell("fstatat", crate::seen::by_fstatat(fd, c"g", 0));
    tell("statx", crate::seen::by_statx(fd, c"g", 0));
}

fn empty_path_without_flag_is_enoent() {
    let fd = open_rw(c"f");
    tell("fstatat", crate::seen::by_fstatat(fd, c"", 0));
    tell("statx", crate::seen::by_statx(fd, c"", 0));
    show_target(c"");
}

fn empty_path_names_the_descriptor() {
    let fd = open_rw(c"f");
    must!(fchown(fd, 1, 2));
    tell("fstatat", crate::seen::by_fstatat(fd, c"", AT_EMPTY_PATH));
    tell("statx", crate::seen::by_statx(fd, c"", AT_EMPTY_PATH));
    tell("fstatat nofollow", crate::seen::by_fstatat(fd, c"", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW));
}

fn empty_path_names_the_working_directory() {
    must!(fchownat(AT_FDCWD, c".", 1, 2, 0));
    tell("fstatat", crate::seen::by_fstatat(AT_FDCWD, c"", AT_EMPTY_PATH));
    tell("statx", crate::seen::by_statx(AT_FDCWD, c"", AT_EMPTY_PATH));
}

/// Allowed since Linux 6.11.
fn null_path_with_empty_path_flag() {
    let fd = open_rw(c"f");
    must!(fchown(fd, 1, 2));
    let mut st: Stat = blank();
    if call!(fstatat(fd, NULL, &mut st, AT_EMPTY_PATH)).is_ok() {
        println!("{}", Seen::from(st));
    }
    let mut stx: libc::statx = blank();
    if call!(statx(fd, NULL, AT_EMPTY_PATH, STATX_BASIC_STATS, &mut stx)).is_ok() {
        println!("{}", Seen::from(stx));
    }
    let _ = call!(fstatat(AT_FDCWD, NULL, &mut st, AT_EMPTY_PATH));
    let _ = call!(fstatat(fd, NULL, &mut st, 0));
    let _ = call!(statx(fd, NULL, 0, STATX_BASIC_STATS, &mut stx));
    let _ = call!(statx(-1, NULL, AT_EMPTY_PATH, STATX_BASIC_STATS, &mut stx));
}

fn path_wins_over_empty_path_flag() {
    file(c"f");
    dir(c"d");
    file(c"d/f");
    must!(fchownat(AT_FDCWD, c"d/f", 1, 2, 0));
    let fd = open_dir(c"d");
    tell("fstatat", crate::seen::by_fstatat(fd, c"f", AT_EMPTY_PATH));
    tell("statx", crate::seen::by_statx(fd, c"f", AT_EMPTY_PATH));
}

fn o_path_descriptor_is_asked() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    let fd = must!(openat(AT_FDCWD, c"f", O_PATH, 0)) as i32;
    show_fd("path only", fd);
}

fn o_path_symlink_is_asked() {
    symlink(c"nowhere", c"l");
    must!(fchownat(AT_FDCWD, c"l", 1, 2, AT_SYMLINK_NOFOLLOW));
    let fd = must!(openat(AT_FDCWD, c"l", O_PATH | O_NOFOLLOW, 0)) as i32;
    show_fd("link", fd);
}

fn symlink_trailing_slash_is_followed() {
    dir(c"d");
    must!(fchownat(AT_FDCWD, c"d", 1, 2, 0));
    symlink(c"d", c"l");
    show(c"l");
    show(c"l/");
    show(c"l/.");
    file(c"f");
    show(c"f/");
}

fn proc_self_fd_is_followed() {
    let fd = open_rw(c"f");
    must!(fchown(fd, 1, 2));
    show_target(&proc_path(fd));
}

fn proc_self_fd_itself_is_a_link() {
    let fd = open_rw(c"f");
    match crate::seen::by_statx(AT_FDCWD, &proc_path(fd), AT_SYMLINK_NOFOLLOW) {
        Ok(seen) => println!("{:o} {}:{}", seen.mode, seen.uid, seen.gid),
        Err(e) => println!("{}", errno::name(e)),
    }
}

fn bad_path_pointers_are_efault() {
    let mut st: Stat = blank();
    let mut stx: libc::statx = blank();
    for path in [NULL, BAD, usize::MAX] {
        let _ = call!(stat(path, &mut st));
        let _ = call!(lstat(path, &mut st));
        let _ = call!(fstatat(AT_FDCWD, path, &mut st, 0));
        let _ = call!(statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &mut stx));
    }
}

fn bad_buffers_are_efault() {
    let fd = open_rw(c"f");
    for buffer in [NULL, BAD] {
        let _ = call!(stat(c"f", buffer));
        let _ = call!(lstat(c"f", buffer));
        let _ = call!(fstat(fd, buffer));
        let _ = call!(fstatat(AT_FDCWD, c"f", buffer, 0));
        let _ = call!(fstatat(fd, c"", buffer, AT_EMPTY_PATH));
        let _ = call!(statx(AT_FDCWD, c"f", 0, STATX_BASIC_STATS, buffer));
        let _ = call!(statx(AT_FDCWD, c"missing", 0, STATX_BASIC_STATS, buffer));
    }
}

fn bad_paths_get_the_kernels_errno() {
    file(c"f");
    symlink(c"loop", c"loop");
    let long_name = CString::new("n".repeat(256)).expect("no NUL");
    let long_path = CString::new("./".repeat(2048)).expect("no NUL");
    for path in [c"missing", c"f/g", c"loop", &*long_name, &*long_path] {
        tell("fstatat", crate::seen::by_fstatat(AT_FDCWD, path, 0));
        tell("statx", crate::seen::by_statx(AT_FDCWD, path, 0));
        tell("stat", crate::seen::by_path(crate::sys::nr::stat, path));
        tell("lstat", crate::seen::by_path(crate::sys::nr::lstat, path));
    }
}

fn bad_descriptors_are_ebadf() {
    show_fd("-1", -1);
    show_fd("999", 999);
    tell("fstatat", crate::seen::by_fstatat(999, c"f", 0));
    tell("statx", crate::seen::by_statx(999, c"f", 0));
    // An absolute path never looks at the descriptor.
    tell("fstatat /", crate::seen::by_fstatat(999, c"/dev/null", 0));
    tell("statx /", crate::seen::by_statx(999, c"/dev/null", 0));
}

fn fstatat_of_foreign_flags_is_einval() {
    let mut st: Stat = blank();
    file(c"f");
    for flags in [1, AT_SYMLINK_FOLLOW, 0x8000, -1] {
        let _ = call!(fstatat(AT_FDCWD, c"f", &mut st, flags));
    }
    let _ = call!(fstatat(AT_FDCWD, c"f", &mut st, AT_NO_AUTOMOUNT));
}

fn statx_of_foreign_flags_is_einval() {
    let mut stx: libc::statx = blank();
    file(c"f");
    for flags in [1, AT_SYMLINK_FOLLOW, 0x8000, -1] {
        let _ = call!(statx(AT_FDCWD, c"f", flags, STATX_BASIC_STATS, &mut stx));
    }
    let _ = call!(statx(AT_FDCWD, c"f", AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &mut stx));
}

fn statx_reserved_mask_bit_is_einval() {
    let mut stx: libc::statx = blank();
    file(c"f");
    let _ = call!(statx(AT_FDCWD, c"f", 0, 0x8000_0000_u32, &mut stx));
    let _ = call!(statx(AT_FDCWD, c"f", 0, u32::MAX, &mut stx));
    let _ = call!(statx(AT_FDCWD, c"f", 0, 0x7fff_ffff, &mut stx));
}

fn statx_of_both_sync_flags_is_einval() {
    let mut stx: libc::statx = blank();
    file(c"f");
    let both = AT_STATX_DONT_SYNC | AT_STATX_FORCE_SYNC;
    let _ = call!(statx(AT_FDCWD, c"f", both, STATX_BASIC_STATS, &mut stx));
}

fn statx_sync_flags_are_allowed() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    tell("dont sync", crate::seen::by_statx(AT_FDCWD, c"f", AT_STATX_DONT_SYNC));
    tell("force sync", crate::seen::by_statx(AT_FDCWD, c"f", AT_STATX_FORCE_SYNC));
}

/// The kernel fills in what it has at hand, asked for or not.
fn statx_of_no_field() {
    ask_statx(&[0]);
}

fn statx_of_single_fields() {
    ask_statx(&[STATX_TYPE, STATX_MODE, STATX_UID, STATX_GID, STATX_UID | STATX_GID, STATX_BTIME]);
}

fn statx_of_every_field() {
    ask_statx(&[STATX_BASIC_STATS, STATX_BASIC_STATS | STATX_BTIME, 0xfff]);
}

/// Mount id, direct I/O alignment, subvolume, atomic writes.
fn statx_of_newer_fields() {
    ask_statx(&[0x1000, 0x2000, 0x4000, 0x8000, 0x1_0000, 0x2_0000, 0x7fff_ffff]);
}

fn ask_statx(masks: &[u32]) {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1000, 2000, 0));
    must!(fchmodat(AT_FDCWD, c"f", 0o4711));
    for &mask in masks {
        let mut stx: libc::statx = blank();
        let result = quiet!(statx(AT_FDCWD, c"f", 0, mask, &mut stx));
        let told = stx.stx_mask;
        println!("{mask:#x}: {:?} mask {told:#x} {}", result.map_err(errno::name), Seen::from(stx));
    }
}

fn statx_leaves_what_lies_behind_the_buffer() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    let mut room = [0xa5_u8; 512];
    let _ = call!(statx(AT_FDCWD, c"f", 0, STATX_BASIC_STATS, &mut room));
    println!("{}", room[256..].iter().all(|&b| b == 0xa5));
    let mut room = [0xa5_u8; 512];
    let _ = call!(fstatat(AT_FDCWD, c"f", &mut room, 0));
    println!("{}", room[size_of::<Stat>()..].iter().all(|&b| b == 0xa5));
}

fn fstat_of_pipe() {
    let mut ends = [0i32; 2];
    must!(pipe2(&mut ends, 0));
    show_fd("read end", ends[0]);
    show_fd("write end", ends[1]);
}

fn fstat_of_socketpair() {
    let mut ends = [0i32; 2];
    must!(socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, &mut ends));
    show_fd("one", ends[0]);
    show_fd("other", ends[1]);
}

fn fstat_of_inet_socket() {
    let fd = must!(socket(libc::AF_INET, libc::SOCK_STREAM, 0)) as i32;
    show_fd("socket", fd);
}

fn fstat_of_dev_null() {
    let fd = must!(openat(AT_FDCWD, c"/dev/null", libc::O_RDWR, 0)) as i32;
    show_fd("null", fd);
}

fn files_outside_belong_to_root() {
    for path in [c"/", c"/etc/passwd", c"/usr/bin", c"/bin/sh"] {
        match crate::seen::by_statx(AT_FDCWD, path, 0) {
            Ok(seen) => println!("{} {}:{}", path.to_string_lossy(), seen.uid, seen.gid),
            Err(e) => println!("{}", errno::name(e)),
        }
    }
}

fn dev_nodes_are_devices() {
    for path in [c"/dev/null", c"/dev/zero", c"/dev/full", c"/dev/urandom", c"/dev/tty"] {
        show(path);
    }
}

fn proc_self_belongs_to_the_asker() {
    for path in [c"/proc/self/", c"/proc/self/status", c"/proc/self/exe"] {
        match crate::seen::by_statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW) {
            Ok(seen) => println!("{} {:o} {}:{}", path.to_string_lossy(), seen.mode, seen.uid, seen.gid),
            Err(e) => println!("{}", errno::name(e)),
        }
    }
}

fn another_user_sees_the_same_lie() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    as_user(1000, || {
        show(c"f");
        show(c".");
    });
}

fn stat_of_working_directory_after_fchdir() {
    dir(c"d");
    must!(fchownat(AT_FDCWD, c"d", 1, 2, 0));
    let fd = open_dir(c"d");
    must!(fchdir(fd));
    show(c".");
    show(c"");
    show(c"..");
}

fn stat_of_unreadable_directorys_entry() {
    dir(c"d");
    file(c"d/f");
    must!(fchownat(AT_FDCWD, c"d/f", 1, 2, 0));
    mode(c"d", 0);
    show(c"d/f");
    show(c"d/g");
}

fn stat_of_sparse_and_grown_file() {
    let fd = open_rw(c"f");
    must!(fchown(fd, 1, 2));
    must!(ftruncate(fd, 1 << 30));
    show(c"f");
    must!(ftruncate(fd, 0));
    show_fd("fd", fd);
}

fn tell(label: &str, answer: Result<Seen>) {
    match answer {
        Ok(seen) => println!("{label}: {seen}"),
        Err(e) => println!("{label}: {}", errno::name(e)),
    }
}
