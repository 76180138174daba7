//! `frng-state who`: which calls in a log of frng have changed what is told of a file.

use std::fs;
use std::path::{Path, PathBuf};

use frng_core::stat::Statx;

use super::tree::{self, reason};

/// The lines of a log about changes; of these files only, if there are any. A file that is no more is found by its name.
///
/// # Errors
/// One line if the log cannot be read.
pub fn who(log: &Path, files: &[PathBuf]) -> Result<String, String> {
    let text = fs::read(log).map_err(|error| format!("cannot read the log {}: {}", log.display(), reason(&error)))?;
    let text = String::from_utf8_lossy(&text);
    let wanted: Vec<Wanted> = files.iter().map(|file| Wanted::of(file)).collect();
    let lines = text.lines().filter(|line| {
        let Some((call, notes)) = changes(line) else { return false };
        wanted.is_empty() || wanted.iter().any(|wanted| wanted.is_in(call, notes))
    });
    Ok(lines.map(|line| format!("{}\n", line.trim_start())).collect())
}

/// The call of a line, and what the line says of inodes, if it says that something has changed.
fn changes(line: &str) -> Option<(&str, &str)> {
    // Names in a call are quoted, but may be anything: what comes after the last result is ours.
    let result = [") = ", ") is left to the kernel"].iter().filter_map(|end| line.rfind(end)).max()?;
    let (call, notes) = line.split_at(result);
    notes.contains(", was ").then_some((call, notes)).or_else(|| notes.contains(", stays ").then_some((call, notes)))
}

enum Wanted {
    Inode(String),
    /// Its last component, quoted as in the log.
    Name(String),
}

impl Wanted {
    fn of(file: &Path) -> Wanted {
        match tree::look(file) {
            Ok(Statx { dev_major, dev_minor, ino, .. }) => Wanted::Inode(format!("; {dev_major}:{dev_minor} {ino}: ")),
            Err(_) => {
                let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
                let quoted = format!("{name:?}");
                Wanted::Name(quoted[1..].to_owned())
            }
        }
    }

    fn is_in(&self, call: &str, notes: &str) -> bool {
        match self {
            Wanted::Inode(inode) => notes.contains(inode),
            Wanted::Name(name) => call.contains(&format!("\"{name}")) || call.contains(&format!("/{name}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
     0.1 info  daemon 5
     0.2 debug 7 sh: newfstatat(AT_FDCWD, \"f\", 0x1, 0x0) = 0; 8:1 131: really -rw------- 5:5, told -rw------- 7:5
     0.3 debug 8 chown: fchownat(AT_FDCWD, \"d/f\", 7, 8, 0x0) = 0; 8:1 131: really -rw------- 5:5, was -rw------- 0:0, now -rw------- 7:8
     0.4 debug 9 mv: fchownat(AT_FDCWD, \"x) = 0; 8:1 131: really -, was \", 7, 8, 0x0) = EPERM
     0.5 debug 9 rm: unlinkat(AT_FDCWD, \"gf\", 0x0) = 0; 8:1 132: really -rw------- 5:5, was -rw------- 0:9, gone
";

    #[test]
    fn changes_are_found_by_name_and_told_from_questions() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        fs::write(&log, LOG).unwrap();
        let found = |files: &[&str]| {
            let told = who(&log, &files.iter().map(PathBuf::from).collect::<Vec<_>>()).unwrap();
            told.lines().map(|line| line[..3].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(found(&[]), ["0.3", "0.5"]);
        assert_eq!(found(&["missing/f"]), ["0.3"]);
        assert_eq!(found(&["missing/gf", "missing/f"]), ["0.3", "0.5"]);
        assert!(who(&directory.path().join("no"), &[]).is_err());
    }
}
