//! What a program that gave up root is refused, as far as its own acts go: not whether it may reach a
//! file, but whether it may change what it reached.

use libc::{AT_FDCWD, S_IFCHR, makedev};

use super::cases;
use crate::seen::show;
use crate::stage::{as_user, dir, file};
use crate::sys::NULL;

cases![
    chown_of_ones_own_file_is_eperm,
    chown_of_foreign_file_is_eperm,
    chgrp_to_ones_own_group_works,
    chmod_of_ones_own_file_works,
    chmod_of_foreign_file_is_eperm,
    chmod_to_sgid_of_foreign_group_drops_the_bit,
    chown_of_own_suid_file_clears_the_bits,
    write_clears_suid,
    every_way_to_write_clears_suid,
    writing_nothing_leaves_suid,
    write_clears_suid_that_came_later,
    write_through_what_root_has_opened_clears_suid,
    write_without_fsetid_clears_suid,
    write_of_a_program_clears_suid,
    ftruncate_clears_suid,
    truncating_opens_clear_suid,
    opens_that_do_not_truncate_keep_suid,
    new_files_belong_to_the_user,
    mknod_is_eperm,
    trusted_xattr_is_eperm,
    security_capability_is_eperm,
    sethostname_is_eperm,
    setgroups_is_eperm,
    chroot_needs_root,
];

fn chown_of_ones_own_file_is_eperm() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1000, 1000, 0));
    as_user(1000, || {
        let _ = call!(fchownat(AT_FDCWD, c"f", 0, -1, 0));
        let _ = call!(fchownat(AT_FDCWD, c"f", 1001, 1000, 0));
        let _ = call!(fchownat(AT_FDCWD, c"f", 1000, 1000, 0));
        let _ = call!(fchownat(AT_FDCWD, c"f", -1, -1, 0));
        let _ = call!(fchownat(AT_FDCWD, c"f", -1, 0, 0));
    });
    show(c"f");
}

fn chown_of_foreign_file_is_eperm() {
    file(c"f");
    as_user(1000, || {
        let _ = call!(fchownat(AT_FDCWD, c"f", 1000, 1000, 0));
        let _ = call!(fchownat(AT_FDCWD, c"f", 0, 0, 0));
        let _ = call!(fchownat(AT_FDCWD, c"f", -1, -1, 0));
        let _ = call!(chown(c"f", 1000, -1));
        let _ = call!(lchown(c"f", 1000, -1));
        let fd = crate::stage::open_ro(c"f");
        let _ = call!(fchown(fd, 1000, -1));
    });
    show(c"f");
}

fn chgrp_to_ones_own_group_works() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1000, 1000, 0));
    crate::stage::in_child(|| {
        must!(setgroups(1, &[2000u32]));
        must!(setresgid(1000, 1000, 1000));
        must!(setresuid(1000, 1000, 1000));
        let _ = call!(fchownat(AT_FDCWD, c"f", -1, 2000, 0));
        show(c"f");
        let _ = call!(fchownat(AT_FDCWD, c"f", -1, 3000, 0));
        show(c"f");
    });
}

fn chmod_of_ones_own_file_works() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1000, 1000, 0));
    as_user(1000, || {
        let _ = call!(fchmodat(AT_FDCWD, c"f", 0o4750));
    });
    show(c"f");
}

fn chmod_of_foreign_file_is_eperm() {
    file(c"f");
    as_user(1000, || {
        let _ = call!(chmod(c"f", 0o600));
        let _ = call!(fchmodat(AT_FDCWD, c"f", 0o644));
        let _ = call!(fchmodat2(AT_FDCWD, c"f", 0o644, 0));
        let fd = crate::stage::open_ro(c"f");
        let _ = call!(fchmod(fd, 0o600));
    });
    show(c"f");
}

fn chmod_to_sgid_of_foreign_group_drops_the_bit() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1000, 2000, 0));
    as_user(1000, || {
        let _ = call!(fchmodat(AT_FDCWD, c"f", 0o6755));
    });
    show(c"f");
}

fn chown_of_own_suid_file_clears_the_bits() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1000, 1000, 0));
    must!(fchmodat(AT_FDCWD, c"f", 0o6755));
    as_user(1000, || {
        let _ = call!(fchownat(AT_FDCWD, c"f", -1, 1000, 0));
    });
    show(c"f");
}

fn write_clears_suid() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1000, 1000, 0));
    must!(fchmodat(AT_FDCWD, c"f", 0o6755));
    as_user(1000, || {
        let fd = crate::stage::open_rw(c"f");
        let _ = call!(write(fd, c"abc", 3));
    });
    show(c"f");
}

/// One of nine ways to change what is in a file that is open, `source` being another one of ten bytes.
fn one_way_to_write(way: usize, fd: i32, source: i32) -> (&'static str, crate::sys::Result) {
    let iovec = [c"ab".as_ptr() as usize, 2];
    let mut pipe = [-1i32; 2];
    must!(pipe2(&mut pipe, 0));
    must!(write(pipe[1], c"abc", 3));
    must!(lseek(source, 0, libc::SEEK_SET));
    match way {
        0 => ("write", quiet!(write(fd, c"abc", 3))),
        1 => ("pwrite64", quiet!(pwrite64(fd, c"abc", 3, 0, 0))),
        2 => ("writev", quiet!(writev(fd, &iovec, 1))),
        3 => ("pwritev", quiet!(pwritev(fd, &iovec, 1, 0, 0))),
        4 => ("pwritev2", quiet!(pwritev2(fd, &iovec, 1, 0, 0, 0))),
        5 => ("sendfile", quiet!(sendfile(fd, source, NULL, 3))),
        6 => ("splice", quiet!(splice(pipe[0], NULL, fd, NULL, 3, 0))),
        7 => ("copy_file_range", quiet!(copy_file_range(source, NULL, fd, NULL, 3, 0))),
        // On 32-bit ABIs offset and length are two words each.
        _ if cfg!(target_pointer_width = "64") => ("fallocate", quiet!(fallocate(fd, 0, 0, 100))),
        _ => ("fallocate", quiet!(fallocate(fd, 0, 0, 0, 100, 0))),
    }
}

fn every_way_to_write_clears_suid() {
    file(c"f");
    let source = crate::stage::open_rw(c"source");
    must!(write(source, c"0123456789", 10));
    for way in 0..9 {
        must!(fchownat(AT_FDCWD, c"f", 1001, 1001, 0));
        must!(fchmodat(AT_FDCWD, c"f", 0o6777));
        as_user(1000, || {
            let fd = must!(openat(AT_FDCWD, c"f", libc::O_RDWR, 0)) as i32;
            let (name, result) = one_way_to_write(way, fd, source);
            let _ = crate::sys::try_(name, result);
        });
        show(c"f");
    }
}

fn writing_nothing_leaves_suid() {
    let files = set_id_files();
    as_user(1000, || {
        for name in files {
            let fd = must!(openat(AT_FDCWD, name, libc::O_RDWR, 0));
            let _ = call!(write(fd, c"abc", 0));
            let _ = call!(pwrite64(fd, c"abc", 3, -1, -1));
            let read_only = crate::stage::open_ro(name);
            let _ = call!(write(read_only, c"abc", 3));
        }
        files.iter().for_each(|name| show(name));
        let fd = must!(openat(AT_FDCWD, files[0], libc::O_RDWR, 0));
        let _ = call!(write(fd, crate::sys::BAD, 3));
    });
    files.iter().for_each(|name| show(name));
}

/// Nobody has to stop at writes before.
fn write_clears_suid_that_came_later() {
    file(c"f");
    must!(fchmodat(AT_FDCWD, c"f", 0o666));
    let mut ready = [-1i32; 2];
    let mut go = [-1i32; 2];
    must!(pipe2(&mut ready, 0));
    must!(pipe2(&mut go, 0));
    let writer = crate::stage::fork(|| {
        crate::stage::drop_to(1000);
        let fd = must!(openat(AT_FDCWD, c"f", libc::O_WRONLY, 0));
        must!(write(ready[1], c"x", 1));
        let mut byte = [0u8; 1];
        while quiet!(read(go[0], &mut byte, 1)) == Err(libc::EINTR) {}
        must!(write(fd, c"abc", 3));
    });
    let mut byte = [0u8; 1];
    must!(read(ready[0], &mut byte, 1));
    must!(fchmodat(AT_FDCWD, c"f", 0o4777));
    show(c"f");
    must!(write(go[1], c"x", 1));
    crate::stage::tell_end(writer.unwrap_or(0));
    show(c"f");
}

fn write_through_what_root_has_opened_clears_suid() {
    for name in set_id_files() {
        let fd = must!(openat(AT_FDCWD, name, libc::O_WRONLY | libc::O_APPEND, 0));
        must!(write(fd, c"abc", 3));
        show(name);
        as_user(1000, || {
            let _ = call!(write(fd, c"abc", 3));
        });
        show(name);
    }
}

/// Root without one capability, which may still reach every file.
fn write_without_fsetid_clears_suid() {
    let files = set_id_files();
    crate::stage::in_child(|| {
        const FSETID: u32 = 1 << 4;
        let header = [0x2008_0522u32, 0];
        let mut caps = [0u32; 6];
        must!(capget(&header, &mut caps));
        caps[0] &= !FSETID;
        must!(capset(&header, &caps));
        for name in files {
            let fd = must!(openat(AT_FDCWD, name, libc::O_WRONLY, 0));
            let _ = call!(write(fd, c"abc", 3));
            show(name);
        }
    });
}

/// What is executed has the filter, too.
fn write_of_a_program_clears_suid() {
    file(c"f");
    must!(fchmodat(AT_FDCWD, c"f", 0o4777));
    as_user(1000, || {
        let fd = must!(openat(AT_FDCWD, c"f", libc::O_WRONLY, 0)) as i32;
        // SAFETY: both are descriptors.
        unsafe { libc::dup2(fd, 1) };
        crate::stage::run(c"/bin/sh", &[c"sh", c"-c", c"echo text"]);
        // SAFETY: both are descriptors.
        unsafe { libc::dup2(2, 1) };
    });
    show(c"f");
}

/// Files with set-ID bits that anybody may write to.
pub(super) fn set_id_files() -> [&'static std::ffi::CStr; 4] {
    let files = [c"u", c"g", c"ug", c"locked"];
    for (name, mode) in files.iter().zip([0o4777, 0o2777, 0o6777, 0o2767]) {
        file(name);
        must!(fchownat(AT_FDCWD, *name, 1001, 1001, 0));
        must!(fchmodat(AT_FDCWD, *name, mode));
    }
    files
}

fn ftruncate_clears_suid() {
    let files = set_id_files();
    let fds = files.map(|name| must!(openat(AT_FDCWD, name, libc::O_RDWR)) as i32);
    for fd in fds {
        must!(ftruncate(fd, 3));
    }
    files.iter().for_each(|name| show(name));
    as_user(1000, || {
        for fd in fds {
            let _ = call!(ftruncate(fd, -1));
        }
        let read_only = crate::stage::open_ro(c"u");
        let _ = call!(ftruncate(read_only, 1));
        files.iter().for_each(|name| show(name));
        for fd in fds {
            let _ = call!(ftruncate(fd, 1));
        }
    });
    files.iter().for_each(|name| show(name));
}

fn truncating_opens_clear_suid() {
    let files = set_id_files();
    let opened = |flags: i32| {
        for name in files {
            let _ = crate::sys::ok_or_errno("open", quiet!(openat(AT_FDCWD, name, flags, 0o644)));
        }
        files.iter().for_each(|name| show(name));
    };
    opened(libc::O_WRONLY | libc::O_TRUNC);
    as_user(1000, || {
        opened(libc::O_WRONLY | libc::O_TRUNC | libc::O_CREAT | libc::O_EXCL);
        opened(libc::O_RDONLY | libc::O_TRUNC | libc::O_DIRECTORY);
        opened(libc::O_PATH | libc::O_TRUNC);
        opened(libc::O_WRONLY | libc::O_TRUNC);
    });
    must!(fchmodat(AT_FDCWD, c"u", 0o4777));
    as_user(1001, || {
        let _ = crate::sys::ok_or_errno(
            "creat",
            quiet!(openat(AT_FDCWD, c"u", libc::O_CREAT | libc::O_RDWR | libc::O_TRUNC, 0)),
        );
    });
    show(c"u");
    must!(fchmodat(AT_FDCWD, c"u", 0o4755));
    as_user(1000, || opened(libc::O_RDONLY | libc::O_TRUNC));
}

fn opens_that_do_not_truncate_keep_suid() {
    let files = set_id_files();
    as_user(1000, || {
        for name in files {
            must!(openat(AT_FDCWD, name, libc::O_RDWR | libc::O_APPEND));
        }
    });
    files.iter().for_each(|name| show(name));
}

fn new_files_belong_to_the_user() {
    dir(c"d");
    must!(fchmodat(AT_FDCWD, c"d", 0o777));
    as_user(1000, || {
        file(c"d/f");
        dir(c"d/d");
        crate::stage::symlink(c"f", c"d/l");
    });
    show(c"d/f");
    show(c"d/d");
    show(c"d/l");
}

fn mknod_is_eperm() {
    must!(fchmodat(AT_FDCWD, c".", 0o777));
    as_user(1000, || {
        let _ = call!(mknod(c"n", S_IFCHR | 0o600, makedev(1, 3)));
        let _ = call!(mknodat(AT_FDCWD, c"n", S_IFCHR | 0o600, makedev(1, 3)));
        show(c"n");
    });
}

fn trusted_xattr_is_eperm() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1000, 1000, 0));
    must!(setxattr(c"f", c"trusted.a", c"v", 1, 0));
    as_user(1000, || {
        let mut value = [0u8; 8];
        let _ = call!(setxattr(c"f", c"trusted.b", c"v", 1, 0));
        let _ = call!(getxattr(c"f", c"trusted.a", &mut value, 8));
        let _ = call!(removexattr(c"f", c"trusted.a"));
        let _ = call!(listxattr(c"f", NULL, 0));
    });
}

fn security_capability_is_eperm() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1000, 1000, 0));
    as_user(1000, || {
        let blob = super::xattr::vfs_cap(1);
        let _ = call!(setxattr(c"f", c"security.capability", &blob, 20, 0));
        let _ = call!(setxattr(c"f", c"security.other", c"v", 1, 0));
    });
}

/// The length is bad in any case, so that nothing can come of it.
fn sethostname_is_eperm() {
    as_user(1000, || {
        let _ = call!(sethostname(c"x", -1));
        let _ = call!(setdomainname(c"x", -1));
    });
}

fn setgroups_is_eperm() {
    as_user(1000, || {
        let _ = call!(setgroups(0, NULL));
    });
}

fn chroot_needs_root() {
    as_user(1000, || {
        let _ = call!(chroot(c"."));
    });
}
