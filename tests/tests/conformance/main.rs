//! Runs every case and every script twice, as real root and under frng as an unprivileged user, and
//! compares what the programs saw: byte for byte, errors, exit codes and signals included.
//!
//! `cargo test -p frng-tests -- seccomp::ownership` runs a part of it; `tests/README.md` has the rest.

mod diff;
mod differences;
mod fooled;
mod foreign;
mod oracle;
mod outcome;
mod scratch;
mod stray;
mod trials;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    match trials::all(&arguments) {
        Ok(trials) => libtest_mimic::run(&arguments, trials.list).exit_code(),
        Err(message) => {
            eprintln!("conformance: {message}");
            ExitCode::FAILURE
        }
    }
}
