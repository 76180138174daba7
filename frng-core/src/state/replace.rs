//! Putting a file in the place of another one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Puts a file with this text in the place of another one, whose permissions it gets, or of none, with the permissions `mode`
/// or else those that the umask leaves; as a whole or not at all. What is no regular file is written to.
///
/// # Errors
/// The kernel's. The old file is as it was, then.
pub fn replace(path: &Path, text: &[u8], mode: Option<u32>) -> io::Result<()> {
    let old = match fs::metadata(path) {
        Ok(old) if !old.is_file() => return OpenOptions::new().write(true).open(path)?.write_all(text),
        Ok(old) => Some(old),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    // In the place of what a symbolic link leads to.
    let path = if old.is_some() { fs::canonicalize(path)? } else { path.to_path_buf() };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = directory.join(format!(".frng-state-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
    let mut fill = || {
        if let Some(mode) = old.as_ref().map(|old| old.permissions().mode()).or(mode) {
            file.set_permissions(fs::Permissions::from_mode(mode & 0o777))?;
        }
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)
    };
    fill().inspect_err(|_| {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    })?;
    // Makes the name last; not every filesystem can.
    if let Ok(directory) = File::open(directory) {
        let _ = directory.sync_all();
    }
    Ok(())
}
