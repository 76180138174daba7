//! What procfs tells of tracees; see [`crate::policy::procfs`].

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::rc::Rc;
use std::sync::Arc;
use std::{fs, io};

use super::lookup;
use super::thread::Thread;
use crate::creds::Creds;
use crate::policy::procfs::{self, Story, place};
use crate::proc_text;

/// A file in the directory of a process or of one of its threads.
struct Place<'p> {
    tid: i32,
    /// Path from the directory.
    rest: &'p str,
}

impl<'p> Place<'p> {
    /// From a path such as `/proc/7/task/8/status`.
    fn new(path: &'p str) -> Option<Place<'p>> {
        let (pid, rest) = cut(path.strip_prefix("/proc/")?);
        let tid = pid.parse().ok()?;
        if let Some(threads) = rest.strip_prefix("task/") {
            let (thread, rest) = cut(threads);
            return Some(Place { tid: thread.parse().ok()?, rest });
        }
        Some(Place { tid, rest })
    }
}

/// A path without its first component, and that.
fn cut(path: &str) -> (&str, &str) {
    path.split_once('/').unwrap_or((path, ""))
}

impl Thread {
    /// See [`crate::policy::Tracee::told_by_procfs`].
    pub(super) fn told_copy(&self, fd: i32) -> Option<Vec<u8>> {
        let name = self.named_in_procfs(fd)?;
        let place = Place::new(&name)?;
        if !procfs::is_told(place.rest.as_bytes()) || !self.is_fresh(fd) {
            return None;
        }
        let other = self.numbered(place.tid)?;
        let told = match place.rest {
            "status" => self.status_told(&name, &other)?,
            "maps" | "smaps" => self.maps_told(&name, &other)?,
            rest => other.mounts_told(rest)?,
        };
        let copy = unnamed(&name, &told).ok()?;
        let path = format!("/proc/{}/fd/{}\0", std::process::id(), copy.as_raw_fd());
        self.held.borrow_mut().push(Arc::new(copy.into()));
        Some(path.into_bytes())
    }

    /// proc_pid_status(5) of a thread.
    fn status_told(&self, name: &str, other: &Thread) -> Option<Vec<u8>> {
        let text = proc_text::read_to_string(name).ok()?;
        let mut told = String::with_capacity(text.len());
        let groups = Rc::clone(&other.groups.borrow());
        let story = Story {
            creds: &other.creds.get(),
            groups: &groups,
            umask: other.process.get().umask,
            tracer: self.world.nested.tracer_of(other.tid).unwrap_or(0),
            is_trapped: self.world.nested.is_trapped(other.tid),
            blocked: other.program_mask.get(),
            is_stopped: other.is_stopped.get(),
        };
        procfs::rewrite(&text, &story, &mut told).ok()?;
        Some(told.into_bytes())
    }

    /// Whether any tracee has other ids than root's, or has had them when it ended.
    pub(super) fn anybody_is_no_root(&self) -> bool {
        let is_root =
            |creds: &Creds| [creds.uid, creds.gid].iter().all(|ids| [ids.real, ids.effective, ids.saved] == [0; 3]);
        let threads = self.world.threads.borrow();
        let lives = threads.values().filter_map(|other| other.upgrade()).any(|other| !is_root(&other.creds.get()));
        lives || self.world.remembered.has_ended_as_others()
    }

    /// See [`crate::policy::Tracee::owner_in_procfs`].
    pub(super) fn owner_of_place(&self, fd: i32, mode: u32) -> Option<(u32, u32)> {
        let name = self.named_in_procfs(fd)?;
        let other = self.numbered(Place::new(&name)?.tid)?;
        Some(place::owner(&other.creds.get(), Some(other.process.get().dumpable), mode))
    }

    /// The name of an open file of procfs, if it means the same here.
    pub(super) fn named_in_procfs(&self, fd: i32) -> Option<String> {
        let link = match fd {
            libc::AT_FDCWD => format!("/proc/{}/cwd", self.tid),
            _ => format!("/proc/{}/fd/{fd}", self.tid),
        };
        let name = fs::read_link(&link).ok()?.into_os_string().into_string().ok()?;
        (name.starts_with("/proc/") && fs::metadata(&link).ok()?.dev() == self.settings.proc_device).then_some(name)
    }

    /// A tracee by the number that procfs has for it.
    fn numbered(&self, tid: i32) -> Option<Rc<Thread>> {
        // Numbers of another namespace are in another procfs.
        self.world.threads.borrow().get(&tid)?.upgrade()
    }

    /// Whether a descriptor can be read from, and has not been.
    fn is_fresh(&self, fd: i32) -> bool {
        let flags = lookup::descriptor_flags(self.tid, fd).unwrap_or(libc::O_PATH as u32);
        let info = proc_text::read_to_string(format!("/proc/{}/fdinfo/{fd}", self.tid)).unwrap_or_default();
        let position = info.lines().find_map(|line| line.strip_prefix("pos:")).map(str::trim);
        let is_read = flags & (libc::O_ACCMODE | libc::O_PATH) as u32 == libc::O_RDONLY as u32;
        is_read && position == Some("0")
    }
}

/// A file in memory that can only be read.
fn unnamed(name: &str, content: &[u8]) -> io::Result<File> {
    let name = std::ffi::CString::new(name)?;
    // SAFETY: `name` is a terminated string.
    let fd = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor of our own.
    let mut file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    file.write_all(content)?;
    file.set_permissions(fs::Permissions::from_mode(0o444))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_of_a_thread_where_one_is_named() {
        let place = |path| Place::new(path).map(|place| (place.tid, place.rest.to_string()));
        assert_eq!(place("/proc/7/status"), Some((7, "status".into())));
        assert_eq!(place("/proc/7/task/8/status"), Some((8, "status".into())));
        assert_eq!(place("/proc/7"), Some((7, String::new())));
        assert_eq!(place("/proc/7/task"), Some((7, "task".into())));
        assert_eq!(place("/proc/sys/kernel"), None);
        assert_eq!(place("/tmp/7"), None);
    }
}
