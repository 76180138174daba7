//! Directories that are gone when their owner is.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::outcome::User;

/// A new directory under the one for temporary files, removed on drop, panic included.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Anybody can pass through it; it is `user`'s to write.
    pub fn new(user: User) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("frng-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path)?;
        let scratch = Self(path);
        fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o755))?;
        chown(&scratch.0, Some(user.uid), Some(user.gid))?;
        Ok(scratch)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A directory in it, `user`'s to write.
    pub fn room(&self, name: &str, user: User) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        fs::create_dir(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        chown(&path, Some(user.uid), Some(user.gid))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left to the cleaner of temporary files: a test may be panicking.
        let _ = fs::remove_dir_all(&self.0);
    }
}
