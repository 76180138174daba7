//! Where and as whom commands run.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::tool::Tool;

/// Whom commands run as if we are root: an id that nobody has.
const UNPRIVILEGED: u32 = 54321;

/// Seconds after which a command has hung.
const DEADLINE: u32 = 600;

/// A directory of the user's own with the programs to run, because the build directory may be closed to that user.
pub struct Stage {
    directory: TempDir,
    owner: u32,
    tools: Vec<Tool>,
}

impl Stage {
    /// Copies `frng`, if it is there, and `frng-bench-worker` from `programs` and finds out which tools are installed.
    ///
    /// # Errors
    /// One line about what failed.
    pub fn new(programs: &Path) -> Result<Stage, String> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |error: io::Error| format!("{what}: {error}")
        };
        let directory = tempfile::Builder::new()
            .prefix("frng-bench-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .map_err(failed("cannot make a scratch directory"))?;
        // SAFETY: plain calls.
        let owner = match unsafe { libc::geteuid() } {
            0 => UNPRIVILEGED,
            uid => uid,
        };
        let mut stage = Stage { directory, owner, tools: Vec::new() };
        for name in ["frng", "frng-bench-worker"] {
            let from = programs.join(name);
            if from.exists() {
                fs::copy(&from, stage.path(name)).map_err(failed(&format!("cannot copy {}", from.display())))?;
            }
        }
        for name in ["work", "home"] {
            let made = stage.path(name);
            fs::create_dir(&made).map_err(failed("cannot make a directory"))?;
            stage.give(&made).map_err(failed("cannot give a directory away"))?;
        }
        stage.tools = Tool::ALL.into_iter().filter(|tool| stage.has(*tool)).collect();
        Ok(stage)
    }

    /// The tools that can be run here.
    pub fn tools(&self) -> &[Tool] {
        &self.tools
    }

    /// Does without the tools that have one of these words in their name.
    pub fn leave_out(&mut self, words: &[String]) {
        self.tools.retain(|tool| !words.iter().any(|word| tool.name().contains(word.as_str())));
    }

    fn has(&self, tool: Tool) -> bool {
        match tool.program() {
            None => true,
            Some("frng") => self.path("frng").exists(),
            Some(program) => find(program).is_some(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The working directory of commands.
    pub fn work(&self) -> PathBuf {
        self.path("work")
    }

    /// The program that makes one call many times.
    pub fn worker(&self) -> PathBuf {
        self.path("frng-bench-worker")
    }

    /// Makes a file the user's own.
    pub fn give(&self, path: &Path) -> io::Result<()> {
        std::os::unix::fs::lchown(path, Some(self.owner), Some(self.owner))
    }

    /// Runs a command with a tool; returns what it wrote and how long it took.
    ///
    /// # Errors
    /// The command cannot be run or fails; one line.
    pub fn run(&self, tool: Tool, command: &[&OsStr]) -> Result<(String, Duration), String> {
        let mut words = tool.prefix(&self.path("frng"));
        words.extend(command.iter().map(OsString::from));
        let describe = || words.join(OsStr::new(" ")).to_string_lossy().into_owned();
        let failed = |error: io::Error| format!("{}: {error}", describe());
        // Files, because a tool's daemon may keep a pipe open.
        let (out, err) = (self.path("stdout"), self.path("stderr"));
        let mut process = Command::new(&words[0]);
        process
            .args(&words[1..])
            .current_dir(self.work())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", "C")
            .env("HOME", self.path("home"))
            .env("PSEUDO_PREFIX", "/usr")
            .env("PSEUDO_LOCALSTATEDIR", self.path("home"))
            .env("OWNER", if tool.fools() { "7:8".to_owned() } else { format!("{0}:{0}", self.owner) })
            .stdin(Stdio::null())
            .stdout(File::create(&out).map_err(failed)?)
            .stderr(File::create(&err).map_err(failed)?);
        let owner = self.owner;
        // SAFETY: only calls that are allowed between fork and exec.
        unsafe {
            process.pre_exec(move || {
                libc::alarm(DEADLINE);
                if libc::geteuid() == 0
                    && (libc::setgroups(0, std::ptr::null()) != 0
                        || libc::setgid(owner) != 0
                        || libc::setuid(owner) != 0)
                {
                    return Err(io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let begin = Instant::now();
        let status = process.status().map_err(failed)?;
        let took = begin.elapsed();
        if !status.success() {
            let errors = fs::read_to_string(&err).unwrap_or_default();
            return Err(format!("{}: {status}: {}", describe(), errors.lines().last().unwrap_or_default()));
        }
        Ok((fs::read_to_string(&out).unwrap_or_default(), took))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if self.tools.contains(&Tool::Pseudo) {
            // Its daemon outlives its commands.
            let _ = self.run(Tool::Native, &["pseudo", "-S"].map(OsStr::new));
        }
    }
}

fn find(program: &str) -> Option<PathBuf> {
    ["/usr/local/bin", "/usr/bin", "/bin"].iter().map(|dir| Path::new(dir).join(program)).find(|path| path.exists())
}
