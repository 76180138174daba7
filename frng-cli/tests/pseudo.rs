//! `frng-state import` and `export` with the real pseudo.
#![cfg(feature = "pseudo")]

mod common;

use std::fs;
use std::process::{Command, Stdio};

use common::{Done, Scratch, finish};

const MAKE: &str = "
    set -e; umask 022
    mkdir t t/tmp
    mknod t/null c 1 3; mknod t/loop b 7 300; mknod t/fifo p; chmod 666 t/null
    echo a > t/plain; echo b > t/tool; ln t/tool t/link; ln -s plain t/symlink
    chown 7:8 t/plain; chown 4294967294:65534 t/tool; chmod 6755 t/tool
    chown -h 9:10 t/symlink; chmod 1777 t/tmp";

const SHOW: &str = "cd t; find . -exec stat -c '%n %F %a %u %g %t:%T %h' {} + | sort";

fn has_pseudo() -> bool {
    let there = Command::new("pseudo").arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        eprintln!("skipped: needs pseudo");
    }
    there
}

/// Runs a script under pseudo, whose database is in `p`, and stops its server.
fn pseudo(scratch: &Scratch, script: &str) -> Done {
    let run = |words: &[&str]| {
        let mut command = scratch.command(words);
        command.env("PSEUDO_PREFIX", "/usr").env("PSEUDO_LOCALSTATEDIR", scratch.path("p"));
        finish(command)
    };
    let done = run(&["pseudo", "sh", "-c", script]);
    let _ = run(&["pseudo", "-S"]);
    done
}

#[test]
fn what_pseudo_has_remembered_frng_goes_on_with_and_back() {
    if !has_pseudo() {
        return;
    }
    let scratch = Scratch::new();
    scratch.run(&["mkdir", "p"]).good();
    let shown = pseudo(&scratch, &format!("{MAKE}; setfattr -n user.x -v 'y z' t/plain || true; {SHOW}")).good();
    assert!(shown.contains("./loop block special file 644 0 0 7:12c 1\n"), "{shown}");
    let told = scratch.run(&["frng-state", "import", "state", "p/files.db"]).good();
    assert!(told.starts_with("state: 8 lies imported, 8 in all"), "{told}");
    assert_eq!(scratch.run(&["frng", "-p", "state", "sh", "-c", SHOW]).good(), shown);
    // Changed by frng, and back.
    let script = format!("chown 99 t/plain; rm t/fifo; mknod t/zero c 1 5; {SHOW}");
    let changed = scratch.run(&["frng", "-p", "state", "sh", "-c", &script]).good();
    assert!(changed.contains("./plain regular file 644 99 8") && !changed.contains("./fifo"), "{changed}");
    fs::remove_dir_all(scratch.path("p")).unwrap();
    scratch.run(&["mkdir", "p"]).good();
    let done = scratch.run(&["frng-state", "export", "-f", "pseudo", "--tree", "t", "state", "p/files.db"]);
    assert_eq!((done.status, done.out.as_str()), (0, ""), "{done:?}");
    assert!(done.err.is_empty() || done.err.contains("cannot hold the birth times of"), "{done:?}");
    assert_eq!(pseudo(&scratch, SHOW).good(), changed);
    let log = fs::read_to_string(scratch.path("p/pseudo.log")).unwrap_or_default();
    assert!(!log.contains("mismatch"), "{log}");
    // And once more, with nothing lost.
    scratch.run(&["frng-state", "import", "again", "p/files.db"]).good();
    let export = |state: &str| scratch.run(&["frng-state", "export", state]).out;
    let again = export("again");
    assert!(export("state").lines().all(|line| again.contains(line)));
}

#[test]
fn attributes_go_both_ways() {
    let scratch = Scratch::new();
    scratch.file(
        "state",
        "frng_state(version: 1, lies: 1)\n\
         (dev: \"8:1\", ino: 7, uid: 1, gid: 2, mode: \"0100755\", xattrs: {b\"user.a\": b\"\\xff\\x00b\"})\n",
    );
    scratch.run(&["frng-state", "export", "-f", "pseudo", "state", "files.db"]).good();
    scratch.run(&["frng-state", "import", "other", "files.db"]).good();
    assert_eq!(fs::read(scratch.path("other")).unwrap(), fs::read(scratch.path("state")).unwrap());
    scratch.run(&["frng-state", "diff", "state", "other"]).good();
}

#[test]
fn what_is_no_database_is_refused_and_changes_nothing() {
    let scratch = Scratch::new();
    scratch.file("bad", "SQLite format 3\0 and no more");
    for words in [&["import", "state", "bad"][..], &["import", "-f", "pseudo", "state"]] {
        let done = scratch.run(&[&["frng-state"], words].concat());
        assert_eq!((done.status, done.err.lines().count()), (125, 1), "{done:?}");
        assert!(done.err.starts_with("frng-state: cannot import "), "{done:?}");
    }
    scratch.file("state", "");
    let done = scratch.run(&["frng-state", "export", "-f", "pseudo", "state"]);
    assert!(done.status == 125 && done.err.contains("name a file"), "{done:?}");
    assert_eq!(fs::read(scratch.path("state")).unwrap(), b"");
}
