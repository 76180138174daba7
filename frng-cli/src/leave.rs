//! `--leave` and `FRNG_LEAVE`: directories below which files are left alone.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use frng_core::arch::{DONE_NUMBER, LEAVE_ALONE};

/// Names directories as `PATH` does.
const VARIABLE: &str = "FRNG_LEAVE";

/// The directories that the options name, and those that the environment names.
///
/// # Errors
/// One line for the user.
pub fn wanted(options: &[PathBuf]) -> Result<Vec<CString>, String> {
    let variable = std::env::var_os(VARIABLE).unwrap_or_default();
    let named = std::env::split_paths(&variable).filter(|path| !path.as_os_str().is_empty());
    options.iter().cloned().chain(named).map(|path| name(&path)).collect()
}

fn name(path: &Path) -> Result<CString, String> {
    let absolute = std::path::absolute(path).map_err(|error| failed(&path.to_string_lossy(), &error))?;
    // What comes from a command line or an environment has no NUL bytes.
    CString::new(absolute.into_os_string().into_vec()).map_err(|error| failed(&path.to_string_lossy(), &error.into()))
}

/// Tells the daemon that traces this process.
///
/// # Errors
/// One line for the user.
pub fn alone(directory: &CString) -> Result<(), String> {
    // SAFETY: the daemon reads the string, which is terminated; no kernel has this call.
    let answer = unsafe { libc::syscall(DONE_NUMBER as libc::c_long, LEAVE_ALONE as libc::c_long, directory.as_ptr()) };
    if answer == 1 { Ok(()) } else { Err(failed(&directory.to_string_lossy(), &io::Error::last_os_error())) }
}

fn failed(directory: &str, error: &io::Error) -> String {
    let mend = match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR) => "; the directory that it is in must be there",
        // A daemon that does not know the question.
        Some(libc::ENOSYS) => "; the daemon of this state is of another version",
        _ => "",
    };
    format!("cannot leave {directory} alone: {error}{mend}")
}
