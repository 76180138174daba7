//! What other users, and rude programs of the same one, can do to a daemon: nothing.

mod common;

use std::process::{Child, Stdio};
use std::time::Instant;

use common::{Done, Scratch, end, eventually, finish, is_root};
use frng_core::state;

/// A command with a lie, under a daemon that stays until the file `go` is there.
fn start(scratch: &Scratch) -> Child {
    let script = "touch a; chown 5 a; touch ready; until [ -e go ]; do sleep 0.05; done";
    let mut command = scratch.command(&["frng", "-p", "state", "sh", "-c", script]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually(|| scratch.path("ready").exists());
    child
}

fn end_well(scratch: &Scratch, command: Child) {
    scratch.file("go", "");
    end(command).unwrap().good();
    scratch.wait_for_the_daemon_to_end();
    assert_eq!(state::read(&scratch.path("state")).unwrap()[0].lie.uid, 5);
}

fn has_python() -> bool {
    let there = std::path::Path::new("/usr/bin/python3").exists();
    if !there {
        eprintln!("skipped: needs /usr/bin/python3");
    }
    there
}

/// Runs a Python program in the scratch directory, by another user or, with 0, root, if that is not the tests' own.
fn attack(scratch: &Scratch, uid: Option<&str>, program: &str) -> Done {
    let mut command = match uid {
        Some(uid) => {
            use std::os::unix::process::CommandExt;
            let words =
                ["setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "/usr/bin/python3", "-c", program];
            let mut command = scratch.command(&words);
            command.uid(0).gid(0);
            command
        }
        None => scratch.command(&["/usr/bin/python3", "-c", program]),
    };
    command.stdin(Stdio::null());
    finish(command)
}

#[test]
fn another_user_and_root_get_neither_lies_nor_a_tracer() {
    if !is_root() || !has_python() {
        eprintln!("skipped: needs root to be somebody else");
        return;
    }
    let scratch = Scratch::new();
    let command = start(&scratch);
    let other = "
import os, socket
for name in ['state', 'state.live', os.readlink('state.live')]:
    try:
        open(name, 'rb').read(1)
        print('has read', name)
    except PermissionError:
        pass
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
try:
    s.connect('state.sock')
    print('connected')
except PermissionError:
    print('refused')
";
    assert_eq!(attack(&scratch, Some("54322"), other).good(), "refused\n");
    let root = "
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect('state.sock')
s.settimeout(20)
s.send(b'r\\x06')
print(s.recv(100))
";
    let done = attack(&scratch, Some("0"), root);
    assert!(done.out == "b''\n" || done.err.contains("ConnectionResetError"), "{done:?}");
    end_well(&scratch, command);
}

#[test]
fn a_thousand_silent_and_rude_connections_keep_nobody_waiting() {
    if !has_python() {
        return;
    }
    let scratch = Scratch::new();
    let command = start(&scratch);
    // It stays connected until others have been served.
    let rude = "
import os, resource, socket, time
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
kept = []
def connect():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect('state.sock')
    kept.append(s)
    return s
for message in [b'', b'r', b'r\\xff', b'a\\x00\\x00', b'x' * 100000, b'r\\x06' * 2, b'\\x00' * 1025]:
    try:
        connect().send(message)
    except OSError:
        pass
for _ in range(1000):
    connect()
open('there', 'w').close()
while not os.path.exists('served'):
    time.sleep(0.05)
";
    let mut attacker = scratch.command(&["/usr/bin/python3", "-c", rude]);
    let attacker = attacker.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually(|| scratch.path("there").exists());
    let begin = Instant::now();
    for _ in 0..5 {
        assert_eq!(scratch.run(&["frng", "-p", "state", "stat", "-c", "%u", "a"]).good(), "5\n");
    }
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
    scratch.file("served", "");
    end(attacker).unwrap().good();
    end_well(&scratch, command);
}

#[test]
fn a_process_that_has_ended_is_not_traced_for_its_child() {
    if !has_python() {
        return;
    }
    let scratch = Scratch::new();
    let command = start(&scratch);
    // The one that connects is gone when its child asks for it, and its number is anybody's.
    let program = "
import os, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
done, tell = os.pipe()
first = os.fork()
if first == 0:
    s.connect('state.sock')
    s.send(b'r\\x06')
    s.recv(100)
    os._exit(0)
os.waitpid(first, 0)
s.settimeout(20)
s.send(b'a\\x00\\x00')
print(s.recv(1000)[:1] != b'A')
";
    assert_eq!(attack(&scratch, None, program).good(), "True\n");
    end_well(&scratch, command);
}
