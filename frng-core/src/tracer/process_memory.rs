//! Memory of a stopped tracee, also where its program cannot write: code.

use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::{io, ptr};

use libc::c_long;
use nix::sys::ptrace;
use nix::unistd::Pid;

/// Bytes that the kernel reads and writes at once for a debugger.
const WORD: u64 = size_of::<c_long>() as u64;

/// How to get at it.
pub struct ProcessMemory {
    tid: i32,
    /// proc_pid_mem(5). Without a descriptor for it words are read and written one by one, which takes more calls.
    file: Option<File>,
}

impl ProcessMemory {
    /// That of a tracee.
    ///
    /// # Errors
    /// `EACCES` if the kernel lets nobody look into it; those of open(2), but for the lack of descriptors.
    pub fn open(tid: i32) -> io::Result<ProcessMemory> {
        let file = match OpenOptions::new().read(true).write(true).open(format!("/proc/{tid}/mem")) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => None,
            opened => Some(opened?),
        };
        Ok(ProcessMemory { tid, file })
    }

    /// Copies all of it, or fails.
    ///
    /// # Errors
    /// Those of proc_pid_mem(5) or ptrace(2).
    pub fn read_exact_at(&self, to: &mut [u8], from: u64) -> io::Result<()> {
        let Some(file) = &self.file else {
            let end = from + to.len() as u64;
            for begin in words(from..end) {
                let word = self.word(begin)?;
                for (place, byte) in (begin..).zip(word) {
                    if let Some(old) = place.checked_sub(from).and_then(|index| to.get_mut(index as usize)) {
                        *old = byte;
                    }
                }
            }
            return Ok(());
        };
        file.read_exact_at(to, from)
    }

    /// Writes all of it, or fails.
    ///
    /// # Errors
    /// The same.
    pub fn write_all_at(&self, from: &[u8], to: u64) -> io::Result<()> {
        let Some(file) = &self.file else {
            let end = to + from.len() as u64;
            for begin in words(to..end) {
                let mut word = self.word(begin)?;
                for (place, byte) in (begin..).zip(&mut word) {
                    if let Some(new) = place.checked_sub(to).and_then(|index| from.get(index as usize)) {
                        *byte = *new;
                    }
                }
                ptrace::write(Pid::from_raw(self.tid), address(begin), c_long::from_ne_bytes(word))?;
            }
            return Ok(());
        };
        file.write_all_at(from, to)
    }

    fn word(&self, at: u64) -> io::Result<[u8; WORD as usize]> {
        Ok(ptrace::read(Pid::from_raw(self.tid), address(at))?.to_ne_bytes())
    }
}

/// Where the words of a range begin, none of which is in two pages.
fn words(range: Range<u64>) -> impl Iterator<Item = u64> {
    (range.start / WORD * WORD..range.end).step_by(WORD as usize)
}

fn address(at: u64) -> *mut c_void {
    ptr::without_provenance_mut(at as usize)
}
