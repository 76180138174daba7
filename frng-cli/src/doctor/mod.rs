//! `--doctor`: what works here, and what to do about the rest.
//!
//! Whether an engine works is found out by using it: frng runs a command by each. All else explains what came of that.

mod surroundings;
mod trial;

use std::ffi::c_int;
use std::fmt::Write as _;

use surroundings::{memory, ptrace, seccomp, tracer};
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
    let mut findings = vec![kernel(), tracer(), ptrace(), surroundings::yama(), seccomp(), memory()];
    findings.extend(surroundings::container());
    let trials: Vec<(&str, Trial)> = ENGINES.iter().map(|engine| (*engine, trial::of(engine))).collect();
    findings.extend(trials.iter().map(|(engine, trial)| trial.finding(engine)));
    let best = trials.iter().find(|(_, trial)| *trial == Trial::Works).map(|(engine, _)| *engine);
    let (sum, status) = match best {
        Some(engine) => (format!("frng works here; it takes the engine {engine}."), 0),
        None => ("frng cannot work here.".to_owned(), CANNOT_WORK),
    };
    (report(&findings, &sum), status)
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
    match crate::kernel::check() {
        Ok(()) => Finding::good("kernel", format!("{release}, new enough")),
        Err(why) => Finding::bad("kernel", why, "no other engine helps"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_a_line_for_each_finding_and_its_mend() {
        let findings = [Finding::good("one", "is good"), Finding::bad("two", "is bad", "do something")];
        assert_eq!(
            report(&findings, "the sum"),
            format!("one{0}is good\ntwo{0}is bad\n{1}-> do something\nthe sum\n", " ".repeat(14), " ".repeat(17))
        );
    }
}
