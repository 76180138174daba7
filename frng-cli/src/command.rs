//! Becoming the command.

use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::ptr;

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

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

    /// execvp(3), but only what may be a script for a shell is given to one: not an ELF file for another CPU, nor what names an
    /// interpreter of its own. Returns only if that fails: exit status and message.
    pub fn exec(&self) -> (c_int, String) {
        let mut pointers: Vec<*const c_char> = self.words.iter().map(|word| word.as_ptr()).collect();
        pointers.push(ptr::null());
        let name = OsStr::from_bytes(self.words.first().map(|word| word.to_bytes()).unwrap_or_default());
        let program = if self.program.is_none() { no_shell_script(name) } else { None };
        // SAFETY: lists of strings that end with a null pointer, and have at least one, as `new` has made them.
        unsafe {
            match &program {
                Some(program) => libc::execv(program.as_ptr(), pointers.as_ptr()),
                None => libc::execvp(self.program.map_or(pointers[0], CStr::as_ptr), pointers.as_ptr()),
            }
        };
        let error = Errno::last();
        let (status, why) = match error {
            Errno::ENOENT => (NOT_FOUND, "not found"),
            // The C library says so too if it was not found, but some directory in PATH could not be searched.
            Errno::EACCES if !is_somewhere(name) => (NOT_FOUND, "not found"),
            Errno::ENOEXEC => (CANNOT_EXECUTE, "it, or the interpreter that it names, is no program for this CPU"),
            _ => (CANNOT_EXECUTE, error.desc()),
        };
        (status, format!("cannot execute {}: {why}", name.to_string_lossy()))
    }
}

/// What comes from a command line or an environment has no NUL bytes.
fn terminated(words: Vec<OsString>) -> Vec<CString> {
    words.into_iter().filter_map(|word| CString::new(word.into_vec()).ok()).collect()
}

/// The file that a command is, if it begins as no script for a shell does.
fn no_shell_script(name: &OsStr) -> Option<CString> {
    let is_program = |path: &PathBuf| access(path, AccessFlags::X_OK).is_ok() && path.is_file();
    let path = if name.as_bytes().contains(&b'/') {
        Some(PathBuf::from(name)).filter(is_program)
    } else {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|directory| directory.join(name)).find(is_program)
    }?;
    let mut begin = [0; 4];
    let len = File::open(&path).and_then(|mut file| file.read(&mut begin)).ok()?;
    let is_known = begin[..len].starts_with(b"#!") || begin == *b"\x7fELF";
    CString::new(path.into_os_string().into_vec()).ok().filter(|_| is_known)
}

/// Whether there is a file of this name where commands are looked for.
fn is_somewhere(name: &OsStr) -> bool {
    if name.as_bytes().contains(&b'/') {
        return true;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).exists())
}
