//! The coverage list, `docs/COVERAGE.md`, made from the table.
//!
//! A test compares the committed file with what is made; `FRNG_WRITE_COVERAGE=1 cargo test -p frng-core coverage`
//! writes it anew.

use std::fmt::Write;

use super::{Arg, Row, Stop, table};

const HEAD: &str = "\
# Coverage

Every system call that frng knows, and what is decided about it. Made from the table in `frng-core/src/call/table.rs`; to change this
page change the table and run `FRNG_WRITE_COVERAGE=1 cargo test -p frng-core coverage`.

## The rule behind the decisions

**Real root is the oracle.** A program under frng is to see what it would see if it ran as root:

1. What can be true without privilege is done: the call runs as it is, with the caller's own rights.
2. What cannot be done, but is seen only by asking (owners, modes, device nodes, ids, capabilities, attributes, priorities), is remembered and
   told to everybody who asks: the success, every later answer and every error are those of root's kernel.
3. What cannot be done and would be seen outside of the command (the clock, the host's name, locked memory) is checked as root's
   kernel checks it, succeeds, and has no consequence. Later questions get the truth, which did not change.
4. What would go around frng does not exist here: it fails with ENOSYS, for which programs have another way. A program's own seccomp filter,
   which would kill it for what frng makes it do, is pretended.
5. A program that gives its privilege up (setuid, capset, prctl) gets EPERM and EACCES where it would get them from root's kernel, as far
   as the calls below reach.

6. A process that has changed its root (chroot) has every path translated, and each call that names or tells a path stops.

A call that is not in these lists runs as it is: root's swapon(2) fails with the EPERM of the caller it really is. A call by another
convention than the ones this frng supports (x32, for one) fails with ENOSYS, because nobody could answer it. On x86_64 it supports those of
64-bit and of 32-bit programs, and the latter's by `int $0x80` from 64-bit code; not the former's from 32-bit programs that jump to 64-bit code.

Calls of 32-bit ABIs that have 16-bit ids, older or wider structures are rows of their own; not every ABI has every call.

\"Stops\" says when a call costs a stop of the program in the seccomp engine. In the ptrace engine every call does, but the same ones are
looked at.
";

/// Heading of a theme: a file of `frng-core/src/policy`.
fn heading(theme: &str) -> String {
    let title = match theme {
        "tools" => return "What frng itself issues".to_owned(),
        "evasion" => "What would go around frng",
        "xattr" => "Extended attributes",
        "privileged" => "Other rights of root",
        "schedule" => "Scheduling",
        "inode_flags" => "Inode flags",
        "nested" => "Tracers among the programs",
        other => {
            let mut title = other.replace('_', " ");
            if let Some(first) = title.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            return title;
        }
    };
    title.to_owned()
}

/// The whole page.
pub fn render() -> String {
    let mut page = HEAD.to_owned();
    let mut themes: Vec<&str> = Vec::new();
    for row in table::ROWS {
        let (theme, _) = split(row);
        if !themes.contains(&theme) {
            themes.push(theme);
        }
    }
    for theme in themes {
        // Writing to a String cannot fail.
        let _ = write!(page, "\n## {}\n\n", heading(theme));
        if theme != "tools" {
            let _ = write!(page, "`frng-core/src/policy/{theme}.rs`\n\n");
        }
        page.push_str("| call | stops | handler | |\n|---|---|---|---|\n");
        for row in table::ROWS.iter().filter(|row| split(row).0 == theme) {
            let (_, handler) = split(row);
            let note = row.note.replace('|', "\\|");
            let _ = writeln!(page, "| {} | {} | `{handler}` | {note} |", row.name, stops(row));
        }
    }
    page
}

/// Theme and name of a handler.
fn split(row: &Row) -> (&'static str, &'static str) {
    row.handler.split_once("::").unwrap_or((row.handler, ""))
}

/// When a call stops, in words.
fn stops(row: &Row) -> String {
    match row.stop {
        Stop::Never => "never".to_owned(),
        Stop::Always => "always".to_owned(),
        Stop::AnyBit(kind, bits) => format!("if {} has a bit of {bits:#x}", argument(kind)),
        Stop::OneOf(kind, values) => {
            let list: Vec<String> = values.iter().map(|value| format!("{value:#x}")).collect();
            format!("if {} is one of {}", argument(kind), list.join(", "))
        }
        Stop::Executing => "if the kernel may run programs of conventions that frng does not know".to_owned(),
        Stop::Opening => "if it may make a file; always once there are faked devices".to_owned(),
        Stop::Syncing => "never; `--no-sync` has a filter that answers 0".to_owned(),
        Stop::Inside => "in another root".to_owned(),
        Stop::Tracing => "in a process that traces others".to_owned(),
        Stop::Restricted => "without capabilities of root".to_owned(),
        Stop::Writing => "without CAP_FSETID, once there are files with set-ID bits".to_owned(),
    }
}

/// A kind of argument, in words.
fn argument(kind: Arg) -> &'static str {
    match kind {
        Arg::Op => "the operation",
        Arg::OpenFlags | Arg::AtFlags | Arg::Flags => "its flags",
        Arg::Mode => "the mode",
        _ => "its argument",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_committed_coverage_page_is_the_one_of_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/COVERAGE.md");
        if std::env::var_os("FRNG_WRITE_COVERAGE").is_some() {
            std::fs::write(&path, render()).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        let differs = committed.lines().zip(render().lines().map(str::to_owned)).find(|(a, b)| a != b);
        assert!(
            committed == render(),
            "docs/COVERAGE.md is not what the table says, first here: {differs:?}\n\
             run FRNG_WRITE_COVERAGE=1 cargo test -p frng-core coverage"
        );
    }

    #[test]
    fn every_call_is_on_the_page_once() {
        let page = render();
        let lines = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| call")).count();
        assert_eq!(lines, table::ROWS.len());
    }
}
