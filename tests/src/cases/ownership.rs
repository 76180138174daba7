//! chown and its variants.

use std::ffi::CString;

use libc::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, O_PATH, O_RDONLY, O_WRONLY};

use super::cases;
use crate::seen::{show, show_fd, show_target};
use crate::stage::{copy_of_self, dir, file, in_child, in_thread, mode, open_ro, open_rw, proc_path, run, symlink};
use crate::sys::{BAD, NULL};

cases![
    chown_sets_owner_and_group,
    lchown_sets_owner_and_group,
    fchown_sets_owner_and_group,
    fchownat_sets_owner_and_group,
    chown_of_minus_one_keeps_that_id,
    lchown_of_minus_one_keeps_that_id,
    fchown_of_minus_one_keeps_that_id,
    fchownat_of_minus_one_keeps_that_id,
    chown_of_both_minus_one_changes_nothing,
    chown_takes_the_largest_ids,
    chown_ignores_the_upper_half_of_an_id,
    chown_through_symlink_changes_the_target,
    lchown_of_symlink_changes_the_link,
    chown_of_symlink_nofollow_keeps_target_owner,
    fchownat_through_symlink_changes_the_target,
    chown_follows_a_chain_of_symlinks,
    chown_of_dangling_symlink_is_enoent,
    lchown_of_dangling_symlink_works,
    chown_of_symlink_loop_is_eloop,
    fchownat_empty_path_changes_the_descriptor,
    fchownat_empty_path_of_cwd_changes_the_directory,
    fchownat_empty_path_of_an_o_path_symlink_changes_the_link,
    fchownat_without_empty_path_flag_is_enoent,
    fchownat_null_path_with_empty_path_flag,
    fchownat_relative_to_a_directory_descriptor,
    fchownat_of_absolute_path_ignores_the_descriptor,
    fchownat_of_foreign_flags_is_einval,
    fchown_of_o_path_descriptor_is_ebadf,
    fchown_of_read_only_descriptor_works,
    fchown_of_closed_descriptor_is_ebadf,
    chown_through_proc_self_fd,
    bad_pointers_are_efault,
    empty_path_is_enoent,
    missing_file_is_enoent,
    file_as_directory_is_enotdir,
    long_name_is_enametoolong,
    long_path_is_enametoolong,
    trailing_slash_on_a_file_is_enotdir,
    fchownat_bad_descriptor_is_ebadf,
    chown_clears_suid_and_sgid_of_executables,
    chown_of_minus_one_clears_suid_too,
    chown_keeps_sgid_without_group_execute,
    chown_clears_suid_without_execute,
    chown_keeps_sgid_of_directories,
    chown_keeps_the_sticky_bit,
    fchown_clears_suid_and_sgid,
    lchown_clears_suid_and_sgid,
    chown_twice_tells_the_last_owner,
    chown_back_to_root,
    chown_of_directory_leaves_its_entries,
    chown_of_hard_link_is_seen_by_the_other_name,
    chown_of_fifo_and_socket,
    chown_of_pipe_is_seen_by_fstat,
    chown_of_mode_000_file,
    chown_in_child_is_seen_by_parent,
    chown_in_thread_is_seen_by_the_process,
    chown_is_seen_by_another_program,
    chown_is_seen_through_an_open_descriptor,
    chown_through_dot_and_dot_dot,
    chown_keeps_contents_and_times_readable,
    chown_of_a_deep_tree,
];

fn chown_sets_owner_and_group() {
    file(c"f");
    let _ = call!(chown(c"f", 1000, 2000));
    show(c"f");
}

fn lchown_sets_owner_and_group() {
    file(c"f");
    let _ = call!(lchown(c"f", 1000, 2000));
    show(c"f");
}

fn fchown_sets_owner_and_group() {
    let fd = open_rw(c"f");
    let _ = call!(fchown(fd, 1000, 2000));
    show(c"f");
    show_fd("fd", fd);
}

fn fchownat_sets_owner_and_group() {
    file(c"f");
    let _ = call!(fchownat(AT_FDCWD, c"f", 1000, 2000, 0));
    show(c"f");
}

fn chown_of_minus_one_keeps_that_id() {
    file(c"f");
    let _ = call!(chown(c"f", 1000, -1));
    show(c"f");
    let _ = call!(chown(c"f", -1, 2000));
    show(c"f");
}

fn lchown_of_minus_one_keeps_that_id() {
    symlink(c"nowhere", c"l");
    let _ = call!(lchown(c"l", 1000, -1));
    show(c"l");
    let _ = call!(lchown(c"l", -1, 2000));
    show(c"l");
}

fn fchown_of_minus_one_keeps_that_id() {
    let fd = open_rw(c"f");
    let _ = call!(fchown(fd, 1000, u32::MAX));
    show(c"f");
    let _ = call!(fchown(fd, u32::MAX, 2000));
    show(c"f");
}

fn fchownat_of_minus_one_keeps_that_id() {
    file(c"f");
    let _ = call!(fchownat(AT_FDCWD, c"f", -1, 2000, 0));
    show(c"f");
    let _ = call!(fchownat(AT_FDCWD, c"f", 1000, -1, AT_SYMLINK_NOFOLLOW));
    show(c"f");
}

fn chown_of_both_minus_one_changes_nothing() {
    file(c"f");
    let _ = call!(chown(c"f", -1, -1));
    show(c"f");
    let _ = call!(chown(c"f", 7, 8));
    let _ = call!(chown(c"f", -1, -1));
    show(c"f");
}

fn chown_takes_the_largest_ids() {
    file(c"f");
    let _ = call!(chown(c"f", 0xffff_fffe_u32, 0xffff_fffe_u32));
    show(c"f");
    let _ = call!(chown(c"f", 65534, 65535));
    show(c"f");
    let _ = call!(chown(c"f", 0x8000_0000_u32, 0x7fff_ffff));
    show(c"f");
}

/// The kernel takes an `unsigned int` out of the 64-bit register.
fn chown_ignores_the_upper_half_of_an_id() {
    file(c"f");
    let above = 0xdead_0000_0000_0000_u64 >> (64 - usize::BITS);
    let _ = call!(fchownat(AT_FDCWD, c"f", above | 1000, above | 2000, 0));
    show(c"f");
    let _ = call!(fchownat(AT_FDCWD, c"f", above | 0xffff_ffff, 3000, 0));
    show(c"f");
}

fn chown_through_symlink_changes_the_target() {
    file(c"f");
    symlink(c"f", c"l");
    let _ = call!(chown(c"l", 1000, 2000));
    show(c"f");
    show(c"l");
    show_target(c"l");
}

fn lchown_of_symlink_changes_the_link() {
    file(c"f");
    symlink(c"f", c"l");
    let _ = call!(lchown(c"l", 1000, 2000));
    show(c"f");
    show(c"l");
    show_target(c"l");
}

fn chown_of_symlink_nofollow_keeps_target_owner() {
    file(c"f");
    symlink(c"f", c"l");
    let _ = call!(fchownat(AT_FDCWD, c"l", 1000, 2000, AT_SYMLINK_NOFOLLOW));
    show(c"f");
    show(c"l");
}

fn fchownat_through_symlink_changes_the_target() {
    file(c"f");
    symlink(c"f", c"l");
    let _ = call!(fchownat(AT_FDCWD, c"l", 1000, 2000, 0));
    show(c"f");
    show(c"l");
}

fn chown_follows_a_chain_of_symlinks() {
    dir(c"d");
    file(c"d/f");
    symlink(c"d", c"e");
    symlink(c"e/f", c"l1");
    symlink(c"l1", c"l2");
    let _ = call!(fchownat(AT_FDCWD, c"l2", 5, 6, 0));
    for path in [c"d", c"e", c"d/f", c"l1", c"l2"] {
        show(path);
    }
}

fn chown_of_dangling_symlink_is_enoent() {
    symlink(c"nowhere", c"l");
    let _ = call!(chown(c"l", 1000, 2000));
    let _ = call!(fchownat(AT_FDCWD, c"l", 1000, 2000, 0));
    show(c"l");
}

fn lchown_of_dangling_symlink_works() {
    symlink(c"nowhere", c"l");
    let _ = call!(lchown(c"l", 1000, 2000));
    show(c"l");
    let _ = call!(fchownat(AT_FDCWD, c"l", 3000, 4000, AT_SYMLINK_NOFOLLOW));
    show(c"l");
}

fn chown_of_symlink_loop_is_eloop() {
    symlink(c"b", c"a");
    symlink(c"a", c"b");
    let _ = call!(chown(c"a", 1000, 2000));
    let _ = call!(fchownat(AT_FDCWD, c"a", 1000, 2000, 0));
    let _ = call!(lchown(c"a", 1000, 2000));
    show(c"a");
    show(c"b");
}

fn fchownat_empty_path_changes_the_descriptor() {
    let fd = open_rw(c"f");
    let _ = call!(fchownat(fd, c"", 1000, 2000, AT_EMPTY_PATH));
    show(c"f");
    show_fd("fd", fd);
}

fn fchownat_empty_path_of_cwd_changes_the_directory() {
    let _ = call!(fchownat(AT_FDCWD, c"", 1000, 2000, AT_EMPTY_PATH));
    show(c".");
}

fn fchownat_empty_path_of_an_o_path_symlink_changes_the_link() {
    file(c"f");
    symlink(c"f", c"l");
    let fd = must!(openat(AT_FDCWD, c"l", O_PATH | libc::O_NOFOLLOW, 0)) as i32;
    let _ = call!(fchownat(fd, c"", 1000, 2000, AT_EMPTY_PATH));
    show(c"f");
    show(c"l");
    show_fd("fd", fd);
}

fn fchownat_without_empty_path_flag_is_enoent() {
    let fd = open_rw(c"f");
    let _ = call!(fchownat(fd, c"", 1000, 2000, 0));
    let _ = call!(fchownat(AT_FDCWD, c"", 1000, 2000, AT_SYMLINK_NOFOLLOW));
    show(c"f");
}

/// A kernel that allows NULL for the empty path in stat does not do so here.
fn fchownat_null_path_with_empty_path_flag() {
    let fd = open_rw(c"f");
    let _ = call!(fchownat(fd, NULL, 1000, 2000, AT_EMPTY_PATH));
    show(c"f");
}

fn fchownat_relative_to_a_directory_descriptor() {
    dir(c"d");
    file(c"d/f");
    file(c"f");
    let fd = open_ro(c"d");
    let _ = call!(fchownat(fd, c"f", 1000, 2000, 0));
    let _ = call!(fchownat(fd, c"../f", 3000, 4000, 0));
    show(c"d/f");
    show(c"f");
    show(c"d");
}

fn fchownat_of_absolute_path_ignores_the_descriptor() {
    let fd = open_rw(c"f");
    let path = proc_path(fd);
    let _ = call!(fchownat(-5, &*path, 1000, 2000, 0));
    show(c"f");
}

fn fchownat_of_foreign_flags_is_einval() {
    file(c"f");
    let _ = call!(fchownat(AT_FDCWD, c"f", 1000, 2000, AT_SYMLINK_FOLLOW));
    let _ = call!(fchownat(AT_FDCWD, c"f", 1000, 2000, 1));
    let _ = call!(fchownat(AT_FDCWD, c"f", 1000, 2000, libc::AT_REMOVEDIR));
    let _ = call!(fchownat(AT_FDCWD, c"missing", 1000, 2000, -1));
    show(c"f");
}

fn fchown_of_o_path_descriptor_is_ebadf() {
    file(c"f");
    let fd = must!(openat(AT_FDCWD, c"f", O_PATH, 0)) as i32;
    let _ = call!(fchown(fd, 1000, 2000));
    show(c"f");
    let _ = call!(fchownat(fd, c"", 1000, 2000, AT_EMPTY_PATH));
    show(c"f");
}

fn fchown_of_read_only_descriptor_works() {
    file(c"f");
    let fd = open_ro(c"f");
    let _ = call!(fchown(fd, 1000, 2000));
    show(c"f");
}

fn fchown_of_closed_descriptor_is_ebadf() {
    let _ = call!(fchown(-1, 1000, 2000));
    let _ = call!(fchown(999, 1000, 2000));
    let _ = call!(fchown(i32::MAX, 1000, 2000));
}

fn chown_through_proc_self_fd() {
    let fd = open_rw(c"f");
    let path = proc_path(fd);
    let _ = call!(chown(&*path, 1000, 2000));
    show(c"f");
    let _ = call!(fchownat(AT_FDCWD, &*path, 3000, 4000, 0));
    show(c"f");
}

fn bad_pointers_are_efault() {
    let _ = call!(chown(NULL, 1000, 2000));
    let _ = call!(chown(BAD, 1000, 2000));
    let _ = call!(lchown(BAD, 1000, 2000));
    let _ = call!(fchownat(AT_FDCWD, BAD, 1000, 2000, 0));
    let _ = call!(fchownat(AT_FDCWD, NULL, 1000, 2000, 0));
    let _ = call!(fchownat(AT_FDCWD, usize::MAX, 1000, 2000, 0));
}

fn empty_path_is_enoent() {
    let _ = call!(chown(c"", 1000, 2000));
    let _ = call!(lchown(c"", 1000, 2000));
    let _ = call!(fchownat(AT_FDCWD, c"", 1000, 2000, 0));
}

fn missing_file_is_enoent() {
    let _ = call!(chown(c"missing", 1000, 2000));
    let _ = call!(lchown(c"missing", 1000, 2000));
    let _ = call!(fchownat(AT_FDCWD, c"missing/deeper", 1000, 2000, 0));
}

fn file_as_directory_is_enotdir() {
    let fd = open_rw(c"f");
    let _ = call!(chown(c"f/g", 1000, 2000));
    let _ = call!(lchown(c"f/g", 1000, 2000));
    let _ = call!(fchownat(fd, c"g", 1000, 2000, 0));
}

fn long_name_is_enametoolong() {
    let name = CString::new("n".repeat(256)).expect("no NUL");
    let _ = call!(chown(&*name, 1000, 2000));
    let _ = call!(lchown(&*name, 1000, 2000));
    let _ = call!(fchownat(AT_FDCWD, &*name, 1000, 2000, 0));
}

/// 4095 bytes are the longest path; one more is too many, wherever it would lead.
fn long_path_is_enametoolong() {
    file(c"f");
    let longest = CString::new(format!("{}f", "./".repeat(2047))).expect("no NUL");
    let too_long = CString::new(format!(".//{}f", "./".repeat(2047))).expect("no NUL");
    println!("{} and {} bytes", longest.count_bytes(), too_long.count_bytes());
    let _ = call!(chown(&*longest, 1000, 2000));
    show(c"f");
    let _ = call!(chown(&*too_long, 3000, 4000));
    let _ = call!(fchownat(AT_FDCWD, &*too_long, 3000, 4000, 0));
    show(c"f");
}

fn trailing_slash_on_a_file_is_enotdir() {
    file(c"f");
    dir(c"d");
    symlink(c"d", c"l");
    let _ = call!(chown(c"f/", 1000, 2000));
    let _ = call!(lchown(c"l/", 1000, 2000));
    show(c"f");
    show(c"d");
    show(c"l");
}

fn fchownat_bad_descriptor_is_ebadf() {
    let _ = call!(fchownat(-1, c"f", 1000, 2000, 0));
    let _ = call!(fchownat(999, c"", 1000, 2000, AT_EMPTY_PATH));
}

/// fs/attr.c: setattr_should_drop_suidgid — chown(2) of a non-directory kills privileges, for root too.
fn chown_clears_suid_and_sgid_of_executables() {
    file(c"f");
    mode(c"f", 0o6755);
    show(c"f");
    let _ = call!(chown(c"f", 1000, 2000));
    show(c"f");
}

fn chown_of_minus_one_clears_suid_too() {
    file(c"f");
    mode(c"f", 0o6755);
    let _ = call!(chown(c"f", -1, -1));
    show(c"f");
}

/// Set-group-ID without group execute once meant mandatory locking, so it stays.
fn chown_keeps_sgid_without_group_execute() {
    file(c"f");
    mode(c"f", 0o2745);
    let _ = call!(chown(c"f", 1000, 2000));
    show(c"f");
}

fn chown_clears_suid_without_execute() {
    file(c"f");
    mode(c"f", 0o6644);
    let _ = call!(fchownat(AT_FDCWD, c"f", 1000, -1, 0));
    show(c"f");
}

fn chown_keeps_sgid_of_directories() {
    dir(c"d");
    mode(c"d", 0o7775);
    let _ = call!(chown(c"d", 1000, 2000));
    show(c"d");
}

fn chown_keeps_the_sticky_bit() {
    file(c"f");
    mode(c"f", 0o7777);
    let _ = call!(chown(c"f", 1000, 2000));
    show(c"f");
}

fn fchown_clears_suid_and_sgid() {
    let fd = open_rw(c"f");
    mode(c"f", 0o6711);
    let _ = call!(fchown(fd, -1, 2000));
    show(c"f");
}

fn lchown_clears_suid_and_sgid() {
    file(c"f");
    mode(c"f", 0o6755);
    let _ = call!(lchown(c"f", 1000, -1));
    show(c"f");
}

fn chown_twice_tells_the_last_owner() {
    file(c"f");
    let _ = call!(chown(c"f", 1, 2));
    let _ = call!(chown(c"f", 3, 4));
    show(c"f");
}

fn chown_back_to_root() {
    file(c"f");
    let _ = call!(chown(c"f", 1, 2));
    let _ = call!(chown(c"f", 0, 0));
    show(c"f");
}

fn chown_of_directory_leaves_its_entries() {
    dir(c"d");
    file(c"d/f");
    let _ = call!(chown(c"d", 1, 2));
    show(c"d");
    show(c"d/f");
    show(c"d/.");
    show(c"d/..");
}

fn chown_of_hard_link_is_seen_by_the_other_name() {
    file(c"a");
    must!(linkat(AT_FDCWD, c"a", AT_FDCWD, c"b", 0));
    let _ = call!(chown(c"b", 1, 2));
    show(c"a");
    show(c"b");
}

fn chown_of_fifo_and_socket() {
    must!(mknodat(AT_FDCWD, c"p", libc::S_IFIFO | 0o644, 0));
    must!(mknodat(AT_FDCWD, c"s", libc::S_IFSOCK | 0o755, 0));
    let _ = call!(chown(c"p", 1, 2));
    let _ = call!(lchown(c"s", 3, 4));
    show(c"p");
    show(c"s");
}

fn chown_of_pipe_is_seen_by_fstat() {
    let mut ends = [0i32; 2];
    must!(pipe2(&mut ends, 0));
    show_fd("pipe", ends[0]);
    let _ = call!(fchown(ends[0], 1, 2));
    show_fd("read end", ends[0]);
    show_fd("write end", ends[1]);
}

fn chown_of_mode_000_file() {
    file(c"f");
    mode(c"f", 0);
    let _ = call!(chown(c"f", 1, 2));
    show(c"f");
}

fn chown_in_child_is_seen_by_parent() {
    file(c"f");
    in_child(|| {
        let _ = call!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    });
    show(c"f");
}

fn chown_in_thread_is_seen_by_the_process() {
    file(c"f");
    in_thread(|| {
        let _ = call!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
        show(c"f");
    });
    show(c"f");
}

fn chown_is_seen_by_another_program() {
    file(c"f");
    let _ = call!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    copy_of_self(c"look");
    run(c"./look", &[c"look", c"role", c"look"]);
}

fn chown_is_seen_through_an_open_descriptor() {
    file(c"f");
    let reader = open_ro(c"f");
    let writer = must!(openat(AT_FDCWD, c"f", O_WRONLY, 0)) as i32;
    let path_only = must!(openat(AT_FDCWD, c"f", O_PATH | O_RDONLY, 0)) as i32;
    let _ = call!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    show_fd("reader", reader);
    show_fd("writer", writer);
    show_fd("path only", path_only);
}

fn chown_through_dot_and_dot_dot() {
    dir(c"d");
    dir(c"d/e");
    must!(chdir(c"d/e"));
    let _ = call!(fchownat(AT_FDCWD, c".", 1, 2, 0));
    let _ = call!(fchownat(AT_FDCWD, c"..", 3, 4, 0));
    must!(chdir(c"../.."));
    show(c"d");
    show(c"d/e");
}

fn chown_keeps_contents_and_times_readable() {
    file(c"f");
    let _ = call!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    println!("{:?}", std::fs::read_to_string("f"));
    println!("{:?}", std::fs::write("f", "more text"));
    show(c"f");
}

fn chown_of_a_deep_tree() {
    let mut path = String::from("d");
    for depth in 0..20_u32 {
        let here = CString::new(path.as_str()).expect("no NUL");
        dir(&here);
        must!(fchownat(AT_FDCWD, &*here, depth, depth + 100, 0));
        path.push_str("/d");
    }
    while let Some(parent) = path.strip_suffix("/d").map(str::to_owned) {
        path = parent;
        show(&CString::new(path.as_str()).expect("no NUL"));
    }
}
