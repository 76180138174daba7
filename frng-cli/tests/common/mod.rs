//! Running the programs: as an ordinary user, in a directory of their own, with a deadline.
#![allow(dead_code, missing_docs)]

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Whom the programs run as if the tests are run by root.
const USER: u32 = 54321;

/// How long a program may run.
const DEADLINE: Duration = Duration::from_secs(60);

/// A directory with copies of the programs in `bin` and room to work in `work`.
pub struct Scratch {
    directory: TempDir,
}

impl Drop for Scratch {
    /// A directory that a test has closed could not be emptied, and a test that fails leaves its daemon, which ends its
    /// commands too.
    fn drop(&mut self) {
        for _ in 0..if thread::panicking() { 100 } else { 0 } {
            let Some(pid) = self.daemon() else { break };
            // SAFETY: it runs our copy of the program.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            thread::sleep(Duration::from_millis(2));
        }
        for entry in fs::read_dir(self.work()).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let _ = fs::set_permissions(entry.path(), PermissionsExt::from_mode(0o755));
            }
        }
    }
}

/// The engines that this build has, the best first.
pub fn engines() -> &'static [&'static str] {
    if frng_cli::abis::AGENT.is_some() { &["inline", "seccomp", "ptrace"] } else { &["seccomp", "ptrace"] }
}

pub fn is_root() -> bool {
    // SAFETY: cannot fail.
    unsafe { libc::geteuid() == 0 }
}

impl Scratch {
    pub fn new() -> Scratch {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let scratch = Scratch { directory };
        // The build directory may be out of reach for the user. Not by fs::copy: a child that another test makes meanwhile would
        // have the file open for writing, and nobody could execute it.
        fs::create_dir(scratch.bin()).unwrap();
        let programs =
            [env!("CARGO_BIN_EXE_frng"), env!("CARGO_BIN_EXE_fakeroot-ng"), env!("CARGO_BIN_EXE_frng-state")];
        assert!(Command::new("cp").args(programs).arg(scratch.bin()).status().unwrap().success());
        fs::create_dir(scratch.work()).unwrap();
        scratch.give(&scratch.work());
        scratch
    }

    fn bin(&self) -> PathBuf {
        self.directory.path().join("bin")
    }

    /// Where commands run.
    pub fn work(&self) -> PathBuf {
        self.directory.path().join("work")
    }

    pub fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.work().join(name.as_ref())
    }

    /// Makes the user the owner.
    pub fn give(&self, path: &Path) {
        if is_root() {
            chown(path, Some(USER), Some(USER)).unwrap();
        }
    }

    /// Writes a file of the user's.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        self.give(&path);
        path
    }

    /// One of the programs, or another one, with arguments.
    pub fn command(&self, words: &[&str]) -> Command {
        let own = self.bin().join(words[0]);
        let mut command = if own.exists() { Command::new(own) } else { Command::new(words[0]) };
        command.args(&words[1..]).current_dir(self.work()).stdin(Stdio::null());
        command.env("TMPDIR", self.work()).env_remove("FAKEROOT_TMPDIR");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut paths = vec![self.bin()];
        paths.extend(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(paths).unwrap());
        if is_root() {
            // Without supplementary groups, as std does it.
            command.uid(USER).gid(USER);
        }
        command
    }

    /// Runs it to its end.
    pub fn run(&self, words: &[&str]) -> Done {
        finish(self.command(words))
    }

    /// Runs a shell script as the user, in a mount namespace where `mounts`, a script too, was run by root before. `None`,
    /// and a word about it, if we cannot do that.
    pub fn run_with_mounts(&self, mounts: &str, script: &str) -> Option<Done> {
        self.command_with_mounts(mounts, script).map(finish)
    }

    /// The same, not run yet.
    pub fn command_with_mounts(&self, mounts: &str, script: &str) -> Option<Command> {
        if !is_root() {
            eprintln!("skipped: needs root to mount something");
            return None;
        }
        let user = USER.to_string();
        let mut command = self.command(&["unshare", "--mount", "--propagation", "private", "sh", "-c"]);
        command.arg(format!(
            "set -e; {mounts}; exec setpriv --reuid {user} --regid {user} --clear-groups -- sh -c \"$1\""
        ));
        command.args(["sh", script]).uid(0).gid(0);
        Some(command)
    }

    /// Waits until no process runs one of our programs any more.
    pub fn wait_for_the_daemon_to_end(&self) {
        let start = Instant::now();
        while let Some(pid) = self.daemon() {
            assert!(start.elapsed() < Duration::from_secs(10), "process {pid} is left behind");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// A process that runs our frng; the oldest one, for a daemon has children for an instant.
    pub fn daemon(&self) -> Option<i32> {
        let frng = self.bin().join("frng");
        let ours = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let entry = entry.ok()?;
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            // A zombie has no program any more.
            let ours = fs::read_link(entry.path().join("exe")).ok()? == frng;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // Field 22, counted from behind the name (proc_pid_stat(5)).
            let born: u64 = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()?;
            ours.then_some((born, pid))
        });
        ours.min().map(|(_, pid)| pid)
    }
}

/// Waits until something is so.
#[track_caller]
pub fn eventually(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(2));
    }
}

/// How a program has ended.
#[derive(Debug)]
pub struct Done {
    /// Exit status, or 128 and the signal.
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    /// Asserts that it has succeeded without a word on stderr.
    #[track_caller]
    pub fn good(self) -> String {
        assert_eq!((self.status, self.err.as_str()), (0, ""), "{self:?}");
        self.out
    }

    /// Asserts that frng itself has failed, with one line that says all of `why`.
    #[track_caller]
    pub fn failed(self, why: &[&str]) {
        assert_eq!(self.status, 125, "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "{self:?}");
        assert!(self.err.starts_with("frng: "), "{self:?}");
        for part in why {
            assert!(self.err.contains(part), "{part}: {self:?}");
        }
    }
}

/// Runs a command to its end, which must come before the deadline.
pub fn finish(mut command: Command) -> Done {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let what = format!("{command:?}");
    end(child).unwrap_or_else(|| panic!("{what} does not end"))
}

/// Waits for a child with a deadline; after that it is killed.
pub fn end(child: Child) -> Option<Done> {
    let pid = child.id();
    let (sender, receiver) = channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    match receiver.recv_timeout(DEADLINE) {
        Ok(output) => Some(done(output.unwrap())),
        Err(_) => {
            // SAFETY: our own child, which has not been waited for.
            unsafe { libc::kill(pid as i32, libc::SIGKILL) };
            None
        }
    }
}

fn done(output: Output) -> Done {
    let status = output.status;
    Done {
        status: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Makes a system call fail with `EPERM` in a command and its descendants, as containers do it.
pub fn forbid(command: &mut Command, number: libc::c_long) {
    filter(command, number, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32);
}

/// Kills who makes a system call, in a command and its descendants, as sandboxes do it.
pub fn kill_for(command: &mut Command, number: libc::c_long) {
    filter(command, number, libc::SECCOMP_RET_KILL_PROCESS);
}

fn filter(command: &mut Command, number: libc::c_long, action: u32) {
    let instruction = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut filter = [
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, number as u32),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, action),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let install = move || {
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
        // SAFETY: takes no memory.
        let privileges = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        // SAFETY: `program` and what it points to are live.
        let installed = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
        if privileges != 0 || installed != 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: makes system calls only.
    unsafe { command.pre_exec(install) };
}
