//! How far a long operation is, told on stderr while it lasts, if that is a terminal.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Nothing is told of what takes no longer than this.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two lines.
const STEP: Duration = Duration::from_millis(200);

/// Counts what is done. The line is taken away when this is dropped.
pub struct Progress {
    what: &'static str,
    count: u64,
    /// When to tell next; never, if nobody watches.
    next: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    /// Nothing done yet of what is to be told as `COUNT WHAT`; a short text, for it must fit into a line.
    pub fn of(what: &'static str) -> Progress {
        Progress::watched(what, io::stderr().is_terminal(), Instant::now())
    }

    fn watched(what: &'static str, by_somebody: bool, now: Instant) -> Progress {
        Progress { what, count: 0, next: by_somebody.then_some(now + PATIENCE), is_shown: false }
    }

    /// So many more are done.
    pub fn add(&mut self, count: u64) {
        self.count += count;
        if self.next.is_none() {
            return;
        }
        if let Some(line) = self.line(Instant::now()) {
            tell(&line);
        }
    }

    /// The line, if it is time for it.
    fn line(&mut self, now: Instant) -> Option<String> {
        let due = self.next.filter(|next| *next <= now)?;
        self.next = Some((due + STEP).max(now));
        self.is_shown = true;
        Some(format!("\r\x1b[Kfrng-state: {} {}", self.count, self.what))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            tell("\r\x1b[K");
        }
    }
}

/// Does something whose steps cannot be counted from here; for how long already is told, if somebody watches.
pub fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    if !io::stderr().is_terminal() {
        return work();
    }
    thread::scope(|scope| {
        // The clock stops when this end is dropped, by a panic too.
        let (_works, has_ended) = channel();
        scope.spawn(move || clock(what, &has_ended, PATIENCE, tell));
        work()
    })
}

/// Tells how long something takes, after a while, until the other end of the channel is gone.
fn clock(what: &str, has_ended: &Receiver<()>, patience: Duration, mut tell: impl FnMut(&str)) {
    let start = Instant::now();
    let mut next = patience;
    while has_ended.recv_timeout(next) == Err(RecvTimeoutError::Timeout) {
        tell(&format!("\r\x1b[Kfrng-state: {what}, {} s", start.elapsed().as_secs()));
        next = STEP;
    }
    if next == STEP {
        tell("\r\x1b[K");
    }
}

/// If it cannot be told nothing is lost.
fn tell(text: &str) {
    let mut out = io::stderr();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_tells_nothing_of_what_is_short_and_ends_with_its_work() {
        let (works, has_ended) = channel();
        drop(works);
        clock("saving", &has_ended, PATIENCE, |line| panic!("{line}"));

        let (works, has_ended) = channel();
        let mut works = Some(works);
        let mut lines = Vec::new();
        clock("saving", &has_ended, Duration::from_millis(1), |line| {
            lines.push(line.to_owned());
            works = None;
        });
        assert_eq!(lines, ["\r\x1b[Kfrng-state: saving, 0 s", "\r\x1b[K"]);
    }

    #[test]
    fn what_is_short_or_watched_by_nobody_is_not_told() {
        let now = Instant::now();
        let mut progress = Progress::watched("names", true, now);
        progress.count = 7;
        assert_eq!(progress.line(now + PATIENCE / 2), None);
        assert_eq!(progress.next, Some(now + PATIENCE));
        assert!(progress.line(now + PATIENCE).unwrap().ends_with("frng-state: 7 names"));
        assert_eq!(progress.line(now + PATIENCE + STEP / 2), None);
        // Not made up for after a pause.
        assert!(progress.line(now + 100 * PATIENCE).is_some());
        assert_eq!(progress.next, Some(now + 100 * PATIENCE));
        progress.is_shown = false;

        let mut unwatched = Progress::watched("names", false, now);
        unwatched.add(7);
        assert_eq!((unwatched.line(now + 100 * PATIENCE), unwatched.is_shown), (None, false));
    }
}
