//! A file that an option names for something to be written to: the log, the statistics.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::state::reason;

/// An open file that has not been changed yet. One that was made for it is removed again if it does not come to that.
pub struct OutputFile {
    file: File,
    path: PathBuf,
    made: bool,
}

impl OutputFile {
    /// Opens a file for writing at its end, wherever that is by then: several daemons may have been told the same file. `what`
    /// it is goes into the message.
    ///
    /// # Errors
    /// One line for the user.
    pub fn open(path: &Path, what: &str) -> Result<OutputFile, String> {
        let failed = |error: io::Error| format!("cannot open {what} {}: {}", path.display(), reason(&error));
        let mut options = File::options();
        // O_NONBLOCK: a FIFO without a reader is to be an error.
        options.append(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
        let (file, made) = match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (options.create(true).open(path).map_err(failed)?, true)
            }
            other => (other.map_err(failed)?, false),
        };
        // Writing is to wait for a reader.
        fcntl(&file, FcntlArg::F_SETFL(OFlag::O_APPEND)).map_err(|error| failed(error.into()))?;
        let path = std::path::absolute(path).map_err(failed)?;
        Ok(OutputFile { file, path, made })
    }

    /// Its absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same open file, for somebody to write to it later.
    ///
    /// # Errors
    /// Those of dup(2).
    pub fn duplicate(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Empties it: from now on it is written to.
    ///
    /// # Errors
    /// Those of ftruncate(2).
    pub fn begin(mut self) -> io::Result<File> {
        self.made = false;
        let file = self.duplicate()?;
        if file.metadata()?.is_file() {
            file.set_len(0)?;
        }
        Ok(file)
    }
}

impl AsFd for OutputFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if self.made {
            // An empty file does no harm, should this fail.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn nothing_has_changed_until_it_begins() {
        let directory = tempfile::tempdir().unwrap();
        let (old, new) = (directory.path().join("old"), directory.path().join("new"));
        fs::write(&old, "old").unwrap();
        for path in [&old, &new] {
            drop(OutputFile::open(path, "the log").unwrap());
        }
        assert_eq!(fs::read(&old).unwrap(), b"old");
        assert!(!new.exists());
        for path in [&old, &new] {
            let file = OutputFile::open(path, "the log").unwrap();
            let mut before = file.duplicate().unwrap();
            let mut begun = file.begin().unwrap();
            before.write_all(b"1").unwrap();
            begun.write_all(b"2").unwrap();
            assert_eq!(fs::read(path).unwrap(), b"12");
        }
    }
}
