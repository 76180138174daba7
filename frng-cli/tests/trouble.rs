//! What goes wrong: it is told in one line, as early as can be, and nothing is lost.

mod common;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{Scratch, end, engines, eventually, finish, forbid};
use frng_core::state;

/// A command under a daemon, which has made the file `ready` and waits until the file `go` is there.
fn start(scratch: &Scratch, options: &[&str], script: &str) -> Child {
    let script = format!("{script}; touch ready; until [ -e go ]; do sleep 0.01; done");
    let words = [&["frng"], options, &["sh", "-c", &script]].concat();
    let child = scratch.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually(|| scratch.path("ready").exists());
    child
}

/// Lowers a limit of the daemon, as its user may.
fn limit(scratch: &Scratch, limit: &str) {
    let daemon = scratch.daemon().unwrap().to_string();
    scratch.run(&["prlimit", "--pid", &daemon, limit]).good();
}

fn owners(scratch: &Scratch, state: &str) -> Vec<u32> {
    state::read(&scratch.path(state)).unwrap().iter().map(|record| record.lie.uid).collect()
}

#[test]
fn a_full_disk_is_told_and_the_state_is_left_elsewhere() {
    let scratch = Scratch::new();
    let full = scratch.path("full");
    fs::create_dir(&full).unwrap();
    let script = "
        frng -p full/state sh -c 'touch a b; chown 5 a'
        cp full/state before
        frng -p full/state sh -c 'chown 6 a; chown 7 b; dd if=/dev/zero of=full/fill bs=4k 2>/dev/null; exit 3'
        echo status $?
        cmp full/state before
        frng -p full/state true
        echo status $?
        cmp full/state before
        [ -e full/state.sock ] && echo socket
        rm full/fill
        mv $(readlink full/state.unsaved) full/state
        frng -p full/state true
        rm full/state.unsaved
        frng -p full/state stat -c %u a b
        ls -A full";
    let mounts = format!("mount -t tmpfs -o size=64k,mode=777 none {}", full.display());
    let Some(done) = scratch.run_with_mounts(&mounts, script) else { return };
    assert_eq!(done.out, "status 3\nstatus 125\n6\n7\nstate\n", "{done:?}");
    let lines: Vec<&str> = done.err.lines().collect();
    let [failed, next, gone] = lines[..] else { panic!("{done:?}") };
    let state = full.join("state").display().to_string();
    assert!(failed.starts_with(&format!("frng: cannot save the state to {state}: No space left on device; it is in ")));
    let place = failed.split("it is in ").nth(1).unwrap().split(';').next().unwrap();
    assert!(failed.ends_with(&format!("; move {place} to {state} when that is mended")), "{failed}");
    assert!(place.starts_with(scratch.work().to_str().unwrap()), "{failed}");
    assert!(next.contains("could not be saved in it, but in") && next.contains(place), "{next}");
    assert!(gone.contains("is gone; remove") && gone.contains("state.unsaved"), "{gone}");
}

#[test]
fn a_state_whose_name_was_taken_is_left_beside_it() {
    let scratch = Scratch::new();
    let script = "touch a; chown 5 a; rm state; echo precious > state; exit 3";
    let done = scratch.run(&["frng", "-l", "log", "-p", "state", "sh", "-c", script]);
    assert_eq!((done.status, done.err.lines().count()), (3, 1), "{done:?}");
    let unsaved = scratch.path("state.unsaved");
    // It writes its log to the end.
    scratch.wait_for_the_daemon_to_end();
    for text in [done.err, fs::read_to_string(scratch.path("log")).unwrap()] {
        let is_told =
            text.contains("another file has taken its name; it is in") && text.contains(unsaved.to_str().unwrap());
        assert!(is_told, "{text}");
    }
    assert_eq!(fs::read(scratch.path("state")).unwrap(), b"precious\n");
    scratch.run(&["frng", "-p", "state", "true"]).failed(&["move", unsaved.to_str().unwrap()]);
    assert_eq!(fs::read(scratch.path("state")).unwrap(), b"precious\n");
    fs::rename(unsaved, scratch.path("state")).unwrap();
    assert_eq!(scratch.run(&["frng", "-p", "state", "stat", "-c", "%u", "a"]).good(), "5\n");
}

#[test]
fn what_can_be_written_nowhere_stays_in_the_live_table_until_the_next_one_can_save_it() {
    let scratch = Scratch::new();
    scratch.run(&["frng", "-p", "state", "sh", "-c", "touch a; chown 5 a"]).good();
    let before = fs::read(scratch.path("state")).unwrap();
    scratch.wait_for_the_daemon_to_end();
    let command = start(&scratch, &["-p", "state"], "chown 6 a");
    limit(&scratch, "--fsize=10:10");
    fs::write(scratch.path("go"), "").unwrap();
    let done = end(command).unwrap();
    assert_eq!((done.status, done.err.lines().count()), (0, 1), "{done:?}");
    assert!(done.err.contains("File too large; until the machine is restarted it is in"), "{done:?}");
    assert!(done.err.contains("state.live"), "{done:?}");
    assert_eq!(fs::read(scratch.path("state")).unwrap(), before);
    let done = scratch.run(&["frng", "-p", "state", "stat", "-c", "%u", "a"]);
    assert_eq!((done.out.as_str(), done.err.as_str()), ("6\n", "frng: the last daemon was killed: recovered 1 lies\n"));
    scratch.wait_for_the_daemon_to_end();
    let mut names: Vec<_> = fs::read_dir(scratch.work()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a", "go", "ready", "state"]);
}

#[test]
fn what_nothing_leads_to_stays_in_the_live_table_too() {
    let scratch = Scratch::new();
    let directory = scratch.path("d");
    fs::create_dir(&directory).unwrap();
    std::os::unix::fs::chown(&directory, Some(54321), Some(54321)).unwrap();
    scratch.run(&["frng", "-p", "d/state", "sh", "-c", "touch a; chown 5 a"]).good();
    scratch.wait_for_the_daemon_to_end();
    let command = start(&scratch, &["-p", "d/state"], "chown 6 a");
    // Neither the state nor what tells where it is can be made there now.
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o555)).unwrap();
    fs::write(scratch.path("go"), "").unwrap();
    let done = end(command).unwrap();
    scratch.wait_for_the_daemon_to_end();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(done.err.contains("Permission denied; it is in "), "{done:?}");
    let next = scratch.run(&["frng", "-p", "d/state", "stat", "-c", "%u", "a"]);
    assert_eq!((next.out.as_str(), next.status), ("6\n", 0), "{next:?}");
}

#[test]
fn what_is_told_at_the_end_reaches_a_pipe_that_nobody_else_holds() {
    let scratch = Scratch::new();
    let line = "frng: cannot write the statistics to /dev/full: No space left on device\n";
    for engine in engines() {
        for command in ["true", "sh -c 'kill -KILL $$'", "sh -c 'sleep 0.01 & wait; exit 3'"] {
            let script = format!("frng --engine {engine} --stats /dev/full {command} 2>&1 | cat");
            for round in 0..10 {
                // The shell has a word on its stderr about a command that was killed.
                assert_eq!(scratch.run(&["sh", "-c", &script]).out, line, "{script}, round {round}");
            }
        }
    }
}

#[test]
fn nobody_who_waits_for_the_end_of_a_pipe_waits_for_the_daemon() {
    let scratch = Scratch::new();
    // What waits runs into the deadline.
    let quick = |what: &str, run: &dyn Fn() -> common::Done| assert_eq!(run().good(), "", "{what}");
    let wait = "until [ -e go ]; do sleep 0.1; done";
    // A pipe of the user's, and one (of the test's own) that he could not open.
    for script in [
        "frng -p state true 2>&1 | cat".into(),
        format!("frng -p state sh -c '({wait}) >/dev/null 2>&1 &' 2>&1 | cat"),
        format!("(frng -p state sh -c 'exec >/dev/null 2>&1; {wait}' &) 2>&1 | cat"),
    ] {
        quick(&script, &|| scratch.run(&["sh", "-c", &script]));
    }
    quick("background", &|| scratch.run(&["frng", "-p", "state", "sh", "-c", &format!("({wait}) >/dev/null 2>&1 &")]));
    assert!(scratch.daemon().is_some());
    fs::write(scratch.path("go"), "").unwrap();
    scratch.wait_for_the_daemon_to_end();
}

#[test]
fn a_daemon_that_is_told_to_end_saves_first() {
    for (signal, name) in [(libc::SIGTERM, "SIGTERM"), (libc::SIGHUP, "SIGHUP"), (libc::SIGINT, "SIGINT")] {
        let scratch = Scratch::new();
        let command = start(&scratch, &["-l", "log", "-p", "state"], "touch a; chown 5 a");
        // SAFETY: the daemon of the command that was just started.
        unsafe { libc::kill(scratch.daemon().unwrap(), signal) };
        let done = end(command).unwrap();
        assert_eq!(done.status, 128 + libc::SIGKILL);
        assert_eq!(done.err, format!("frng: the daemon was ended by {name}, which ends its commands too\n"));
        assert_eq!(owners(&scratch, "state"), [5]);
        scratch.wait_for_the_daemon_to_end();
        let log = fs::read_to_string(scratch.path("log")).unwrap();
        assert!(log.contains(name) && log.contains("1 lies saved"), "{log}");
        assert!(!scratch.path("state.sock").exists());
        assert_eq!(scratch.run(&["frng", "-p", "state", "stat", "-c", "%u", "a"]).good(), "5\n");
    }
}

#[test]
fn state_files_that_could_not_be_saved_are_refused_before_the_command_runs() {
    let scratch = Scratch::new();
    let directory = scratch.path("d");
    fs::create_dir(&directory).unwrap();
    let d = directory.display();
    let script = "frng -p d/state touch ran; echo $?; ls -A d; ls ran";
    for (mounts, content, why) in [
        (
            format!("mount -t tmpfs -o mode=777 none {d}; touch {d}/state; mount -o remount,ro {d}"),
            "state\n",
            "Read-only file system",
        ),
        (format!("mount -t tmpfs -o mode=777 none {d}; mount -o remount,ro {d}"), "", "Read-only file system"),
        (
            format!(
                "mount -t tmpfs -o mode=777,size=8k none {d}; dd if=/dev/zero of={d}/fill bs=4k 2>/dev/null || true"
            ),
            "fill\n",
            "No space left on device",
        ),
        (
            format!(
                "mount -t tmpfs -o mode=777 none {d}; cd {d}; touch state; chown 54321 state; mount --bind state state; cd .."
            ),
            "state\n",
            "it is a mount point",
        ),
    ] {
        let Some(done) = scratch.run_with_mounts(&mounts, script) else { return };
        assert_eq!(done.out, format!("125\n{content}"), "{done:?}");
        let lines: Vec<&str> = done.err.lines().collect();
        assert_eq!(lines.len(), 2, "{done:?}");
        assert!(lines[0].starts_with("frng: ") && lines[0].contains(why) && lines[0].contains("state"), "{done:?}");
    }
    scratch.wait_for_the_daemon_to_end();
}

#[test]
fn a_temporary_directory_mounted_noexec_is_told_with_its_variable() {
    let scratch = Scratch::new();
    let directory = scratch.path("d");
    fs::create_dir(&directory).unwrap();
    let mounts = format!("mount -t tmpfs -o mode=777,noexec none {}", directory.display());
    let script = "FAKEROOT_TMPDIR=$PWD/d frng -p state true; echo $?; ls -A d; ls";
    let Some(done) = scratch.run_with_mounts(&mounts, script) else { return };
    assert_eq!((done.out.as_str(), done.err.lines().count()), ("125\nd\n", 1), "{done:?}");
    assert!(done.err.starts_with("frng: ") && done.err.contains("noexec"), "{done:?}");
    assert!(done.err.contains("FAKEROOT_TMPDIR"), "{done:?}");
}

fn without_ptrace(mut command: Command) -> Command {
    forbid(&mut command, libc::SYS_ptrace);
    command
}

#[test]
fn ptrace_that_is_forbidden_is_told_and_leaves_nothing() {
    let scratch = Scratch::new();
    for engine in ["seccomp", "ptrace"] {
        let command = scratch.command(&["frng", "--engine", engine, "-p", "state", "touch", "ran"]);
        finish(without_ptrace(command)).failed(&["cannot trace", "Operation not permitted", "ptrace"]);
        scratch.wait_for_the_daemon_to_end();
        assert_eq!(fs::read_dir(scratch.work()).unwrap().count(), 0);
    }
    let known = scratch.file("known", "");
    finish(without_ptrace(scratch.command(&["frng", "-p", "known", "true"]))).failed(&["cannot trace"]);
    scratch.wait_for_the_daemon_to_end();
    assert!(known.exists());
}

#[test]
fn a_daemon_that_can_make_no_thread_says_so_to_who_wants_to_join() {
    let scratch = Scratch::new();
    let command = start(&scratch, &["-p", "state"], "true");
    limit(&scratch, "--nproc=1:1");
    scratch.run(&["frng", "-p", "state", "true"]).failed(&["cannot join", "no more processes", "ulimit -u"]);
    fs::write(scratch.path("go"), "").unwrap();
    end(command).unwrap().good();
    scratch.wait_for_the_daemon_to_end();
}

#[test]
fn a_daemon_that_can_make_no_process_attaches_and_ends_all_the_same() {
    // Has a connection thread already when the limit comes, and nobody else who would wake the tracer.
    const CLIENT: &str = "
import os, resource, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect('state.sock')
s.settimeout(20)
s.send(b'r\\x06')
granted = s.recv(100)
assert granted[:2] == b'G\\x06', granted
daemon = int.from_bytes(granted[2:], 'little')
resource.prlimit(daemon, resource.RLIMIT_NPROC, (1, 1))
s.send(b'a\\x00\\x00')
attached = s.recv(100)
assert attached[:1] == b'A', attached
print('attached')
";
    let scratch = Scratch::new();
    // Makes no stop while it waits.
    let fifo = scratch.path("fifo");
    scratch.run(&["mkfifo", "fifo"]).good();
    let words = ["frng", "-p", "state", "sh", "-c", "touch a; chown 5 a; touch ready; read x < fifo"];
    let command = scratch.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually(|| scratch.path("ready").exists());
    std::thread::sleep(Duration::from_millis(200));
    let python = PathBuf::from("/usr/bin/python3");
    if !python.exists() {
        eprintln!("skipped: needs /usr/bin/python3");
        File::options().write(true).open(fifo).unwrap();
        end(command).unwrap();
        return;
    }
    assert_eq!(scratch.run(&[python.to_str().unwrap(), "-c", CLIENT]).good(), "attached\n");
    // SAFETY: the daemon of the command that was just started.
    unsafe { libc::kill(scratch.daemon().unwrap(), libc::SIGTERM) };
    assert_eq!(end(command).unwrap().status, 128 + libc::SIGKILL);
    scratch.wait_for_the_daemon_to_end();
    assert_eq!(owners(&scratch, "state"), [5]);
}

#[test]
fn an_invocation_that_is_killed_while_it_starts_leaves_no_socket() {
    let scratch = Scratch::new();
    for delay in 0..40 {
        let child = scratch.command(&["frng", "-p", "state", "true"]).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(delay * 200));
        // SAFETY: our own child, which has not been waited for.
        unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
        end(child).unwrap();
        scratch.wait_for_the_daemon_to_end();
        assert!(!scratch.path("state.sock").exists(), "after {delay}");
    }
}

#[test]
fn a_daemon_without_descriptors_goes_on_and_its_lies_are_there_afterwards() {
    for engine in engines() {
        let scratch = Scratch::new();
        let script = "touch a; chown 5 a; touch ready; until [ -e go ]; do sleep 0.01; done; chown 6 a; stat -c %u a";
        let words = ["frng", "--engine", engine, "-p", "state", "sh", "-c", script];
        let command = scratch.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        eventually(|| scratch.path("ready").exists());
        limit(&scratch, "--nofile=1:1");
        fs::write(scratch.path("go"), "").unwrap();
        let done = end(command).unwrap();
        assert_eq!((done.status, done.out.as_str()), (0, "6\n"), "{engine}: {done:?}");
        assert!(done.err.contains("Too many open files"), "{engine}: {done:?}");
        scratch.wait_for_the_daemon_to_end();
        let done = scratch.run(&["frng", "-p", "state", "stat", "-c", "%u", "a"]);
        assert_eq!((done.out.as_str(), done.status), ("6\n", 0), "{engine}: {done:?}");
        assert!(done.err.contains("recovered"), "{engine}: {done:?}");
    }
}
