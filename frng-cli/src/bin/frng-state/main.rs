//! `frng-state`: works on state files without a daemon.

mod accounts;
#[cfg(feature = "pseudo")]
mod attributes;
mod check;
mod claims;
mod device_table;
mod diff;
mod exchange;
mod filter;
mod mtree;
#[cfg(test)]
mod mutations;
mod options;
mod progress;
#[cfg(feature = "pseudo")]
mod pseudo;
mod show;
mod tree;
mod who;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use frng_core::state::{self, Record};

use options::Action;

fn main() -> ExitCode {
    match options::parse(std::env::args_os().skip(1)).and_then(run) {
        Ok(status) => status,
        Err(why) => {
            complain(&why);
            ExitCode::from(125)
        }
    }
}

fn run(action: Action) -> Result<ExitCode, String> {
    match action {
        Action::Help => print(options::USAGE)?,
        Action::Show { state, tree, filter, files } => {
            print(&show::show(read(&state)?, tree.as_deref(), &filter, &files)?)?;
        }
        Action::Check { state, tree: None, .. } => {
            let lies = read(&state)?.len();
            print(&format!("{}: {lies} lies\n", state.display()))?;
        }
        Action::Check { state, tree: Some(tree), repair } => {
            let (report, is_sound) = check::check(&state, &tree, repair)?;
            print(&report)?;
            if !is_sound {
                return Ok(ExitCode::FAILURE);
            }
        }
        Action::Diff { one, other, tree } => {
            let names = tree.as_deref().map(show::names).transpose()?;
            if let Some(table) = diff::diff(read(&one)?, read(&other)?, names.as_ref()) {
                print(&table)?;
                return Ok(ExitCode::FAILURE);
            }
        }
        Action::Who { log, files } => print(&who::who(&log, &files)?)?,
        Action::Import { state, from, format, tree } => {
            print(&exchange::import(&state, from.as_deref(), format, tree.as_deref())?)?;
        }
        Action::Export { state, to, format, tree } => {
            exchange::export(&state, to.as_deref(), format, tree.as_deref())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a state, which takes a while if it is large.
fn read(state: &Path) -> Result<Vec<Record>, String> {
    progress::timed("reading the state", || state::read(state))
}

/// One line for the user. If nobody can read it the exit status has to do.
fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "frng-state: {line}");
}

fn print(text: &str) -> Result<(), String> {
    let mut out = io::stdout();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| format!("cannot write to stdout: {error}"))
}
