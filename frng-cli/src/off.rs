//! `--off`: a command that is not fooled, within one that is.

use std::ffi::{OsString, c_int};

use frng_core::arch::LET_GO;

use crate::command::Command;
use crate::{NAME, Outer, ask_daemon, complain, fakeroot};

/// Becomes the command, which the frng around it does not fool; without one around, just the command. Returns the exit status if it
/// cannot be executed.
///
/// # Errors
/// One line for the user.
pub fn execute(command: Vec<OsString>) -> Result<c_int, String> {
    let command = Command::new(command);
    if let Some(outer) = Outer::ask().filter(|outer| !outer.is_off) {
        if ask_daemon(LET_GO).is_none() {
            let daemon = outer.daemon;
            return Err(format!("cannot turn off the frng outside (process {daemon}): it is of another version"));
        }
    }
    fakeroot::forget();
    let (status, why) = command.exec();
    complain(NAME, &why);
    Ok(status)
}

/// Why a command cannot be fooled by a daemon of its own here.
pub fn is_outside(daemon: i32) -> String {
    format!(
        "cannot be traced: process {daemon} does so already, although frng --off has turned it off; name its STATE to \
         turn it on again"
    )
}
