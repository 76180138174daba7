//! Paths in memory that is not there yet: of a file on a filesystem that may keep waiting whoever reads it (see [`super::remote`]).
//!
//! A program's strings are in its file, and often it is the kernel who first reads them. So the tracee is made to have the kernel
//! read such a path; then its own call is issued once more.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::thread::Thread;
use crate::call::{Arg, Call, Sys, TraceeAddr};
use crate::errno::Errno;
use crate::policy::Tracee;

/// Bytes of a page.
const PAGE: u64 = 4096;
/// Most paths are shorter.
const USUAL_LEN: u64 = 256;
/// Of an entry of proc_pid_pagemap(5): present, or swapped out.
const IS_THERE: u64 = 0b11 << 62;

impl Thread {
    /// A path among the arguments of a call that nobody can read without asking a filesystem, perhaps.
    pub(super) fn absent_path(&self, call: &Call) -> Option<TraceeAddr> {
        if !self.world.remote.exists() {
            return None;
        }
        let kinds = [Arg::Path, Arg::Link, Arg::NewPath].into_iter().filter(|kind| call.row().args.contains(kind));
        let mut paths = kinds.map(|kind| call.addr(kind)).filter(|path| !path.is_null());
        let pages = File::open(format!("/proc/{}/pagemap", self.tid)).ok()?;
        let is_there = |address: TraceeAddr| {
            let mut entry = [0; 8];
            // What cannot be told of is no memory of files.
            pages.read_exact_at(&mut entry, address.0 / PAGE * 8).is_err() || u64::from_ne_bytes(entry) & IS_THERE != 0
        };
        paths.find(|path| !is_there(*path) || !is_there(path.add(USUAL_LEN - 1)))
    }

    /// Has the kernel read a path of this thread's, which may take long. Returns whether it could.
    ///
    /// # Errors
    /// Those of memory for the answer.
    pub(super) async fn fetch_path(&self, path: TraceeAddr) -> Result<bool, Errno> {
        // The path is read before the descriptor is looked at, if that is needed at all.
        let (nowhere, flags) = (-1_i64 as u64, (libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT) as u64);
        let answer = self.scratch()?;
        let told = self.syscall(Sys::Statx, [nowhere, path.0, flags, 0, answer.0, 0]).await;
        Ok(!matches!(told, Err(Errno::EFAULT)))
    }
}
