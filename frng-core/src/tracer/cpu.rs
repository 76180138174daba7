//! Keeping the tracer on the core of the tracee it serves.
//!
//! A stop costs about 10 µs when tracer and tracee share a core and five times that when they do not, since then each
//! wake-up has to go to another core. Looking the core up costs as much as it gains if it is done at every stop.

use std::fs;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// How many stops pass between two look-ups.
const STOPS_BETWEEN: u32 = 16;

/// Follows tracees from core to core.
#[derive(Default)]
pub struct Follower {
    stops: u32,
    core: Option<usize>,
}

impl Follower {
    /// Counts a stop; every so often moves this thread to the tracee's core. Failing to is no harm.
    pub fn stopped(&mut self, tid: i32) {
        if self.stops > 0 {
            self.stops -= 1;
            return;
        }
        self.stops = STOPS_BETWEEN;
        let Some(core) = core_of(tid) else { return };
        if self.core == Some(core) {
            return;
        }
        let mut set = CpuSet::new();
        if set.set(core).is_ok() && sched_setaffinity(Pid::from_raw(0), &set).is_ok() {
            self.core = Some(core);
        }
    }
}

/// Field `processor` of `/proc/TID/stat` (proc_pid_stat(5)).
fn core_of(tid: i32) -> Option<usize> {
    let stat = fs::read_to_string(format!("/proc/{tid}/stat")).ok()?;
    // The second field may hold blanks and parentheses; the third follows the last one. `processor` is the 39th.
    let fields = stat.rsplit_once(')')?.1;
    fields.split_ascii_whitespace().nth(36)?.parse().ok()
}
