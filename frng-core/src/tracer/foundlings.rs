//! Children whose maker has ended before it could tell of them.
//!
//! A new process stops by itself, and its maker stops to tell of it. A maker that is killed in between never tells, and
//! nobody else does: the child would wait for ever. So when nothing else is to be done, a child of which nobody who lives
//! can still tell is taken on as a child of the tracee that has ended last.

use std::fs;

use super::doorbell;
use super::run::Tracer;

impl Tracer {
    /// Takes on the children that have stopped and that nobody will tell of. To be called when no stop is left to look
    /// at; wakes the tracer later if it cannot be told yet whether there are some.
    pub(super) fn adopt_foundlings(&mut self) {
        let Some(dead) = self.last_ended.take() else { return };
        let children: Vec<i32> = self.early.keys().copied().collect();
        for child in children {
            if self.is_foundling(child) {
                self.log.info(format_args!("{child}: its maker has ended without telling of it"));
                self.take_on(child, &dead.thread, false, dead.every_open, dead.ready, None);
            }
        }
        self.last_ended = Some(dead);
        if !self.early.is_empty() {
            // If that is not possible, the next stop of any tracee does it.
            let _ = doorbell::ring_later();
        }
    }

    /// Whether a child has outlived its maker. Threads do not: they end with the process they are made in.
    fn is_foundling(&self, child: i32) -> bool {
        let number = |name| status(child, name).and_then(|text| text.parse().ok());
        let (Some(process), Some(parent)) = (number("Tgid"), number("PPid")) else { return false };
        process == child && !self.threads_of(parent).any(may_still_tell)
    }
}

/// Whether a thread may be between making a child and its stop to tell of it, or in that stop.
fn may_still_tell(tid: i32) -> bool {
    status(tid, "State").is_some_and(|state| state.starts_with(['R', 't']))
}

/// A field of `/proc/TID/status` (proc_pid_status(5)).
fn status(tid: i32, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    let mut fields = status.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| *field == name).map(|(_, value)| value.trim().to_owned())
}
