//! Finding what a run left behind: every process that carries the run's mark in its environment.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const NAME: &str = "FRNG_TEST_RUN";
/// A daemon may take this part of a run's deadline to end after its last tracee: 2 seconds of 20.
const GRACE: u32 = 10;

/// A value that no other run has, put into the environment of all that a run starts.
pub struct Mark(String);

impl Mark {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    pub fn put_on(&self, command: &mut Command) {
        command.env(NAME, &self.0);
    }

    /// The processes that bear the mark, with their command names.
    fn bearers(&self) -> Vec<(i32, String)> {
        let entry = format!("{NAME}={}", self.0);
        let Ok(proc) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        proc.filter_map(|dir| dir.ok()?.file_name().to_str()?.parse().ok())
            .filter(|pid: &i32| {
                let environment = fs::read(of(*pid, "environ")).unwrap_or_default();
                environment.split(|&b| b == 0).any(|variable| variable == entry.as_bytes())
            })
            .map(|pid| (pid, fs::read_to_string(of(pid, "comm")).unwrap_or_default().trim_end().to_owned()))
            .collect()
    }

    /// Kills all bearers, until none is left (one may fork while another is killed).
    pub fn kill_all(&self) {
        for _ in 0..100 {
            let bearers = self.bearers();
            if bearers.is_empty() {
                return;
            }
            for (pid, _) in bearers {
                // SAFETY: a system call without pointers.
                unsafe { libc::kill(pid, libc::SIGKILL) };
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits a moment for all bearers to end; tells and kills those that do not.
    pub fn must_be_gone(&self, limit: Duration) -> Result<(), String> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            let bearers = self.bearers();
            if bearers.is_empty() {
                return Ok(());
            }
            if start.elapsed() > limit / GRACE {
                let names: Vec<_> = bearers.iter().map(|(pid, name)| format!("{name} ({pid})")).collect();
                self.kill_all();
                return Err(format!("processes left behind: {}", names.join(", ")));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.kill_all();
    }
}

fn of(pid: i32, file: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{file}"))
}
