//! mount(2) and umount(2) of a thread: what it mounts is seen by all processes of its invocation that have another root.

use std::rc::Rc;

use super::mounts::{self, Point, Shown, Told};
use super::open;
use super::walk::Directory;
use crate::errno::Errno;
use crate::inode::InodeKey;
use crate::inside::mount_names::MountNames;
use crate::policy::{Last, MountSource, MountTold};
use crate::stat::S_IFDIR;
use crate::tracer::thread::Thread;
use crate::tracer::told;

impl Thread {
    /// See [`Tracee::mount`].
    pub(in crate::tracer) fn add_mount(&self, source: MountSource, path: &[u8], told: &MountTold) -> Result<(), Errno> {
        let point = Rc::new(self.open_found(path, Last::Target)?);
        let stat = open::stat(&*point)?;
        let is_directory = stat.file_type() == S_IFDIR;
        let point = Point { fd: point, key: stat.id().key() };
        let shown = match source {
            MountSource::Itself if is_directory => {
                Shown::Directory(Directory { fd: Rc::clone(&point.fd), key: point.key })
            }
            MountSource::Itself => return Err(Errno::ENOTDIR),
            MountSource::Bind(source) => mounts::shown(self.find(libc::AT_FDCWD, source, Last::Target)?)?,
            MountSource::Moved(source) => {
                let at = self.mount_at(source, Last::Target)?.ok_or(Errno::EINVAL)?;
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
    pub(in crate::tracer) fn change_mount(&self, path: &[u8], told: &MountTold) -> Result<(), Errno> {
        if let Some(at) = self.mount_at(path, Last::Target)? {
            self.rooted.borrow().mounts.change(at, told);
        }
        Ok(())
    }

    /// See [`Tracee::is_mount_point`].
    pub(in crate::tracer) fn is_mounted_at(&self, path: &[u8]) -> Result<bool, Errno> {
        let key = self.key_at(path, Last::Target)?;
        // Another root is none by itself.
        let is_hosts_root = open::stat_at(libc::AT_FDCWD, b"/", 0)?.id().key() == key;
        Ok(is_hosts_root || self.rooted.borrow().mounts.is_point(&key))
    }

    /// See [`Tracee::umount`].
    pub(in crate::tracer) fn remove_mount(&self, path: &[u8], last: Last) -> Result<(), Errno> {
        let at = self.mount_at(path, last)?.ok_or(Errno::EINVAL)?;
        self.rooted.borrow().mounts.remove(at);
        self.tell_of_mounts();
        Ok(())
    }

    /// Which mount a path names: the last one at this mount point or, where the path has another name, the last one that
    /// shows this.
    fn mount_at(&self, path: &[u8], last: Last) -> Result<Option<usize>, Errno> {
        let shown = self.key_at(path, last)?;
        let point = self.find(libc::AT_FDCWD, path, Last::Name).and_then(|found| found.open(libc::O_NOFOLLOW));
        let point = point.and_then(|point| Ok(open::stat(&point)?.id().key()));
        let rooted = self.rooted.borrow();
        Ok(point.ok().and_then(|point| rooted.mounts.topmost(&point)).or_else(|| rooted.mounts.showing(&shown)))
    }

    fn key_at(&self, path: &[u8], last: Last) -> Result<InodeKey, Errno> {
        Ok(open::stat(&self.open_found(path, last)?)?.id().key())
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
