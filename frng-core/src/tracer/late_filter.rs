//! Filters that tracees get when something appears that makes more of their calls matter: the one that stops at every open with
//! the first faked device, the one that stops at writes, for those that lack `CAP_FSETID`, with the first file that has set-ID bits.
//!
//! A filter can only be added, by the tracee itself and not in the middle of a call of a handler's.

use std::rc::Rc;

use super::flight::Flight;
use super::ptrace::{self, Gone};
use super::run::Tracer;
use super::thread::Thread;
use super::tracked::{Phase, Tracked};
use crate::creds::CAP_FSETID;
use crate::errno::Errno;
use crate::filter::Late;
use crate::lie::LieTable;
use crate::policy::Answer;

impl Tracer {
    /// Once there are faked devices every open must stop. Threads whose filter does not are interrupted, so
    /// that they get another one before they run on.
    pub(super) fn watch_devices(&mut self) {
        if self.every_open || self.world.table.kinds().devices == 0 {
            return;
        }
        self.every_open = true;
        for (tid, tracked) in &self.tracked {
            if tracked.lacks_filter() {
                ptrace::interrupt(*tid);
            }
        }
    }

    /// Once there are files with set-ID bits, writes of threads that may not keep those must stop.
    pub(super) fn watch_set_ids(&mut self) {
        if self.has_set_ids || self.world.table.kinds().set_ids == 0 {
            return;
        }
        self.has_set_ids = true;
        for (tid, tracked) in &self.tracked {
            if tracked.lacks_write_filter() {
                ptrace::interrupt(*tid);
            }
        }
    }

    /// Has an interrupted tracee that lacks the filter add it, if it has nothing else to do, and take the name of its program
    /// if that is not the kernel's. Tells whether it does one of these.
    pub(super) fn add_late_filter(&mut self, tid: i32) -> Result<bool, Gone> {
        let late_filter = self.every_open;
        let abis = self.abis;
        let tracked = self.tracked(tid)?;
        let idle = matches!(tracked.phase, Phase::Running) && tracked.flight.is_none();
        let adds_filter = late_filter && tracked.lacks_filter();
        let adds_waits = tracked.lacks_wait_filter();
        let adds_writes = tracked.lacks_write_filter();
        let is_misnamed = tracked.ready && tracked.thread.is_misnamed();
        if !idle || !adds_filter && !adds_waits && !adds_writes && !is_misnamed {
            return Ok(false);
        }
        tracked.every_open |= adds_filter;
        let thread = Rc::clone(&tracked.thread);
        let home = thread.home.get();
        thread.abi.set(home);
        let arch = ptrace::syscall_info(tid)?.audit_arch;
        let interrupted = abis.iter().find(|table| table.abi().audit_arch() == arch).unwrap_or(home);
        tracked.flight = Some(Flight::outside(
            interrupted,
            Box::pin(async move {
                if adds_filter {
                    thread.add_filter(Late::Opens, 0).await?;
                }
                if adds_waits {
                    thread.watch_waits().await?;
                }
                thread.watch_writes().await?;
                thread.take_name().await?;
                Ok(Answer::Pass)
            }),
        ));
        Ok(true)
    }
}

impl Thread {
    /// Whether it is to stop at writes, since those take set-ID bits, and its filter does not.
    fn lacks_write_filter(&self) -> bool {
        let watches = self.watches_writes.get() || !self.engine.filters() || self.is_off.get();
        !watches && self.loses_set_id_bits()
    }

    /// Whether there are files whose set-ID bits its writes take.
    pub(super) fn loses_set_id_bits(&self) -> bool {
        !self.creds.get().has(CAP_FSETID) && self.world.table.kinds().set_ids > 0
    }

    /// From now on this thread stops at writes, if it has to. Tells whether a call has been made for it.
    ///
    /// # Errors
    /// seccomp(2)'s.
    pub(super) async fn watch_writes(&self) -> Result<bool, Errno> {
        if !self.lacks_write_filter() {
            return Ok(false);
        }
        self.watches_writes.set(true);
        self.add_filter(Late::Writes, 0).await?;
        Ok(true)
    }
}

impl Tracked {
    /// Whether its filter lets plain opens through, and another one can be added.
    pub(super) fn lacks_filter(&self) -> bool {
        !self.every_open && self.ready && self.thread.engine.filters()
    }

    /// Whether it is to stop at writes, and its filter does not.
    pub(super) fn lacks_write_filter(&self) -> bool {
        self.ready && self.thread.lacks_write_filter()
    }

    /// Whether it is to stop at waits, and its filter does not.
    pub(super) fn lacks_wait_filter(&self) -> bool {
        let (wants, watches) = (self.thread.wants_waits.get(), self.thread.watches_waits.get());
        wants && !watches && self.ready && self.thread.engine.filters()
    }
}
