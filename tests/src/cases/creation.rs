//! Whose a new inode is: the fake fsuid's, and the fake fsgid's or a set-group-ID directory's.

use libc::{
    AT_FDCWD, AT_SYMLINK_FOLLOW, O_CREAT, O_DIRECTORY, O_EXCL, O_RDWR, O_TMPFILE, O_TRUNC, O_WRONLY, S_IFIFO, S_IFREG,
};

use super::cases;
use crate::seen::{show, show_fd};
use crate::stage::{dir, file, in_child, open_dir, open_rw, proc_path, symlink};
use crate::sys::{BAD, NULL, Result, ok_or_errno};

cases![
    open_creates_as_root,
    openat_creates_as_root,
    openat2_creates_as_root,
    creat_creates_as_root,
    mkdir_creates_as_root,
    symlink_creates_as_root,
    bind_creates_a_socket_as_root,
    tmpfile_creates_as_root,
    open_honours_the_umask,
    open_creates_suid_files,
    open_after_setfsuid,
    openat2_after_setfsuid,
    creat_after_setfsuid,
    mkdir_after_setfsuid,
    symlink_after_setfsuid,
    bind_after_setfsuid,
    tmpfile_after_setfsuid,
    creation_after_seteuid,
    creation_after_setfsgid_only,
    open_in_sgid_directory,
    openat2_and_creat_in_sgid_directory,
    mkdir_in_sgid_directory_inherits_sgid,
    nested_mkdir_in_sgid_directory,
    symlink_in_sgid_directory,
    bind_in_sgid_directory,
    tmpfile_in_sgid_directory,
    sgid_directory_of_a_descriptor,
    rename_into_sgid_directory_keeps_the_group,
    link_into_sgid_directory_keeps_the_group,
    creat_of_existing_keeps_the_owner,
    creat_of_existing_keeps_the_mode,
    trunc_keeps_the_owner,
    excl_of_existing_is_eexist,
    excl_of_symlink_is_eexist,
    creat_through_dangling_symlink,
    creat_of_directory_is_eisdir,
    creat_with_trailing_slash_is_eisdir,
    creat_in_missing_directory_is_enoent,
    creat_in_removed_directory_is_enoent,
    creat_bad_pointers_are_efault,
    openat2_errors_are_the_kernels,
    openat2_resolve_flags,
    mkdir_honours_the_umask,
    mkdir_mode_bits,
    mkdir_of_existing_is_eexist,
    mkdir_errors_are_the_kernels,
    symlink_of_existing_is_eexist,
    symlink_errors_are_the_kernels,
    symlink_mode_is_0777_whatever_the_umask,
    link_shares_the_lie,
    link_of_symlink_links_the_link,
    link_follow_links_the_target,
    link_of_proc_fd_follow,
    link_errors_are_the_kernels,
    tmpfile_is_linked_with_its_lie,
    tmpfile_excl_is_not_linked,
    bind_of_existing_is_eaddrinuse,
    bind_honours_the_umask,
    bound_socket_is_chowned,
    relative_to_a_directory_descriptor,
    many_files_of_many_owners,
];

/// In a child with fsuid 1000 and fsgid 2000, and a directory that lets it create.
fn as_fs_user(scene: impl FnOnce()) {
    must!(fchmodat(AT_FDCWD, c".", 0o777));
    in_child(|| {
        must!(setfsgid(2000));
        must!(setfsuid(1000));
        scene();
    });
}

/// Directory `d` of 10:20 with set-group-ID.
fn sgid_dir() {
    dir(c"d");
    must!(fchownat(AT_FDCWD, c"d", 10, 20, 0));
    must!(fchmodat(AT_FDCWD, c"d", 0o2775));
}

fn opened(what: &str, result: Result) -> i32 {
    ok_or_errno(what, result).map_or(-1, |fd| fd as i32)
}

/// `struct open_how`.
fn how(flags: i32, mode: u64, resolve: u64) -> [u64; 3] {
    [flags as u64, mode, resolve]
}

/// Binds a socket of the Unix family to `path`.
fn bind_unix(path: &str) -> Result {
    let fd = must!(socket(libc::AF_UNIX, libc::SOCK_STREAM, 0));
    let mut address = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
    address.extend_from_slice(path.as_bytes());
    address.push(0);
    let result = quiet!(bind(fd, &address[..], address.len()));
    ok_or_errno("bind", result).map(|_| fd)
}

fn open_creates_as_root() {
    opened("open", quiet!(open(c"f", O_CREAT | O_WRONLY, 0o640)));
    show(c"f");
}

fn openat_creates_as_root() {
    let fd = opened("openat", quiet!(openat(AT_FDCWD, c"f", O_CREAT | O_EXCL | O_RDWR, 0o751)));
    show(c"f");
    show_fd("fd", fd);
}

fn openat2_creates_as_root() {
    let fd = opened("openat2", quiet!(openat2(AT_FDCWD, c"f", &how(O_CREAT | O_RDWR, 0o751, 0), 24)));
    show(c"f");
    show_fd("fd", fd);
}

fn creat_creates_as_root() {
    opened("creat", quiet!(creat(c"f", 0o604)));
    show(c"f");
}

fn mkdir_creates_as_root() {
    let _ = call!(mkdir(c"d", 0o751));
    let _ = call!(mkdirat(AT_FDCWD, c"e", 0o700));
    show(c"d");
    show(c"e");
}

fn symlink_creates_as_root() {
    let _ = call!(symlink(c"to", c"l"));
    let _ = call!(symlinkat(c"to", AT_FDCWD, c"m"));
    show(c"l");
    show(c"m");
}

fn bind_creates_a_socket_as_root() {
    let _ = bind_unix("s");
    show(c"s");
}

fn tmpfile_creates_as_root() {
    let fd = opened("tmpfile", quiet!(openat(AT_FDCWD, c".", O_TMPFILE | O_RDWR, 0o640)));
    show_fd("tmpfile", fd);
}

fn open_honours_the_umask() {
    for mask in [0, 0o027, 0o777] {
        must!(umask(mask));
        opened("openat", quiet!(openat(AT_FDCWD, c"f", O_CREAT | O_WRONLY, 0o666)));
        opened("openat2", quiet!(openat2(AT_FDCWD, c"g", &how(O_CREAT | O_WRONLY, 0o666, 0), 24)));
        show(c"f");
        show(c"g");
        must!(unlinkat(AT_FDCWD, c"f", 0));
        must!(unlinkat(AT_FDCWD, c"g", 0));
    }
}

fn open_creates_suid_files() {
    opened("openat", quiet!(openat(AT_FDCWD, c"f", O_CREAT | O_WRONLY, 0o7777)));
    opened("openat2", quiet!(openat2(AT_FDCWD, c"g", &how(O_CREAT | O_WRONLY, 0o7755, 0), 24)));
    show(c"f");
    show(c"g");
}

fn open_after_setfsuid() {
    as_fs_user(|| {
        opened("open", quiet!(open(c"f", O_CREAT | O_WRONLY, 0o640)));
        let fd = opened("openat", quiet!(openat(AT_FDCWD, c"g", O_CREAT | O_WRONLY, 0o640)));
        show_fd("g", fd);
    });
    show(c"f");
    show(c"g");
}

fn openat2_after_setfsuid() {
    as_fs_user(|| {
        opened("openat2", quiet!(openat2(AT_FDCWD, c"f", &how(O_CREAT | O_WRONLY, 0o600, 0), 24)));
    });
    show(c"f");
}

fn creat_after_setfsuid() {
    as_fs_user(|| {
        opened("creat", quiet!(creat(c"f", 0o600)));
    });
    show(c"f");
}

fn mkdir_after_setfsuid() {
    as_fs_user(|| {
        let _ = call!(mkdir(c"d", 0o755));
        let _ = call!(mkdirat(AT_FDCWD, c"e", 0o755));
    });
    show(c"d");
    show(c"e");
}

fn symlink_after_setfsuid() {
    as_fs_user(|| {
        let _ = call!(symlink(c"to", c"l"));
        let _ = call!(symlinkat(c"to", AT_FDCWD, c"m"));
    });
    show(c"l");
    show(c"m");
}

fn bind_after_setfsuid() {
    as_fs_user(|| {
        let _ = bind_unix("s");
    });
    show(c"s");
}

fn tmpfile_after_setfsuid() {
    as_fs_user(|| {
        let fd = opened("tmpfile", quiet!(openat(AT_FDCWD, c".", O_TMPFILE | O_RDWR, 0o640)));
        show_fd("tmpfile", fd);
    });
}

fn creation_after_seteuid() {
    must!(fchmodat(AT_FDCWD, c".", 0o777));
    in_child(|| {
        must!(setresgid(-1, 2000, -1));
        must!(setresuid(-1, 1000, -1));
        opened("openat", quiet!(openat(AT_FDCWD, c"f", O_CREAT | O_WRONLY, 0o640)));
        let _ = call!(mkdirat(AT_FDCWD, c"d", 0o755));
    });
    show(c"f");
    show(c"d");
}

fn creation_after_setfsgid_only() {
    in_child(|| {
        must!(setfsgid(2000));
        opened("openat", quiet!(openat(AT_FDCWD, c"f", O_CREAT | O_WRONLY, 0o2755)));
        let _ = call!(mkdirat(AT_FDCWD, c"d", 0o2755));
    });
    show(c"f");
    show(c"d");
}

fn open_in_sgid_directory() {
    sgid_dir();
    opened("open", quiet!(open(c"d/f", O_CREAT | O_WRONLY, 0o640)));
    opened("openat", quiet!(openat(AT_FDCWD, c"d/g", O_CREAT | O_WRONLY, 0o2755)));
    show(c"d/f");
    show(c"d/g");
}

fn openat2_and_creat_in_sgid_directory() {
    sgid_dir();
    opened("openat2", quiet!(openat2(AT_FDCWD, c"d/f", &how(O_CREAT | O_WRONLY, 0o600, 0), 24)));
    opened("creat", quiet!(creat(c"d/g", 0o600)));
    show(c"d/f");
    show(c"d/g");
}

fn mkdir_in_sgid_directory_inherits_sgid() {
    sgid_dir();
    let _ = call!(mkdir(c"d/a", 0o755));
    let _ = call!(mkdirat(AT_FDCWD, c"d/b", 0));
    show(c"d/a");
    show(c"d/b");
}

fn nested_mkdir_in_sgid_directory() {
    sgid_dir();
    must!(mkdirat(AT_FDCWD, c"d/a", 0o755));
    must!(mkdirat(AT_FDCWD, c"d/a/b", 0o755));
    file(c"d/a/b/f");
    show(c"d/a/b");
    show(c"d/a/b/f");
    must!(fchmodat(AT_FDCWD, c"d/a", 0o755));
    file(c"d/a/g");
    show(c"d/a/g");
}

fn symlink_in_sgid_directory() {
    sgid_dir();
    let _ = call!(symlinkat(c"to", AT_FDCWD, c"d/l"));
    show(c"d/l");
}

fn bind_in_sgid_directory() {
    sgid_dir();
    let _ = bind_unix("d/s");
    show(c"d/s");
}

fn tmpfile_in_sgid_directory() {
    sgid_dir();
    let fd = opened("tmpfile", quiet!(openat(AT_FDCWD, c"d", O_TMPFILE | O_RDWR, 0o640)));
    show_fd("tmpfile", fd);
}

fn sgid_directory_of_a_descriptor() {
    sgid_dir();
    let fd = open_dir(c"d");
    opened("openat", quiet!(openat(fd, c"f", O_CREAT | O_WRONLY, 0o640)));
    let _ = call!(mkdirat(fd, c"a", 0o755));
    let _ = call!(symlinkat(c"to", fd, c"l"));
    let _ = call!(mknodat(fd, c"p", S_IFIFO | 0o600, 0));
    let _ = call!(mknodat(fd, c"r", S_IFREG | 0o600, 0));
    for path in [c"d/f", c"d/a", c"d/l", c"d/p", c"d/r"] {
        show(path);
    }
}

fn rename_into_sgid_directory_keeps_the_group() {
    sgid_dir();
    file(c"f");
    must!(renameat2(AT_FDCWD, c"f", AT_FDCWD, c"d/f", 0));
    show(c"d/f");
}

fn link_into_sgid_directory_keeps_the_group() {
    sgid_dir();
    file(c"f");
    must!(linkat(AT_FDCWD, c"f", AT_FDCWD, c"d/f", 0));
    show(c"d/f");
}

fn creat_of_existing_keeps_the_owner() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    opened("openat", quiet!(openat(AT_FDCWD, c"f", O_CREAT | O_WRONLY, 0o600)));
    show(c"f");
    opened("openat2", quiet!(openat2(AT_FDCWD, c"f", &how(O_CREAT | O_WRONLY, 0o600, 0), 24)));
    show(c"f");
    opened("creat", quiet!(creat(c"f", 0o600)));
    show(c"f");
}

fn creat_of_existing_keeps_the_mode() {
    file(c"f");
    must!(fchmodat(AT_FDCWD, c"f", 0o4711));
    opened("openat", quiet!(openat(AT_FDCWD, c"f", O_CREAT | O_WRONLY, 0o600)));
    show(c"f");
}

fn trunc_keeps_the_owner() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    opened("openat", quiet!(openat(AT_FDCWD, c"f", O_CREAT | O_TRUNC | O_WRONLY, 0o600)));
    show(c"f");
}

fn excl_of_existing_is_eexist() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    opened("openat", quiet!(openat(AT_FDCWD, c"f", O_CREAT | O_EXCL | O_WRONLY, 0o600)));
    opened("openat2", quiet!(openat2(AT_FDCWD, c"f", &how(O_CREAT | O_EXCL | O_WRONLY, 0o600, 0), 24)));
    show(c"f");
}

fn excl_of_symlink_is_eexist() {
    symlink(c"nowhere", c"l");
    opened("openat", quiet!(openat(AT_FDCWD, c"l", O_CREAT | O_EXCL | O_WRONLY, 0o600)));
    show(c"nowhere");
}

fn creat_through_dangling_symlink() {
    dir(c"d");
    must!(fchownat(AT_FDCWD, c"d", 10, 20, 0));
    must!(fchmodat(AT_FDCWD, c"d", 0o2777));
    symlink(c"d/f", c"l");
    opened("openat", quiet!(openat(AT_FDCWD, c"l", O_CREAT | O_WRONLY, 0o600)));
    show(c"l");
    show(c"d/f");
}

fn creat_of_directory_is_eisdir() {
    dir(c"d");
    opened("openat", quiet!(openat(AT_FDCWD, c"d", O_CREAT | O_WRONLY, 0o600)));
    opened("openat", quiet!(openat(AT_FDCWD, c"d", O_CREAT, 0o600)));
    opened("openat", quiet!(openat(AT_FDCWD, c"d", O_CREAT | O_DIRECTORY, 0o600)));
    opened("creat", quiet!(creat(c"d", 0o600)));
    show(c"d");
}

fn creat_with_trailing_slash_is_eisdir() {
    file(c"f");
    opened("openat", quiet!(openat(AT_FDCWD, c"new/", O_CREAT | O_WRONLY, 0o600)));
    opened("openat", quiet!(openat(AT_FDCWD, c"f/", O_CREAT | O_WRONLY, 0o600)));
    show(c"new");
}

fn creat_in_missing_directory_is_enoent() {
    file(c"f");
    opened("openat", quiet!(openat(AT_FDCWD, c"missing/f", O_CREAT | O_WRONLY, 0o600)));
    opened("openat", quiet!(openat(AT_FDCWD, c"f/g", O_CREAT | O_WRONLY, 0o600)));
    opened("openat", quiet!(openat(999, c"g", O_CREAT | O_WRONLY, 0o600)));
    opened("openat", quiet!(openat(AT_FDCWD, c"", O_CREAT | O_WRONLY, 0o600)));
}

fn creat_in_removed_directory_is_enoent() {
    dir(c"d");
    let fd = open_dir(c"d");
    must!(unlinkat(AT_FDCWD, c"d", libc::AT_REMOVEDIR));
    opened("openat", quiet!(openat(fd, c"f", O_CREAT | O_WRONLY, 0o600)));
    let _ = call!(mkdirat(fd, c"d", 0o755));
    let _ = call!(symlinkat(c"to", fd, c"l"));
    let _ = call!(mknodat(fd, c"p", S_IFIFO | 0o600, 0));
    show_fd("removed", fd);
}

fn creat_bad_pointers_are_efault() {
    opened("open", quiet!(open(BAD, O_CREAT | O_WRONLY, 0o600)));
    opened("openat", quiet!(openat(AT_FDCWD, NULL, O_CREAT | O_WRONLY, 0o600)));
    opened("creat", quiet!(creat(BAD, 0o600)));
    opened("openat2", quiet!(openat2(AT_FDCWD, BAD, &how(O_CREAT | O_WRONLY, 0o600, 0), 24)));
    opened("openat2", quiet!(openat2(AT_FDCWD, c"f", BAD, 24)));
    show(c"f");
}

fn openat2_errors_are_the_kernels() {
    opened("short", quiet!(openat2(AT_FDCWD, c"f", &how(O_CREAT, 0o600, 0), 23)));
    opened("long", quiet!(openat2(AT_FDCWD, c"f", &[O_CREAT as u64 | 1, 0o600, 0, 0], 32)));
    opened("long and set", quiet!(openat2(AT_FDCWD, c"g", &[O_CREAT as u64 | 1, 0o600, 0, 1], 32)));
    opened("mode alone", quiet!(openat2(AT_FDCWD, c"g", &how(0, 0o600, 0), 24)));
    opened("bad mode", quiet!(openat2(AT_FDCWD, c"g", &how(O_CREAT, 0o10000, 0), 24)));
    opened("bad flags", quiet!(openat2(AT_FDCWD, c"g", &[1u64 << 40, 0, 0], 24)));
    opened("bad resolve", quiet!(openat2(AT_FDCWD, c"g", &how(O_CREAT, 0o600, 1 << 40), 24)));
    opened("huge", quiet!(openat2(AT_FDCWD, c"g", &how(O_CREAT, 0o600, 0), 1 << 20)));
    show(c"f");
    show(c"g");
}

/// RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH, RESOLVE_IN_ROOT.
fn openat2_resolve_flags() {
    dir(c"d");
    symlink(c"d", c"l");
    let fd = open_dir(c"d");
    opened("no symlinks", quiet!(openat2(AT_FDCWD, c"l/f", &how(O_CREAT | O_RDWR, 0o600, 4), 24)));
    opened("beneath", quiet!(openat2(fd, c"../f", &how(O_CREAT | O_RDWR, 0o600, 8), 24)));
    opened("in root", quiet!(openat2(fd, c"/../f", &how(O_CREAT | O_RDWR, 0o600, 16), 24)));
    show(c"d/f");
    show(c"f");
}

fn mkdir_honours_the_umask() {
    for mask in [0, 0o027, 0o777] {
        must!(umask(mask));
        let _ = call!(mkdirat(AT_FDCWD, c"d", 0o777));
        show(c"d");
        must!(unlinkat(AT_FDCWD, c"d", libc::AT_REMOVEDIR));
    }
}

/// Of the upper bits mkdir takes only the sticky one.
fn mkdir_mode_bits() {
    let _ = call!(mkdirat(AT_FDCWD, c"a", 0o7755));
    let _ = call!(mkdirat(AT_FDCWD, c"b", 0o1777));
    let _ = call!(mkdirat(AT_FDCWD, c"c", 0o170_700));
    for path in [c"a", c"b", c"c"] {
        show(path);
    }
}

fn mkdir_of_existing_is_eexist() {
    dir(c"d");
    must!(fchownat(AT_FDCWD, c"d", 1, 2, 0));
    file(c"f");
    symlink(c"nowhere", c"l");
    for path in [c"d", c"f", c"l", c".", c"/", c"d/"] {
        let _ = call!(mkdir(path, 0o755));
        let _ = call!(mkdirat(AT_FDCWD, path, 0o755));
    }
    show(c"d");
}

fn mkdir_errors_are_the_kernels() {
    file(c"f");
    let long = std::ffi::CString::new("n".repeat(256)).expect("no NUL");
    for path in [c"", c"missing/d", c"f/d", &*long] {
        let _ = call!(mkdir(path, 0o755));
        let _ = call!(mkdirat(AT_FDCWD, path, 0o755));
    }
    let _ = call!(mkdir(BAD, 0o755));
    let _ = call!(mkdirat(AT_FDCWD, NULL, 0o755));
    let _ = call!(mkdirat(999, c"d", 0o755));
    let _ = call!(mkdirat(AT_FDCWD, c"new/", 0o755));
    show(c"new");
}

fn symlink_of_existing_is_eexist() {
    file(c"f");
    let _ = call!(symlink(c"to", c"f"));
    let _ = call!(symlinkat(c"to", AT_FDCWD, c"f"));
    show(c"f");
}

fn symlink_errors_are_the_kernels() {
    let long = std::ffi::CString::new("n".repeat(4096)).expect("no NUL");
    let _ = call!(symlinkat(c"", AT_FDCWD, c"l"));
    let _ = call!(symlinkat(&*long, AT_FDCWD, c"l"));
    let _ = call!(symlinkat(BAD, AT_FDCWD, c"l"));
    let _ = call!(symlinkat(c"to", AT_FDCWD, BAD));
    let _ = call!(symlinkat(c"to", AT_FDCWD, c""));
    let _ = call!(symlinkat(c"to", AT_FDCWD, c"l/"));
    let _ = call!(symlinkat(c"to", 999, c"l"));
    show(c"l");
}

fn symlink_mode_is_0777_whatever_the_umask() {
    must!(umask(0o777));
    symlink(c"to", c"l");
    show(c"l");
}

fn link_shares_the_lie() {
    file(c"a");
    must!(fchownat(AT_FDCWD, c"a", 1, 2, 0));
    let _ = call!(link(c"a", c"b"));
    let _ = call!(linkat(AT_FDCWD, c"a", AT_FDCWD, c"c", 0));
    show(c"b");
    show(c"c");
}

fn link_of_symlink_links_the_link() {
    file(c"f");
    symlink(c"f", c"l");
    must!(fchownat(AT_FDCWD, c"l", 1, 2, libc::AT_SYMLINK_NOFOLLOW));
    let _ = call!(link(c"l", c"a"));
    let _ = call!(linkat(AT_FDCWD, c"l", AT_FDCWD, c"b", 0));
    show(c"a");
    show(c"b");
}

fn link_follow_links_the_target() {
    file(c"f");
    symlink(c"f", c"l");
    must!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    let _ = call!(linkat(AT_FDCWD, c"l", AT_FDCWD, c"a", AT_SYMLINK_FOLLOW));
    show(c"a");
}

fn link_of_proc_fd_follow() {
    let fd = open_rw(c"f");
    must!(fchown(fd, 1, 2));
    let path = proc_path(fd);
    let _ = call!(linkat(AT_FDCWD, &*path, AT_FDCWD, c"a", AT_SYMLINK_FOLLOW));
    show(c"a");
}

fn link_errors_are_the_kernels() {
    file(c"f");
    dir(c"d");
    let _ = call!(link(c"d", c"e"));
    let _ = call!(link(c"f", c"f"));
    let _ = call!(link(c"f", c"d"));
    let _ = call!(link(c"missing", c"g"));
    let _ = call!(linkat(AT_FDCWD, BAD, AT_FDCWD, c"g", 0));
    let _ = call!(linkat(AT_FDCWD, c"f", AT_FDCWD, BAD, 0));
    let _ = call!(linkat(AT_FDCWD, c"f", AT_FDCWD, c"g", 1));
    let _ = call!(linkat(AT_FDCWD, c"", AT_FDCWD, c"g", 0));
    show(c"f");
}

fn tmpfile_is_linked_with_its_lie() {
    let fd = opened("tmpfile", quiet!(openat(AT_FDCWD, c".", O_TMPFILE | O_RDWR, 0o640)));
    must!(fchown(fd, 1, 2));
    must!(fchmod(fd, 0o4711));
    show_fd("tmpfile", fd);
    let _ = call!(linkat(fd, c"", AT_FDCWD, c"a", libc::AT_EMPTY_PATH));
    show(c"a");
    let path = proc_path(fd);
    let _ = call!(linkat(AT_FDCWD, &*path, AT_FDCWD, c"b", AT_SYMLINK_FOLLOW));
    show(c"b");
}

fn tmpfile_excl_is_not_linked() {
    let fd = opened("tmpfile", quiet!(openat(AT_FDCWD, c".", O_TMPFILE | O_EXCL | O_RDWR, 0o640)));
    must!(fchown(fd, 1, 2));
    let path = proc_path(fd);
    let _ = call!(linkat(AT_FDCWD, &*path, AT_FDCWD, c"b", AT_SYMLINK_FOLLOW));
    show(c"b");
    show_fd("tmpfile", fd);
}

fn bind_of_existing_is_eaddrinuse() {
    file(c"s");
    must!(fchownat(AT_FDCWD, c"s", 1, 2, 0));
    let _ = bind_unix("s");
    let _ = bind_unix("missing/s");
    show(c"s");
}

fn bind_honours_the_umask() {
    for mask in [0, 0o077, 0o777] {
        must!(umask(mask));
        let _ = bind_unix("s");
        show(c"s");
        must!(unlinkat(AT_FDCWD, c"s", 0));
    }
}

fn bound_socket_is_chowned() {
    let fd = bind_unix("s").unwrap_or(0) as i32;
    must!(fchownat(AT_FDCWD, c"s", 1, 2, 0));
    must!(fchmodat(AT_FDCWD, c"s", 0o4700));
    show(c"s");
    show_fd("socket", fd);
}

fn relative_to_a_directory_descriptor() {
    dir(c"d");
    let fd = open_dir(c"d");
    as_fs_user(|| {
        must!(setfsuid(0));
        opened("openat", quiet!(openat(fd, c"f", O_CREAT | O_WRONLY, 0o600)));
        opened("openat2", quiet!(openat2(fd, c"g", &how(O_CREAT | O_WRONLY, 0o600, 0), 24)));
        let _ = call!(mkdirat(fd, c"e", 0o700));
        let _ = call!(linkat(fd, c"f", fd, c"h", 0));
    });
    for path in [c"d/f", c"d/g", c"d/e", c"d/h"] {
        show(path);
    }
}

fn many_files_of_many_owners() {
    for id in 0..200 {
        let path = std::ffi::CString::new(format!("f{id}")).expect("no NUL");
        file(&path);
        must!(fchownat(AT_FDCWD, &*path, id * 7, id * 11, 0));
    }
    for id in 0..200 {
        show(&std::ffi::CString::new(format!("f{id}")).expect("no NUL"));
    }
}
