//! Keeping the tracer and the tracee it serves on one core.
//!
//! A stop costs about 15 µs when both share a core and up to six times that when they do not, since then each wake-up has to go to
//! another core, which has gone to sleep meanwhile. So the tracer goes where the tracee is; looking that up costs as much as it gains
//! if it is done at every stop. But the kernel wakes a tracee where nothing runs, so that on a machine with cores to spare the two
//! part again at each stop. There the tracee is brought back.

use std::fs::File;
use std::os::unix::fs::FileExt;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::proc_text;

/// How many stops pass between two look-ups.
const STOPS_BETWEEN: u32 = 16;

/// Follows tracees from core to core.
#[derive(Default)]
pub struct Follower {
    stops: u32,
    core: Option<usize>,
    load: Load,
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
        if sched_setaffinity(Pid::from_raw(0), &only(core)).is_ok() {
            self.core = Some(core);
        }
    }

    /// Has a stopped tracee wake on this thread's core, if nothing else wants to run anywhere: otherwise it might have to wait there
    /// while another core has nothing to do. It is to be woken, and the result then to be dropped.
    ///
    /// It must not be about to ask for the cores it may run on, or to change them. Those that go online later are not among the cores
    /// that it is given back.
    pub fn bring(&self, tid: i32) -> Option<Brought> {
        let core = self.core?;
        if !self.load.is_all_ours() {
            return None;
        }
        let tid = Pid::from_raw(tid);
        let allowed = sched_getaffinity(tid).ok()?;
        let here = only(core);
        if allowed == here || !allowed.is_set(core).ok()? {
            return None;
        }
        sched_setaffinity(tid, &here).ok()?;
        Some(Brought { tid, allowed })
    }
}

/// What a tracee has made, both standing still, may run where its maker may: it may have been made while that was held on a core.
pub fn let_go(maker: i32, child: i32) {
    let mask = |tid: i32| sched_getaffinity(Pid::from_raw(tid)).ok();
    if let (Some(makers), Some(childs)) = (mask(maker), mask(child)) {
        if makers != childs {
            // If it is gone it needs no core.
            let _ = sched_setaffinity(Pid::from_raw(child), &makers);
        }
    }
}

/// A tracee that is held on a core. It stands still until it is woken. If it then takes the core from this thread it may run for a moment
/// before it is let go: what it might find out or do with its mask meanwhile is a call that stops, or is seen to by [`let_go`].
pub struct Brought {
    tid: Pid,
    allowed: CpuSet,
}

impl Drop for Brought {
    fn drop(&mut self) {
        // If it is gone it needs no core.
        let _ = sched_setaffinity(self.tid, &self.allowed);
    }
}

fn only(core: usize) -> CpuSet {
    let mut set = CpuSet::new();
    // Nobody is moved to none.
    let _ = set.set(core);
    set
}

/// How much there is to run on the whole machine: proc_loadavg(5).
struct Load {
    file: Option<File>,
}

impl Default for Load {
    fn default() -> Load {
        Load { file: File::open("/proc/loadavg").ok() }
    }
}

impl Load {
    /// Whether nothing runs or is ready to but this thread.
    fn is_all_ours(&self) -> bool {
        let mut text = [0; 64];
        let len = self.file.as_ref().and_then(|file| file.read_at(&mut text, 0).ok()).unwrap_or(0);
        running(&text[..len]) == Some(1)
    }
}

/// Of `0.20 0.18 0.12 1/80 11206` the 1.
fn running(text: &[u8]) -> Option<u32> {
    let field = text.split(|byte| *byte == b' ').nth(3)?;
    let number = field.split(|byte| *byte == b'/').next()?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// Field `processor` of `/proc/TID/stat` (proc_pid_stat(5)).
fn core_of(tid: i32) -> Option<usize> {
    let stat = proc_text::read_to_string(format!("/proc/{tid}/stat")).ok()?;
    // The second field may hold blanks and parentheses; the third follows the last one. `processor` is the 39th.
    let fields = stat.rsplit_once(')')?.1;
    fields.split_ascii_whitespace().nth(36)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_is_the_fourth_field() {
        assert_eq!(running(b"0.20 0.18 0.12 1/80 11206\n"), Some(1));
        assert_eq!(running(b"0.20 0.18 0.12 17/8000 11206\n"), Some(17));
        assert_eq!(running(b"0.20 0.18"), None);
        assert_eq!(running(b""), None);
    }

    #[test]
    fn who_was_brought_may_go_where_it_might_before() {
        let own = Pid::from_raw(0);
        let before = sched_getaffinity(own).unwrap();
        let core = (0..CpuSet::count()).find(|core| before.is_set(*core).unwrap()).unwrap();
        sched_setaffinity(own, &only(core)).unwrap();
        drop(Brought { tid: own, allowed: before });
        assert_eq!(sched_getaffinity(own).unwrap(), before);
    }

    #[test]
    fn what_was_made_by_one_that_was_held_may_go_where_its_maker_may() {
        let own = nix::unistd::gettid();
        let allowed = sched_getaffinity(own).unwrap();
        let core = (0..CpuSet::count()).find(|core| allowed.is_set(*core).unwrap()).unwrap();
        std::thread::spawn(move || {
            let made = nix::unistd::gettid();
            sched_setaffinity(made, &only(core)).unwrap();
            let_go(own.as_raw(), made.as_raw());
            assert_eq!(sched_getaffinity(made).unwrap(), allowed);
        })
        .join()
        .unwrap();
    }
}
