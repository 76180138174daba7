//! The manual pages and the completions tell the options that the programs tell.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The options in the lines of a help that begin with one: `-p`, `--persist`, ...
fn in_help(program: &str, name: &str) -> BTreeSet<String> {
    use std::os::unix::process::CommandExt;
    // fakeroot's help is an error, as it is for the real one.
    let output = Command::new(program).arg0(name).arg("--help").output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let mut options = BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with("  -") || line.starts_with("      --")) {
        let mut words = line.split_whitespace().map(|word| word.trim_end_matches(','));
        // Its description begins at the first word that is neither an option nor in capitals.
        let of_options = words.by_ref().take_while(|word| word.starts_with('-') || is_value(word));
        options.extend(of_options.filter(|word| word.starts_with('-')).map(String::from));
    }
    assert!(options.len() > 4, "{text}");
    options
}

fn is_value(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_uppercase() || "[(".contains(first))
        && word.chars().all(|c| !c.is_ascii_lowercase())
}

/// The options that a page has an item about.
fn in_page(page: &str) -> BTreeSet<String> {
    let mut options = BTreeSet::new();
    for line in read(page).lines().filter_map(|line| line.strip_prefix(".It Fl ")) {
        for part in line.split(" , Fl ") {
            let name = part.split_whitespace().next().unwrap();
            options.insert(format!("-{name}"));
        }
    }
    options
}

fn frng() -> BTreeSet<String> {
    let mut options = in_help(env!("CARGO_BIN_EXE_frng"), "frng");
    options.insert("--help".into());
    options
}

#[test]
fn pages_tell_the_options_of_the_helps() {
    let mut page = in_page("docs/man/frng.1");
    page.insert("--help".into());
    assert_eq!(page, frng());
    assert_eq!(in_page("docs/man/frng-state.1"), in_help(env!("CARGO_BIN_EXE_frng-state"), "frng-state"));
    let mut fakeroot = in_help(env!("CARGO_BIN_EXE_frng"), "fakeroot");
    fakeroot.extend(["-h", "--help", "-v", "--version"].map(String::from));
    assert_eq!(in_page("docs/man/fakeroot-frng.1"), fakeroot);
}

#[test]
fn completions_tell_the_options_of_the_helps() {
    let state = in_help(env!("CARGO_BIN_EXE_frng-state"), "frng-state");
    for (program, options) in [("frng", frng()), ("frng-state", state)] {
        let bash = read(&format!("completions/bash/{program}"));
        let zsh = read(&format!("completions/zsh/_{program}"));
        let fish = read(&format!("completions/fish/{program}.fish"));
        for option in options {
            let is_word =
                |text: &str| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(|word| word == option);
            assert!(is_word(&bash), "bash, {program}: {option}");
            assert!(is_word(&zsh), "zsh, {program}: {option}");
            let flag = match option.strip_prefix("--") {
                Some(long) => format!(" -l {long} "),
                None => format!(" -s {} ", &option[1..]),
            };
            assert!(fish.contains(&flag), "fish, {program}: {option}");
        }
    }
}

#[test]
fn pages_render_without_warnings() {
    let there = Command::new("man").arg("--version").output().is_ok_and(|output| output.status.success());
    if !there || Command::new("groff").arg("--version").output().is_err() {
        eprintln!("skipped: needs man and groff");
        return;
    }
    for page in ["frng.1", "fakeroot-frng.1", "frng-state.1", "frng.state.5"] {
        let path = top().join("docs/man").join(page);
        let words = ["--warnings", "-E", "UTF-8", "-Tutf8", "-Z", "-l"];
        let output = Command::new("man").args(words).arg(path).env("LC_ALL", "C.UTF-8").output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.is_empty(), "{page}: {told}");
        assert!(output.stdout.len() > 1000, "{page}");
    }
}
