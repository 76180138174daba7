//! The trampoline: memory that every tracee shares with the daemon.
//!
//! One file without a name. It begins with a part for each ABI: code that
//! issues a syscall and then stops, and the filter that stops at every open. The rest is slots, writable in tracees and
//! here, where handlers put paths and where the kernel leaves results. A slot belongs to one handler while it runs.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use nix::fcntl::posix_fallocate;

use super::agent::Agent;
use crate::arch::{Abi, TrampolineLayout};
use crate::filter::Late;
use crate::inside::counters::Counters;
use crate::inside::layout;
use crate::inside::local::{LIES_OFFSET, LiesFile};
use crate::memory::{Mapping, Place};
use crate::policy::{ASIDE_LEN, SCRATCH_LEN};
use crate::stat::STATX_LEN;

/// Bytes for the code of one ABI, without the agent: a page of code, then the filter a tracee may have to add.
const CODE_LEN: usize = layout::AGENT as usize;
/// Where the filter's `struct sock_fprog` is, from the begin of the code.
const FILTER_OFFSET: usize = 4096;
/// Where its instructions are, from its begin.
const INSTRUCTIONS: usize = 16;
/// Where the `struct sock_fprog` of the filter that stops at every path is, from the begin of the code.
const PATH_FILTER_OFFSET: usize = (FILTER_OFFSET + layout::TEMPLATE as usize) / 2;
/// Where the `struct sock_fprog` of the filter that stops at waits is, from the begin of the code.
const WAIT_FILTER_OFFSET: usize = layout::TEMPLATE as usize - 4096;
/// Where the `struct sock_fprog` of the filter that stops at writes is, from the begin of the code.
const WRITE_FILTER_OFFSET: usize = layout::TEMPLATE as usize - 2048;
/// Bytes of a slot: a page for the engine itself, then what takes the place of arguments, then the handler's scratch
/// memory.
const SLOT_LEN: usize = 4096 + ASIDE_LEN + SCRATCH_LEN;
/// Slots: how many handlers may wait at the same time. The file is sparse, unused ones cost nothing.
const SLOTS: usize = DATA_MAX / SLOT_LEN;
/// Bytes that there are for all slots: in 32-bit address spaces programs begin behind.
const DATA_MAX: usize = 16 << 20;
/// The slot that is none, but for what the agents count.
const COUNTERS: Slot = Slot(SLOTS as u16 - 1);
/// Bytes of all slots.
const DATA_LEN: usize = SLOT_LEN * SLOTS;
const _: () = assert!(DATA_LEN <= DATA_MAX);

/// The file and its mapping in this process.
pub struct Trampoline {
    file: File,
    abis: &'static [&'static dyn Abi],
    agent: Option<Agent>,
    /// How much lower than where the ABIs want it, in bytes.
    lowered: u64,
    data: Mapping,
    free: RefCell<Vec<u16>>,
    /// Those that are in the file: most trees need none.
    filters: RefCell<Vec<Late>>,
}

/// A slot, given back to its trampoline by [`Trampoline::release`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u16);

impl Trampoline {
    /// Makes the file. `agent` is for the first ABI, with the table of lies it has to use. With a `depth` other than 0, so many
    /// daemons have fooled these tracees before, and have their own trampolines there: then without filters and agent, which
    /// know its place.
    ///
    /// # Errors
    /// One line that says what is wrong with the place and how to mend it.
    pub fn new(
        place: &Place,
        abis: &'static [&'static dyn Abi],
        agent: Option<(Agent, LiesFile)>,
        depth: u32,
    ) -> Result<Trampoline, String> {
        let agent_len = agent.as_ref().map_or(0, |(agent, _)| agent.bytes.len());
        let data_offset = CODE_LEN * abis.len() + agent_len;
        let (file, data) = place.file(|file| {
            file.set_len((data_offset + DATA_LEN) as u64)?;
            for (index, abi) in abis.iter().enumerate() {
                let begin = begin(index, agent_len);
                file.write_all_at(abi.trampoline_code(), begin as u64)?;
                // There has to be room when one is needed.
                let filters = layout::TEMPLATE as usize - FILTER_OFFSET;
                posix_fallocate(&file, (begin + FILTER_OFFSET) as libc::off_t, filters as libc::off_t)?;
            }
            if let Some((agent, lies)) = &agent {
                let at = layout::TEMPLATE + LIES_OFFSET as u64;
                file.write_all_at(zerocopy::IntoBytes::as_bytes(lies), at)?;
                file.write_all_at(&agent.bytes, layout::AGENT)?;
            }
            check_executable(&file)?;
            let data = Mapping::new(&file, DATA_LEN, libc::PROT_READ | libc::PROT_WRITE, data_offset)?;
            Ok((file, data))
        })?;
        let agent = agent.map(|(agent, _)| agent);
        // The lowest numbers on top, so that few pages are ever touched.
        let free = (0..COUNTERS.0).rev().collect();
        let lowered = u64::from(depth) * LEVEL_LEN;
        let filters = Default::default();
        Ok(Trampoline { file, abis, agent, lowered, data, free: RefCell::new(free), filters })
    }

    /// The agent, for tracees of the first ABI.
    pub fn agent(&self) -> Option<&Agent> {
        self.agent.as_ref()
    }

    /// Where that of an ABI is in tracees.
    pub fn address(&self, abi: &dyn Abi) -> u64 {
        abi.trampoline_address().wrapping_sub(self.lowered)
    }

    /// How many daemons fool its tracees.
    pub fn depth(&self) -> u64 {
        self.lowered / LEVEL_LEN + 1
    }

    /// The place of an ABI among all.
    fn index(&self, abi: &dyn Abi) -> usize {
        self.abis.iter().position(|known| known.audit_arch() == abi.audit_arch()).unwrap_or(0)
    }

    fn agent_len(&self) -> usize {
        self.agent.as_ref().map_or(0, |agent| agent.bytes.len())
    }

    /// Bytes of the code of an ABI, with the agent if it has one.
    fn code_len(&self, abi: &dyn Abi) -> usize {
        CODE_LEN + if self.index(abi) == 0 { self.agent_len() } else { 0 }
    }

    /// The code that maps the trampoline of an ABI when it is run in a tracee, path included. `with_agent`: what the
    /// agent needs too, if there is one for it.
    pub fn bootstrap(&self, abi: &dyn Abi, with_agent: bool) -> Vec<u8> {
        let mut code = [0; crate::arch::BOOTSTRAP_MAX];
        let agent = self.agent.as_ref().filter(|_| with_agent && self.index(abi) == 0);
        let layout = TrampolineLayout { second_stage: agent.map(|agent| agent.second_stage), ..self.layout(abi) };
        let len = abi.bootstrap_code(&layout, &mut code);
        [&code[..len.min(code.len())], self.path().as_bytes()].concat()
    }

    /// Where in the file an ABI's parts are.
    pub fn layout(&self, abi: &dyn Abi) -> TrampolineLayout {
        let index = self.index(abi);
        TrampolineLayout {
            address: self.address(abi),
            code_offset: begin(index, self.agent_len()) as u64,
            code_len: self.code_len(abi) as u64,
            data_offset: (self.abis.len() * CODE_LEN + self.agent_len()) as u64,
            data_len: DATA_LEN as u64,
            second_stage: None,
        }
    }

    /// The path by which tracees open the file, terminated by 0.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}\0", std::process::id(), self.file.as_raw_fd())
    }

    /// What the agents count.
    pub fn counters(&self) -> &Counters {
        // SAFETY: within the mapping, which lives as long as `self`, aligned to a page, and atomic.
        unsafe { self.data.address().add(usize::from(COUNTERS.0) * SLOT_LEN).cast().as_ref() }
    }

    /// The same as an address in a tracee.
    pub fn counters_address(&self, abi: &dyn Abi) -> u64 {
        self.slot_address(abi, COUNTERS)
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
        self.address(abi) + (self.code_len(abi) + usize::from(slot.0) * SLOT_LEN) as u64
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

    /// The `struct sock_fprog` of a filter, as an address in the tracee.
    ///
    /// # Errors
    /// Those of writing to the file, the first time.
    pub fn filter_address(&self, abi: &dyn Abi, late: Late) -> io::Result<u64> {
        let mut filters = self.filters.borrow_mut();
        if !filters.contains(&late) {
            let (offset, program) = (offset(late), late.build(self.abis));
            for (index, abi) in self.abis.iter().enumerate() {
                let at = begin(index, self.agent_len()) + offset;
                self.file.write_all_at(&filter(*abi, offset, &program), at as u64)?;
            }
            filters.push(late);
        }
        Ok(abi.trampoline_address() + offset(late) as u64)
    }

    /// Memory for what takes the place of arguments, as an address in the tracee.
    pub fn aside_address(&self, abi: &dyn Abi, slot: Slot) -> u64 {
        self.slot_address(abi, slot) + 4096
    }

    /// A byte of value 0 in the tracee: behind code and filter.
    pub fn empty_string_address(&self, abi: &dyn Abi) -> u64 {
        self.address(abi) + CODE_LEN as u64 - 1
    }
}

/// Where in the file the code of an ABI is, which is the one with this index: the agent is behind that of the first.
const fn begin(index: usize, agent_len: usize) -> usize {
    if index == 0 { 0 } else { index * CODE_LEN + agent_len }
}

/// Where the `struct sock_fprog` of a filter is, from the begin of the code.
const fn offset(late: Late) -> usize {
    match late {
        Late::Opens => FILTER_OFFSET,
        Late::Paths => PATH_FILTER_OFFSET,
        Late::Waits => WAIT_FILTER_OFFSET,
        Late::Writes => WRITE_FILTER_OFFSET,
    }
}

/// A filter that stops at more calls than the first one, as `struct sock_fprog` in an ABI's layout with its instructions,
/// to be at this place from the begin of the code.
fn filter(abi: &dyn Abi, offset: usize, program: &[libc::sock_filter]) -> Vec<u8> {
    let address = abi.trampoline_address() + (offset + INSTRUCTIONS) as u64;
    let mut bytes = vec![0; INSTRUCTIONS];
    bytes[..2].copy_from_slice(&(program.len() as u16).to_ne_bytes());
    let word = abi.word_len();
    bytes[word..2 * word].copy_from_slice(&address.to_ne_bytes()[..word]);
    for instruction in program {
        bytes.extend(instruction.code.to_ne_bytes());
        bytes.extend([instruction.jt, instruction.jf]);
        bytes.extend(instruction.k.to_ne_bytes());
    }
    let ends = [PATH_FILTER_OFFSET, WAIT_FILTER_OFFSET, WRITE_FILTER_OFFSET, layout::TEMPLATE as usize];
    debug_assert!(ends.iter().find(|end| offset < **end).is_some_and(|end| bytes.len() <= end - offset));
    bytes
}

/// Bytes from the trampoline of one daemon to that of the next one within it.
const LEVEL_LEN: u64 = 0x0112_0000;
const _: () = assert!(DATA_MAX + CODE_LEN <= LEVEL_LEN as usize && LEVEL_LEN % (64 << 10) == 0);

/// Fails on a filesystem mounted noexec.
fn check_executable(file: &File) -> io::Result<()> {
    match Mapping::new(file, CODE_LEN, libc::PROT_READ | libc::PROT_EXEC, 0) {
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => Err(io::Error::other("it is mounted noexec")),
        result => result.map(drop),
    }
}
