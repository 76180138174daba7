//! The thread that has issued a call, as its handler sees it.

use core::cell::Cell;

use frng_core::arch::Abi;
use frng_core::call::{FileRef, Sys, TraceeAddr};
use frng_core::creds::Creds;
use frng_core::errno::Errno;
use frng_core::inside::local::{Content, Local};
use frng_core::policy::{Last, Process, SCRATCH_LEN, Schedule, Settings, Tracee, TraceeExt};
use frng_core::shared::SharedTable;
use frng_core::stat::{STATX_WANTED, Statx};
use zerocopy::{FromZeros, IntoBytes};

use crate::rooted::{self, Kept};
use crate::signals::Signals;
use crate::{arch, memory, numbers};

/// See [`Tracee`].
pub struct Thread<'a> {
    lies: SharedTable,
    local: &'a Local,
    content: &'a Content,
    settings: Settings,
    scratch: TraceeAddr,
    signals: &'a Signals,
    kept: &'a Kept<'a>,
    /// A call was interrupted by a signal that the tracer holds back, or only the tracer can answer: all has to be done
    /// again.
    interrupted: Cell<bool>,
}

impl<'a> Thread<'a> {
    /// `scratch` is `SCRATCH_LEN` and `ASIDE_LEN` bytes of nobody else's.
    pub fn new(
        lies: SharedTable,
        local: &'a Local,
        content: &'a Content,
        signals: &'a Signals,
        kept: &'a Kept<'a>,
        scratch: TraceeAddr,
    ) -> Thread<'a> {
        let settings = content.settings();
        Thread { lies, local, content, settings, scratch, signals, kept, interrupted: Cell::new(false) }
    }

    /// Whether a call has been interrupted, or cannot be answered here.
    pub fn interrupted(&self) -> bool {
        self.interrupted.get()
    }

    fn issue(&self, sys: Sys, args: [u64; 6]) -> Result<u64, Errno> {
        if self.interrupted.get() && matches!(sys, Sys::Open | Sys::Openat | Sys::Openat2 | Sys::Creat) {
            // It will be done again, and what is opened now would stay open.
            return Err(Errno::EINTR);
        }
        let number = numbers::number(sys).ok_or(Errno::ENOSYS)?;
        // SAFETY: the policy only issues calls that the program itself has asked for, or that read and write the
        // program's memory as such calls do, or scratch memory.
        let raw = self.signals.watch(sys, || unsafe { arch::syscall(number, args) });
        let result = Errno::from_raw(raw);
        if matches!(result, Err(Errno(512..=516))) {
            self.interrupted.set(true);
        }
        result
    }
}

impl Tracee for Thread<'_> {
    type Lies = SharedTable;

    fn abi(&self) -> &dyn Abi {
        &arch::ABI
    }

    fn lies(&self) -> &SharedTable {
        &self.lies
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn creds(&self) -> Creds {
        self.content.creds()
    }

    /// The tracer does, so all is to be done again there.
    fn knows_others(&self) -> bool {
        self.interrupted.set(true);
        false
    }

    /// Never asked for: calls that change credentials are not answered here.
    fn set_creds(&self, _creds: Creds) {}

    fn group_count(&self) -> usize {
        self.content.group_count as usize
    }

    fn group(&self, index: usize) -> Option<u32> {
        if index < self.group_count() { self.local.group(index) } else { None }
    }

    fn set_groups(&self, _count: usize, _id: &mut dyn FnMut(usize) -> Result<u32, Errno>) -> Result<(), Errno> {
        Err(Errno::ENOSYS)
    }

    fn process(&self) -> Process {
        self.content.process()
    }

    /// Never asked for, as [`Tracee::set_creds`].
    fn set_process(&self, _process: Process) {}

    fn schedule(&self, _tid: i32) -> Option<Schedule> {
        None
    }

    fn set_schedule(&self, _tid: i32, _schedule: Schedule) {}

    fn realtime_utilization(&self) -> u32 {
        0
    }

    async fn syscall(&self, sys: Sys, args: [u64; 6]) -> Result<u64, Errno> {
        self.issue(sys, args)
    }

    async fn stat(&self, file: FileRef) -> Result<Statx, Errno> {
        let (dirfd, path) = self.at(file);
        let mut stat = Statx::new_zeroed();
        let buffer = stat.as_mut_bytes().as_mut_ptr() as u64;
        self.issue(Sys::Statx, [dirfd, path, file.flags as u32 as u64, u64::from(STATX_WANTED), buffer, 0])?;
        Ok(stat)
    }

    fn paths_changed(&self) {}
    fn next_child_apart(&self) {}
    fn next_child_untraced(&self, _untraced: bool) {}

    fn read(&self, from: TraceeAddr, to: &mut [u8]) -> Result<(), Errno> {
        if memory::read(from, to) == to.len() { Ok(()) } else { Err(Errno::EFAULT) }
    }

    fn read_some(&self, from: TraceeAddr, to: &mut [u8]) -> Result<usize, Errno> {
        match memory::read(from, to) {
            0 if !to.is_empty() => Err(Errno::EFAULT),
            got => Ok(got),
        }
    }

    fn write(&self, to: TraceeAddr, from: &[u8]) -> Result<(), Errno> {
        memory::write(to, from)
    }

    fn scratch(&self) -> Result<TraceeAddr, Errno> {
        Ok(self.scratch)
    }

    fn aside(&self) -> Result<TraceeAddr, Errno> {
        Ok(self.scratch.add(SCRATCH_LEN as u64))
    }

    fn has_root(&self) -> bool {
        self.content.rooted != 0
    }

    /// What is not simple is the tracer's.
    async fn translate(
        &self,
        dirfd: i32,
        path: &[u8],
        last: Last,
        refused: u64,
        to: TraceeAddr,
    ) -> Result<bool, Errno> {
        if refused == 0 && rooted::translate(self, self.content, self.kept, (dirfd, path), last, to).is_some() {
            return Ok(false);
        }
        self.interrupted.set(true);
        Err(Errno::EIO)
    }

    fn empty_path(&self) -> TraceeAddr {
        TraceeAddr(c"".as_ptr() as u64)
    }
}
