//! Directories that are left alone, and what lies below them.

use std::rc::Rc;

use super::walk::Found;
use super::{Path, open, show};
use crate::call::TraceeAddr;
use crate::errno::Errno;
use crate::policy::{Last, PATH_MAX, TraceeExt};
use crate::tracer::lookup::{self, View};
use crate::tracer::thread::Thread;

impl Thread {
    /// Whether it leaves any files alone.
    pub fn leaves_any(&self) -> bool {
        !self.rooted.borrow().left.is_empty()
    }

    /// Leaves alone what is below the directory that this path leads to, which need not be there yet.
    ///
    /// # Errors
    /// Those of looking it up.
    pub fn leave_alone(&self, path: TraceeAddr) -> Result<(), Errno> {
        let mut buffer = [0; PATH_MAX];
        let path = self.read_cstr(path, &mut buffer)?;
        let place = place(&self.find(libc::AT_FDCWD, path, Last::Target)?, Last::Target)?;
        let mut rooted = self.rooted.borrow_mut();
        rooted.left = rooted.left.iter().cloned().chain([place]).collect::<Vec<_>>().into();
        Ok(())
    }

    /// See [`crate::policy::Tracee::is_left`].
    pub(in crate::tracer) async fn is_left_alone(&self, dirfd: i32, path: &[u8], last: Last) -> bool {
        let left = Rc::clone(&self.rooted.borrow().left);
        // What cannot be looked up is the handler's to tell.
        let Ok(place) = self.place_of(dirfd, path, last).await else { return false };
        left.iter().any(|directory| show::inside(directory, &place).is_some())
    }

    /// Where a file is, as the kernel names it; of one that is not there, where it would be.
    async fn place_of(&self, dirfd: i32, path: &[u8], last: Last) -> Result<Vec<u8>, Errno> {
        if path.is_empty() {
            let link = lookup::link_to(self.tid, dirfd).ok_or(Errno::EBADF)?;
            return open::link(libc::AT_FDCWD, link.as_bytes());
        }
        let flags = if follows(last) { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
        let sees_the_same =
            self.view.get() == View::Same && !self.is_rooted() && self.rooted.borrow().mounts.is_empty();
        if sees_the_same {
            if let Some(place) = lookup::find(self, dirfd, path, flags, |file| Some(open::place(&file))).await {
                return place;
            }
        }
        self.look(Path::new(dirfd, path, last), move |found| place(&found, last)).await
    }
}

fn follows(last: Last) -> bool {
    matches!(last, Last::Target | Last::Made)
}

/// The same of what was found.
fn place(found: &Found, last: Last) -> Result<Vec<u8>, Errno> {
    let flags = if follows(last) { 0 } else { libc::O_NOFOLLOW };
    match found.open(flags) {
        Ok(file) => open::place(&file),
        Err(_) => Ok([&open::place(&*found.directory)?, &b"/"[..], &found.name].concat()),
    }
}
