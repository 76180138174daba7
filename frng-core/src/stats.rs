//! How often each call was intercepted, where it was answered, and what that cost: `--stats FILE`.
//!
//! The tracer counts what it sees. An engine that answers calls within the tracee counts for itself and adds its [`Counts`] when it
//! ends; so the table has columns that only such an engine fills.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use crate::call::{Sys, table};
use crate::filter::Late;
use crate::inside::counters::Counters;
use crate::policy::{Answer, Outcome};

/// What is known of the calls of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Intercepted.
    pub calls: u64,
    /// Of these, answered within the tracee.
    pub inline: u64,
    /// Answered by the tracer.
    pub tracer: u64,
    /// Looked at and left to the kernel.
    pub passed: u64,
    /// Stops of a tracee that they took, their own and those for the tracer's calls.
    pub stops: u64,
    /// Time that the tracer worked on them. How long a tracee waits for the tracer to be woken is not in it.
    pub time: Duration,
}

impl Counts {
    fn add(&mut self, more: &Counts) {
        self.calls += more.calls;
        self.inline += more.inline;
        self.tracer += more.tracer;
        self.passed += more.passed;
        self.stops += more.stops;
        self.time += more.time;
    }
}

/// What a stop of a tracee was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// This call.
    Call(Sys),
    /// A call that is not looked at, or the end of one: the ptrace engine stops at all of them, twice.
    OtherCall,
    /// A program was loaded.
    Exec,
    /// A thread or process was made.
    Fork,
    /// A signal, a group-stop, an interruption.
    Signal,
    /// A thread has ended.
    End,
}

/// The subjects that are not calls to look at, and their names in the table.
const OTHERS: [(Subject, &str); 5] = [
    (Subject::OtherCall, "(other call stops)"),
    (Subject::Exec, "(programs loaded)"),
    (Subject::Fork, "(threads made)"),
    (Subject::Signal, "(signals)"),
    (Subject::End, "(threads ended)"),
];

/// Counts for all calls of all tracees of a daemon. Used by its tracer's thread.
pub struct Stats {
    rows: RefCell<Vec<Counts>>,
    /// Sites that were replaced, and those that could not be, by call.
    sites: RefCell<(u64, BTreeMap<&'static str, u64>)>,
    /// Filters that threads have added, in the order of [`Late::ALL`].
    filters: Cell<[u64; Late::ALL.len()]>,
    subject: Cell<Subject>,
    begin: Cell<Option<Instant>>,
}

impl Default for Stats {
    fn default() -> Stats {
        Stats {
            rows: RefCell::new(vec![Counts::default(); table::ROWS.len() + OTHERS.len()]),
            sites: RefCell::default(),
            filters: Cell::default(),
            subject: Cell::new(Subject::Signal),
            begin: Cell::new(None),
        }
    }
}

impl Stats {
    /// Adds what somebody else has counted.
    pub fn add(&self, subject: Subject, counts: &Counts) {
        let index = match subject {
            Subject::Call(sys) => sys as usize,
            other => table::ROWS.len() + OTHERS.iter().position(|(known, _)| *known == other).unwrap_or(0),
        };
        if let Some(row) = self.rows.borrow_mut().get_mut(index) {
            row.add(counts);
        }
    }

    /// Adds what the agents have counted since this was done last.
    pub fn add_inline(&self, counters: &Counters) {
        for row in table::ROWS {
            let (inline, passed) = counters.take(row.sys);
            if (inline, passed) != (0, 0) {
                let counts = Counts { calls: inline + passed, inline, passed, ..Counts::default() };
                self.add(Subject::Call(row.sys), &counts);
            }
        }
    }

    /// A site was met for the first time in a program, and the agent answers it from now on, or never will.
    pub fn met_site(&self, sys: Sys, replaced: bool) {
        let mut sites = self.sites.borrow_mut();
        sites.0 += u64::from(replaced);
        if !replaced {
            *sites.1.entry(sys.row().name).or_default() += 1;
        }
    }

    /// A thread has added a filter to those it has.
    pub fn added(&self, late: Late) {
        let mut filters = self.filters.get();
        for (count, _) in filters.iter_mut().zip(Late::ALL).filter(|(_, known)| *known == late) {
            *count += 1;
        }
        self.filters.set(filters);
    }

    /// A tracee has stopped, for this reason as far as can be told yet.
    pub fn stopped(&self, subject: Subject) {
        self.subject.set(subject);
        self.begin.set(Some(Instant::now()));
    }

    /// What the present stop is about is known better now.
    pub fn about(&self, subject: Subject) {
        self.subject.set(subject);
    }

    /// The call that the present stop is about is looked at.
    pub fn entered(&self, sys: Sys) {
        self.about(Subject::Call(sys));
        self.add(Subject::Call(sys), &Counts { calls: 1, ..Counts::default() });
    }

    /// The call has been answered.
    pub fn answered(&self, sys: Sys, outcome: Outcome) {
        let counts = match outcome {
            Ok(Answer::Pass) => Counts { passed: 1, ..Counts::default() },
            Ok(Answer::Value(_)) | Err(_) => Counts { tracer: 1, ..Counts::default() },
        };
        self.add(Subject::Call(sys), &counts);
    }

    /// The tracee runs on, or has ended.
    pub fn resumed(&self) {
        if let Some(begin) = self.begin.take() {
            self.add(self.subject.get(), &Counts { stops: 1, time: begin.elapsed(), ..Counts::default() });
        }
    }

    /// The table: calls that were intercepted, the dearest first, what else the tracer had to do, the sums.
    pub fn render(&self) -> String {
        let rows = self.rows.borrow();
        let names = table::ROWS.iter().map(|row| row.name).chain(OTHERS.map(|(_, name)| name));
        let mut named: Vec<(&str, Counts)> = Vec::new();
        for (name, counts) in names.zip(rows.iter()).filter(|(_, counts)| **counts != Counts::default()) {
            // Several rows have the same name: forms of a call that differ in the width of a field.
            match named.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => sum.add(counts),
                None => named.push((name, *counts)),
            }
        }
        named.sort_by(|(a_name, a), (b_name, b)| {
            (a_name.starts_with('('), b.time, a_name).cmp(&(b_name.starts_with('('), a.time, b_name))
        });
        let mut sum = Counts::default();
        named.iter().for_each(|(_, counts)| sum.add(counts));
        named.push(("total", sum));
        let mut text = HEAD.to_owned();
        let (replaced, stopping) = &*self.sites.borrow();
        if *replaced > 0 || !stopping.is_empty() {
            let stopping: Vec<String> = stopping.iter().map(|(name, count)| format!("{name} {count}")).collect();
            let stopping = if stopping.is_empty() { "none".to_owned() } else { stopping.join(", ") };
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "# places in programs that call the agent: {replaced}; that cannot, and stop: {stopping}"
            );
        }
        let filters: Vec<String> =
            Late::ALL.iter().zip(self.filters.get()).map(|(late, count)| format!("{} {count}", late.name())).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# filters that threads have added to the one they begin with: {}", filters.join(", "));
        let _ = writeln!(
            text,
            "{:20} {:>10} {:>10} {:>10} {:>10} {:>10} {:>12} {:>10}",
            "CALL", "CALLS", "INLINE", "TRACER", "PASSED", "STOPS", "TIME/ms", "STOP/us"
        );
        for (name, Counts { calls, inline, tracer, passed, stops, time }) in named {
            let _ = write!(text, "{name:20} {calls:10} {inline:10} {tracer:10} {passed:10} {stops:10}");
            let micros = time.as_secs_f64() * 1e6;
            let each = if stops == 0 { 0.0 } else { micros / stops as f64 };
            let _ = writeln!(text, " {:12.3} {each:10.2}", micros / 1e3);
        }
        text
    }

    /// Writes the table to a file, which is empty if it is a regular one.
    ///
    /// # Errors
    /// Those of write(2). A regular file is left empty then, not half written.
    pub fn write(&self, mut file: &File) -> io::Result<()> {
        file.write_all(self.render().as_bytes()).inspect_err(|_| {
            // Fails for what is no regular file. The first error is the one to tell.
            let _ = file.set_len(0);
        })
    }
}

const HEAD: &str = "\
# frng --stats, over all commands of the daemon
# CALLS intercepted = INLINE (answered in the process) + TRACER (answered by the daemon) + PASSED (left to the kernel)
#                     + those cut short by the end of their process
# STOPS of processes for them, TIME that the daemon worked on them
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errno::Errno;

    fn line<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        line.trim_start_matches(name).split_whitespace().collect()
    }

    #[test]
    fn stops_and_answers_are_told_apart_by_call() {
        let stats = Stats::default();
        for (sys, outcome) in
            [(Sys::Chown, Ok(Answer::Value(0))), (Sys::Chown, Err(Errno::ENOENT)), (Sys::Openat, Ok(Answer::Pass))]
        {
            stats.stopped(Subject::OtherCall);
            stats.entered(sys);
            stats.resumed();
            stats.stopped(Subject::OtherCall);
            stats.about(Subject::Call(sys));
            stats.answered(sys, outcome);
            stats.resumed();
        }
        stats.stopped(Subject::Exec);
        stats.resumed();
        // Not stopped: counts nothing.
        stats.resumed();
        stats.added(Late::Writes);
        let text = stats.render();
        assert!(text.contains("begin with: opens 0, paths 0, waits 0, writes 1\n"), "{text}");
        assert_eq!(line(&text, "chown ")[..5], ["2", "0", "2", "0", "4"]);
        assert_eq!(line(&text, "openat ")[..5], ["1", "0", "0", "1", "2"]);
        assert_eq!(line(&text, "(programs loaded)")[..5], ["0", "0", "0", "0", "1"]);
        assert_eq!(line(&text, "total")[..5], ["3", "0", "2", "1", "7"]);
        assert!(!text.contains("chmod") && !text.contains("(signals)"));
    }

    #[test]
    fn another_engine_adds_its_own_and_forms_of_a_call_are_one_row() {
        let stats = Stats::default();
        let inline = Counts { calls: 5, inline: 5, time: Duration::from_micros(10), ..Counts::default() };
        stats.add(Subject::Call(Sys::Chown), &inline);
        stats.add(Subject::Call(Sys::Chown16), &inline);
        let dear = Counts { calls: 1, tracer: 1, stops: 2, time: Duration::from_millis(3), ..Counts::default() };
        stats.add(Subject::Call(Sys::Mkdir), &dear);
        let text = stats.render();
        assert_eq!(line(&text, "chown "), ["10", "10", "0", "0", "0", "0.020", "0.00"]);
        assert_eq!(line(&text, "mkdir "), ["1", "0", "1", "0", "2", "3.000", "1500.00"]);
        assert!(text.find("mkdir") < text.find("\nchown"), "{text}");
        assert_eq!(text.lines().count(), HEAD.lines().count() + 5);
    }

    #[test]
    fn the_table_is_what_is_written_and_a_failure_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stats");
        let stats = Stats::default();
        stats.write(&File::create(&path).unwrap()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), stats.render());
        let full = File::options().write(true).open("/dev/full").unwrap();
        assert_eq!(stats.write(&full).unwrap_err().raw_os_error(), Some(libc::ENOSPC));
    }
}
