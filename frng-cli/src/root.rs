//! `--root` and `--accounts`: the second stage.
//!
//! Another root is nothing but what chroot(2) gives, and mount(2) for `--bind`: so frng, once it is traced, executes
//! itself with the same words and another name, and what is executed then enters the root by these calls and becomes the
//! command.

use std::ffi::{CString, OsStr, OsString, c_int};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::command::Command;

/// What the second stage is called.
pub const STAGE: &[u8] = b"frng: entering the root";

/// What is shown in a root besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// What: a file or directory outside.
    pub host: PathBuf,
    /// Where: an absolute path inside.
    pub guest: PathBuf,
}

impl Bind {
    /// From `HOST[:GUEST]`; without `GUEST`, at its own place.
    ///
    /// # Errors
    /// One line for the user.
    pub fn parse(word: &OsString) -> Result<Bind, String> {
        let bytes = word.as_bytes();
        let (host, guest) = match bytes.iter().position(|byte| *byte == b':') {
            Some(colon) => (&bytes[..colon], &bytes[colon + 1..]),
            None => (bytes, bytes),
        };
        let path = |bytes| PathBuf::from(OsStr::from_bytes(bytes));
        let bind = Bind { host: path(host), guest: path(guest) };
        if host.is_empty() || !bind.guest.is_absolute() {
            let word = word.to_string_lossy();
            return Err(format!("cannot bind {word}: it must be HOST:GUEST, and GUEST an absolute path in the root"));
        }
        Ok(bind)
    }
}

impl Bind {
    /// The files that a tree has its accounts in, each at the place of the host's.
    ///
    /// # Errors
    /// One line for the user.
    pub fn of_accounts(tree: &Path) -> Result<Vec<Bind>, String> {
        let file = |name| {
            let host = tree.join("etc").join(name);
            if !host.is_file() {
                return Err(format!("cannot look accounts up in {}: there is no {}", tree.display(), host.display()));
            }
            Ok(Bind { host, guest: Path::new("/etc").join(name) })
        };
        ["passwd", "group"].into_iter().map(file).collect()
    }
}

/// The first stage's end: execute frng again.
pub fn second_stage(words: &[OsString]) -> Command {
    let mut all = vec![OsString::from_vec(STAGE.to_vec())];
    all.extend_from_slice(words);
    Command::of_program(c"/proc/self/exe", all)
}

/// Shows the accounts of a tree in the place of the host's and becomes the command, where the caller is. Returns the exit status if
/// that cannot be executed.
///
/// # Errors
/// One line for the user.
pub fn enter_with_accounts(tree: &Path, command: Vec<OsString>) -> Result<(c_int, String), String> {
    let binds = Bind::of_accounts(tree)?;
    let place = std::env::current_dir().map_err(|error| format!("cannot find out the working directory: {error}"))?;
    enter(Path::new("/"), &binds, &place, command)
}

/// Enters the root, and in it the directory `place`, and becomes the command. Returns the exit status if that cannot be executed.
///
/// # Errors
/// One line for the user.
pub fn enter(root: &Path, binds: &[Bind], place: &Path, command: Vec<OsString>) -> Result<(c_int, String), String> {
    let command = Command::new(command);
    for Bind { host, guest } in binds {
        let inside = root.join(guest.strip_prefix("/").unwrap_or(guest));
        mount(host, &inside).map_err(|error| {
            let mend = if inside.exists() { "" } else { "; it must be there" };
            format!("cannot show {} at {}: {error}{mend}", host.display(), inside.display())
        })?;
    }
    std::os::unix::fs::chroot(root).map_err(|error| format!("cannot enter {}: {error}", root.display()))?;
    std::env::set_current_dir(place).map_err(|error| format!("cannot enter {}: {error}", place.display()))?;
    Ok(command.exec())
}

fn mount(from: &Path, to: &Path) -> io::Result<()> {
    let text = |path: &Path| CString::new(path.as_os_str().as_bytes());
    let (from, to) = (text(from)?, text(to)?);
    let flags = libc::MS_BIND | libc::MS_REC;
    // SAFETY: both are terminated strings; a bind takes no more.
    let result = unsafe { libc::mount(from.as_ptr(), to.as_ptr(), std::ptr::null(), flags, std::ptr::null()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
