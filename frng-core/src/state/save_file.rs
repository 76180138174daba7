//! A file in fakeroot's format that a session begins with or is saved to (`fakeroot -i`, `-s`).
//!
//! Other than a state file nobody locks it, or shares it while a command runs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, umask};

use super::file::{make_file, reason};
use super::foreign::{self, Format};
use super::record::Record;
use super::replace;

/// Reads one.
///
/// # Errors
/// One line that says where it is broken, or why it cannot be read.
pub fn load(path: &Path) -> Result<Vec<Record>, String> {
    let path_shown = path.display();
    let text = fs::read(path).map_err(|error| format!("cannot read {path_shown}: {}", reason(&error)))?;
    foreign::parse(&text).map_err(|broken| format!("cannot load {path_shown}: {broken}; mend it or leave -i away"))
}

/// One to be saved to.
#[derive(Debug)]
pub struct SaveFile {
    /// Absolute.
    path: PathBuf,
    /// Permissions it gets if it is new.
    mode: u32,
}

impl SaveFile {
    /// Finds out whether it could be written in the end; leaves nothing behind. To be called with the directory and the umask
    /// of the invocation, in a process that has one thread.
    ///
    /// # Errors
    /// One line that says why it could not.
    pub fn new(path: &Path) -> Result<SaveFile, String> {
        let failed =
            |error: io::Error| format!("cannot save to {}: {}; name another file", path.display(), reason(&error));
        let mask = umask(Mode::empty());
        umask(mask);
        let file = SaveFile { path: std::path::absolute(path).map_err(failed)?, mode: 0o666 & !mask.bits() };
        file.rehearse().map_err(failed)?;
        Ok(file)
    }

    fn rehearse(&self) -> io::Result<()> {
        // O_NONBLOCK: a FIFO that nobody reads yet is ENXIO, and no reason to wait.
        let open = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(&self.path);
        match open {
            Ok(_) => Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::ENXIO) && self.is_fifo() => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = OpenOptions::new().write(true).create_new(true).open(&self.path);
                made.and_then(|_| fs::remove_file(&self.path))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether writing waits for a reader: not to be done while somebody waits for the end of the command.
    pub fn is_fifo(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|metadata| metadata.file_type().is_fifo())
    }

    /// Writes these records, as a whole or not at all where that is possible.
    ///
    /// # Errors
    /// One line that says why it failed, and where they were left: in the first of the directories `elsewhere` that has room.
    pub fn save(&self, records: &[Record], elsewhere: &[PathBuf]) -> Result<(), String> {
        let mut text = Vec::new();
        let written = foreign::write(records, Format::Fakeroot, &mut text).and_then(|()| self.put(&text));
        written.map_err(|error| {
            let path = self.path.display();
            let rest = match elsewhere.iter().find_map(|directory| leave(directory, &text).ok()) {
                Some(place) => format!("it is in {0}; move {0} to {path} when that is mended", place.display()),
                None => "what was done is lost".into(),
            };
            format!("cannot save to {path}: {}; {rest}", reason(&error))
        })
    }

    fn put(&self, text: &[u8]) -> io::Result<()> {
        match replace(&self.path, text, Some(self.mode)) {
            // Nothing can be put in its place, as in a directory of somebody else's, but it can be written itself.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EACCES | libc::EPERM | libc::EBUSY)) => {
                let Ok(mut file) = OpenOptions::new().write(true).open(&self.path) else { return Err(error) };
                file.set_len(0)?;
                file.write_all(text)?;
                file.sync_all()
            }
            result => result,
        }
    }
}

/// Leaves a text in a new file in a directory.
fn leave(directory: &Path, text: &[u8]) -> io::Result<PathBuf> {
    use std::os::fd::AsFd;
    let place = File::open(directory)?;
    let (name, mut file) = make_file(place.as_fd(), "frng-unsaved-")?;
    let path = directory.join(name);
    file.write_all(text).and_then(|()| file.sync_all()).inspect_err(|_| {
        // The first error is the one to tell.
        let _ = fs::remove_file(&path);
    })?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inode::InodeId;
    use crate::lie::Lie;
    use crate::state::Xattrs;
    use std::os::unix::fs::PermissionsExt;

    fn example() -> Vec<Record> {
        vec![Record {
            inode: InodeId { dev: 0x801, ino: 131, birth: None, has_name: true },
            lie: Lie { uid: 1, gid: 6, mode: 0o100644, rdev: 0 },
            xattrs: Xattrs::new(),
            path: None,
        }]
    }

    #[test]
    fn what_is_saved_is_loaded_and_a_rehearsal_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("saved");
        let file = SaveFile::new(&path).unwrap();
        assert!(!path.exists() && !file.is_fifo());
        file.save(&example(), &[]).unwrap();
        assert_eq!(load(&path), Ok(example()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        SaveFile::new(&path).unwrap().save(&[], &[]).unwrap();
        assert_eq!(load(&path), Ok(vec![]));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
    }

    #[test]
    fn what_could_not_be_saved_is_refused_or_left_elsewhere() {
        let directory = tempfile::tempdir().unwrap();
        for wrong in [directory.path().to_path_buf(), directory.path().join("missing/saved")] {
            let told = SaveFile::new(&wrong).unwrap_err();
            assert!(told.starts_with(&format!("cannot save to {}: ", wrong.display())), "{told}");
        }
        let place = directory.path().join("d");
        fs::create_dir(&place).unwrap();
        let file = SaveFile::new(&place.join("saved")).unwrap();
        fs::remove_dir(&place).unwrap();
        let told = file.save(&example(), &[place, directory.path().to_path_buf()]).unwrap_err();
        let left = told.split("it is in ").nth(1).unwrap().split(';').next().unwrap();
        assert_eq!(load(Path::new(left)), Ok(example()));
        assert!(file.save(&example(), &[]).unwrap_err().ends_with("; what was done is lost"));
    }

    #[test]
    fn broken_ones_are_refused_with_the_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("saved");
        fs::write(&path, "garbage\n").unwrap();
        assert!(load(&path).unwrap_err().contains("line 1, column 1: expected dev="));
    }
}
