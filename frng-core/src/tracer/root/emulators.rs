//! Programs for another CPU, in another root: which emulator of the host runs them.
//!
//! As with `binfmt_misc` and its flags `F` and `P`: the emulator is outside and need not be in the root, and it is told the name and
//! the arguments that the program was called by. It has to be static, for its libraries would be looked for inside.

use std::cell::RefCell;
use std::collections::HashMap;
use std::env;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use goblin::elf::header::*;

use super::program::interpreter;
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

    /// The emulator for an ELF file that begins so. Says once of each CPU that there is none.
    pub fn of(&self, head: &[u8], log: &Log) -> Option<PathBuf> {
        let cpu = cpu(head)?;
        if self.chosen.is_some() {
            return self.chosen.clone();
        }
        let look = || {
            let found = look_for(cpu);
            // The kernel may have been told of another one, which is open already.
            if found.is_none() && !Path::new("/proc/sys/fs/binfmt_misc").join(format!("qemu-{cpu}")).exists() {
                log.error(format_args!(
                    "a program for {cpu} is not executed (ENOEXEC): there is no static emulator qemu-{cpu}-static in PATH; \
                     install it (Debian: qemu-user-static) or name one by --qemu"
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

/// QEMU's name of the CPU that an ELF file is for.
pub(super) fn cpu(head: &[u8]) -> Option<&'static str> {
    let class = *head.get(EI_CLASS)?;
    let little = *head.get(EI_DATA)? == ELFDATA2LSB;
    let wide = class == ELFCLASS64;
    let machine: [u8; 2] = head.strip_prefix(ELFMAG)?.get(14..16)?.try_into().ok()?;
    let machine = if little { u16::from_le_bytes(machine) } else { u16::from_be_bytes(machine) };
    Some(match (machine, wide, little) {
        (EM_X86_64, ..) => "x86_64",
        (EM_386, ..) => "i386",
        (EM_AARCH64, _, true) => "aarch64",
        (EM_AARCH64, _, false) => "aarch64_be",
        (EM_ARM, _, true) => "arm",
        (EM_ARM, _, false) => "armeb",
        (EM_RISCV, true, _) => "riscv64",
        (EM_RISCV, false, _) => "riscv32",
        (EM_PPC64, _, true) => "ppc64le",
        (EM_PPC64, _, false) => "ppc64",
        (EM_PPC, ..) => "ppc",
        (EM_MIPS, true, true) => "mips64el",
        (EM_MIPS, true, false) => "mips64",
        (EM_MIPS, false, true) => "mipsel",
        (EM_MIPS, false, false) => "mips",
        (EM_S390, true, _) => "s390x",
        (EM_LOONGARCH, true, _) => "loongarch64",
        (EM_SPARCV9, ..) => "sparc64",
        (EM_SPARC, ..) => "sparc",
        (EM_68K, ..) => "m68k",
        (EM_SH, _, true) => "sh4",
        (EM_SH, _, false) => "sh4eb",
        (EM_PARISC, ..) => "hppa",
        _ => return None,
    })
}

/// `EM_LOONGARCH` (`include/uapi/linux/elf-em.h`).
const EM_LOONGARCH: u16 = 258;

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(class: u8, data: u8, machine: [u8; 2]) -> [u8; 64] {
        let mut head = [0; 64];
        head[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, data]);
        head[18..20].copy_from_slice(&machine);
        head
    }

    #[test]
    fn an_elf_file_tells_its_cpu() {
        assert_eq!(cpu(&elf(2, 1, [183, 0])), Some("aarch64"));
        assert_eq!(cpu(&elf(1, 1, [40, 0])), Some("arm"));
        assert_eq!(cpu(&elf(1, 2, [0, 8])), Some("mips"));
        assert_eq!(cpu(&elf(2, 1, [2, 1])), Some("loongarch64"));
        assert_eq!(cpu(&elf(2, 1, [0xff, 0xff])), None);
        assert_eq!(cpu(b"#!/bin/sh\n"), None);
        assert_eq!(cpu(&elf(2, 1, [183, 0])[..19]), None);
    }

    #[test]
    fn a_dynamic_program_is_no_emulator() {
        assert!(check(Path::new("/proc/self/nothing")).unwrap_err().contains("No such file"));
        assert!(check(Path::new("/proc/self/status")).unwrap_err().contains("not executable"));
    }
}
