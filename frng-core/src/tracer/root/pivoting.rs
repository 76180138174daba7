//! pivot_root(2) of a thread: another root, with the former one mounted in it.

use std::rc::Rc;

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
        let new = Directory::new(self.open_found(new, Last::Target)?)?;
        let old = Directory::new(self.open_found(old, Last::Target)?)?;
        let rooted = self.rooted.borrow().clone();
        let root = self.root()?;
        let walk = Walk { root: &root, mounts: &rooted.mounts, process: self, refused: 0 };
        let root_mount = walk.mount_of(&root)?;
        let new_mount = walk.mount_of(&new)?;
        if new_mount == root_mount || walk.mount_of(&old)? == root_mount {
            return Err(Errno::EBUSY);
        }
        let is_hosts_root = open::stat_at(libc::AT_FDCWD, b"/", 0)?.id().key() == root.key;
        let are_mounts = (is_hosts_root || root_mount.0 == root.key) && new_mount.0 == new.key;
        if !are_mounts || !walk.is_below(&old, &new.key)? {
            return Err(Errno::EINVAL);
        }
        let told =
            Told::new(MountSource::Bind(b"/"), &MountTold { kind: b"", source: b"", flags: BIND | REC, data: b"" });
        let point = Point { fd: Rc::clone(&old.fd), key: old.key };
        rooted.mounts.add(point, Shown::Directory(root), told);
        self.tell_of_mounts();
        self.enter(new).await
    }
}
