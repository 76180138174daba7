//! `frng --doctor` where all is well, and where it is not: what it says of each place is what comes of using frng there.

mod common;

use std::fs;
use std::process::Command;

use common::{Done, Scratch, engines, finish, forbid, kill_for};

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

/// What root does and sees, for the shell.
const JOB: &str = "rm -f f n; touch f; chown 7:8 f; chmod 4711 f; mknod n c 1 3; stat -c '%u:%g %a %F' f n; id -u";
const DONE: &str = "7:8 4711 regular empty file\n0:0 644 character special file\n0\n";

/// Looks what the doctor says of a place, where `place` runs a script, and uses frng there: by each engine, and as it is. The engines
/// that work are `expected`.
#[track_caller]
fn is_right(scratch: &Scratch, expected: &[&str], place: &dyn Fn(&str) -> Done) -> Done {
    let done = place("frng --doctor");
    for engine in ["inline", "seccomp", "ptrace"] {
        let is_told_to_work = told(&done, &format!("engine {engine}")).ends_with(" works");
        let used = place(&format!("frng --engine {engine} sh -c \"{JOB}\""));
        let works = used.status == 0 && used.out == DONE;
        assert_eq!((is_told_to_work, works), (works, expected.contains(&engine)), "{engine}: {used:?} {done:?}");
    }
    let used = place(&format!("frng --stats counts sh -c \"{JOB}\""));
    let sum = done.out.lines().last().unwrap();
    if used.status == 0 && used.out == DONE {
        scratch.wait_for_the_daemon_to_end();
        let taken = taken(&fs::read_to_string(scratch.path("counts")).unwrap());
        assert_eq!((sum, done.status), (&*format!("frng works here; it takes the engine {taken}."), 0));
        assert_eq!(Some(&taken), expected.first());
    } else {
        match expected.first() {
            Some(engine) => assert_eq!(sum, format!("frng works here only if told to by --engine {engine}.")),
            None => assert_eq!(sum, "frng cannot work here."),
        }
        assert_eq!(done.status, 1);
    }
    done
}

/// The engine that statistics are of: the agent says what it has found in programs, and ptrace alone stops at an execve.
fn taken(counts: &str) -> &'static str {
    if counts.contains("that call the agent") {
        "inline"
    } else if counts.lines().any(|line| line.starts_with("execve ")) {
        "ptrace"
    } else {
        "seccomp"
    }
}

/// Where something is done to each command before it runs.
fn with<'scratch>(
    scratch: &'scratch Scratch,
    restrict: impl Fn(&mut Command) + 'scratch,
) -> impl Fn(&str) -> Done + 'scratch {
    move |script| {
        let mut command = scratch.command(&["sh", "-c", script]);
        restrict(&mut command);
        finish(command)
    }
}

#[test]
fn in_a_plain_shell_all_is_well() {
    let scratch = Scratch::new();
    let done = is_right(&scratch, engines(), &with(&scratch, |_| ()));
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    contains(&done, "kernel", &[release.trim(), "new enough"]);
    contains(&done, "traced", &["by nobody"]);
    contains(&done, "ptrace", &["is allowed"]);
    contains(&done, "their memory", &["may be read and written"]);
    contains(&done, "seccomp", &["filters are allowed"]);
    contains(&done, "shared memory", &["memfd_create"]);
    assert!(!done.out.contains("->"), "{done:?}");
    done.good();
    // Nothing is left behind by the doctor itself.
    let scratch = Scratch::new();
    scratch.run(&["frng", "--doctor"]).good();
    scratch.wait_for_the_daemon_to_end();
    assert_eq!(fs::read_dir(scratch.work()).unwrap().count(), 0);
}

#[test]
fn where_ptrace_is_forbidden_nothing_works() {
    let scratch = Scratch::new();
    let done = is_right(&scratch, &[], &with(&scratch, |command| forbid(command, libc::SYS_ptrace)));
    contains(&done, "ptrace", &["is refused: Operation not permitted", "->", "SYS_PTRACE"]);
    contains(&done, "engine ptrace", &["cannot trace", "Operation not permitted"]);
    scratch.wait_for_the_daemon_to_end();
}

#[test]
fn where_memory_of_others_is_forbidden_nothing_works() {
    for call in [libc::SYS_process_vm_readv, libc::SYS_process_vm_writev] {
        let scratch = Scratch::new();
        let done = is_right(&scratch, &[], &with(&scratch, move |command| forbid(command, call)));
        contains(&done, "ptrace", &["is allowed"]);
        contains(&done, "their memory", &["process_vm_", "is refused: Operation not permitted", "->", "SYS_PTRACE"]);
        scratch.wait_for_the_daemon_to_end();
    }
}

#[test]
fn where_seccomp_is_forbidden_ptrace_is_taken() {
    let scratch = Scratch::new();
    let done = is_right(&scratch, &["ptrace"], &with(&scratch, |command| forbid(command, libc::SYS_seccomp)));
    contains(&done, "seccomp", &["filters are refused", "->", "engine ptrace"]);
    contains(&done, "engine seccomp", &["refuses its filters"]);
}

#[test]
fn where_filters_are_forbidden_in_another_way_it_says_that_ptrace_has_to_be_named() {
    let scratch = Scratch::new();
    let done = is_right(&scratch, &["ptrace"], &with(&scratch, |command| forbid(command, libc::SYS_prctl)));
    contains(&done, "engine seccomp", &["cannot install", "use --engine ptrace"]);
}

#[test]
fn a_sandbox_that_kills_does_not_kill_the_doctor() {
    for (call, expected, subject) in [
        (libc::SYS_ptrace, &[][..], "ptrace"),
        (libc::SYS_process_vm_readv, &[], "their memory"),
        // Each asks it whether there is seccomp(2), but for the one that needs none.
        (libc::SYS_seccomp, &["ptrace"], "seccomp"),
        (libc::SYS_memfd_create, &[], "shared memory"),
        (libc::SYS_openat2, &[], "kernel"),
    ] {
        let scratch = Scratch::new();
        let done = is_right(&scratch, expected, &with(&scratch, move |command| kill_for(command, call)));
        contains(&done, subject, &["is killed by SIGSYS", "sandbox", "->"]);
        scratch.wait_for_the_daemon_to_end();
    }
}

#[test]
fn in_a_fake_root_it_says_so() {
    let scratch = Scratch::new();
    let place = |script: &str| scratch.run(&["frng", "sh", "-c", script]);
    // Through the outer one, which answers what a tracer asks.
    let done = place("frng --doctor");
    for engine in ["inline", "seccomp", "ptrace"] {
        let works = told(&done, &format!("engine {engine}")).ends_with(" works");
        assert_eq!(works, engine == "ptrace", "{engine}: {done:?}");
    }
    assert!(done.out.ends_with("\nfrng works here; it takes the engine ptrace.\n"), "{done:?}");
    contains(&done, "traced", &["a frng", "->", "needs no other one"]);
}

/// A directory for temporary files that nothing can be executed in.
const NOEXEC: &str = "mount -t tmpfs -o mode=1777,noexec none";

#[test]
fn a_tmp_mounted_noexec_does_not_matter_by_itself() {
    let scratch = Scratch::new();
    // The variable says where the programs of the test are, and that may be below /tmp.
    let directory = scratch.path("tmp");
    fs::create_dir(&directory).unwrap();
    let mounts = format!("{NOEXEC} {}", directory.display());
    let place = |script: &str| scratch.run_with_mounts(&mounts, &format!("TMPDIR=$PWD/tmp; export TMPDIR; {script}"));
    if place("true").is_none() {
        return;
    }
    let done = is_right(&scratch, engines(), &|script| place(script).unwrap());
    contains(&done, "shared memory", &["memfd_create"]);
    assert!(!done.out.contains("->"), "{done:?}");
}

#[test]
fn a_directory_mounted_noexec_is_told_with_its_variable() {
    let scratch = Scratch::new();
    let directory = scratch.path("d");
    fs::create_dir(&directory).unwrap();
    let mounts = format!("{NOEXEC} {}", directory.display());
    let place = |script: &str| scratch.run_with_mounts(&mounts, &format!("export FAKEROOT_TMPDIR=$PWD/d; {script}"));
    if place("true").is_none() {
        return;
    }
    let done = is_right(&scratch, &[], &|script| place(script).unwrap());
    contains(&done, "shared memory", &["/work/d", "Operation not permitted", "->", "set FAKEROOT_TMPDIR", "noexec"]);
}

#[test]
fn a_tmp_mounted_noexec_matters_where_there_is_no_memfd_create() {
    let scratch = Scratch::new();
    let place = with(&scratch, |command| forbid(command, libc::SYS_memfd_create));
    let done = is_right(&scratch, engines(), &place);
    contains(&done, "shared memory", &["is made in ", "/work"]);
    let directory = scratch.path("d");
    fs::create_dir(&directory).unwrap();
    let mounts = format!("{NOEXEC} {}", directory.display());
    let place = |script: &str| {
        let script = format!("TMPDIR=$PWD/d; export TMPDIR; {script}");
        let mut command = scratch.command_with_mounts(&mounts, &script)?;
        forbid(&mut command, libc::SYS_memfd_create);
        Some(finish(command))
    };
    if place("true").is_none() {
        return;
    }
    let done = is_right(&scratch, &[], &|script| place(script).unwrap());
    contains(&done, "shared memory", &["/work/d", "Operation not permitted", "->", "noexec"]);
}
