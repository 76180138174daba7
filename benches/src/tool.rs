//! The contestants.

use std::ffi::OsString;
use std::path::Path;

/// Who fools the command, or nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// The command alone.
    Native,
    /// `frng --engine inline`.
    FrngInline,
    /// `frng --engine seccomp`.
    FrngSeccomp,
    /// `frng --engine ptrace`.
    FrngPtrace,
    /// fakeroot(1): LD_PRELOAD and a daemon.
    Fakeroot,
    /// pseudo(1): LD_PRELOAD and a daemon with a database.
    Pseudo,
    /// proot(1) -0: ptrace, remembers nothing.
    Proot,
}

impl Tool {
    /// All of them, in the order of the table's columns.
    pub const ALL: [Tool; 7] = [
        Tool::Native,
        Tool::FrngInline,
        Tool::FrngSeccomp,
        Tool::FrngPtrace,
        Tool::Fakeroot,
        Tool::Pseudo,
        Tool::Proot,
    ];

    /// The name to show and to select it by.
    pub fn name(self) -> &'static str {
        match self {
            Tool::Native => "native",
            Tool::FrngInline => "frng (inline)",
            Tool::FrngSeccomp => "frng (seccomp)",
            Tool::FrngPtrace => "frng (ptrace)",
            Tool::Fakeroot => "fakeroot",
            Tool::Pseudo => "pseudo",
            Tool::Proot => "proot",
        }
    }

    /// The program that has to be there, if it is not ours: `None` for native.
    pub fn program(self) -> Option<&'static str> {
        match self {
            Tool::Native => None,
            Tool::FrngInline | Tool::FrngSeccomp | Tool::FrngPtrace => Some("frng"),
            Tool::Fakeroot => Some("fakeroot"),
            Tool::Pseudo => Some("pseudo"),
            Tool::Proot => Some("proot"),
        }
    }

    /// The words before the command.
    pub fn prefix(self, frng: &Path) -> Vec<OsString> {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let frng = |engine: &str| [vec![frng.into()], words(&["--engine", engine, "--"])].concat();
        match self {
            Tool::Native => Vec::new(),
            Tool::FrngInline => frng("inline"),
            Tool::FrngSeccomp => frng("seccomp"),
            Tool::FrngPtrace => frng("ptrace"),
            Tool::Fakeroot => words(&["fakeroot", "--"]),
            Tool::Pseudo => words(&["pseudo"]),
            Tool::Proot => words(&["proot", "-0"]),
        }
    }

    /// The command that tells its version, for the peers.
    pub fn version(self) -> Option<[&'static str; 2]> {
        match self {
            Tool::Native | Tool::FrngInline | Tool::FrngSeccomp | Tool::FrngPtrace => None,
            Tool::Fakeroot => Some(["fakeroot", "--version"]),
            Tool::Pseudo => Some(["pseudo", "-V"]),
            Tool::Proot => Some(["proot", "--version"]),
        }
    }

    /// Whether the command believes that it is root.
    pub fn fools(self) -> bool {
        self != Tool::Native
    }
}
