//! Real root's answer to a program: asked once, however many engines are compared with it.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crate::outcome::{self, Outcome, User};
use crate::scratch::Scratch;
use crate::stray::Mark;
use crate::trials::{Program, Tools};

/// The capabilities that make root: all but CAP_SYS_RESOURCE and the newest, which no case needs.
const NEEDED: u64 = 0x3f_feff_ffff & !(1 << 24);

type Answer = Arc<OnceLock<Result<Outcome, String>>>;

/// Remembers root's answers.
#[derive(Default)]
pub struct Oracle(Mutex<HashMap<String, Answer>>);

impl Oracle {
    /// Why root cannot be asked here, if so.
    pub fn absent() -> Option<&'static str> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:\t"));
        let effective = effective.and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0);
        // SAFETY: a system call without arguments.
        let uid = unsafe { libc::geteuid() };
        (uid != 0 || effective & NEEDED != NEEDED).then_some("skipped: needs root as its oracle")
    }

    /// What root sees of this program.
    pub fn ask(&self, name: &str, program: &Program, tools: &Tools, limit: Duration) -> Result<Outcome, String> {
        let answer = {
            let mut answers = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            Arc::clone(answers.entry(name.to_owned()).or_default())
        };
        answer.get_or_init(|| native(program, tools, limit).map_err(|e| format!("as root: {e}"))).clone()
    }
}

/// Runs the program as root, with nothing between it and the kernel.
pub fn native(program: &Program, tools: &Tools, limit: Duration) -> io::Result<Outcome> {
    let place = Scratch::new(User::ROOT)?;
    let room = place.room("work", User::ROOT)?;
    let mark = Mark::new();
    let mut words = program.words(tools).into_iter();
    let mut command = tools.command(words.next().unwrap_or_default());
    command.args(words);
    outcome::of(command, User::ROOT, &room, &mark, limit)
}
