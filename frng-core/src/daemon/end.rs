//! The end of a daemon.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use nix::unistd::{UnlinkatFlags, unlinkat};

use super::checkpoints::Checkpoints;
use super::output_file::OutputFile;
use super::saves::Saves;
use super::socket_name;
use crate::log::Log;
use crate::state::live::LiveFile;
use crate::state::{StateFile, Table, reason};
use crate::stats::Stats;
use crate::tracer::Callers;

/// What a daemon has to do once, between the end of its last tracee and its own.
pub struct End {
    /// They have the state file, if there is one.
    pub checkpoints: Option<Checkpoints>,
    /// The file of the table, if that is to outlive us.
    pub live: Option<LiveFile>,
    /// What else is saved.
    pub saves: Option<Rc<Saves>>,
    /// Those, when they may still have something to do.
    pub late: Option<Rc<Saves>>,
    /// The lies.
    pub table: Arc<Table>,
    /// The log.
    pub log: Log,
    /// Whom to tell what goes wrong.
    pub callers: Callers,
    /// What to write statistics to.
    pub report: Option<(OutputFile, Rc<Stats>)>,
    /// Where a state is left that cannot be saved in its place.
    pub elsewhere: Vec<PathBuf>,
}

/// Where a state is left that cannot be saved in its place: this directory for temporary files, or others.
pub fn elsewhere(directory: PathBuf) -> Vec<PathBuf> {
    let mut elsewhere = vec![directory];
    elsewhere.extend([Path::new("/tmp"), Path::new("/var/tmp")].map(Path::to_path_buf));
    elsewhere
}

impl End {
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
        let Some(mut state) = self.checkpoints.take().and_then(Checkpoints::end) else {
            return;
        };
        let live = self.live.take();
        if !self.table.is_changed() {
            drop(live);
            remove_socket(&state);
            if !used {
                state.abandon();
            }
        } else {
            let records = self.table.records();
            match state.save(&records) {
                Ok(()) => {
                    self.log.info(format_args!("{} lies saved", records.len()));
                    drop(live);
                    remove_socket(&state);
                }
                Err(why) => {
                    let path = state.path().display();
                    let place = state.rescue(&records, &self.elsewhere);
                    let rest = match (&place, &live) {
                        (Some(place), _) => {
                            format!("it is in {0}; move {0} to {path} when that is mended", place.display())
                        }
                        (None, Some(_)) => {
                            format!(
                                "until the machine is restarted it is in {path}.live, and saved by the next frng -p {path}"
                            )
                        }
                        (None, None) => format!("what was done is lost, {path} is as it was saved last"),
                    };
                    self.complain(&format!("{why}; {rest}"));
                    let is_found = state.unsaved().is_some();
                    let is_left = match live {
                        // Nothing leads the next one there, so it finds the table.
                        Some(live) if !is_found => {
                            live.leave();
                            true
                        }
                        _ => is_found,
                    };
                    if is_left {
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
