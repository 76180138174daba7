//! The same program under frng, as a user who may do nothing; and whether frng cleans up after it.

use std::fs;
use std::io;
use std::time::Duration;

use crate::outcome::{self, Outcome, User};
use crate::scratch::Scratch;
use crate::stray::Mark;
use crate::trials::{Program, Tools};

/// What the program saw, and what frng left behind.
pub struct Fooled {
    pub outcome: Outcome,
    pub complaints: Vec<String>,
}

/// Runs the program under this engine.
pub fn run(engine: &str, program: &Program, tools: &Tools, limit: Duration) -> io::Result<Fooled> {
    let user = User::NOBODY_IN_PARTICULAR;
    let place = Scratch::new(user)?;
    let room = place.room("work", user)?;
    let tmpdir = place.room("fakeroot-tmpdir", user)?;
    let mark = Mark::new();
    let mut command = tools.command(&tools.frng);
    command.args(["--engine", engine, "--"]).args(program.words(tools)).env("FAKEROOT_TMPDIR", &tmpdir);
    let outcome = outcome::of(command, user, &room, &mark, limit)?;
    let mut complaints = Vec::new();
    complaints.extend(mark.must_be_gone(limit).err());
    let left: Vec<_> = fs::read_dir(&tmpdir)?.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    if !left.is_empty() {
        complaints.push(format!("files left in FAKEROOT_TMPDIR: {left:?}"));
    }
    Ok(Fooled { outcome, complaints })
}
