//! Becoming the command.

use std::env;
use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::ptr;

use frng_core::binfmt::{self, ELF_MAGIC, HEAD_LEN, INTERPRETERS_MAX};
use nix::errno::Errno;

/// It was found but cannot be executed, as shells and env(1) say it.
const CANNOT_EXECUTE: c_int = 126;
/// It was not found.
const NOT_FOUND: c_int = 127;
/// Where commands are looked for without PATH, as execvp(3) does.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// A command with its arguments, prepared before the process is traced.
pub struct Command {
    /// The files that it may be: the first of them that is there is executed.
    candidates: Vec<CString>,
    words: Vec<CString>,
}

impl Command {
    /// The command of the command line; without one, the user's shell.
    pub fn new(mut words: Vec<OsString>) -> Command {
        if words.is_empty() {
            let shell = env::var_os("SHELL").filter(|shell| !shell.is_empty());
            words.push(shell.unwrap_or_else(|| "/bin/sh".into()));
        }
        let candidates = candidates(&words[0]).into_iter().map(PathBuf::into_os_string).collect();
        Command { candidates: terminated(candidates), words: terminated(words) }
    }

    /// This program, called by the first word.
    pub fn of_program(program: &CStr, words: Vec<OsString>) -> Command {
        Command { candidates: vec![program.to_owned()], words: terminated(words) }
    }

    /// As execvp(3), but the shell is given only what may be a script for it: no ELF file for another CPU, and nothing that names an
    /// interpreter of its own. Returns only if that fails: exit status and message.
    pub fn exec(&self) -> (c_int, String) {
        let mut last = Errno::ENOENT;
        for file in &self.candidates {
            let words: Vec<&CStr> = self.words.iter().map(CString::as_c_str).collect();
            match exec(file, &words) {
                Errno::ENOEXEC => {
                    if let Some(why) = no_shell_script(file) {
                        return self.failed(&why);
                    }
                    let shell = c"/bin/sh";
                    let words = [&[shell, file], words.get(1..).unwrap_or_default()].concat();
                    return self.failed(exec(shell, &words).desc());
                }
                // The next one is looked for as long as there may be none here; the C libraries know these errors.
                Errno::ENOENT | Errno::ENOTDIR | Errno::ESTALE | Errno::ENODEV | Errno::ETIMEDOUT => (),
                Errno::EACCES => last = Errno::EACCES,
                error => return self.failed(error.desc()),
            }
        }
        // It is EACCES, too, if some directory in PATH cannot be searched.
        if last == Errno::EACCES && self.candidates.iter().any(|file| path(file).exists()) {
            return self.failed(last.desc());
        }
        (NOT_FOUND, self.told("not found"))
    }

    fn failed(&self, why: &str) -> (c_int, String) {
        (CANNOT_EXECUTE, self.told(why))
    }

    fn told(&self, why: &str) -> String {
        let name = self.words.first().map(|word| word.to_string_lossy()).unwrap_or_default();
        format!("cannot execute {name}: {why}")
    }
}

/// The files that a command may be.
fn candidates(name: &OsStr) -> Vec<PathBuf> {
    if name.is_empty() {
        Vec::new()
    } else if name.as_bytes().contains(&b'/') {
        vec![name.into()]
    } else {
        let path = env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
        env::split_paths(&path).map(|directory| directory.join(name)).collect()
    }
}

/// execve(2). Returns only if that fails.
fn exec(program: &CStr, words: &[&CStr]) -> Errno {
    let mut pointers: Vec<*const c_char> = words.iter().map(|word| word.as_ptr()).collect();
    pointers.push(ptr::null());
    // SAFETY: a terminated string, and a list of such that ends with a null pointer.
    unsafe { libc::execv(program.as_ptr(), pointers.as_ptr()) };
    Errno::last()
}

/// Why a file that the kernel knows nothing to do with is no script for the shell either: it is an ELF file, or interpreted by one.
fn no_shell_script(file: &CStr) -> Option<String> {
    let mut name = file.to_owned();
    for depth in 0..=INTERPRETERS_MAX {
        let head = head(&name)?;
        if head.starts_with(ELF_MAGIC) {
            let subject = if depth == 0 { "it".into() } else { format!("its interpreter {}", name.to_string_lossy()) };
            let cpu = binfmt::cpu(&head).unwrap_or("an unknown CPU");
            return Some(format!("{}: {subject} is a program for {cpu}", Errno::ENOEXEC.desc()));
        }
        name = CString::new(binfmt::interpreter(&head)?).ok()?;
    }
    None
}

/// How a file begins.
fn head(file: &CStr) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path(file)).ok()?.take(HEAD_LEN as u64).read_to_end(&mut head).ok()?;
    Some(head)
}

fn path(name: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(name.to_bytes()))
}

/// What comes from a command line or an environment has no NUL bytes.
fn terminated(words: Vec<OsString>) -> Vec<CString> {
    words.into_iter().filter_map(|word| CString::new(word.into_vec()).ok()).collect()
}
