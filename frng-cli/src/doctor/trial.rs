//! Running a command by an engine.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use super::{Finding, probe};

/// From the best one on, as `--engine auto` takes them.
pub const ENGINES: [&str; 3] = ["inline", "seccomp", "ptrace"];

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Trial {
    /// The command was fooled.
    Works,
    /// What frng said.
    Fails(String),
}

/// Whether a command that is run by this engine takes itself for root.
pub fn of(engine: &str) -> Trial {
    let command = ["--engine", engine, "--", "id", "-u"];
    let done = Command::new("/proc/self/exe").args(command).stdin(Stdio::null()).output();
    match done {
        Ok(done) if done.status.success() && done.stdout == b"0\n" => Trial::Works,
        Ok(done) => {
            let text = String::from_utf8_lossy(&done.stderr);
            match (text.lines().next(), done.status.signal()) {
                (Some(line), _) => Trial::Fails(line.strip_prefix("frng: ").unwrap_or(line).to_owned()),
                (None, Some(signal)) => Trial::Fails(format!("the command was killed by {}", probe::named(signal))),
                (None, None) => Trial::Fails("the command was not fooled".to_owned()),
            }
        }
        Err(error) => Trial::Fails(format!("cannot start /proc/self/exe: {error}")),
    }
}

impl Trial {
    /// What to tell about an engine.
    pub fn finding(&self, engine: &str) -> Finding {
        let subject = match engine {
            "inline" => "engine inline",
            "seccomp" => "engine seccomp",
            _ => "engine ptrace",
        };
        match self {
            Trial::Works => Finding::good(subject, "works"),
            // The line has its mend.
            Trial::Fails(why) => Finding::good(subject, format!("does not work: {why}")),
        }
    }
}
