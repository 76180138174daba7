//! POSIX ACLs: system.posix_acl_access and system.posix_acl_default, and what they do to the mode.

use libc::{AT_FDCWD, SIGKILL, XATTR_CREATE, XATTR_REPLACE};

use super::cases;
use super::xattr::{tell, tell_list};
use crate::seen::show;
use crate::stage::{dir, file, fork, in_child, open_rw, symlink};
use crate::sys::{self, NULL};

cases![
    minimal_acl_becomes_the_mode,
    minimal_acl_is_not_stored,
    named_user_is_stored,
    mask_becomes_the_group_bits,
    chmod_changes_the_mask,
    chmod_keeps_named_entries,
    acl_keeps_suid_and_sticky,
    acl_is_removed,
    removing_an_absent_acl,
    acl_through_descriptor,
    acl_through_symlink,
    acl_on_symlink_is_eopnotsupp,
    acl_of_bad_blobs_is_einval,
    acl_without_mask_is_einval,
    acl_in_wrong_order_is_einval,
    acl_of_zero_size_removes_it,
    acl_create_and_replace_flags,
    default_acl_on_a_file_is_eacces,
    default_acl_on_a_directory,
    default_acl_is_inherited_by_files,
    default_acl_is_inherited_by_directories,
    default_acl_overrides_the_umask,
    default_acl_with_mknod,
    default_acl_is_removed,
    acl_of_foreign_file,
    acl_ends_with_its_inode,
    acl_is_kept_over_chown,
    acl_does_not_undo_the_chown_of_another,
];

const USER_OBJ: u16 = 1;
const USER: u16 = 2;
const GROUP_OBJ: u16 = 4;
const GROUP: u16 = 8;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
const NO_ID: u32 = u32::MAX;

/// Name of the xattr with the ACL that is checked.
pub const ACCESS: &std::ffi::CStr = c"system.posix_acl_access";
const DEFAULT: &std::ffi::CStr = c"system.posix_acl_default";

/// `struct posix_acl_xattr_header` and its entries: tag, permissions, id.
pub fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut blob = 2u32.to_le_bytes().to_vec();
    for &(tag, permissions, id) in entries {
        blob.extend(tag.to_le_bytes());
        blob.extend(permissions.to_le_bytes());
        blob.extend(id.to_le_bytes());
    }
    blob
}

fn minimal(owner: u16, group: u16, other: u16) -> Vec<u8> {
    acl(&[(USER_OBJ, owner, NO_ID), (GROUP_OBJ, group, NO_ID), (OTHER, other, NO_ID)])
}

/// rw for the owner, `group` for the group, rwx for user 1000 and rx for group 2000 behind `mask`.
fn extended(group: u16, mask: u16) -> Vec<u8> {
    acl(&[
        (USER_OBJ, 6, NO_ID),
        (USER, 7, 1000),
        (GROUP_OBJ, group, NO_ID),
        (GROUP, 5, 2000),
        (MASK, mask, NO_ID),
        (OTHER, 0, NO_ID),
    ])
}

fn minimal_acl_becomes_the_mode() {
    file(c"f");
    let blob = minimal(7, 5, 1);
    let _ = call!(setxattr(c"f", ACCESS, &blob[..], blob.len(), 0));
    show(c"f");
}

fn minimal_acl_is_not_stored() {
    file(c"f");
    let blob = minimal(6, 4, 0);
    let _ = call!(setxattr(c"f", ACCESS, &blob[..], blob.len(), 0));
    tell(c"f", ACCESS);
    tell_list(c"f");
}

fn named_user_is_stored() {
    file(c"f");
    let blob = extended(4, 5);
    let _ = call!(setxattr(c"f", ACCESS, &blob[..], blob.len(), 0));
    tell(c"f", ACCESS);
    tell_list(c"f");
    let _ = call!(getxattr(c"f", ACCESS, NULL, 0));
    let mut small = [0u8; 8];
    let _ = call!(getxattr(c"f", ACCESS, &mut small, 8));
}

fn mask_becomes_the_group_bits() {
    file(c"f");
    for mask in [0, 1, 7] {
        let blob = extended(4, mask);
        let _ = call!(setxattr(c"f", ACCESS, &blob[..], blob.len(), 0));
        show(c"f");
    }
}

fn chmod_changes_the_mask() {
    file(c"f");
    let blob = extended(4, 7);
    must!(setxattr(c"f", ACCESS, &blob[..], blob.len(), 0));
    let _ = call!(fchmodat(AT_FDCWD, c"f", 0o750));
    tell(c"f", ACCESS);
    show(c"f");
    let _ = call!(fchmodat(AT_FDCWD, c"f", 0o4701));
    tell(c"f", ACCESS);
    show(c"f");
}

fn chmod_keeps_named_entries() {
    let fd = open_rw(c"f");
    let blob = extended(4, 7);
    must!(setxattr(c"f", ACCESS, &blob[..], blob.len(), 0));
    let _ = call!(fchmod(fd, 0));
    tell(c"f", ACCESS);
}

fn acl_keeps_suid_and_sticky() {
    file(c"f");
    must!(fchmodat(AT_FDCWD, c"f", 0o7755));
    let blob = extended(4, 5);
    let _ = call!(setxattr(c"f", ACCESS, &blob[..], blob.len(), 0));
    show(c"f");
    let blob = minimal(6, 4, 4);
    let _ = call!(setxattr(c"f", ACCESS, &blob[..], blob.len(), 0));
    show(c"f");
}

/// The group bits stay what the mask made them.
fn acl_is_removed() {
    file(c"f");
    let blob = extended(4, 7);
    must!(setxattr(c"f", ACCESS, &blob[..], blob.len(), 0));
    let _ = call!(removexattr(c"f", ACCESS));
    tell(c"f", ACCESS);
    tell_list(c"f");
    show(c"f");
}

fn removing_an_absent_acl() {
    file(c"f");
    dir(c"d");
    let _ = call!(removexattr(c"f", ACCESS));
    let _ = call!(removexattr(c"f", DEFAULT));
    let _ = call!(removexattr(c"d", DEFAULT));
    tell(c"f", ACCESS);
    tell(c"f", DEFAULT);
    tell(c"d", DEFAULT);
}

fn acl_through_descriptor() {
    let fd = open_rw(c"f");
    let blob = extended(4, 5);
    let _ = call!(fsetxattr(fd, ACCESS, &blob[..], blob.len(), 0));
    let _ = call!(fgetxattr(fd, ACCESS, NULL, 0));
    let _ = call!(fremovexattr(fd, ACCESS));
    show(c"f");
}

fn acl_through_symlink() {
    file(c"f");
    symlink(c"f", c"l");
    let blob = extended(4, 5);
    let _ = call!(setxattr(c"l", ACCESS, &blob[..], blob.len(), 0));
    tell(c"f", ACCESS);
}

fn acl_on_symlink_is_eopnotsupp() {
    symlink(c"nowhere", c"l");
    let blob = extended(4, 5);
    let _ = call!(lsetxattr(c"l", ACCESS, &blob[..], blob.len(), 0));
    let _ = call!(lgetxattr(c"l", ACCESS, NULL, 0));
    let _ = call!(lremovexattr(c"l", ACCESS));
}

fn acl_of_bad_blobs_is_einval() {
    file(c"f");
    let blob = extended(4, 5);
    let _ = call!(setxattr(c"f", ACCESS, &blob[..], blob.len() - 1, 0));
    let _ = call!(setxattr(c"f", ACCESS, &blob[..], 3, 0));
    let _ = call!(setxattr(c"f", ACCESS, &blob[..], 4, 0));
    let _ = call!(setxattr(c"f", ACCESS, c"nonsense-of-12", 12, 0));
    let mut version = blob.clone();
    version[0] = 3;
    let _ = call!(setxattr(c"f", ACCESS, &version[..], version.len(), 0));
    let mut permission = blob;
    permission[6] = 8;
    let _ = call!(setxattr(c"f", ACCESS, &permission[..], permission.len(), 0));
    tell_list(c"f");
    show(c"f");
}

fn acl_without_mask_is_einval() {
    file(c"f");
    let blob = acl(&[(USER_OBJ, 6, NO_ID), (USER, 7, 1000), (GROUP_OBJ, 4, NO_ID), (OTHER, 0, NO_ID)]);
    let _ = call!(setxattr(c"f", ACCESS, &blob[..], blob.len(), 0));
    let blob = acl(&[(USER_OBJ, 6, NO_ID), (OTHER, 0, NO_ID)]);
    let _ = call!(setxattr(c"f", ACCESS, &blob[..], blob.len(), 0));
    show(c"f");
}

fn acl_in_wrong_order_is_einval() {
    file(c"f");
    let blob = acl(&[(OTHER, 0, NO_ID), (GROUP_OBJ, 4, NO_ID), (USER_OBJ, 6, NO_ID)]);
    let _ = call!(setxattr(c"f", ACCESS, &blob[..], blob.len(), 0));
    let blob = acl(&[(USER_OBJ, 6, NO_ID), (USER_OBJ, 6, NO_ID), (GROUP_OBJ, 4, NO_ID), (OTHER, 0, NO_ID)]);
    let _ = call!(setxattr(c"f", ACCESS, &blob[..], blob.len(), 0));
    show(c"f");
}

fn acl_of_zero_size_removes_it() {
    file(c"f");
    let blob = extended(4, 5);
    must!(setxattr(c"f", ACCESS, &blob[..], blob.len(), 0));
    let _ = call!(setxattr(c"f", ACCESS, NULL, 0, 0));
    tell_list(c"f");
    show(c"f");
}

/// The kernel takes no notice of these flags for ACLs.
fn acl_create_and_replace_flags() {
    file(c"f");
    let blob = extended(4, 5);
    let _ = call!(setxattr(c"f", ACCESS, &blob[..], blob.len(), XATTR_REPLACE));
    let _ = call!(setxattr(c"f", ACCESS, &blob[..], blob.len(), XATTR_CREATE));
    let _ = call!(setxattr(c"f", ACCESS, &blob[..], blob.len(), XATTR_CREATE));
    tell_list(c"f");
}

fn default_acl_on_a_file_is_eacces() {
    file(c"f");
    let blob = extended(4, 5);
    let _ = call!(setxattr(c"f", DEFAULT, &blob[..], blob.len(), 0));
    tell_list(c"f");
}

fn default_dir() {
    dir(c"d");
    let blob = extended(5, 7);
    must!(setxattr(c"d", DEFAULT, &blob[..], blob.len(), 0));
}

fn default_acl_on_a_directory() {
    default_dir();
    tell(c"d", DEFAULT);
    tell_list(c"d");
    show(c"d");
    let blob = minimal(7, 5, 5);
    let _ = call!(setxattr(c"d", DEFAULT, &blob[..], blob.len(), 0));
    tell(c"d", DEFAULT);
}

fn default_acl_is_inherited_by_files() {
    default_dir();
    file(c"d/f");
    show(c"d/f");
    tell(c"d/f", ACCESS);
    tell_list(c"d/f");
}

fn default_acl_is_inherited_by_directories() {
    default_dir();
    must!(mkdirat(AT_FDCWD, c"d/e", 0o755));
    show(c"d/e");
    tell(c"d/e", ACCESS);
    tell(c"d/e", DEFAULT);
}

fn default_acl_overrides_the_umask() {
    default_dir();
    must!(umask(0o077));
    in_child(|| {
        must!(openat(AT_FDCWD, c"d/f", libc::O_CREAT | libc::O_WRONLY, 0o666));
    });
    show(c"d/f");
    tell(c"d/f", ACCESS);
}

fn default_acl_with_mknod() {
    default_dir();
    must!(mknodat(AT_FDCWD, c"d/n", libc::S_IFCHR | 0o666, libc::makedev(1, 3)));
    must!(symlinkat(c"to", AT_FDCWD, c"d/l"));
    show(c"d/n");
    tell(c"d/n", ACCESS);
    tell_list(c"d/l");
}

fn default_acl_is_removed() {
    default_dir();
    let _ = call!(removexattr(c"d", DEFAULT));
    tell_list(c"d");
    file(c"d/f");
    show(c"d/f");
    tell_list(c"d/f");
}

fn acl_of_foreign_file() {
    file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1000, 1000, 0));
    let blob = extended(4, 5);
    let _ = call!(setxattr(c"f", ACCESS, &blob[..], blob.len(), 0));
    show(c"f");
    crate::stage::as_user(2000, || {
        let _ = call!(setxattr(c"f", ACCESS, &blob[..], blob.len(), 0));
        let _ = call!(removexattr(c"f", ACCESS));
    });
}

fn acl_ends_with_its_inode() {
    file(c"f");
    let blob = extended(4, 5);
    must!(setxattr(c"f", ACCESS, &blob[..], blob.len(), 0));
    must!(unlinkat(AT_FDCWD, c"f", 0));
    file(c"f");
    tell_list(c"f");
    show(c"f");
}

fn acl_is_kept_over_chown() {
    file(c"f");
    let blob = extended(4, 5);
    must!(setxattr(c"f", ACCESS, &blob[..], blob.len(), 0));
    must!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    tell(c"f", ACCESS);
    show(c"f");
}

/// One process gives the file an ACL, or another mode, again and again; another one gives it away and looks whose it is.
fn acl_does_not_undo_the_chown_of_another() {
    let (extended, minimal) = (extended(4, 6), minimal(6, 4, 0));
    let change: [&dyn Fn() -> sys::Result; 3] = [
        &|| quiet!(setxattr(c"f", ACCESS, &extended[..], extended.len(), 0)),
        &|| quiet!(setxattr(c"f", ACCESS, &minimal[..], minimal.len(), 0)),
        &|| quiet!(fchmodat(AT_FDCWD, c"f", 0o751)),
    ];
    for change in change {
        file(c"f");
        let changer = fork(|| {
            loop {
                let _ = change();
            }
        });
        let mut undone = 0;
        for owner in 1..=300u32 {
            must!(fchownat(AT_FDCWD, c"f", owner, owner, 0));
            for _ in 0..3 {
                let seen = crate::seen::by_fstatat(AT_FDCWD, c"f", 0);
                undone += u32::from(seen.is_ok_and(|seen| (seen.uid, seen.gid) != (owner, owner)));
            }
        }
        if let Ok(changer) = changer {
            must!(kill(changer, SIGKILL));
            must!(wait4(changer, NULL, 0, NULL));
        }
        println!("undone: {undone}");
        must!(unlinkat(AT_FDCWD, c"f", 0));
    }
}
