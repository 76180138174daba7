//! Extended attributes other than ACLs.
//!
//! `user.` attributes depend on the file system (a tmpfs of before Linux 6.6 refuses them); both runs
//! of a case are on the same one, so what it says is what counts.

use std::ffi::{CStr, CString};

use libc::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, XATTR_CREATE, XATTR_REPLACE};

use super::cases;
use crate::seen::show;
use crate::stage::{dir, file, in_child, mode, open_ro, open_rw, symlink};
use crate::sys::{BAD, NULL, Result, errno};

cases![
    trusted_is_set_read_listed_and_removed,
    security_is_set_read_listed_and_removed,
    user_is_set_read_listed_and_removed,
    several_are_listed,
    value_is_replaced,
    empty_value_is_a_value,
    create_of_existing_is_eexist,
    replace_of_missing_is_enodata,
    create_and_replace_together,
    bad_flags_are_einval,
    missing_attribute_is_enodata,
    small_buffer_is_erange,
    size_zero_asks_for_the_length,
    list_of_small_buffer_is_erange,
    list_of_nothing,
    long_name_is_erange,
    empty_name_is_erange,
    bare_namespace_is_einval,
    foreign_namespace_is_eopnotsupp,
    huge_value_is_e2big,
    large_value_is_read_back,
    bad_pointers_are_efault,
    bad_paths_get_the_kernels_errno,
    bad_descriptors_are_ebadf,
    o_path_descriptor_is_ebadf,
    l_form_asks_the_symlink,
    path_form_follows_the_symlink,
    user_on_symlink_is_eperm,
    f_form_asks_the_descriptor,
    f_form_of_a_read_only_descriptor,
    attributes_of_a_directory,
    attributes_of_a_device_node,
    attributes_of_a_fifo,
    attributes_of_a_mode_000_file,
    attributes_of_a_foreign_file,
    setxattrat_and_its_kin,
    setxattrat_of_empty_path,
    setxattrat_of_symlink_nofollow,
    setxattrat_errors_are_the_kernels,
    capability_is_set_and_read,
    capability_of_bad_blobs_is_einval,
    capability_version_1_and_3,
    capability_is_removed_by_chown,
    capability_is_removed_by_write,
    capability_stays_on_chmod,
    capability_on_a_directory,
    attributes_follow_a_rename,
    attributes_are_shared_by_hard_links,
    attributes_end_with_their_inode,
    attributes_are_seen_by_children,
    attributes_of_an_unlinked_file,
    selinux_label_is_a_plain_value,
    system_namespace_is_refused,
    names_are_binary_safe,
];

/// `struct vfs_cap_data` of revision 2 with CAP_NET_RAW permitted; `effective` is 0 or 1.
pub fn vfs_cap(effective: u8) -> [u8; 20] {
    let mut blob = [0u8; 20];
    blob[0] = effective;
    blob[3] = 2;
    blob[5] = 0x20;
    blob
}

/// Prints an attribute as lgetxattr tells it.
pub fn tell(path: &CStr, name: &CStr) {
    let mut value = [0u8; 256];
    let told = quiet!(lgetxattr(path, name, &mut value, 256));
    print_value(&path.to_string_lossy(), name, told, &value);
}

fn print_value(label: &str, name: &CStr, told: Result, value: &[u8]) {
    match told {
        Ok(n) => println!("{label} {}: {}", name.to_string_lossy(), value[..n].escape_ascii()),
        Err(e) => println!("{label} {}: {}", name.to_string_lossy(), errno::name(e)),
    }
}

/// Prints the names of all attributes, sorted: the kernel promises no order.
pub fn tell_list(path: &CStr) {
    let mut names = [0u8; 1024];
    print_list(&path.to_string_lossy(), quiet!(llistxattr(path, &mut names, 1024)), &names);
}

fn print_list(label: &str, told: Result, names: &[u8]) {
    match told {
        Ok(n) => {
            let mut list: Vec<_> =
                names[..n].split(|&b| b == 0).filter(|s| !s.is_empty()).map(String::from_utf8_lossy).collect();
            list.sort();
            println!("{label}: {n} bytes {list:?}");
        }
        Err(e) => println!("{label}: {}", errno::name(e)),
    }
}

fn whole_life(name: &CStr) {
    file(c"f");
    let _ = call!(setxattr(c"f", name, c"value", 5, 0));
    tell(c"f", name);
    tell_list(c"f");
    let _ = call!(removexattr(c"f", name));
    tell(c"f", name);
    tell_list(c"f");
    let _ = call!(removexattr(c"f", name));
}

fn trusted_is_set_read_listed_and_removed() {
    whole_life(c"trusted.example");
}

fn security_is_set_read_listed_and_removed() {
    whole_life(c"security.example");
}

fn user_is_set_read_listed_and_removed() {
    whole_life(c"user.example");
}

fn several_are_listed() {
    file(c"f");
    for name in [c"trusted.b", c"user.a", c"security.c", c"trusted.a", c"user.long.name.with.dots"] {
        let _ = call!(setxattr(c"f", name, name, 6, 0));
    }
    tell_list(c"f");
    let _ = call!(removexattr(c"f", c"trusted.b"));
    tell_list(c"f");
    tell(c"f", c"trusted.a");
    tell(c"f", c"user.a");
}

fn value_is_replaced() {
    file(c"f");
    for value in [c"first", c"second, longer", c"3"] {
        let _ = call!(setxattr(c"f", c"trusted.a", value, value.count_bytes(), 0));
        tell(c"f", c"trusted.a");
    }
}

fn empty_value_is_a_value() {
    file(c"f");
    let _ = call!(setxattr(c"f", c"trusted.a", NULL, 0, 0));
    let _ = call!(setxattr(c"f", c"trusted.b", c"x", 0, 0));
    tell(c"f", c"trusted.a");
    tell_list(c"f");
}

fn create_of_existing_is_eexist() {
    file(c"f");
    let _ = call!(setxattr(c"f", c"trusted.a", c"1", 1, XATTR_CREATE));
    let _ = call!(setxattr(c"f", c"trusted.a", c"2", 1, XATTR_CREATE));
    tell(c"f", c"trusted.a");
}

fn replace_of_missing_is_enodata() {
    file(c"f");
    let _ = call!(setxattr(c"f", c"trusted.a", c"1", 1, XATTR_REPLACE));
    let _ = call!(setxattr(c"f", c"trusted.a", c"2", 1, 0));
    let _ = call!(setxattr(c"f", c"trusted.a", c"3", 1, XATTR_REPLACE));
    tell(c"f", c"trusted.a");
}

fn create_and_replace_together() {
    file(c"f");
    let _ = call!(setxattr(c"f", c"trusted.a", c"1", 1, XATTR_CREATE | XATTR_REPLACE));
    let _ = call!(setxattr(c"f", c"trusted.a", c"1", 1, 0));
    let _ = call!(setxattr(c"f", c"trusted.a", c"1", 1, XATTR_CREATE | XATTR_REPLACE));
}

fn bad_flags_are_einval() {
    file(c"f");
    let _ = call!(setxattr(c"f", c"trusted.a", c"1", 1, 4));
    let _ = call!(lsetxattr(c"f", c"trusted.a", c"1", 1, -1));
    tell_list(c"f");
}

fn missing_attribute_is_enodata() {
    file(c"f");
    for name in [c"trusted.a", c"security.a", c"user.a", c"security.capability"] {
        tell(c"f", name);
        let _ = call!(removexattr(c"f", name));
    }
}

fn small_buffer_is_erange() {
    file(c"f");
    must!(setxattr(c"f", c"trusted.a", c"value", 5, 0));
    let mut value = [b'.'; 8];
    let _ = call!(getxattr(c"f", c"trusted.a", &mut value, 4));
    let _ = call!(getxattr(c"f", c"trusted.a", &mut value, 1));
    let _ = call!(getxattr(c"f", c"trusted.a", &mut value, 5));
    println!("{}", value.escape_ascii());
}

fn size_zero_asks_for_the_length() {
    file(c"f");
    must!(setxattr(c"f", c"trusted.a", c"value", 5, 0));
    let _ = call!(getxattr(c"f", c"trusted.a", NULL, 0));
    let _ = call!(lgetxattr(c"f", c"trusted.a", BAD, 0));
    let _ = call!(fgetxattr(open_ro(c"f"), c"trusted.a", NULL, 0));
    let _ = call!(listxattr(c"f", NULL, 0));
    let _ = call!(llistxattr(c"f", BAD, 0));
    let _ = call!(flistxattr(open_ro(c"f"), NULL, 0));
}

fn list_of_small_buffer_is_erange() {
    file(c"f");
    must!(setxattr(c"f", c"trusted.a", c"value", 5, 0));
    must!(setxattr(c"f", c"trusted.b", c"value", 5, 0));
    let mut names = [0u8; 64];
    let _ = call!(listxattr(c"f", &mut names, 1));
    let _ = call!(listxattr(c"f", &mut names, 10));
    let _ = call!(listxattr(c"f", &mut names, 19));
    let _ = call!(listxattr(c"f", &mut names, 20));
}

fn list_of_nothing() {
    file(c"f");
    let mut names = [0u8; 8];
    let _ = call!(listxattr(c"f", &mut names, 8));
    let _ = call!(listxattr(c"f", NULL, 0));
    let _ = call!(listxattr(c"f", BAD, 8));
}

/// A name may have 255 bytes.
fn long_name_is_erange() {
    file(c"f");
    for length in [255, 256, 5000] {
        let name = CString::new(format!("trusted.{}", "n".repeat(length - 8))).expect("no NUL");
        let _ = call!(setxattr(c"f", &*name, c"1", 1, 0));
        let _ = call!(getxattr(c"f", &*name, NULL, 0));
        let _ = call!(removexattr(c"f", &*name));
    }
}

fn empty_name_is_erange() {
    file(c"f");
    let _ = call!(setxattr(c"f", c"", c"1", 1, 0));
    let _ = call!(getxattr(c"f", c"", NULL, 0));
    let _ = call!(removexattr(c"f", c""));
}

fn bare_namespace_is_einval() {
    file(c"f");
    for name in [c"trusted.", c"trusted", c"security.", c"user.", c"user"] {
        let _ = call!(setxattr(c"f", name, c"1", 1, 0));
        let _ = call!(getxattr(c"f", name, NULL, 0));
        let _ = call!(removexattr(c"f", name));
    }
}

fn foreign_namespace_is_eopnotsupp() {
    file(c"f");
    for name in [c"foo.bar", c"bar", c"Trusted.a", c".a", c"os2.x"] {
        let _ = call!(setxattr(c"f", name, c"1", 1, 0));
        let _ = call!(getxattr(c"f", name, NULL, 0));
        let _ = call!(removexattr(c"f", name));
    }
}

fn huge_value_is_e2big() {
    file(c"f");
    let value = vec![b'x'; 65537];
    let _ = call!(setxattr(c"f", c"trusted.a", &value[..], 65537, 0));
    let _ = call!(setxattr(c"f", c"trusted.a", &value[..], usize::MAX, 0));
    let _ = call!(getxattr(c"f", c"trusted.a", NULL, 0));
}

/// As large as ext4 keeps beside an inode.
fn large_value_is_read_back() {
    file(c"f");
    let value = vec![b'x'; 3000];
    let _ = call!(setxattr(c"f", c"trusted.a", &value[..], 3000, 0));
    let mut back = vec![0u8; 65537];
    let _ = call!(getxattr(c"f", c"trusted.a", &mut back[..], 65537));
    println!("{}", back[..3000] == value[..]);
}

fn bad_pointers_are_efault() {
    file(c"f");
    must!(setxattr(c"f", c"trusted.a", c"1", 1, 0));
    let mut value = [0u8; 8];
    let _ = call!(setxattr(BAD, c"trusted.a", c"1", 1, 0));
    let _ = call!(setxattr(c"f", BAD, c"1", 1, 0));
    let _ = call!(setxattr(c"f", c"trusted.a", BAD, 1, 0));
    let _ = call!(setxattr(c"f", c"trusted.a", NULL, 1, 0));
    let _ = call!(getxattr(BAD, c"trusted.a", &mut value, 8));
    let _ = call!(getxattr(c"f", BAD, &mut value, 8));
    let _ = call!(getxattr(c"f", c"trusted.a", BAD, 8));
    let _ = call!(listxattr(BAD, &mut value, 8));
    let _ = call!(listxattr(c"f", BAD, 100));
    let _ = call!(removexattr(BAD, c"trusted.a"));
    let _ = call!(removexattr(c"f", BAD));
    tell(c"f", c"trusted.a");
}

fn bad_paths_get_the_kernels_errno() {
    file(c"f");
    symlink(c"loop", c"loop");
    symlink(c"nowhere", c"dangling");
    for path in [c"", c"missing", c"f/g", c"loop", c"dangling"] {
        let _ = call!(setxattr(path, c"trusted.a", c"1", 1, 0));
        let _ = call!(getxattr(path, c"trusted.a", NULL, 0));
        let _ = call!(listxattr(path, NULL, 0));
        let _ = call!(removexattr(path, c"trusted.a"));
    }
}

fn bad_descriptors_are_ebadf() {
    let _ = call!(fsetxattr(-1, c"trusted.a", c"1", 1, 0));
    let _ = call!(fgetxattr(999, c"trusted.a", NULL, 0));
    let _ = call!(flistxattr(999, NULL, 0));
    let _ = call!(fremovexattr(999, c"trusted.a"));
}

fn o_path_descriptor_is_ebadf() {
    file(c"f");
    let fd = must!(openat(AT_FDCWD, c"f", libc::O_PATH, 0)) as i32;
    let _ = call!(fsetxattr(fd, c"trusted.a", c"1", 1, 0));
    let _ = call!(fgetxattr(fd, c"trusted.a", NULL, 0));
    let _ = call!(flistxattr(fd, NULL, 0));
    let _ = call!(fremovexattr(fd, c"trusted.a"));
}

fn l_form_asks_the_symlink() {
    file(c"f");
    symlink(c"f", c"l");
    let _ = call!(lsetxattr(c"l", c"trusted.a", c"link", 4, 0));
    tell(c"l", c"trusted.a");
    tell(c"f", c"trusted.a");
    tell_list(c"l");
    tell_list(c"f");
    let _ = call!(lremovexattr(c"l", c"trusted.a"));
    tell_list(c"l");
}

fn path_form_follows_the_symlink() {
    file(c"f");
    symlink(c"f", c"l");
    let _ = call!(setxattr(c"l", c"trusted.a", c"file", 4, 0));
    let _ = call!(getxattr(c"l", c"trusted.a", NULL, 0));
    let _ = call!(listxattr(c"l", NULL, 0));
    tell(c"l", c"trusted.a");
    tell(c"f", c"trusted.a");
    let _ = call!(removexattr(c"l", c"trusted.a"));
    tell_list(c"f");
}

/// fs/xattr.c: xattr_permission — user. belongs to files and directories, for root too.
fn user_on_symlink_is_eperm() {
    symlink(c"nowhere", c"l");
    let _ = call!(lsetxattr(c"l", c"user.a", c"1", 1, 0));
    let _ = call!(lgetxattr(c"l", c"user.a", NULL, 0));
    let _ = call!(lremovexattr(c"l", c"user.a"));
    let _ = call!(lsetxattr(c"l", c"security.a", c"1", 1, 0));
    tell_list(c"l");
}

fn f_form_asks_the_descriptor() {
    let fd = open_rw(c"f");
    let _ = call!(fsetxattr(fd, c"trusted.a", c"value", 5, 0));
    let mut value = [0u8; 16];
    print_value("fd", c"trusted.a", quiet!(fgetxattr(fd, c"trusted.a", &mut value, 16)), &value);
    let mut names = [0u8; 64];
    print_list("fd", quiet!(flistxattr(fd, &mut names, 64)), &names);
    tell(c"f", c"trusted.a");
    let _ = call!(fremovexattr(fd, c"trusted.a"));
    tell_list(c"f");
}

fn f_form_of_a_read_only_descriptor() {
    file(c"f");
    let fd = open_ro(c"f");
    let _ = call!(fsetxattr(fd, c"trusted.a", c"value", 5, 0));
    let _ = call!(fsetxattr(fd, c"user.a", c"value", 5, 0));
    tell_list(c"f");
}

fn attributes_of_a_directory() {
    dir(c"d");
    for name in [c"trusted.a", c"user.a", c"security.a"] {
        let _ = call!(setxattr(c"d", name, c"1", 1, 0));
    }
    tell_list(c"d");
    let fd = open_ro(c"d");
    let _ = call!(fgetxattr(fd, c"trusted.a", NULL, 0));
}

fn attributes_of_a_device_node() {
    must!(mknodat(AT_FDCWD, c"n", libc::S_IFCHR | 0o666, libc::makedev(1, 3)));
    for name in [c"trusted.a", c"user.a", c"security.a"] {
        let _ = call!(setxattr(c"n", name, c"1", 1, 0));
        let _ = call!(getxattr(c"n", name, NULL, 0));
    }
    tell_list(c"n");
}

fn attributes_of_a_fifo() {
    must!(mknodat(AT_FDCWD, c"p", libc::S_IFIFO | 0o666, 0));
    for name in [c"trusted.a", c"user.a", c"security.a"] {
        let _ = call!(setxattr(c"p", name, c"1", 1, 0));
    }
    tell_list(c"p");
}

fn attributes_of_a_mode_000_file() {
    file(c"f");
    mode(c"f", 0);
    for name in [c"trusted.a", c"user.a", c"security.a"] {
        let _ = call!(setxattr(c"f", name, c"1", 1, 0));
        tell(c"f", name);
    }
}

fn attributes_of_a_foreign_file() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1000, 1000, 0));
    must!(fchmodat(AT_FDCWD, c"f", 0o400));
    for name in [c"trusted.a", c"user.a", c"security.a"] {
        let _ = call!(setxattr(c"f", name, c"1", 1, 0));
        tell(c"f", name);
    }
}

/// `struct xattr_args`: a 64-bit address, a size, flags.
#[repr(C)]
struct XattrArgs {
    value: u64,
    size: u32,
    flags: u32,
}

fn args(value: &[u8], flags: u32) -> XattrArgs {
    XattrArgs { value: value.as_ptr() as u64, size: value.len() as u32, flags }
}

/// Linux 6.13.
fn setxattrat_and_its_kin() {
    dir(c"d");
    file(c"d/f");
    let fd = crate::stage::open_dir(c"d");
    let _ = call!(setxattrat(fd, c"f", 0, c"trusted.a", &args(b"value", 0), 16));
    tell(c"d/f", c"trusted.a");
    let mut value = [0u8; 16];
    let get = XattrArgs { value: value.as_mut_ptr() as u64, size: 16, flags: 0 };
    let told = call!(getxattrat(fd, c"f", 0, c"trusted.a", &get, 16));
    print_value("getxattrat", c"trusted.a", told, &value);
    let mut names = [0u8; 64];
    let told = call!(listxattrat(fd, c"f", 0, &mut names, 64));
    print_list("listxattrat", told, &names);
    let _ = call!(removexattrat(fd, c"f", 0, c"trusted.a"));
    tell_list(c"d/f");
}

fn setxattrat_of_empty_path() {
    let fd = open_rw(c"f");
    let _ = call!(setxattrat(fd, c"", AT_EMPTY_PATH, c"trusted.a", &args(b"value", 0), 16));
    let _ = call!(setxattrat(fd, NULL, AT_EMPTY_PATH, c"trusted.b", &args(b"value", 0), 16));
    let _ = call!(setxattrat(fd, c"", 0, c"trusted.c", &args(b"value", 0), 16));
    let _ = call!(listxattrat(fd, c"", AT_EMPTY_PATH, NULL, 0));
    let _ = call!(removexattrat(fd, c"", AT_EMPTY_PATH, c"trusted.a"));
    tell_list(c"f");
}

fn setxattrat_of_symlink_nofollow() {
    file(c"f");
    symlink(c"f", c"l");
    let nofollow = AT_SYMLINK_NOFOLLOW;
    let _ = call!(setxattrat(AT_FDCWD, c"l", nofollow, c"trusted.link", &args(b"1", 0), 16));
    let _ = call!(setxattrat(AT_FDCWD, c"l", 0, c"trusted.file", &args(b"1", 0), 16));
    tell_list(c"l");
    tell_list(c"f");
    let _ = call!(removexattrat(AT_FDCWD, c"l", nofollow, c"trusted.link"));
    tell_list(c"l");
}

fn setxattrat_errors_are_the_kernels() {
    file(c"f");
    let _ = call!(setxattrat(AT_FDCWD, c"f", 1, c"trusted.a", &args(b"1", 0), 16));
    let _ = call!(setxattrat(AT_FDCWD, c"f", 0, c"trusted.a", &args(b"1", 0), 15));
    let _ = call!(setxattrat(AT_FDCWD, c"f", 0, c"trusted.a", &args(b"1", 8), 16));
    let _ = call!(setxattrat(AT_FDCWD, c"f", 0, c"trusted.a", BAD, 16));
    let _ = call!(setxattrat(AT_FDCWD, c"missing", 0, c"trusted.a", &args(b"1", 0), 16));
    let _ = call!(setxattrat(999, c"f", 0, c"trusted.a", &args(b"1", 0), 16));
    let _ = call!(getxattrat(AT_FDCWD, c"f", 0, c"trusted.a", &args(b"1", 1), 16));
    let _ = call!(getxattrat(AT_FDCWD, c"f", 0, c"trusted.a", &args(b"1", 0), 16));
    let _ = call!(removexattrat(AT_FDCWD, c"f", 0, c"trusted.a"));
}

fn capability_is_set_and_read() {
    file(c"f");
    let blob = vfs_cap(1);
    let _ = call!(setxattr(c"f", c"security.capability", &blob, 20, 0));
    tell(c"f", c"security.capability");
    tell_list(c"f");
    let _ = call!(getxattr(c"f", c"security.capability", NULL, 0));
    let _ = call!(removexattr(c"f", c"security.capability"));
    tell_list(c"f");
}

fn capability_of_bad_blobs_is_einval() {
    file(c"f");
    let blob = vfs_cap(1);
    let _ = call!(setxattr(c"f", c"security.capability", &blob, 19, 0));
    let _ = call!(setxattr(c"f", c"security.capability", &blob, 12, 0));
    let _ = call!(setxattr(c"f", c"security.capability", c"nonsense", 8, 0));
    let _ = call!(setxattr(c"f", c"security.capability", NULL, 0, 0));
    let mut future = blob;
    future[3] = 9;
    let _ = call!(setxattr(c"f", c"security.capability", &future, 20, 0));
    tell_list(c"f");
}

/// Revision 1 (32 bits, 12 bytes) is refused today; revision 3 carries the root id of a namespace.
fn capability_version_1_and_3() {
    file(c"f");
    let mut first = [0u8; 12];
    first[3] = 1;
    first[5] = 0x20;
    let _ = call!(setxattr(c"f", c"security.capability", &first, 12, 0));
    tell(c"f", c"security.capability");
    let mut third = [0u8; 24];
    third[..20].copy_from_slice(&vfs_cap(1));
    third[3] = 3;
    let _ = call!(setxattr(c"f", c"security.capability", &third, 24, 0));
    tell(c"f", c"security.capability");
    third[20] = 7;
    let _ = call!(setxattr(c"f", c"security.capability", &third, 24, 0));
    tell(c"f", c"security.capability");
}

/// security/commoncap.c: cap_inode_killpriv, on any change of owner.
fn capability_is_removed_by_chown() {
    file(c"f");
    let blob = vfs_cap(1);
    must!(setxattr(c"f", c"security.capability", &blob, 20, 0));
    must!(setxattr(c"f", c"trusted.a", c"1", 1, 0));
    let _ = call!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    tell_list(c"f");
    must!(setxattr(c"f", c"security.capability", &blob, 20, 0));
    let _ = call!(fchownat(AT_FDCWD, c"f", -1, -1, 0));
    tell_list(c"f");
}

fn capability_is_removed_by_write() {
    let fd = open_rw(c"f");
    let blob = vfs_cap(1);
    must!(setxattr(c"f", c"security.capability", &blob, 20, 0));
    let _ = call!(write(fd, c"abc", 3));
    tell_list(c"f");
    must!(setxattr(c"f", c"security.capability", &blob, 20, 0));
    let _ = call!(truncate(c"f", 1));
    tell_list(c"f");
}

fn capability_stays_on_chmod() {
    file(c"f");
    let blob = vfs_cap(1);
    must!(setxattr(c"f", c"security.capability", &blob, 20, 0));
    let _ = call!(fchmodat(AT_FDCWD, c"f", 0o755));
    tell_list(c"f");
}

fn capability_on_a_directory() {
    dir(c"d");
    symlink(c"d", c"l");
    let blob = vfs_cap(1);
    let _ = call!(setxattr(c"d", c"security.capability", &blob, 20, 0));
    let _ = call!(lsetxattr(c"l", c"security.capability", &blob, 20, 0));
    tell_list(c"d");
    let _ = call!(fchownat(AT_FDCWD, c"d", 1, 2, 0));
    tell_list(c"d");
}

fn attributes_follow_a_rename() {
    file(c"a");
    must!(setxattr(c"a", c"trusted.a", c"1", 1, 0));
    file(c"b");
    must!(setxattr(c"b", c"trusted.b", c"1", 1, 0));
    must!(renameat2(AT_FDCWD, c"a", AT_FDCWD, c"b", 0));
    tell_list(c"b");
}

fn attributes_are_shared_by_hard_links() {
    file(c"a");
    must!(linkat(AT_FDCWD, c"a", AT_FDCWD, c"b", 0));
    must!(setxattr(c"a", c"trusted.a", c"1", 1, 0));
    tell_list(c"b");
    must!(unlinkat(AT_FDCWD, c"a", 0));
    tell_list(c"b");
}

fn attributes_end_with_their_inode() {
    for _ in 0..20 {
        file(c"f");
        tell_list(c"f");
        must!(setxattr(c"f", c"trusted.a", c"1", 1, 0));
        must!(unlinkat(AT_FDCWD, c"f", 0));
    }
}

fn attributes_are_seen_by_children() {
    file(c"f");
    in_child(|| {
        must!(setxattr(c"f", c"trusted.a", c"1", 1, 0));
    });
    in_child(|| tell_list(c"f"));
    tell_list(c"f");
}

fn attributes_of_an_unlinked_file() {
    let fd = open_rw(c"f");
    must!(fsetxattr(fd, c"trusted.a", c"1", 1, 0));
    must!(unlinkat(AT_FDCWD, c"f", 0));
    let mut names = [0u8; 64];
    print_list("unlinked", quiet!(flistxattr(fd, &mut names, 64)), &names);
    let _ = call!(fsetxattr(fd, c"trusted.b", c"1", 1, 0));
    print_list("unlinked", quiet!(flistxattr(fd, &mut names, 64)), &names);
}

fn selinux_label_is_a_plain_value() {
    file(c"f");
    let _ = call!(setxattr(c"f", c"security.selinux", c"system_u:object_r:bin_t:s0", 27, 0));
    tell(c"f", c"security.selinux");
    show(c"f");
}

fn system_namespace_is_refused() {
    file(c"f");
    let _ = call!(setxattr(c"f", c"system.foo", c"1", 1, 0));
    let _ = call!(getxattr(c"f", c"system.foo", NULL, 0));
    let _ = call!(removexattr(c"f", c"system.foo"));
}

fn names_are_binary_safe() {
    file(c"f");
    let _ = call!(setxattr(c"f", c"trusted.\xff\x01\n\"(", b"\xff\x00\x01", 3, 0));
    tell(c"f", c"trusted.\xff\x01\n\"(");
}
