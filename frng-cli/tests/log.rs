//! The log is what docs/LOG.md tells, and can be asked who has changed a file.

mod common;

use std::fs;
use std::path::Path;

use common::{Scratch, engines};

/// A line without what differs from run to run: numbers of three digits and more, addresses, times.
fn masked(line: &str) -> String {
    let mut text = String::new();
    for word in line.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let (body, end) = word.split_at(word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).len());
        let is_number = body.len() > 2 && body.bytes().all(|byte| byte.is_ascii_digit()) || body.starts_with("0x7");
        text.push_str(if is_number { "N" } else { body });
        text.push_str(end);
    }
    // The seconds, which may have one digit.
    text.trim_start().split_once('.').map_or(text.clone(), |(_, rest)| rest.to_owned())
}

/// The text between two marks of a page.
fn part<'page>(page: &'page str, from: &str, to: &str) -> &'page str {
    page.split_once(from).unwrap().1.split_once(to).unwrap().0
}

#[test]
fn the_example_of_the_page_is_what_is_written() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/LOG.md")).unwrap();
    let scratch = Scratch::new();
    let command = part(&page, "\n    frng --log", "\n");
    scratch.run(&["sh", "-c", &format!("umask 022; frng --log {command}")]).good();
    scratch.wait_for_the_daemon_to_end();
    let log = fs::read_to_string(scratch.path("log")).unwrap();
    // Owners and devices are those of this machine.
    let device = first_device(&log);
    let owner = if common::is_root() { String::new() } else { owner(&log) };
    let mut written = log.lines().map(masked);
    for line in part(&page, "```text\n", "```").lines() {
        let mut line = line.replace("254:0 ", &format!("{device} "));
        if !owner.is_empty() {
            line = line.replace("54321:54321", &owner);
        }
        let line = masked(&line);
        assert!(written.any(|written| written == line), "not in this order in the log: {line}\n{log}");
    }
}

/// The device of the first inode that is told of.
fn first_device(log: &str) -> String {
    let note = log.lines().find_map(|line| line.split_once(" = 0; ")).unwrap().1;
    note.split_whitespace().next().unwrap().to_owned()
}

/// Who really owns that inode.
fn owner(log: &str) -> String {
    let note = log.lines().find_map(|line| line.split_once("really ")).unwrap().1;
    note.split([' ', ',']).nth(1).unwrap().to_owned()
}

#[test]
fn the_log_tells_who_has_changed_a_file() {
    let scratch = Scratch::new();
    let script = "touch a b; chown 5 a; chmod 600 b; ln a c; chgrp 6 c; ls -l a; rm b";
    scratch.run(&["frng", "--log", "log", "sh", "-c", script]).good();
    scratch.wait_for_the_daemon_to_end();
    let who = |files: &[&str]| {
        let told = scratch.run(&[&["frng-state", "who", "log"], files].concat()).good();
        told.lines().map(|line| line.split_whitespace().nth(3).unwrap().to_owned()).collect::<Vec<_>>()
    };
    // The third field is the thread's.
    assert_eq!(who(&["a"]), ["chown:", "chgrp:"]);
    assert_eq!(who(&["c"]), ["chown:", "chgrp:"]);
    assert!(who(&[]).len() >= 2);
    let done = scratch.run(&["frng-state", "who", "missing"]);
    assert_eq!((done.status, done.err.lines().count()), (125, 1), "{done:?}");
}

#[test]
fn a_log_that_nobody_reads_keeps_no_command_waiting() {
    let scratch = Scratch::new();
    // Each `[ -u` is a line; a pipe holds some hundreds.
    let script = "touch a; chown 5 a; n=0; while [ $n -lt 5000 ]; do [ -u a ]; n=$((n + 1)); done; stat -c %u a";
    for options in [&["-l", "fifo"][..], &["-f", "-l", "fifo"]] {
        for engine in engines() {
            scratch.run(&["mkfifo", "fifo"]).good();
            let reader = fs::File::options().read(true).write(true).open(scratch.path("fifo")).unwrap();
            let words = [&["frng", "--engine", engine], options, &["sh", "-c", script]].concat();
            assert_eq!(scratch.run(&words).good(), "5\n", "{words:?}");
            scratch.wait_for_the_daemon_to_end();
            drop(reader);
            fs::remove_file(scratch.path("fifo")).unwrap();
        }
    }
}
