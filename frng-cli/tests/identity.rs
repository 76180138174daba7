//! `frng-state check STATE DIR`: files that became other inodes.

mod common;

use std::fs;
use std::os::unix::fs::MetadataExt;

use common::{Done, Scratch};
use frng_core::state::{self, Record};

/// A tree with lies of all kinds, looked through once.
fn tree() -> Scratch {
    let scratch = Scratch::new();
    let make = "
        set -e; umask 022; mkdir t t/d
        echo a > t/a; echo b > t/d/b; ln -s a t/link; mknod t/null c 1 3; mkfifo t/fifo
        chown 5:6 t/a; chmod 4755 t/a; chown 7 t/d/b; chown -h 8 t/link; chown 9 t/fifo; chown 10 t/d";
    scratch.run(&["frng", "-p", "s", "sh", "-c", make]).good();
    scratch.wait_for_the_daemon_to_end();
    scratch.run(&["frng-state", "check", "--repair", "s", "t"]).good();
    scratch
}

const SHOW: &str = "find t | LC_ALL=C sort | xargs stat -c '%n %F %a %u %g %t:%T'";

fn shown(scratch: &Scratch) -> String {
    let out = scratch.run(&["frng", "-p", "s", "sh", "-c", SHOW]).good();
    scratch.wait_for_the_daemon_to_end();
    out
}

fn check(scratch: &Scratch, repair: bool) -> Done {
    let words =
        if repair { vec!["frng-state", "check", "--repair", "s", "t"] } else { vec!["frng-state", "check", "s", "t"] };
    scratch.run(&words)
}

/// Changes the records behind frng's back.
fn change(scratch: &Scratch, change: impl Fn(&mut Record)) {
    let path = scratch.path("s");
    let mut records = state::read(&path).unwrap();
    records.iter_mut().for_each(change);
    let mut text = Vec::new();
    state::write(&records, &mut text).unwrap();
    fs::write(&path, text).unwrap();
}

fn counts(done: &Done) -> &str {
    done.out.lines().last().unwrap().split_once("lies: ").unwrap().1
}

#[test]
fn a_tree_that_is_as_it_was_has_nothing_to_mend_and_its_paths_are_kept() {
    let scratch = tree();
    let before = fs::read(scratch.path("s")).unwrap();
    let done = check(&scratch, false);
    assert_eq!((done.status, done.out.lines().count()), (0, 1), "{done:?}");
    assert!(counts(&done).starts_with("6 as they were, 0 of reused"), "{done:?}");
    assert!(String::from_utf8(before).unwrap().contains("path: b\"d/b\""));
    // A daemon keeps them, for those that it does not change and for those that it does.
    scratch.run(&["frng", "-p", "s", "chown", "11", "t/a"]).good();
    scratch.wait_for_the_daemon_to_end();
    let paths: Vec<_> = state::read(&scratch.path("s")).unwrap().into_iter().map(|record| record.path).collect();
    assert!(paths.iter().all(Option::is_some), "{paths:?}");
}

#[test]
fn a_changed_device_number_is_found_and_mended() {
    let scratch = tree();
    let before = shown(&scratch);
    change(&scratch, |record| record.inode.dev += 1);
    assert!(!shown(&scratch).contains(" 5 6 "));
    let done = check(&scratch, false);
    assert_eq!(done.status, 1, "{done:?}");
    assert!(counts(&done).contains("0 as they were, 0 of reused inodes, 6 of another device"), "{done:?}");
    let done = check(&scratch, true);
    assert_eq!((done.status, done.out.lines().count()), (0, 7), "{done:?}");
    assert_eq!(shown(&scratch), before);
    assert_eq!(check(&scratch, false).status, 0);
}

#[test]
fn a_tree_that_was_copied_elsewhere_is_found_by_its_paths_and_mended() {
    let scratch = tree();
    let before = shown(&scratch);
    // Without frng: new inodes, and nobody has lied about them.
    scratch.run(&["sh", "-c", "cp -a t copy && rm -r t && mv copy t"]).good();
    let done = check(&scratch, false);
    assert_eq!(done.status, 1, "{done:?}");
    assert!(counts(&done).contains(", 6 of copied files, 0 of deleted"), "{done:?}");
    assert_eq!(check(&scratch, true).status, 0);
    assert_eq!(shown(&scratch), before);
}

#[test]
fn a_copy_gets_the_lies_of_an_original_that_keeps_them() {
    let scratch = tree();
    let before = shown(&scratch);
    assert_eq!(check(&scratch, true).status, 0);
    // Each is looked at by the name of the other for a moment.
    scratch.run(&["sh", "-c", "cp -a t copy && mv t original && mv copy t"]).good();
    for _ in 0..2 {
        assert_eq!(check(&scratch, true).status, 0);
        assert_eq!(shown(&scratch), before);
    }
    scratch.run(&["sh", "-c", "rm -r t && mv original t"]).good();
    assert_eq!(shown(&scratch), before);
}

#[test]
fn a_reused_inode_and_a_deleted_file_are_found_and_their_lies_dropped() {
    let scratch = tree();
    let before = shown(&scratch);
    // As if the number of t/a had been another file's before.
    let ino = fs::metadata(scratch.path("t/a")).unwrap().ino();
    change(&scratch, |record| {
        if record.inode.ino == ino {
            record.inode.birth.as_mut().unwrap().sec -= 1000;
            record.path = Some(b"gone".to_vec());
        }
    });
    fs::remove_file(scratch.path("t/d/b")).unwrap();
    // The lie about the older inode is not told of the newer one.
    assert!(before.contains("t/a regular file 4755 5 6") && shown(&scratch).contains("t/a regular file 755 0 0"));
    change(&scratch, |_| ());
    let saved = fs::read(scratch.path("s")).unwrap();
    let done = check(&scratch, false);
    assert_eq!(fs::read(scratch.path("s")).unwrap(), saved);
    assert!(done.status == 1 && counts(&done).contains(" 1 of deleted files, 0 not in this tree"), "{done:?}");
    assert!(done.out.contains("d/b: was inode "), "{done:?}");
    assert_eq!(check(&scratch, true).status, 0);
    let done = check(&scratch, false);
    assert!(done.status == 0 && counts(&done).starts_with("4 as they were, 0 of reused inodes"), "{done:?}");
}

#[test]
fn a_reused_inode_is_named() {
    let scratch = tree();
    let ino = fs::metadata(scratch.path("t/a")).unwrap().ino();
    change(&scratch, |record| {
        if record.inode.ino == ino {
            record.inode.birth.as_mut().unwrap().sec -= 1000;
            record.path = Some(b"gone".to_vec());
        }
    });
    let done = check(&scratch, false);
    assert!(done.status == 1 && counts(&done).contains("5 as they were, 1 of reused inodes, 0 of"), "{done:?}");
    assert!(done.out.starts_with("a: has the number of another file, gone, inode "), "{done:?}");
    let done = check(&scratch, true);
    assert!(done.status == 0 && done.out.contains("dropped that lie"), "{done:?}");
    assert_eq!(state::read(&scratch.path("s")).unwrap().len(), 5);
}

#[test]
fn a_copy_of_another_kind_or_with_other_permissions_gets_no_lie() {
    let scratch = tree();
    scratch.run(&["sh", "-c", "rm t/a t/d/b && mkdir t/a && echo b > t/d/b && chmod 640 t/d/b"]).good();
    let done = check(&scratch, true);
    assert!(counts(&done).contains("0 of copied files"), "{done:?}");
    assert!(!shown(&scratch).contains(" 7 0 ") && !shown(&scratch).contains(" 5 6 "));
}

#[test]
fn what_cannot_be_looked_at_is_told_in_one_line() {
    let scratch = tree();
    for (words, why) in [(["check", "s", "missing"], "missing"), (["check", "s", "s"], "Not a directory")] {
        let done = scratch.run(&[&["frng-state"], &words[..]].concat());
        assert!(done.status == 125 && done.err.lines().count() == 1 && done.err.contains(why), "{done:?}");
    }
}
