//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use frng_core::policy::UnknownOwner;
use lexopt::{Arg, Parser};

use crate::fakeroot::Fakeroot;
use crate::root::Bind;

/// What the user wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// `-h`.
    ShortHelp,
    /// `--help`.
    LongHelp,
    /// `-v`.
    Version,
    /// `--doctor`.
    Doctor,
    /// Run a command.
    Run(Box<Run>),
}

/// How to run a command.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// `-p`.
    pub state: Option<PathBuf>,
    /// `-l`.
    pub log: Option<PathBuf>,
    /// `-f`.
    pub flush: bool,
    /// `-d`.
    pub stay: bool,
    /// `--engine`.
    pub engine: EngineChoice,
    /// `--stats`.
    pub stats: Option<PathBuf>,
    /// `--unknown`.
    pub unknown: UnknownOwner,
    /// `--no-sync`.
    pub no_sync: bool,
    /// `--accounts`.
    pub accounts: Option<PathBuf>,
    /// `--off`.
    pub off: bool,
    /// `--leave`.
    pub leave: Vec<PathBuf>,
    /// `--root`.
    pub root: Option<PathBuf>,
    /// `--qemu`.
    pub emulator: Option<PathBuf>,
    /// `-b`.
    pub binds: Vec<Bind>,
    /// What was wanted of `fakeroot`, if it was called by that name.
    pub fakeroot: Option<Box<Fakeroot>>,
    /// The command with its arguments; empty for the shell.
    pub command: Vec<OsString>,
}

/// An engine as the user names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineChoice {
    /// The best that works here.
    #[default]
    Auto,
    /// Stop at every call.
    Ptrace,
    /// Stop where a filter says so.
    Seccomp,
    /// Answer calls inside of programs.
    Inline,
}

/// Understands a command line, given without the program's name. Options end at the first word that is none.
///
/// # Errors
/// One line for the user.
pub fn parse(words: Vec<OsString>) -> Result<Action, String> {
    let mut parser = Parser::from_args(words);
    parser.set_short_equals(false);
    let mut run = Run::default();
    while let Some(arg) = parser.next().map_err(say)? {
        match arg {
            Arg::Short('h') => return Ok(Action::ShortHelp),
            Arg::Long("help") => return Ok(Action::LongHelp),
            Arg::Short('v') | Arg::Long("version") => return Ok(Action::Version),
            Arg::Long("doctor") => return Ok(Action::Doctor),
            Arg::Short('p') | Arg::Long("persist") => run.state = Some(parser.value().map_err(say)?.into()),
            Arg::Short('l') | Arg::Long("log") => run.log = Some(parser.value().map_err(say)?.into()),
            Arg::Short('f') | Arg::Long("flush") => run.flush = true,
            Arg::Short('d') | Arg::Long("no-daemonize") => run.stay = true,
            Arg::Long("engine") => run.engine = engine(&parser.value().map_err(say)?)?,
            Arg::Long("stats") => run.stats = Some(parser.value().map_err(say)?.into()),
            Arg::Long("unknown") => run.unknown = unknown(&parser.value().map_err(say)?)?,
            Arg::Long("no-sync") => run.no_sync = true,
            Arg::Long("accounts") => run.accounts = Some(parser.value().map_err(say)?.into()),
            Arg::Long("off") => run.off = true,
            Arg::Long("leave") => run.leave.push(parser.value().map_err(say)?.into()),
            Arg::Long("root") => run.root = Some(parser.value().map_err(say)?.into()),
            Arg::Long("qemu") => run.emulator = Some(parser.value().map_err(say)?.into()),
            Arg::Short('b') | Arg::Long("bind") => run.binds.push(Bind::parse(&parser.value().map_err(say)?)?),
            Arg::Value(command) => {
                run.command.push(command);
                run.command.extend(parser.raw_args().map_err(say)?);
                break;
            }
            other => return Err(say(other.unexpected())),
        }
    }
    if run.root.is_none() && !run.binds.is_empty() {
        return Err("option -b needs --root: see frng --help".to_owned());
    }
    if run.off && run != (Run { off: true, command: run.command.clone(), ..Run::default() }) {
        return Err("option --off takes no other one besides: see frng --help".to_owned());
    }
    if run.root.is_some() && run.accounts.is_some() {
        return Err(
            "option --accounts cannot be had with --root, whose own accounts are taken: see frng --help".to_owned()
        );
    }
    Ok(Action::Run(Box::new(run)))
}

fn engine(name: &OsString) -> Result<EngineChoice, String> {
    match name.to_str() {
        Some("auto") => Ok(EngineChoice::Auto),
        Some("ptrace") => Ok(EngineChoice::Ptrace),
        Some("seccomp") => Ok(EngineChoice::Seccomp),
        Some("inline") => Ok(EngineChoice::Inline),
        _ => Err(format!("unknown engine {}: it must be ptrace, seccomp, inline or auto", name.to_string_lossy())),
    }
}

fn unknown(rule: &OsString) -> Result<UnknownOwner, String> {
    match rule.to_str() {
        Some("self") => Ok(UnknownOwner::OwnAsRoot),
        Some("root") => Ok(UnknownOwner::AllAsRoot),
        Some("real") => Ok(UnknownOwner::AsItIs),
        _ => Err(format!("unknown owner rule {}: it must be self, root or real", rule.to_string_lossy())),
    }
}

fn say(error: lexopt::Error) -> String {
    say_as(error, "frng")
}

/// A parser's error as one line with its mend; `program` is what the user has called.
pub fn say_as(error: lexopt::Error, program: &str) -> String {
    let what = match error {
        lexopt::Error::UnexpectedOption(option) => format!("unknown option {option}"),
        lexopt::Error::MissingValue { option: Some(option) } => format!("option {option} needs an argument"),
        lexopt::Error::UnexpectedValue { option, .. } => {
            format!("option {option} takes no argument")
        }
        other => other.to_string(),
    };
    format!("{what}: see {program} --help")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &[&str]) -> Run {
        match parse(words.iter().map(OsString::from).collect()) {
            Ok(Action::Run(run)) => *run,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    fn error(words: &[&str]) -> String {
        parse(words.iter().map(OsString::from).collect()).unwrap_err()
    }

    #[test]
    fn options_end_at_the_first_word_that_is_none() {
        assert_eq!(run(&["ls", "-l"]).command, ["ls", "-l"]);
        assert_eq!(run(&["-d", "ls", "-p", "--", "-h"]).command, ["ls", "-p", "--", "-h"]);
        assert_eq!(run(&["--", "-x", "--", "y"]).command, ["-x", "--", "y"]);
        assert_eq!(run(&["-"]).command, ["-"]);
        assert_eq!(run(&[""]).command, [""]);
        assert!(run(&["--"]).command.is_empty());
        assert!(run(&[]).command.is_empty());
    }

    #[test]
    fn every_option_is_understood_in_both_forms() {
        let wanted = Run {
            state: Some("state".into()),
            log: Some("log".into()),
            flush: true,
            stay: true,
            engine: EngineChoice::Ptrace,
            stats: Some("stats".into()),
            emulator: Some("qemu".into()),
            unknown: UnknownOwner::AsItIs,
            no_sync: true,
            accounts: None,
            off: false,
            leave: vec!["/a".into(), "b".into()],
            root: Some("/r".into()),
            binds: vec![
                Bind { host: "/proc".into(), guest: "/proc".into() },
                Bind { host: "a".into(), guest: "/b".into() },
            ],
            fakeroot: None,
            command: vec!["true".into()],
        };
        let mut short = vec![
            "-p",
            "state",
            "-fdllog",
            "--engine",
            "ptrace",
            "--stats",
            "stats",
            "--qemu",
            "qemu",
            "--unknown",
            "real",
        ];
        short.extend(["--no-sync", "--leave", "/a", "--leave", "b", "--root", "/r", "-b", "/proc", "-ba:/b", "true"]);
        assert_eq!(run(&short), wanted);
        let long = [
            "--persist=state",
            "--log=log",
            "--flush",
            "--no-daemonize",
            "--engine=ptrace",
            "--stats=stats",
            "--qemu=qemu",
            "--unknown=real",
            "--no-sync",
            "--leave=/a",
            "--leave=b",
            "--root=/r",
            "--bind=/proc",
            "--bind=a:/b",
            "true",
        ];
        assert_eq!(run(&long), wanted);
        for (word, action) in [
            ("-h", Action::ShortHelp),
            ("--help", Action::LongHelp),
            ("-v", Action::Version),
            ("--version", Action::Version),
            ("--doctor", Action::Doctor),
        ] {
            assert_eq!(parse(vec!["-d".into(), word.into()]), Ok(action));
        }
    }

    #[test]
    fn errors_name_the_option() {
        assert!(run(&["--off", "ls"]).off);
        assert!(error(&["--off", "-p", "state", "ls"]).starts_with("option --off takes no other"));
        assert!(error(&["--root"]).starts_with("option --root needs an argument"));
        assert!(error(&["-b", "/proc", "ls"]).starts_with("option -b needs --root"));
        assert!(error(&["--root", "/", "-b", "a", "ls"]).starts_with("cannot bind a: "));
        assert!(error(&["--root", "/", "-b", ":/a", "ls"]).starts_with("cannot bind :/a: "));
        assert!(error(&["-p"]).starts_with("option -p needs an argument"));
        assert!(error(&["--leave"]).starts_with("option --leave needs an argument"));
        assert!(error(&["--engine"]).starts_with("option --engine needs an argument"));
        assert!(error(&["--flush=yes", "ls"]).starts_with("option --flush takes no argument"));
        assert!(error(&["--engine", "steam", "ls"]).starts_with("unknown engine steam"));
        assert!(error(&["--engine=best", "ls"]).contains("best"));
        assert!(error(&["--unknown", "me", "ls"]).starts_with("unknown owner rule me"));
        for words in [&["-x"][..], &["--nothing"], &["--persist"]] {
            assert_eq!(error(words).lines().count(), 1);
        }
    }
}
