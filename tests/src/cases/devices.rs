//! mknod and mknodat, and the nodes they make.

use libc::{
    AT_FDCWD, O_CREAT, O_EXCL, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK,
    S_IFREG, S_IFSOCK, makedev,
};

use super::cases;
use crate::seen::{show, show_fd, show_target};
use crate::stage::{as_user, dir, file, in_child, open_dir, symlink};
use crate::sys::{BAD, NULL, ok_or_errno, try_};

cases![
    mknod_makes_character_devices,
    mknod_makes_block_devices,
    mknodat_makes_character_devices,
    mknodat_makes_block_devices,
    mknod_makes_a_fifo,
    mknod_makes_a_socket,
    mknod_makes_a_regular_file,
    mknod_without_type_makes_a_regular_file,
    mknod_honours_the_umask,
    mknod_keeps_suid_sgid_and_sticky,
    mknod_of_large_numbers,
    mknod_of_new_encoding_numbers,
    mknod_ignores_the_number_of_a_fifo,
    mknod_on_existing_name_is_eexist,
    mknod_on_dangling_symlink_is_eexist,
    mknod_of_a_directory_is_eperm,
    mknod_of_a_symlink_is_einval,
    mknod_of_unknown_types_is_einval,
    mknod_ignores_bits_above_the_type,
    mknod_bad_paths_get_the_kernels_errno,
    mknodat_relative_to_a_directory_descriptor,
    mknod_in_sgid_directory_takes_its_group,
    mknod_after_setfsuid_is_owned_by_it,
    mknod_by_another_user_is_eperm,
    node_is_chowned_and_chmodded,
    node_through_symlink,
    node_has_no_size,
    node_through_o_path_descriptor,
    faked_null_swallows_and_is_empty,
    faked_zero_gives_zeros,
    faked_full_is_full,
    faked_urandom_gives_bytes,
    faked_random_opens,
    faked_null_of_mode_000_opens,
    faked_null_through_symlink_opens,
    faked_null_opens_by_every_variant,
    faked_null_open_creat_keeps_it,
    faked_null_stats_through_its_descriptor,
    faked_node_execs_eacces,
    unlinked_node_is_gone,
    renamed_node_is_kept,
    linked_node_is_shared,
    node_made_in_child_is_seen_by_parent,
    two_nodes_of_one_device_differ_in_owner,
    truncate_of_a_node,
];

fn mknod_makes_character_devices() {
    let _ = call!(mknod(c"n", S_IFCHR | 0o666, makedev(1, 3)));
    show(c"n");
    show_target(c"n");
}

fn mknod_makes_block_devices() {
    let _ = call!(mknod(c"n", S_IFBLK | 0o660, makedev(8, 1)));
    show(c"n");
}

fn mknodat_makes_character_devices() {
    let _ = call!(mknodat(AT_FDCWD, c"n", S_IFCHR | 0o640, makedev(5, 1)));
    show(c"n");
}

fn mknodat_makes_block_devices() {
    let _ = call!(mknodat(AT_FDCWD, c"n", S_IFBLK | 0o600, makedev(7, 0)));
    show(c"n");
}

fn mknod_makes_a_fifo() {
    let _ = call!(mknod(c"p", S_IFIFO | 0o644, 0));
    show(c"p");
    let _ = call!(mknodat(AT_FDCWD, c"q", S_IFIFO | 0o600, 0));
    show(c"q");
    let fd = quiet!(openat(AT_FDCWD, c"p", O_RDWR | O_NONBLOCK, 0)).map_or(-1, |fd| fd as i32);
    let _ = call!(write(fd, c"abc", 3));
    show_fd("open", fd);
}

fn mknod_makes_a_socket() {
    let _ = call!(mknod(c"s", S_IFSOCK | 0o755, 0));
    show(c"s");
    let _ = call!(mknodat(AT_FDCWD, c"t", S_IFSOCK | 0o700, 0));
    show(c"t");
    let _ = ok_or_errno("open", quiet!(openat(AT_FDCWD, c"s", O_RDONLY, 0)));
}

fn mknod_makes_a_regular_file() {
    let _ = call!(mknod(c"f", S_IFREG | 0o644, 0));
    show(c"f");
    let _ = call!(mknodat(AT_FDCWD, c"g", S_IFREG | 0o4711, makedev(1, 3)));
    show(c"g");
}

fn mknod_without_type_makes_a_regular_file() {
    let _ = call!(mknod(c"f", 0o640, 0));
    show(c"f");
    let _ = call!(mknodat(AT_FDCWD, c"g", 0o600, 0));
    show(c"g");
}

fn mknod_honours_the_umask() {
    for mask in [0, 0o027, 0o077, 0o777] {
        must!(umask(mask));
        let _ = call!(mknodat(AT_FDCWD, c"n", S_IFCHR | 0o666, makedev(1, 3)));
        let _ = call!(mknodat(AT_FDCWD, c"p", S_IFIFO | 0o666, 0));
        show(c"n");
        show(c"p");
        must!(unlinkat(AT_FDCWD, c"n", 0));
        must!(unlinkat(AT_FDCWD, c"p", 0));
    }
}

fn mknod_keeps_suid_sgid_and_sticky() {
    let _ = call!(mknodat(AT_FDCWD, c"n", S_IFCHR | 0o7666, makedev(1, 3)));
    show(c"n");
    let _ = call!(mknodat(AT_FDCWD, c"p", S_IFIFO | 0o7666, 0));
    show(c"p");
}

fn mknod_of_large_numbers() {
    let _ = call!(mknodat(AT_FDCWD, c"a", S_IFCHR | 0o600, makedev(0, 0)));
    show(c"a");
    let _ = call!(mknodat(AT_FDCWD, c"b", S_IFBLK | 0o600, makedev(255, 255)));
    show(c"b");
    let _ = call!(mknodat(AT_FDCWD, c"c", S_IFBLK | 0o600, makedev(4095, 0xf_ffff)));
    show(c"c");
    let _ = call!(mknodat(AT_FDCWD, c"d", S_IFCHR | 0o600, makedev(259, 65536)));
    show(c"d");
}

/// The kernel takes 32 bits: 12 of the major, 20 of the minor.
fn mknod_of_new_encoding_numbers() {
    let _ = call!(mknodat(AT_FDCWD, c"a", S_IFCHR | 0o600, 0xffff_ffff_u32));
    show(c"a");
    let _ = call!(mknodat(AT_FDCWD, c"b", S_IFCHR | 0o600, makedev(1 << 12, 1)));
    show(c"b");
    let _ = call!(mknodat(AT_FDCWD, c"c", S_IFCHR | 0o600, makedev(1, 1 << 20)));
    show(c"c");
}

fn mknod_ignores_the_number_of_a_fifo() {
    let _ = call!(mknodat(AT_FDCWD, c"p", S_IFIFO | 0o600, makedev(1, 3)));
    show(c"p");
    let _ = call!(mknodat(AT_FDCWD, c"s", S_IFSOCK | 0o600, makedev(1, 3)));
    show(c"s");
}

fn mknod_on_existing_name_is_eexist() {
    file(c"f");
    dir(c"d");
    for path in [c"f", c"d", c".", c"d/"] {
        let _ = call!(mknod(path, S_IFCHR | 0o600, makedev(1, 3)));
        let _ = call!(mknodat(AT_FDCWD, path, S_IFIFO | 0o600, 0));
    }
    show(c"f");
}

fn mknod_on_dangling_symlink_is_eexist() {
    symlink(c"nowhere", c"l");
    let _ = call!(mknod(c"l", S_IFCHR | 0o600, makedev(1, 3)));
    let _ = call!(mknodat(AT_FDCWD, c"l", S_IFBLK | 0o600, makedev(1, 3)));
    show(c"l");
    show(c"nowhere");
}

fn mknod_of_a_directory_is_eperm() {
    let _ = call!(mknod(c"d", S_IFDIR | 0o755, 0));
    let _ = call!(mknodat(AT_FDCWD, c"d", S_IFDIR | 0o755, 0));
    show(c"d");
}

fn mknod_of_a_symlink_is_einval() {
    let _ = call!(mknod(c"l", S_IFLNK | 0o777, 0));
    let _ = call!(mknodat(AT_FDCWD, c"l", S_IFLNK | 0o777, 0));
    show(c"l");
}

fn mknod_of_unknown_types_is_einval() {
    for kind in [0o030_000, 0o050_000, 0o070_000, 0o110_000, 0o150_000, 0o170_000] {
        let _ = try_(&format!("mknodat {kind:o}"), quiet!(mknodat(AT_FDCWD, c"n", kind | 0o600, makedev(1, 3))));
    }
    show(c"n");
}

/// The mode is a 16-bit number.
fn mknod_ignores_bits_above_the_type() {
    let _ = call!(mknodat(AT_FDCWD, c"n", 0xabcd_0000_u32 | S_IFCHR | 0o600, makedev(1, 3)));
    show(c"n");
}

fn mknod_bad_paths_get_the_kernels_errno() {
    file(c"f");
    symlink(c"loop", c"loop");
    let long = std::ffi::CString::new("n".repeat(256)).expect("no NUL");
    let _ = call!(mknod(BAD, S_IFCHR | 0o600, makedev(1, 3)));
    let _ = call!(mknod(NULL, S_IFCHR | 0o600, makedev(1, 3)));
    let _ = call!(mknodat(AT_FDCWD, BAD, S_IFBLK | 0o600, makedev(1, 3)));
    for path in [c"", c"missing/n", c"f/n", c"loop/n", c"new/", &*long] {
        let _ = call!(mknodat(AT_FDCWD, path, S_IFCHR | 0o600, makedev(1, 3)));
        let _ = call!(mknod(path, S_IFBLK | 0o600, makedev(1, 3)));
    }
    let _ = call!(mknodat(999, c"n", S_IFCHR | 0o600, makedev(1, 3)));
    show(c"new");
}

fn mknodat_relative_to_a_directory_descriptor() {
    dir(c"d");
    let fd = open_dir(c"d");
    let _ = call!(mknodat(fd, c"n", S_IFCHR | 0o600, makedev(1, 3)));
    let _ = call!(mknodat(fd, c"../m", S_IFBLK | 0o600, makedev(1, 3)));
    show(c"d/n");
    show(c"m");
}

fn mknod_in_sgid_directory_takes_its_group() {
    dir(c"d");
    must!(fchownat(AT_FDCWD, c"d", 1000, 2000, 0));
    must!(fchmodat(AT_FDCWD, c"d", 0o2775));
    let _ = call!(mknodat(AT_FDCWD, c"d/n", S_IFCHR | 0o2670, makedev(1, 3)));
    let _ = call!(mknodat(AT_FDCWD, c"d/p", S_IFIFO | 0o600, 0));
    show(c"d/n");
    show(c"d/p");
}

fn mknod_after_setfsuid_is_owned_by_it() {
    in_child(|| {
        must!(fchmodat(AT_FDCWD, c".", 0o777));
        must!(setfsgid(2000));
        must!(setfsuid(1000));
        let _ = call!(mknodat(AT_FDCWD, c"n", S_IFCHR | 0o600, makedev(1, 3)));
        let _ = call!(mknodat(AT_FDCWD, c"p", S_IFIFO | 0o600, 0));
    });
    show(c"n");
    show(c"p");
}

fn mknod_by_another_user_is_eperm() {
    must!(fchmodat(AT_FDCWD, c".", 0o777));
    as_user(1000, || {
        let _ = call!(mknodat(AT_FDCWD, c"c", S_IFCHR | 0o600, makedev(1, 3)));
        let _ = call!(mknodat(AT_FDCWD, c"b", S_IFBLK | 0o600, makedev(1, 3)));
        let _ = call!(mknodat(AT_FDCWD, c"whiteout", S_IFCHR | 0o600, 0));
        let _ = call!(mknodat(AT_FDCWD, c"p", S_IFIFO | 0o600, 0));
        let _ = call!(mknodat(AT_FDCWD, c"s", S_IFSOCK | 0o600, 0));
        let _ = call!(mknodat(AT_FDCWD, c"f", S_IFREG | 0o600, 0));
        for path in [c"c", c"b", c"whiteout", c"p", c"s", c"f"] {
            show(path);
        }
    });
}

fn node_is_chowned_and_chmodded() {
    must!(mknodat(AT_FDCWD, c"n", S_IFBLK | 0o600, makedev(8, 0)));
    let _ = call!(fchownat(AT_FDCWD, c"n", 0, 6, 0));
    let _ = call!(fchmodat(AT_FDCWD, c"n", 0o660));
    show(c"n");
    let _ = call!(fchmodat(AT_FDCWD, c"n", 0));
    show(c"n");
}

fn node_through_symlink() {
    must!(mknodat(AT_FDCWD, c"n", S_IFCHR | 0o666, makedev(1, 3)));
    symlink(c"n", c"l");
    must!(fchownat(AT_FDCWD, c"l", 1, 2, 0));
    show(c"l");
    show_target(c"l");
}

fn node_has_no_size() {
    must!(mknodat(AT_FDCWD, c"n", S_IFBLK | 0o600, makedev(8, 0)));
    let mut stx: libc::statx = crate::seen::blank();
    must!(statx(AT_FDCWD, c"n", 0, libc::STATX_BASIC_STATS, &mut stx));
    println!("size {} blocks {}", stx.stx_size, stx.stx_blocks);
}

fn node_through_o_path_descriptor() {
    must!(mknodat(AT_FDCWD, c"n", S_IFBLK | 0o600, makedev(8, 0)));
    let fd = must!(openat(AT_FDCWD, c"n", libc::O_PATH, 0)) as i32;
    show_fd("path only", fd);
    let _ = call!(fchownat(fd, c"", 1, 2, libc::AT_EMPTY_PATH));
    show(c"n");
}

/// Makes node `n` of memory device `minor` and opens it.
fn memory_device(minor: u32) -> i32 {
    must!(mknodat(AT_FDCWD, c"n", S_IFCHR | 0o666, makedev(1, minor)));
    must!(openat(AT_FDCWD, c"n", O_RDWR, 0)) as i32
}

fn faked_null_swallows_and_is_empty() {
    let fd = memory_device(3);
    let mut buffer = [1u8; 8];
    let _ = call!(write(fd, c"swallowed", 9));
    let _ = call!(read(fd, &mut buffer, 8));
    println!("{buffer:?}");
    show(c"n");
}

fn faked_zero_gives_zeros() {
    let fd = memory_device(5);
    let mut buffer = [1u8; 8];
    let _ = call!(read(fd, &mut buffer, 8));
    let _ = call!(write(fd, c"abc", 3));
    println!("{buffer:?}");
}

fn faked_full_is_full() {
    let fd = memory_device(7);
    let mut buffer = [1u8; 8];
    let _ = call!(read(fd, &mut buffer, 8));
    let _ = call!(write(fd, c"abc", 3));
}

fn faked_urandom_gives_bytes() {
    let fd = memory_device(9);
    let mut buffer = [0u8; 32];
    let _ = call!(read(fd, &mut buffer, 32));
    println!("{}", buffer.iter().any(|&b| b != 0));
}

fn faked_random_opens() {
    let fd = memory_device(8);
    let mut buffer = [0u8; 1];
    let _ = call!(read(fd, &mut buffer, 1));
}

fn faked_null_of_mode_000_opens() {
    must!(mknodat(AT_FDCWD, c"n", S_IFCHR, makedev(1, 3)));
    show(c"n");
    let fd = quiet!(openat(AT_FDCWD, c"n", O_RDWR, 0)).map_or(-1, |fd| fd as i32);
    let _ = call!(write(fd, c"abc", 3));
}

fn faked_null_through_symlink_opens() {
    must!(mknodat(AT_FDCWD, c"n", S_IFCHR | 0o666, makedev(1, 3)));
    symlink(c"n", c"l");
    let fd = quiet!(openat(AT_FDCWD, c"l", O_WRONLY, 0)).map_or(-1, |fd| fd as i32);
    let _ = call!(write(fd, c"abc", 3));
    let _ = ok_or_errno("nofollow", quiet!(openat(AT_FDCWD, c"l", O_WRONLY | libc::O_NOFOLLOW, 0)));
}

fn faked_null_opens_by_every_variant() {
    must!(mknodat(AT_FDCWD, c"n", S_IFCHR | 0o666, makedev(1, 5)));
    let how = [O_RDONLY as u64, 0, 0];
    let opened = [
        ("open", quiet!(open(c"n", O_RDONLY, 0))),
        ("openat", quiet!(openat(AT_FDCWD, c"n", O_RDONLY, 0))),
        ("openat2", quiet!(openat2(AT_FDCWD, c"n", &how, 24))),
    ];
    for (variant, fd) in opened {
        let mut buffer = [1u8; 4];
        if let Ok(fd) = fd {
            let _ = try_(&format!("read after {variant}"), quiet!(read(fd, &mut buffer, 4)));
        } else {
            println!("{variant}: {:?}", fd.map_err(crate::sys::errno::name));
        }
        println!("{buffer:?}");
    }
    let _ = ok_or_errno("creat", quiet!(creat(c"n", 0o600)));
    show(c"n");
}

fn faked_null_open_creat_keeps_it() {
    must!(mknodat(AT_FDCWD, c"n", S_IFCHR | 0o666, makedev(1, 3)));
    let fd = ok_or_errno("creat", quiet!(openat(AT_FDCWD, c"n", O_CREAT | O_WRONLY | libc::O_TRUNC, 0o644)));
    let _ = try_("write", quiet!(write(fd.map_or(-1, |fd| fd as i32), c"abc", 3)));
    let _ = ok_or_errno("excl", quiet!(openat(AT_FDCWD, c"n", O_CREAT | O_EXCL | O_WRONLY, 0o644)));
    show(c"n");
}

fn faked_null_stats_through_its_descriptor() {
    let fd = memory_device(3);
    must!(fchownat(AT_FDCWD, c"n", 1, 2, 0));
    show_fd("open", fd);
    let _ = call!(fchown(fd, 3, 4));
    let _ = call!(fchmod(fd, 0o600));
    show_fd("open", fd);
    show(c"n");
}

fn faked_node_execs_eacces() {
    must!(mknodat(AT_FDCWD, c"n", S_IFCHR | 0o777, makedev(1, 3)));
    crate::stage::run(c"./n", &[c"n"]);
}

fn unlinked_node_is_gone() {
    must!(mknodat(AT_FDCWD, c"n", S_IFCHR | 0o666, makedev(1, 3)));
    let _ = call!(unlinkat(AT_FDCWD, c"n", 0));
    show(c"n");
    file(c"n");
    show(c"n");
}

fn renamed_node_is_kept() {
    must!(mknodat(AT_FDCWD, c"n", S_IFCHR | 0o666, makedev(1, 3)));
    let _ = call!(renameat2(AT_FDCWD, c"n", AT_FDCWD, c"m", 0));
    show(c"n");
    show(c"m");
}

fn linked_node_is_shared() {
    must!(mknodat(AT_FDCWD, c"n", S_IFCHR | 0o666, makedev(1, 3)));
    let _ = call!(linkat(AT_FDCWD, c"n", AT_FDCWD, c"m", 0));
    must!(fchownat(AT_FDCWD, c"m", 1, 2, 0));
    show(c"n");
    show(c"m");
}

fn node_made_in_child_is_seen_by_parent() {
    in_child(|| {
        let _ = call!(mknodat(AT_FDCWD, c"n", S_IFBLK | 0o640, makedev(253, 7)));
    });
    show(c"n");
}

fn two_nodes_of_one_device_differ_in_owner() {
    must!(mknodat(AT_FDCWD, c"a", S_IFCHR | 0o666, makedev(1, 3)));
    must!(mknodat(AT_FDCWD, c"b", S_IFCHR | 0o600, makedev(1, 3)));
    must!(fchownat(AT_FDCWD, c"a", 1, 2, 0));
    show(c"a");
    show(c"b");
}

fn truncate_of_a_node() {
    must!(mknodat(AT_FDCWD, c"n", S_IFCHR | 0o666, makedev(1, 3)));
    let _ = call!(truncate(c"n", 100));
    show(c"n");
}
