//! Sequences that random walks have found to be told otherwise than by root, and a few walks themselves.

use super::cases;
use crate::walks::Act::*;
use crate::walks::{self, play};

cases![
    walks_of_the_seeds_from_1,
    walks_of_the_seeds_from_21,
    walks_of_the_seeds_from_41,
    what_is_no_directory_is_told_before_its_mode,
    a_bad_length_is_told_before_the_way,
    a_slash_behind_a_new_name_is_told_before_the_directory,
    a_slash_behind_a_name_to_be_opened_or_removed,
    a_missing_source_is_told_before_the_destination,
    a_name_that_must_or_must_not_be_there_is_told_before_the_directories,
    a_directory_into_itself_is_told_before_the_directories,
    a_descriptor_for_its_path_is_told_before_the_owner,
    a_descriptor_for_its_path_is_told_before_what_it_is_of,
    times_that_are_left_alone_are_left_alone_anywhere,
    truncate_clears_suid,
    times_by_a_descriptor_for_its_path,
    others_files_in_sticky_directories_are_not_opened_as_new,
    removing_an_acl_may_take_sgid,
];

fn of_seeds(first: u64, count: u64) {
    for seed in first..first + count {
        println!("walk {seed}");
        walks::play(&walks::drawn(seed, None));
    }
}

fn walks_of_the_seeds_from_1() {
    of_seeds(1, 20);
}

fn walks_of_the_seeds_from_21() {
    of_seeds(21, 20);
}

fn walks_of_the_seeds_from_41() {
    of_seeds(41, 20);
}

fn what_is_no_directory_is_told_before_its_mode() {
    const TMPFILE_RDWR: u32 = (libc::O_TMPFILE | libc::O_RDWR) as u32;
    play(&[
        (0, Open(2, -1, "a", 0o102, 0o750)),
        (0, Open(2, -1, "b", 0o102, 0o700)),
        (1, Setresuid(1000, 1000, 1000)),
        (1, Open(0, -1, "a", TMPFILE_RDWR, 0o644)),
        (1, Open(0, -1, "b/", 0, 0)),
        (1, Open(0, -1, "b", libc::O_DIRECTORY as u32, 0)),
        (1, Truncate("b/", 0)),
    ]);
}

fn a_bad_length_is_told_before_the_way() {
    play(&[
        (0, Mkdir(-1, "b", 0o700)),
        (0, Open(2, -1, "b/a", 0o102, 0o600)),
        (1, Setresuid(1000, 1000, 1000)),
        (1, Setresgid(1000, 1000, 1000)),
        (1, Truncate("b/a", -1)),
        (1, Truncate("b/a", 0)),
    ]);
}

fn a_slash_behind_a_new_name_is_told_before_the_directory() {
    play(&[
        (0, Chmod(-1, ".", 0o755)),
        (0, Open(2, -1, "f", 0o102, 0o600)),
        (1, Setresuid(1000, 1000, 1000)),
        (1, Link(-1, "f", -1, "b/", 0)),
        (1, Symlink("a", -1, "b/")),
        (1, Mknod(-1, "b/", libc::S_IFIFO | 0o644, 0)),
        (1, Mkdir(-1, "b/", 0o755)),
    ]);
}

fn a_slash_behind_a_name_to_be_opened_or_removed() {
    play(&[
        (0, Open(2, -1, "f", 0o102, 0o600)),
        (0, Mkdir(-1, "d", 0o700)),
        (0, Symlink("new/", -1, "l")),
        (0, Chmod(-1, ".", 0o755)),
        (1, Setresuid(1000, 1000, 1000)),
        (1, Open(0, -1, "new/", 0o102, 0o644)),
        (1, Open(0, -1, "l", 0o102, 0o644)),
        (1, Open(0, -1, "l/", 0o102, 0o644)),
        (1, Unlink(-1, "f/", 0)),
        (1, Unlink(-1, "d/", 0)),
        (1, Unlink(-1, "d/", libc::AT_REMOVEDIR)),
        (1, Unlink(-1, "f/", libc::AT_REMOVEDIR)),
        (1, Rename(-1, "f/", -1, "g", 0)),
        (1, Rename(-1, "f", -1, "g/", 0)),
        (1, Rename(-1, "d/", -1, "g/", 0)),
        (1, Rename(-1, "d", -1, "f/", libc::RENAME_EXCHANGE)),
    ]);
}

fn a_missing_source_is_told_before_the_destination() {
    play(&[
        (0, Mkdir(-1, "b", 0o700)),
        (1, Setgroups(0)),
        (1, Setresgid(1000, 1000, 1000)),
        (1, Setresuid(1000, 1000, 1000)),
        (1, LinkSlot(1, -1, "b/b")),
        (1, Link(-1, "a", -1, "b/b", 0)),
        (1, Rename(-1, "a/b", -1, "b/a/c", 0)),
        (1, Rename(-1, "a", -1, "b/c", 0)),
    ]);
}

fn a_name_that_must_or_must_not_be_there_is_told_before_the_directories() {
    play(&[
        (0, Open(2, -1, "f", 0o102, 0o600)),
        (0, Open(2, -1, "g", 0o102, 0o600)),
        (0, Chmod(-1, ".", 0o755)),
        (1, Setresuid(1000, 1000, 1000)),
        (1, Rename(-1, "f", -1, "g", libc::RENAME_NOREPLACE)),
        (1, Rename(-1, "f", -1, "new", libc::RENAME_EXCHANGE)),
        (1, Rename(-1, "f", -1, "g", libc::RENAME_EXCHANGE)),
    ]);
}

fn a_directory_into_itself_is_told_before_the_directories() {
    play(&[
        (0, Mkdir(-1, "a", 0o777)),
        (0, Mkdir(-1, "a/b", 0o777)),
        (0, Mkdir(-1, "d", 0o777)),
        (0, Symlink("a/", -1, "c")),
        (1, Setresuid(1001, 1001, 1001)),
        (1, Rename(-1, "a/", -1, "c/a", 0)),
        (1, Rename(-1, "a", -1, "a/b/c", 0)),
        (1, Rename(-1, "a/b", -1, "a", 0)),
        (1, Rename(-1, "a/b", -1, "a", libc::RENAME_EXCHANGE)),
        (1, Rename(-1, "a", -1, "d/a", 0)),
    ]);
}

fn a_descriptor_for_its_path_is_told_before_the_owner() {
    play(&[
        (0, Open(2, -1, "a", 0o102, 0o644)),
        (1, Open(0, -1, "a", libc::O_PATH as u32, 0)),
        (1, Setresuid(1001, 1001, 1001)),
        (1, Fchmod(0, 0o755)),
        (1, Fchown(0, 0, 0)),
    ]);
}

fn a_descriptor_for_its_path_is_told_before_what_it_is_of() {
    play(&[
        (1, Mknod(-1, "a", libc::S_IFBLK | 0o644, 0)),
        (1, Mknod(-1, "b", libc::S_IFIFO | 0o644, 0)),
        (2, Open(1, -1, "a", 0o10400000, 0)),
        (2, Open(2, -1, "b", 0o10400000, 0)),
        (2, Ftruncate(1, 4096)),
        (2, Ftruncate(2, 4096)),
        (2, Truncate("a", 4096)),
        (2, Truncate("b", 4096)),
        (2, Setresuid(1001, 1001, 1001)),
        (2, Ftruncate(1, 4096)),
        (2, Ftruncate(2, 4096)),
    ]);
}

fn times_that_are_left_alone_are_left_alone_anywhere() {
    play(&[
        (0, Mkdir(-1, "c", 0o700)),
        (1, Setresgid(1000, 1000, 1000)),
        (1, Setresuid(1000, 1000, 1000)),
        (1, Utimens(-1, "c/d", 2, 0)),
        (1, Utimens(-1, "c/d", 5, 0)),
        (1, Utimens(-1, "c/d", 1, 0)),
    ]);
}

fn truncate_clears_suid() {
    play(&[
        (0, Umask(0)),
        (0, Open(0, -1, "a", 0o102, 0o666)),
        (0, Open(0, -1, "b", 0o102, 0o666)),
        (0, Chmod(-1, "a", 0o6777)),
        (0, Chmod(-1, "b", 0o6767)),
        (1, Truncate("a", 3)),
        (1, Stat(-1, "a", 0)),
        (1, Setresuid(1000, 1000, 1000)),
        (1, Truncate("a", 3)),
        (1, Truncate("b", 0)),
    ]);
}

fn times_by_a_descriptor_for_its_path() {
    play(&[
        (1, Mknod(-1, "c", libc::S_IFSOCK | 0o600, 1)),
        (1, Open(1, -1, "c", libc::O_PATH as u32, 0)),
        (1, Futimens(1, 3)),
        (1, Setresuid(2000, 2000, 2000)),
        (1, Futimens(1, 3)),
        (1, Futimens(1, 1)),
        (1, Futimens(1, 2)),
        (1, Futimens(1, 5)),
    ]);
}

fn others_files_in_sticky_directories_are_not_opened_as_new() {
    play(&[
        (0, Mkdir(-1, "a", 0)),
        (0, Chmod(-1, "a", 0o1777)),
        (0, Symlink("a/s", -1, "l")),
        (2, Setresuid(2000, 2000, 2000)),
        (2, Mknod(-1, "a/s", libc::S_IFSOCK | 0o644, 0)),
        (2, Mknod(-1, "a/p", libc::S_IFIFO | 0o666, 0)),
        (2, Open(0, -1, "a/f", 0o102, 0o666)),
        (0, Open(1, -1, "a/s", 0o102, 0o666)),
        (0, Open(1, -1, "a/s", 0o302, 0o666)),
        (0, Open(1, -1, "a/s", 2, 0)),
        (0, Open(1, -1, "l", 0o102, 0o666)),
        (0, Open(1, -1, "a/p", 0o102, 0o666)),
        (0, Open(1, -1, "a/f", 0o102, 0o666)),
        (1, Setresuid(1000, 1000, 1000)),
        (1, Open(1, -1, "a/s", 0o102, 0o666)),
        (1, Open(1, -1, "l", 0o102, 0o666)),
        (1, Open(1, -1, "a/p", 0o102, 0o666)),
        (1, Open(1, -1, "a/f", 0o102, 0o666)),
        (2, Open(1, -1, "a/s", 0o102, 0o666)),
        (0, Chmod(-1, "a", 0o777)),
        (0, Open(1, -1, "a/s", 0o102, 0o666)),
    ]);
}

/// On tmpfs it does, on ext4 it does not.
fn removing_an_acl_may_take_sgid() {
    play(&[
        (2, Mkdir(-1, "a", 0o777)),
        (2, Open(0, -1, "b", 0o102, 0o777)),
        (2, Open(1, -1, "c", 0o102, 0o777)),
        (2, Chown(-1, "a", 1000, 1000, 0)),
        (2, Chown(-1, "b", 1000, 1000, 0)),
        (2, Chown(-1, "c", 1000, 1001, 0)),
        (2, Chmod(-1, "a", 0o3777)),
        (2, Chmod(-1, "b", 0o6777)),
        (2, Chmod(-1, "c", 0o2777)),
        (2, Removexattr("a", "system.posix_acl_access")),
        (2, Stat(-1, "a", 0)),
        (2, Setresuid(-1, 1000, -1)),
        (2, Removexattr("a", "system.posix_acl_default")),
        (2, Stat(-1, "a", 0)),
        (2, Removexattr("a", "system.posix_acl_access")),
        (2, Stat(-1, "a", 0)),
        (2, Removexattr("b", "system.posix_acl_access")),
        (2, Stat(-1, "b", 0)),
        (2, AccessAcl("c", 0o777777)),
        (2, Removexattr("c", "system.posix_acl_access")),
    ]);
}
