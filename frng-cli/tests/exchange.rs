//! `frng-state import` and `export`, with the real fakeroot.

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Done, Scratch, end, eventually, finish};

/// A tree as a root file system has it: nodes, odd owners, set-ID bits, a hard link, a symbolic link of somebody's.
const MAKE: &str = "
    set -e; umask 022
    mkdir t t/tmp t/spool
    mknod t/null c 1 3; mknod t/loop b 7 300; mknod t/fifo p; chmod 666 t/null
    echo a > t/plain; echo b > t/tool; ln t/tool t/link; ln -s plain t/symlink
    chown 7:8 t/plain; chown 4294967294:65534 t/tool; chmod 6755 t/tool
    chown -h 9:10 t/symlink; chown 0:12 t/spool; chmod 2775 t/spool; chmod 1777 t/tmp";

/// All of it, by names.
const SHOW: &str = "cd t; find . -exec stat -c '%n %F %a %u %g %t:%T %h' {} + | sort";

fn has_fakeroot() -> bool {
    let there = Command::new("fakeroot").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        eprintln!("skipped: needs fakeroot");
    }
    there
}

/// The lines of a save file without the number of links, sorted.
fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| line.split(',').filter(|field| !field.starts_with("nlink=")).collect::<Vec<_>>().join(","))
        .collect();
    lines.sort();
    lines
}

#[test]
fn what_fakeroot_has_saved_frng_goes_on_with() {
    if !has_fakeroot() {
        return;
    }
    let scratch = Scratch::new();
    let shown = scratch.run(&["fakeroot", "-s", "saved", "sh", "-c", &format!("{MAKE}; {SHOW}")]).good();
    assert!(shown.contains("./loop block special file 644 0 0 7:12c 1\n"), "{shown}");
    let told = scratch.run(&["frng-state", "import", "state", "saved"]).good();
    let saved = fs::read_to_string(scratch.path("saved")).unwrap();
    let count = saved.lines().count();
    assert_eq!(told, format!("state: {count} lies imported, {count} in all\n"));
    assert_eq!(fs::metadata(scratch.path("state")).unwrap().mode() & 0o777, 0o600);
    // An export of what was just imported is the same, and nothing of it is lost.
    let exported = scratch.run(&["frng-state", "export", "state"]).good();
    assert_eq!(lines(&exported), lines(&saved));
    assert_eq!(scratch.run(&["frng", "-p", "state", "sh", "-c", SHOW]).good(), shown);
    assert_eq!(scratch.run(&["frng", "-p", "state", "sh", "-c", SHOW]).good(), shown);
}

#[test]
fn what_frng_has_saved_fakeroot_goes_on_with() {
    if !has_fakeroot() {
        return;
    }
    let scratch = Scratch::new();
    let shown = scratch.run(&["frng", "-p", "state", "sh", "-c", &format!("{MAKE}; {SHOW}")]).good();
    let done = scratch.run(&["frng-state", "export", "state", "saved"]);
    // Where the filesystem has birth times.
    assert_eq!((done.status, done.out.as_str()), (0, ""), "{done:?}");
    assert!(done.err.is_empty() || done.err.contains("cannot hold the birth times of"), "{done:?}");
    assert_eq!(scratch.run(&["fakeroot", "-i", "saved", "sh", "-c", SHOW]).good(), shown);
    // And back, changed there.
    let script = "chown 99 t/plain; rm t/fifo";
    scratch.run(&["fakeroot", "-i", "saved", "-s", "saved", "sh", "-c", script]).good();
    let changed = shown.replace("plain regular file 644 7 8", "plain regular file 644 99 8");
    let changed: String =
        changed.lines().filter(|line| !line.starts_with("./fifo")).map(|line| format!("{line}\n")).collect();
    scratch.run(&["frng-state", "import", "state", "saved"]).good();
    assert_eq!(scratch.run(&["frng", "-p", "state", "sh", "-c", SHOW]).good(), changed);
}

#[test]
fn the_format_of_fakeroot_ng_holds_the_same() {
    let scratch = Scratch::new();
    scratch.run(&["frng", "-p", "state", "sh", "-c", MAKE]).good();
    let export = |format: &str, state: &str| scratch.run(&["frng-state", "export", "-f", format, state]).out;
    fs::write(scratch.path("ng"), export("fakeroot-ng", "state")).unwrap();
    scratch.run(&["frng-state", "import", "other", "ng"]).good();
    assert_eq!(export("fakeroot", "other"), export("fakeroot", "state"));
    let import = |words: &[&str]| {
        let mut command = scratch.command(words);
        command.stdin(fs::File::open(scratch.path("ng")).unwrap());
        finish(command).good()
    };
    assert!(import(&["frng-state", "import", "third"]).contains(" lies imported"));
    assert_eq!(export("fakeroot", "third"), export("fakeroot", "state"));
    assert!(export("fakeroot-ng", "state").lines().any(|line| line.ends_with("rdev=10072c")), "block device 7:300");
}

#[test]
fn with_a_tree_files_without_a_lie_are_told_of() {
    let scratch = Scratch::new();
    scratch
        .run(&["frng", "-p", "state", "sh", "-c", "umask 022; mkdir t; touch t/plain t/lied; chown 3:4 t/lied"])
        .good();
    let inode = |name: &str| fs::symlink_metadata(scratch.path(name)).unwrap().ino();
    for (format, rest) in [("fakeroot-ng", ",rdev=0"), ("fakeroot", ",nlink=1,rdev=0")] {
        let told = scratch.run(&["frng-state", "export", "-f", format, "--tree", "t", "state"]).out;
        let expected = [
            format!("ino={},mode=40755,uid=0,gid=0{rest}", inode("t")),
            format!("ino={},mode=100644,uid=0,gid=0{rest}", inode("t/plain")),
            format!("ino={},mode=100644,uid=3,gid=4{rest}", inode("t/lied")),
        ];
        assert_eq!(told.lines().count(), expected.len(), "{told}");
        assert!(expected.iter().all(|line| told.contains(line)), "{expected:?}: {told}");
        let told = scratch.run(&["frng-state", "export", "-f", format, "state"]).out;
        assert!(told.lines().count() == 1 && told.contains(&expected[2]), "{told}");
    }
}

#[test]
fn what_takes_long_is_told_on_a_terminal_only() {
    let scratch = Scratch::new();
    let slowly = |state: &str| {
        let line = |inode| format!("echo dev=1,ino={inode},mode=100644,uid=3,gid=4,nlink=1,rdev=0");
        format!("({}; sleep 3; {}) | frng-state import {state}", line(2), line(3))
    };
    assert_eq!(scratch.run(&["sh", "-c", &slowly("one")]).good(), "one: 2 lies imported, 2 in all\n");
    if !Command::new("script").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: needs script");
        return;
    }
    let done = scratch.run(&["script", "-qec", &slowly("two"), "/dev/null"]);
    let told = done.out.split_once("bytes read").unwrap_or_else(|| panic!("{done:?}"));
    assert!(told.0.starts_with("\r\x1b[Kfrng-state: "), "{told:?}");
    assert!(told.1.starts_with("\r\x1b[K") && told.1.contains("two: 2 lies imported, 2 in all"), "{told:?}");
}

#[test]
fn reading_and_saving_a_large_state_is_told_on_a_terminal_only() {
    if !Command::new("script").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return eprintln!("skipped: needs script");
    }
    let scratch = Scratch::new();
    let line = |inode| format!("dev=1,ino={inode},mode=100644,uid=3,gid=4,nlink=1,rdev=0\n");
    // As many as take longer than the second after which something is told.
    let mut count = 100_000;
    loop {
        scratch.file("saved", (1..=count).map(line).collect::<String>());
        scratch.run(&["frng-state", "import", "state", "saved"]).good();
        let start = Instant::now();
        assert_eq!(scratch.run(&["frng-state", "check", "state"]).good(), format!("state: {count} lies\n"));
        if start.elapsed() > Duration::from_millis(1800) {
            break;
        }
        count *= 2;
    }
    for (command, expected, sum) in [
        ("frng-state check state", "reading the state, 1 s", "lies"),
        ("frng-state import state saved", "changing the state, 1 s", "lies imported"),
    ] {
        let done = scratch.run(&["script", "-qec", command, "/dev/null"]);
        let shown = format!("\r\x1b[Kfrng-state: {expected}");
        let sum = format!("\r\x1b[K{}: {count} {sum}", command.split(' ').nth(2).unwrap());
        assert!(done.out.contains(&shown) && done.out.contains(&sum), "{done:?}");
    }
}

#[test]
fn what_a_format_cannot_hold_is_told_in_one_line() {
    let scratch = Scratch::new();
    scratch.file(
        "state",
        "frng_state(version: 1, lies: 1)\n\
         (dev: \"8:1\", ino: 7, uid: 1, gid: 2, mode: \"0100755\", xattrs: {b\"user.a\": b\"b\"})\n",
    );
    let done = scratch.run(&["frng-state", "export", "state"]);
    assert_eq!((done.status, done.out.as_str()), (0, "dev=801,ino=7,mode=100755,uid=1,gid=2,nlink=1,rdev=0\n"));
    let told = "frng-state: the format cannot hold the extended attributes of 1 lies; they are not exported\n";
    assert_eq!(done.err, told);
    // They are still there after the way back.
    scratch.file("saved", done.out.replace("uid=1", "uid=3"));
    assert_eq!(scratch.run(&["frng-state", "import", "state", "saved"]).good(), "state: 1 lies imported, 1 in all\n");
    let shown = scratch.run(&["frng-state", "show", "state"]).good();
    assert!(shown.contains("-rwxr-xr-x  3    2    -     user.a=\"b\""), "{shown}");
}

/// Asserts that frng-state has failed with one line that says all of `why`.
#[track_caller]
fn refused(done: Done, why: &[&str]) {
    assert_eq!((done.status, done.out.as_str(), done.err.lines().count()), (125, "", 1), "{done:?}");
    assert!(done.err.starts_with("frng-state: ") && why.iter().all(|part| done.err.contains(part)), "{done:?}");
}

#[test]
fn what_is_malformed_is_refused_and_changes_nothing() {
    let scratch = Scratch::new();
    let good = "dev=801,ino=7,mode=100755,uid=1,gid=2,nlink=1,rdev=0\n";
    scratch.file("bad", format!("{good}dev=801,ino=x,mode=100755,uid=1,gid=2,nlink=1,rdev=0\n"));
    scratch.file("good", good);
    for state in ["new", "old"] {
        if state == "old" {
            scratch.run(&["frng-state", "import", "old", "good"]).good();
        }
        let before = fs::read(scratch.path(state)).ok();
        refused(scratch.run(&["frng-state", "import", state, "bad"]), &["bad: line 2, column 13: not an inode number"]);
        refused(scratch.run(&["frng-state", "import", state, "missing"]), &["cannot read missing"]);
        assert_eq!(fs::read(scratch.path(state)).ok(), before);
    }
    scratch.file("broken", "oops\n");
    refused(scratch.run(&["frng-state", "import", "broken", "good"]), &["broken", "line 1"]);
    refused(scratch.run(&["frng-state", "export", "broken", "good"]), &["broken", "line 1"]);
    refused(scratch.run(&["frng-state", "export", "missing", "good"]), &["missing"]);
    assert_eq!(fs::read_to_string(scratch.path("broken")).unwrap(), "oops\n");
    assert_eq!(fs::read_to_string(scratch.path("good")).unwrap(), good);
    assert!(!scratch.path("missing").exists() && !scratch.path("new").exists());
}

#[test]
fn an_exported_file_is_replaced_as_a_whole() {
    let scratch = Scratch::new();
    let line = "dev=801,ino=7,mode=100755,uid=1,gid=2,nlink=1,rdev=0\n";
    scratch.file("saved", line);
    scratch.run(&["frng-state", "import", "state", "saved"]).good();
    let target = scratch.file("target", "x".repeat(1000));
    fs::set_permissions(&target, Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("target", scratch.path("link")).unwrap();
    let before = fs::metadata(&target).unwrap();
    scratch.run(&["frng-state", "export", "state", "link"]).good();
    let after = fs::metadata(&target).unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap(), line);
    assert_eq!(after.mode(), before.mode());
    assert_ne!(after.ino(), before.ino());
    assert!(fs::symlink_metadata(scratch.path("link")).unwrap().is_symlink());
    let script = "frng-state export state /dev/stdout | cat";
    assert_eq!(scratch.run(&["sh", "-c", script]).good(), line);
    refused(scratch.run(&["frng-state", "export", "state", "/dev/full"]), &["No space left"]);
    refused(scratch.run(&["frng-state", "export", "state", "missing/file"]), &["missing/file", "No such file"]);
    let names = fs::read_dir(scratch.work()).unwrap().count();
    assert_eq!(names, 4);
}

#[test]
fn a_state_is_not_replaced_by_its_export() {
    let scratch = Scratch::new();
    scratch.file("saved", "dev=801,ino=7,mode=100755,uid=1,gid=2,nlink=1,rdev=0\n");
    scratch.run(&["frng-state", "import", "state", "saved"]).good();
    let before = fs::read(scratch.path("state")).unwrap();
    std::os::unix::fs::symlink("state", scratch.path("link")).unwrap();
    for name in ["state", "./state", "link"] {
        refused(scratch.run(&["frng-state", "export", "state", name]), &[name, "the state itself", "another file"]);
    }
    assert_eq!(fs::read(scratch.path("state")).unwrap(), before);
}

#[test]
fn a_state_that_a_daemon_uses_is_refused() {
    let scratch = Scratch::new();
    scratch.file("saved", "dev=801,ino=7,mode=100755,uid=1,gid=2,nlink=1,rdev=0\n");
    scratch.run(&["frng", "-p", "state", "sh", "-c", "touch a; chown 5 a"]).good();
    let before = fs::read(scratch.path("state")).unwrap();
    let script = "touch ready; until [ -e go ]; do sleep 0.01; done";
    let mut command = scratch.command(&["frng", "-p", "state", "sh", "-c", script]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually(|| scratch.path("ready").exists());
    for words in [["import", "state", "saved"], ["export", "state", "saved"]] {
        refused(scratch.run(&[&["frng-state"], &words[..]].concat()), &["state", "a daemon is using it"]);
    }
    assert_eq!(fs::read(scratch.path("state")).unwrap(), before);
    fs::write(scratch.path("go"), "").unwrap();
    end(command).unwrap().good();
    scratch.run(&["frng-state", "import", "state", "saved"]).good();
}
