//! The end of a daemon.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::unistd::{UnlinkatFlags, unlinkat};

use super::output_file::OutputFile;
use super::saves::Saves;
use super::socket_name;
use crate::log::Log;
use crate::state::{StateFile, Table, reason};
use crate::stats::Stats;
use crate::tracer::Callers;

/// What a daemon has to do once, between the end of its last tracee and its own.
pub struct End {
    state: Option<StateFile>,
    saves: Option<Rc<Saves>>,
    late: Option<Rc<Saves>>,
    table: Rc<Table>,
    log: Log,
    callers: Callers,
    report: Option<(OutputFile, Rc<Stats>)>,
    /// Where a state is left that cannot be saved in its place.
    elsewhere: Vec<PathBuf>,
}

impl End {
    /// Of a daemon with a state file that it has locked, or without; `saves` is what else is saved; `report` is what to write statistics to; `directory` is
    /// for temporary files.
    pub fn new(
        state: Option<StateFile>,
        saves: Option<Rc<Saves>>,
        table: Rc<Table>,
        log: Log,
        callers: Callers,
        report: Option<(OutputFile, Rc<Stats>)>,
        directory: PathBuf,
    ) -> End {
        let mut elsewhere = vec![directory];
        elsewhere.extend([Path::new("/tmp"), Path::new("/var/tmp")].map(Path::to_path_buf));
        End { state, saves, late: None, table, log, callers, report, elsewhere }
    }

    /// Writes the statistics, saves the state, if it has changed, and gives the state file up; nothing when called again.
    /// `used` tells whether there was any tracee.
    ///
    /// If saving fails the old file stays as it is and the new state is left elsewhere, if there is room anywhere. The callers
    /// whose commands have not ended yet are told. The next invocation is told too: it finds what was left, or the socket.
    pub fn finish(&mut self, used: bool) {
        if let Some((file, stats)) = self.report.take().filter(|_| used) {
            if let Err(why) = write_statistics(file, &stats) {
                self.complain(&why);
            }
        }
        self.save(used);
        if let Some(saves) = self.saves.take().filter(|_| used) {
            saves.save();
            self.late = Some(saves);
        }
    }

    /// What is done when nobody waits for the daemon any more, and there is no tracee.
    pub fn finish_late(&mut self) {
        if let Some(saves) = self.late.take() {
            saves.save_late();
        }
    }

    fn save(&mut self, used: bool) {
        let Some(mut state) = self.state.take() else {
            return;
        };
        if !self.table.is_changed() {
            remove_socket(&state);
            if !used {
                state.abandon();
            }
        } else {
            let records = self.table.records();
            match state.save(&records) {
                Ok(()) => {
                    self.log.info(format_args!("{} lies saved", records.len()));
                    remove_socket(&state);
                }
                Err(why) => {
                    let path = state.path().display();
                    let rest = match state.rescue(&records, &self.elsewhere) {
                        Some(place) => format!("it is in {0}; move {0} to {path} when that is mended", place.display()),
                        None => format!("what was done is lost, {path} is as it was before"),
                    };
                    self.complain(&format!("{why}; {rest}"));
                    if state.unsaved().is_some() {
                        remove_socket(&state);
                    }
                }
            }
        }
        state.unlock();
    }

    /// Tells the log and the callers.
    pub fn complain(&self, line: &str) {
        self.log.error(format_args!("{line}"));
        self.callers.tell(line);
    }
}

fn write_statistics(file: OutputFile, stats: &Stats) -> Result<(), String> {
    let path = file.path().display().to_string();
    file.begin()
        .and_then(|file| stats.write(&file))
        .map_err(|error| format!("cannot write the statistics to {path}: {}", reason(&error)))
}

/// Removes the socket of a state file, which must be locked.
pub fn remove_socket(state: &StateFile) {
    let name: OsString = socket_name(state);
    // If it is gone already that is as good.
    let _ = unlinkat(state.directory(), name.as_os_str(), UnlinkatFlags::NoRemoveDir);
}
