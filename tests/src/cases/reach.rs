//! What a program that gave up root may not reach by a path, and in which directories it may not make, rename and remove
//! names.

use std::ffi::CStr;

use libc::{
    AT_EACCESS, AT_FDCWD, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, F_OK, O_CREAT, O_DIRECTORY, O_EXCL, O_NOATIME,
    O_NOFOLLOW, O_PATH, O_RDONLY, O_RDWR, O_TMPFILE, O_TRUNC, O_WRONLY, R_OK, S_IFIFO, W_OK, X_OK,
};

use super::cases;
use super::xattr_acl::{ACCESS, acl};
use crate::seen::show;
use crate::stage::{as_user, dir, drop_to, file, in_child, mode, open_dir, open_ro, proc_path, symlink};
use crate::sys::NULL;

cases![
    names_in_a_directory_of_root,
    names_that_are_there_already,
    names_in_a_closed_directory,
    names_in_a_removed_directory,
    names_in_ones_own_directory,
    a_directory_without_search_permission_hides_all,
    a_directory_with_search_permission_alone,
    search_permission_of_a_supplementary_group,
    the_owner_is_not_among_the_others,
    a_sticky_directory_keeps_the_files_of_others,
    a_sticky_directory_of_ones_own,
    renaming_a_directory_needs_to_write_to_it,
    a_directory_over_a_file_is_told_before_it_is_written_to,
    renaming_between_two_names_of_one_file,
    exchange_needs_both_directories,
    links_to_files_of_others,
    opening_by_the_mode,
    opening_files_of_others,
    opening_for_its_path_needs_search_only,
    a_new_file_without_a_name,
    truncate_by_the_mode,
    noatime_is_the_owners,
    symbolic_links_on_the_way,
    symbolic_links_at_the_end,
    dots_on_the_way,
    descriptors_of_directories,
    descriptors_are_not_asked_again,
    a_list_of_access_rights_on_the_way,
    one_capability_at_a_time,
    access_asks_about_the_real_user_on_the_way,
    root_is_refused_nothing,
    root_without_capabilities,
    set_fsuid_is_enough,
    the_very_first_call_is_looked_at,
    going_to_a_directory,
    asking_about_a_filesystem,
    reading_a_link,
    watching_a_file,
    executing_by_the_mode,
    sockets_are_files_too,
    a_thread_alone_gives_up_root,
    children_are_refused_the_same,
    a_program_that_changes_its_user,
];

fn owned(path: &CStr, uid: i32, gid: i32, bits: u32) {
    must!(fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW));
    mode(path, bits);
}

/// Every way to make, rename and remove a name in `d`, which has `d/f` and `d/sub`.
fn try_names() {
    let _ = call!(mkdirat(AT_FDCWD, c"d/new", 0o755));
    let _ = call!(mknodat(AT_FDCWD, c"d/fifo", S_IFIFO | 0o644, 0));
    let _ = call!(symlinkat(c"x", AT_FDCWD, c"d/link"));
    let _ = call!(linkat(AT_FDCWD, c"d/f", AT_FDCWD, c"d/hard", 0));
    let _ = call!(linkat(AT_FDCWD, c"mine", AT_FDCWD, c"d/mine", 0));
    try_open(c"d/created", O_CREAT | O_WRONLY);
    try_open(c"d/exclusive", O_CREAT | O_EXCL | O_RDWR);
    let _ = call!(renameat2(AT_FDCWD, c"mine", AT_FDCWD, c"d/moved", 0));
    let _ = call!(renameat2(AT_FDCWD, c"d/f", AT_FDCWD, c"d/g", 0));
    let _ = call!(unlinkat(AT_FDCWD, c"d/f", 0));
    let _ = call!(unlinkat(AT_FDCWD, c"d/g", 0));
    let _ = call!(unlinkat(AT_FDCWD, c"d/missing", 0));
    let _ = call!(unlinkat(AT_FDCWD, c"d/sub", libc::AT_REMOVEDIR));
}

fn try_open(path: &CStr, flags: i32) {
    let what = format!("open({}, {flags:#o})", path.to_string_lossy());
    if let Ok(fd) = crate::sys::ok_or_errno(&what, quiet!(openat(AT_FDCWD, path, flags, 0o644))) {
        let _ = quiet!(close(fd));
    }
}

fn scene() {
    dir(c"d");
    file(c"d/f");
    dir(c"d/sub");
    file(c"mine");
    mode(c".", 0o777);
    owned(c"mine", 1000, 1000, 0o644);
}

fn names_in_a_directory_of_root() {
    scene();
    as_user(1000, try_names);
}

fn names_that_are_there_already() {
    scene();
    as_user(1000, || {
        let _ = call!(mkdirat(AT_FDCWD, c"d/sub", 0o755));
        let _ = call!(mknodat(AT_FDCWD, c"d/f", S_IFIFO | 0o644, 0));
        let _ = call!(symlinkat(c"x", AT_FDCWD, c"d/f"));
        let _ = call!(linkat(AT_FDCWD, c"mine", AT_FDCWD, c"d/f", 0));
        try_open(c"d/f", O_CREAT | O_EXCL | O_RDWR);
        try_open(c"d/f", O_CREAT | O_RDONLY);
        try_open(c"d/f", O_CREAT | O_RDWR);
        try_open(c"d/sub", O_CREAT | O_RDONLY);
    });
}

fn names_in_a_closed_directory() {
    scene();
    owned(c"d", 0, 0, 0o776);
    as_user(1000, try_names);
}

fn names_in_a_removed_directory() {
    dir(c"gone");
    file(c"f");
    in_child(|| {
        must!(chdir(c"gone"));
        must!(unlinkat(AT_FDCWD, c"../gone", libc::AT_REMOVEDIR));
        drop_to(1000);
        let _ = call!(mknodat(AT_FDCWD, c"a", S_IFIFO | 0o600, 0));
        let _ = call!(mkdirat(AT_FDCWD, c"a", 0o700));
        let _ = call!(symlinkat(c"x", AT_FDCWD, c"a"));
        let _ = call!(linkat(AT_FDCWD, c"../f", AT_FDCWD, c"a", 0));
        let _ = call!(renameat2(AT_FDCWD, c"../f", AT_FDCWD, c"a", 0));
        let _ = call!(openat(AT_FDCWD, c"a", O_CREAT | O_WRONLY, 0o600));
        let _ = call!(openat(AT_FDCWD, c"a", O_RDONLY, 0));
        let _ = call!(unlinkat(AT_FDCWD, c"a", 0));
    });
}

fn names_in_ones_own_directory() {
    scene();
    owned(c"d", 1000, 1000, 0o755);
    as_user(1000, try_names);
    dir(c"e");
    owned(c"e", 1000, 1000, 0o577);
    as_user(1000, || {
        let _ = call!(mkdirat(AT_FDCWD, c"e/new", 0o755));
        let _ = call!(fchmodat(AT_FDCWD, c"e", 0o300));
        let _ = call!(mkdirat(AT_FDCWD, c"e/new", 0o755));
        try_open(c"e", O_RDONLY | O_DIRECTORY);
    });
}

/// All that asks about or changes what is behind `d`.
fn try_all_behind() {
    show(c"d/f");
    let _ = call!(faccessat(AT_FDCWD, c"d/f", F_OK));
    try_open(c"d/f", O_RDONLY);
    try_open(c"d/missing", O_RDONLY);
    try_open(c"d/f", O_PATH);
    let _ = call!(fchmodat(AT_FDCWD, c"d/f", 0o600));
    let _ = call!(fchownat(AT_FDCWD, c"d/f", -1, -1, 0));
    let _ = call!(truncate(c"d/f", 0));
    let _ = call!(utimensat(AT_FDCWD, c"d/f", NULL, 0));
    let _ = call!(getxattr(c"d/f", c"user.none", NULL, 0));
    let _ = call!(setxattr(c"d/f", c"trusted.a", c"b", 1, 0));
    let _ = call!(linkat(AT_FDCWD, c"d/f", AT_FDCWD, c"hard", 0));
    let _ = call!(renameat2(AT_FDCWD, c"d/f", AT_FDCWD, c"out", 0));
    let _ = call!(unlinkat(AT_FDCWD, c"d/f", 0));
    let _ = call!(mkdirat(AT_FDCWD, c"d/new", 0o755));
    try_open(c"d", O_RDONLY | O_DIRECTORY);
}

fn a_directory_without_search_permission_hides_all() {
    scene();
    owned(c"d", 0, 0, 0o700);
    as_user(1000, try_all_behind);
    owned(c"d", 0, 0, 0o766);
    as_user(1000, try_all_behind);
}

fn a_directory_with_search_permission_alone() {
    scene();
    owned(c"d", 0, 0, 0o711);
    as_user(1000, try_all_behind);
}

fn search_permission_of_a_supplementary_group() {
    scene();
    owned(c"d", 0, 2000, 0o750);
    in_child(|| {
        must!(setgroups(1, &[2000u32]));
        must!(setresgid(1000, 1000, 1000));
        must!(setresuid(1000, 1000, 1000));
        show(c"d/f");
        let _ = call!(mkdirat(AT_FDCWD, c"d/new", 0o755));
    });
    as_user(1000, || show(c"d/f"));
    as_user(2000, || show(c"d/f"));
}

fn the_owner_is_not_among_the_others() {
    scene();
    owned(c"d", 1000, 1000, 0o077);
    as_user(1000, || show(c"d/f"));
    owned(c"d", 0, 1000, 0o707);
    as_user(1000, || show(c"d/f"));
    as_user(1001, || show(c"d/f"));
}

fn a_sticky_directory_keeps_the_files_of_others() {
    dir(c"t");
    mode(c"t", 0o1777);
    for (path, uid) in [(c"t/root", 0), (c"t/mine", 1000), (c"t/other", 1001), (c"t/mine2", 1000)] {
        file(path);
        owned(path, uid, uid, 0o666);
    }
    dir(c"t/rootdir");
    as_user(1000, || {
        let _ = call!(unlinkat(AT_FDCWD, c"t/root", 0));
        let _ = call!(unlinkat(AT_FDCWD, c"t/other", 0));
        let _ = call!(unlinkat(AT_FDCWD, c"t/rootdir", libc::AT_REMOVEDIR));
        let _ = call!(renameat2(AT_FDCWD, c"t/other", AT_FDCWD, c"t/new", 0));
        let _ = call!(renameat2(AT_FDCWD, c"t/mine", AT_FDCWD, c"t/other", 0));
        let _ = call!(renameat2(AT_FDCWD, c"t/mine", AT_FDCWD, c"t/new", 0));
        let _ = call!(renameat2(AT_FDCWD, c"t/mine2", AT_FDCWD, c"t/new", 0));
        let _ = call!(unlinkat(AT_FDCWD, c"t/new", 0));
        let _ = call!(mkdirat(AT_FDCWD, c"t/dir", 0o755));
    });
}

fn a_sticky_directory_of_ones_own() {
    dir(c"t");
    owned(c"t", 1000, 1000, 0o1755);
    file(c"t/root");
    as_user(1000, || {
        let _ = call!(renameat2(AT_FDCWD, c"t/root", AT_FDCWD, c"t/new", 0));
        let _ = call!(unlinkat(AT_FDCWD, c"t/new", 0));
    });
}

fn renaming_a_directory_needs_to_write_to_it() {
    for parent in [c"a", c"b"] {
        dir(parent);
        mode(parent, 0o777);
    }
    dir(c"a/d");
    as_user(1000, || {
        let _ = call!(renameat2(AT_FDCWD, c"a/d", AT_FDCWD, c"a/e", 0));
        let _ = call!(renameat2(AT_FDCWD, c"a/e", AT_FDCWD, c"b/e", 0));
    });
    owned(c"a/e", 1000, 1000, 0o755);
    as_user(1000, || {
        let _ = call!(renameat2(AT_FDCWD, c"a/e", AT_FDCWD, c"b/e", 0));
    });
}

fn a_directory_over_a_file_is_told_before_it_is_written_to() {
    for parent in [c"a", c"b"] {
        dir(parent);
        mode(parent, 0o777);
    }
    dir(c"a/d");
    file(c"b/f");
    symlink(c"f", c"b/l");
    dir(c"b/d");
    as_user(1000, || {
        for name in [c"b/f", c"b/l", c"b/d"] {
            for flags in [0, libc::RENAME_EXCHANGE] {
                let _ = call!(renameat2(AT_FDCWD, c"a/d", AT_FDCWD, name, flags));
            }
        }
    });
}

fn renaming_between_two_names_of_one_file() {
    scene();
    must!(linkat(AT_FDCWD, c"d/f", AT_FDCWD, c"d/g", 0));
    as_user(1000, || {
        let _ = call!(renameat2(AT_FDCWD, c"d/f", AT_FDCWD, c"d/g", 0));
    });
}

fn exchange_needs_both_directories() {
    scene();
    as_user(1000, || {
        let _ = call!(renameat2(AT_FDCWD, c"mine", AT_FDCWD, c"d/f", libc::RENAME_EXCHANGE));
    });
    mode(c"d", 0o777);
    as_user(1000, || {
        let _ = call!(renameat2(AT_FDCWD, c"mine", AT_FDCWD, c"d/f", libc::RENAME_EXCHANGE));
    });
    show(c"mine");
}

fn links_to_files_of_others() {
    scene();
    for (path, bits) in [(c"r", 0o644), (c"rw", 0o666), (c"suid", 0o4777), (c"sgid", 0o2777), (c"none", 0o600)] {
        file(path);
        mode(path, bits);
    }
    symlink(c"rw", c"l");
    as_user(1000, || {
        let _ = call!(linkat(AT_FDCWD, c"r", AT_FDCWD, c"h1", 0));
        let _ = call!(linkat(AT_FDCWD, c"rw", AT_FDCWD, c"h2", 0));
        let _ = call!(linkat(AT_FDCWD, c"suid", AT_FDCWD, c"h3", 0));
        let _ = call!(linkat(AT_FDCWD, c"sgid", AT_FDCWD, c"h4", 0));
        let _ = call!(linkat(AT_FDCWD, c"none", AT_FDCWD, c"h5", 0));
        let _ = call!(linkat(AT_FDCWD, c"mine", AT_FDCWD, c"h6", 0));
        let _ = call!(linkat(AT_FDCWD, c"l", AT_FDCWD, c"h7", 0));
        let _ = call!(linkat(AT_FDCWD, c"l", AT_FDCWD, c"h8", AT_SYMLINK_FOLLOW));
        let _ = call!(linkat(AT_FDCWD, c"r", AT_FDCWD, c"d/h9", 0));
    });
}

fn try_opens(path: &CStr) {
    for flags in [O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC, O_CREAT | O_RDONLY, O_CREAT | O_WRONLY | O_TRUNC] {
        try_open(path, flags);
    }
}

fn opening_by_the_mode() {
    file(c"f");
    for bits in [0o000, 0o400, 0o200, 0o600, 0o077] {
        owned(c"f", 1000, 1000, bits);
        println!("{bits:o}");
        as_user(1000, || {
            show(c"f");
            try_opens(c"f");
        });
    }
}

fn opening_files_of_others() {
    file(c"f");
    for bits in [0o600, 0o640, 0o604, 0o602, 0o666, 0o066] {
        owned(c"f", 0, 1000, bits);
        println!("{bits:o}");
        as_user(1000, || {
            show(c"f");
            try_opens(c"f");
        });
        as_user(1001, || {
            show(c"f");
            try_opens(c"f");
        });
    }
}

fn opening_for_its_path_needs_search_only() {
    scene();
    mode(c"d/f", 0o000);
    as_user(1000, || {
        show(c"d/f");
        try_open(c"d/f", O_PATH);
        try_open(c"d/f", O_PATH | O_NOFOLLOW);
        try_open(c"d/f", O_RDONLY);
    });
}

fn a_new_file_without_a_name() {
    scene();
    as_user(1000, || {
        try_open(c"d", O_TMPFILE | O_RDWR);
        try_open(c".", O_TMPFILE | O_RDWR);
    });
    mode(c"d", 0o776);
    as_user(1000, || try_open(c"d", O_TMPFILE | O_RDWR));
}

fn truncate_by_the_mode() {
    scene();
    as_user(1000, || {
        let _ = call!(truncate(c"d/f", 0));
        let _ = call!(truncate(c"mine", 0));
        let _ = call!(truncate(c"d", 0));
        let _ = call!(truncate(c"d/missing", 0));
    });
    mode(c"d/f", 0o646);
    as_user(1000, || {
        let _ = call!(truncate(c"d/f", 0));
    });
}

fn noatime_is_the_owners() {
    scene();
    as_user(1000, || {
        show(c"mine");
        try_open(c"mine", O_RDONLY | O_NOATIME);
        try_open(c"d/f", O_RDONLY | O_NOATIME);
    });
}

fn symbolic_links_on_the_way() {
    scene();
    dir(c"closed");
    file(c"closed/f");
    symlink(c"../d", c"closed/link");
    mode(c"closed", 0o700);
    symlink(c"closed", c"l");
    symlink(c"d", c"open");
    symlink(c"l/../d", c"round");
    symlink(c"/proc/self/cwd/d", c"proc");
    symlink(c"open/./sub/..", c"dots");
    symlink(c"loop", c"loop");
    as_user(1000, || {
        for path in
            [c"l/f", c"l/link/f", c"open/f", c"round/f", c"proc/f", c"dots/f", c"loop/f", c"d/f/x", c"d/missing/x"]
        {
            show(path);
        }
        let _ = call!(mkdirat(AT_FDCWD, c"open/new", 0o755));
        let _ = call!(mkdirat(AT_FDCWD, c"proc/new", 0o755));
    });
}

fn symbolic_links_at_the_end() {
    scene();
    mode(c"d", 0o700);
    symlink(c"d/f", c"l");
    symlink(c"d/new", c"dangling");
    symlink(c"mine", c"good");
    as_user(1000, || {
        show(c"good");
        let _ = call!(fchmodat(AT_FDCWD, c"l", 0o600));
        let _ = call!(lgetxattr(c"l", c"user.none", NULL, 0));
        try_open(c"l", O_RDONLY);
        try_open(c"l", O_RDONLY | O_NOFOLLOW);
        try_open(c"good", O_RDONLY);
        try_open(c"dangling", O_RDONLY);
        try_open(c"dangling", O_CREAT | O_WRONLY);
        try_open(c"l", O_CREAT | O_EXCL | O_WRONLY);
        let _ = call!(unlinkat(AT_FDCWD, c"l", 0));
        let _ = call!(mkdirat(AT_FDCWD, c"dangling/", 0o755));
    });
}

fn dots_on_the_way() {
    scene();
    mode(c"d", 0o766);
    as_user(1000, || {
        show(c"d/../mine");
        show(c"d/.");
        show(c"./mine");
        show(c"./d/..");
        show(c"mine/.");
        let _ = call!(unlinkat(AT_FDCWD, c"d/.", libc::AT_REMOVEDIR));
        let _ = call!(unlinkat(AT_FDCWD, c"d/..", libc::AT_REMOVEDIR));
        let _ = call!(mkdirat(AT_FDCWD, c"d/../made/", 0o755));
        let _ = call!(mkdirat(AT_FDCWD, c"./made/", 0o755));
    });
}

fn descriptors_of_directories() {
    scene();
    mode(c"d", 0o700);
    let fd = open_dir(c"d");
    as_user(1000, || {
        let _ = call!(faccessat(fd, c"f", F_OK));
        let _ = call!(mkdirat(fd, c"new", 0o755));
        let _ = call!(unlinkat(fd, c"f", 0));
        let _ = call!(fchmodat(fd, c"f", 0o600));
        let _ = call!(faccessat(fd, c"sub/..", F_OK));
    });
    mode(c"d", 0o711);
    as_user(1000, || {
        let _ = call!(faccessat(fd, c"f", F_OK));
        let _ = call!(mkdirat(fd, c"new", 0o755));
    });
}

fn descriptors_are_not_asked_again() {
    scene();
    mode(c"d", 0o700);
    let fd = open_ro(c"d/f");
    as_user(1000, || {
        crate::seen::show_fd("f", fd);
        let _ = call!(fgetxattr(fd, c"user.none", NULL, 0));
        let path = proc_path(fd);
        let reopened = quiet!(openat(AT_FDCWD, &path, O_RDONLY, 0));
        let _ = crate::sys::ok_or_errno("by its link in procfs", reopened.map(|_| 0));
        let reopened = quiet!(openat(AT_FDCWD, &path, O_RDWR, 0));
        let _ = crate::sys::ok_or_errno("the same, to write", reopened.map(|_| 0));
    });
}

fn a_list_of_access_rights_on_the_way() {
    const NO_ID: u32 = u32::MAX;
    scene();
    mode(c"d", 0o700);
    let list = acl(&[(1, 7, NO_ID), (2, 1, 1000), (2, 0, 1001), (4, 0, NO_ID), (0x10, 5, NO_ID), (0x20, 5, NO_ID)]);
    must!(setxattr(c"d", ACCESS, &list, list.len(), 0));
    for uid in [1000, 1001, 1002] {
        as_user(uid, || {
            show(c"d/f");
            let _ = call!(mkdirat(AT_FDCWD, c"d/new", 0o755));
            try_open(c"d", O_RDONLY | O_DIRECTORY);
        });
    }
}

/// `capset` of the effective set of one that was root.
fn with_capabilities(effective: u32, scene: impl FnOnce()) {
    in_child(|| {
        must!(prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0));
        drop_to(1000);
        let header = [0x2008_0522u32, 0];
        let data = [effective, effective, 0, 0, 0, 0];
        must!(capset(&header, &data));
        scene();
    });
}

fn one_capability_at_a_time() {
    const DAC_OVERRIDE: u32 = 1 << 1;
    const DAC_READ_SEARCH: u32 = 1 << 2;
    const FOWNER: u32 = 1 << 3;
    scene();
    mode(c"d", 0o700);
    dir(c"t");
    mode(c"t", 0o1777);
    for path in [c"t/a", c"t/b", c"t/c"] {
        file(path);
    }
    for (set, path) in [(DAC_OVERRIDE, c"t/a"), (DAC_READ_SEARCH, c"t/b"), (FOWNER, c"t/c")] {
        println!("{set:#x}");
        with_capabilities(set, || {
            show(c"d/f");
            try_open(c"d/f", O_RDWR);
            try_open(c"d", O_RDONLY | O_DIRECTORY);
            let _ = call!(mkdirat(AT_FDCWD, c"d/new", 0o755));
            let _ = call!(unlinkat(AT_FDCWD, path, 0));
        });
    }
}

fn access_asks_about_the_real_user_on_the_way() {
    scene();
    mode(c"d", 0o700);
    in_child(|| {
        must!(setresuid(1000, 0, 0));
        let _ = call!(faccessat(AT_FDCWD, c"d/f", R_OK));
        let _ = call!(faccessat(AT_FDCWD, c"d/f", F_OK));
        let _ = call!(faccessat2(AT_FDCWD, c"d/f", F_OK, AT_EACCESS));
        let _ = call!(faccessat2(AT_FDCWD, c"d/f", W_OK, AT_EACCESS));
        show(c"d/f");
    });
    in_child(|| {
        must!(setresuid(0, 1000, 0));
        let _ = call!(faccessat(AT_FDCWD, c"d/f", R_OK));
        let _ = call!(faccessat2(AT_FDCWD, c"d/f", F_OK, AT_EACCESS));
        let _ = call!(faccessat(AT_FDCWD, c"d", X_OK));
        show(c"d/f");
    });
}

fn root_is_refused_nothing() {
    scene();
    owned(c"d", 1000, 1000, 0o000);
    mode(c"mine", 0o000);
    show(c"d/f");
    try_opens(c"mine");
    try_names();
}

fn root_without_capabilities() {
    scene();
    owned(c"d", 1000, 1000, 0o750);
    file(c"own");
    mode(c"own", 0o400);
    in_child(|| {
        let header = [0x2008_0522u32, 0];
        let data = [0u32; 6];
        must!(capset(&header, &data));
        show(c"d/f");
        try_opens(c"own");
        try_names();
    });
}

fn set_fsuid_is_enough() {
    scene();
    mode(c"d", 0o700);
    in_child(|| {
        let _ = quiet!(setfsuid(1000));
        show(c"d/f");
        let _ = call!(mkdirat(AT_FDCWD, c"d/new", 0o755));
        let _ = quiet!(setfsuid(0));
        show(c"d/f");
        let _ = call!(mkdirat(AT_FDCWD, c"d/new", 0o755));
    });
}

fn the_very_first_call_is_looked_at() {
    scene();
    mode(c"d", 0o700);
    as_user(1000, || try_open(c"d/f", O_RDONLY));
    mode(c"d", 0o755);
    mode(c"d/f", 0o600);
    as_user(1000, || try_open(c"d/f", O_RDONLY));
}

fn going_to_a_directory() {
    scene();
    for bits in [0o700, 0o744, 0o711] {
        mode(c"d", bits);
        as_user(1000, || {
            let _ = call!(chdir(c"d"));
            let _ = call!(faccessat(AT_FDCWD, c"f", F_OK));
            let _ = call!(chdir(c"d/sub"));
            let _ = call!(chdir(c"d/f"));
        });
    }
    mode(c"d", 0o700);
    let fd = open_dir(c"d");
    as_user(1000, || {
        let _ = call!(fchdir(fd));
    });
}

fn asking_about_a_filesystem() {
    scene();
    mode(c"d", 0o700);
    let mut buffer = [0u64; 64];
    as_user(1000, || {
        let _ = call!(statfs(c"d", &mut buffer));
        let _ = call!(statfs(c"d/f", &mut buffer));
    });
}

fn reading_a_link() {
    scene();
    symlink(c"text", c"d/l");
    mode(c"d", 0o711);
    let mut text = [0u8; 16];
    as_user(1000, || {
        let _ = call!(readlinkat(AT_FDCWD, c"d/l", &mut text, 16));
    });
    mode(c"d", 0o766);
    as_user(1000, || {
        let _ = call!(readlinkat(AT_FDCWD, c"d/l", &mut text, 16));
    });
}

fn watching_a_file() {
    scene();
    mode(c"d/f", 0o622);
    as_user(1000, || {
        let fd = must!(inotify_init1(0)) as i32;
        let watched = quiet!(inotify_add_watch(fd, c"d/f", libc::IN_OPEN)).map(|_| 0);
        let _ = crate::sys::ok_or_errno("watching d/f", watched);
        let watched = quiet!(inotify_add_watch(fd, c"mine", libc::IN_OPEN)).map(|_| 0);
        let _ = crate::sys::ok_or_errno("watching mine", watched);
        let watched = quiet!(inotify_add_watch(fd, c"d", libc::IN_OPEN)).map(|_| 0);
        let _ = crate::sys::ok_or_errno("watching d", watched);
    });
}

fn executing_by_the_mode() {
    dir(c"d");
    crate::stage::copy_of_self(c"d/p");
    for (directory, bits) in [(0o755, 0o755), (0o755, 0o744), (0o755, 0o645), (0o766, 0o755), (0o711, 0o711)] {
        println!("{directory:o} {bits:o}");
        mode(c"d", directory);
        mode(c"d/p", bits);
        as_user(1000, || crate::stage::run(c"d/p", &[c"d/p", c"role", c"ids"]));
    }
    owned(c"d/p", 0, 1000, 0o705);
    as_user(1000, || crate::stage::run(c"d/p", &[c"d/p", c"role", c"ids"]));
}

fn sockets_are_files_too() {
    use std::os::unix::net::{UnixListener, UnixStream};
    fn tell<T>(what: &str, result: std::io::Result<T>) {
        match result {
            Ok(_) => println!("{what}: ok"),
            Err(e) => println!("{what}: {e}"),
        }
    }
    dir(c"d");
    let listener = UnixListener::bind("d/s");
    for (directory, bits) in [(0o755, 0o755), (0o755, 0o722), (0o766, 0o777), (0o777, 0o666)] {
        mode(c"d", directory);
        mode(c"d/s", bits);
        as_user(1000, || {
            tell("connect", UnixStream::connect("d/s"));
            tell("bind", UnixListener::bind(format!("d/new-{directory:o}-{bits:o}")));
        });
    }
    drop(listener);
}

fn a_thread_alone_gives_up_root() {
    scene();
    mode(c"d", 0o700);
    crate::stage::in_thread(|| {
        must!(setresuid(1000, 1000, 1000));
        try_open(c"d/f", O_RDONLY);
        show(c"d/f");
    });
    try_open(c"d/f", O_RDONLY);
    show(c"d/f");
}

fn children_are_refused_the_same() {
    scene();
    mode(c"d", 0o700);
    as_user(1000, || {
        in_child(|| {
            try_open(c"d/f", O_RDONLY);
            show(c"d/f");
        });
    });
}

/// Set-user-ID to somebody who is not root.
fn a_program_that_changes_its_user() {
    scene();
    crate::stage::copy_of_self(c"p");
    file(c"f");
    dir(c"closed");
    owned(c"p", 1000, 1000, 0o4755);
    crate::stage::run(c"p", &[c"p", c"role", c"look"]);
    mode(c"f", 0o600);
    crate::stage::run(c"p", &[c"p", c"role", c"look"]);
    mode(c".", 0o700);
    crate::stage::run(c"p", &[c"p", c"role", c"look"]);
}
