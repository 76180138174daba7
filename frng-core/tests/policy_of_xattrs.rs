//! What the policy of xattrs, access, times and directories costs, and what it does to the real files.

// What the other tests use of it.
#[allow(dead_code)]
mod support;

use std::ffi::CStr;

use frng_core::call::Sys;
use frng_core::errno::Errno;
use frng_core::lie::LieTable;
use frng_core::policy::Tracee;
use frng_core::stat::{S_IFBLK, S_IFCHR, make_dev};
use support::{Fooled, at, issue};

/// A file that is not the real user's.
const FOREIGN: &CStr = c"/etc/passwd";

fn set(fooled: &Fooled, path: &CStr, name: &CStr, value: &[u8]) -> Result<u64, Errno> {
    let (path, name, size) = (path.as_ptr() as u64, name.as_ptr() as u64, value.len() as u64);
    fooled.call(Sys::Setxattr, [path, name, value.as_ptr() as u64, size, 0, 0])
}

/// The value, by `call`.
fn got(call: impl FnOnce([u64; 6]) -> Result<u64, Errno>, path: &CStr, name: &CStr) -> Result<Vec<u8>, Errno> {
    let mut value = vec![0; 65536];
    let (path, name) = (path.as_ptr() as u64, name.as_ptr() as u64);
    let len = call([path, name, value.as_mut_ptr() as u64, value.len() as u64, 0, 0])?;
    value.truncate(len as usize);
    Ok(value)
}

fn get(fooled: &Fooled, path: &CStr, name: &CStr) -> Result<Vec<u8>, Errno> {
    got(|args| fooled.call(Sys::Getxattr, args), path, name)
}

fn remove(fooled: &Fooled, path: &CStr, name: &CStr) -> Result<u64, Errno> {
    fooled.call(Sys::Removexattr, [path.as_ptr() as u64, name.as_ptr() as u64, 0, 0, 0, 0])
}

fn access(fooled: &Fooled, path: &CStr, mode: i32) -> Result<u64, Errno> {
    fooled.call(Sys::Faccessat, at(path, [mode as u64]))
}

#[test]
fn what_is_asked_about_ordinary_files_costs_nothing() {
    let fooled = Fooled::new();
    fooled.file(c"f");
    assert_eq!(get(&fooled, c"f", c"system.posix_acl_access"), Err(Errno::ENODATA));
    assert_eq!(fooled.issued(), 0);
    assert_eq!(fooled.call(Sys::Listxattr, [c"f".as_ptr() as u64, 0, 0, 0, 0, 0]), Ok(0));
    assert_eq!(fooled.issued(), 0);
    assert_eq!(access(&fooled, c"f", libc::R_OK | libc::W_OK), Ok(0));
    assert_eq!(fooled.issued(), 0);
    assert_eq!(access(&fooled, c"f", libc::X_OK), Err(Errno::EACCES));
    assert_eq!(fooled.issued(), 0);
    assert_eq!(access(&fooled, c"/etc/shadow", libc::R_OK), Ok(0));
    assert_eq!(fooled.issued(), 0);
    assert_eq!(fooled.call(Sys::Utimensat, at(c"f", [0, 0])), Ok(0));
    assert_eq!(fooled.issued(), 0);
}

#[test]
fn root_may_what_only_root_may_and_nothing_happens() {
    let fooled = Fooled::new();
    assert_eq!(access(&fooled, FOREIGN, libc::R_OK | libc::W_OK), Ok(0));
    assert_eq!(fooled.call(Sys::Utimensat, at(FOREIGN, [0, 0])), Ok(0));
    assert_eq!(set(&fooled, FOREIGN, c"user.frng", b"v"), Ok(0));
    assert_eq!(get(&fooled, FOREIGN, c"user.frng"), Ok(b"v".to_vec()));
    assert_eq!(got(|args| issue(Sys::Getxattr, args), FOREIGN, c"user.frng"), Err(Errno::ENODATA));
    assert_eq!(remove(&fooled, FOREIGN, c"user.frng"), Ok(0));
    assert_eq!(remove(&fooled, FOREIGN, c"user.frng"), Err(Errno::ENODATA));
    assert_eq!(fooled.lies().kinds().all, 0);
}

#[test]
fn user_xattrs_are_on_disk_and_lies_are_not() {
    let fooled = Fooled::new();
    fooled.file(c"f");
    if set(&fooled, c"f", c"user.a", b"v") == Err(Errno::EOPNOTSUPP) {
        eprintln!("skipped: the filesystem has no user xattrs");
        return;
    }
    assert_eq!(fooled.issued(), 0);
    assert_eq!(got(|args| issue(Sys::Getxattr, args), c"f", c"user.a"), Ok(b"v".to_vec()));
    assert_eq!(fooled.lies().kinds().all, 0);
    assert_eq!(set(&fooled, c"f", c"trusted.a", b""), Ok(0));
    let mut list = [0; 100];
    let args = [c"f".as_ptr() as u64, list.as_mut_ptr() as u64, 100, 0, 0, 0];
    assert_eq!(fooled.call(Sys::Listxattr, args), Ok(17));
    assert_eq!(&list[..17], b"user.a\0trusted.a\0");
    assert_eq!(issue(Sys::Listxattr, args), Ok(7));
}

#[test]
fn a_lie_about_xattrs_only_goes_with_the_last_of_them() {
    let fooled = Fooled::new();
    fooled.file(c"f");
    assert_eq!(set(&fooled, c"f", c"trusted.a", b"1"), Ok(0));
    assert_eq!(set(&fooled, c"f", c"security.b", b"2"), Ok(0));
    assert_eq!(fooled.lies().kinds().all, 1);
    assert_eq!(remove(&fooled, c"f", c"trusted.a"), Ok(0));
    assert_eq!(fooled.lies().kinds().all, 1);
    assert_eq!(remove(&fooled, c"f", c"security.b"), Ok(0));
    assert_eq!(fooled.lies().kinds().all, 0);
}

#[test]
fn the_longest_values_are_kept_whole() {
    let fooled = Fooled::new();
    fooled.file(c"f");
    let value: Vec<u8> = (0..65536_u32).map(|index| ((index * 7) >> 3) as u8).collect();
    assert_eq!(set(&fooled, c"f", c"trusted.big", &value), Ok(0));
    assert_eq!(get(&fooled, c"f", c"trusted.big"), Ok(value));
    assert_eq!(set(&fooled, c"f", c"trusted.big", &[0; 65537]), Err(Errno::E2BIG));
    let name = c"trusted.bad".as_ptr() as u64;
    assert_eq!(fooled.call(Sys::Setxattr, [c"f".as_ptr() as u64, name, 8, 8, 0, 0]), Err(Errno::EFAULT));
    assert_eq!(fooled.call(Sys::Setxattr, [c"f".as_ptr() as u64, 8, 0, 0, 0, 0]), Err(Errno::EFAULT));
    let name = c"trusted.big".as_ptr() as u64;
    assert_eq!(fooled.call(Sys::Getxattr, [c"f".as_ptr() as u64, name, 8, 65536, 0, 0]), Err(Errno::EFAULT));
}

#[test]
fn the_longest_acls_are_checked_and_kept_whole() {
    let fooled = Fooled::new();
    fooled.file(c"f");
    let mut entries = vec![(1_u16, 6_u16, u32::MAX)];
    entries.extend((0..8187).map(|id| (2, 5, id)));
    entries.extend([(4, 4, u32::MAX), (16, 1, u32::MAX), (32, 0, u32::MAX)]);
    let mut value = 2_u32.to_le_bytes().to_vec();
    for (tag, perm, id) in entries {
        value.extend(tag.to_le_bytes().into_iter().chain(perm.to_le_bytes()).chain(id.to_le_bytes()));
    }
    assert_eq!(set(&fooled, c"f", c"system.posix_acl_access", &value), Ok(0));
    assert_eq!(get(&fooled, c"f", c"system.posix_acl_access"), Ok(value));
    // Somebody may execute it: on disk it can be.
    assert_eq!((fooled.seen(c"f").as_str(), fooled.on_disk(c"f") & 0o777), ("0:0 100610", 0o710));
}

/// Names and types of a directory's entries.
fn entries(fooled: &Fooled, path: &CStr, size: usize) -> Vec<(Vec<u8>, u8)> {
    let fd = issue(Sys::Openat, at(path, [libc::O_DIRECTORY as u64])).expect("open");
    let mut entries = Vec::new();
    loop {
        let mut buffer = vec![0_u8; size];
        let len = fooled.call(Sys::Getdents64, [fd, buffer.as_mut_ptr() as u64, size as u64, 0, 0, 0]).unwrap();
        if len == 0 {
            break;
        }
        let mut rest = &buffer[..len as usize];
        while !rest.is_empty() {
            let record = usize::from(u16::from_ne_bytes([rest[16], rest[17]]));
            let name: Vec<u8> = rest[19..record].iter().copied().take_while(|byte| *byte != 0).collect();
            entries.push((name, rest[18]));
            rest = &rest[record..];
        }
    }
    issue(Sys::Close, [fd, 0, 0, 0, 0, 0]).expect("close");
    entries.sort();
    entries
}

#[test]
fn directories_tell_the_types_of_faked_nodes() {
    let fooled = Fooled::new();
    for index in 0..300 {
        fooled.file(&std::ffi::CString::new(format!("a-rather-long-name-of-a-file-{index}")).unwrap());
    }
    entries(&fooled, c".", 4096);
    assert_eq!(fooled.issued(), 0);
    fooled.mknod(c"null", S_IFCHR | 0o666, make_dev(1, 3)).unwrap();
    fooled.mknod(c"sda", S_IFBLK | 0o600, make_dev(8, 0)).unwrap();
    for size in [400, 4096, 1 << 20] {
        let entries = entries(&fooled, c".", size);
        assert_eq!(entries.len(), 304);
        for (name, kind) in entries {
            let expected = match &name[..] {
                b"null" => libc::DT_CHR,
                b"sda" => libc::DT_BLK,
                b"." | b".." => libc::DT_DIR,
                _ => libc::DT_REG,
            };
            assert_eq!(kind, expected, "{}", String::from_utf8_lossy(&name));
        }
    }
}
