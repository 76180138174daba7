//! What a program's file tells by its first bytes: `fs/binfmt_elf.c`, `fs/binfmt_script.c`.

/// Bytes of a file that the kernel looks at to find out what it is (`BINPRM_BUF_SIZE`).
pub const HEAD_LEN: usize = 256;
/// Scripts may be interpreted by scripts so many times (`fs/exec.c: exec_binprm`).
pub const INTERPRETERS_MAX: usize = 5;
/// How an ELF file begins.
pub const ELF_MAGIC: &[u8] = b"\x7fELF";

/// The interpreter that a script's first line names.
pub fn interpreter(head: &[u8]) -> Option<&[u8]> {
    let line = head.strip_prefix(b"#!")?.split(|byte| matches!(byte, b'\n' | 0)).next()?;
    line.split(|byte| matches!(byte, b' ' | b'\t')).find(|word| !word.is_empty())
}

/// The `AUDIT_ARCH_*` that goes with an ELF file: its machine, and whether it has 64 bits and is little endian
/// (`include/uapi/linux/audit.h`).
pub fn audit_arch(head: &[u8]) -> Option<u32> {
    const CLASS: usize = 4;
    const DATA: usize = 5;
    const MACHINE: usize = 18;
    const IS_64BIT: u32 = 0x8000_0000;
    const IS_LITTLE_ENDIAN: u32 = 0x4000_0000;
    let machine = head.strip_prefix(ELF_MAGIC).and_then(|_| head.get(MACHINE..)?.first_chunk())?;
    let class = match head.get(CLASS)? {
        1 => 0,
        2 => IS_64BIT,
        _ => return None,
    };
    match head.get(DATA)? {
        1 => Some(u32::from(u16::from_le_bytes(*machine)) | class | IS_LITTLE_ENDIAN),
        2 => Some(u32::from(u16::from_be_bytes(*machine)) | class),
        _ => None,
    }
}

/// The CPU that an ELF file is for, as QEMU calls it; x32, which QEMU does not emulate, by the kernel's name.
#[cfg(feature = "std")]
pub fn cpu(head: &[u8]) -> Option<&'static str> {
    use goblin::elf::header::*;
    /// Of `include/uapi/linux/elf-em.h`.
    const EM_LOONGARCH: u16 = 258;
    let class = *head.get(EI_CLASS)?;
    let little = *head.get(EI_DATA)? == ELFDATA2LSB;
    let wide = class == ELFCLASS64;
    let machine: [u8; 2] = head.strip_prefix(ELF_MAGIC)?.get(14..16)?.try_into().ok()?;
    let machine = if little { u16::from_le_bytes(machine) } else { u16::from_be_bytes(machine) };
    Some(match (machine, wide, little) {
        (EM_X86_64, false, _) => "x32",
        (EM_X86_64, true, _) => "x86_64",
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
    fn an_elf_file_tells_its_convention() {
        assert_eq!(audit_arch(&elf(2, 1, [62, 0])), Some(0xc000_003e));
        assert_eq!(audit_arch(&elf(1, 1, [3, 0])), Some(0x4000_0003));
        assert_eq!(audit_arch(&elf(1, 2, [0, 8])), Some(8));
        assert_eq!(audit_arch(&elf(3, 1, [3, 0])), None);
        assert_eq!(audit_arch(&elf(2, 1, [62, 0])[..19]), None);
        assert_eq!(audit_arch(b"#!/bin/sh\n"), None);
    }

    #[test]
    fn a_script_tells_its_interpreter() {
        assert_eq!(interpreter(b"#!/bin/sh\nexit"), Some(&b"/bin/sh"[..]));
        assert_eq!(interpreter(b"#! \t./a b c\n"), Some(&b"./a"[..]));
        assert_eq!(interpreter(b"#!/bin/sh\0\0\0"), Some(&b"/bin/sh"[..]));
        assert_eq!(interpreter(b"#!\n/bin/sh"), None);
        assert_eq!(interpreter(b"\x7fELF"), None);
    }

    #[cfg(feature = "std")]
    #[test]
    fn an_elf_file_tells_its_cpu() {
        assert_eq!(cpu(&elf(2, 1, [183, 0])), Some("aarch64"));
        assert_eq!(cpu(&elf(1, 1, [40, 0])), Some("arm"));
        assert_eq!(cpu(&elf(1, 2, [0, 8])), Some("mips"));
        assert_eq!(cpu(&elf(2, 1, [2, 1])), Some("loongarch64"));
        assert_eq!(cpu(&elf(2, 1, [0xff, 0xff])), None);
        assert_eq!(cpu(&elf(1, 1, [62, 0])), Some("x32"));
        assert_eq!(cpu(b"#!/bin/sh\n"), None);
        assert_eq!(cpu(&elf(2, 1, [183, 0])[..19]), None);
    }
}
