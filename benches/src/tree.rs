//! A tree to work on, of the size and shape of a minimal Debian root: few big files, many small ones, links.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::stage::Stage;

/// Directories with files in them.
const DIRECTORIES: usize = 1000;
/// Entries in each.
const ENTRIES: usize = 10;

/// A generator of numbers that are the same in every run (Knuth's constants for a linear congruence).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Makes the tree at `root`, every inode the user's own.
pub fn make(stage: &Stage, root: &Path) -> io::Result<()> {
    let mut numbers = Numbers(1);
    fs::create_dir(root)?;
    stage.give(root)?;
    let mut directories = vec![root.to_owned()];
    while directories.len() <= DIRECTORIES {
        let parent = &directories[numbers.below(directories.len() as u64) as usize];
        let directory = parent.join(format!("directory-{}", directories.len()));
        fs::create_dir(&directory)?;
        stage.give(&directory)?;
        directories.push(directory);
    }
    for directory in &directories[1..] {
        for index in 0..ENTRIES {
            let entry = directory.join(format!("entry-{index}"));
            if index == 0 {
                symlink("entry-1", &entry)?;
            } else {
                // Half of them up to 1 KiB, few up to 256 KiB.
                let limit = 1 << (8 + 2 * numbers.below(6).min(numbers.below(6)));
                fs::write(&entry, vec![b'x'; numbers.below(limit) as usize])?;
                fs::set_permissions(&entry, fs::Permissions::from_mode(if index == 1 { 0o755 } else { 0o644 }))?;
            }
            stage.give(&entry)?;
        }
    }
    Ok(())
}
