//! fakeroot's command line, which is getopt_long(3)'s with `+l:f:i:s:ub:vh`: long options may be cut as long as they are
//! unambiguous, and options end at the first word that is none.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser};

pub const USAGE: &str = "\
usage: fakeroot [-i FILE] [-s FILE] [-u|--unknown-is-real] [-h|--help] [-v|--version] [--] [COMMAND [ARG...]]

  -i FILE               load lies that -s has saved
  -s FILE               save them when COMMAND and all it has started have ended
  -u, --unknown-is-real show unknown files with their real owners, not as root's
  -l, --lib LIB, -f, --faked PROGRAM, -b, --fd-base FD
                        taken and not needed
";

/// What the user wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    Help,
    Version,
    Run(Fakeroot),
}

/// How to run a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fakeroot {
    /// `-i`.
    pub load: Option<PathBuf>,
    /// `-s`.
    pub save: Option<PathBuf>,
    /// `-u`.
    pub unknown_is_real: bool,
    /// `-b`, for the variable of the command only.
    pub fd_base: Option<OsString>,
    /// The command with its arguments; empty for the shell.
    pub command: Vec<OsString>,
}

const LONG: [&str; 6] = ["lib", "faked", "unknown-is-real", "fd-base", "version", "help"];

/// Understands a command line, given without the program's name.
///
/// # Errors
/// One line for the user.
pub fn parse(words: Vec<OsString>) -> Result<Action, String> {
    let mut parser = Parser::from_args(words);
    parser.set_short_equals(false);
    let mut fakeroot = Fakeroot::default();
    while let Some(arg) = parser.next().map_err(say)? {
        let arg = match arg {
            Arg::Long(name) => Arg::Long(whole(name)?),
            Arg::Short(letter) => Arg::Short(letter),
            Arg::Value(command) => {
                fakeroot.command.push(command);
                fakeroot.command.extend(parser.raw_args().map_err(say)?);
                break;
            }
        };
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Action::Help),
            Arg::Short('v') | Arg::Long("version") => return Ok(Action::Version),
            Arg::Short('i') => fakeroot.load = Some(parser.value().map_err(say)?.into()),
            Arg::Short('s') => fakeroot.save = Some(parser.value().map_err(say)?.into()),
            Arg::Short('u') | Arg::Long("unknown-is-real") => fakeroot.unknown_is_real = true,
            Arg::Short('b') | Arg::Long("fd-base") => fakeroot.fd_base = Some(parser.value().map_err(say)?),
            Arg::Short('l' | 'f') | Arg::Long("lib" | "faked") => {
                parser.value().map_err(say)?;
            }
            other => return Err(say(other.unexpected())),
        }
    }
    Ok(Action::Run(fakeroot))
}

/// The long option that a word stands for.
fn whole(word: &str) -> Result<&'static str, String> {
    let mut matching = LONG.into_iter().filter(|name| name.starts_with(word));
    match (LONG.into_iter().find(|name| *name == word), matching.next(), matching.next()) {
        (Some(name), ..) | (None, Some(name), None) => Ok(name),
        (None, Some(one), Some(other)) => {
            Err(format!("option --{word} may be --{one} or --{other}: see fakeroot --help"))
        }
        (None, None, _) => Err(format!("unknown option --{word}: see fakeroot --help")),
    }
}

/// A parser's error as one line with its mend.
fn say(error: lexopt::Error) -> String {
    crate::options::say_as(error, super::NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Action, String> {
        parse(line.split_whitespace().map(OsString::from).collect())
    }

    fn run(line: &str) -> Fakeroot {
        match words(line) {
            Ok(Action::Run(fakeroot)) => fakeroot,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn options_are_those_of_fakeroot_in_every_form() {
        let wanted = Fakeroot {
            load: Some("in".into()),
            save: Some("out".into()),
            unknown_is_real: true,
            fd_base: Some("9".into()),
            command: ["tar", "-s", "--", "x"].map(OsString::from).to_vec(),
        };
        for line in [
            "-i in -s out -u -b 9 -l lib.so -f faked tar -s -- x",
            "-iin -usout -b9 -llib.so -ffaked -- tar -s -- x",
            "-i in -s out --unknown-is-real --fd-base 9 --lib lib.so --faked faked tar -s -- x",
            "-i in -s out --unk --fd=9 --l=lib.so --fa=faked tar -s -- x",
        ] {
            assert_eq!(run(line), wanted, "{line}");
        }
        assert_eq!(run(""), Fakeroot::default());
        assert_eq!(run("--"), Fakeroot::default());
        for (line, action) in [("-uv x", Action::Version), ("--vers", Action::Version), ("-h", Action::Help)] {
            assert_eq!(words(line), Ok(action));
        }
    }

    #[test]
    fn everything_else_is_refused_in_one_line() {
        for line in ["-x", "-s", "--lib", "--f faked", "--nothing", "--save-file f", "-p state true"] {
            let told = words(line).unwrap_err();
            assert!(told.lines().count() == 1 && told.ends_with(": see fakeroot --help"), "{told}");
        }
        assert!(words("--f x").unwrap_err().contains("--faked or --fd-base"));
    }
}
