//! The policy of files, run in the thread that is fooled, without a tracer.

#![cfg(feature = "std")]

mod support;

use std::ffi::CStr;
use std::os::fd::AsRawFd;

use frng_core::call::Sys;
use frng_core::errno::Errno;
use frng_core::lie::LieTable;
use frng_core::policy::Tracee;
use frng_core::stat::{S_IFBLK, S_IFCHR, S_IFIFO, S_IFREG, S_IFSOCK, Statx, make_dev};
use support::{Fooled, at};
use zerocopy::{FromZeros, IntoBytes};

const CWD: u64 = libc::AT_FDCWD as u64;
const EMPTY: u64 = libc::AT_EMPTY_PATH as u64;

/// A directory whose entries take group 50.
fn group_directory(fooled: &Fooled, path: &CStr) {
    fooled.mkdir(path, 0o755).unwrap();
    fooled.chown(path, 0, 50).unwrap();
    fooled.chmod(path, 0o2775).unwrap();
    assert_eq!(fooled.seen(path), "0:50 42775");
}

#[test]
fn ordinary_files_of_root_cost_nothing() {
    let fooled = Fooled::new();
    fooled.file(c"f");
    assert_eq!((fooled.seen(c"f").as_str(), fooled.issued()), ("0:0 100644", 0));
    fooled.mkdir(c"d", 0o755).unwrap();
    assert_eq!((fooled.seen(c"d").as_str(), fooled.issued()), ("0:0 40755", 0));
    fooled.symlink(c"f", c"l").unwrap();
    assert_eq!((fooled.seen(c"l").as_str(), fooled.issued()), ("0:0 120777", 0));
    fooled.mknod(c"p", S_IFIFO | 0o644, 0).unwrap();
    assert_eq!((fooled.seen(c"p").as_str(), fooled.issued()), ("0:0 10644", 0));
    fooled.chmod(c"f", 0o755).unwrap();
    assert_eq!(fooled.issued(), 1);
    fooled.unlink(c"f", 0).unwrap();
    assert_eq!((fooled.lies().kinds().all, fooled.issued()), (0, 0));
}

#[test]
fn chown_is_remembered_and_costs_nothing() {
    let fooled = Fooled::new();
    fooled.file(c"f");
    fooled.chown(c"f", 1000, 2000).unwrap();
    assert_eq!(fooled.issued(), 0);
    assert_eq!(fooled.seen(c"f"), "1000:2000 100644");
    fooled.chown(c"f", u32::MAX, 7).unwrap();
    assert_eq!(fooled.seen(c"f"), "1000:7 100644");
    assert_eq!(fooled.chown(c"none", 1, 1), Err(Errno::ENOENT));
    assert_eq!(fooled.call(Sys::Fchownat, at(c"f", [1, 1, 0x2000])), Err(Errno::EINVAL));
    assert_eq!(fooled.call(Sys::Fchownat, [CWD, 0, 1, 1, EMPTY, 0]), Err(Errno::EFAULT));
    assert_eq!(fooled.call(Sys::Fchownat, [CWD, 1, 1, 1, 0, 0]), Err(Errno::EFAULT));
}

#[test]
fn chown_of_a_path_only_descriptor_needs_an_empty_path() {
    let fooled = Fooled::new();
    fooled.file(c"f");
    let fd = fooled.open(c"f", libc::O_PATH, 0).unwrap();
    assert_eq!(fooled.call(Sys::Fchown, [fd, 1, 2, 0, 0, 0]), Err(Errno::EBADF));
    assert_eq!(fooled.call(Sys::Fchmod, [fd, 0o600, 0, 0, 0, 0]), Err(Errno::EBADF));
    fooled.call(Sys::Fchownat, [fd, c"".as_ptr() as u64, 1, 2, EMPTY, 0]).unwrap();
    assert_eq!(fooled.seen_open(fd), "1:2 100644");
    fooled.close(fd);
    assert_eq!(fooled.call(Sys::Fchown, [fd, 1, 2, 0, 0, 0]), Err(Errno::EBADF));
}

#[test]
fn chown_takes_set_id_bits_from_files_only() {
    let fooled = Fooled::new();
    fooled.file(c"f");
    for (before, after) in [(0o6755, 0o755), (0o2644, 0o2644), (0o4644, 0o644), (0o7777, 0o1777), (0o2711, 0o711)] {
        fooled.chmod(c"f", before).unwrap();
        assert_eq!(fooled.on_disk(c"f") & 0o7000, 0);
        fooled.chown(c"f", 5, u32::MAX).unwrap();
        assert_eq!(fooled.seen(c"f"), format!("5:0 10{after:04o}"), "from {before:o}");
    }
    fooled.mkdir(c"d", 0o755).unwrap();
    fooled.chmod(c"d", 0o6755).unwrap();
    fooled.chown(c"d", 5, 6).unwrap();
    assert_eq!(fooled.seen(c"d"), "5:6 46755");
}

#[test]
fn users_may_give_their_files_to_their_groups_only() {
    let fooled = Fooled::new();
    fooled.file(c"mine");
    fooled.file(c"roots");
    fooled.chown(c"mine", 1000, 1000).unwrap();
    fooled.set_groups(1, &mut |_| Ok(50)).unwrap();
    fooled.become_user(1000, 1000);
    assert_eq!(fooled.chown(c"mine", 1000, 50), Ok(0));
    assert_eq!(fooled.chown(c"mine", u32::MAX, 51), Err(Errno::EPERM));
    assert_eq!(fooled.chown(c"mine", 1001, u32::MAX), Err(Errno::EPERM));
    assert_eq!(fooled.chown(c"roots", u32::MAX, 50), Err(Errno::EPERM));
    assert_eq!(fooled.chown(c"roots", u32::MAX, u32::MAX), Ok(0));
    assert_eq!(fooled.chmod(c"roots", 0o777), Err(Errno::EPERM));
    assert_eq!(fooled.chmod(c"mine", 0o2755), Ok(0));
    assert_eq!(fooled.seen(c"mine"), "1000:50 102755");
    fooled.set_groups(0, &mut |_| Ok(0)).unwrap();
    assert_eq!(fooled.chmod(c"mine", 0o2755), Ok(0));
    assert_eq!(fooled.seen(c"mine"), "1000:50 100755");
}

#[test]
fn chmod_leaves_files_usable() {
    let fooled = Fooled::new();
    fooled.file(c"f");
    fooled.chmod(c"f", 0o4000).unwrap();
    assert_eq!(fooled.seen(c"f"), "0:0 104000");
    assert_eq!(fooled.on_disk(c"f"), S_IFREG | 0o600);
    fooled.chmod(c"f", 0o111).unwrap();
    assert_eq!(fooled.on_disk(c"f"), S_IFREG | 0o711);
    fooled.symlink(c"f", c"l").unwrap();
    let nofollow = libc::AT_SYMLINK_NOFOLLOW as u64;
    assert_eq!(fooled.call(Sys::Fchmodat2, at(c"l", [0o600, nofollow])), Err(Errno::EOPNOTSUPP));
    assert_eq!(fooled.call(Sys::Fchmodat2, at(c"l", [0o600, 0x2000])), Err(Errno::EINVAL));
    fooled.chmod(c"l", 0o640).unwrap();
    assert_eq!(fooled.seen(c"f"), "0:0 100640");
}

#[test]
fn devices_are_shown_and_stood_for() {
    let fooled = Fooled::new();
    assert_eq!(fooled.mknod(c"null", S_IFCHR | 0o666, make_dev(1, 3)), Ok(0));
    assert_eq!(fooled.seen(c"null"), "0:0 20644");
    assert_eq!(fooled.lstat(c"null").unwrap().st_rdev, make_dev(1, 3));
    assert_eq!(fooled.on_disk(c"null"), S_IFREG | 0o644);
    assert_eq!(fooled.mknod(c"null", S_IFCHR | 0o666, make_dev(1, 3)), Err(Errno::EEXIST));
    assert_eq!(fooled.mknod(c"sda", S_IFBLK | 0o60, make_dev(259, 70000)), Ok(0));
    assert_eq!(fooled.seen(c"sda"), "0:0 60040");
    assert_eq!(fooled.lstat(c"sda").unwrap().st_rdev, make_dev(259, 70000));

    let fd = fooled.open(c"null", libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC, 0o600).unwrap();
    assert_eq!(std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap().to_str(), Some("/dev/null"));
    fooled.close(fd);
    assert_eq!(fooled.open(c"sda", libc::O_RDONLY, 0), Err(Errno::ENXIO));
    assert_eq!(fooled.open(c"null", libc::O_RDONLY | libc::O_DIRECTORY, 0), Err(Errno::ENOTDIR));
    assert_eq!(fooled.open(c"null", libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL, 0), Err(Errno::EEXIST));
    let fd = fooled.open(c"sda", libc::O_PATH, 0).unwrap();
    assert_eq!(fooled.seen_open(fd), "0:0 60040");
    fooled.close(fd);

    let how: [u64; 3] = [libc::O_RDONLY as u64, 0, 0];
    let fd = fooled.call(Sys::Openat2, at(c"null", [how.as_ptr() as u64, 24])).unwrap();
    assert_eq!(std::fs::read_link(format!("/proc/self/fd/{fd}")).unwrap().to_str(), Some("/dev/null"));
    fooled.close(fd);
    fooled.file(c"f");
    assert_eq!(fooled.call(Sys::Truncate, [c"null".as_ptr() as u64, 9, 0, 0, 0, 0]), Err(Errno::EINVAL));
    assert_eq!(fooled.call(Sys::Truncate, [c"f".as_ptr() as u64, 9, 0, 0, 0, 0]), Ok(0));
    assert_eq!(fooled.mknod(c"executable", S_IFCHR | 0o777, make_dev(1, 3)), Ok(0));
    assert_eq!((fooled.seen(c"executable").as_str(), fooled.on_disk(c"executable")), ("0:0 20755", S_IFREG | 0o644));
    fooled.chmod(c"executable", 0o711).unwrap();
    assert_eq!((fooled.seen(c"executable").as_str(), fooled.on_disk(c"executable")), ("0:0 20711", S_IFREG | 0o600));
    for node in [c"null", c"sda", c"executable"] {
        fooled.unlink(node, 0).unwrap();
    }
    assert_eq!(fooled.lies().kinds().all, 0);
}

#[test]
fn mknod_refuses_what_the_kernel_refuses() {
    let fooled = Fooled::new();
    assert_eq!(fooled.mknod(c"d", 0o040755, 0), Err(Errno::EPERM));
    assert_eq!(fooled.mknod(c"l", 0o120777, 0), Err(Errno::EINVAL));
    assert_eq!(fooled.mknod(c"none/n", S_IFCHR | 0o600, 0x103), Err(Errno::ENOENT));
    fooled.symlink(c"nowhere", c"dangling").unwrap();
    assert_eq!(fooled.mknod(c"dangling", S_IFCHR | 0o600, 0x103), Err(Errno::EEXIST));
    fooled.mknod(c"plain", 0o4600, 0).unwrap();
    assert_eq!(fooled.seen(c"plain"), "0:0 104600");
    assert_eq!(fooled.on_disk(c"plain"), S_IFREG | 0o600);
    fooled.become_user(1000, 1000);
    assert_eq!(fooled.mknod(c"n", S_IFCHR | 0o600, 0x103), Err(Errno::EPERM));
    assert_eq!(fooled.mknod(c"plain", S_IFCHR | 0o600, 0x103), Err(Errno::EEXIST));
    assert_eq!(fooled.mknod(c"whiteout", S_IFCHR | 0o600, 0), Ok(0));
    assert_eq!(fooled.seen(c"whiteout"), "1000:1000 20600");
}

#[test]
fn new_files_get_owner_mode_and_umask() {
    let fooled = Fooled::new();
    fooled.call(Sys::Umask, [0o777, 0, 0, 0, 0, 0]).unwrap();
    fooled.mkdir(c"closed", 0o777).unwrap();
    assert_eq!(fooled.seen(c"closed"), "0:0 40000");
    fooled.file(c"closed/f");
    assert_eq!(fooled.seen(c"closed/f"), "0:0 100000");
    assert_eq!(fooled.on_disk(c"closed/f"), S_IFREG | 0o600);
    assert_eq!(fooled.call(Sys::Umask, [0o022, 0, 0, 0, 0, 0]), Ok(0o777));
    fooled.close(fooled.open(c"readonly", libc::O_CREAT | libc::O_WRONLY, 0o4444).unwrap());
    assert_eq!(fooled.seen(c"readonly"), "0:0 104444");
    fooled.close(fooled.open(c"readonly", libc::O_WRONLY, 0).unwrap());
    fooled.become_user(1000, 100);
    fooled.file(c"f");
    fooled.mkdir(c"d", 0o7777).unwrap();
    fooled.symlink(c"f", c"l").unwrap();
    assert_eq!(fooled.seen(c"f"), "1000:100 100644");
    assert_eq!(fooled.seen(c"d"), "1000:100 41755");
    assert_eq!(fooled.seen(c"l"), "1000:100 120777");
}

#[test]
fn entries_of_a_set_group_id_directory_take_its_group() {
    let fooled = Fooled::new();
    group_directory(&fooled, c"d");
    fooled.file(c"d/f");
    fooled.mkdir(c"d/sub/", 0o755).unwrap();
    fooled.symlink(c"../elsewhere", c"d/l").unwrap();
    fooled.mknod(c"d/p", S_IFIFO | 0o644, 0).unwrap();
    fooled.mknod(c"d/c", S_IFCHR | 0o644, 5).unwrap();
    assert_eq!(fooled.seen(c"d/f"), "0:50 100644");
    assert_eq!(fooled.seen(c"d/sub"), "0:50 42755");
    assert_eq!(fooled.seen(c"d/l"), "0:50 120777");
    assert_eq!(fooled.seen(c"d/p"), "0:50 10644");
    assert_eq!(fooled.seen(c"d/c"), "0:50 20644");
    fooled.file(c"d/sub/f");
    assert_eq!(fooled.seen(c"d/sub/f"), "0:50 100644");
    // Through a dangling link the directory is that of its target.
    fooled.file(c"d/l");
    assert_eq!((fooled.seen(c"elsewhere").as_str(), fooled.lies().kinds().inherited_from), ("0:0 100644", 2));
    fooled.symlink(c"d/target", c"into").unwrap();
    fooled.file(c"into");
    assert_eq!(fooled.seen(c"d/target"), "0:50 100644");
    // Elsewhere nothing is dearer for it.
    fooled.file(c"outside");
    assert_eq!(fooled.issued(), 0);
    fooled.become_user(1000, 1000);
    fooled.close(fooled.open(c"d/set", libc::O_CREAT | libc::O_WRONLY, 0o2777).unwrap());
    assert_eq!(fooled.seen(c"d/set"), "1000:50 100755");
}

/// An entry of an ACL: tag, permissions, id.
fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let entries = entries.iter().flat_map(|(tag, permissions, id)| {
        [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
    });
    2_u32.to_le_bytes().into_iter().chain(entries).collect()
}

#[test]
fn a_faked_default_acl_takes_the_place_of_the_umask() {
    let fooled = Fooled::new();
    fooled.mkdir(c"d", 0o755).unwrap();
    fooled.chown(c"d", 1, 2).unwrap();
    // user::rwx, user:1000:rwx, group::r-x, mask::rwx, other::---
    let list = acl(&[(1, 7, u32::MAX), (2, 7, 1000), (4, 5, u32::MAX), (16, 7, u32::MAX), (32, 0, u32::MAX)]);
    let id = fooled.id(c"d");
    let mut left = &list[..];
    let lies = fooled.lies();
    lies.set_xattr(&id, b"system.posix_acl_default", list.len(), &mut |room| {
        let (now, later) = left.split_at(room.len());
        room.copy_from_slice(now);
        left = later;
        Ok(())
    })
    .unwrap();
    assert_eq!(lies.kinds().inherited_from, 1);
    fooled.close(fooled.open(c"d/f", libc::O_CREAT | libc::O_WRONLY, 0o664).unwrap());
    fooled.mkdir(c"d/sub", 0o777).unwrap();
    fooled.mknod(c"d/n", S_IFBLK | 0o666, 0x801).unwrap();
    fooled.symlink(c"f", c"d/l").unwrap();
    assert_eq!(fooled.seen(c"d/f"), "0:0 100660");
    assert_eq!(fooled.seen(c"d/sub"), "0:0 40770");
    assert_eq!(fooled.seen(c"d/n"), "0:0 60660");
    assert_eq!(fooled.seen(c"d/l"), "0:0 120777");
    assert_eq!(lies.kinds().inherited_from, 2);
    let mask_of = |path: &CStr| {
        let mut value = Vec::new();
        lies.xattr(&fooled.id(path), b"system.posix_acl_access", &mut |piece| value.extend_from_slice(piece)).unwrap();
        value[4 + 3 * 8 + 2]
    };
    assert_eq!((mask_of(c"d/f"), mask_of(c"d/sub")), (6, 7));
    fooled.chmod(c"d/f", 0o640).unwrap();
    assert_eq!((mask_of(c"d/f"), fooled.seen(c"d/f").as_str()), (4, "0:0 100640"));
}

#[test]
fn openat2_makes_files_too() {
    let fooled = Fooled::new();
    group_directory(&fooled, c"d");
    let flags = (libc::O_CREAT | libc::O_WRONLY) as u64;
    for (path, resolve) in [(c"d/plain", 0), (c"d/beneath", libc::RESOLVE_BENEATH)] {
        let how: [u64; 3] = [flags, 0o4755, resolve];
        fooled.close(fooled.call(Sys::Openat2, at(path, [how.as_ptr() as u64, 24])).unwrap());
        assert_eq!(fooled.seen(path), "0:50 104755");
        fooled.close(fooled.call(Sys::Openat2, at(path, [how.as_ptr() as u64, 24])).unwrap());
    }
    let longer: [u64; 4] = [flags, 0o4700, 0, 0];
    fooled.close(fooled.call(Sys::Openat2, at(c"d/long", [longer.as_ptr() as u64, 32])).unwrap());
    assert_eq!(fooled.seen(c"d/long"), "0:50 104700");
    let unknown: [u64; 4] = [flags, 0o4700, 0, 1];
    assert_eq!(fooled.call(Sys::Openat2, at(c"d/x", [unknown.as_ptr() as u64, 32])), Err(Errno::E2BIG));
    let typed: [u64; 3] = [flags, 0o100600, 0];
    assert_eq!(fooled.call(Sys::Openat2, at(c"d/x", [typed.as_ptr() as u64, 24])), Err(Errno::EINVAL));
    assert_eq!(fooled.call(Sys::Openat2, at(c"d/x", [typed.as_ptr() as u64, 23])), Err(Errno::EINVAL));
}

#[test]
fn unnamed_files_keep_their_lie_when_they_get_a_name() {
    let fooled = Fooled::new();
    group_directory(&fooled, c"d");
    let fd = fooled.open(c"d", libc::O_TMPFILE | libc::O_RDWR, 0o4711).unwrap();
    assert_eq!(fooled.seen_open(fd), "0:50 104711");
    let saved = fooled.lies().records().len();
    fooled.call(Sys::Linkat, [fd, c"".as_ptr() as u64, CWD, c"named".as_ptr() as u64, EMPTY, 0]).unwrap();
    assert_eq!(fooled.lies().records().len(), saved + 1);
    assert_eq!(fooled.seen(c"named"), "0:50 104711");
    fooled.close(fd);
    let fd = fooled.open(c".", libc::O_TMPFILE | libc::O_RDWR, 0o600).unwrap();
    fooled.call(Sys::Fchown, [fd, 3, 4, 0, 0, 0]).unwrap();
    assert_eq!(fooled.lies().records().len(), saved + 1);
    let own = std::ffi::CString::new(format!("/proc/self/fd/{fd}")).unwrap();
    let follow = libc::AT_SYMLINK_FOLLOW as u64;
    fooled.call(Sys::Linkat, at(&own, [CWD, c"other".as_ptr() as u64, follow])).unwrap();
    assert_eq!(fooled.seen(c"other"), "3:4 100600");
    assert_eq!(fooled.lies().records().len(), saved + 2);
    fooled.close(fd);
}

#[test]
fn sockets_get_an_owner() {
    let fooled = Fooled::new();
    group_directory(&fooled, c"d");
    let bind = |path: &[u8]| {
        // SAFETY: a plain system call.
        let fd = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0) };
        let mut address = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
        address.extend_from_slice(path);
        let result = fooled.call(Sys::Bind, [fd as u64, address.as_ptr() as u64, address.len() as u64, 0, 0, 0]);
        fooled.close(fd as u64);
        result
    };
    bind(b"d/s").unwrap();
    assert_eq!(fooled.seen(c"d/s"), format!("0:50 {:o}", S_IFSOCK | 0o755));
    assert_eq!(bind(b"d/s\0"), Err(Errno::EADDRINUSE));
    bind(b"\0frng policy test").unwrap();
    bind(b"").unwrap();
    bind(b"s\0junk").unwrap();
    assert_eq!((fooled.seen(c"s").as_str(), fooled.issued()), ("0:0 140755", 0));
}

#[test]
fn lies_die_with_the_last_name() {
    let fooled = Fooled::new();
    let saved = || fooled.lies().records().len();
    fooled.file(c"f");
    fooled.chown(c"f", 1, 2).unwrap();
    fooled.call(Sys::Linkat, at(c"f", [CWD, c"second".as_ptr() as u64, 0])).unwrap();
    fooled.unlink(c"f", 0).unwrap();
    assert_eq!((fooled.seen(c"second").as_str(), saved()), ("1:2 100644", 1));
    let fd = fooled.open(c"second", libc::O_RDONLY, 0).unwrap();
    fooled.unlink(c"second", 0).unwrap();
    assert_eq!((fooled.seen_open(fd).as_str(), saved()), ("1:2 100644", 0));
    fooled.close(fd);
    fooled.mkdir(c"d", 0o755).unwrap();
    fooled.chown(c"d", 1, 2).unwrap();
    assert_eq!(fooled.unlink(c"d", 0), Err(Errno::EISDIR));
    assert_eq!(saved(), 1);
    fooled.unlink(c"d", libc::AT_REMOVEDIR).unwrap();
    assert_eq!(saved(), 0);
}

#[test]
fn rename_ends_what_it_replaces() {
    let fooled = Fooled::new();
    let saved = || fooled.lies().records().len();
    for (path, uid) in [(c"a", 1), (c"b", 2)] {
        fooled.file(path);
        fooled.chown(path, uid, 9).unwrap();
    }
    fooled.rename(c"a", c"b", libc::RENAME_EXCHANGE).unwrap();
    assert_eq!((fooled.seen(c"a").as_str(), saved()), ("2:9 100644", 2));
    assert_eq!(fooled.rename(c"a", c"b", libc::RENAME_NOREPLACE), Err(Errno::EEXIST));
    fooled.rename(c"a", c"a", 0).unwrap();
    assert_eq!(saved(), 2);
    fooled.rename(c"a", c"b", 0).unwrap();
    assert_eq!((fooled.seen(c"b").as_str(), saved()), ("2:9 100644", 1));
    fooled.call(Sys::Linkat, at(c"b", [CWD, c"c".as_ptr() as u64, 0])).unwrap();
    fooled.rename(c"b", c"c", 0).unwrap();
    assert_eq!((fooled.seen(c"b").as_str(), saved()), ("2:9 100644", 1));
}

#[test]
fn statx_tells_what_the_kernel_tells_but_for_the_lie() {
    let fooled = Fooled::new();
    let file = std::fs::File::create("f").unwrap();
    fooled.chown(c"f", 1000, 2000).unwrap();
    fooled.chmod(c"f", 0o4640).unwrap();
    let fd = file.as_raw_fd() as u64;
    let masks = [0, 0x1, 0x2, 0x40, 0x7ff, 0x800, 0xfff, 0x1000, 0x1fff, 0x2000, 0x4000, 0x7fff_ffff];
    for (mask, path) in masks.iter().flat_map(|mask| [(*mask, c"f"), (*mask, c"")]) {
        let (dirfd, flags) = if path.is_empty() { (fd, EMPTY) } else { (CWD, 0) };
        let (mut shown, mut real) = (Statx::new_zeroed(), Statx::new_zeroed());
        let args = [dirfd, path.as_ptr() as u64, flags, mask];
        let [a, b, c, d] = args;
        fooled.call(Sys::Statx, [a, b, c, d, shown.as_mut_bytes().as_mut_ptr() as u64, 0]).unwrap();
        assert!(fooled.issued() <= 1);
        // SAFETY: the path is terminated, the buffer is a statx structure.
        assert_eq!(unsafe { libc::syscall(libc::SYS_statx, a, b, c, d, real.as_mut_bytes().as_mut_ptr()) }, 0);
        assert_eq!((shown.uid, shown.gid, shown.mode), (1000, 2000, 0o104640));
        (real.uid, real.gid, real.mode) = (shown.uid, shown.gid, shown.mode);
        if mask & 0x800 == 0 {
            // Some filesystems tell it unasked.
            real.mask &= !0x800;
            real.btime = shown.btime;
        }
        assert_eq!(shown, real, "{mask:#x}");
    }
    let statx = |flags, mask, path| fooled.call(Sys::Statx, [CWD, path, flags, mask, 1, 0]);
    let path = c"f".as_ptr() as u64;
    assert_eq!(statx(0x6000, 0x7ff, path), Err(Errno::EINVAL));
    assert_eq!(statx(0x8000, 0x7ff, path), Err(Errno::EINVAL));
    assert_eq!(statx(0, 0x8000_0000, path), Err(Errno::EINVAL));
    assert_eq!(statx(0, 0x7ff, 0), Err(Errno::EFAULT));
    assert_eq!(statx(0, 0x7ff, path), Err(Errno::EFAULT));
    assert_eq!(fooled.call(Sys::Newfstatat, at(c"f", [1, 0])), Err(Errno::EFAULT));
    assert_eq!(fooled.call(Sys::Newfstatat, at(c"f", [1, 0x8000])), Err(Errno::EINVAL));
}
