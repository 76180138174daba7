//! Programs for another CPU, in another root: which emulator of the host runs them.
//!
//! As with `binfmt_misc` and its flags `F` and `P`: the emulator is outside and need not be in the root, and it is told the name and
//! the arguments that the program was called by. It has to be static, for its libraries would be looked for inside.

use std::cell::RefCell;
use std::collections::HashMap;
use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::program::interpreter;
use crate::binfmt;
use crate::log::Log;

/// The emulators of an invocation.
#[derive(Default)]
pub struct Emulators {
    /// The one that the user has chosen, for all foreign programs.
    chosen: Option<PathBuf>,
    /// Those that were looked for, by QEMU's name of the CPU.
    found: RefCell<HashMap<&'static str, Option<PathBuf>>>,
}

impl Emulators {
    /// With the one that the user has chosen; else each is looked for by its name when there is need of one.
    pub fn new(chosen: Option<PathBuf>) -> Emulators {
        Emulators { chosen, found: RefCell::default() }
    }

    /// The emulator for the ELF file `path`, which begins so. Says once of each CPU that there is none.
    pub fn of(&self, path: &[u8], head: &[u8], log: &Log) -> Option<PathBuf> {
        // QEMU emulates no x32.
        let cpu = binfmt::cpu(head).filter(|cpu| *cpu != "x32")?;
        if self.chosen.is_some() {
            return self.chosen.clone();
        }
        let look = || {
            let found = look_for(cpu);
            // The kernel may have been told of another one, which is open already.
            if found.is_none() && !Path::new("/proc/sys/fs/binfmt_misc").join(format!("qemu-{cpu}")).exists() {
                let path = Path::new(OsStr::from_bytes(path)).display();
                log.error(format_args!(
                    "{path} is not executed (ENOEXEC): it is a program for {cpu}, and there is no static emulator \
                     qemu-{cpu}-static in PATH; install it (Debian: qemu-user-static) or name one by --qemu"
                ));
            }
            found
        };
        self.found.borrow_mut().entry(cpu).or_insert_with(look).clone()
    }
}

fn look_for(cpu: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut candidates = env::split_paths(&path)
        .flat_map(|directory| [format!("qemu-{cpu}-static"), format!("qemu-{cpu}")].map(|name| directory.join(name)));
    candidates.find(|candidate| check(candidate).is_ok())
}

/// Whether a file can be an emulator.
///
/// # Errors
/// A word on why it cannot.
pub fn check(path: &Path) -> Result<(), String> {
    let file = File::open(path).map_err(|error| crate::state::reason(&error))?;
    let metadata = file.metadata().map_err(|error| crate::state::reason(&error))?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        return Err("it is not executable".to_owned());
    }
    if !path.is_absolute() {
        return Err("its name has to begin with /".to_owned());
    }
    match interpreter(&OwnedFd::from(file)) {
        Some(_) => Err("it is not static, and its libraries would be looked for in the root; \
            on Debian use one of the package qemu-user-static"
            .to_owned()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_is_no_emulator() {
        assert!(check(Path::new("/proc/self/nothing")).unwrap_err().contains("No such file"));
        assert!(check(Path::new("/proc/self/status")).unwrap_err().contains("not executable"));
    }
}
