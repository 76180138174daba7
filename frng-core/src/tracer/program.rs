//! Looking at a program's file before it is executed.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::lookup;
use super::thread::Thread;
use crate::arch::Related;

/// Its first bytes; see [`crate::policy::Tracee::program_head`].
pub async fn head(thread: &Thread, dirfd: i32, path: &[u8], flags: i32, head: &mut [u8]) -> Option<usize> {
    let len = head.len();
    let read = lookup::find(thread, dirfd, path, flags, move |found| read_head(&found, len)).await?;
    head.get_mut(..read.len())?.copy_from_slice(&read);
    Some(read.len())
}

fn read_head(found: &OwnedFd, len: usize) -> Option<Vec<u8>> {
    // By a link of our own, since O_PATH gives nothing to read. Whatever the name leads to is known before it is opened.
    let link = format!("/proc/self/fd/{}", found.as_raw_fd());
    let metadata = fs::metadata(&link).ok()?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        return None;
    }
    let mut file = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(link).ok()?;
    let mut head = vec![0; len];
    let have = file.read(&mut head).ok()?;
    head.truncate(have);
    Some(head)
}

/// Whether the kernel would run it unfooled; see [`crate::policy::Tracee::refuses_program`].
pub fn refuses(thread: &Thread, path: &[u8], audit_arch: u32) -> bool {
    let abis = thread.world.abis;
    if abis.iter().any(|table| table.abi().audit_arch() == audit_arch) {
        return false;
    }
    let related = abis.iter().flat_map(|table| table.abi().related());
    let Some(Related { name, .. }) = related.into_iter().find(|other| other.audit_arch == audit_arch) else {
        return false;
    };
    let path = Path::new(OsStr::from_bytes(path)).display();
    thread.world.log.error(format_args!(
        "{}: {path} is not executed (ENOEXEC): it is a program for {name}, which this frng has no support for",
        thread.tid
    ));
    true
}
