//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use frng_core::state::foreign::Format;
use lexopt::{Arg, Parser};

pub const USAGE: &str = "\
usage: frng-state show STATE             list what is remembered
       frng-state check [--repair] STATE [DIR]
                                         say whether STATE can be read, and what is not as it was in the tree DIR; the exit
                                         status is 1 if anything is not; --repair mends STATE and notes where its files are
       frng-state import STATE [FILE]    add what fakeroot (-s) or fakeroot-ng 0.18 (-p) has saved in FILE
       frng-state export [-f FORMAT] STATE [FILE]
                                         write STATE in the format fakeroot (the default) or fakeroot-ng

Without FILE, or with -, import reads stdin and export writes to stdout. Of two records about the same inode the imported
one counts; extended attributes that STATE has stay. STATE may be new. Neither works while a daemon uses STATE.
";

/// What the user wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    Help,
    Show { state: PathBuf },
    Check { state: PathBuf, tree: Option<PathBuf>, repair: bool },
    Import { state: PathBuf, from: Option<PathBuf> },
    Export { state: PathBuf, to: Option<PathBuf>, format: Format },
}

/// Understands a command line, given without the program's name.
pub fn parse(words: impl Iterator<Item = OsString>) -> Result<Action, String> {
    let mut parser = Parser::from_args(words);
    let (mut format, mut repair) = (None, false);
    let mut names = Vec::new();
    while let Some(arg) = parser.next().map_err(say)? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Action::Help),
            Arg::Short('f') | Arg::Long("format") => format = Some(known_format(parser.value().map_err(say)?)?),
            Arg::Long("repair") => repair = true,
            Arg::Value(name) => names.push(name),
            other => return Err(say(other.unexpected())),
        }
    }
    let mut names = names.into_iter();
    let (command, state, file) = (names.next(), names.next().map(PathBuf::from), names.next().map(PathBuf::from));
    let (Some(command), Some(state), None) = (command, state, names.next()) else { return Err(wrong()) };
    let has_file = file.is_some();
    if repair && (command.to_str() != Some("check") || !has_file) {
        return Err(wrong());
    }
    let other = file.clone().filter(|file| file.as_os_str() != "-");
    match (command.to_str(), format) {
        (Some("show"), None) if !has_file => Ok(Action::Show { state }),
        (Some("check"), None) => Ok(Action::Check { state, tree: file, repair }),
        (Some("import"), None) => Ok(Action::Import { state, from: other }),
        (Some("export"), format) => Ok(Action::Export { state, to: other, format: format.unwrap_or(Format::Fakeroot) }),
        _ => Err(wrong()),
    }
}

fn known_format(name: OsString) -> Result<Format, String> {
    match name.to_str() {
        Some("fakeroot") => Ok(Format::Fakeroot),
        Some("fakeroot-ng") => Ok(Format::FakerootNg),
        _ => Err(format!("unknown format {}: it must be fakeroot or fakeroot-ng", name.to_string_lossy())),
    }
}

fn wrong() -> String {
    "wrong arguments: see frng-state --help".into()
}

fn say(error: lexopt::Error) -> String {
    format!("{error}: see frng-state --help")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Action, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn every_command_is_understood() {
        let state = PathBuf::from("s");
        assert_eq!(words("show s"), Ok(Action::Show { state: state.clone() }));
        let check =
            |tree: Option<&str>, repair| Action::Check { state: state.clone(), tree: tree.map(PathBuf::from), repair };
        assert_eq!(words("check s"), Ok(check(None, false)));
        assert_eq!(words("check s d"), Ok(check(Some("d"), false)));
        assert_eq!(words("check --repair s d"), Ok(check(Some("d"), true)));
        assert_eq!(words("import s"), Ok(Action::Import { state: state.clone(), from: None }));
        assert_eq!(words("import s f"), Ok(Action::Import { state: state.clone(), from: Some("f".into()) }));
        let export =
            |to: Option<&str>, format| Action::Export { state: state.clone(), to: to.map(PathBuf::from), format };
        assert_eq!(words("export s -"), Ok(export(None, Format::Fakeroot)));
        assert_eq!(words("export -f fakeroot-ng s f"), Ok(export(Some("f"), Format::FakerootNg)));
        assert_eq!(words("export s --format=fakeroot"), Ok(export(None, Format::Fakeroot)));
    }

    #[test]
    fn everything_else_is_refused_in_one_line() {
        for line in [
            "",
            "show",
            "show s f",
            "show s -",
            "check s -f fakeroot",
            "check --repair s",
            "check s d e",
            "show --repair s",
            "import s f g",
            "import -f fakeroot s",
            "dance s",
            "-x",
            "export -f tar s",
            "export s f g h",
            "export -f",
        ] {
            assert_eq!(words(line).unwrap_err().lines().count(), 1, "{line}");
        }
        assert_eq!(words("--help"), Ok(Action::Help));
    }
}
