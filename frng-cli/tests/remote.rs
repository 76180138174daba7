//! A filesystem whose server does not answer keeps only those waiting who have asked it.

mod common;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use common::{Scratch, end, engines, eventually, is_root};

/// Opcodes (`include/uapi/linux/fuse.h`).
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const INIT: u32 = 26;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;

const ROOT: u64 = 1;
/// A file whose attributes are told late.
const HELD: u64 = 2;
/// A directory, of which that holds from when there is a file `hold`; and so it does of the root.
const DIRECTORY: u64 = 5;
/// Files whose content is told late.
const PROGRAM: u64 = 3;
const PATH: u64 = 4;
/// One that is told at once.
const NEAR: u64 = 6;

/// Its files, by name.
const FILES: [(&[u8], u64, &[u8]); 5] = [
    (b"held", HELD, b""),
    (b"directory", DIRECTORY, b""),
    (b"program", PROGRAM, b"#!/bin/echo 0\n"),
    (b"path", PATH, b"/nowhere\0"),
    (b"near", NEAR, b"/nowhere\0"),
];

/// A filesystem with these files, and without a file `stall`, which is told late too.
struct Server {
    device: File,
    /// Made when a question is not answered.
    asked: PathBuf,
    /// Then it goes on.
    go_on: Receiver<()>,
}

impl Server {
    /// Opens the device; the server runs until the filesystem is mounted no more.
    fn start(asked: PathBuf) -> (File, Sender<()>) {
        let device = File::options().read(true).write(true).open("/dev/fuse").unwrap();
        let (sender, go_on) = channel();
        let server = Server { device: device.try_clone().unwrap(), asked, go_on };
        thread::spawn(move || server.serve());
        (device, sender)
    }

    fn serve(mut self) {
        let mut request = vec![0; 64 * 1024];
        loop {
            let len = match self.device.read(&mut request) {
                Ok(len) => len,
                Err(error) if matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN | libc::ENOENT)) => {
                    continue;
                }
                // Not mounted yet.
                Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                    thread::sleep(std::time::Duration::from_millis(2));
                    continue;
                }
                Err(_) => return,
            };
            let word = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().unwrap());
            let long = |at: usize| u64::from_ne_bytes(request[at..at + 8].try_into().unwrap());
            let (opcode, unique, node) = (word(4), long(8), long(16));
            let name = request[40..len].split(|byte| *byte == 0).next().unwrap().to_vec();
            let answer = match (opcode, node) {
                (FORGET | BATCH_FORGET | INTERRUPT, _) => continue,
                (INIT, _) => {
                    let mut answer = [7u32, 31, 0, 0, 0, 4096, 1].map(u32::to_ne_bytes).concat();
                    answer.resize(64, 0);
                    Ok(answer)
                }
                (LOOKUP, _) => match FILES.into_iter().find(|(file, ..)| *file == name) {
                    Some((_, node, _)) => Ok([&node.to_ne_bytes()[..], &[0; 32], &attributes(node)].concat()),
                    None => {
                        if name == b"stall" {
                            self.wait();
                        }
                        Err(libc::ENOENT)
                    }
                },
                (GETATTR, _) => {
                    if node == HELD || matches!(node, ROOT | DIRECTORY) && self.asked.with_file_name("hold").exists() {
                        self.wait();
                    }
                    Ok([vec![0; 16], attributes(node)].concat())
                }
                (OPEN, _) => Ok(vec![0; 16]),
                (READ, _) => {
                    if node != NEAR {
                        self.wait();
                    }
                    Ok(content(node).to_vec())
                }
                _ => Err(libc::ENOSYS),
            };
            let (error, body) = match answer {
                Ok(body) => (0, body),
                Err(error) => (-error, Vec::new()),
            };
            let len = 16 + body.len() as u32;
            let reply = [&len.to_ne_bytes()[..], &error.to_ne_bytes(), &unique.to_ne_bytes(), &body].concat();
            // Whoever has asked may have been killed.
            let _ = self.device.write(&reply);
        }
    }

    fn wait(&self) {
        File::create(&self.asked).unwrap();
        // Once it goes on nothing is held any more.
        let _ = self.go_on.recv();
    }
}

/// A `struct fuse_attr`.
fn attributes(node: u64) -> Vec<u8> {
    let mode = if matches!(node, ROOT | DIRECTORY) { libc::S_IFDIR | 0o755 } else { libc::S_IFREG | 0o755 };
    let longs = [node, content(node).len() as u64, 0, 0, 0, 0].map(u64::to_ne_bytes).concat();
    let words = [0, 0, 0, mode, 1, 0, 0, 0, 4096, 0].map(u32::to_ne_bytes).concat();
    [longs, words].concat()
}

fn content(node: u64) -> &'static [u8] {
    FILES.into_iter().find(|(_, file, _)| *file == node).map_or(b"", |(.., content)| content)
}

/// A command under frng in a mount namespace where the filesystem is mounted at `slow`.
fn start(scratch: &Scratch, device: File, engine: &str, options: &[&str], script: &str) -> Child {
    let mounts = format!(
        "mount -i -t fuse -o fd=9,rootmode=40000,user_id=0,group_id=0,allow_other none {}; exec 9<&-",
        scratch.path("slow").display()
    );
    let mut command = scratch.command(&["unshare", "--mount", "--propagation", "private", "sh", "-c"]);
    command.arg(format!("set -e; {mounts}; exec setpriv --reuid 54321 --regid 54321 --clear-groups -- \"$@\""));
    command.args(["sh", "frng", "--engine", engine, "-p", "state"]).args(options);
    command.args(["sh", "-c", script]).uid(0).gid(0);
    let fd = device.as_raw_fd();
    // SAFETY: a plain system call.
    let give = move || match unsafe { libc::dup2(fd, 9) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    };
    // SAFETY: makes one system call.
    unsafe { command.pre_exec(give) };
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// While one command waits for the filesystem another one, of the same invocation, and another invocation on the same state go on.
fn others_do_not_wait_for(options: &[&str], question: &str, expected: &str) {
    if !is_root() || File::options().write(true).open("/dev/fuse").is_err() {
        return eprintln!("skipped: needs root and /dev/fuse");
    }
    for engine in engines() {
        let scratch = Scratch::new();
        fs::create_dir(scratch.path("slow")).unwrap();
        let (device, go_on) = Server::start(scratch.path("asked"));
        let script = format!(
            "({question}) >answer 2>&1 & until [ -e asked ]; do sleep 0.01; done
             touch a; chown 5 a; stat -c %u a >told; until [ -e go ]; do sleep 0.01; done; wait"
        );
        let command = start(&scratch, device, engine, options, &script);
        eventually(|| fs::read_to_string(scratch.path("told")).is_ok_and(|told| told == "5\n"));
        assert_eq!(scratch.run(&["frng", "-p", "state", "stat", "-c", "%u", "a"]).good(), "5\n", "{engine}");
        assert_eq!(fs::read_to_string(scratch.path("answer")).unwrap(), "", "{engine}: it was not held");
        drop(go_on);
        scratch.file("go", "");
        end(command).expect("it does not end").good();
        let answer = fs::read_to_string(scratch.path("answer")).unwrap();
        assert!(answer.contains(expected), "{engine}: {answer}");
    }
}

const NOTHING: &str = "No such file or directory";

#[test]
fn a_name_that_is_looked_up_for_long_keeps_nobody_else_waiting() {
    others_do_not_wait_for(&[], "stat slow/stall", NOTHING);
}

#[test]
fn nor_does_one_that_begins_in_the_directory() {
    others_do_not_wait_for(&[], "cd slow; exec stat ../slow/./stall stall", NOTHING);
}

#[test]
fn nor_do_attributes_of_an_open_file() {
    others_do_not_wait_for(&[], "exec stat -c %u - <slow/held", "0\n");
}

#[test]
fn nor_does_a_name_in_another_root() {
    others_do_not_wait_for(&[], "exec chroot / stat \"$PWD/slow/stall\"", NOTHING);
}

#[test]
fn nor_does_one_that_begins_there_in_another_root() {
    others_do_not_wait_for(&[], "exec chroot / sh -c \"cd '$PWD/slow'; exec stat -L stall\"", NOTHING);
}

#[test]
fn nor_does_one_that_may_be_left_alone() {
    others_do_not_wait_for(&["--leave", "left"], "exec stat slow/stall", NOTHING);
}

#[test]
fn nor_does_a_program() {
    others_do_not_wait_for(&[], "exec slow/program", "0 slow/program\n");
}

#[test]
fn nor_does_a_program_in_another_root() {
    others_do_not_wait_for(&[], "exec chroot / \"$PWD/slow/program\"", "slow/program\n");
}

#[test]
fn nor_does_the_directory_that_another_root_is_asked_in() {
    // What the kernel has looked up is old after a tick of its timer.
    let ask = "import os, time; hold = os.path.abspath('hold'); os.chdir('slow/directory'); open(hold, 'w'); \
               time.sleep(0.1); os.getcwd(); print(os.stat('.').st_uid)";
    others_do_not_wait_for(&[], &format!("exec chroot / sh -c \"cd '$PWD'; exec python3 -c \\\"{ask}\\\"\""), "0\n");
}

#[test]
fn nor_does_the_mount_point_in_another_root() {
    let ask = "import os, time; open('hold', 'w'); time.sleep(0.1); print(os.stat(os.path.abspath('slow')).st_uid)";
    others_do_not_wait_for(&[], &format!("exec chroot / sh -c \"cd '$PWD'; exec python3 -c \\\"{ask}\\\"\""), "0\n");
}

/// Then the tracer asks, and must not wait for itself.
#[test]
fn names_in_another_root_are_found_where_no_thread_can_be_made() {
    if !is_root() || File::options().write(true).open("/dev/fuse").is_err() {
        return eprintln!("skipped: needs root and /dev/fuse");
    }
    for engine in engines() {
        let scratch = Scratch::new();
        fs::create_dir(scratch.path("slow")).unwrap();
        let (device, _go_on) = Server::start(scratch.path("asked"));
        let script = "touch ready; until [ -e go ]; do sleep 0.01; done; exec chroot / stat -L \"$PWD/slow/absent\"";
        let command = start(&scratch, device, engine, &[], script);
        eventually(|| scratch.path("ready").exists());
        let daemon = scratch.daemon().unwrap().to_string();
        scratch.run(&["prlimit", "--pid", &daemon, "--nproc=1:1"]).good();
        fs::write(scratch.path("go"), "").unwrap();
        let done = end(command).expect("it does not end");
        assert!(done.err.contains(NOTHING), "{engine}: {done:?}");
    }
}

/// What maps the content of files there.
const MAPS: &str = r#"
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
page = os.sysconf("SC_PAGESIZE")
anywhere = libc.mmap(None, 2 * page, 3, 0x22, -1, 0)
after = ctypes.c_void_p(anywhere + page)
def mapped(name, at=None):
    flags = 0x12 if at else 2
    return ctypes.c_void_p(libc.mmap(at, page, 1, flags, os.open(name, os.O_RDONLY), 0))
"#;

#[test]
fn nor_does_a_path_in_a_file_that_is_mapped() {
    let ask = format!("{MAPS}\nprint(libc.chown(mapped('slow/path'), 1, 1), os.strerror(ctypes.get_errno()))");
    others_do_not_wait_for(&[], &format!("exec python3 -c \"$(cat <<'E'\n{ask}\nE\n)\""), NOTHING);
}

#[test]
fn nor_does_the_second_of_two_such_paths_in_another_root() {
    let ask = format!(
        "{MAPS}\nprint(libc.rename(mapped('slow/near'), mapped('slow/path')), os.strerror(ctypes.get_errno()))"
    );
    let question =
        format!("exec chroot / sh -c 'cd \"$0\"; exec python3 -c \"$1\"' \"$PWD\" \"$(cat <<'E'\n{ask}\nE\n)\"");
    others_do_not_wait_for(&[], &question, NOTHING);
}

#[test]
fn nor_does_a_long_path_of_which_only_the_end_is_in_such_a_file() {
    let ask = format!(
        "{MAPS}
mapped('slow/path', after)
ctypes.memset(anywhere + page - 600, ord('.'), 600)
for at in range(page - 600, page, 2):
    ctypes.memset(anywhere + at, ord('/'), 1)
print(libc.chown(ctypes.c_void_p(anywhere + page - 600), 1, 1), os.strerror(ctypes.get_errno()))"
    );
    others_do_not_wait_for(&[], &format!("exec python3 -c \"$(cat <<'E'\n{ask}\nE\n)\""), NOTHING);
}
