//! `frng-state`: works on state files without a daemon.

mod check;
mod exchange;
mod options;
mod show;

use std::io::{self, Write};
use std::process::ExitCode;

use frng_core::state;

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
        Action::Help => print(options::USAGE),
        Action::Show { state } => print(&show::show(&state::read(&state)?)),
        Action::Check { state, tree: None, .. } => {
            let lies = state::read(&state)?.len();
            print(&format!("{}: {lies} lies\n", state.display()))
        }
        Action::Check { state, tree: Some(tree), repair } => {
            let (report, is_sound) = check::check(&state, &tree, repair)?;
            print(&report)?;
            return Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Action::Import { state, from } => print(&exchange::import(&state, from.as_deref())?),
        Action::Export { state, to, format } => exchange::export(&state, to.as_deref(), format),
    }?;
    Ok(ExitCode::SUCCESS)
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
