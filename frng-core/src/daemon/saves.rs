//! Saving to a file in fakeroot's format, which others read as soon as the command has ended.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use crate::log::Log;
use crate::state::Table;
use crate::state::save_file::SaveFile;
use crate::tracer::Callers;

/// What is saved where.
pub struct Saves {
    file: SaveFile,
    table: Arc<Table>,
    log: Log,
    callers: Callers,
    /// Where it is left if it cannot be saved in its place.
    elsewhere: Vec<PathBuf>,
}

impl Saves {
    /// All of a table; `directory` is for temporary files.
    pub fn new(file: SaveFile, table: &Arc<Table>, log: &Log, callers: &Callers, directory: &Path) -> Saves {
        let elsewhere = [directory, Path::new("/tmp"), Path::new("/var/tmp")].map(Path::to_path_buf).to_vec();
        Saves { file, table: Arc::clone(table), log: log.clone(), callers: callers.clone(), elsewhere }
    }

    /// Saves what is known now, unless that waits for a reader: then [`Saves::save_late`] is the time for it.
    pub fn save(&self) {
        if !self.file.is_fifo() {
            self.write();
        }
    }

    /// Saves to who reads it when the command has ended.
    pub fn save_late(&self) {
        if self.file.is_fifo() {
            self.write();
        }
    }

    fn write(&self) {
        let records = self.table.records();
        match self.file.save(&records, &self.elsewhere) {
            Ok(()) => self.log.info(format_args!("{} lies saved", records.len())),
            Err(why) => {
                self.log.error(format_args!("{why}"));
                self.callers.tell(&why);
            }
        }
    }
}
