//! How long a lie lasts: as long as its inode, and not longer, though inode numbers are used again.

use std::ffi::CString;

use libc::{AT_FDCWD, AT_REMOVEDIR, RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT, S_IFCHR, makedev};

use super::cases;
use crate::seen::{show, show_fd};
use crate::stage::{dir, file, in_child, open_dir, open_rw, proc_path, symlink};
use crate::sys::{BAD, NULL};

cases![
    new_file_does_not_inherit_after_unlink,
    new_file_does_not_inherit_after_unlinkat,
    new_directory_does_not_inherit_after_rmdir,
    new_directory_does_not_inherit_after_removedir,
    new_symlink_does_not_inherit,
    new_file_does_not_inherit_device,
    fifty_rounds_of_creation_never_inherit,
    fifty_rounds_of_directories_never_inherit,
    fifty_rounds_of_mixed_types_never_inherit,
    renamed_over_file_does_not_leave_its_lie,
    hard_link_keeps_the_lie,
    last_hard_link_keeps_the_lie,
    unlinked_open_file_keeps_its_owner,
    unlinked_open_file_is_chowned,
    unlinked_open_file_is_read_through_proc,
    unlinked_open_file_of_another_process,
    duplicated_descriptor_keeps_the_lie,
    removed_open_directory_keeps_its_owner,
    removed_working_directory_keeps_its_owner,
    rename_keeps_the_lie,
    rename_of_directory_keeps_the_lies_inside,
    rename_over_brings_its_lie,
    rename_over_open_file_keeps_both,
    rename_onto_its_own_hard_link_does_nothing,
    rename_exchange_swaps,
    rename_exchange_of_file_and_directory,
    rename_noreplace_is_eexist,
    rename_noreplace_to_new_name,
    rename_whiteout_makes_a_device,
    rename_bad_flags_are_einval,
    rename_errors_are_the_kernels,
    rename_of_symlink_keeps_its_lie,
    renameat_relative_to_descriptors,
    rmdir_of_full_directory_keeps_the_lie,
    unlink_errors_are_the_kernels,
    unlink_of_mode_000_file_in_mode_000_directory,
    truncated_file_keeps_the_lie,
    rewritten_by_rename_has_the_new_files_lie,
    child_ends_but_its_lies_stay,
];

fn new_file_does_not_inherit_after_unlink() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    must!(fchmodat(AT_FDCWD, c"f", 0o4711));
    let _ = call!(unlink(c"f"));
    show(c"f");
    file(c"f");
    show(c"f");
}

fn new_file_does_not_inherit_after_unlinkat() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    let _ = call!(unlinkat(AT_FDCWD, c"f", 0));
    file(c"g");
    show(c"g");
}

fn new_directory_does_not_inherit_after_rmdir() {
    dir(c"d");
    must!(fchownat(AT_FDCWD, c"d", 1, 2, 0));
    must!(fchmodat(AT_FDCWD, c"d", 0o3777));
    let _ = call!(rmdir(c"d"));
    show(c"d");
    dir(c"d");
    show(c"d");
}

fn new_directory_does_not_inherit_after_removedir() {
    dir(c"d");
    must!(fchownat(AT_FDCWD, c"d", 1, 2, 0));
    let _ = call!(unlinkat(AT_FDCWD, c"d", AT_REMOVEDIR));
    dir(c"e");
    show(c"e");
}

fn new_symlink_does_not_inherit() {
    symlink(c"to", c"l");
    must!(fchownat(AT_FDCWD, c"l", 1, 2, libc::AT_SYMLINK_NOFOLLOW));
    must!(unlinkat(AT_FDCWD, c"l", 0));
    symlink(c"to", c"l");
    show(c"l");
}

fn new_file_does_not_inherit_device() {
    must!(mknodat(AT_FDCWD, c"n", S_IFCHR | 0o666, makedev(1, 3)));
    must!(unlinkat(AT_FDCWD, c"n", 0));
    file(c"n");
    show(c"n");
    println!("{:?}", std::fs::read_to_string("n"));
}

fn fifty_rounds_of_creation_never_inherit() {
    let mut wrong = 0;
    for round in 0..50_u32 {
        file(c"f");
        match crate::seen::by_statx(AT_FDCWD, c"f", 0) {
            Ok(seen) if (seen.uid, seen.gid, seen.mode) == (0, 0, 0o100_644) => {}
            _ => wrong += 1,
        }
        must!(fchownat(AT_FDCWD, c"f", round + 1, round + 2, 0));
        must!(fchmodat(AT_FDCWD, c"f", 0o4700));
        must!(unlinkat(AT_FDCWD, c"f", 0));
    }
    println!("{wrong} of 50 inherited");
}

fn fifty_rounds_of_directories_never_inherit() {
    let mut wrong = 0;
    for round in 0..50_u32 {
        dir(c"d");
        match crate::seen::by_statx(AT_FDCWD, c"d", 0) {
            Ok(seen) if (seen.uid, seen.gid, seen.mode) == (0, 0, 0o040_755) => {}
            _ => wrong += 1,
        }
        must!(fchownat(AT_FDCWD, c"d", round + 1, round + 2, 0));
        must!(unlinkat(AT_FDCWD, c"d", AT_REMOVEDIR));
    }
    println!("{wrong} of 50 inherited");
}

fn fifty_rounds_of_mixed_types_never_inherit() {
    for round in 0..50 {
        match round % 4 {
            0 => {
                must!(mknodat(AT_FDCWD, c"x", S_IFCHR | 0o600, makedev(round, round)));
            }
            1 => file(c"x"),
            2 => symlink(c"to", c"x"),
            _ => {
                must!(mknodat(AT_FDCWD, c"x", libc::S_IFIFO | 0o600, 0));
            }
        }
        show(c"x");
        must!(fchownat(AT_FDCWD, c"x", round, round, libc::AT_SYMLINK_NOFOLLOW));
        must!(unlinkat(AT_FDCWD, c"x", 0));
    }
}

fn renamed_over_file_does_not_leave_its_lie() {
    file(c"old");
    must!(fchownat(AT_FDCWD, c"old", 1, 2, 0));
    file(c"new");
    must!(renameat2(AT_FDCWD, c"new", AT_FDCWD, c"old", 0));
    show(c"old");
    file(c"next");
    show(c"next");
}

fn hard_link_keeps_the_lie() {
    file(c"a");
    must!(fchownat(AT_FDCWD, c"a", 1, 2, 0));
    must!(linkat(AT_FDCWD, c"a", AT_FDCWD, c"b", 0));
    must!(unlinkat(AT_FDCWD, c"a", 0));
    show(c"a");
    show(c"b");
}

fn last_hard_link_keeps_the_lie() {
    file(c"a");
    for name in [c"b", c"c", c"d"] {
        must!(linkat(AT_FDCWD, c"a", AT_FDCWD, name, 0));
    }
    must!(fchownat(AT_FDCWD, c"c", 1, 2, 0));
    for name in [c"a", c"c", c"d"] {
        must!(unlinkat(AT_FDCWD, name, 0));
        show(c"b");
    }
}

fn unlinked_open_file_keeps_its_owner() {
    let fd = open_rw(c"f");
    must!(fchown(fd, 1, 2));
    must!(fchmod(fd, 0o4711));
    must!(unlinkat(AT_FDCWD, c"f", 0));
    show_fd("unlinked", fd);
    file(c"f");
    show(c"f");
    show_fd("unlinked", fd);
}

fn unlinked_open_file_is_chowned() {
    let fd = open_rw(c"f");
    must!(unlinkat(AT_FDCWD, c"f", 0));
    let _ = call!(fchown(fd, 1, 2));
    let _ = call!(fchmod(fd, 0o2755));
    show_fd("unlinked", fd);
}

fn unlinked_open_file_is_read_through_proc() {
    let fd = open_rw(c"f");
    must!(fchown(fd, 1, 2));
    must!(unlinkat(AT_FDCWD, c"f", 0));
    crate::seen::show_target(&proc_path(fd));
}

fn unlinked_open_file_of_another_process() {
    let fd = open_rw(c"f");
    must!(fchown(fd, 1, 2));
    in_child(|| {
        must!(unlinkat(AT_FDCWD, c"f", 0));
        show_fd("child", fd);
    });
    show_fd("parent", fd);
}

fn duplicated_descriptor_keeps_the_lie() {
    let fd = open_rw(c"f");
    must!(fchown(fd, 1, 2));
    let copy = must!(dup(fd)) as i32;
    must!(unlinkat(AT_FDCWD, c"f", 0));
    must!(close(fd));
    file(c"g");
    show(c"g");
    show_fd("copy", copy);
}

fn removed_open_directory_keeps_its_owner() {
    dir(c"d");
    must!(fchownat(AT_FDCWD, c"d", 1, 2, 0));
    let fd = open_dir(c"d");
    must!(unlinkat(AT_FDCWD, c"d", AT_REMOVEDIR));
    show_fd("removed", fd);
}

fn removed_working_directory_keeps_its_owner() {
    dir(c"d");
    must!(fchownat(AT_FDCWD, c"d", 1, 2, 0));
    must!(chdir(c"d"));
    must!(unlinkat(AT_FDCWD, c"../d", AT_REMOVEDIR));
    show(c".");
    let _ = call!(fchownat(AT_FDCWD, c".", 3, 4, 0));
    show(c".");
}

fn rename_keeps_the_lie() {
    file(c"a");
    must!(fchownat(AT_FDCWD, c"a", 1, 2, 0));
    let _ = call!(rename(c"a", c"b"));
    show(c"b");
    let _ = call!(renameat(AT_FDCWD, c"b", AT_FDCWD, c"c"));
    show(c"c");
    let _ = call!(renameat2(AT_FDCWD, c"c", AT_FDCWD, c"d", 0));
    show(c"d");
    for gone in [c"a", c"b", c"c"] {
        show(gone);
    }
}

fn rename_of_directory_keeps_the_lies_inside() {
    dir(c"d");
    file(c"d/f");
    must!(fchownat(AT_FDCWD, c"d", 1, 2, 0));
    must!(fchownat(AT_FDCWD, c"d/f", 3, 4, 0));
    must!(renameat2(AT_FDCWD, c"d", AT_FDCWD, c"e", 0));
    show(c"e");
    show(c"e/f");
}

fn rename_over_brings_its_lie() {
    file(c"a");
    file(c"b");
    must!(fchownat(AT_FDCWD, c"a", 1, 2, 0));
    must!(fchownat(AT_FDCWD, c"b", 3, 4, 0));
    must!(renameat2(AT_FDCWD, c"a", AT_FDCWD, c"b", 0));
    show(c"b");
}

fn rename_over_open_file_keeps_both() {
    let fd = open_rw(c"b");
    must!(fchown(fd, 3, 4));
    file(c"a");
    must!(fchownat(AT_FDCWD, c"a", 1, 2, 0));
    must!(renameat2(AT_FDCWD, c"a", AT_FDCWD, c"b", 0));
    show(c"b");
    show_fd("replaced", fd);
}

fn rename_onto_its_own_hard_link_does_nothing() {
    file(c"a");
    must!(fchownat(AT_FDCWD, c"a", 1, 2, 0));
    must!(linkat(AT_FDCWD, c"a", AT_FDCWD, c"b", 0));
    let _ = call!(renameat2(AT_FDCWD, c"a", AT_FDCWD, c"b", 0));
    show(c"a");
    show(c"b");
}

fn rename_exchange_swaps() {
    file(c"a");
    file(c"b");
    must!(fchownat(AT_FDCWD, c"a", 1, 2, 0));
    must!(fchownat(AT_FDCWD, c"b", 3, 4, 0));
    let _ = call!(renameat2(AT_FDCWD, c"a", AT_FDCWD, c"b", RENAME_EXCHANGE));
    show(c"a");
    show(c"b");
}

fn rename_exchange_of_file_and_directory() {
    file(c"a");
    dir(c"d");
    must!(fchownat(AT_FDCWD, c"a", 1, 2, 0));
    must!(fchownat(AT_FDCWD, c"d", 3, 4, 0));
    let _ = call!(renameat2(AT_FDCWD, c"a", AT_FDCWD, c"d", RENAME_EXCHANGE));
    show(c"a");
    show(c"d");
    let _ = call!(renameat2(AT_FDCWD, c"a", AT_FDCWD, c"missing", RENAME_EXCHANGE));
}

fn rename_noreplace_is_eexist() {
    file(c"a");
    file(c"b");
    must!(fchownat(AT_FDCWD, c"a", 1, 2, 0));
    must!(fchownat(AT_FDCWD, c"b", 3, 4, 0));
    let _ = call!(renameat2(AT_FDCWD, c"a", AT_FDCWD, c"b", RENAME_NOREPLACE));
    show(c"a");
    show(c"b");
}

fn rename_noreplace_to_new_name() {
    file(c"a");
    must!(fchownat(AT_FDCWD, c"a", 1, 2, 0));
    let _ = call!(renameat2(AT_FDCWD, c"a", AT_FDCWD, c"b", RENAME_NOREPLACE));
    show(c"b");
}

/// A whiteout is a character device 0:0 at the old name. It takes CAP_MKNOD.
fn rename_whiteout_makes_a_device() {
    file(c"a");
    must!(fchownat(AT_FDCWD, c"a", 1, 2, 0));
    let _ = call!(renameat2(AT_FDCWD, c"a", AT_FDCWD, c"b", RENAME_WHITEOUT));
    show(c"a");
    show(c"b");
}

fn rename_bad_flags_are_einval() {
    file(c"a");
    file(c"b");
    let _ = call!(renameat2(AT_FDCWD, c"a", AT_FDCWD, c"b", 0x80));
    let _ = call!(renameat2(AT_FDCWD, c"a", AT_FDCWD, c"b", RENAME_EXCHANGE | RENAME_NOREPLACE));
    let _ = call!(renameat2(AT_FDCWD, c"a", AT_FDCWD, c"b", -1));
}

fn rename_errors_are_the_kernels() {
    file(c"f");
    dir(c"d");
    dir(c"full");
    file(c"full/f");
    let _ = call!(rename(c"missing", c"x"));
    let _ = call!(rename(c"f", c"d"));
    let _ = call!(rename(c"d", c"f"));
    let _ = call!(rename(c"d", c"d/e"));
    let _ = call!(rename(c"d", c"full"));
    let _ = call!(rename(c"f", c"missing/x"));
    let _ = call!(rename(c"f", c""));
    let _ = call!(rename(c"d/.", c"x"));
    let _ = call!(renameat(AT_FDCWD, BAD, AT_FDCWD, c"x"));
    let _ = call!(renameat2(AT_FDCWD, c"f", AT_FDCWD, NULL, 0));
    let _ = call!(renameat2(999, c"f", AT_FDCWD, c"x", 0));
    show(c"f");
    show(c"d");
}

fn rename_of_symlink_keeps_its_lie() {
    file(c"f");
    symlink(c"f", c"l");
    must!(fchownat(AT_FDCWD, c"l", 1, 2, libc::AT_SYMLINK_NOFOLLOW));
    must!(renameat2(AT_FDCWD, c"l", AT_FDCWD, c"m", 0));
    show(c"m");
    show(c"f");
}

fn renameat_relative_to_descriptors() {
    dir(c"from");
    dir(c"to");
    file(c"from/f");
    must!(fchownat(AT_FDCWD, c"from/f", 1, 2, 0));
    let (from, to) = (open_dir(c"from"), open_dir(c"to"));
    let _ = call!(renameat(from, c"f", to, c"g"));
    show(c"to/g");
    let _ = call!(renameat2(to, c"g", from, c"h", 0));
    show(c"from/h");
}

fn rmdir_of_full_directory_keeps_the_lie() {
    dir(c"d");
    file(c"d/f");
    must!(fchownat(AT_FDCWD, c"d", 1, 2, 0));
    let _ = call!(rmdir(c"d"));
    let _ = call!(unlinkat(AT_FDCWD, c"d", AT_REMOVEDIR));
    show(c"d");
}

fn unlink_errors_are_the_kernels() {
    dir(c"d");
    file(c"f");
    let _ = call!(unlink(c"d"));
    let _ = call!(unlink(c"missing"));
    let _ = call!(unlink(c"f/"));
    let _ = call!(rmdir(c"f"));
    let _ = call!(rmdir(c"."));
    let _ = call!(rmdir(c"d/.."));
    let _ = call!(unlinkat(AT_FDCWD, c"f", 1));
    let _ = call!(unlinkat(AT_FDCWD, BAD, 0));
    let _ = call!(unlinkat(999, c"f", 0));
    show(c"f");
    show(c"d");
}

fn unlink_of_mode_000_file_in_mode_000_directory() {
    dir(c"d");
    file(c"d/f");
    must!(fchmodat(AT_FDCWD, c"d/f", 0));
    must!(fchmodat(AT_FDCWD, c"d", 0));
    let _ = call!(unlinkat(AT_FDCWD, c"d/f", 0));
    let _ = call!(unlinkat(AT_FDCWD, c"d", AT_REMOVEDIR));
    show(c"d");
}

fn truncated_file_keeps_the_lie() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    let _ = call!(truncate(c"f", 0));
    show(c"f");
}

/// What editors do: write a new file, rename it over the old one.
fn rewritten_by_rename_has_the_new_files_lie() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    for round in 0..5 {
        let name = CString::new(format!("f.{round}")).expect("no NUL");
        file(&name);
        must!(renameat2(AT_FDCWD, &*name, AT_FDCWD, c"f", 0));
        show(c"f");
        must!(fchownat(AT_FDCWD, c"f", round, 9, 0));
        show(c"f");
    }
}

fn child_ends_but_its_lies_stay() {
    in_child(|| {
        file(c"f");
        must!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    });
    in_child(|| show(c"f"));
    show(c"f");
}
