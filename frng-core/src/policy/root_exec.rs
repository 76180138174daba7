//! execve(2) and execveat(2) in a process with another root: interpreters of scripts come from inside.
//!
//! The kernel would look for them outside, so the first line is read here and the interpreter executed with the arguments
//! that the kernel would give it (`fs/binfmt_script.c: load_script`). What the ELF interpreter takes is the engine's
//! ([`Tracee::prepare_program`]).

use super::{ASIDE_LEN, Answer, Outcome, PATH_MAX, SCRATCH_LEN, Tracee, TraceeExt};
use crate::binfmt::{HEAD_LEN, INTERPRETERS_MAX, audit_arch};
use crate::call::{Arg, Call, FileRef, Sys, TraceeAddr};
use crate::errno::Errno;

/// Where in [`Tracee::aside`] the strings of new arguments are put; before is the name to execute.
const STRINGS: usize = PATH_MAX;
/// `MAX_ARG_STRINGS` is more; nobody gives so many pointers (`fs/exec.c: bprm_stack_limits`).
const POINTERS_MAX: u64 = 1 << 20;

/// A name of bounded length.
struct Name {
    bytes: [u8; PATH_MAX],
    len: usize,
}

impl Name {
    fn new(bytes: &[u8]) -> Result<Name, Errno> {
        let mut name = Name { bytes: [0; PATH_MAX], len: bytes.len() };
        // With room for a terminator.
        let room = name.bytes.get_mut(..bytes.len()).filter(|room| room.len() < PATH_MAX);
        room.ok_or(Errno::ENAMETOOLONG)?.copy_from_slice(bytes);
        Ok(name)
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Two for each interpreter of scripts and its own name, and three for an emulator.
const ARGUMENTS_MAX: usize = 2 * (INTERPRETERS_MAX + 1) + 4;

/// Arguments that take the place of the first one, the last of them first.
struct Arguments {
    at: [TraceeAddr; ARGUMENTS_MAX],
    count: usize,
    /// Where the next string goes, and the end of the room for them.
    next: TraceeAddr,
    end: TraceeAddr,
}

impl Arguments {
    fn push<T: Tracee>(&mut self, tracee: &T, text: &[u8]) -> Result<(), Errno> {
        let at = self.next;
        self.next = at.add(text.len() as u64 + 1);
        if self.next > self.end {
            return Err(Errno::ENAMETOOLONG);
        }
        tracee.write(at, text)?;
        tracee.write(at.add(text.len() as u64), &[0])?;
        self.push_at(at)
    }

    /// A string that is there already.
    fn push_at(&mut self, at: TraceeAddr) -> Result<(), Errno> {
        *self.at.get_mut(self.count).ok_or(Errno::ELOOP)? = at;
        self.count += 1;
        Ok(())
    }
}

/// execve and execveat.
pub async fn execute<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let outcome = start(tracee, call).await;
    tracee.forget_program();
    outcome
}

async fn start<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let mut file = call.file();
    let mut buffer = [0; PATH_MAX];
    let path = tracee.read_cstr(file.path, &mut buffer)?;
    if file.flags & !(libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    if path.is_empty() && file.flags & libc::AT_EMPTY_PATH == 0 {
        return Err(Errno::ENOENT);
    }
    // The name that the program, or a script's interpreter, is told.
    let called = called(file, path)?;
    let mut name = Name::new(path)?;
    let aside = tracee.aside()?;
    let mut arguments = Arguments {
        at: [TraceeAddr::NULL; ARGUMENTS_MAX],
        count: 0,
        next: aside.add(STRINGS as u64),
        end: aside.add(ASIDE_LEN as u64),
    };
    let mut head = [0; HEAD_LEN];
    let mut emulator = None;
    for depth in 0.. {
        let have = tracee.program_head(file.dirfd, name.as_bytes(), file.flags, &mut head).await;
        let head = have.and_then(|have| head.get(..have)).unwrap_or_default();
        let mut room = [0; PATH_MAX];
        if let Some(len) = tracee.emulator(name.as_bytes(), head, &mut room) {
            emulator = Some(Name::new(room.get(..len).unwrap_or_default())?);
            break;
        }
        if audit_arch(head).is_some_and(|arch| tracee.refuses_program(name.as_bytes(), arch)) {
            return Err(Errno::ENOEXEC);
        }
        if !head.starts_with(b"#!") {
            break;
        }
        if depth >= INTERPRETERS_MAX {
            return Err(Errno::ELOOP);
        }
        // It must be there and be executable, though only its interpreter is executed.
        tracee.prepare_program(file.dirfd, name.as_bytes(), file.flags, called.as_bytes(), None, aside).await?;
        let (interpreter, argument) = first_line(head)?;
        if depth == 0 {
            arguments.push(tracee, called.as_bytes())?;
        } else {
            arguments.push(tracee, name.as_bytes())?;
        }
        if !argument.is_empty() {
            arguments.push(tracee, argument)?;
        }
        name = Name::new(interpreter)?;
        file = FileRef { dirfd: libc::AT_FDCWD, path: TraceeAddr::NULL, flags: 0 };
    }
    let emulator = emulator.as_ref().map(Name::as_bytes);
    tracee.prepare_program(file.dirfd, name.as_bytes(), file.flags, called.as_bytes(), emulator, aside).await?;
    let mut argv = call.addr(Arg::In);
    let is_script = arguments.count > 0;
    if let Some(emulator) = emulator {
        // EMULATOR -0 ARGV0 PROGRAM ARGV1...
        arguments.push(tracee, if is_script { name.as_bytes() } else { called.as_bytes() })?;
        match first(tracee, argv)? {
            Some(own) if !is_script => arguments.push_at(own)?,
            _ => arguments.push(tracee, if is_script { name.as_bytes() } else { b"" })?,
        }
        arguments.push(tracee, b"-0")?;
        arguments.push(tracee, emulator)?;
        argv = replaced(tracee, argv, &arguments).await?;
    } else if is_script {
        arguments.push(tracee, name.as_bytes())?;
        argv = replaced(tracee, argv, &arguments).await?;
    }
    let environment = call.nth(Arg::In, 1);
    tracee.syscall(Sys::Execve, [aside.0, argv.0, environment, 0, 0, 0]).await.map(Answer::Value)
}

/// `bprm->filename`: the name as it was given, or one for a directory descriptor (`fs/exec.c: alloc_bprm`).
fn called(file: FileRef, path: &[u8]) -> Result<Name, Errno> {
    if file.dirfd == libc::AT_FDCWD || path.first() == Some(&b'/') {
        return Name::new(path);
    }
    let mut digits = [0; 10];
    let mut rest = file.dirfd.unsigned_abs();
    let mut begin = digits.len();
    while let Some(digit) = begin.checked_sub(1).and_then(|at| digits.get_mut(at)) {
        begin -= 1;
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let mut text = [0; PATH_MAX + 32];
    let mut len = 0;
    let slash: &[u8] = if path.is_empty() { b"" } else { b"/" };
    for piece in [b"/dev/fd/", digits.get(begin..).unwrap_or_default(), slash, path] {
        text.get_mut(len..len + piece.len()).ok_or(Errno::ENAMETOOLONG)?.copy_from_slice(piece);
        len += piece.len();
    }
    Name::new(text.get(..len).unwrap_or_default())
}

/// Interpreter and argument of a script. `fs/binfmt_script.c: load_script`.
fn first_line(head: &[u8]) -> Result<(&[u8], &[u8]), Errno> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let text = head.get(2..).unwrap_or_default();
    let (line, whole) = match text.iter().position(|byte| matches!(byte, b'\n')) {
        Some(end) => (text.get(..end).unwrap_or_default(), true),
        None => (text, head.len() < HEAD_LEN),
    };
    let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let begin = line.iter().position(|byte| !is_blank(byte)).ok_or(Errno::ENOEXEC)?;
    let line = line.get(begin..).unwrap_or_default();
    let line = line.get(..line.iter().rposition(|byte| !is_blank(byte)).map_or(0, |last| last + 1)).unwrap_or_default();
    let Some(end) = line.iter().position(is_blank) else {
        // A name that may be cut off is none.
        return if whole && !line.is_empty() { Ok((line, b"")) } else { Err(Errno::ENOEXEC) };
    };
    let (interpreter, rest) = line.split_at_checked(end).ok_or(Errno::ENOEXEC)?;
    let argument = rest.iter().position(|byte| !is_blank(byte)).and_then(|begin| rest.get(begin..));
    Ok((interpreter, argument.unwrap_or_default()))
}

/// The first of the program's arguments, if it has any.
fn first<T: Tracee>(tracee: &T, argv: TraceeAddr) -> Result<Option<TraceeAddr>, Errno> {
    if argv.is_null() {
        return Ok(None);
    }
    Ok(Some(TraceeAddr(tracee.read_word(argv)?)).filter(|first| !first.is_null()))
}

/// The program's arguments with others in place of the first.
async fn replaced<T: Tracee>(tracee: &T, argv: TraceeAddr, first: &Arguments) -> Result<TraceeAddr, Errno> {
    let word = tracee.abi().word_len() as u64;
    let mut rest = 0;
    if !argv.is_null() {
        while tracee.read_word(argv.add(rest * word))? != 0 {
            rest += 1;
            if rest > POINTERS_MAX {
                return Err(Errno::E2BIG);
            }
        }
    }
    let rest = rest.saturating_sub(1);
    let bytes = (first.count as u64 + rest + 1) * word;
    let array = if bytes <= SCRATCH_LEN as u64 { tracee.scratch()? } else { map(tracee, bytes).await? };
    let mut at = array;
    let put = |value: u64, at: &mut TraceeAddr| {
        let result = tracee.write(*at, value.to_ne_bytes().get(..word as usize).ok_or(Errno::EFAULT)?);
        *at = at.add(word);
        result
    };
    for index in (0..first.count).rev() {
        put(first.at.get(index).copied().unwrap_or(TraceeAddr::NULL).0, &mut at)?;
    }
    for index in 0..rest {
        put(tracee.read_word(argv.add((1 + index) * word))?, &mut at)?;
    }
    put(0, &mut at)?;
    Ok(array)
}

/// Memory for more arguments than usual. It goes with the exec; if that fails, it stays.
async fn map<T: Tracee>(tracee: &T, bytes: u64) -> Result<TraceeAddr, Errno> {
    let protection = (libc::PROT_READ | libc::PROT_WRITE) as u64;
    let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
    let args = [0, bytes, protection, flags, u64::MAX, 0];
    match tracee.syscall(Sys::Mmap, args).await {
        // CPUs of 32 bits have another one.
        Err(Errno::ENOSYS) => tracee.syscall(Sys::Mmap2, args).await,
        result => result,
    }
    .map(TraceeAddr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_split_as_the_kernel_does() {
        assert_eq!(first_line(b"#!/bin/sh\nx"), Ok((&b"/bin/sh"[..], &b""[..])));
        assert_eq!(first_line(b"#! \t/bin/sh  -e -u \t\nx"), Ok((&b"/bin/sh"[..], &b"-e -u"[..])));
        assert_eq!(first_line(b"#!/bin/sh"), Ok((&b"/bin/sh"[..], &b""[..])));
        assert_eq!(first_line(b"#!\n/bin/sh"), Err(Errno::ENOEXEC));
        assert_eq!(first_line(b"#!   \n"), Err(Errno::ENOEXEC));
        let mut long = [b'a'; HEAD_LEN];
        long[..3].copy_from_slice(b"#!/");
        assert_eq!(first_line(&long), Err(Errno::ENOEXEC));
        long[100] = b' ';
        assert_eq!(first_line(&long).unwrap().0.len(), 98);
    }

    #[test]
    fn a_program_of_a_directory_descriptor_is_called_by_it() {
        let name = |dirfd, path: &[u8]| {
            let file = FileRef { dirfd, path: TraceeAddr::NULL, flags: 0 };
            called(file, path).unwrap().as_bytes().to_vec()
        };
        assert_eq!(name(libc::AT_FDCWD, b"a/b"), b"a/b");
        assert_eq!(name(30, b"/a"), b"/a");
        assert_eq!(name(30, b"a"), b"/dev/fd/30/a");
        assert_eq!(name(0, b""), b"/dev/fd/0");
    }
}
