//! `--stats`.

mod common;

use std::collections::HashMap;
use std::fs;
use std::process::Stdio;

use common::{Scratch, end, eventually};

/// The numbers of each line of a table: calls, inline, tracer, passed, stops.
fn rows(text: &str) -> HashMap<String, Vec<u64>> {
    let lines = text.lines().filter(|line| !line.starts_with(['#', 'C']));
    lines
        .map(|line| {
            let (name, numbers) = line.split_at(20);
            let numbers = numbers.split_whitespace().take(5).map(|number| number.parse().unwrap()).collect();
            (name.trim().to_owned(), numbers)
        })
        .collect()
}

#[test]
fn calls_of_all_processes_are_counted_with_where_they_were_answered() {
    let scratch = Scratch::new();
    scratch.file("a", "");
    for engine in ["seccomp", "ptrace"] {
        let script = "for i in 1 2 3 4 5 6 7; do chown 5 a; done; mkdir d; rmdir d; exit 3";
        let done = scratch.run(&["frng", "--engine", engine, "--stats", "stats", "sh", "-c", script]);
        assert_eq!((done.status, done.err.as_str()), (3, ""));
        let text = fs::read_to_string(scratch.path("stats")).unwrap();
        let rows = rows(&text);
        let chown = &rows["fchownat"];
        assert_eq!(chown[..4], [7, 0, 7, 0], "{text}");
        assert!(chown[4] >= 7, "{text}");
        assert_eq!(rows["mkdir"][0], 1, "{text}");
        // The shell, seven times chown, mkdir, rmdir; two stops each.
        assert_eq!(rows["(programs loaded)"][4], 20, "{text}");
        assert!(rows["(threads ended)"][4] >= 9, "{text}");
        let total = &rows["total"];
        for column in 0..5 {
            let sum: u64 = rows.iter().filter(|(name, _)| *name != "total").map(|(_, row)| row[column]).sum();
            assert_eq!(sum, total[column], "column {column}: {text}");
        }
        assert!(total[0] >= total[1] + total[2] + total[3], "{text}");
        assert_eq!(engine == "ptrace", rows.contains_key("(other call stops)"), "{text}");
    }
}

#[test]
fn commands_that_share_a_daemon_are_counted_together_and_only_the_first_may_ask() {
    let scratch = Scratch::new();
    let script = "touch ready; until [ -e go ]; do sleep 0.01; done";
    let mut first = scratch.command(&["frng", "-p", "state", "--stats", "stats", "sh", "-c", script]);
    let first = first.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually(|| scratch.path("ready").exists());
    scratch.run(&["frng", "-p", "state", "mknod", "n", "p"]).good();
    scratch.run(&["frng", "-p", "state", "--stats", "other", "touch", "ran"]).failed(&["cannot count", "--stats"]);
    assert!(!scratch.path("other").exists() && !scratch.path("ran").exists());
    fs::write(scratch.path("go"), "").unwrap();
    end(first).unwrap().good();
    let rows = rows(&fs::read_to_string(scratch.path("stats")).unwrap());
    assert_eq!(["mknod", "mknodat"].iter().filter_map(|name| rows.get(*name)).map(|row| row[0]).sum::<u64>(), 1);
}

#[test]
fn a_file_that_cannot_be_written_is_refused_before_anything_is_done() {
    let scratch = Scratch::new();
    let closed = scratch.file("closed", "");
    fs::set_permissions(closed, std::os::unix::fs::PermissionsExt::from_mode(0o444)).unwrap();
    scratch.run(&["mkfifo", "fifo"]).good();
    for (file, why) in [
        ("missing/stats", "No such file"),
        (".", "Is a directory"),
        ("closed", "Permission denied"),
        ("fifo", "No such device"),
    ] {
        scratch.run(&["frng", "-p", "state", "--stats", file, "touch", "ran"]).failed(&["statistics", file, why]);
        assert!(!scratch.path("ran").exists() && !scratch.path("state").exists());
    }
    // What is refused for another reason leaves no file, and one that was there as it was.
    scratch.file("broken", "oops\n");
    scratch.file("old", "old\n");
    for file in ["new", "old"] {
        scratch.run(&["frng", "-p", "broken", "--stats", file, "true"]).failed(&["broken"]);
    }
    assert!(!scratch.path("new").exists());
    assert_eq!(fs::read(scratch.path("old")).unwrap(), b"old\n");
}

#[test]
fn a_failure_to_write_at_the_end_is_told() {
    let scratch = Scratch::new();
    let done = scratch.run(&["frng", "--stats", "/dev/full", "sh", "-c", "exit 3"]);
    let line = "frng: cannot write the statistics to /dev/full: No space left on device\n";
    assert_eq!((done.status, done.err.as_str()), (3, line));
    // The caller's own stderr is a file as good as any.
    let done = scratch.run(&["sh", "-c", "frng --stats /dev/stderr true 2>&1 | cat"]);
    assert!(done.out.contains("\ntotal "), "{done:?}");
}
