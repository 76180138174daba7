//! The filter that stops at every open, which tracees get when the first faked device appears.
//!
//! A filter can only be added, by the tracee itself and not in the middle of a call of a handler's.

use std::rc::Rc;

use super::flight::Flight;
use super::ptrace::{self, Gone};
use super::run::Tracer;
use super::tracked::{Phase, Tracked};
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

    /// Has an interrupted tracee that lacks the filter add it, if it has nothing else to do, and take the name of its program
    /// if that is not the kernel's. Tells whether it does one of these.
    pub(super) fn add_late_filter(&mut self, tid: i32) -> Result<bool, Gone> {
        let late_filter = self.every_open;
        let abis = self.abis;
        let tracked = self.tracked(tid)?;
        let idle = matches!(tracked.phase, Phase::Running) && tracked.flight.is_none();
        let adds_filter = late_filter && tracked.lacks_filter();
        let adds_waits = tracked.lacks_wait_filter();
        let is_misnamed = tracked.ready && tracked.thread.is_misnamed();
        if !idle || !adds_filter && !adds_waits && !is_misnamed {
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
                    thread.stop_at_every_open().await?;
                }
                if adds_waits {
                    thread.watch_waits().await?;
                }
                thread.take_name().await?;
                Ok(Answer::Pass)
            }),
        ));
        Ok(true)
    }
}

impl Tracked {
    /// Whether its filter lets plain opens through, and another one can be added.
    pub(super) fn lacks_filter(&self) -> bool {
        !self.every_open && self.ready && self.thread.engine.filters()
    }

    /// Whether it is to stop at waits, and its filter does not.
    pub(super) fn lacks_wait_filter(&self) -> bool {
        let (wants, watches) = (self.thread.wants_waits.get(), self.thread.watches_waits.get());
        wants && !watches && self.ready && self.thread.engine.filters()
    }
}
