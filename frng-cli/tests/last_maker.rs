//! The last process of a command is killed while it forks: its child is nobody's to tell of, and goes on all the same.

mod common;

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Scratch, end, engines};

/// Names the file that the maker shares with this test.
const SHARED: &str = "FRNG_TEST_SHARED";

/// Words in the shared file: the id of the newest child, whether the maker is at work, and marks of children by id.
const NEWEST: usize = 0;
const AT_WORK: usize = 1;
const MARKS: usize = 2;
const WORDS: usize = 4096;

fn map(file: &File) -> &'static [AtomicI32] {
    let (protection, size) = (libc::PROT_READ | libc::PROT_WRITE, WORDS * size_of::<AtomicI32>());
    // SAFETY: a new mapping at an address of the kernel's choice, which is never taken away, of a file that long.
    unsafe {
        let address = libc::mmap(std::ptr::null_mut(), size, protection, libc::MAP_SHARED, file.as_raw_fd(), 0);
        assert_ne!(address, libc::MAP_FAILED);
        std::slice::from_raw_parts(address.cast(), WORDS)
    }
}

fn mark_of(words: &[AtomicI32], child: i32) -> &AtomicI32 {
    &words[MARKS + child as usize % (WORDS - MARKS)]
}

/// What runs under frng: forks for ever. A test only by its form; does nothing when it is run as one.
#[test]
fn maker() {
    let Some(path) = std::env::var_os(SHARED) else { return };
    let words = map(&OpenOptions::new().read(true).write(true).open(path).unwrap());
    words[AT_WORK].store(1, Ordering::SeqCst);
    loop {
        let flags = libc::CLONE_PARENT_SETTID | libc::SIGCHLD;
        // SAFETY: like fork. The kernel stores the child's id before the child can run; the child uses nothing but shared
        // memory and system calls.
        unsafe {
            if libc::syscall(libc::SYS_clone, flags, 0, words[NEWEST].as_ptr(), 0, 0) == 0 {
                let own = libc::syscall(libc::SYS_getpid) as i32;
                // What it becomes it must be told again, too, whoever answers.
                let told = [
                    libc::syscall(libc::SYS_getuid),
                    libc::syscall(libc::SYS_setresuid, 7, 7, 7),
                    libc::syscall(libc::SYS_getuid),
                ];
                mark_of(words, own).store(if told == [0, 0, 7] { own } else { -1 }, Ordering::SeqCst);
                libc::_exit(0);
            }
        }
    }
}

/// Many more: `FRNG_STRESS_ROUNDS=20 cargo test -p frng-cli --test last_maker`, best several at once.
#[test]
fn a_child_of_the_last_process_goes_on_when_that_is_killed_in_fork() {
    let repetitions: u64 = std::env::var("FRNG_STRESS_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let scratch = Scratch::new();
    let program = scratch.path("maker");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for engine in engines() {
        for round in 0..60 * repetitions {
            let came = one_round(&scratch, engine, &program, Duration::from_micros(round % 60 * 50));
            assert!(came, "{engine}: the newest child did not come so far in round {round}: {}", log(&scratch));
        }
    }
}

/// Whether the newest child has gone on.
fn one_round(scratch: &Scratch, engine: &str, program: &Path, pause: Duration) -> bool {
    let shared = scratch.file("shared", vec![0; WORDS * size_of::<AtomicI32>()]);
    let words = map(&OpenOptions::new().read(true).write(true).open(&shared).unwrap());
    let command = ["frng", "-l", "log", "--engine", engine, program.to_str().unwrap(), "--exact", "maker"];
    let mut command = scratch.command(&command);
    let child = command.env(SHARED, &shared).stdout(Stdio::null()).spawn().unwrap();
    let pid = child.id() as i32;
    let start = Instant::now();
    while words[AT_WORK].load(Ordering::SeqCst) == 0 && start.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_micros(100));
    }
    thread::sleep(pause);
    // SAFETY: our own child, which has not been waited for.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    assert_eq!(end(child).unwrap().status, 128 + libc::SIGKILL);
    scratch.wait_for_the_daemon_to_end();
    let newest = words[NEWEST].load(Ordering::SeqCst);
    let mark = mark_of(words, newest).load(Ordering::SeqCst);
    assert_ne!(mark, -1, "{engine}: the newest child was not fooled: {}", log(scratch));
    mark == newest
}

fn log(scratch: &Scratch) -> String {
    fs::read_to_string(scratch.path("log")).unwrap()
}
