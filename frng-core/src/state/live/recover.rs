//! Folding what a killed daemon has left into the state file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use super::{Left, Origin};
use crate::inode::InodeKey;
use crate::memory::Mapping;
use crate::shared::{Layout, Salvage, SharedTable, Torn};
use crate::state::record::Record;
use crate::state::{StateFile, Table, reason};

/// How long tracees of the killed daemon may take to end. They are killed with it; one that hangs in a call of a dead network file
/// system runs no code of its own any more.
const PATIENCE: Duration = Duration::from_secs(5);

/// Dropped records that are named; more are counted.
const NAMED: usize = 5;

/// What was found beside a state file whose last daemon did not end as daemons do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovered {
    /// The live table was there.
    Lies {
        /// Lies of the state file that are different now: new, changed or forgotten.
        count: usize,
        /// Why some were dropped, in words.
        torn: Vec<String>,
    },
    /// The live table is gone, or cannot be believed, for this reason; the state file is as it was saved last.
    Nothing(&'static str),
}

impl std::fmt::Display for Recovered {
    /// One line for the user.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Recovered::Lies { count, torn } => {
                write!(f, "the last daemon was killed: recovered {count} lies")?;
                if !torn.is_empty() {
                    write!(f, ", dropped what was torn: {}", torn[..torn.len().min(NAMED)].join(", "))?;
                    if torn.len() > NAMED {
                        write!(f, " and {} more", torn.len() - NAMED)?;
                    }
                }
                Ok(())
            }
            Recovered::Nothing(why) => {
                write!(f, "the last daemon was killed, and {why}: what was done in its last second may be lost")
            }
        }
    }
}

impl StateFile {
    /// Whether somebody has left a live table.
    pub fn has_live_table(&self) -> bool {
        !matches!(Left::find(self), Ok(None))
    }

    /// Folds the live table of a daemon that was killed, if there is one, into the state file, which must be locked. The live table
    /// is removed when that is saved.
    ///
    /// # Errors
    /// One line that says why not. Both are as they were then.
    pub fn recover(&mut self) -> Result<Option<Recovered>, String> {
        let Some(left) = Left::find(self)? else { return Ok(None) };
        let Some((directory, copy)) = self.copy(&left)? else {
            left.remove(self, None);
            return Ok(Some(Recovered::Nothing("its memory is gone (has the machine been restarted?)")));
        };
        let recovered = match copy.table(self)? {
            Err(why) => Recovered::Nothing(why),
            Ok(table) => {
                let before = self.load()?;
                let salvage = copy.salvage(&table);
                let after = fold(&before, &table, &salvage);
                let count = differences(&before, &after);
                if count > 0 {
                    self.save(&after)?;
                }
                Recovered::Lies { count, torn: salvage.torn.iter().map(Torn::to_string).collect() }
            }
        };
        left.remove(self, Some(&directory));
        Ok(Some(recovered))
    }

    /// The directory and a copy of a live table; `None` if it is gone.
    fn copy(&self, left: &Left) -> Result<Option<(OwnedFd, Copy)>, String> {
        let failed = |error: io::Error| {
            let path = self.path().display();
            let why = reason(&error);
            format!(
                "cannot read what the last daemon of {path} has left: {why}; remove {path}.live to go on without it"
            )
        };
        let Some((directory, file)) = left.open(self).map_err(failed)? else { return Ok(None) };
        wait_until_unused(&file);
        Copy::read(&file).map(|copy| Some((directory, copy))).map_err(failed)
    }

    /// What the state file would hold after [`StateFile::recover`], which is left to others.
    pub(in crate::state) fn load_recovered(&self) -> Result<Vec<Record>, String> {
        let before = self.load()?;
        let Some(left) = Left::find(self)? else { return Ok(before) };
        let Some((_, copy)) = self.copy(&left)? else { return Ok(before) };
        let Ok(table) = copy.table(self)? else { return Ok(before) };
        Ok(fold(&before, &table, &copy.salvage(&table)))
    }
}

/// A copy of a live table, which nobody can change or cut while it is read.
struct Copy {
    mapping: Mapping,
    len: u64,
}

impl Copy {
    fn read(file: &File) -> io::Result<Copy> {
        let len = file.metadata()?.len();
        let mut mapping = Err(io::Error::from_raw_os_error(libc::EFBIG));
        // The header, which is part of the copy, says which it is.
        for layout in [Layout::LARGE, Layout::MEDIUM, Layout::SMALL] {
            let room = layout.bytes().ok_or(io::ErrorKind::OutOfMemory)?;
            if mapping.is_err() && room as u64 >= len {
                mapping = Mapping::private(room);
            }
        }
        let mapping = mapping?;
        let end = usize::try_from(len).unwrap_or(usize::MAX).min(mapping.len());
        let mut at = 0;
        while let Some((begin, data_end)) = next_data(file, at, end)? {
            at = begin;
            while at < data_end {
                // SAFETY: within the mapping, which is ours alone; nothing refers to what is in it yet.
                let read = unsafe {
                    let place = mapping.address().as_ptr().add(at).cast();
                    libc::pread(file.as_raw_fd(), place, data_end - at, at as libc::off_t)
                };
                match usize::try_from(read) {
                    // It has become shorter meanwhile.
                    Ok(0) => break,
                    Ok(count) => at += count,
                    Err(_) => return Err(io::Error::last_os_error()),
                }
            }
            at = data_end;
        }
        Ok(Copy { mapping, len })
    }

    /// The table, or why there is none to be believed.
    ///
    /// # Errors
    /// One line, if it is that of another state file.
    fn table(&self, state: &StateFile) -> Result<Result<SharedTable, &'static str>, String> {
        // SAFETY: mapped as long as this copy, which the table does not outlive, and used by nobody else.
        let table = unsafe { SharedTable::open(self.mapping.address(), self.mapping.len()) };
        let Some((table, origin)) = table.and_then(|table| Some((table, table.origin()?))) else {
            return Ok(Err("the header of its live table is torn"));
        };
        let (origin, now) = (Origin::from_bytes(&origin), Origin::of(state));
        let path = state.path().display();
        let now = now.map_err(|error| format!("cannot look at the directory of {path}: {}", reason(&error)))?;
        if !origin.is_of_same_state(&now) {
            return Err(format!(
                "cannot use the state file {path}: {path}.live leads to the live table of another one, of which it may be a copy; remove it"
            ));
        }
        if !origin.is_of_same_boot(&now) {
            return Ok(Err("the machine has been started again since"));
        }
        Ok(Ok(table))
    }

    /// What can be believed of the table.
    fn salvage(&self, table: &SharedTable) -> Salvage {
        let mut salvage = table.salvage();
        let is_cut = table.bytes().is_none_or(|bytes| self.len < bytes as u64);
        salvage.torn.extend(is_cut.then_some(Torn::End));
        salvage
    }
}

/// The next part of a file that is not a hole.
pub(super) fn next_data(file: &File, at: usize, end: usize) -> io::Result<Option<(usize, usize)>> {
    let seek = |at: usize, whence| {
        // SAFETY: takes no memory.
        let found = unsafe { libc::lseek(file.as_raw_fd(), at as libc::off_t, whence) };
        usize::try_from(found).map_err(|_| io::Error::last_os_error())
    };
    if at >= end {
        return Ok(None);
    }
    match seek(at, libc::SEEK_DATA) {
        Ok(begin) if begin < end => Ok(Some((begin, seek(begin, libc::SEEK_HOLE)?.min(end)))),
        Ok(_) => Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => Ok(None),
        // A filesystem without holes.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(Some((at, end))),
        Err(error) => Err(error),
    }
}

/// Waits until no other process has the file open or mapped, which is when a write lease is given (fcntl(2)). The kernel gives up
/// the locks of a killed daemon before it kills the daemon's tracees, and what those do until then counts.
fn wait_until_unused(file: &File) {
    let lease = |kind: i32| {
        // SAFETY: takes no memory.
        match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error().raw_os_error()),
        }
    };
    let since = Instant::now();
    loop {
        match lease(libc::F_WRLCK) {
            Ok(()) => {
                let _ = lease(libc::F_UNLCK);
                return;
            }
            Err(Some(libc::EAGAIN | libc::EBUSY)) if since.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(2))
            }
            // No leases here: they are as good as dead.
            Err(Some(libc::EINVAL | libc::EACCES)) => return thread::sleep(Duration::from_millis(100)),
            Err(_) => return,
        }
    }
}

/// What the state is, given the one that was saved last and a live table. A sound one is the whole truth; of one with something torn
/// each lie is, and the rest is as it was saved.
fn fold(saved: &[Record], table: &SharedTable, salvage: &Salvage) -> Vec<Record> {
    let live = salvage.lies.iter().filter(|lie| !lie.is_orphan).map(|entry| Table::record(table, entry));
    let live: BTreeMap<InodeKey, Record> = live.map(|record| (record.inode.key(), record)).collect();
    let orphans: HashSet<InodeKey> =
        salvage.lies.iter().filter(|lie| lie.is_orphan).map(|lie| lie.inode.key()).collect();
    let keep = |record: &&Record| {
        let key = record.inode.key();
        let is_open = !salvage.torn.is_empty() && !orphans.contains(&key);
        !live.contains_key(&key) && (is_open || !Table::can_hold(record))
    };
    let mut records: Vec<Record> = saved.iter().filter(keep).cloned().collect();
    let paths: HashMap<InodeKey, &Record> = saved.iter().map(|record| (record.inode.key(), record)).collect();
    records.extend(live.into_values().map(|mut record| {
        let before = paths.get(&record.inode.key()).filter(|before| before.inode.birth == record.inode.birth);
        record.path = before.and_then(|before| before.path.clone());
        record
    }));
    records.sort_unstable_by_key(|record| record.inode.key());
    records
}

/// Inodes of which the one says something else than the other.
fn differences(one: &[Record], other: &[Record]) -> usize {
    let by_key = |records: &[Record]| -> BTreeMap<InodeKey, Record> {
        records.iter().map(|record| (record.inode.key(), record.clone())).collect()
    };
    let (one, other) = (by_key(one), by_key(other));
    let changed = one.iter().filter(|(key, record)| other.get(key) != Some(record)).count();
    changed + other.keys().filter(|key| !one.contains_key(key)).count()
}
