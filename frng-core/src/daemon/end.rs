//! The end of a daemon.

use std::ffi::OsString;
use std::rc::Rc;

use nix::unistd::{UnlinkatFlags, unlinkat};

use super::socket_name;
use crate::lie::LieTable;
use crate::log::Log;
use crate::state::{StateFile, Table};

/// What a daemon has to do once, between the end of its last tracee and its own.
pub struct End {
    state: Option<StateFile>,
    table: Rc<Table>,
    log: Log,
}

impl End {
    /// Of a daemon with a state file that it has locked, or without.
    pub fn new(state: Option<StateFile>, table: Rc<Table>, log: Log) -> End {
        End { state, table, log }
    }

    /// Saves the state, if it has changed, and gives the state file up; nothing when called again.
    ///
    /// If saving fails the old file stays as it is. The user is told by the next invocation, which finds the socket
    /// left over: nobody else is there to be told, and the disk may be too full for anything new.
    pub fn finish(&mut self) {
        let Some(mut state) = self.state.take() else {
            return;
        };
        if !self.table.is_changed() {
            remove_socket(&state);
        } else {
            match state.save(&self.table.records()) {
                Ok(()) => {
                    self.log.info(format_args!("{} lies saved", self.table.kinds().all));
                    remove_socket(&state);
                }
                Err(why) => self.log.error(format_args!("{why}")),
            }
        }
        state.unlock();
    }
}

/// Removes the socket of a state file, which must be locked.
pub fn remove_socket(state: &StateFile) {
    let name: OsString = socket_name(state);
    // If it is gone already that is as good.
    let _ = unlinkat(state.directory(), name.as_os_str(), UnlinkatFlags::NoRemoveDir);
}
