//! Copies of dynamic programs, whose headers name an ELF interpreter that is not the host's.
//!
//! They differ from the program in one header and in what is appended: the segment `PT_INTERP` is a name that leads the
//! kernel to the interpreter, `/proc/DAEMON/fd/N`. The program's own string stays where it was, which is what the
//! interpreter reads.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::sync::Arc;

use super::open;
use crate::errno::Errno;
use crate::inode::InodeKey;
use crate::memory::anonymous_file;
use crate::stat::{Statx, Timestamp};
use crate::tracer::thread::Thread;
use goblin::container::{Container, Ctx, Endian};
use goblin::elf::header::header64::SIZEOF_EHDR;
use goblin::elf::program_header::{PT_INTERP, ProgramHeader};
use goblin::elf::{Elf, Header};

/// Bytes of copies that are kept for the next exec; more goes, oldest first.
const KEPT_BYTES: u64 = 256 << 20;
/// Copies that are kept: each has two descriptors.
const KEPT: usize = 100;

/// How far from the beginning of a file its program headers may end.
const MOST_HEADERS: usize = 1 << 20;

/// What a copy was made of, as it was then.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Origin {
    program: (InodeKey, u64, Timestamp, Timestamp),
    interpreter: (InodeKey, Timestamp, Timestamp),
}

/// A copy, good as long as this is there.
pub struct Copy {
    origin: Origin,
    file: OwnedFd,
    stat: Statx,
    _interpreter: OwnedFd,
    len: u64,
}

impl Copy {
    /// A name by which the kernel finds it.
    pub fn name(&self) -> Vec<u8> {
        name_of(&self.file)
    }

    /// What the kernel tells of it.
    pub fn stat(&self) -> &Statx {
        &self.stat
    }
}

fn name_of(file: &OwnedFd) -> Vec<u8> {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()).into_bytes()
}

/// The copies made lately, the last used at the end.
#[derive(Default)]
pub struct Copies {
    copies: RefCell<Vec<Rc<Copy>>>,
}

impl Copies {
    fn of(&self, origin: &Origin) -> Option<Rc<Copy>> {
        let mut copies = self.copies.borrow_mut();
        let index = copies.iter().rposition(|copy| copy.origin == *origin)?;
        let copy = copies.remove(index);
        copies.push(Rc::clone(&copy));
        Some(copy)
    }

    fn keep(&self, copy: Copy) -> Rc<Copy> {
        let copy = Rc::new(copy);
        let mut copies = self.copies.borrow_mut();
        copies.push(Rc::clone(&copy));
        while copies.len() > KEPT || copies.len() > 1 && copies.iter().map(|copy| copy.len).sum::<u64>() > KEPT_BYTES {
            copies.remove(0);
        }
        copy
    }
}

impl Thread {
    /// The copy of a program for an interpreter, both open by their paths and with what the kernel has just told of them.
    ///
    /// # Errors
    /// execve(2)'s: `ENOEXEC`, `EACCES`, `ENOMEM`...
    pub(super) async fn copy_of(
        &self,
        (stat, program): (&Statx, &Arc<OwnedFd>),
        (other, interpreter): (Statx, OwnedFd),
    ) -> Result<Rc<Copy>, Errno> {
        let origin = Origin {
            program: (stat.id().key(), stat.size, stat.mtime, stat.ctime),
            interpreter: (other.id().key(), other.mtime, other.ctime),
        };
        let copies = &self.world.copies;
        if let Some(copy) = copies.of(&origin) {
            return Ok(copy);
        }
        let remote = &self.world.remote;
        let waits = [program.as_raw_fd(), interpreter.as_raw_fd()].into_iter().any(|fd| remote.holds_open(fd));
        let program = Arc::clone(program);
        let make = move || make(origin, &program, &interpreter);
        let made = if waits { self.elsewhere(make).await? } else { make() };
        made.map(|copy| copies.keep(copy)).map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::ENOEXEC)))
    }
}

fn make(origin: Origin, program: &OwnedFd, interpreter: &OwnedFd) -> io::Result<Copy> {
    let reopen = |fd: &OwnedFd| File::open(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    // Not by its path only: the kernel opens the link to it.
    let interpreter = OwnedFd::from(reopen(interpreter)?);
    let mut from = reopen(program)?;
    let mut to = anonymous_file()?;
    let len = io::copy(&mut from, &mut to)?;
    let mut text = name_of(&interpreter);
    text.push(0);
    to.write_all_at(&text, len)?;
    redirect(&to, len, text.len() as u64)?;
    // Nobody may have it open for writing when it is executed.
    let file = OwnedFd::from(reopen(&OwnedFd::from(to))?);
    let stat = open::stat(&file).map_err(|errno| io::Error::from_raw_os_error(errno.0))?;
    Ok(Copy { origin, file, stat, _interpreter: interpreter, len })
}

/// The convention of a header.
fn context(header: &Header) -> Option<Ctx> {
    let container = if header.container().ok()?.is_big() { Container::Big } else { Container::Little };
    let endian = if header.endianness().ok()?.is_little() { Endian::Little } else { Endian::Big };
    Some(Ctx::new(container, endian))
}

/// How many bytes of an ELF file have to be read for [`program_headers`]; `None` if they are too far from its beginning to be believed.
pub fn end_of_headers(header: &Header) -> Option<usize> {
    let len = u64::from(header.e_phentsize) * u64::from(header.e_phnum);
    usize::try_from(header.e_phoff.checked_add(len)?).ok().filter(|end| *end <= MOST_HEADERS)
}

/// The program headers of an ELF file, of which `bytes` is the beginning.
pub fn program_headers(header: &Header, bytes: &[u8]) -> Option<Vec<ProgramHeader>> {
    let context = context(header)?;
    if usize::from(header.e_phentsize) != ProgramHeader::size(context) {
        return None;
    }
    ProgramHeader::parse(bytes, usize::try_from(header.e_phoff).ok()?, header.e_phnum.into(), context).ok()
}

/// Has `PT_INTERP` be what is at this place of the file.
pub(super) fn redirect(file: &File, offset: u64, len: u64) -> io::Result<()> {
    let invalid = || io::Error::from_raw_os_error(libc::ENOEXEC);
    let mut begin = [0; SIZEOF_EHDR];
    file.read_exact_at(&mut begin, 0)?;
    let header = Elf::parse_header(&begin).map_err(|_| invalid())?;
    let context = context(&header).ok_or_else(invalid)?;
    let size = ProgramHeader::size(context);
    let mut bytes = vec![0; end_of_headers(&header).ok_or_else(invalid)?];
    file.read_exact_at(&mut bytes, 0)?;
    let headers = program_headers(&header, &bytes).ok_or_else(invalid)?;
    let index = headers.iter().position(|header| header.p_type == PT_INTERP).ok_or_else(invalid)?;
    // Where p_offset and p_filesz are in a program header, and how wide (elf(5)).
    let (places, width) = if context.container.is_big() { ([8, 32], 8) } else { ([4, 16], 4) };
    for (place, value) in places.into_iter().zip([offset, len]) {
        let bytes = if context.is_little_endian() { value.to_le_bytes() } else { value.to_be_bytes() };
        let word = if context.is_little_endian() { &bytes[..width] } else { &bytes[8 - width..] };
        file.write_all_at(word, (header.e_phoff as usize + index * size + place) as u64)?;
    }
    Ok(())
}
