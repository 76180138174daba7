//! The live table of a session with a state file: a file that outlives the daemon.
//!
//! `STATE.live`, beside the state file, is a symbolic link to it. The file itself is in memory (tmpfs) where there is room for it:
//! a page of a file on ext4 takes up to 10 ms when it is first written to, and again and again a few microseconds after each time that
//! the kernel has written it to the disk; one in memory takes 3 µs, once. Only where there is no such memory it is beside the state
//! file.
//!
//! What is in it survives the end of all processes. What it is when the machine goes down does not matter: then it is gone, or, on a
//! disk, of an earlier boot and not believed, because its pages are of different times. For that case the state file is saved every
//! second (`daemon/checkpoints.rs`).
//!
//! Who has the lock on the state file is the only one to make, read and remove its live table.

mod origin;
mod recover;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, fstat};
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};

pub use recover::Recovered;

use super::file::{StateFile, reason};
use crate::memory::Place;
use origin::Origin;

/// What the names of all live tables begin with.
const PREFIX: &str = ".frng-live-";

/// Bytes that must be free where a live table is made: 400,000 lies.
const ROOM: u64 = 16 << 20;

/// A new live table's file, which is removed again unless it is [published](LiveFile::publish).
#[derive(Debug)]
pub struct LiveFile {
    file: File,
    directory: OwnedFd,
    name: OsString,
    path: PathBuf,
    origin: Origin,
    /// It has the state file's directory and its own link's name there.
    link: Option<(OwnedFd, OsString)>,
}

impl LiveFile {
    /// Makes a file for the live table of a state file that we have locked, in memory or, at worst, beside it.
    ///
    /// # Errors
    /// One line that says why there is no place for it.
    pub fn create(state: &StateFile, place: &Place) -> Result<LiveFile, String> {
        let origin = Origin::of(state).map_err(|error| failed(state, &error))?;
        let made = candidates(place).iter().find_map(|candidate| {
            open_place(candidate).and_then(|directory| LiveFile::make(directory, candidate, origin)).ok()
        });
        if let Some(live) = made {
            return Ok(live);
        }
        let beside = state.path().parent().unwrap_or(Path::new("/"));
        state
            .directory()
            .try_clone_to_owned()
            .and_then(|directory| LiveFile::make(directory, beside, origin))
            .map_err(|error| failed(state, &error))
    }

    fn make(directory: OwnedFd, path: &Path, origin: Origin) -> io::Result<LiveFile> {
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        for _ in 0..100 {
            let name = OsString::from(format!("{PREFIX}{:016x}", random()?));
            match openat(&directory, name.as_os_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR) {
                Ok(file) => {
                    let path = path.join(&name);
                    return Ok(LiveFile { file: file.into(), directory, name, path, origin, link: None });
                }
                Err(Errno::EEXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::EEXIST.into())
    }

    /// The file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Whose table it is to hold.
    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the link `STATE.live`: from now on what is in it counts.
    ///
    /// # Errors
    /// One line that says why not.
    pub fn publish(&mut self, state: &StateFile) -> Result<(), String> {
        let name = link_name(state);
        let link = symlinkat(self.path.as_os_str(), state.directory(), name.as_os_str())
            .map_err(io::Error::from)
            .and_then(|()| state.directory().try_clone_to_owned());
        self.link = Some((link.map_err(|error| failed(state, &error))?, name));
        Ok(())
    }

    /// Leaves it for the next daemon, which will save what is in it.
    pub fn leave(mut self) {
        self.link = None;
        self.name.clear();
    }
}

impl Drop for LiveFile {
    /// First the link: who finds a link that leads nowhere takes it for the sign of a restart.
    fn drop(&mut self) {
        if let Some((directory, name)) = &self.link {
            let _ = unlinkat(directory, name.as_os_str(), UnlinkatFlags::NoRemoveDir);
        }
        if !self.name.is_empty() {
            let _ = unlinkat(&self.directory, self.name.as_os_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// Where a live table is made, best first: the user's choice, or memory with some room.
fn candidates(place: &Place) -> Vec<PathBuf> {
    if let Some(chosen) = place.chosen_directory() {
        return vec![chosen.to_path_buf()];
    }
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let memory = [Some(PathBuf::from("/dev/shm")), runtime, Some(place.directory().to_path_buf())];
    memory.into_iter().flatten().filter(|path| is_roomy_memory(path)).collect()
}

fn is_roomy_memory(path: &Path) -> bool {
    let Ok(directory) = open_place(path) else { return false };
    fstatfs(&directory).is_ok_and(|fs| {
        let free = fs.blocks_available().saturating_mul(u64::try_from(fs.block_size()).unwrap_or(0));
        fs.filesystem_type() == TMPFS_MAGIC && free >= ROOM
    })
}

fn open_place(path: &Path) -> io::Result<OwnedFd> {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    Ok(OpenOptions::new().read(true).custom_flags(flags).open(path)?.into())
}

fn random() -> io::Result<u64> {
    let mut bytes = [0; 8];
    // SAFETY: the buffer has that length.
    match unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) } {
        8 => Ok(u64::from_ne_bytes(bytes)),
        _ => Err(io::Error::last_os_error()),
    }
}

fn link_name(state: &StateFile) -> OsString {
    let mut name = state.name().to_os_string();
    name.push(".live");
    name
}

fn failed(state: &StateFile, error: &io::Error) -> String {
    format!("cannot make the live table of the state file {}: {}", state.path().display(), reason(error))
}

/// A live table that somebody has left, as the link beside the state file says it.
#[derive(Debug)]
struct Left {
    path: PathBuf,
}

impl Left {
    /// `None` if there is no link.
    ///
    /// # Errors
    /// One line if there is something else under that name.
    fn find(state: &StateFile) -> Result<Option<Left>, String> {
        let name = link_name(state);
        let path = match readlinkat(state.directory(), name.as_os_str()) {
            Ok(path) => PathBuf::from(path),
            Err(Errno::ENOENT) => return Ok(None),
            Err(Errno::EINVAL) => return Err(in_the_way(state)),
            Err(error) => {
                let path = state.path().display();
                return Err(format!("cannot read the link {path}.live: {}", reason(&error.into())));
            }
        };
        let is_ours = path.is_absolute() && path.file_name().is_some_and(is_name);
        if is_ours { Ok(Some(Left { path })) } else { Err(in_the_way(state)) }
    }

    /// Its directory and the file in it; `None` if it is gone.
    fn open(&self, state: &StateFile) -> io::Result<Option<(OwnedFd, File)>> {
        let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let directory = match open_place(self.path.parent().unwrap_or(Path::new("/"))) {
            Err(error) if gone(&error) => return Ok(None),
            other => other?,
        };
        let flags = OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let file = match openat(&directory, self.path.file_name().unwrap_or_default(), flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::ENOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // In a directory that others may write to, another user may have made one of that name after ours was gone. Root may look
        // after another user's.
        let metadata = file.metadata()?;
        let owner = metadata.uid();
        let is_trusted = owner == nix::unistd::geteuid().as_raw() || owner == fstat(state.file())?.st_uid;
        if !metadata.is_file() || metadata.mode() & 0o077 != 0 || !is_trusted {
            return Err(io::Error::other(format!(
                "it is not ours (owner {owner}, mode {:o})",
                metadata.mode() & 0o7777
            )));
        }
        Ok(Some((directory, file)))
    }

    /// Removes the link and the file, if it is there.
    fn remove(&self, state: &StateFile, directory: Option<&OwnedFd>) {
        let _ = unlinkat(state.directory(), link_name(state).as_os_str(), UnlinkatFlags::NoRemoveDir);
        if let (Some(directory), Some(name)) = (directory, self.path.file_name()) {
            let _ = unlinkat(directory, name, UnlinkatFlags::NoRemoveDir);
        }
    }
}

fn is_name(name: &OsStr) -> bool {
    name.as_bytes()
        .strip_prefix(PREFIX.as_bytes())
        .is_some_and(|rest| rest.len() == 16 && rest.iter().all(u8::is_ascii_hexdigit))
}

fn in_the_way(state: &StateFile) -> String {
    format!("{}.live is in the way: it is not the link to a live table", state.path().display())
}
