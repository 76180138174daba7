//! The file that `--stats FILE` names.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::state::reason;
use crate::stats::Stats;

/// A file that statistics will be written to. What is in it stays until then; one that was made for it is removed again if it
/// does not come to that.
pub struct StatsFile {
    file: File,
    path: PathBuf,
    made: bool,
}

impl StatsFile {
    /// Opens it for writing.
    ///
    /// # Errors
    /// One line for the user.
    pub fn open(path: &Path) -> Result<StatsFile, String> {
        let failed =
            |error: io::Error| format!("cannot open {} for the statistics: {}", path.display(), reason(&error));
        let mut options = File::options();
        // O_NONBLOCK: a FIFO without a reader is to be an error.
        options.write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
        let (file, made) = match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (options.create_new(true).open(path).map_err(failed)?, true)
            }
            other => (other.map_err(failed)?, false),
        };
        // Writing is to wait for a reader.
        fcntl(&file, FcntlArg::F_SETFL(OFlag::empty())).map_err(|error| failed(error.into()))?;
        let path = std::path::absolute(path).map_err(failed)?;
        Ok(StatsFile { file, path, made })
    }

    /// Writes the statistics.
    ///
    /// # Errors
    /// One line for the user.
    pub fn write(mut self, stats: &Stats) -> Result<(), String> {
        self.made = false;
        stats
            .write(&self.file)
            .map_err(|error| format!("cannot write the statistics to {}: {}", self.path.display(), reason(&error)))
    }
}

impl AsFd for StatsFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for StatsFile {
    fn drop(&mut self) {
        if self.made {
            // An empty file does no harm, should this fail.
            let _ = fs::remove_file(&self.path);
        }
    }
}
