//! execve(2), execveat(2): programs that could not be fooled are not executed.
//!
//! A kernel may run programs of conventions that nobody has registered here (a 64-bit one those of 32 bits). When such a
//! program has been loaded it is too late to refuse it, so its file is looked at before: it is `ENOEXEC`, as on a kernel
//! without that convention. Of a script the interpreter is looked at (`fs/binfmt_script.c`). Everything else about exec is
//! seen to afterwards, by [`super::exec`].

use super::{Answer, Outcome, PATH_MAX, Tracee, TraceeExt};
use crate::call::Call;
use crate::errno::Errno;

/// Bytes of a file that the kernel looks at to find out what it is (`BINPRM_BUF_SIZE`).
pub(super) const HEAD_LEN: usize = 256;
/// Scripts may be interpreted by scripts so many times (`fs/exec.c: exec_binprm`).
pub(super) const INTERPRETERS_MAX: usize = 5;

/// execve(2) and execveat(2).
pub async fn execute<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let file = call.file();
    let (mut name, mut head) = ([0; PATH_MAX], [0; HEAD_LEN]);
    let Ok(path) = tracee.read_cstr(file.path, &mut name) else { return Ok(Answer::Pass) };
    let mut have = tracee.program_head(file.dirfd, path, file.flags, &mut head);
    let mut path_len = path.len();
    for _ in 0..=INTERPRETERS_MAX {
        let Some(bytes) = have.and_then(|have| head.get(..have)) else { break };
        let Some(interpreter) = interpreter(bytes) else {
            let path = name.get(..path_len).unwrap_or_default();
            let foreign = audit_arch(bytes).is_some_and(|arch| tracee.refuses_program(path, arch));
            return if foreign { Err(Errno::ENOEXEC) } else { Ok(Answer::Pass) };
        };
        path_len = interpreter.len();
        let Some(room) = name.get_mut(..path_len) else { break };
        room.copy_from_slice(interpreter);
        have = tracee.program_head(libc::AT_FDCWD, room, 0, &mut head);
    }
    Ok(Answer::Pass)
}

/// The interpreter that a script's first line names.
fn interpreter(head: &[u8]) -> Option<&[u8]> {
    let line = head.strip_prefix(b"#!")?.split(|byte| matches!(byte, b'\n' | 0)).next()?;
    line.split(|byte| matches!(byte, b' ' | b'\t')).find(|word| !word.is_empty())
}

/// The `AUDIT_ARCH_*` that goes with an ELF file: its machine, and whether it has 64 bits and is little endian
/// (`include/uapi/linux/audit.h`).
pub(crate) fn audit_arch(head: &[u8]) -> Option<u32> {
    const CLASS: usize = 4;
    const DATA: usize = 5;
    const MACHINE: usize = 18;
    const IS_64BIT: u32 = 0x8000_0000;
    const IS_LITTLE_ENDIAN: u32 = 0x4000_0000;
    let machine = head.strip_prefix(b"\x7fELF").and_then(|_| head.get(MACHINE..)?.first_chunk())?;
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
}
