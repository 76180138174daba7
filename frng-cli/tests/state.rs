//! Daemons with a state file: sharing, saving, ending.

mod common;

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use common::{Scratch, end, eventually};
use frng_core::state;

#[test]
fn the_state_is_complete_when_the_command_has_ended() {
    let scratch = Scratch::new();
    for round in 1..30 {
        let script = format!("touch f{round}; chown {round} f{round}");
        scratch.run(&["frng", "-p", "state", "sh", "-c", &script]).good();
        assert_eq!(state::read(&scratch.path("state")).unwrap().len(), round);
    }
    assert_eq!(fs::metadata(scratch.path("state")).unwrap().mode() & 0o777, 0o600);
    scratch.wait_for_the_daemon_to_end();
    assert!(!scratch.path("state.sock").exists());
    assert_eq!(scratch.run(&["frng", "-p", "state", "stat", "-c", "%u", "f7"]).good(), "7\n");
    assert_eq!(scratch.run(&["frng", "stat", "-c", "%u", "f7"]).good(), "0\n");
}

#[test]
fn the_state_is_complete_when_a_command_of_a_few_milliseconds_has_ended() {
    let scratch = Scratch::new();
    scratch.file("f", "");
    for owner in 1..100 {
        scratch.run(&["frng", "-p", "state", "chown", &owner.to_string(), "f"]).good();
        assert_eq!(state::read(&scratch.path("state")).unwrap()[0].lie.uid, owner);
    }
}

#[test]
fn the_state_is_complete_when_the_last_process_was_killed() {
    let scratch = Scratch::new();
    for round in 1..10 {
        let script = format!("touch f{round}; chown {round} f{round}; kill -KILL $$");
        assert_eq!(scratch.run(&["frng", "-p", "state", "sh", "-c", &script]).status, 128 + libc::SIGKILL);
        assert_eq!(state::read(&scratch.path("state")).unwrap().len(), round);
    }
}

#[test]
fn lies_are_shared_while_several_run() {
    let scratch = Scratch::new();
    let mut command =
        scratch.command(&["frng", "-p", "state", "sh", "-c", "touch a; chown 5 a; touch ready; read end; true"]);
    let mut first = command.stdin(Stdio::piped()).spawn().unwrap();
    eventually(|| scratch.path("ready").exists());
    let socket = fs::symlink_metadata(scratch.path("state.sock")).unwrap();
    assert!(socket.file_type().is_socket());
    assert_eq!(socket.mode() & 0o777, 0o600);
    symlink("state", scratch.path("link")).unwrap();
    for name in ["state", "./state", "link"] {
        let shown = scratch.run(&["frng", "-p", name, "sh", "-c", "stat -c %u a; chown 6 a"]);
        assert_eq!(shown.status, 0, "{shown:?}");
        scratch.run(&["frng", "-p", name, "chown", "5", "a"]).good();
    }
    drop(first.stdin.take());
    end(first).unwrap();
    assert_eq!(state::read(&scratch.path("state")).unwrap()[0].lie.uid, 5);
    scratch.wait_for_the_daemon_to_end();
}

#[test]
fn the_socket_is_private_whatever_the_umask_and_has_room_for_long_names() {
    let scratch = Scratch::new();
    let name = format!("{}/{}", "d".repeat(200), "s".repeat(250));
    for umask in ["000", "777"] {
        let script = format!(
            "umask {umask}; exec frng -p {name} sh -c 'umask; stat -c %a {name}.sock {name}; frng-state check {name}'"
        );
        let directory = scratch.path("d".repeat(200));
        let _ = fs::create_dir(&directory);
        scratch.give(&directory);
        let done = scratch.run(&["sh", "-c", &script]);
        assert!(done.out.starts_with(&format!("0{umask}\n600\n")), "{done:?}");
        fs::remove_file(scratch.path(&name)).unwrap();
    }
}

#[test]
fn a_killed_daemon_kills_its_tracees_and_the_next_one_recovers_what_they_did() {
    let scratch = Scratch::new();
    scratch.run(&["frng", "-p", "state", "sh", "-c", "touch a b; chown 5 a"]).good();
    scratch.wait_for_the_daemon_to_end();
    let script = "chown 6 b; chown 0 a; setfattr -n security.x -v y b 2>/dev/null; touch ready; exec sleep 100";
    let mut command = scratch.command(&["frng", "-p", "state", "sh", "-c", script]);
    let command = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually(|| scratch.path("ready").exists());
    let daemon = scratch.daemon().unwrap();
    // SAFETY: the daemon of the command that was just started.
    unsafe { libc::kill(daemon, libc::SIGKILL) };
    assert_eq!(end(command).unwrap().status, 128 + libc::SIGKILL);
    scratch.wait_for_the_daemon_to_end();
    let live = fs::read_link(scratch.path("state.live")).unwrap();
    assert_eq!(fs::metadata(&live).unwrap().mode() & 0o777, 0o600);
    // Without a daemon too, as soon as the last thread of the killed one no longer holds the lock.
    let owners = |name: &str| state::read(&scratch.path(name)).unwrap().iter().map(|r| r.lie.uid).collect::<Vec<_>>();
    eventually(|| owners("state").contains(&6));
    let done = scratch.run(&["frng", "-l", "log", "-p", "state", "stat", "-c", "%u", "a", "b"]);
    assert_eq!((done.status, done.out.as_str()), (0, "0\n6\n"), "{done:?}");
    assert_eq!(done.err, "frng: the last daemon was killed: recovered 2 lies\n");
    assert!(fs::read_to_string(scratch.path("log")).unwrap().contains("recovered 2 lies"));
    scratch.wait_for_the_daemon_to_end();
    assert!(owners("state").contains(&6));
    assert!(!live.exists() && !scratch.path("state.live").is_symlink() && !scratch.path("state.sock").exists());
    assert_eq!(scratch.run(&["frng", "-p", "state", "stat", "-c", "%u", "a", "b"]).good(), "0\n6\n");
}

#[test]
fn sigalrm_lists_the_tracees_in_the_log() {
    let scratch = Scratch::new();
    let mut command = scratch.command(&["frng", "-l", "log", "sh", "-c", "touch ready; read end; true"]);
    let mut command = command.stdin(Stdio::piped()).spawn().unwrap();
    eventually(|| scratch.path("ready").exists());
    let pid = command.id();
    // SAFETY: the daemon of the command that was just started.
    unsafe { libc::kill(scratch.daemon().unwrap(), libc::SIGALRM) };
    eventually(|| {
        let log = fs::read_to_string(scratch.path("log")).unwrap();
        log.lines().any(|line| line.contains(" info ") && line.contains(&pid.to_string()) && line.contains("parent"))
    });
    drop(command.stdin.take());
    assert_eq!(end(command).unwrap().status, 0);
}

/// Tells of each daemon: directory, stdin, how often the file `mark` is open, whether session and process group are the
/// command's.
const PROBE: &str = "for p in /proc/[0-9]*; do
    [ \"$(readlink $p/exe)\" = \"$(command -v frng)\" ] || continue
    echo $(readlink $p/cwd $p/fd/0) $(ls -l $p/fd | grep -c mark)
    set -- $(cat $p/stat) $(cat /proc/$$/stat)
    [ $6 = ${58} ] && echo same session
    [ $5 = ${57} ] && echo same group
done; exit 0";

#[test]
fn the_daemon_is_out_of_the_way_of_its_caller() {
    let scratch = Scratch::new();
    let run = |options: &str| {
        let script = format!("exec 7>mark; exec frng {options} sh -c \"$1\"");
        let seen = scratch.run(&["sh", "-c", &script, "sh", PROBE]).good();
        // The next one is not to see this one's daemon, which may still be ending.
        scratch.wait_for_the_daemon_to_end();
        seen
    };
    assert_eq!(run(""), "/ /dev/null 0\n");
    assert_eq!(run("-p state -l log"), "/ /dev/null 0\n");
    assert_eq!(run("-d"), format!("{} /dev/null 0\nsame session\n", scratch.work().display()));
}

#[test]
fn engines_can_be_mixed_on_one_state() {
    let scratch = Scratch::new();
    scratch.run(&["frng", "--engine", "ptrace", "-p", "state", "sh", "-c", "touch a; chown 5 a"]).good();
    let script = "frng-state check state; stat -c %u a; touch ready; until [ -e done ]; do sleep 0.01; done";
    let mut first = scratch.command(&["frng", "--engine", "seccomp", "-p", "state", "sh", "-c", script]);
    let first = first.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually(|| scratch.path("ready").exists());
    scratch.run(&["frng", "--engine", "ptrace", "-p", "state", "sh", "-c", "chown 6 a; touch done"]).good();
    assert_eq!(end(first).unwrap().good(), "state: 1 lies\n5\n");
    assert_eq!(scratch.run(&["frng", "-p", "state", "stat", "-c", "%u", "a"]).good(), "6\n");
}

/// A little generator (xorshift), so that a failing run can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// The whole size: `FRNG_STRESS_ROUNDS=200 FRNG_STRESS_CONCURRENT=64 cargo test --release -p frng-cli --test state stress`.
#[test]
fn stress_many_at_once_lose_no_lie_and_leave_no_daemon() {
    let rounds = setting("FRNG_STRESS_ROUNDS", 5);
    let concurrent = setting("FRNG_STRESS_CONCURRENT", 16);
    let seed = setting("FRNG_STRESS_SEED", 1 + u64::from(std::process::id()));
    eprintln!("FRNG_STRESS_SEED={seed}");
    let mut random = Random(seed);
    let scratch = Scratch::new();
    let mut owners = HashMap::new();
    for round in 0..rounds {
        let mut commands = Vec::new();
        for index in 0..concurrent {
            thread::sleep(Duration::from_millis(random.below(4)));
            let owner = 1 + round * concurrent + index;
            let file = format!("f{owner}");
            let nap = random.below(40);
            let end = if random.below(4) == 0 { "kill -KILL $$" } else { "exit 7" };
            let script = format!("touch {file}; chown {owner}:{owner} {file}; sleep 0.0{nap:02}; {end}");
            let wanted = if end == "exit 7" { 7 } else { 128 + libc::SIGKILL };
            let mut command = scratch.command(&["frng", "-p", "state", "sh", "-c", &script]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            commands.push((command.spawn().unwrap(), wanted));
            owners.insert(file, owner as u32);
        }
        for (command, wanted) in commands {
            let done = end(command).unwrap_or_else(|| panic!("hangs in round {round}"));
            assert_eq!((done.status, done.err.as_str()), (wanted, ""), "round {round}: {done:?}");
        }
        let saved: HashMap<u64, u32> = state::read(&scratch.path("state"))
            .unwrap()
            .into_iter()
            .map(|record| (record.inode.ino, record.lie.uid))
            .collect();
        for (file, owner) in &owners {
            let inode = fs::metadata(scratch.path(file)).unwrap().ino();
            assert_eq!(saved.get(&inode), Some(owner), "{file} after round {round}");
        }
        scratch.wait_for_the_daemon_to_end();
        assert!(!scratch.path("state.sock").exists(), "after round {round}");
    }
}
