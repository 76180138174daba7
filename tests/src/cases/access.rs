//! access, faccessat, faccessat2: what root's kernel says may be done.

use std::ffi::CStr;

use libc::{AT_EACCESS, AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, F_OK, R_OK, S_IFCHR, W_OK, X_OK, makedev};

use super::cases;
use crate::stage::{as_user, dir, file, in_child, mode, open_dir, open_rw, symlink};
use crate::sys::{BAD, NULL, try_};

cases![
    all_questions_about_a_mode_000_file,
    all_questions_about_a_mode_644_file,
    all_questions_about_a_mode_755_file,
    execute_of_a_file_without_x_is_eacces,
    execute_of_a_file_with_any_x,
    all_questions_about_a_mode_000_directory,
    owner_makes_no_difference_to_root,
    missing_is_enoent,
    dangling_symlink_is_enoent,
    symlink_nofollow_asks_the_link,
    faccessat_has_no_flags,
    faccessat2_eaccess,
    faccessat2_empty_path,
    faccessat2_bad_flags_are_einval,
    bad_mode_is_einval,
    bad_paths_get_the_kernels_errno,
    relative_to_a_directory_descriptor,
    path_through_a_mode_000_directory,
    device_nodes,
    user_is_asked_by_owner_bits,
    user_is_asked_by_group_bits,
    user_is_asked_by_supplementary_group,
    user_is_asked_by_other_bits,
    owner_bits_come_before_other_bits,
    access_asks_the_real_id_eaccess_the_effective,
    access_as_real_user_with_root_effective,
];

fn ask(path: &CStr) {
    let name = path.to_string_lossy();
    for (letters, bits) in [
        ("F", F_OK),
        ("R", R_OK),
        ("W", W_OK),
        ("X", X_OK),
        ("RW", R_OK | W_OK),
        ("RX", R_OK | X_OK),
        ("WX", W_OK | X_OK),
        ("RWX", R_OK | W_OK | X_OK),
    ] {
        let answers = [
            quiet!(access(path, bits)),
            quiet!(faccessat(AT_FDCWD, path, bits)),
            quiet!(faccessat2(AT_FDCWD, path, bits, 0)),
        ];
        let known: Vec<_> = answers.into_iter().filter(|a| *a != Err(libc::ENOSYS)).collect();
        if known.iter().all(|answer| *answer == known[0]) {
            let _ = try_(&format!("{name} {letters}"), known[0]);
        } else {
            println!("{name} {letters}: DISAGREE: {known:?}");
        }
    }
}

fn all_questions_about_a_mode_000_file() {
    file(c"f");
    mode(c"f", 0);
    ask(c"f");
}

fn all_questions_about_a_mode_644_file() {
    file(c"f");
    ask(c"f");
}

fn all_questions_about_a_mode_755_file() {
    file(c"f");
    mode(c"f", 0o755);
    ask(c"f");
}

fn execute_of_a_file_without_x_is_eacces() {
    file(c"f");
    for bits in [0o666, 0o600, 0o7666] {
        mode(c"f", bits);
        let _ = call!(faccessat(AT_FDCWD, c"f", X_OK));
    }
}

fn execute_of_a_file_with_any_x() {
    file(c"f");
    for bits in [0o001, 0o010, 0o100] {
        mode(c"f", bits);
        ask(c"f");
    }
}

fn all_questions_about_a_mode_000_directory() {
    dir(c"d");
    mode(c"d", 0);
    ask(c"d");
    ask(c"d/.");
}

fn owner_makes_no_difference_to_root() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1000, 1000, 0));
    must!(fchmodat(AT_FDCWD, c"f", 0o100));
    ask(c"f");
}

fn missing_is_enoent() {
    ask(c"missing");
}

fn dangling_symlink_is_enoent() {
    symlink(c"nowhere", c"l");
    ask(c"l");
}

fn symlink_nofollow_asks_the_link() {
    symlink(c"nowhere", c"l");
    let _ = call!(faccessat2(AT_FDCWD, c"l", F_OK, AT_SYMLINK_NOFOLLOW));
    let _ = call!(faccessat2(AT_FDCWD, c"l", R_OK | W_OK | X_OK, AT_SYMLINK_NOFOLLOW));
    file(c"f");
    let _ = call!(faccessat2(AT_FDCWD, c"f", X_OK, AT_SYMLINK_NOFOLLOW));
}

/// The old call takes three arguments; the fourth register means nothing.
fn faccessat_has_no_flags() {
    symlink(c"nowhere", c"l");
    let _ = call!(faccessat(AT_FDCWD, c"l", F_OK, AT_SYMLINK_NOFOLLOW));
    file(c"f");
    let _ = call!(faccessat(AT_FDCWD, c"f", F_OK, -1));
}

fn faccessat2_eaccess() {
    file(c"f");
    mode(c"f", 0);
    let _ = call!(faccessat2(AT_FDCWD, c"f", R_OK | W_OK, AT_EACCESS));
    let _ = call!(faccessat2(AT_FDCWD, c"f", X_OK, AT_EACCESS));
    let _ = call!(faccessat2(AT_FDCWD, c"f", R_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW));
}

fn faccessat2_empty_path() {
    let fd = open_rw(c"f");
    must!(fchmod(fd, 0));
    let _ = call!(faccessat2(fd, c"", R_OK, AT_EMPTY_PATH));
    let _ = call!(faccessat2(fd, c"", X_OK, AT_EMPTY_PATH));
    let _ = call!(faccessat2(AT_FDCWD, c"", X_OK, AT_EMPTY_PATH));
    let _ = call!(faccessat2(fd, c"", R_OK, 0));
    let _ = call!(faccessat2(999, c"", R_OK, AT_EMPTY_PATH));
}

fn faccessat2_bad_flags_are_einval() {
    file(c"f");
    let _ = call!(faccessat2(AT_FDCWD, c"f", R_OK, 1));
    let _ = call!(faccessat2(AT_FDCWD, c"f", R_OK, libc::AT_SYMLINK_FOLLOW));
    let _ = call!(faccessat2(AT_FDCWD, c"f", R_OK, -1));
}

fn bad_mode_is_einval() {
    file(c"f");
    let _ = call!(access(c"f", 8));
    let _ = call!(access(c"f", -1));
    let _ = call!(faccessat(AT_FDCWD, c"f", 16));
    let _ = call!(faccessat2(AT_FDCWD, c"missing", 8, 0));
}

fn bad_paths_get_the_kernels_errno() {
    file(c"f");
    symlink(c"loop", c"loop");
    let long = std::ffi::CString::new("n".repeat(256)).expect("no NUL");
    for path in [c"", c"f/g", c"loop", c"f/", &*long] {
        let _ = call!(access(path, F_OK));
        let _ = call!(faccessat(AT_FDCWD, path, R_OK));
        let _ = call!(faccessat2(AT_FDCWD, path, W_OK, 0));
    }
    let _ = call!(access(BAD, F_OK));
    let _ = call!(faccessat(AT_FDCWD, NULL, F_OK));
    let _ = call!(faccessat2(AT_FDCWD, BAD, F_OK, 0));
    let _ = call!(faccessat(999, c"f", F_OK));
}

fn relative_to_a_directory_descriptor() {
    dir(c"d");
    file(c"d/f");
    mode(c"d/f", 0);
    let fd = open_dir(c"d");
    let _ = call!(faccessat(fd, c"f", R_OK | W_OK));
    let _ = call!(faccessat2(fd, c"f", X_OK, 0));
    let _ = call!(faccessat(fd, c"../d", X_OK));
}

fn path_through_a_mode_000_directory() {
    dir(c"d");
    dir(c"d/e");
    file(c"d/e/f");
    mode(c"d/e", 0);
    mode(c"d", 0);
    ask(c"d/e/f");
}

fn device_nodes() {
    must!(mknodat(AT_FDCWD, c"n", S_IFCHR, makedev(1, 3)));
    ask(c"n");
    ask(c"/dev/null");
}

fn user_is_asked_by_owner_bits() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1000, 0, 0));
    must!(fchmodat(AT_FDCWD, c"f", 0o500));
    as_user(1000, || ask(c"f"));
}

fn user_is_asked_by_group_bits() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 0, 1000, 0));
    must!(fchmodat(AT_FDCWD, c"f", 0o060));
    as_user(1000, || ask(c"f"));
}

fn user_is_asked_by_supplementary_group() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 0, 3000, 0));
    must!(fchmodat(AT_FDCWD, c"f", 0o060));
    in_child(|| {
        must!(setgroups(2, &[2999u32, 3000]));
        must!(setresgid(1000, 1000, 1000));
        must!(setresuid(1000, 1000, 1000));
        ask(c"f");
    });
}

fn user_is_asked_by_other_bits() {
    file(c"f");
    must!(fchmodat(AT_FDCWD, c"f", 0o001));
    as_user(1000, || ask(c"f"));
    must!(fchmodat(AT_FDCWD, c"f", 0o770));
    as_user(1000, || ask(c"f"));
}

fn owner_bits_come_before_other_bits() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1000, 1000, 0));
    must!(fchmodat(AT_FDCWD, c"f", 0o077));
    as_user(1000, || ask(c"f"));
}

fn access_asks_the_real_id_eaccess_the_effective() {
    file(c"f");
    must!(fchmodat(AT_FDCWD, c"f", 0o600));
    in_child(|| {
        must!(setgroups(0, NULL));
        must!(setresuid(0, 1000, 0));
        ask(c"f");
        let _ = call!(faccessat2(AT_FDCWD, c"f", R_OK, AT_EACCESS));
        let _ = call!(faccessat2(AT_FDCWD, c"f", W_OK, AT_EACCESS));
        let _ = call!(faccessat2(AT_FDCWD, c"f", F_OK, AT_EACCESS));
    });
}

fn access_as_real_user_with_root_effective() {
    file(c"f");
    must!(fchmodat(AT_FDCWD, c"f", 0o600));
    in_child(|| {
        must!(setgroups(0, NULL));
        must!(setresuid(1000, 0, 0));
        ask(c"f");
        let _ = call!(faccessat2(AT_FDCWD, c"f", R_OK | W_OK, AT_EACCESS));
        let _ = call!(faccessat2(AT_FDCWD, c"f", X_OK, AT_EACCESS));
    });
}
