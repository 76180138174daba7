//! pivot_root(2) of a thread: another root, with the former one mounted in it.

use std::sync::Arc;

use super::mounts::{Point, Shown, Told};
use super::open;
use super::walk::{Directory, Walk};
use crate::errno::Errno;
use crate::policy::mounts::{BIND, REC};
use crate::policy::{Last, MountSource, MountTold};
use crate::tracer::thread::Thread;

impl Thread {
    /// See [`Tracee::pivot_root`](crate::policy::Tracee::pivot_root). `fs/namespace.c: path_pivot_root`.
    pub(in crate::tracer) async fn change_and_keep_root(&self, new: &[u8], old: &[u8]) -> Result<(), Errno> {
        let new = Directory::new(self.open_found(new, Last::Target).await?)?;
        let old = Directory::new(self.open_found(old, Last::Target).await?)?;
        let rooted = self.rooted.borrow().clone();
        let root = self.root()?;
        let walk = Walk { root: &root, mounts: &rooted.mounts, process: self, refused: 0 };
        let root_mount = walk.mount_of(&root)?;
        let new_mount = walk.mount_of(&new)?;
        if new_mount == root_mount || walk.mount_of(&old)? == root_mount {
            return Err(Errno::EBUSY);
        }
        let is_roots_mount = is_mounted(&root)? || rooted.mounts.shows(&root.key);
        if !is_roots_mount || new_mount.0 != new.key || !walk.is_below(&old, &new.key)? {
            return Err(Errno::EINVAL);
        }
        let told =
            Told::new(MountSource::Bind(b"/"), &MountTold { kind: b"", source: b"", flags: BIND | REC, data: b"" });
        let point = Point { fd: Arc::clone(&old.fd), key: old.key };
        rooted.mounts.add(point, Shown::Directory(root), told);
        self.tell_of_mounts();
        self.enter(new).await
    }
}

/// Whether something is really mounted at a directory.
fn is_mounted(at: &Directory) -> Result<bool, Errno> {
    let parent = open::path_only(at.raw(), b"..", libc::O_DIRECTORY)?;
    let is_top = open::stat(&parent)?.id().key() == at.key;
    Ok(is_top || open::mount_id(&parent)? != open::mount_id(&*at.fd)?)
}
