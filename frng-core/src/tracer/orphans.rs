//! Lies of inodes that have lost their last name.
//!
//! They are told as long as somebody has the inode open. Nobody tells when the last descriptor is closed, so once
//! there are many such lies those of inodes that no tracee has open are dropped.

use std::collections::HashSet;
use std::fs;

use super::lookup;
use crate::inode::InodeKey;
use crate::lie::LieTable;
use crate::state::Table;

/// How many there may be before the first look.
const FEW: usize = 1024;

/// Drops lies of inodes that are gone.
pub struct Sweeper {
    limit: usize,
}

impl Default for Sweeper {
    fn default() -> Sweeper {
        Sweeper { limit: FEW }
    }
}

impl Sweeper {
    /// Looks at what the processes have open if there are too many orphans. As the next look is taken only when there are
    /// twice as many as this one has left, it costs little for each.
    pub fn sweep(&mut self, table: &Table, processes: impl Iterator<Item = i32>) {
        if table.kinds().orphans <= self.limit {
            return;
        }
        // What loses its name meanwhile, in an agent, is not looked for.
        let before = table.orphans();
        let mut open = HashSet::new();
        for process in processes {
            add_open_files(process, &mut open);
        }
        let gone: HashSet<InodeKey> = before.difference(&open).copied().collect();
        table.drop_orphans(&gone);
        self.limit = FEW.max(2 * table.kinds().orphans);
    }
}

/// Inodes behind the descriptors, the working directory and the root of a process.
fn add_open_files(process: i32, open: &mut HashSet<InodeKey>) {
    let base = format!("/proc/{process}");
    let numbers = fs::read_dir(format!("{base}/fd")).into_iter().flatten().flatten();
    let descriptors = numbers.filter_map(|entry| Some(format!("{base}/fd/{}", entry.file_name().to_str()?)));
    let directories = ["cwd", "root"].into_iter().map(|name| format!("{base}/{name}"));
    open.extend(descriptors.chain(directories).filter_map(|link| lookup::identity(&link)));
}
