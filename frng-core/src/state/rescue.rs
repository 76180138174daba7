//! A state that cannot be saved in its place: finding that out early, and leaving it somewhere else when it is too late.
//!
//! What is left is a whole state file, `STATE.unsaved`, or, if there is no room beside the state file, a file in a
//! directory for temporary files that `STATE.unsaved` is then a symbolic link to.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, FallocateFlags, OFlag, fallocate, openat, readlinkat};
use nix::sys::stat::{Mode, fstatat};
use nix::unistd::{UnlinkatFlags, symlinkat, unlinkat};

use super::file::{StateFile, fill, make_file, reason};
use super::record::Record;

/// Bytes that a state must be able to grow by when a session begins.
const ROOM: u64 = 4096;

impl StateFile {
    /// Finds out whether [`StateFile::save`] could put another file in its place now, a little longer than this one.
    /// Leaves nothing behind.
    ///
    /// # Errors
    /// One line that says why not.
    pub fn rehearse(&self) -> Result<(), String> {
        let refused = |error: io::Error| {
            let path = self.path().display();
            format!("cannot use the state file {path}: it could not be saved in the end: {}", reason(&error))
        };
        if self.is_mount_point() {
            return Err(refused(io::Error::other(
                "it is a mount point, which cannot be replaced; mount its directory instead",
            )));
        }
        self.reserve_room().map_err(refused)
    }

    /// Makes a file of the size needed, without a name if the filesystem can do that.
    fn reserve_room(&self) -> io::Result<()> {
        let flags = OFlag::O_WRONLY | OFlag::O_TMPFILE | OFlag::O_CLOEXEC;
        let (name, file) = match openat(self.directory(), ".", flags, Mode::S_IRUSR | Mode::S_IWUSR) {
            Ok(file) => (None, File::from(file)),
            Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL) => {
                let (name, file) = self.temporary()?;
                (Some(name), file)
            }
            Err(error) => return Err(error.into()),
        };
        let len = File::from(self.file().try_clone_to_owned()?).metadata()?.len() + ROOM;
        let len = len.try_into().map_err(|_| Errno::EFBIG)?;
        let room = match fallocate(&file, FallocateFlags::empty(), 0, len) {
            // Not every filesystem can tell.
            Ok(()) | Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => Ok(()),
            Err(error) => Err(error.into()),
        };
        if let Some(name) = name {
            unlinkat(self.directory(), name.as_os_str(), UnlinkatFlags::NoRemoveDir)?;
        }
        room
    }

    /// Whether it is mounted by itself, as containers do it with single files: then renaming over it is `EBUSY`.
    fn is_mount_point(&self) -> bool {
        match (mount_of(self.file()), mount_of(self.directory())) {
            (Some(file), Some(directory)) => file != directory,
            _ => false,
        }
    }

    /// Leaves records that could not be saved beside the state file, else in the first of these directories that has
    /// room. Returns where they are.
    pub fn rescue(&self, records: &[Record], elsewhere: &[PathBuf]) -> Option<PathBuf> {
        let beside = self.unsaved_name();
        if let Ok(()) = self.write_new(&beside, records) {
            return Some(self.unsaved_path());
        }
        let place = elsewhere.iter().find_map(|directory| write_in(directory, records).ok())?;
        // Without it the socket, which stays, tells.
        let _ = symlinkat(place.as_os_str(), self.directory(), beside.as_os_str());
        Some(place)
    }

    fn write_new(&self, name: &OsString, records: &[Record]) -> io::Result<()> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let file = File::from(openat(self.directory(), name.as_os_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
        fill(&file, records).inspect_err(|_| {
            // The first error is the one to tell.
            let _ = unlinkat(self.directory(), name.as_os_str(), UnlinkatFlags::NoRemoveDir);
        })
    }

    /// One line for the user if an earlier session could not be saved and nobody has looked after that yet.
    pub fn unsaved(&self) -> Option<String> {
        let name = self.unsaved_name();
        fstatat(self.directory(), name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
        let (state, marker) = (self.path().display(), self.unsaved_path());
        let marker = marker.display();
        let what = format!("cannot use the state file {state}: the last session could not be saved in it");
        Some(match readlinkat(self.directory(), name.as_os_str()) {
            Err(_) => format!("{what}; move {marker} to {state} to have it, or remove {marker} to go on without it"),
            Ok(place) if Path::new(&place).exists() => {
                let place = Path::new(&place).display();
                format!(
                    "{what}, but in {place}; move that to {state} to have it, and remove {marker} to go on in any case"
                )
            }
            Ok(place) => {
                let place = Path::new(&place).display();
                format!("{what}, and {place}, where it was left, is gone; remove {marker} to go on without it")
            }
        })
    }

    fn unsaved_name(&self) -> OsString {
        let mut name = self.name().to_os_string();
        name.push(".unsaved");
        name
    }

    fn unsaved_path(&self) -> PathBuf {
        self.path().with_file_name(self.unsaved_name())
    }
}

fn write_in(directory: &Path, records: &[Record]) -> io::Result<PathBuf> {
    let place = fs::File::open(directory)?;
    let (name, file) = make_file(place.as_fd(), "frng-unsaved-")?;
    let path = directory.join(name);
    fill(&file, records).inspect_err(|_| {
        // The first error is the one to tell.
        let _ = fs::remove_file(&path);
    })?;
    Ok(path)
}

/// The mount that an open file is on (`stx_mnt_id`); `None` before Linux 5.8.
fn mount_of(file: impl AsFd) -> Option<u64> {
    // SAFETY: the structure holds integers only; all zeros is a value of it.
    let mut statx: libc::statx = unsafe { std::mem::zeroed() };
    let (fd, flags) = (file.as_fd().as_raw_fd(), libc::AT_EMPTY_PATH);
    // SAFETY: the path is a terminated string and `statx` is live.
    let result = unsafe { libc::statx(fd, c"".as_ptr(), flags, libc::STATX_MNT_ID, &raw mut statx) };
    (result == 0 && statx.stx_mask & libc::STATX_MNT_ID != 0).then_some(statx.stx_mnt_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Locking, read};

    #[test]
    fn what_is_rescued_is_a_whole_state_file_and_is_told_of() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let mut state = StateFile::open(&path).unwrap();
        assert_eq!(state.lock(), Ok(Locking::Locked));
        state.rehearse().unwrap();
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        assert_eq!(state.unsaved(), None);
        state.save(&[]).unwrap();
        let marker = directory.path().join("state.unsaved");
        assert_eq!(state.rescue(&[], &[]), Some(marker.clone()));
        assert_eq!(read(&marker).unwrap(), []);
        let told = state.unsaved().unwrap();
        assert!(told.contains(&format!("move {} to {}", marker.display(), path.display())), "{told}");
    }

    #[test]
    fn where_nothing_can_be_made_beside_it_the_next_directory_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        // Its directory has no room for a longer name.
        let path = directory.path().join("s".repeat(250));
        let state = StateFile::open(&path).unwrap();
        let missing = elsewhere.path().join("missing");
        let place = state.rescue(&[], &[missing.clone(), elsewhere.path().to_path_buf()]).unwrap();
        assert!(place.starts_with(elsewhere.path()));
        assert_eq!(read(&place).unwrap(), []);
        assert_eq!(state.rescue(&[], &[missing]), None);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
    }

    #[test]
    fn a_link_to_what_was_rescued_elsewhere_is_followed_or_told_to_lead_nowhere() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("elsewhere");
        fs::write(&place, "").unwrap();
        let state = StateFile::open(&directory.path().join("state")).unwrap();
        std::os::unix::fs::symlink(&place, directory.path().join("state.unsaved")).unwrap();
        assert!(state.unsaved().unwrap().contains(&format!("but in {}; move", place.display())));
        fs::remove_file(&place).unwrap();
        assert!(state.unsaved().unwrap().contains("is gone; remove"));
    }
}
