//! Called as `fakeroot`: a drop-in for fakeroot(1), with its options, its save files, its exit statuses and its variables.

pub mod nested;
mod options;

use std::ffi::{OsStr, OsString, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use frng_core::daemon::Exchange;
use frng_core::policy::UnknownOwner;

use crate::command::Command;
use crate::options::Run;
use nested::Outer;
use options::Action;
pub use options::Fakeroot;

/// What messages begin with.
pub const NAME: &str = "fakeroot";

/// Exit status when fakeroot itself fails. 1 is fakeroot's; a script cannot tell it from the command's, nor does it try to.
pub const FAILED: c_int = 1;

/// The release whose options and save files these are. Scripts take the number from `fakeroot -v`.
const LIKE: &str = "1.31";

/// Its key, which scripts test to find out whether they are in a fake root: here the daemon's process id.
const KEY: &str = "FAKEROOTKEY";

/// What is to be done after all.
pub enum Next {
    /// Fool the command.
    Run(Box<Run>),
    /// Nothing more; this is the exit status.
    Done(c_int),
}

/// Its name beside others of the kind, of which update-alternatives(1) makes one `fakeroot`.
const ALTERNATIVE: &str = "fakeroot-frng";

/// Whether this is the name that the program was called by.
pub fn is_called(name: &[u8]) -> bool {
    let name = Path::new(OsStr::from_bytes(name)).file_name();
    [NAME, ALTERNATIVE].iter().any(|own| name == Some(OsStr::new(own)))
}

/// Understands a command line of fakeroot's, given without the program's name. In a fake root of frng's the command is executed
/// here: it is fooled already.
///
/// # Errors
/// One line for the user.
pub fn start(words: Vec<OsString>) -> Result<Next, String> {
    let fakeroot = match options::parse(words)? {
        Action::Help => {
            eprint!("{}", options::USAGE);
            return Ok(Next::Done(FAILED));
        }
        Action::Version => {
            let version = env!("CARGO_PKG_VERSION");
            return crate::print(&format!("fakeroot version {LIKE} (frng {version})\n")).map(Next::Done);
        }
        Action::Run(fakeroot) => fakeroot,
    };
    let key = std::env::var_os(KEY).filter(|key| !key.is_empty());
    match nested::outer() {
        Some(Outer::Frng(daemon)) => join(daemon, fakeroot).map(Next::Done),
        Some(Outer::Other(tracer)) => Err(crate::is_traced(tracer)),
        None => match key {
            Some(key) => Err(format!(
                "cannot run in another fakeroot: {KEY} is set to {}; unset it if there is none",
                key.to_string_lossy()
            )),
            None => Ok(Next::Run(Box::new(run(fakeroot)))),
        },
    }
}

/// Runs a command in the fake root that we are in.
fn join(daemon: u32, fakeroot: Fakeroot) -> Result<c_int, String> {
    if fakeroot.load.is_some() || fakeroot.save.is_some() {
        return Err("cannot load or save lies in a fakeroot: give -i and -s to the outer one".into());
    }
    export(daemon, &fakeroot);
    let (status, why) = Command::new(fakeroot.command).exec();
    crate::complain(NAME, &why);
    Ok(status)
}

fn run(mut fakeroot: Fakeroot) -> Run {
    fakeroot.load = fakeroot.load.filter(|path| {
        let there = path.is_file();
        if !there {
            crate::complain(NAME, &format!("database file `{}' does not exist.", path.display()));
        }
        there
    });
    let unknown = if fakeroot.unknown_is_real { UnknownOwner::AsItIs } else { UnknownOwner::AllAsRoot };
    let command = std::mem::take(&mut fakeroot.command);
    Run { unknown, command, fakeroot: Some(Box::new(fakeroot)), ..Run::default() }
}

/// What a daemon is to load and save.
pub fn exchange(fakeroot: &Fakeroot) -> Exchange {
    Exchange { load: fakeroot.load.clone(), save: fakeroot.save.clone() }
}

/// Takes away what [`export`] has set. To be called while the process has one thread.
pub fn forget() {
    // SAFETY: no other thread reads the environment.
    unsafe { std::env::remove_var(KEY) };
}

/// Sets the variables that fakeroot sets for its command. To be called while the process has one thread.
pub fn export(daemon: u32, fakeroot: &Fakeroot) {
    let mode = if fakeroot.unknown_is_real { "unknown-is-real" } else { "unknown-is-root" };
    // SAFETY: no other thread reads the environment.
    unsafe {
        std::env::set_var(KEY, daemon.to_string());
        std::env::set_var("FAKED_MODE", mode);
        if let Some(base) = &fakeroot.fd_base {
            std::env::set_var("FAKEROOT_FD_BASE", base);
        }
    }
}
