//! What the command line promises.

mod common;

use std::fs::{self, Permissions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;

use common::{Scratch, finish, is_root};

#[test]
fn version_and_help_go_to_stdout() {
    let scratch = Scratch::new();
    for program in ["frng", "fakeroot-ng"] {
        for option in ["-v", "--version"] {
            let text = scratch.run(&[program, option]).good();
            assert!(text.starts_with(concat!("frng ", env!("CARGO_PKG_VERSION"), "\nCopyright")), "{text}");
        }
        let short = scratch.run(&[program, "-h"]).good();
        let long = scratch.run(&[program, "--help"]).good();
        assert!(long.starts_with(&short) && long.len() > short.len());
        assert!(long.lines().all(|line| line.len() <= 120));
    }
}

#[test]
fn wrong_usage_is_told_in_one_line() {
    let scratch = Scratch::new();
    scratch.run(&["frng", "--root"]).failed(&["--root needs an argument"]);
    scratch.run(&["frng", "-b", "/proc", "true"]).failed(&["-b needs --root"]);
    scratch.run(&["frng", "--root", "/nothing", "true"]).failed(&["cannot enter /nothing: No such file"]);
    scratch.run(&["frng", "--root", "/", "-b", "/nothing:/tmp", "true"]).failed(&["cannot show /nothing at /tmp: "]);
    scratch.run(&["frng", "--nothing", "true"]).failed(&["unknown option --nothing"]);
    scratch.run(&["frng", "-x", "true"]).failed(&["unknown option -x"]);
    scratch.run(&["frng", "-p"]).failed(&["-p needs an argument"]);
    scratch.run(&["frng", "--log"]).failed(&["--log needs an argument"]);
    scratch.run(&["frng", "--engine", "steam", "true"]).failed(&["steam", "ptrace, seccomp, inline or auto"]);
    scratch.run(&["frng", "--unknown", "me", "true"]).failed(&["self, root or real"]);
}

#[test]
fn exit_status_and_death_are_the_commands_own() {
    let scratch = Scratch::new();
    assert_eq!(scratch.run(&["frng", "sh", "-c", "exit 42"]).status, 42);
    assert_eq!(scratch.run(&["frng", "sh", "-c", "kill -TERM $$"]).status, 128 + libc::SIGTERM);
    assert_eq!(scratch.run(&["fakeroot-ng", "id", "-u"]).good(), "0\n");
}

#[test]
fn a_command_that_cannot_be_executed_is_126_and_a_missing_one_127() {
    let scratch = Scratch::new();
    scratch.file("plain", "true\n");
    // Neither is a script for the shell: a program for no CPU, and what it would have to interpret.
    for (name, text) in [("foreign", "\x7fELFtrue\n"), ("interpreted", "#!./foreign\ntrue\n")] {
        fs::set_permissions(scratch.file(name, text), Permissions::from_mode(0o755)).unwrap();
    }
    let cannot = ["./plain", "/", "./foreign", "./interpreted"].map(|command| (command, 126));
    for (command, status) in [("no-such-command", 127), ("./missing", 127), ("", 127)].into_iter().chain(cannot) {
        let done = scratch.run(&["frng", command]);
        assert_eq!(done.status, status, "{done:?}");
        assert!(done.err.starts_with("frng: cannot execute ") && done.err.lines().count() == 1, "{done:?}");
    }
    scratch.wait_for_the_daemon_to_end();
}

#[test]
fn a_script_without_a_first_line_is_run_by_the_shell() {
    let scratch = Scratch::new();
    let script = scratch.file("script", "echo \"$# $1\"\n");
    fs::set_permissions(script, Permissions::from_mode(0o755)).unwrap();
    assert_eq!(scratch.run(&["frng", "./script", "a b"]).good(), "1 a b\n");
}

#[test]
fn without_a_command_the_shell_is_run() {
    let scratch = Scratch::new();
    let mut command = scratch.command(&["frng"]);
    command.env("SHELL", "/usr/bin/id");
    assert!(finish(command).good().starts_with("uid=0(root)"));
    let mut command = scratch.command(&["frng", "--"]);
    command.env_remove("SHELL").arg0("frng");
    // An empty stdin ends it.
    assert_eq!(finish(command).good(), "");
}

#[test]
fn the_command_inherits_what_the_caller_has_set_and_nothing_else() {
    let scratch = Scratch::new();
    // Signals, umask, directory, limits, open descriptors, one with and one without stdin.
    let probe = "grep -E '^(Sig(Blk|Ign|Cgt|Pnd)|ShdPnd|Umask)' /proc/self/status; cat /proc/self/limits; pwd; ls /proc/self/fd; env | sort";
    for set in ["", "trap '' PIPE USR1;", "umask 0123; ulimit -n 100;", "exec <&-;", "exec <&- >&2 2>&-;"] {
        let native = scratch.run(&["sh", "-c", &format!("{set} exec sh -c \"$1\"",), "sh", probe]);
        for options in ["", "-p state -l log"] {
            let script = format!("{set} exec frng {options} sh -c \"$1\"");
            let faked = scratch.run(&["sh", "-c", &script, "sh", probe]);
            assert_eq!(faked.out, native.out, "{set} {options}");
            assert_eq!((faked.status, &faked.err), (native.status, &native.err), "{set} {options}");
        }
    }
}

#[test]
fn state_files_that_cannot_be_used_are_refused_and_left_alone() {
    let scratch = Scratch::new();
    let run = |state: &str| scratch.run(&["frng", "-p", state, "true"]);
    for (content, why) in [
        ("garbage\n", "line 1, column 1"),
        ("frng_state(version: 99)\n", "version 99"),
        ("frng_state(version: 1, lies: 1)\n(dev: \"8:1\", ino: oops)\n", "line 2, column 18"),
        ("frng_state(version: 1, lies: 3)\n", "the file has 0 lies"),
    ] {
        let path = scratch.file("state", content);
        let before = fs::metadata(&path).unwrap();
        run("state").failed(&[path.to_str().unwrap(), why]);
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        assert_eq!(fs::metadata(&path).unwrap().ino(), before.ino());
        assert!(!scratch.path("state.sock").exists());
    }
    run(".").failed(&["Is a directory"]);
    run("missing/state").failed(&["missing/state", "No such file or directory"]);
    run("").failed(&["No such file or directory"]);
    run("/dev/null").failed(&["/dev/null"]);
    let unreadable = scratch.file("unreadable", "");
    fs::set_permissions(&unreadable, Permissions::from_mode(0o000)).unwrap();
    run("unreadable").failed(&["Permission denied"]);
    scratch.file("good", "");
    scratch.file("good.sock", "precious");
    run("good").failed(&["good.sock", "not a socket"]);
    assert_eq!(fs::read(scratch.path("good.sock")).unwrap(), b"precious");
    scratch.file("new.sock", "precious");
    run("new").failed(&["new.sock", "not a socket"]);
    assert!(!scratch.path("new").exists());
    scratch.wait_for_the_daemon_to_end();
}

#[test]
fn frng_state_neither_waits_for_a_fifo_nor_believes_a_device() {
    let scratch = Scratch::new();
    scratch.run(&["mkfifo", "fifo"]).good();
    for path in ["fifo", "/dev/null"] {
        let done = scratch.run(&["frng-state", "check", path]);
        let why = format!("frng-state: cannot use {path} as state file: it is not a regular file\n");
        assert_eq!((done.status, done.err), (125, why));
    }
}

#[test]
fn a_state_file_where_nothing_can_be_made_is_refused() {
    let scratch = Scratch::new();
    let directory = scratch.path("closed");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("state"), "").unwrap();
    scratch.give(&directory.join("state"));
    scratch.give(&directory);
    fs::set_permissions(&directory, Permissions::from_mode(0o555)).unwrap();
    scratch.run(&["frng", "-p", "closed/state", "true"]).failed(&["closed/state.sock", "Permission denied"]);
    scratch.run(&["frng", "-p", "closed/new", "true"]).failed(&["closed/new", "Permission denied"]);
    if is_root() {
        fs::write(scratch.path("foreign"), "").unwrap();
        fs::set_permissions(scratch.path("foreign"), Permissions::from_mode(0o666)).unwrap();
        scratch.run(&["frng", "-p", "foreign", "true"]).failed(&["belongs to another user (0)"]);
    }
}

#[test]
fn a_directory_without_room_for_the_trampoline_is_told_with_its_variable() {
    let scratch = Scratch::new();
    scratch.file("file", "");
    for directory in ["/proc", "missing", "file"] {
        let mut command = scratch.command(&["frng", "-p", "state", "true"]);
        command.env("FAKEROOT_TMPDIR", directory);
        finish(command).failed(&["FAKEROOT_TMPDIR", directory]);
        assert!(!scratch.path("state").exists());
        assert!(!scratch.path("state.sock").exists());
    }
    let mut command = scratch.command(&["frng", "id", "-u"]);
    command.env("FAKEROOT_TMPDIR", scratch.work()).env("TMPDIR", "/missing");
    assert_eq!(finish(command).good(), "0\n");
    let mut command = scratch.command(&["frng", "id", "-u"]);
    command.env("FAKEROOT_TMPDIR", "").env("TMPDIR", ".");
    assert_eq!(finish(command).good(), "0\n");
}

#[test]
fn a_log_that_cannot_be_written_is_refused() {
    let scratch = Scratch::new();
    scratch.run(&["frng", "-p", "state", "-l", "missing/log", "true"]).failed(&["missing/log", "No such file"]);
    assert!(!scratch.path("state").exists());
    // One that is refused for another reason leaves the log as it was.
    scratch.file("broken", "oops\n");
    scratch.file("old", "old\n");
    for log in ["old", "new"] {
        scratch.run(&["frng", "-p", "broken", "-l", log, "true"]).failed(&["broken"]);
    }
    assert_eq!(fs::read(scratch.path("old")).unwrap(), b"old\n");
    assert!(!scratch.path("new").exists());
    scratch.run(&["frng", "-l", "old", "true"]).good();
    assert!(!fs::read_to_string(scratch.path("old")).unwrap().contains("old"));
}

#[test]
fn who_is_traced_already_is_told_so() {
    let scratch = Scratch::new();
    // By a tracer that lets it run.
    let script = "cd \"$0\" && exec strace -o trace frng true";
    if std::process::Command::new("strace").arg("-V").output().is_ok() {
        let done = scratch.run(&["sh", "-c", script, "."]);
        done.failed(&["traced", "another frng"]);
    }
}

#[test]
fn within_another_frng_the_same_state_is_shared_and_another_one_is_its_own() {
    let scratch = Scratch::new();
    let inner = "stat -c %u:%g f; chown 3:4 f; touch g; chown 5:6 g; id -u";
    let ask = "stat -c %u:%g f g";
    for (state, after) in [("outer", "3:4\n5:6\n"), ("inner", "1:2\n0:0\n")] {
        let script = format!(
            "rm -f g; touch f; chown 1:2 f; frng -p {state} sh -c '{inner}' || echo failed; test -e inner.sock; echo $?; {ask}"
        );
        let done = scratch.run(&["frng", "-p", "outer", "sh", "-c", &script]).good();
        // When the inner one has ended its state is complete.
        assert_eq!(done, format!("1:2\n0\n1\n{after}"), "{state}");
    }
    let kept = scratch.run(&["frng", "-p", "inner", "sh", "-c", ask]).good();
    assert_eq!(kept, "3:4\n5:6\n");
    scratch.run(&["frng", "sh", "-c", "frng --engine seccomp true"]).failed(&["another frng", "--engine ptrace"]);
    let deep =
        scratch.run(&["frng", "frng", "frng", "sh", "-c", "touch h; chown 7:8 h; stat -c %u:%g h; exit 0"]).good();
    assert_eq!(deep, "7:8\n");
    scratch.wait_for_the_daemon_to_end();
}

#[test]
fn a_state_file_that_another_program_has_locked_is_refused_after_a_while() {
    let scratch = Scratch::new();
    let path = scratch.file("state", "");
    let file = fs::File::open(&path).unwrap();
    // SAFETY: takes no memory.
    assert_eq!(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) }, 0);
    scratch.run(&["frng", "-p", "state", "true"]).failed(&["another program has locked it"]);
}

#[test]
fn frng_state_shows_and_checks() {
    let scratch = Scratch::new();
    scratch.file(
        "state",
        "frng_state(version: 1, lies: 1)\n(dev: \"8:1\", ino: 7, uid: 1, gid: 2, mode: \"0020620\", rdev: \"5:1\")\n",
    );
    let shown = scratch.run(&["frng-state", "show", "state"]).good();
    assert!(shown.lines().nth(1).unwrap().starts_with("8:1  7    crw--w----  1    2    5:1"), "{shown}");
    assert_eq!(scratch.run(&["frng-state", "check", "state"]).good(), "state: 1 lies\n");
    scratch.file("bad", "frng_state(version: 1, lies: 1)\noops\n");
    for words in [&["check", "bad"][..], &["show", "bad"], &["show", "missing"], &["show"], &["dance", "state"]] {
        let mut line = vec!["frng-state"];
        line.extend(words);
        let done = scratch.run(&line);
        assert_eq!((done.status, done.err.lines().count()), (125, 1), "{done:?}");
    }
    assert!(!scratch.path("missing").exists());
}

#[test]
fn a_kernel_that_is_too_old_is_named_and_the_command_does_not_run() {
    let scratch = Scratch::new();
    let mut command = scratch.command(&["frng", "echo", "it runs"]);
    let refuse_openat2 = || {
        let instruction = |code, k, jf| libc::sock_filter { code, jt: 0, jf, k };
        let mut filter = [
            instruction((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, 0, 0),
            instruction((libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, libc::SYS_openat2 as u32, 1),
            instruction(libc::BPF_RET as u16, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32, 0),
            instruction(libc::BPF_RET as u16, libc::SECCOMP_RET_ALLOW, 0),
        ];
        let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
        // SAFETY: system calls only; the kernel copies the program, which is alive.
        let failed = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1
                || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == -1
        };
        if failed { Err(std::io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: the closure allocates nothing and takes no lock.
    unsafe { command.pre_exec(refuse_openat2) };
    finish(command).failed(&["this kernel, Linux ", "is too old", "use Linux 5.6 or later"]);
}

/// A 32-bit x86 program without libraries that exits with its user id plus 42.
fn program_for_i386() -> Vec<u8> {
    const BASE: u32 = 0x0804_8000;
    const HEADERS: u32 = 52 + 32;
    let code: &[u8] = &[
        0xb8, 199, 0, 0, 0, 0xcd, 0x80, // getuid32
        0x8d, 0x58, 42, // lea 42(%eax),%ebx
        0xb8, 1, 0, 0, 0, 0xcd, 0x80, // exit
    ];
    let len = HEADERS + code.len() as u32;
    let halves = |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let words = |values: &[u32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    [
        b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec(),
        halves(&[2, 3]),
        words(&[1, BASE + HEADERS, 52, 0, 0]),
        halves(&[52, 32, 1, 0, 0, 0]),
        words(&[1, 0, BASE, BASE, len, len, 5, 0x1000]),
        code.to_vec(),
    ]
    .concat()
}

#[test]
fn a_program_of_another_convention_is_fooled_or_refused_but_not_killed() {
    let scratch = Scratch::new();
    let program = scratch.file("program", program_for_i386());
    let script = scratch.file("script", "#!./program\n");
    for file in [program, script] {
        fs::set_permissions(file, Permissions::from_mode(0o755)).unwrap();
    }
    for engine in ["seccomp", "ptrace"] {
        for command in [&["./program"][..], &["./script"], &["sh", "-c", "exec ./program"], &["sh", "-c", "./script"]] {
            let words = [&["frng", "-l", "log", "--engine", engine][..], command].concat();
            let done = scratch.run(&words);
            scratch.wait_for_the_daemon_to_end();
            let log = fs::read_to_string(scratch.path("log")).unwrap();
            let told: Vec<_> = log.lines().filter(|line| line.contains("ENOEXEC") && line.contains("i386")).collect();
            if done.status == 42 {
                assert_eq!(told.len(), 0, "{done:?} {log}");
            } else {
                assert!(!log.contains("killed") && done.status < 128, "{done:?} {log}");
                // What a shell makes of a file that is none of the kernel's own is its business.
                assert!(told.iter().all(|line| line.contains("./program is not executed")), "{log}");
                assert!(!told.is_empty(), "{log}");
            }
        }
    }
}
