//! `frng --doctor` where all is well, and where it is not.

mod common;

use std::fs;
use std::process::Command;

use common::{Done, Scratch, finish, forbid};

/// What is told about a subject, with the mend in the next line, if there is one.
fn told(done: &Done, subject: &str) -> String {
    let mut lines = done.out.lines().skip_while(|line| !line.starts_with(subject));
    let line = lines.next().unwrap_or_else(|| panic!("nothing about {subject}: {done:?}")).to_owned();
    let mend = lines.next().filter(|line| line.trim_start().starts_with("-> ")).unwrap_or_default();
    line + mend
}

#[track_caller]
fn contains(done: &Done, subject: &str, parts: &[&str]) {
    let told = told(done, subject);
    assert!(parts.iter().all(|part| told.contains(part)), "{parts:?}: {told}");
}

/// Runs it where calls of this number fail with `EPERM`.
fn without(scratch: &Scratch, number: libc::c_long) -> Done {
    let mut command: Command = scratch.command(&["frng", "--doctor"]);
    forbid(&mut command, number);
    finish(command)
}

fn works(done: &Done, engines: &[&str]) {
    for engine in ["inline", "seccomp", "ptrace"] {
        let works = told(done, &format!("engine {engine}")).ends_with(" works");
        assert_eq!(works, engines.contains(&engine), "{engine}: {done:?}");
    }
    let sum = done.out.lines().last().unwrap();
    match engines.first() {
        Some(engine) => {
            assert_eq!((sum, done.status), (&*format!("frng works here; it takes the engine {engine}."), 0))
        }
        None => assert_eq!((sum, done.status), ("frng cannot work here.", 1)),
    }
}

/// Those that this build has.
fn engines() -> &'static [&'static str] {
    if frng_cli::abis::AGENT.is_some() { &["inline", "seccomp", "ptrace"] } else { &["seccomp", "ptrace"] }
}

#[test]
fn in_a_plain_shell_all_is_well() {
    let scratch = Scratch::new();
    let done = scratch.run(&["frng", "--doctor"]);
    works(&done, engines());
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    contains(&done, "kernel", &[release.trim(), "new enough"]);
    contains(&done, "traced", &["by nobody"]);
    contains(&done, "ptrace", &["is allowed"]);
    contains(&done, "seccomp", &["filters are allowed"]);
    contains(&done, "shared memory", &["memfd_create"]);
    assert!(!done.out.contains("->"), "{done:?}");
    done.good();
    scratch.wait_for_the_daemon_to_end();
    assert_eq!(fs::read_dir(scratch.work()).unwrap().count(), 0);
}

#[test]
fn where_ptrace_is_forbidden_nothing_works() {
    let scratch = Scratch::new();
    let done = without(&scratch, libc::SYS_ptrace);
    works(&done, &[]);
    contains(&done, "ptrace", &["is refused: Operation not permitted", "->", "SYS_PTRACE"]);
    contains(&done, "engine ptrace", &["cannot trace", "Operation not permitted"]);
    scratch.wait_for_the_daemon_to_end();
}

#[test]
fn where_seccomp_is_forbidden_ptrace_is_taken() {
    let scratch = Scratch::new();
    let done = without(&scratch, libc::SYS_seccomp);
    works(&done, &["ptrace"]);
    contains(&done, "seccomp", &["filters are refused", "->", "engine ptrace"]);
    contains(&done, "engine seccomp", &["refuses its filters"]);
}

#[test]
fn in_a_fake_root_it_says_so() {
    let scratch = Scratch::new();
    let done = scratch.run(&["frng", "frng", "--doctor"]);
    // Through the outer one, which answers what a tracer asks.
    works(&done, &["ptrace"]);
    contains(&done, "traced", &["a frng", "->", "needs no other one"]);
}

#[test]
fn a_directory_mounted_noexec_is_told_with_its_variable() {
    let scratch = Scratch::new();
    let directory = scratch.path("d");
    fs::create_dir(&directory).unwrap();
    let mounts = format!("mount -t tmpfs -o mode=777,noexec none {}", directory.display());
    let script = "FAKEROOT_TMPDIR=$PWD/d frng --doctor";
    let Some(done) = scratch.run_with_mounts(&mounts, script) else { return };
    works(&done, &[]);
    contains(&done, "shared memory", &["/work/d", "Operation not permitted", "->", "set FAKEROOT_TMPDIR", "noexec"]);
    // Without the variable it does not matter that the directory for temporary files is one.
    let Some(done) = scratch.run_with_mounts(&mounts, "TMPDIR=$PWD/d frng --doctor") else { return };
    works(&done, engines());
    // But it does where there is no memfd_create.
    let mut command = scratch.command(&["frng", "--doctor"]);
    forbid(&mut command, libc::SYS_memfd_create);
    let done = finish(command);
    works(&done, engines());
    contains(&done, "shared memory", &["is made in ", "/work"]);
}
