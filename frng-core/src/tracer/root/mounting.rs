//! mount(2) and umount(2) of a thread: what it mounts is seen by all processes of its invocation that have another root.

use std::rc::Rc;
use std::sync::Arc;

use super::mounts::{self, Point, Shown, Told};
use super::walk::{Directory, Found};
use super::{Path, open};
use crate::errno::Errno;
use crate::inode::InodeKey;
use crate::inside::mount_names::MountNames;
use crate::policy::{Last, MountSource, MountTold};
use crate::stat::S_IFDIR;
use crate::tracer::thread::Thread;
use crate::tracer::told;

impl Thread {
    /// See [`Tracee::mount`].
    pub(in crate::tracer) async fn add_mount(
        &self,
        source: MountSource<'_>,
        path: &[u8],
        told: &MountTold<'_>,
    ) -> Result<(), Errno> {
        let point = Arc::new(self.open_found(path, Last::Target).await?);
        let stat = open::known(&*point)?;
        let is_directory = stat.file_type() == S_IFDIR;
        let point = Point { fd: point, key: stat.id().key() };
        let shown = match source {
            MountSource::Itself if is_directory => {
                Shown::Directory(Directory { fd: Arc::clone(&point.fd), key: point.key })
            }
            MountSource::Itself => return Err(Errno::ENOTDIR),
            MountSource::Bind(source) => {
                self.look(Path::new(libc::AT_FDCWD, source, Last::Target), mounts::shown).await?
            }
            MountSource::Moved(source) => {
                let at = self.mount_at(source, Last::Target).await?.ok_or(Errno::EINVAL)?;
                self.rooted.borrow().mounts.change_point(at, point, is_directory)?;
                self.tell_of_mounts();
                return Ok(());
            }
            MountSource::Host(source) => {
                let host = open::path_only(libc::AT_FDCWD, source, libc::O_DIRECTORY);
                Shown::Directory(Directory::new(host.map_err(|_| Errno::ENODEV)?)?)
            }
        };
        if is_directory != matches!(shown, Shown::Directory(_)) {
            return Err(Errno::ENOTDIR);
        }
        let told = Told::new(source, told);
        self.rooted.borrow().mounts.add(point, shown, told);
        self.tell_of_mounts();
        Ok(())
    }

    /// See [`Tracee::remount`].
    pub(in crate::tracer) async fn change_mount(&self, path: &[u8], told: &MountTold<'_>) -> Result<(), Errno> {
        if let Some(at) = self.mount_at(path, Last::Target).await? {
            self.rooted.borrow().mounts.change(at, told);
        }
        Ok(())
    }

    /// See [`Tracee::is_mount_point`].
    pub(in crate::tracer) async fn is_mounted_at(&self, path: &[u8]) -> Result<bool, Errno> {
        let key = self.key_at(path, Last::Target).await?;
        // Another root is none by itself.
        let is_hosts_root = open::stat_at(libc::AT_FDCWD, b"/", 0)?.id().key() == key;
        Ok(is_hosts_root || self.rooted.borrow().mounts.is_point(&key))
    }

    /// See [`Tracee::umount`].
    pub(in crate::tracer) async fn remove_mount(&self, path: &[u8], last: Last) -> Result<(), Errno> {
        let at = self.mount_at(path, last).await?.ok_or(Errno::EINVAL)?;
        self.rooted.borrow().mounts.remove(at);
        self.tell_of_mounts();
        Ok(())
    }

    /// Which mount a path names: the last one at this mount point or, where the path has another name, the last one that
    /// shows this.
    async fn mount_at(&self, path: &[u8], last: Last) -> Result<Option<usize>, Errno> {
        let shown = self.key_at(path, last).await?;
        let key = |found: Found| Ok(open::stat(&found.open(libc::O_NOFOLLOW)?)?.id().key());
        let point = self.look(Path::new(libc::AT_FDCWD, path, Last::Name), key).await;
        let rooted = self.rooted.borrow();
        Ok(point.ok().and_then(|point| rooted.mounts.topmost(&point)).or_else(|| rooted.mounts.showing(&shown)))
    }

    async fn key_at(&self, path: &[u8], last: Last) -> Result<InodeKey, Errno> {
        Ok(open::known(&self.open_found(path, last).await?)?.id().key())
    }

    /// The names of the mount points.
    pub(in crate::tracer) fn mount_names(&self) -> MountNames {
        self.rooted.borrow().mounts.names()
    }

    /// Tells the agents of all processes that have these mounts which names they have.
    pub(super) fn tell_of_mounts(&self) {
        let mounts = Rc::clone(&self.rooted.borrow().mounts);
        let together: Vec<_> = {
            let threads = self.world.threads.borrow();
            let has = |other: &Rc<Thread>| Rc::ptr_eq(&mounts, &other.rooted.borrow().mounts);
            threads.values().filter_map(|other| other.upgrade()).filter(has).collect()
        };
        together.iter().for_each(|thread| told::tell(thread));
    }
}
