//! Following a path component by component, as `fs/namei.c: link_path_walk` does, for threads that may not search every
//! directory.
//!
//! The kernel itself cannot be asked: on disk every directory belongs to the real user, who may search all of them.
//! What a walk cannot find out it leaves to the kernel, which then says `ENOENT`, `ENOTDIR`, `ELOOP` or whatever it is.

use super::permission::{self, EXECUTE, Subject};
use super::procfs::place::{self, Place};
use super::{Last, PATH_MAX, Tracee, TraceeExt, others, procfs, sticky, view};
use crate::call::FileRef;
use crate::errno::Errno;
use crate::lie::Lie;
use crate::stat::{S_IFDIR, S_IFLNK, S_IFMT, Statx};

/// Symbolic links that a path may lead through (`MAXSYMLINKS`).
const LINKS_MAX: u32 = 40;

/// An inode that a path has led to: on disk, and as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// What the kernel tells about it.
    pub real: Statx,
    /// What is shown of it.
    pub seen: Lie,
}

impl Found {
    /// From what the kernel tells.
    pub fn new<T: Tracee>(tracee: &T, real: Statx) -> Found {
        Found { real, seen: view::seen(tracee, &real) }
    }

    /// The same of what may be at a place in procfs, which tells whose it is.
    pub fn at<T: Tracee>(tracee: &T, real: Statx, place: Option<Place>) -> Found {
        match place {
            Some(_) => Found { real, seen: place::shown(tracee, place, &real) },
            None => Found::new(tracee, real),
        }
    }

    /// Whether it is shown as a directory.
    pub fn is_directory(&self) -> bool {
        self.seen.mode & S_IFMT == S_IFDIR
    }

    /// Whether both are the same inode.
    pub fn is(&self, other: &Found) -> bool {
        self.real.id().key() == other.real.id().key()
    }
}

/// Where a path has led.
#[derive(Clone, Copy, Debug)]
pub struct Walked {
    /// The directory that the last component is a name in; `None` if that is no name, but `.`, `..`, `/`, nothing, or
    /// a link of procfs that leads elsewhere.
    pub directory: Option<Found>,
    /// What the last component names, if it is there.
    pub target: Option<Found>,
    /// Where in procfs that is, if it is there.
    pub place: Option<Place>,
}

/// A path that grows and shrinks within `PATH_MAX`.
struct Text {
    bytes: [u8; PATH_MAX],
    len: usize,
}

impl Text {
    fn new() -> Text {
        Text { bytes: [0; PATH_MAX], len: 0 }
    }

    fn get(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Appends bytes; `None` if there is no room for them and a terminator.
    fn push(&mut self, more: &[u8]) -> Option<()> {
        let end = self.len.checked_add(more.len()).filter(|end| *end < PATH_MAX)?;
        self.bytes.get_mut(self.len..end)?.copy_from_slice(more);
        self.len = end;
        Some(())
    }

    /// Appends a component.
    fn join(&mut self, name: &[u8]) -> Option<()> {
        if self.len > 0 && !self.get().ends_with(b"/") {
            self.push(b"/")?;
        }
        self.push(name)
    }

    /// Puts bytes before what is there.
    fn prepend(&mut self, more: &[u8]) -> Option<()> {
        let end = self.len.checked_add(more.len()).filter(|end| *end < PATH_MAX)?;
        self.bytes.copy_within(..self.len, more.len());
        self.bytes.get_mut(..more.len())?.copy_from_slice(more);
        self.len = end;
        Some(())
    }

    /// Takes the first `count` bytes off.
    fn drop_first(&mut self, count: usize) {
        let count = count.min(self.len);
        self.bytes.copy_within(count..self.len, 0);
        self.len = self.len.saturating_sub(count);
    }
}

/// A walk under way.
struct Walk<'a, T> {
    tracee: &'a T,
    who: &'a Subject,
    dirfd: i32,
    /// What lies behind: no symbolic link is left in it. Relative to `dirfd`, or absolute.
    done: Text,
    /// What is still to be followed.
    rest: Text,
    /// Where it stands.
    at: Found,
    /// Where that is in procfs; `None` if it is not, or not known.
    place: Option<Place>,
}

/// Follows the path of `file`, whose flags do not matter, for `who`. `None` if that cannot be told, or leads nowhere, which
/// the kernel will notice.
///
/// # Errors
/// `EACCES` if a directory on the way may not be searched, or a link at the end not be followed.
pub async fn walk<T: Tracee>(tracee: &T, who: &Subject, file: FileRef, last: Last) -> Result<Option<Walked>, Errno> {
    let mut rest = Text::new();
    let Ok(path) = tracee.read_cstr(file.path, &mut rest.bytes) else { return Ok(None) };
    rest.len = path.len();
    if rest.len == 0 {
        return Ok(None);
    }
    let is_absolute = rest.get().starts_with(b"/");
    let Some(start) = start(tracee, file.dirfd, is_absolute).await else { return Ok(None) };
    let mut walk = Walk { tracee, who, dirfd: file.dirfd, done: Text::new(), rest, at: start, place: None };
    if !is_absolute && procfs::has(tracee, &start.real) {
        walk.place = place_of(tracee, file.dirfd);
        walk.at = Found::at(tracee, start.real, walk.place);
    }
    if walk.rest.get().starts_with(b"/") && walk.done.push(b"/").is_none() {
        return Ok(None);
    }
    walk.run(last).await
}

/// The directory where a path begins.
async fn start<T: Tracee>(tracee: &T, dirfd: i32, is_absolute: bool) -> Option<Found> {
    let real = if is_absolute {
        tracee.stat_name(libc::AT_FDCWD, b"/", 0).await
    } else if dirfd == libc::AT_FDCWD {
        tracee.stat_name(dirfd, b".", 0).await
    } else {
        tracee.stat(FileRef::descriptor(dirfd)).await
    };
    real.ok().map(|real| Found::new(tracee, real))
}

/// Where in procfs an open directory is.
pub fn place_of<T: Tracee>(tracee: &T, dirfd: i32) -> Option<Place> {
    let mut name = [0; procfs::NAME_MAX];
    let len = tracee.name_in_procfs(dirfd, &mut name)?;
    Place::of(name.get(..len)?, tracee.others()?.pid()?)
}

impl<T: Tracee> Walk<'_, T> {
    async fn run(&mut self, last: Last) -> Result<Option<Walked>, Errno> {
        let mut links = 0;
        loop {
            let slashes = self.rest.get().iter().take_while(|byte| **byte == b'/').count();
            self.rest.drop_first(slashes);
            let len = self.rest.get().iter().take_while(|byte| **byte != b'/').count();
            if len == 0 {
                return Ok(Some(Walked { directory: None, target: Some(self.at), place: self.place }));
            }
            if !self.at.is_directory() {
                return Ok(None);
            }
            self.search().await?;
            let behind = self.done.len;
            let name = self.rest.bytes.get(..len).unwrap_or_default();
            let is_name = !matches!(name, b"." | b"..");
            let has_slash = self.rest.len > len;
            let is_last = self.rest.get().iter().skip(len).all(|byte| *byte == b'/');
            if self.done.join(name).is_none() {
                return Ok(None);
            }
            let came_from = self.place;
            let place = came_from.and_then(|place| place.next(name, self.tracee.others()?.pid()?));
            self.rest.drop_first(len);
            let directory = Some(self.at).filter(|_| is_name);
            let real = match self.stat(libc::AT_SYMLINK_NOFOLLOW).await {
                Ok(real) => real,
                // EISDIR.
                Err(Errno::ENOENT) if is_last && has_slash && last == Last::Made => return Ok(None),
                Err(Errno::ENOENT) if is_last => return Ok(Some(Walked { directory, target: None, place: None })),
                Err(_) => return Ok(None),
            };
            let is_kept = match last {
                Last::Target | Last::Made => false,
                Last::Link => is_last && !has_slash,
                Last::Name => is_last,
            };
            if real.file_type() != S_IFLNK || is_kept {
                self.arrive(real, place);
                if is_last && has_slash && last != Last::Name && !self.at.is_directory() {
                    // ENOTDIR.
                    return Ok(None);
                }
                if is_last {
                    return Ok(Some(Walked { directory, target: Some(self.at), place: self.place }));
                }
                continue;
            }
            links += 1;
            if links > LINKS_MAX {
                return Ok(None);
            }
            if procfs::has(self.tracee, &real) {
                if let Some(tid) = place.and_then(Place::tells_of) {
                    if !others::may_read(self.tracee, self.who, tid).await {
                        return Err(Errno::EACCES);
                    }
                }
                // What it leads to need not have a path.
                let Ok(real) = self.stat(0).await else { return Ok(None) };
                self.arrive(real, if came_from == Some(Place::Root) { place } else { None });
                if is_last {
                    return Ok(Some(Walked { directory: None, target: Some(self.at), place: self.place }));
                }
                continue;
            }
            if is_last {
                sticky::may_follow(
                    &self.tracee.settings().protected,
                    &self.at.seen,
                    &view::seen(self.tracee, &real),
                    self.who.uid,
                )?;
            }
            if self.follow(behind).await.is_none() {
                return Ok(None);
            }
        }
    }

    /// # Errors
    /// `EACCES` if the directory may not be searched.
    async fn search(&self) -> Result<(), Errno> {
        if let Some(place) = self.place {
            return check_place(self.tracee, self.who, place, &self.at, EXECUTE).await;
        }
        // Directories of procfs that are about no process belong to root.
        let allowed = permission::allows_as_remembered(self.tracee, self.who, &self.at.real, &self.at.seen, EXECUTE);
        if allowed || procfs::has(self.tracee, &self.at.real) { Ok(()) } else { Err(Errno::EACCES) }
    }

    /// Stands somewhere else: at this place, if it is one of procfs.
    fn arrive(&mut self, real: Statx, place: Option<Place>) {
        let is_inside = procfs::has(self.tracee, &real);
        let was_inside = procfs::has(self.tracee, &self.at.real);
        self.place = match (is_inside, was_inside) {
            (false, _) => None,
            (true, false) => Place::entered(&real),
            (true, true) => place,
        };
        self.at = Found::at(self.tracee, real, self.place);
    }

    async fn stat(&self, flags: i32) -> Result<Statx, Errno> {
        self.tracee.stat_name(self.dirfd, self.done.get(), flags).await
    }

    /// Puts the text of the symbolic link at the end of what lies behind before what is to be followed; `behind` was
    /// the length before that link.
    async fn follow(&mut self, behind: usize) -> Option<()> {
        let mut text = [0; PATH_MAX];
        let len = self.tracee.symlink_text(self.dirfd, self.done.get(), &mut text).await?;
        let text = text.get(..len)?;
        if self.rest.len > 0 && !self.rest.get().starts_with(b"/") {
            self.rest.prepend(b"/")?;
        }
        self.rest.prepend(text)?;
        self.done.len = behind;
        if text.starts_with(b"/") {
            self.done.len = 0;
            self.done.push(b"/")?;
            self.at = start(self.tracee, libc::AT_FDCWD, true).await?;
        }
        Some(())
    }
}

/// Whether `who` may do all of `want` at a place in procfs. `fs/proc/base.c`, `fs/proc/fd.c`.
///
/// # Errors
/// `EACCES`.
pub async fn check_place<T: Tracee>(
    tracee: &T,
    who: &Subject,
    place: Place,
    found: &Found,
    want: u32,
) -> Result<(), Errno> {
    let own = tracee.others().and_then(|others| others.pid());
    if own.is_some_and(|own| place.is_own_files(own)) {
        return Ok(());
    }
    let allowed = permission::allows_as_remembered(tracee, who, &found.real, &found.seen, want);
    let may_be_told = match place.tells_of() {
        Some(tid) if allowed => others::may_read(tracee, who, tid).await,
        _ => true,
    };
    if allowed && may_be_told { Ok(()) } else { Err(Errno::EACCES) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_grows_at_both_ends_and_keeps_within_its_room() {
        let mut text = Text::new();
        text.push(b"/").unwrap();
        text.join(b"usr").unwrap();
        text.join(b"bin").unwrap();
        assert_eq!(text.get(), b"/usr/bin");
        text.drop_first(4);
        text.prepend(b"/opt").unwrap();
        assert_eq!(text.get(), b"/opt/bin");
        assert_eq!(text.push(&[b'x'; PATH_MAX]), None);
        assert_eq!(text.prepend(&[b'x'; PATH_MAX - 8]), None);
        assert_eq!(text.get(), b"/opt/bin");
    }
}
