//! Which files a thread that is not root may reach by their paths, and in which directories it may make, rename and
//! remove names.
//!
//! Looked at before the handler of a call, for threads without the capabilities that make root free of all this; on disk
//! everything belongs to the real user, whom the kernel refuses nothing. `fs/namei.c`.

use super::permission::{self, EXECUTE, READ, Subject, WRITE};
use super::procfs::place::Place;
use super::walk::{Found, Walked, check_place, place_of, walk};
use super::{Last, PATH_MAX, RESOLVE_SCOPED, Tracee, TraceeExt, creation, others, procfs, root, sockets, times, view};
use crate::call::table::TMPFILE;
use crate::call::{Arg, Call, FileRef, Sys};
use crate::creds::{CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_KILL, CAP_SYS_PTRACE, Creds};
use crate::errno::Errno;
use crate::stat::{S_IFMT, S_IFREG, S_ISGID, S_ISUID, S_ISVTX, S_IXGRP};

/// Whether a thread with these credentials may be refused what root may do with any path, or to any process.
pub fn is_restricted(creds: &Creds) -> bool {
    let all = |who: Subject| who.caps & FREE == FREE;
    !all(Subject::acting(creds)) || !all(Subject::real(creds)) || creds.caps.effective & BESIDES != BESIDES
}

/// Whoever has these may signal and trace every process, and leaves set-ID bits where they are.
const BESIDES: u64 = 1 << CAP_KILL | 1 << CAP_SYS_PTRACE | 1 << CAP_FSETID;

/// Whoever has these may search and change every directory.
const FREE: u64 = 1 << CAP_DAC_OVERRIDE | 1 << CAP_FOWNER;

/// Refuses what the kernel would refuse because of the directories on the way, of the one that is changed, or of the mode
/// of what is opened. What the handlers look at themselves (owners, for chmod and the like) is theirs.
///
/// # Errors
/// `EACCES`, `EPERM`.
pub async fn check<T: Tracee>(tracee: &T, call: &Call) -> Result<(), Errno> {
    let creds = tracee.creds();
    if !is_restricted(&creds) {
        return Ok(());
    }
    if !call.row().may_name_files() {
        return Ok(());
    }
    let is_access = matches!(call.sys, Sys::Access | Sys::Faccessat | Sys::Faccessat2);
    let as_real = is_access && call.int(Arg::AtFlags) as i32 & libc::AT_EACCESS == 0;
    let who = if as_real { Subject::real(&creds) } else { Subject::acting(&creds) };
    // Which links it may follow no capability says.
    if who.caps & FREE == FREE && creds.has(CAP_SYS_PTRACE) && tracee.settings().protected.symlinks == 0 {
        return Ok(());
    }
    Checker { tracee, who, creds }.check(call).await
}

struct Checker<'a, T> {
    tracee: &'a T,
    who: Subject,
    creds: Creds,
}

impl<T: Tracee> Checker<'_, T> {
    async fn check(&self, call: &Call) -> Result<(), Errno> {
        match call.sys {
            Sys::Mkdir | Sys::Mkdirat => self.create(call.file(), true).await,
            Sys::Mknod | Sys::Mknodat | Sys::Symlink | Sys::Symlinkat => self.create(call.file(), false).await,
            Sys::Unlink | Sys::Unlinkat | Sys::Rmdir => {
                let walked = self.walk(call.file(), Last::Name).await?;
                let directory = call.sys == Sys::Rmdir || call.int(Arg::Flags) as i32 & libc::AT_REMOVEDIR != 0;
                if !directory && self.ends_with_slash(call.file()) {
                    // ENOENT, EISDIR, ENOTDIR.
                    return Ok(());
                }
                walked.map_or(Ok(()), |walked| self.may_delete(&walked))
            }
            Sys::Rename | Sys::Renameat | Sys::Renameat2 => self.rename(call).await,
            Sys::Link | Sys::Linkat => self.link(call).await,
            Sys::Open | Sys::Openat => self.open(call.file(), call.int(Arg::OpenFlags).into()).await,
            Sys::Creat => self.open(call.file(), (libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC) as u64).await,
            Sys::Openat2 => self.openat2(call).await,
            Sys::Chdir | Sys::Chroot => {
                let walked = self.walk(call.file(), Last::Target).await?;
                match walked.and_then(|walked| Some((walked.target?, walked.place))) {
                    Some((found, place)) if found.is_directory() => self.may_at(place, &found, EXECUTE).await,
                    _ => Ok(()),
                }
            }
            Sys::Fchdir => match self.tracee.stat(call.file()).await {
                Ok(real) => {
                    let place = procfs::has(self.tracee, &real).then(|| place_of(self.tracee, call.file().dirfd));
                    let found = Found::at(self.tracee, real, place.flatten());
                    if found.is_directory() { self.may_at(place.flatten(), &found, EXECUTE).await } else { Ok(()) }
                }
                Err(_) => Ok(()),
            },
            Sys::Execve | Sys::Execveat => {
                let target = self.target(call.file(), Last::with_flags(call.file().flags)).await?;
                let regular = target.filter(|found| found.seen.mode & S_IFMT == S_IFREG);
                regular.map_or(Ok(()), |found| self.may(&found, EXECUTE))
            }
            Sys::InotifyAddWatch => {
                let last = root::last(self.tracee, call, Arg::Path);
                let target = self.target(call.file_by_path(), last).await?;
                target.map_or(Ok(()), |found| self.may(&found, READ))
            }
            Sys::Bind | Sys::Connect => self.socket(call).await,
            Sys::Socketcall => self.socketcall(call).await,
            Sys::Sendto | Sys::Sendmsg | Sys::Getcwd => Ok(()),
            Sys::Truncate | Sys::Truncate64 => {
                // The sign is in the upper half of an argument in two words. `do_sys_truncate`
                let [_, one_word, second_of_two, ..] = call.args;
                let upper = if call.sys == Sys::Truncate { one_word } else { second_of_two };
                if upper >> (8 * self.tracee.abi().word_len() - 1) & 1 != 0 {
                    // EINVAL.
                    return Ok(());
                }
                let target = self.target(call.file(), Last::Target).await?;
                match target.filter(|found| found.seen.mode & S_IFMT == S_IFREG) {
                    Some(found) => self.may(&found, WRITE),
                    None => Ok(()),
                }
            }
            Sys::Access | Sys::Faccessat | Sys::Faccessat2 => self.access(call).await,
            Sys::Readlink | Sys::Readlinkat => {
                let place = self.walk(call.file(), Last::Link).await?.and_then(|walked| walked.place);
                match place.and_then(Place::tells_of) {
                    Some(tid) if !others::may_read(self.tracee, &self.who, tid).await => Err(Errno::EACCES),
                    _ => Ok(()),
                }
            }
            _ if times::changes_nothing(self.tracee, call) => Ok(()),
            _ => self.walk(call.file(), Last::with_flags(call.file().flags)).await.map(drop),
        }
    }

    /// What is asked about a file of procfs; of others the handler knows.
    async fn access(&self, call: &Call) -> Result<(), Errno> {
        let file = call.file();
        let Some(Walked { target: Some(target), place: Some(place), .. }) =
            self.walk(file, Last::with_flags(file.flags)).await?
        else {
            return Ok(());
        };
        check_place(self.tracee, &self.who, place, &target, call.int(Arg::Mode) & (READ | WRITE | EXECUTE)).await
    }

    async fn walk(&self, file: FileRef, last: Last) -> Result<Option<Walked>, Errno> {
        walk(self.tracee, &self.who, file, last).await
    }

    async fn target(&self, file: FileRef, last: Last) -> Result<Option<Found>, Errno> {
        Ok(self.walk(file, last).await?.and_then(|walked| walked.target))
    }

    fn may(&self, found: &Found, want: u32) -> Result<(), Errno> {
        let allowed = permission::allows_as_remembered(self.tracee, &self.who, &found.real, &found.seen, want);
        if allowed { Ok(()) } else { Err(Errno::EACCES) }
    }

    /// The same of what may be in procfs.
    async fn may_at(&self, place: Option<Place>, found: &Found, want: u32) -> Result<(), Errno> {
        match place {
            Some(place) => check_place(self.tracee, &self.who, place, found, want).await,
            None => self.may(found, want),
        }
    }

    /// `may_create`: a new name in a directory. One that is removed has no room for any, which the kernel tells (`IS_DEADDIR`).
    fn may_create(&self, directory: &Found) -> Result<(), Errno> {
        if directory.real.nlink == 0 {
            return Ok(());
        }
        self.may(directory, WRITE | EXECUTE)
    }

    /// Whether a path claims to be that of a directory.
    fn ends_with_slash(&self, file: FileRef) -> bool {
        let mut buffer = [0; PATH_MAX];
        self.tracee.read_cstr(file.path, &mut buffer).is_ok_and(|path| path.ends_with(b"/"))
    }

    /// The new name of a call; one that is there already is the kernel's to refuse, and so is one with a slash behind it that
    /// is not to be a directory. `filename_create`.
    async fn create(&self, file: FileRef, directory: bool) -> Result<(), Errno> {
        match self.walk(file, Last::Name).await? {
            _ if !directory && self.ends_with_slash(file) => Ok(()),
            Some(Walked { directory: Some(directory), target: None, .. }) => self.may_create(&directory),
            _ => Ok(()),
        }
    }

    /// `may_delete`: a name that is to go.
    fn may_delete(&self, walked: &Walked) -> Result<(), Errno> {
        let Walked { directory: Some(directory), target: Some(target), .. } = walked else { return Ok(()) };
        self.may(directory, WRITE | EXECUTE)?;
        let uid = self.creds.uid.fs;
        let is_sticky = directory.seen.mode & S_ISVTX != 0;
        let owns_one = uid == target.seen.uid || uid == directory.seen.uid;
        if is_sticky && !owns_one && !self.creds.has(CAP_FOWNER) { Err(Errno::EPERM) } else { Ok(()) }
    }

    /// `do_renameat2`.
    async fn rename(&self, call: &Call) -> Result<(), Errno> {
        const EXCHANGE: u32 = libc::RENAME_EXCHANGE;
        const NOREPLACE: u32 = libc::RENAME_NOREPLACE;
        let has = |flag: u32| call.int(Arg::Flags) & flag != 0;
        // What is wrong with the first path is told before the second one is looked at.
        let Some(from) = self.walk(call.file(), Last::Name).await? else { return Ok(()) };
        let Some(to) = self.walk(call.destination(), Last::Name).await? else { return Ok(()) };
        let Some(source) = from.target else { return Ok(()) };
        if has(NOREPLACE) && to.target.is_some() || has(EXCHANGE) && to.target.is_none() {
            // EEXIST, ENOENT.
            return Ok(());
        }
        let of_other_kind = if has(EXCHANGE) { to.target.unwrap_or(source) } else { source };
        if !source.is_directory() && self.ends_with_slash(call.file())
            || !of_other_kind.is_directory() && self.ends_with_slash(call.destination())
        {
            // ENOTDIR.
            return Ok(());
        }
        let refused = self.may_rename(&from, &to, has(EXCHANGE));
        if refused.is_err() {
            let into_itself = source.is_directory() && self.lies_below(call.destination(), &source).await;
            let over = to.target.filter(Found::is_directory);
            let over_its_own = match over {
                Some(target) => self.lies_below(call.file(), &target).await,
                None => false,
            };
            if into_itself || over_its_own {
                // EINVAL, ENOTEMPTY.
                return Ok(());
            }
        }
        refused
    }

    /// Whether the directory that the last component of a path is a name in is this one, or lies below it.
    async fn lies_below(&self, file: FileRef, above: &Found) -> bool {
        const UP: &[u8] = b"/..";
        let mut text = [0; PATH_MAX];
        let Ok(path) = self.tracee.read_cstr(file.path, &mut text) else { return false };
        let last = path.iter().rposition(|byte| *byte != b'/').unwrap_or(0);
        let slash = path.get(..last).and_then(|path| path.iter().rposition(|byte| *byte == b'/'));
        let mut len = slash.map_or(1, |slash| slash + 1);
        if let (None, Some(first)) = (slash, text.first_mut()) {
            *first = b'.';
        }
        let mut before = None;
        loop {
            let directory = text.get(..len).unwrap_or_default();
            let Ok(real) = self.tracee.stat_name(file.dirfd, directory, 0).await else { return false };
            let key = real.id().key();
            if key == above.real.id().key() {
                return true;
            }
            let Some(room) = text.get_mut(len..len + UP.len()) else { return false };
            if before == Some(key) {
                // The root.
                return false;
            }
            room.copy_from_slice(UP);
            len += UP.len();
            before = Some(key);
        }
    }

    /// `vfs_rename`.
    fn may_rename(&self, from: &Walked, to: &Walked, exchange: bool) -> Result<(), Errno> {
        let (Some(from_directory), Some(source)) = (from.directory, from.target) else { return Ok(()) };
        let Some(to_directory) = to.directory else { return Ok(()) };
        if to.target.is_some_and(|target| target.is(&source)) {
            // Two names of one inode: nothing is done.
            return Ok(());
        }
        if to_directory.real.nlink == 0 {
            // ENOENT.
            return Ok(());
        }
        self.may_delete(from)?;
        match to.target {
            Some(_) => self.may_delete(to)?,
            None => self.may_create(&to_directory)?,
        }
        let is_over_a_file = !exchange && to.target.is_some_and(|target| !target.is_directory());
        if from_directory.is(&to_directory) || source.is_directory() && is_over_a_file {
            // Nobody's `..` changes; or ENOTDIR.
            return Ok(());
        }
        // Its `..` changes.
        if source.is_directory() {
            self.may(&source, WRITE)?;
        }
        match to.target {
            Some(target) if exchange && target.is_directory() => self.may(&target, WRITE),
            _ => Ok(()),
        }
    }

    /// An AF_UNIX socket with a path: `net/unix/af_unix.c: unix_bind_bsd, unix_find_bsd`.
    async fn socket(&self, call: &Call) -> Result<(), Errno> {
        let Some(path) = creation::socket_path(self.tracee, call) else { return Ok(()) };
        let file = FileRef { dirfd: libc::AT_FDCWD, path, flags: 0 };
        if call.sys == Sys::Bind {
            return self.create(file, false).await;
        }
        self.target(file, Last::Target).await?.map_or(Ok(()), |found| self.may(&found, WRITE))
    }

    /// The same two by socketcall(2), which has their arguments in memory.
    async fn socketcall(&self, call: &Call) -> Result<(), Errno> {
        /// `SYS_CONNECT` (`include/uapi/linux/net.h`).
        const CONNECT: u32 = 3;
        let sys = match call.int(Arg::Op) {
            sockets::SYS_BIND => Sys::Bind,
            CONNECT => Sys::Connect,
            _ => return Ok(()),
        };
        let word = |index: u64| {
            self.tracee.read_word(call.addr(Arg::In).add(index * self.tracee.abi().word_len() as u64)).unwrap_or(0)
        };
        self.socket(&Call { sys, args: [word(0), word(1), word(2), 0, 0, 0] }).await
    }

    /// `do_linkat`.
    async fn link(&self, call: &Call) -> Result<(), Errno> {
        let follow = call.int(Arg::AtFlags) as i32 & libc::AT_SYMLINK_FOLLOW != 0;
        let source = self.target(call.file(), if follow { Last::Target } else { Last::Link }).await?;
        let nofollow = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
        let flags = nofollow | call.int(Arg::AtFlags) as i32 & libc::AT_EMPTY_PATH;
        if source.is_none() && self.tracee.stat(FileRef { flags, ..call.file() }).await.is_err() {
            // What is wrong with the first path is told before the second one is looked at.
            return Ok(());
        }
        let destination = self.walk(call.destination(), Last::Name).await?;
        let Some(Walked { directory: Some(directory), target: None, .. }) = destination else { return Ok(()) };
        if self.ends_with_slash(call.destination()) || directory.real.nlink == 0 {
            // ENOENT.
            return Ok(());
        }
        if let Some(source) = source {
            self.may_link(&source)?;
        }
        self.may_create(&directory)
    }

    /// `may_linkat`, where protected_hardlinks (proc_sys_fs(5)) is set.
    fn may_link(&self, source: &Found) -> Result<(), Errno> {
        if !self.tracee.settings().protected_hardlinks || view::is_owner_or_capable(self.tracee, &source.seen) {
            return Ok(());
        }
        let mode = source.seen.mode;
        let runs_as_group = mode & (S_ISGID | S_IXGRP) == S_ISGID | S_IXGRP;
        let is_safe = mode & S_IFMT == S_IFREG && mode & S_ISUID == 0 && !runs_as_group;
        if is_safe && self.may(source, READ | WRITE).is_ok() { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// `struct open_how` begins with the flags, and ends with how the path is to be resolved: where only the kernel can do
    /// that, nothing is known.
    async fn openat2(&self, call: &Call) -> Result<(), Errno> {
        let mut how = [0; 24];
        if self.tracee.read(call.addr(Arg::OpenHow), &mut how).is_err() {
            return Ok(());
        }
        let word =
            |at: usize| how.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |word| u64::from_ne_bytes(*word));
        if word(16) & RESOLVE_SCOPED != 0 { Ok(()) } else { self.open(call.file(), word(0)).await }
    }

    /// `path_openat, may_open`.
    async fn open(&self, file: FileRef, flags: u64) -> Result<(), Errno> {
        let has = |flag: i32| flags & flag as u64 != 0;
        let creates = has(libc::O_CREAT) && !has(libc::O_PATH);
        let never_follows = has(libc::O_NOFOLLOW) || creates && has(libc::O_EXCL);
        let last = match (never_follows, creates) {
            // EISDIR, and no link is followed before that.
            (_, true) if self.ends_with_slash(file) => return self.walk(file, Last::Name).await.map(drop),
            (true, _) => Last::Link,
            (false, true) => Last::Made,
            (false, false) => Last::Target,
        };
        let Some(Walked { directory, target, place }) = self.walk(file, last).await? else { return Ok(()) };
        if has(libc::O_PATH) {
            return Ok(());
        }
        let Some(target) = target else {
            return directory.filter(|_| creates).map_or(Ok(()), |directory| self.may_create(&directory));
        };
        if creates && has(libc::O_EXCL) || target.is_directory() && has(libc::O_CREAT) {
            // EEXIST, EISDIR.
            return Ok(());
        }
        if has(libc::O_DIRECTORY) && !target.is_directory() {
            // ENOTDIR.
            return Ok(());
        }
        if let (true, Some(directory)) = (creates, &directory) {
            let protected = &self.tracee.settings().protected;
            super::sticky::allowed(protected, &directory.seen, &target.seen, self.creds.uid.fs)?;
        }
        if flags & TMPFILE != 0 {
            return self.may(&target, WRITE | EXECUTE);
        }
        let mut want = match flags & libc::O_ACCMODE as u64 {
            0 => READ,
            1 => WRITE,
            _ => READ | WRITE,
        };
        if has(libc::O_TRUNC) {
            want |= WRITE;
        }
        if target.is_directory() && want & WRITE != 0 {
            // EISDIR.
            return Ok(());
        }
        self.may_at(place, &target, want).await?;
        if let Some(tid) = place.and_then(Place::is_memory_of) {
            if !others::may_read(self.tracee, &self.who, tid).await {
                return Err(Errno::EACCES);
            }
        }
        if has(libc::O_NOATIME) && !view::is_owner_or_capable(self.tracee, &target.seen) {
            return Err(Errno::EPERM);
        }
        Ok(())
    }
}
