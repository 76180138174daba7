//! Random sequences of calls by several processes under several users in one tree: every value, errno and stat is told, so
//! that two runs can be compared. The same seed makes the same sequence.
//!
//! `checks/walks` plays many as root and under frng, and shrinks a sequence that is told otherwise to its necessary steps.

pub mod act;
pub mod draw;
mod perform;

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

pub use act::Act;
use perform::Actor;

use crate::stage;

/// Processes that take part, children of one that watches as root.
pub const PROCESSES: usize = 3;
/// Descriptors that each of them keeps.
pub const SLOTS: usize = 3;

/// Who does what.
pub type Step = (usize, Act);

/// Directories above a tree, so that no `..` leads out of it.
const ABOVE: &str = "walk/o/o/o/o/o/o/o/o";

/// A child and the pipes by which it takes turns.
struct Player {
    pid: i32,
    turn: File,
    done: File,
}

/// The steps of this seed; of these only those of the given indices, if any are.
pub fn drawn(seed: u64, only: Option<&[usize]>) -> Vec<Step> {
    let steps = draw::steps(seed);
    match only {
        Some(only) => only.iter().filter_map(|index| steps.get(*index).copied()).collect(),
        None => steps,
    }
}

/// The source of a case that plays these steps.
pub fn source(steps: &[Step]) -> String {
    let lines: String = steps.iter().map(|(who, act)| format!("        ({who}, {act}),\n")).collect();
    format!("fn what_it_asserts() {{\n    play(&[\n{lines}    ]);\n}}\n")
}

/// Plays these steps in a new tree in the current directory, which is gone afterwards.
pub fn play(steps: &[Step]) {
    if let Err(error) = try_play(steps) {
        println!("SETUP FAILED: {error}");
    }
}

fn try_play(steps: &[Step]) -> std::io::Result<()> {
    fs::create_dir_all(format!("{ABOVE}/t"))?;
    stage::mode(&CString::new(format!("{ABOVE}/t"))?, 0o777);
    let mut players = Vec::new();
    for who in 0..PROCESSES {
        players.push(start(who, steps)?);
    }
    for (index, (who, _)) in steps.iter().enumerate() {
        players[*who].turn.write_all(&(index as u32).to_ne_bytes())?;
        if players[*who].done.read(&mut [0])? == 0 {
            println!("process {who} is gone");
        }
    }
    let mut lines = String::new();
    perform::tree(ABOVE, &mut lines);
    print!("{}", lines.replace(ABOVE, "..."));
    // The later ones have copies of the earlier ones' pipes.
    for Player { pid, turn, done } in players.into_iter().rev() {
        drop((turn, done));
        stage::tell_end(pid);
    }
    fs::remove_dir_all("walk")
}

/// Starts a process that waits for its turns.
fn start(who: usize, steps: &[Step]) -> std::io::Result<Player> {
    let top = CString::new(format!("{ABOVE}/t"))?;
    let (turns, turn) = pipe()?;
    let (done, report) = pipe()?;
    let scene = || {
        // Else nobody would notice that this end is closed.
        let _ = quiet!(close(turn.as_raw_fd()));
        must!(chdir(&*top));
        // Whoever has started this may be in any.
        must!(setgroups(0, crate::sys::NULL));
        take_turns(who, steps, &turns, &report);
    };
    let pid = stage::fork(scene).map_err(std::io::Error::from_raw_os_error)?;
    Ok(Player { pid, turn, done })
}

/// The end to read from, and the one to write to.
fn pipe() -> std::io::Result<(File, File)> {
    let mut ends = [-1i32; 2];
    quiet!(pipe2(&mut ends, libc::O_CLOEXEC)).map_err(std::io::Error::from_raw_os_error)?;
    // SAFETY: the call has made both descriptors, and nobody else knows them.
    let [from, to] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    Ok((from.into(), to.into()))
}

fn take_turns(who: usize, steps: &[Step], mut turns: &File, mut report: &File) {
    let mut actor = Actor::new();
    let mut index = [0; 4];
    while turns.read_exact(&mut index).is_ok() {
        if let Some((_, act)) = steps.get(u32::from_ne_bytes(index) as usize) {
            println!("{who}: {act} = {}", actor.perform(*act));
            let _ = std::io::stdout().flush();
        }
        if report.write_all(&[1]).is_err() {
            return;
        }
    }
}
