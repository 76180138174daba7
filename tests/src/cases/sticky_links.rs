//! Symbolic links that others have put into a directory that everybody may write to: who may follow them, where
//! protected_symlinks (proc_sys_fs(5)) is set. Where it is not, everybody may, root included.

use std::ffi::CStr;

use libc::{
    AT_FDCWD, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, F_OK, O_CREAT, O_EXCL, O_NOFOLLOW, O_PATH, O_RDONLY, O_WRONLY,
};

use super::cases;
use crate::seen::{show, show_target};
use crate::stage::{as_user, dir, file, in_child, mode, symlink};
use crate::sys::{NULL, ok_or_errno};

cases![
    links_of_others_are_not_followed,
    links_in_directories_of_their_owner_are_followed,
    links_in_plain_directories_are_followed,
    links_of_others_on_the_way_are_followed,
    links_that_lead_to_links_of_others,
    links_of_others_that_lead_nowhere,
    links_of_others_themselves,
    links_of_others_by_every_call,
    who_follows_is_the_one_who_asks,
    root_follows_its_own,
    capabilities_do_not_help,
];

fn link_of(uid: i32, target: &CStr, path: &CStr) {
    symlink(target, path);
    must!(fchownat(AT_FDCWD, path, uid, uid, AT_SYMLINK_NOFOLLOW));
}

/// A directory `t` of `owner` with links of root and two users to a file and a directory that are open to all.
fn scene(owner: i32, bits: u32) {
    mode(c".", 0o777);
    file(c"f");
    mode(c"f", 0o666);
    dir(c"d");
    mode(c"d", 0o777);
    file(c"d/f");
    mode(c"d/f", 0o666);
    dir(c"t");
    for (uid, to_file, to_directory) in [(0, c"t/r", c"t/rd"), (1000, c"t/a", c"t/ad"), (1001, c"t/b", c"t/bd")] {
        link_of(uid, c"../f", to_file);
        link_of(uid, c"../d", to_directory);
    }
    must!(fchownat(AT_FDCWD, c"t", owner, owner, 0));
    mode(c"t", bits);
}

fn try_open(path: &CStr, flags: i32) {
    let what = format!("open({}, {flags:#o})", path.to_string_lossy());
    if let Ok(fd) = ok_or_errno(&what, quiet!(openat(AT_FDCWD, path, flags, 0o644))) {
        let _ = quiet!(close(fd));
    }
}

fn follow_all() {
    for path in [c"t/r", c"t/a", c"t/b", c"t/rd", c"t/ad", c"t/bd"] {
        show(path);
        show_target(path);
        try_open(path, O_RDONLY);
    }
}

fn links_of_others_are_not_followed() {
    scene(0, 0o1777);
    as_user(1000, follow_all);
    as_user(1002, follow_all);
}

fn links_in_directories_of_their_owner_are_followed() {
    scene(1001, 0o1777);
    as_user(1000, follow_all);
    as_user(1002, follow_all);
}

fn links_in_plain_directories_are_followed() {
    scene(0, 0o1775);
    as_user(1000, follow_all);
    mode(c"t", 0o777);
    as_user(1000, follow_all);
    mode(c"t", 0o3773);
    as_user(1000, follow_all);
}

fn links_of_others_on_the_way_are_followed() {
    scene(0, 0o1777);
    as_user(1000, || {
        for path in [c"t/bd/f", c"t/bd/.", c"t/bd/..", c"t/bd/../t/bd/f", c"t/bd/", c"t/bd//", c"./t/bd"] {
            show(path);
            show_target(path);
            try_open(path, O_RDONLY);
        }
        let _ = call!(mkdirat(AT_FDCWD, c"t/bd/new", 0o755));
        let _ = call!(mkdirat(AT_FDCWD, c"t/bd/", 0o755));
        let _ = call!(unlinkat(AT_FDCWD, c"t/bd/new", libc::AT_REMOVEDIR));
    });
}

fn links_that_lead_to_links_of_others() {
    scene(0, 0o1777);
    symlink(c"t/b", c"to_b");
    symlink(c"t/bd", c"to_bd");
    symlink(c"t/bd/f", c"through_bd");
    symlink(c"t/bd/", c"to_bd_slash");
    link_of(1000, c"b", c"t/mine_to_b");
    link_of(1001, c"a", c"t/others_to_a");
    as_user(1000, || {
        for path in
            [c"to_b", c"to_bd", c"to_bd/f", c"to_bd/.", c"through_bd", c"to_bd_slash", c"t/mine_to_b", c"t/others_to_a"]
        {
            show_target(path);
            try_open(path, O_WRONLY);
        }
    });
}

fn links_of_others_that_lead_nowhere() {
    scene(0, 0o1777);
    for (uid, path) in [(1000, c"t/mine"), (1001, c"t/other")] {
        link_of(uid, c"../new", path);
    }
    link_of(1001, c"loop", c"t/loop");
    as_user(1000, || {
        for path in [c"t/other", c"t/loop", c"t/missing", c"t/mine"] {
            try_open(path, O_RDONLY);
            try_open(path, O_CREAT | O_EXCL | O_WRONLY);
            try_open(path, O_CREAT | O_WRONLY);
        }
    });
    show(c"new");
}

fn links_of_others_themselves() {
    scene(0, 0o1777);
    let mut text = [0u8; 16];
    as_user(1000, || {
        let _ = call!(readlinkat(AT_FDCWD, c"t/b", &mut text, 16));
        try_open(c"t/b", O_PATH | O_NOFOLLOW);
        try_open(c"t/b", O_RDONLY | O_NOFOLLOW);
        let _ = call!(linkat(AT_FDCWD, c"t/b", AT_FDCWD, c"hard", 0));
        let _ = call!(renameat2(AT_FDCWD, c"t/b", AT_FDCWD, c"moved", 0));
        let _ = call!(unlinkat(AT_FDCWD, c"t/b", 0));
        let _ = call!(unlinkat(AT_FDCWD, c"t/bd/", libc::AT_REMOVEDIR));
        let _ = call!(fchownat(AT_FDCWD, c"t/b", -1, -1, AT_SYMLINK_NOFOLLOW));
    });
}

fn links_of_others_by_every_call() {
    scene(0, 0o1777);
    crate::stage::copy_of_self(c"program");
    link_of(1001, c"../program", c"t/program");
    as_user(1000, || {
        try_open(c"t/b", O_PATH);
        try_open(c"t/b", O_CREAT | O_WRONLY);
        let _ = call!(faccessat(AT_FDCWD, c"t/b", F_OK));
        let _ = call!(fchmodat(AT_FDCWD, c"t/b", 0o600));
        let _ = call!(fchownat(AT_FDCWD, c"t/b", -1, -1, 0));
        let _ = call!(truncate(c"t/b", 0));
        let _ = call!(utimensat(AT_FDCWD, c"t/b", NULL, 0));
        let _ = call!(getxattr(c"t/b", c"user.none", NULL, 0));
        let _ = call!(linkat(AT_FDCWD, c"t/b", AT_FDCWD, c"hard", AT_SYMLINK_FOLLOW));
        let _ = call!(chdir(c"t/bd"));
        let mut buffer = [0u8; 256];
        let _ = ok_or_errno("statfs", quiet!(statfs(c"../t/b", &mut buffer)));
    });
    as_user(1000, || {
        let end = [NULL];
        // As root it would go wrong by what it is not told to do.
        if let Err(e) = quiet!(execve(c"t/program", &end, &end)) {
            println!("execve = {}", crate::sys::errno::name(e));
        }
    });
}

/// access(2) asks about the real user, all others about that of the filesystem.
fn who_follows_is_the_one_who_asks() {
    scene(0, 0o1777);
    in_child(|| {
        must!(setresgid(1000, 1001, 1001));
        must!(setresuid(1000, 1001, 1001));
        for path in [c"t/a", c"t/b"] {
            let _ = call!(faccessat(AT_FDCWD, path, F_OK));
            let _ = call!(faccessat2(AT_FDCWD, path, F_OK, libc::AT_EACCESS));
            try_open(path, O_RDONLY);
        }
    });
    in_child(|| {
        let _ = call!(setfsuid(1001));
        follow_all();
    });
}

fn root_follows_its_own() {
    scene(1000, 0o1777);
    show_target(c"t/r");
    try_open(c"t/r", O_RDONLY);
    try_open(c"t/ad/f", O_RDONLY);
}

/// Not even all but one.
fn capabilities_do_not_help() {
    scene(0, 0o1777);
    const FOWNER: u32 = 1 << 3;
    const KILL: u32 = 1 << 5;
    in_child(|| {
        must!(prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0));
        must!(setresuid(1000, 1000, 1000));
        let header = [0x2008_0522u32, 0];
        let mut caps = [0u32; 6];
        must!(capget(&header, &mut caps));
        for effective in [caps[1] & !FOWNER, caps[1] & !KILL] {
            must!(capset(&header, &[effective, caps[1], caps[2], 0, caps[4], caps[5]]));
            follow_all();
        }
    });
}
