//! Becoming the command.

use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::ptr;

use nix::errno::Errno;

/// It was found but cannot be executed, as shells and env(1) say it.
const CANNOT_EXECUTE: c_int = 126;
/// It was not found.
const NOT_FOUND: c_int = 127;

/// A command with its arguments, prepared before the process is traced.
pub struct Command {
    /// What is executed, if it is not found by the first word.
    program: Option<&'static CStr>,
    words: Vec<CString>,
}

impl Command {
    /// The command of the command line; without one, the user's shell.
    pub fn new(mut words: Vec<OsString>) -> Command {
        if words.is_empty() {
            let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
            words.push(shell.unwrap_or_else(|| "/bin/sh".into()));
        }
        Command { program: None, words: terminated(words) }
    }

    /// This program, called by the first word.
    pub fn of_program(program: &'static CStr, words: Vec<OsString>) -> Command {
        Command { program: Some(program), words: terminated(words) }
    }

    /// execvp(3). Returns only if that fails: exit status and message.
    pub fn exec(&self) -> (c_int, String) {
        let mut pointers: Vec<*const c_char> = self.words.iter().map(|word| word.as_ptr()).collect();
        pointers.push(ptr::null());
        // SAFETY: a list of strings that ends with a null pointer, and has at least one, as `new` has made it.
        unsafe { libc::execvp(self.program.map_or(pointers[0], CStr::as_ptr), pointers.as_ptr()) };
        let error = Errno::last();
        let name = OsStr::from_bytes(self.words.first().map(|word| word.to_bytes()).unwrap_or_default());
        let (status, why) = match error {
            Errno::ENOENT => (NOT_FOUND, "not found"),
            // The C library says so too if it was not found, but some directory in PATH could not be searched.
            Errno::EACCES if !is_somewhere(name) => (NOT_FOUND, "not found"),
            _ => (CANNOT_EXECUTE, error.desc()),
        };
        (status, format!("cannot execute {}: {why}", name.to_string_lossy()))
    }
}

/// What comes from a command line or an environment has no NUL bytes.
fn terminated(words: Vec<OsString>) -> Vec<CString> {
    words.into_iter().filter_map(|word| CString::new(word.into_vec()).ok()).collect()
}

/// Whether there is a file of this name where commands are looked for.
fn is_somewhere(name: &OsStr) -> bool {
    if name.as_bytes().contains(&b'/') {
        return true;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).exists())
}
