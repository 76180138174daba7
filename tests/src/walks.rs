//! Random sequences of calls by several processes under several users in one tree: every value, errno and stat is told, so
//! that two runs can be compared. The same seed makes the same sequence.
//!
//! `checks/walks` plays many as root and under frng, and shrinks a sequence that is told otherwise to its necessary steps.

pub mod act;
mod board;
pub mod draw;
mod perform;

use std::fs;
use std::io::{self, Write};

pub use act::Act;
use board::Board;
use perform::Actor;

use crate::stage;

/// Processes that take part, children of one that watches as root.
pub const PROCESSES: usize = 3;
/// Descriptors that each of them keeps.
pub const SLOTS: usize = 3;

/// Who does what.
pub type Step = (usize, Act);

/// The directory with the tree, which is its `t`, and those above it: so that no `..` leads out of them.
const ABOVE: &str = "walk/o/o/o/o/o/o/o/o";

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

fn try_play(steps: &[Step]) -> io::Result<()> {
    let result = make_above().and_then(|()| play_in_tree(steps));
    remove_above()?;
    result
}

/// Makes the directories above a tree.
fn make_above() -> io::Result<()> {
    (1..=ABOVE.len())
        .filter(|end| ABOVE[*end..].is_empty() || ABOVE[*end..].starts_with('/'))
        .try_for_each(|end| fs::create_dir(&ABOVE[..end]))
}

/// Removes them, and whatever is in them.
fn remove_above() -> io::Result<()> {
    let mut above = std::path::Path::new(ABOVE);
    fs::remove_dir_all(above)?;
    // Nearly always there is nothing else in the others.
    while let Some(next) = above.parent().filter(|next| !next.as_os_str().is_empty()) {
        if fs::remove_dir(next).is_err() {
            return fs::remove_dir_all("walk");
        }
        above = next;
    }
    Ok(())
}

fn play_in_tree(steps: &[Step]) -> io::Result<()> {
    let here = stage::open_dir(c".");
    let top = format!("{ABOVE}/t");
    fs::create_dir(&top)?;
    // What processes inherit: it is done once, for all of them. Whoever has started this may be in any groups.
    std::env::set_current_dir(&top)?;
    must!(fchmodat(libc::AT_FDCWD, c".", 0o777));
    must!(setgroups(0, crate::sys::NULL));
    hold_back_signals();
    let board = Board::new()?;
    let mut players = Vec::with_capacity(PROCESSES);
    for who in 0..PROCESSES {
        let scene = || {
            must!(close(here));
            take_turns(who, steps, &board);
        };
        players.push(stage::fork(scene).map_err(io::Error::from_raw_os_error)?);
    }
    must!(fchdir(here));
    must!(close(here));
    match steps.first() {
        Some((who, _)) => board.give_turn(0, *who),
        None => (0..PROCESSES).for_each(|who| board.give_turn(0, who)),
    }
    let ended = (0..PROCESSES).map(|_| wait(&mut players, || board.turn() as usize == steps.len())).collect::<String>();
    let mut lines = board.told();
    lines.push_str(&ended);
    perform::tree(ABOVE, &mut lines);
    print!("{}", lines.replace(ABOVE, "..."));
    io::stdout().flush()
}

/// Ends of children are waited for; the signals that tell of them would only cost time.
fn hold_back_signals() {
    // SAFETY: the set is initialized by the first call, and outlives the others.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGCHLD);
        libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
    }
}

/// Waits for the end of one of them, which must not come before all steps are done; tells what is unusual about it.
fn wait(players: &mut Vec<i32>, is_done: impl Fn() -> bool) -> String {
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    let pid = unsafe { libc::waitpid(-1, &mut status, 0) };
    let who = players.iter().position(|player| *player == pid);
    players.retain(|player| *player != pid);
    if is_done() && libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0 {
        return String::new();
    }
    // The others would wait for ever.
    for player in players {
        // SAFETY: a plain system call.
        unsafe { libc::kill(*player, libc::SIGKILL) };
    }
    format!("a process ({who:?}) has ended with status {status:#x}\n")
}

fn take_turns(who: usize, steps: &[Step], board: &Board) {
    let of = |turn: u32| steps.get(turn as usize).map(|(of, _)| *of);
    let mut actor = Actor::new();
    loop {
        let turn = board.wait(who, |turn| of(turn).is_none_or(|of| of == who));
        let Some((_, act)) = steps.get(turn as usize) else { return };
        board.tell(&format!("{who}: {act} = {}\n", actor.perform(*act)));
        match of(turn + 1) {
            Some(next) => board.give_turn(turn + 1, next),
            None => (0..PROCESSES).for_each(|who| board.give_turn(turn + 1, who)),
        }
    }
}
