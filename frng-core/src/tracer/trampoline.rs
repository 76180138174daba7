//! The trampoline: memory that every tracee shares with the daemon.
//!
//! One file, made in FAKEROOT_TMPDIR without a name, or unlinked at once. It begins with a part for each ABI: code that
//! issues a syscall and then stops, and the filter that stops at every open. The rest is slots, writable in tracees and
//! here, where handlers put paths and where the kernel leaves results. A slot belongs to one handler while it runs.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::arch::Abi;
use crate::memory::{Mapping, OTHER_DIRECTORY, failure, unnamed_file};
use crate::policy::SCRATCH_LEN;
use crate::stat::STATX_LEN;

/// Bytes for the code of one ABI: a page of code, then the filter a tracee may have to add.
const CODE_LEN: usize = 16 * 4096;
/// Where the filter's `struct sock_fprog` is, from the begin of the code.
const FILTER_OFFSET: usize = 4096;
/// Where its instructions are, from the begin of the code.
const FILTER_CODE_OFFSET: usize = FILTER_OFFSET + 16;
/// Bytes of a slot: a page for the engine itself, then the handler's scratch memory.
const SLOT_LEN: usize = 4096 + SCRATCH_LEN;
/// Slots: how many handlers may wait at the same time. The file is sparse, unused ones cost nothing.
const SLOTS: usize = 1024;
/// Bytes of all slots.
const DATA_LEN: usize = SLOT_LEN * SLOTS;

/// The file and its mapping in this process.
pub struct Trampoline {
    file: File,
    abis: &'static [&'static dyn Abi],
    data: Mapping,
    free: RefCell<Vec<u16>>,
}

/// A slot, given back to its trampoline by [`Trampoline::release`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u16);

impl Trampoline {
    /// Makes the file in `directory`.
    ///
    /// # Errors
    /// One line that says what is wrong with the directory and how to mend it.
    pub fn new(directory: &Path, abis: &'static [&'static dyn Abi]) -> Result<Trampoline, String> {
        let failed = |error: io::Error| failure(directory, &error);
        let file = unnamed_file(directory).map_err(failed)?;
        let data_offset = CODE_LEN * abis.len();
        file.set_len((data_offset + DATA_LEN) as u64).map_err(failed)?;
        for (index, abi) in abis.iter().enumerate() {
            let begin = index * CODE_LEN;
            file.write_all_at(abi.trampoline_code(), begin as u64).map_err(failed)?;
            file.write_all_at(&filter(abis, *abi), (begin + FILTER_OFFSET) as u64).map_err(failed)?;
        }
        check_executable(&file).map_err(|_| {
            format!("cannot execute from {}: it is mounted noexec; {OTHER_DIRECTORY}", directory.display())
        })?;
        let data = Mapping::new(&file, DATA_LEN, libc::PROT_READ | libc::PROT_WRITE, data_offset).map_err(failed)?;
        // The lowest numbers on top, so that few pages are ever touched.
        let free = (0..SLOTS as u16).rev().collect();
        Ok(Trampoline { file, abis, data, free: RefCell::new(free) })
    }

    /// The code that maps the trampoline of an ABI when it is run in a tracee, path included.
    pub fn bootstrap(&self, abi: &dyn Abi) -> Vec<u8> {
        let mut code = [0; crate::arch::BOOTSTRAP_MAX];
        let offset = self.abis.iter().position(|known| known.audit_arch() == abi.audit_arch()).unwrap_or(0);
        let layout = crate::arch::TrampolineLayout {
            code_offset: (offset * CODE_LEN) as u64,
            code_len: CODE_LEN as u64,
            data_offset: (self.abis.len() * CODE_LEN) as u64,
            data_len: DATA_LEN as u64,
        };
        let len = abi.bootstrap_code(&layout, &mut code);
        let path = format!("/proc/{}/fd/{}\0", std::process::id(), self.file.as_raw_fd());
        [&code[..len.min(code.len())], path.as_bytes()].concat()
    }

    /// Takes a free slot.
    pub fn take(&self) -> Option<Slot> {
        self.free.borrow_mut().pop().map(Slot)
    }

    /// Gives a slot back.
    pub fn release(&self, slot: Slot) {
        self.free.borrow_mut().push(slot.0);
    }

    fn slot_address(&self, abi: &dyn Abi, slot: Slot) -> u64 {
        abi.trampoline_address() + (CODE_LEN + usize::from(slot.0) * SLOT_LEN) as u64
    }

    /// Where the kernel leaves a `struct statx`, as an address in the tracee.
    pub fn statx_address(&self, abi: &dyn Abi, slot: Slot) -> u64 {
        self.slot_address(abi, slot)
    }

    /// The bytes there.
    pub fn statx_bytes(&self, slot: Slot) -> [u8; STATX_LEN] {
        let mut bytes = [0; STATX_LEN];
        // SAFETY: slots lie within the mapping, which lives as long as `self`. A tracee may write to it at the same
        // time, so it is copied by volatile reads and never referenced.
        unsafe {
            let from = self.data.address().as_ptr().add(usize::from(slot.0) * SLOT_LEN);
            for (index, byte) in bytes.iter_mut().enumerate() {
                *byte = from.add(index).read_volatile();
            }
        }
        bytes
    }

    /// The handler's scratch memory, as an address in the tracee.
    pub fn scratch_address(&self, abi: &dyn Abi, slot: Slot) -> u64 {
        self.slot_address(abi, slot) + (SLOT_LEN - SCRATCH_LEN) as u64
    }

    /// The `struct sock_fprog` of the filter that stops at every open.
    pub fn filter_address(&self, abi: &dyn Abi) -> u64 {
        abi.trampoline_address() + FILTER_OFFSET as u64
    }

    /// A byte of value 0 in the tracee: behind code and filter.
    pub fn empty_string_address(&self, abi: &dyn Abi) -> u64 {
        abi.trampoline_address() + CODE_LEN as u64 - 1
    }
}

/// The filter that stops at every open, as `struct sock_fprog` in an ABI's layout with its instructions.
fn filter(abis: &[&'static dyn Abi], abi: &dyn Abi) -> Vec<u8> {
    let program = crate::filter::build(abis, true);
    let address = abi.trampoline_address() + FILTER_CODE_OFFSET as u64;
    let mut bytes = vec![0; FILTER_CODE_OFFSET - FILTER_OFFSET];
    bytes[..2].copy_from_slice(&(program.len() as u16).to_ne_bytes());
    let word = abi.word_len();
    bytes[word..2 * word].copy_from_slice(&address.to_ne_bytes()[..word]);
    for instruction in program {
        bytes.extend(instruction.code.to_ne_bytes());
        bytes.extend([instruction.jt, instruction.jf]);
        bytes.extend(instruction.k.to_ne_bytes());
    }
    debug_assert!(bytes.len() < CODE_LEN - FILTER_OFFSET);
    bytes
}

/// Fails with `EPERM` on a filesystem mounted noexec.
fn check_executable(file: &File) -> io::Result<()> {
    Mapping::new(file, CODE_LEN, libc::PROT_READ | libc::PROT_EXEC, 0).map(drop)
}
