//! Paths in memory that is not there yet: of a file on a filesystem that may keep waiting whoever reads it (see [`super::remote`]).
//!
//! A program's strings are in its file, and often it is the kernel who first reads them. So the tracee is made to have the kernel
//! read such a path; then its own call is issued once more.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::ptrace;
use super::thread::Thread;
use crate::call::{Arg, Call, Sys, TraceeAddr};
use crate::memory::page_len;
use crate::policy::{PATH_MAX, Tracee};

/// Of an entry of proc_pid_pagemap(5): present, or swapped out.
const IS_THERE: u64 = 0b11 << 62;

impl Thread {
    /// The paths among the arguments of a call that nobody can read without asking a filesystem, perhaps.
    pub(super) fn absent_paths(&self, call: &Call) -> Vec<TraceeAddr> {
        if !self.world.remote.exists() {
            return Vec::new();
        }
        let kinds = [Arg::Path, Arg::Link, Arg::NewPath].into_iter().filter(|kind| call.row().args.contains(kind));
        // Of two paths of one kind (pivot_root) the second is not looked at.
        let paths = kinds.map(|kind| call.addr(kind)).filter(|path| !path.is_null());
        let Ok(pages) = File::open(format!("/proc/{}/pagemap", self.tid)) else { return Vec::new() };
        paths.filter(|path| !self.is_there(*path, &pages)).collect()
    }

    /// Whether all pages of a path are in memory, or swapped out.
    fn is_there(&self, path: TraceeAddr, pages: &File) -> bool {
        let page = page_len();
        let mut at = path.0;
        let end = at.saturating_add(PATH_MAX as u64);
        while at < end {
            let mut entry = [0; 8];
            // What cannot be told of is no memory of files.
            if pages.read_exact_at(&mut entry, at / page * 8).is_ok() && u64::from_ne_bytes(entry) & IS_THERE == 0 {
                return false;
            }
            let mut part = vec![0; (page - at % page).min(end - at) as usize];
            let have = ptrace::read_memory(self.tid, at, &mut part);
            if have < part.len() || part.contains(&0) {
                // The end of it, or of the memory.
                return true;
            }
            at += have as u64;
        }
        true
    }

    /// Has the kernel read a path of this thread's, which may take long.
    pub(super) async fn fetch_path(&self, path: TraceeAddr) {
        // symlinkat(2) copies the text before it finds that there is no name for it, and looks nothing up.
        let nowhere = -1_i64 as u64;
        // What is wrong with the path is told by whoever reads it next.
        let _ = self.syscall(Sys::Symlinkat, [path.0, nowhere, 0, 0, 0, 0]).await;
    }
}
