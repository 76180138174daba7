//! The command line.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use lexopt::{Arg, Parser};

use super::filter::Filter;

pub const USAGE: &str = "\
usage: frng-state show [--tree DIR] [FILTER...] STATE [FILE...]
                                         list what is remembered, of these FILEs only if there are any
       frng-state check [--repair] STATE [DIR]
                                         say whether STATE can be read, and what is not as it was in the tree DIR; the exit
                                         status is 1 if anything is not
       frng-state diff [--tree DIR] STATE OTHER
                                         list what is remembered differently; the exit status is 1 if anything is
       frng-state who LOG [FILE...]      list the calls in a log of frng (-l) that changed what is told of these FILEs, or of any
       frng-state import [-f FORMAT] [--tree DIR] STATE [FILE]
                                         add what FILE tells, which another program has written
       frng-state export [-f FORMAT] [--tree DIR] STATE [FILE]
                                         write STATE in another program's format

  -f, --format FORMAT   fakeroot: a save file of fakeroot (-s); the default of export
                        fakeroot-ng: a state of fakeroot-ng 0.18 (-p); export wants --tree
                        pseudo: a database of pseudo (files.db), not in use; export wants --tree
                        mtree: a manifest of mtree(8) or bsdtar; wants --tree
                        device-table: a table of makedevs, Buildroot or genext2fs (-D); wants --tree
                        import finds out which it is, but has to be told device-table
  -t, --tree DIR        where files are that have a lie: names are told relative to it, and looked up there
      --repair          check mends STATE, and notes where its files are
      --owner UID[:GID] (or :GID) only lies that show this owner or group
      --mode MODE       only lies that show this mode, octal; with -MODE all of these bits, with /MODE any of them
      --type TYPE       only lies that show this type: f, d, l, c, b, p or s
  -h, --help            this help

Without FILE, or with -, import reads stdin and export writes to stdout (but for pseudo). Of two records about the same inode
the imported one counts; extended attributes that STATE has stay if the format has none. STATE may be new. Neither works
while a daemon uses STATE. Importing a manifest or a table makes what is missing in the tree of directories, symbolic links
and nodes. What a format cannot hold is told.
";

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Fakeroot,
    FakerootNg,
    Pseudo,
    Mtree,
    DeviceTable,
}

const FORMATS: [(&str, Format); 5] = [
    ("fakeroot", Format::Fakeroot),
    ("fakeroot-ng", Format::FakerootNg),
    ("pseudo", Format::Pseudo),
    ("mtree", Format::Mtree),
    ("device-table", Format::DeviceTable),
];

/// What the user wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    Help,
    Show { state: PathBuf, tree: Option<PathBuf>, filter: Filter, files: Vec<PathBuf> },
    Check { state: PathBuf, tree: Option<PathBuf>, repair: bool },
    Diff { one: PathBuf, other: PathBuf, tree: Option<PathBuf> },
    Who { log: PathBuf, files: Vec<PathBuf> },
    Import { state: PathBuf, from: Option<PathBuf>, format: Option<Format>, tree: Option<PathBuf> },
    Export { state: PathBuf, to: Option<PathBuf>, format: Format, tree: Option<PathBuf> },
}

/// Understands a command line, given without the program's name.
pub fn parse(words: impl Iterator<Item = OsString>) -> Result<Action, String> {
    let mut parser = Parser::from_args(words);
    let (mut format, mut tree, mut repair) = (None, None, false);
    let mut filter = Filter::default();
    let mut names = Vec::new();
    while let Some(arg) = parser.next().map_err(say)? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Action::Help),
            Arg::Short('f') | Arg::Long("format") => format = Some(known_format(&parser.value().map_err(say)?)?),
            Arg::Short('t') | Arg::Long("tree") => tree = Some(PathBuf::from(parser.value().map_err(say)?)),
            Arg::Long("owner") => filter.owner(&text(parser.value().map_err(say)?)?)?,
            Arg::Long("mode") => filter.mode(&text(parser.value().map_err(say)?)?)?,
            Arg::Long("type") => filter.kind(&text(parser.value().map_err(say)?)?)?,
            Arg::Long("repair") => repair = true,
            Arg::Value(name) => names.push(name),
            other => return Err(say(other.unexpected())),
        }
    }
    let mut names = names.into_iter();
    let (Some(command), Some(state)) = (names.next(), names.next()) else { return Err(wrong()) };
    let state = PathBuf::from(state);
    let mut files: Vec<PathBuf> = names.map(PathBuf::from).collect();
    let command = command.to_str().unwrap_or_default();
    let takes_files = matches!(command, "show" | "who");
    if !takes_files && files.len() > 1 || command != "show" && filter != Filter::default() {
        return Err(wrong());
    }
    let is_exchange = matches!(command, "import" | "export");
    if format.is_some() && !is_exchange {
        return Err(wrong());
    }
    if repair && (command != "check" || files.is_empty()) {
        return Err(wrong());
    }
    let file = if takes_files { None } else { files.pop() };
    let exchanged = file.clone().filter(|file| file.as_os_str() != "-");
    match (command, file) {
        ("show", _) => Ok(Action::Show { state, tree, filter, files }),
        ("check", tree_to_look_at) if tree.is_none() => Ok(Action::Check { state, tree: tree_to_look_at, repair }),
        ("who", _) if tree.is_none() => Ok(Action::Who { log: state, files }),
        ("diff", Some(other)) => Ok(Action::Diff { one: state, other, tree }),
        ("import", _) => Ok(Action::Import { state, from: exchanged, format, tree }),
        ("export", _) => Ok(Action::Export { state, to: exchanged, format: format.unwrap_or(Format::Fakeroot), tree }),
        _ => Err(wrong()),
    }
}

fn known_format(name: &OsStr) -> Result<Format, String> {
    let known = FORMATS.into_iter().find(|(known, _)| name == *known);
    known.map(|(_, format)| format).ok_or_else(|| {
        let names = FORMATS.map(|(name, _)| name).join(", ");
        format!("unknown format {}: it must be one of {names}", name.to_string_lossy())
    })
}

fn text(word: OsString) -> Result<String, String> {
    word.into_string()
        .map_err(|word| format!("not a number or letter: {}: see frng-state --help", word.to_string_lossy()))
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

    fn show(tree: Option<&str>, filter: Filter, files: &[&str]) -> Action {
        let files = files.iter().map(PathBuf::from).collect();
        Action::Show { state: "s".into(), tree: tree.map(PathBuf::from), filter, files }
    }

    #[test]
    fn every_command_is_understood() {
        let state = PathBuf::from("s");
        assert_eq!(words("show s"), Ok(show(None, Filter::default(), &[])));
        let mut filter = Filter::default();
        filter.owner("7:8").unwrap();
        filter.mode("-4000").unwrap();
        filter.kind("f").unwrap();
        let line = "show --owner 7:8 -t d --mode=-4000 --type f s a b";
        assert_eq!(words(line), Ok(show(Some("d"), filter, &["a", "b"])));
        let check =
            |tree: Option<&str>, repair| Action::Check { state: state.clone(), tree: tree.map(PathBuf::from), repair };
        assert_eq!(words("check s"), Ok(check(None, false)));
        assert_eq!(words("check s d"), Ok(check(Some("d"), false)));
        assert_eq!(words("check --repair s d"), Ok(check(Some("d"), true)));
        let who = Action::Who { log: state.clone(), files: vec!["a".into(), "b".into()] };
        assert_eq!(words("who s a b"), Ok(who));
        let diff = Action::Diff { one: state.clone(), other: "o".into(), tree: Some("d".into()) };
        assert_eq!(words("diff s o --tree d"), Ok(diff));
        let import = |from: Option<&str>, format, tree: Option<&str>| Action::Import {
            state: state.clone(),
            from: from.map(PathBuf::from),
            format,
            tree: tree.map(PathBuf::from),
        };
        assert_eq!(words("import s"), Ok(import(None, None, None)));
        assert_eq!(words("import s f"), Ok(import(Some("f"), None, None)));
        assert_eq!(words("import -f mtree -td s -"), Ok(import(None, Some(Format::Mtree), Some("d"))));
        let export = |to: Option<&str>, format| Action::Export {
            state: state.clone(),
            to: to.map(PathBuf::from),
            format,
            tree: None,
        };
        assert_eq!(words("export s -"), Ok(export(None, Format::Fakeroot)));
        for (name, format) in FORMATS {
            assert_eq!(words(&format!("export -f {name} s f")), Ok(export(Some("f"), format)));
        }
    }

    #[test]
    fn everything_else_is_refused_in_one_line() {
        for line in [
            "",
            "show",
            "check s -t d",
            "check s -f fakeroot",
            "show s -f fakeroot",
            "check --repair s",
            "check s d e",
            "show --repair s",
            "import s f g",
            "import --owner 1 s",
            "dance s",
            "diff s",
            "who",
            "who -t d s",
            "who --mode 1 s",
            "diff s o p",
            "-x",
            "export -f tar s",
            "export s f g h",
            "export -f",
            "show --owner x s",
            "show --owner : s",
            "show --mode 9 s",
            "show --mode 77777 s",
            "show --type x s",
        ] {
            assert_eq!(words(line).unwrap_err().lines().count(), 1, "{line}");
        }
        assert_eq!(words("--help"), Ok(Action::Help));
    }
}
