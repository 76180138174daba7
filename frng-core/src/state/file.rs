//! A state file on disk: opening, locking, loading and replacing it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::format;
use super::record::Record;

/// How an attempt to lock a state file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locking {
    /// It is locked now, and it is what its name stands for.
    Locked,
    /// Somebody else has locked it.
    Busy,
    /// It has been replaced or removed meanwhile: to be opened again.
    Replaced,
}

/// An open state file and where it lives.
///
/// Who has locked the file that the name stands for is the only one to replace it and to serve its socket. The lock
/// (flock(2)) belongs to the open file description, so a daemon inherits it over fork. Saving puts another file in
/// the place of the locked one; that one is locked before it gets the name, so that the name is locked throughout.
///
/// Dropping this in one process does not unlock the file in others that have inherited it.
#[derive(Debug)]
pub struct StateFile {
    /// Without symbolic links, for messages.
    path: PathBuf,
    directory: OwnedFd,
    name: OsString,
    file: File,
    /// We have made the file; it was not there before.
    created: bool,
}

impl StateFile {
    /// Opens the state file, which is made if it is missing.
    ///
    /// # Errors
    /// One line that says what is wrong with it.
    pub fn open(path: &Path) -> Result<StateFile, String> {
        let failed = |error: io::Error| format!("cannot open the state file {}: {}", path.display(), reason(&error));
        let mut options = OpenOptions::new();
        // O_NONBLOCK: not to hang on what turns out to be a FIFO.
        options.read(true).write(true).mode(0o600).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
        let (file, created) = match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (options.create(true).truncate(false).open(path).map_err(failed)?, true)
            }
            other => (other.map_err(failed)?, false),
        };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(format!("cannot use {} as state file: not a regular file", path.display()));
        }
        let user = nix::unistd::geteuid();
        if metadata.uid() != user.as_raw() && !user.is_root() {
            let owner = metadata.uid();
            return Err(format!("cannot use {} as state file: it belongs to another user ({owner})", path.display()));
        }
        // Its directory and name are those of the file itself, not of a symbolic link to it.
        let path = fs::canonicalize(path).map_err(failed)?;
        let directory = path.parent().unwrap_or(Path::new("/"));
        let directory = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(directory).map_err(failed)?;
        let name = path.file_name().unwrap_or_default().to_os_string();
        Ok(StateFile { path, directory: directory.into(), name, file, created })
    }

    /// Its path without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its directory, as an `O_PATH` descriptor.
    pub fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Its name in [`StateFile::directory`].
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// The open file that has the lock.
    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Tries to lock it, without waiting.
    ///
    /// # Errors
    /// One line that says why it cannot be locked by anybody.
    pub fn lock(&self) -> Result<Locking, String> {
        match flock(&self.file, libc::LOCK_EX | libc::LOCK_NB) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EWOULDBLOCK) => {
                return Ok(Locking::Busy);
            }
            Err(error) => {
                return Err(format!("cannot lock the state file {}: {}", self.path.display(), reason(&error)));
            }
        }
        if matches!(self.named(), Ok(Some(true))) {
            return Ok(Locking::Locked);
        }
        self.unlock();
        Ok(Locking::Replaced)
    }

    /// The same open file once more, lock included.
    ///
    /// # Errors
    /// Those of dup(2).
    pub fn duplicate(&self) -> io::Result<StateFile> {
        let directory = self.directory.try_clone()?;
        let file = self.file.try_clone()?;
        Ok(StateFile { path: self.path.clone(), directory, name: self.name.clone(), file, created: self.created })
    }

    /// Gives the lock up in all processes that have inherited it. It also ends with the last of them.
    pub fn unlock(&self) {
        // Cannot fail for an open file.
        let _ = flock(&self.file, libc::LOCK_UN);
    }

    /// Whether the name stands for the open file; `None` if it stands for nothing.
    fn named(&self) -> io::Result<Option<bool>> {
        let ours = fstat(&self.file)?;
        match fstatat(&self.directory, self.name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(named) => Ok(Some(same_file(&ours, &named))),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads it, changes what it holds, and saves that, all under its lock; nothing has changed if that fails. Returns the new
    /// records.
    ///
    /// # Errors
    /// One line that says why, among others that a daemon is using it, or the one of `change`.
    pub fn change(
        path: &Path,
        change: impl FnOnce(Vec<Record>) -> Result<Vec<Record>, String>,
    ) -> Result<Vec<Record>, String> {
        let mut state = loop {
            let state = StateFile::open(path)?;
            match state.lock()? {
                Locking::Locked => break state,
                Locking::Busy => return Err(in_use(path)),
                Locking::Replaced => {}
            }
        };
        let unsaved = state.unsaved().map_or(Ok(()), Err);
        let changed = unsaved.and_then(|()| state.recover()).and_then(|_| state.load()).and_then(change);
        let changed = changed.and_then(|records| state.save(&records).map(|()| records));
        if changed.is_err() {
            state.abandon();
        }
        changed
    }

    /// Reads it.
    ///
    /// # Errors
    /// One line that says where it is broken, or why it cannot be read.
    pub fn load(&self) -> Result<Vec<Record>, String> {
        load(&self.file, &self.path)
    }

    /// Replaces it by a new file with these records. Only the holder of the lock may do so; he has the lock of the
    /// new file then. If it fails the old file is what it was.
    ///
    /// # Errors
    /// One line that says why.
    pub fn save(&mut self, records: &[Record]) -> Result<(), String> {
        self.replace(records)
            .map_err(|error| format!("cannot save the state to {}: {}", self.path.display(), reason(&error)))
    }

    fn replace(&mut self, records: &[Record]) -> io::Result<()> {
        if self.named()? == Some(false) {
            return Err(io::Error::other("another file has taken its name"));
        }
        let (temporary, file) = self.temporary()?;
        let written = self.prepare(&file).and_then(|()| fill(&file, records)).and_then(|()| {
            renameat(&self.directory, temporary.as_os_str(), &self.directory, self.name.as_os_str())?;
            Ok(())
        });
        if let Err(error) = written {
            // Whatever this says, the first error is the one to tell.
            let _ = unlinkat(&self.directory, temporary.as_os_str(), UnlinkatFlags::NoRemoveDir);
            return Err(error);
        }
        self.file = file;
        self.sync_directory();
        Ok(())
    }

    /// Makes a file next to the state file.
    pub(super) fn temporary(&self) -> io::Result<(OsString, File)> {
        // A short name, because that of the state file may be as long as names can be.
        make_file(self.directory(), ".frng-")
    }

    /// Gives another file the permissions and the lock of this one.
    fn prepare(&self, file: &File) -> io::Result<()> {
        let old = self.file.metadata()?;
        let new = file.metadata()?;
        if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
            // Root may keep the owner, everybody a group he is in. If not, the file is the saver's.
            let _ = std::os::unix::fs::fchown(file, Some(old.uid()), Some(old.gid()));
        }
        file.set_permissions(Permissions::from_mode(old.mode() & 0o777))?;
        flock(file, libc::LOCK_EX | libc::LOCK_NB)
    }

    /// Makes the new name last. Not every filesystem can; the file itself is complete in any case.
    fn sync_directory(&self) {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        if let Ok(directory) = openat(&self.directory, ".", flags, Mode::empty()) {
            let _ = nix::unistd::fsync(directory);
        }
    }

    /// Undoes [`StateFile::open`] when no session has come of it: the holder of the lock removes the file if it was
    /// made by him and is still empty.
    pub fn abandon(&self) {
        let empty = self.file.metadata().is_ok_and(|metadata| metadata.len() == 0);
        if self.created && empty && matches!(self.named(), Ok(Some(true))) {
            // An empty state file does no harm, should this fail.
            let _ = unlinkat(&self.directory, self.name.as_os_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// Makes a private file with a new name in a directory; the name, which begins with `prefix`, comes with it.
pub(super) fn make_file(directory: BorrowedFd<'_>, prefix: &str) -> io::Result<(OsString, File)> {
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let mut attempt = 0;
    loop {
        let name = OsString::from(format!("{prefix}{}-{attempt}", std::process::id()));
        match openat(directory, name.as_os_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR) {
            Ok(file) => return Ok((name, file.into())),
            // Left behind by a daemon that was killed.
            Err(Errno::EEXIST) if attempt < 100 => attempt += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Writes records to a file, on to the disk.
pub(super) fn fill(file: &File, records: &[Record]) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, file);
    format::write(records, &mut out)?;
    out.flush()?;
    drop(out);
    file.sync_all()
}

/// Reads a state file that is in nobody's use, or as it was saved last.
///
/// # Errors
/// One line that says where it is broken, or why it cannot be read.
pub fn read(path: &Path) -> Result<Vec<Record>, String> {
    let file = open_to_read(path)?;
    match flock(&file, libc::LOCK_SH | libc::LOCK_NB) {
        Ok(()) => load_left(&file, path),
        // In use, or it cannot be locked.
        Err(_) => load(&file, path),
    }
}

/// Reads a state file that nobody uses, with what a killed daemon has left of it.
fn load_left(file: &File, path: &Path) -> Result<Vec<Record>, String> {
    match StateFile::open(path) {
        Ok(state) if state.has_live_table() => state.load_recovered(),
        _ => load(file, path),
    }
}

/// Reads a state file that is in nobody's use.
///
/// # Errors
/// Those of [`read`], and one line if a daemon has not saved it yet.
pub fn read_unused(path: &Path) -> Result<Vec<Record>, String> {
    let file = open_to_read(path)?;
    match flock(&file, libc::LOCK_SH | libc::LOCK_NB) {
        Ok(()) => load_left(&file, path),
        Err(error) if error.raw_os_error() == Some(libc::EWOULDBLOCK) => Err(in_use(path)),
        Err(error) => Err(format!("cannot lock the state file {}: {}", path.display(), reason(&error))),
    }
}

fn in_use(path: &Path) -> String {
    format!("cannot use the state file {}: a daemon is using it; wait until its commands have ended", path.display())
}

fn open_to_read(path: &Path) -> Result<File, String> {
    // A FIFO must not be waited for.
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(|error| format!("cannot open the state file {}: {}", path.display(), reason(&error)))?;
    let kind = file.metadata().map(|metadata| metadata.file_type());
    if kind.is_ok_and(|kind| !kind.is_file() && !kind.is_dir()) {
        return Err(format!("cannot use {} as state file: it is not a regular file", path.display()));
    }
    Ok(file)
}

fn load(mut file: &File, path: &Path) -> Result<Vec<Record>, String> {
    let path = path.display();
    let failed = |error: io::Error| format!("cannot read the state file {path}: {}", reason(&error));
    let refused = |broken| format!("cannot use the state file {path}: {broken}; mend it or move it away");
    let mut text = Vec::new();
    // It may have been read or written before.
    file.rewind().map_err(failed)?;
    // A disk image named by mistake is refused without reading all of it.
    file.take(4096).read_to_end(&mut text).map_err(failed)?;
    if !text.starts_with(b"frng_state") {
        let first = text.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        format::parse(first).map_err(refused)?;
    }
    file.read_to_end(&mut text).map_err(failed)?;
    format::parse(&text).map_err(refused)
}

fn same_file(one: &FileStat, other: &FileStat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

/// flock(2). Not `nix::fcntl::Flock`, which unlocks when it is dropped: then the process that has started a daemon
/// would take the lock away from it.
fn flock(file: &File, operation: i32) -> io::Result<()> {
    loop {
        // SAFETY: flock takes no memory.
        if unsafe { libc::flock(file.as_raw_fd(), operation) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// The kernel's words for an error, without the number that [`io::Error`] adds.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_string(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inode::InodeId;
    use crate::lie::Lie;
    use crate::stat::S_IFREG;
    use crate::state::Xattrs;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    fn records(count: u64) -> Vec<Record> {
        (0..count)
            .map(|ino| Record {
                inode: InodeId { dev: 1, ino, birth: None, has_name: true },
                lie: Lie { uid: 1, gid: 2, mode: S_IFREG | 0o644, rdev: 0 },
                xattrs: Xattrs::new(),
                path: None,
            })
            .collect()
    }

    fn names(directory: &TempDir) -> Vec<OsString> {
        let mut names: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_missing_file_is_made_private_and_empty() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let state = StateFile::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(state.load().unwrap(), []);
        assert_eq!(state.lock(), Ok(Locking::Locked));
        state.abandon();
        assert!(names(&directory).is_empty());
    }

    #[test]
    fn saving_replaces_the_file_and_keeps_its_permissions_and_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let mut state = StateFile::open(&path).unwrap();
        assert_eq!(state.lock(), Ok(Locking::Locked));
        let old = StateFile::open(&path).unwrap();
        assert_eq!(old.lock(), Ok(Locking::Busy));
        state.save(&records(3)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        let new = StateFile::open(&path).unwrap();
        assert_eq!(new.lock(), Ok(Locking::Busy));
        assert_eq!(old.lock(), Ok(Locking::Replaced));
        state.save(&records(2)).unwrap();
        state.unlock();
        let new = StateFile::open(&path).unwrap();
        assert_eq!(new.lock(), Ok(Locking::Locked));
        assert_eq!(new.load().unwrap(), records(2));
        assert_eq!(names(&directory), ["state"]);
        new.abandon();
        assert_eq!(names(&directory), ["state"]);
    }

    #[test]
    fn what_cannot_be_saved_leaves_the_old_file_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let mut state = StateFile::open(&path).unwrap();
        state.save(&records(1)).unwrap();
        fs::rename(&path, directory.path().join("away")).unwrap();
        fs::write(&path, "precious").unwrap();
        let error = state.save(&records(2)).unwrap_err();
        assert!(error.ends_with("another file has taken its name"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        // Renaming a file over a directory fails after all has been written.
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        state.file = File::open(&path).unwrap();
        assert!(state.save(&records(2)).unwrap_err().ends_with("Is a directory"));
        assert_eq!(names(&directory), ["away", "state"]);
    }

    #[test]
    fn a_symbolic_link_stays_one() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("sub")).unwrap();
        let link = directory.path().join("link");
        symlink("sub/state", &link).unwrap();
        let mut state = StateFile::open(&link).unwrap();
        state.save(&records(1)).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(state.path().ends_with("sub/state"));
        assert_eq!(StateFile::open(&link).unwrap().load().unwrap(), records(1));
    }

    #[test]
    fn what_is_no_state_file_is_refused_and_left_untouched() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        for text in [&b"#!/bin/sh\n"[..], b"frng_state(version: 9)\n", b"\0\0\0", &[b'x'; 10000]] {
            fs::write(&path, text).unwrap();
            let error = StateFile::open(&path).unwrap().load().unwrap_err();
            assert!(error.contains("line 1, column"), "{error}");
            assert_eq!(error.lines().count(), 1);
            assert_eq!(fs::read(&path).unwrap(), text);
        }
        let error = StateFile::open(directory.path()).unwrap_err();
        assert!(error.ends_with("Is a directory"), "{error}");
        let fifo = directory.path().join("fifo");
        nix::unistd::mkfifo(&fifo, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        assert!(StateFile::open(&fifo).unwrap_err().contains("not a regular file"));
        assert!(StateFile::open(&path.join("x")).unwrap_err().ends_with("Not a directory"));
    }
}
