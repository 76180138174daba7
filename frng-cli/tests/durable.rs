//! What survives the end of the daemon, or of the machine, in the middle of the work.

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use common::{Scratch, end, engines, eventually};
use frng_core::state;

fn owners(scratch: &Scratch, state: &str) -> Vec<u32> {
    state::read(&scratch.path(state)).unwrap().iter().map(|record| record.lie.uid).collect()
}

/// A command that has made the file `ready` and stays.
fn start(scratch: &Scratch, options: &[&str], script: &str) -> Child {
    let script = format!("{script}; touch ready; exec sleep 100");
    let words = [&["frng"], options, &["sh", "-c", &script]].concat();
    let child = scratch.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually(|| scratch.path("ready").exists());
    child
}

fn kill_daemon(scratch: &Scratch) {
    // SAFETY: the daemon of the command that was just started.
    unsafe { libc::kill(scratch.daemon().unwrap(), libc::SIGKILL) };
}

#[test]
fn within_two_seconds_a_change_is_in_the_state_file_itself() {
    let scratch = Scratch::new();
    for engine in engines() {
        let _ = fs::remove_file(scratch.path("ready"));
        let command = start(&scratch, &["--engine", engine, "-p", "state"], "rm -f a; touch a; chown 5 a");
        thread::sleep(Duration::from_millis(2000));
        // As if the machine had lost its power: what was in memory is gone.
        let live = fs::read_link(scratch.path("state.live")).unwrap();
        kill_daemon(&scratch);
        end(command).unwrap();
        scratch.wait_for_the_daemon_to_end();
        fs::remove_file(live).unwrap();
        assert_eq!(owners(&scratch, "state"), [5], "{engine}");
        let next = scratch.run(&["frng", "-p", "state", "stat", "-c", "%u", "a"]);
        assert_eq!((next.status, next.out.as_str()), (0, "5\n"), "{next:?}");
        assert!(next.err.contains("memory is gone") && next.err.lines().count() == 1, "{next:?}");
        scratch.wait_for_the_daemon_to_end();
        fs::remove_file(scratch.path("state")).unwrap();
    }
}

#[test]
fn a_checkpoint_that_fails_is_told_at_once_and_leaves_the_last_good_file() {
    let scratch = Scratch::new();
    scratch.run(&["frng", "-p", "state", "sh", "-c", "touch a; chown 5 a"]).good();
    scratch.wait_for_the_daemon_to_end();
    let before = fs::read(scratch.path("state")).unwrap();
    let wait = |name: &str| format!("until [ -e {name} ]; do sleep 0.05; done");
    let script = format!("touch ready; {}; chown 6 a; {}; exit 3", wait("full"), wait("go"));
    let mut command = scratch.command(&["frng", "-l", "log", "-f", "-p", "state", "sh", "-c", &script]);
    let mut command = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // A pipe: the limit holds for files of all kinds.
    let mut stderr = BufReader::new(command.stderr.take().unwrap());
    eventually(|| scratch.path("ready").exists());
    let daemon = scratch.daemon().unwrap().to_string();
    scratch.run(&["prlimit", "--pid", &daemon, "--fsize=10:10000000"]).good();
    fs::write(scratch.path("full"), "").unwrap();
    let mut told = String::new();
    stderr.read_line(&mut told).unwrap();
    assert!(told.starts_with("frng: ") && told.contains("File too large; it is tried again"), "{told}");
    assert_eq!(fs::read(scratch.path("state")).unwrap(), before);
    scratch.run(&["prlimit", "--pid", &daemon, "--fsize=10000000:10000000"]).good();
    eventually(|| fs::read(scratch.path("state")).unwrap() != before);
    fs::write(scratch.path("go"), "").unwrap();
    assert_eq!(end(command).unwrap().status, 3);
    scratch.wait_for_the_daemon_to_end();
    told.clear();
    stderr.read_line(&mut told).unwrap();
    assert_eq!((told.as_str(), owners(&scratch, "state")), ("", vec![6]));
    assert!(!scratch.path("state.live").is_symlink() && !scratch.path("state.unsaved").exists());
}

#[test]
fn every_engine_leaves_what_it_has_answered() {
    let scratch = Scratch::new();
    for engine in engines() {
        let _ = fs::remove_file(scratch.path("ready"));
        let script = "rm -f a b; mknod a c 1 3; touch b; chown 5 b; chmod 4711 b";
        let command = start(&scratch, &["--engine", engine, "-p", "state"], script);
        kill_daemon(&scratch);
        end(command).unwrap();
        let next = scratch.run(&["frng", "-p", "state", "stat", "-c", "%A %u %t:%T", "a", "b"]);
        assert_eq!((next.status, next.out.as_str()), (0, "crw-r--r-- 0 1:3\n-rws--x--x 5 0:0\n"), "{next:?}");
        assert!(next.err.starts_with("frng: the last daemon was killed: recovered "), "{next:?}");
        scratch.wait_for_the_daemon_to_end();
    }
}

#[test]
fn a_chosen_directory_holds_the_live_table_and_nothing_afterwards() {
    let scratch = Scratch::new();
    let chosen = scratch.path("chosen");
    fs::create_dir(&chosen).unwrap();
    scratch.give(&chosen);
    let script = format!("FAKEROOT_TMPDIR={} frng -p state sh -c 'readlink state.live'", chosen.display());
    let out = scratch.run(&["sh", "-c", &script]).good();
    assert!(out.starts_with(chosen.to_str().unwrap()), "{out}");
    scratch.wait_for_the_daemon_to_end();
    assert_eq!(fs::read_dir(&chosen).unwrap().count(), 0);
    assert!(!scratch.path("state.live").is_symlink());
}

#[test]
fn without_memory_the_live_table_is_beside_the_state_and_survives_too() {
    let scratch = Scratch::new();
    let hide = "mount -t tmpfs -o size=4k none /dev/shm; mount -t tmpfs -o size=4k none /run";
    let script = "
        frng -p state sh -c 'touch a; chown 5 a; readlink state.live; kill -KILL $(sed -n \"s/.*daemon \\([0-9]*\\).*/\\1/p\" log); sleep 9' &
        wait
        frng -p state stat -c %u a
        ls -A";
    let script = script.replace("frng -p state sh", "frng -l log -f -p state sh");
    let Some(done) = scratch.run_with_mounts(hide, &script) else { return };
    let lines: Vec<&str> = done.out.lines().collect();
    assert!(lines[0].starts_with(scratch.path(".frng-live-").to_str().unwrap()), "{done:?}");
    assert_eq!(lines[1..], ["5", "a", "log", "state"], "{done:?}");
}
