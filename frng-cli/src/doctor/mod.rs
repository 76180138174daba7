//! `--doctor`: what works here, and what to do about the rest.
//!
//! Whether an engine works is found out by using it: frng runs a command by each. All else explains what came of that.

mod probe;
mod surroundings;
mod trial;

use std::ffi::c_int;
use std::fmt::Write as _;

use probe::Answer;
use surroundings::{memory, memory_of_others, ptrace, seccomp, tracer};
use trial::{ENGINES, Trial};

/// A line or two of the report.
pub struct Finding {
    /// What it is about.
    subject: &'static str,
    /// What was found.
    told: String,
    /// What to do about it, if that is wanted.
    mend: Option<String>,
}

impl Finding {
    fn good(subject: &'static str, told: impl Into<String>) -> Finding {
        Finding { subject, told: told.into(), mend: None }
    }

    fn bad(subject: &'static str, told: impl Into<String>, mend: impl Into<String>) -> Finding {
        Finding { subject, told: told.into(), mend: Some(mend.into()) }
    }
}

/// Exit status if frng cannot work here.
const CANNOT_WORK: c_int = 1;

/// The report, and the exit status: 0 if frng can work here.
pub fn examine() -> (String, c_int) {
    let mut findings =
        vec![kernel(), tracer(), ptrace(), memory_of_others(), surroundings::yama(), seccomp(), memory()];
    findings.extend(surroundings::container());
    let trials: Vec<(&str, Trial)> = ENGINES.iter().map(|engine| (*engine, trial::of(engine))).collect();
    findings.extend(trials.iter().map(|(engine, trial)| trial.finding(engine)));
    let best = trials.iter().find(|(_, trial)| *trial == Trial::Works).map(|(engine, _)| *engine);
    let (sum, status) = sum(best, best.is_some() && trial::of("auto") == Trial::Works);
    (report(&findings, &sum), status)
}

/// The last line, and the exit status, where `best` is the first engine that works. What is asked is whether frng works as it is, and
/// it takes an engine by what can be told before.
fn sum(best: Option<&str>, is_taken: bool) -> (String, c_int) {
    match best {
        Some(engine) if is_taken => (format!("frng works here; it takes the engine {engine}."), 0),
        Some(engine) => (format!("frng works here only if told to by --engine {engine}."), CANNOT_WORK),
        None => ("frng cannot work here.".to_owned(), CANNOT_WORK),
    }
}

fn report(findings: &[Finding], sum: &str) -> String {
    let mut text = String::new();
    for Finding { subject, told, mend } in findings {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{subject:<16} {told}");
        if let Some(mend) = mend {
            let _ = writeln!(text, "{:<16} -> {mend}", "");
        }
    }
    text.push_str(sum);
    text.push('\n');
    text
}

fn kernel() -> Finding {
    let release = crate::kernel::release();
    if let Answer::Killed(signal) = probe::ask(|| u8::from(crate::kernel::check().is_err())) {
        let why = format!("{release}; who calls openat2 is killed by {}", probe::named(signal));
        return Finding::bad("kernel", why, "have the sandbox allow openat2(2)");
    }
    match crate::kernel::check() {
        Ok(()) => Finding::good("kernel", format!("{release}, new enough")),
        Err(why) => Finding::bad("kernel", why, "no other engine helps"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_taken_by_itself_is_a_success() {
        assert_eq!(sum(Some("ptrace"), true), ("frng works here; it takes the engine ptrace.".into(), 0));
        assert_eq!(sum(Some("ptrace"), false), ("frng works here only if told to by --engine ptrace.".into(), 1));
        assert_eq!(sum(None, false), ("frng cannot work here.".into(), 1));
    }

    #[test]
    fn a_report_has_a_line_for_each_finding_and_its_mend() {
        let findings = [Finding::good("one", "is good"), Finding::bad("two", "is bad", "do something")];
        assert_eq!(
            report(&findings, "the sum"),
            format!("one{0}is good\ntwo{0}is bad\n{1}-> do something\nthe sum\n", " ".repeat(14), " ".repeat(17))
        );
    }
}
