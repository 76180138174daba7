//! chmod and its variants, and what modes do (not) mean to root.

use libc::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_PATH, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY};

use super::cases;
use crate::seen::{show, show_fd, show_target};
use crate::stage::{copy_of_self, dir, file, in_child, mode, open_ro, open_rw, proc_path, run, symlink};
use crate::sys::{BAD, NULL, ok_or_errno};

cases![
    chmod_sets_the_mode,
    fchmod_sets_the_mode,
    fchmodat_sets_the_mode,
    fchmodat2_sets_the_mode,
    chmod_sets_suid_sgid_and_sticky,
    fchmod_sets_suid_sgid_and_sticky,
    chmod_of_suid_on_foreign_file,
    chmod_ignores_bits_beyond_07777,
    chmod_ignores_the_umask,
    chmod_through_symlink_changes_the_target,
    chmod_through_proc_self_fd,
    chmod_through_proc_self_fd_of_o_path,
    fchmod_of_o_path_descriptor_is_ebadf,
    fchmod_of_read_only_descriptor_works,
    fchmod_of_bad_descriptor_is_ebadf,
    fchmodat_ignores_flags,
    fchmodat2_nofollow_on_a_file,
    fchmodat2_nofollow_on_symlink_is_eopnotsupp,
    fchmodat2_empty_path_changes_the_descriptor,
    fchmodat2_without_empty_path_flag_is_enoent,
    fchmodat2_of_foreign_flags_is_einval,
    chmod_of_symlink_via_o_path_is_eopnotsupp,
    bad_paths_get_the_kernels_errno,
    mode_000_file_is_read_and_written,
    mode_000_file_is_reopened_through_proc,
    mode_000_directory_is_used,
    mode_0111_directory_is_listed,
    read_only_file_is_truncated,
    file_created_with_mode_000_is_used,
    directory_created_with_mode_000_is_used,
    non_executable_is_not_executed,
    chmod_back_to_executable,
    mode_0001_is_executed,
    write_keeps_suid_for_root,
    truncate_keeps_suid_for_root,
    chmod_after_chown_keeps_the_owner,
    chown_after_chmod_keeps_the_mode,
    chmod_of_directory_sets_sgid_and_sticky,
    chmod_of_fifo,
    chmod_of_hard_link_is_seen_by_the_other_name,
    chmod_in_child_is_seen_by_parent,
    each_permission_bit_is_kept,
];

fn chmod_sets_the_mode() {
    file(c"f");
    let _ = call!(chmod(c"f", 0o751));
    show(c"f");
}

fn fchmod_sets_the_mode() {
    let fd = open_rw(c"f");
    let _ = call!(fchmod(fd, 0o751));
    show(c"f");
    show_fd("fd", fd);
}

fn fchmodat_sets_the_mode() {
    dir(c"d");
    file(c"d/f");
    let fd = open_ro(c"d");
    let _ = call!(fchmodat(fd, c"f", 0o751));
    show(c"d/f");
}

fn fchmodat2_sets_the_mode() {
    dir(c"d");
    file(c"d/f");
    let fd = open_ro(c"d");
    let _ = call!(fchmodat2(fd, c"f", 0o751, 0));
    show(c"d/f");
}

fn chmod_sets_suid_sgid_and_sticky() {
    file(c"f");
    for bits in [0o4755, 0o2755, 0o1755, 0o6711, 0o7777, 0o4644, 0o755] {
        let _ = call!(chmod(c"f", bits));
        show(c"f");
    }
}

fn fchmod_sets_suid_sgid_and_sticky() {
    let fd = open_rw(c"f");
    for bits in [0o4755, 0o2755, 0o1755, 0o7000, 0o644] {
        let _ = call!(fchmod(fd, bits));
        show_fd("fd", fd);
    }
}

/// Root is no member of group 2000, yet keeps set-group-ID: CAP_FSETID.
fn chmod_of_suid_on_foreign_file() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1000, 2000, 0));
    let _ = call!(fchmodat(AT_FDCWD, c"f", 0o6755));
    show(c"f");
}

fn chmod_ignores_bits_beyond_07777() {
    file(c"f");
    let _ = call!(chmod(c"f", 0o170_000 | 0o640));
    show(c"f");
    let _ = call!(fchmodat(AT_FDCWD, c"f", 0xffff_0000_u32 | 0o600));
    show(c"f");
    let _ = call!(fchmodat(AT_FDCWD, c"f", -1));
    show(c"f");
}

fn chmod_ignores_the_umask() {
    file(c"f");
    let _ = call!(umask(0o777));
    let _ = call!(fchmodat(AT_FDCWD, c"f", 0o666));
    show(c"f");
}

fn chmod_through_symlink_changes_the_target() {
    file(c"f");
    symlink(c"f", c"l");
    let _ = call!(chmod(c"l", 0o600));
    show(c"l");
    show_target(c"l");
    let _ = call!(fchmodat(AT_FDCWD, c"l", 0o4711));
    show(c"l");
    show(c"f");
}

fn chmod_through_proc_self_fd() {
    let fd = open_rw(c"f");
    let path = proc_path(fd);
    let _ = call!(chmod(&*path, 0o4711));
    show(c"f");
    let _ = call!(fchmodat(AT_FDCWD, &*path, 0o2711));
    show(c"f");
}

/// How libcs without fchmodat2 do AT_SYMLINK_NOFOLLOW.
fn chmod_through_proc_self_fd_of_o_path() {
    file(c"f");
    let fd = must!(openat(AT_FDCWD, c"f", O_PATH, 0)) as i32;
    let path = proc_path(fd);
    let _ = call!(fchmodat(AT_FDCWD, &*path, 0o4711));
    show(c"f");
}

fn fchmod_of_o_path_descriptor_is_ebadf() {
    file(c"f");
    let fd = must!(openat(AT_FDCWD, c"f", O_PATH, 0)) as i32;
    let _ = call!(fchmod(fd, 0o4711));
    show(c"f");
}

fn fchmod_of_read_only_descriptor_works() {
    file(c"f");
    let fd = open_ro(c"f");
    let _ = call!(fchmod(fd, 0o4711));
    show(c"f");
}

fn fchmod_of_bad_descriptor_is_ebadf() {
    let _ = call!(fchmod(-1, 0o644));
    let _ = call!(fchmod(999, 0o644));
    let _ = call!(fchmodat(999, c"f", 0o644));
    let _ = call!(fchmodat2(999, c"f", 0o644, 0));
}

/// The call has three arguments: what a libc might put in the fourth register means nothing.
fn fchmodat_ignores_flags() {
    file(c"f");
    symlink(c"f", c"l");
    let _ = call!(fchmodat(AT_FDCWD, c"l", 0o4711, AT_SYMLINK_NOFOLLOW));
    let _ = call!(fchmodat(AT_FDCWD, c"l", 0o4711, -1));
    show(c"f");
    show(c"l");
}

fn fchmodat2_nofollow_on_a_file() {
    file(c"f");
    let _ = call!(fchmodat2(AT_FDCWD, c"f", 0o4711, AT_SYMLINK_NOFOLLOW));
    show(c"f");
}

fn fchmodat2_nofollow_on_symlink_is_eopnotsupp() {
    file(c"f");
    symlink(c"f", c"l");
    let _ = call!(fchmodat2(AT_FDCWD, c"l", 0o4711, AT_SYMLINK_NOFOLLOW));
    show(c"f");
    show(c"l");
}

fn fchmodat2_empty_path_changes_the_descriptor() {
    let fd = open_rw(c"f");
    let _ = call!(fchmodat2(fd, c"", 0o4711, AT_EMPTY_PATH));
    show(c"f");
    let _ = call!(fchmodat2(AT_FDCWD, c"", 0o711, AT_EMPTY_PATH));
    show(c".");
}

fn fchmodat2_without_empty_path_flag_is_enoent() {
    let fd = open_rw(c"f");
    let _ = call!(fchmodat2(fd, c"", 0o4711, 0));
    show(c"f");
}

fn fchmodat2_of_foreign_flags_is_einval() {
    file(c"f");
    let _ = call!(fchmodat2(AT_FDCWD, c"f", 0o4711, 1));
    let _ = call!(fchmodat2(AT_FDCWD, c"f", 0o4711, libc::AT_SYMLINK_FOLLOW));
    show(c"f");
}

fn chmod_of_symlink_via_o_path_is_eopnotsupp() {
    symlink(c"nowhere", c"l");
    let fd = must!(openat(AT_FDCWD, c"l", O_PATH | libc::O_NOFOLLOW, 0)) as i32;
    let path = proc_path(fd);
    let _ = call!(fchmodat(AT_FDCWD, &*path, 0o600));
    let _ = call!(fchmodat2(fd, c"", 0o600, AT_EMPTY_PATH));
    show(c"l");
}

fn bad_paths_get_the_kernels_errno() {
    file(c"f");
    let long = std::ffi::CString::new("n".repeat(256)).expect("no NUL");
    let _ = call!(chmod(BAD, 0o644));
    let _ = call!(chmod(NULL, 0o644));
    let _ = call!(fchmodat(AT_FDCWD, BAD, 0o644));
    let _ = call!(fchmodat2(AT_FDCWD, BAD, 0o644, 0));
    let _ = call!(chmod(c"", 0o644));
    let _ = call!(fchmodat(AT_FDCWD, c"missing", 0o644));
    let _ = call!(fchmodat(AT_FDCWD, c"f/g", 0o644));
    let _ = call!(fchmodat(AT_FDCWD, &*long, 0o644));
    let _ = call!(fchmodat2(AT_FDCWD, &*long, 0o644, 0));
}

fn mode_000_file_is_read_and_written() {
    file(c"f");
    mode(c"f", 0);
    show(c"f");
    println!("{:?}", std::fs::read_to_string("f"));
    println!("{:?}", std::fs::write("f", "new text"));
    println!("{:?}", std::fs::read_to_string("f"));
    show(c"f");
}

fn mode_000_file_is_reopened_through_proc() {
    let fd = open_rw(c"f");
    must!(fchmod(fd, 0));
    let path = proc_path(fd);
    let again = ok_or_errno("open again", quiet!(openat(AT_FDCWD, &*path, O_RDWR, 0)));
    show_fd("again", again.map_or(-1, |fd| fd as i32));
}

fn mode_000_directory_is_used() {
    dir(c"d");
    mode(c"d", 0);
    show(c"d");
    let _ = ok_or_errno("create", quiet!(openat(AT_FDCWD, c"d/f", libc::O_CREAT | O_WRONLY, 0o644)));
    let _ = call!(mkdirat(AT_FDCWD, c"d/e", 0o755));
    show(c"d/f");
    println!("{:?}", std::fs::read_dir("d").map(Iterator::count).map_err(|e| e.kind()));
    let _ = call!(chdir(c"d"));
    show(c"f");
    let _ = call!(unlinkat(AT_FDCWD, c"f", 0));
    let _ = call!(chdir(c".."));
    show(c"d");
}

fn mode_0111_directory_is_listed() {
    dir(c"d");
    file(c"d/f");
    mode(c"d", 0o111);
    println!("{:?}", std::fs::read_dir("d").map(Iterator::count).map_err(|e| e.kind()));
    let _ = call!(renameat2(AT_FDCWD, c"d/f", AT_FDCWD, c"d/g", 0));
    show(c"d/g");
    show(c"d");
}

fn read_only_file_is_truncated() {
    file(c"f");
    mode(c"f", 0o444);
    let _ = ok_or_errno("open", quiet!(openat(AT_FDCWD, c"f", O_WRONLY | O_TRUNC, 0)));
    show(c"f");
    let _ = call!(truncate(c"f", 3));
    show(c"f");
}

fn file_created_with_mode_000_is_used() {
    let fd = must!(openat(AT_FDCWD, c"f", libc::O_CREAT | libc::O_EXCL | O_RDWR, 0)) as i32;
    let _ = call!(write(fd, c"abc", 3));
    show(c"f");
    let _ = ok_or_errno("read", quiet!(openat(AT_FDCWD, c"f", O_RDONLY, 0)));
    let _ = ok_or_errno("write", quiet!(openat(AT_FDCWD, c"f", O_WRONLY, 0)));
    show(c"f");
}

fn directory_created_with_mode_000_is_used() {
    let _ = call!(mkdirat(AT_FDCWD, c"d", 0));
    show(c"d");
    let _ = call!(mkdirat(AT_FDCWD, c"d/e", 0o222));
    let _ = call!(symlinkat(c"x", AT_FDCWD, c"d/l"));
    show(c"d/e");
    println!("{:?}", std::fs::read_dir("d").map(Iterator::count).map_err(|e| e.kind()));
}

/// The one thing root may not do with a file without any x bit.
fn non_executable_is_not_executed() {
    copy_of_self(c"program");
    let _ = call!(fchmodat(AT_FDCWD, c"program", 0o644));
    run(c"./program", &[c"program", c"role", c"ids"]);
    let _ = call!(fchmodat(AT_FDCWD, c"program", 0));
    run(c"./program", &[c"program", c"role", c"ids"]);
    let _ = call!(fchmodat(AT_FDCWD, c"program", 0o6666));
    run(c"./program", &[c"program", c"role", c"ids"]);
}

fn chmod_back_to_executable() {
    copy_of_self(c"program");
    must!(fchmodat(AT_FDCWD, c"program", 0o600));
    run(c"./program", &[c"program", c"role", c"ids"]);
    must!(fchmodat(AT_FDCWD, c"program", 0o700));
    run(c"./program", &[c"program", c"role", c"ids"]);
}

/// One x bit, be it for others only, is enough for root.
fn mode_0001_is_executed() {
    copy_of_self(c"program");
    for bits in [0o001, 0o010, 0o100, 0o401] {
        let _ = call!(fchmodat(AT_FDCWD, c"program", bits));
        run(c"./program", &[c"program", c"role", c"ids"]);
        show_mode_only(c"program");
    }
}

fn show_mode_only(path: &std::ffi::CStr) {
    match crate::seen::by_statx(AT_FDCWD, path, 0) {
        Ok(seen) => println!("mode {:o} owner {}:{}", seen.mode, seen.uid, seen.gid),
        Err(e) => println!("{}", crate::sys::errno::name(e)),
    }
}

/// CAP_FSETID spares root the loss of the bits on write (fs/inode.c: file_remove_privs).
fn write_keeps_suid_for_root() {
    let fd = open_rw(c"f");
    must!(fchmod(fd, 0o6755));
    let _ = call!(write(fd, c"abc", 3));
    show(c"f");
    must!(fchown(fd, 1000, 1000));
    must!(fchmod(fd, 0o6755));
    let _ = call!(write(fd, c"abc", 3));
    show(c"f");
}

fn truncate_keeps_suid_for_root() {
    let fd = open_rw(c"f");
    must!(fchmod(fd, 0o6755));
    let _ = call!(ftruncate(fd, 100));
    show(c"f");
    let _ = call!(truncate(c"f", 10));
    show(c"f");
    let _ = ok_or_errno("open", quiet!(openat(AT_FDCWD, c"f", O_WRONLY | O_TRUNC, 0)));
    show(c"f");
}

fn chmod_after_chown_keeps_the_owner() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    let _ = call!(fchmodat(AT_FDCWD, c"f", 0o4711));
    show(c"f");
}

fn chown_after_chmod_keeps_the_mode() {
    file(c"f");
    let _ = call!(fchmodat(AT_FDCWD, c"f", 0o421));
    must!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    show(c"f");
}

fn chmod_of_directory_sets_sgid_and_sticky() {
    dir(c"d");
    for bits in [0o2755, 0o1777, 0o3777, 0o4755, 0] {
        let _ = call!(fchmodat(AT_FDCWD, c"d", bits));
        show(c"d");
    }
}

fn chmod_of_fifo() {
    must!(mknodat(AT_FDCWD, c"p", libc::S_IFIFO | 0o644, 0));
    let _ = call!(fchmodat(AT_FDCWD, c"p", 0o6000));
    show(c"p");
}

fn chmod_of_hard_link_is_seen_by_the_other_name() {
    file(c"a");
    must!(linkat(AT_FDCWD, c"a", AT_FDCWD, c"b", 0));
    let _ = call!(fchmodat(AT_FDCWD, c"b", 0o4000));
    show(c"a");
}

fn chmod_in_child_is_seen_by_parent() {
    file(c"f");
    in_child(|| {
        let _ = call!(fchmodat(AT_FDCWD, c"f", 0o2050));
    });
    show(c"f");
}

fn each_permission_bit_is_kept() {
    file(c"f");
    dir(c"d");
    for bit in 0..12 {
        must!(fchmodat(AT_FDCWD, c"f", 1 << bit));
        show(c"f");
        must!(fchmodat(AT_FDCWD, c"d", 1 << bit));
        show(c"d");
    }
}
