//! The agent's image, as it is in tracees: an ELF file linked for address 0, moved to where it will be.

use goblin::elf::Elf;
use goblin::elf::program_header::PT_LOAD;

use crate::arch::Abi;
use crate::inside::layout;

/// An image ready to be written into the trampoline's file, and the addresses in it that the tracer must know.
pub struct Agent {
    /// Whole pages.
    pub bytes: Vec<u8>,
    /// Where stubs jump to.
    pub entry: u64,
    /// Goes on where the bootstrap code ends.
    pub second_stage: u64,
    /// From here up to `leave` the agent is on a stack of its own and its frame is complete.
    pub body: u64,
    /// From here on it puts the program's registers back.
    pub leave: u64,
    /// Behind that.
    pub end: u64,
    /// Copies from and to the program's memory; may fault up to `copy_end`.
    pub copy: u64,
    /// See `copy`.
    pub copy_end: u64,
    /// Where a faulted copy goes on.
    pub copy_fault: u64,
    begin: u64,
}

/// The largest page of any CPU: what is behind the image in the trampoline's file begins with one.
const PAGE: usize = 64 << 10;

/// `R_*_RELATIVE`: the relocation that adds the address where the image is.
fn relative_type(machine: u16) -> Option<u32> {
    use goblin::elf::{header, reloc};
    match machine {
        header::EM_X86_64 => Some(reloc::R_X86_64_RELATIVE),
        header::EM_AARCH64 => Some(reloc::R_AARCH64_RELATIVE),
        _ => None,
    }
}

impl Agent {
    /// Loads `image` for the trampoline of an ABI.
    ///
    /// # Errors
    /// A word on what is wrong with the image.
    pub fn load(image: &[u8], abi: &dyn Abi) -> Result<Agent, String> {
        let elf = Elf::parse(image).map_err(|error| error.to_string())?;
        let begin = abi.trampoline_address() + layout::AGENT;
        let mut bytes = segments(image, &elf)?;
        let relative = relative_type(elf.header.e_machine).ok_or("it is for an unknown CPU")?;
        for relocation in elf.dynrelas.iter() {
            if relocation.r_type != relative {
                return Err(format!("it has a relocation of type {}", relocation.r_type));
            }
            let value = begin.wrapping_add_signed(relocation.r_addend.unwrap_or(0));
            let at = relocation.r_offset as usize;
            let word = bytes.get_mut(at..at + 8).ok_or("a relocation is outside of it")?;
            word.copy_from_slice(&value.to_ne_bytes());
        }
        let symbol = |name: &str| {
            let symbol = elf.syms.iter().find(|symbol| elf.strtab.get_at(symbol.st_name) == Some(name));
            symbol.map(|symbol| begin + symbol.st_value).ok_or_else(|| format!("it has no symbol {name}"))
        };
        Ok(Agent {
            entry: symbol("frng_agent_entry")?,
            second_stage: symbol("frng_agent_second_stage")?,
            body: symbol("frng_agent_body")?,
            leave: symbol("frng_agent_leave")?,
            end: symbol("frng_agent_end")?,
            copy: symbol("frng_agent_copy")?,
            copy_end: symbol("frng_agent_copy_end")?,
            copy_fault: symbol("frng_agent_copy_fault")?,
            bytes,
            begin,
        })
    }

    /// Whether an address is in the image.
    pub fn contains(&self, address: u64) -> bool {
        (self.begin..self.begin + self.bytes.len() as u64).contains(&address)
    }
}

/// What the program headers load. All of it becomes executable and not writable, so none may need to be written to.
fn segments(image: &[u8], elf: &Elf) -> Result<Vec<u8>, String> {
    let loaded = || elf.program_headers.iter().filter(|header| header.p_type == PT_LOAD);
    let len = loaded().map(|header| header.vm_range().end).max().unwrap_or(0);
    if len as u64 > layout::AGENT_MAX {
        return Err("it is too large".to_owned());
    }
    let mut bytes = vec![0; len.next_multiple_of(PAGE)];
    for header in loaded() {
        if header.p_memsz != header.p_filesz {
            return Err("it has memory to be written to".to_owned());
        }
        let content = image.get(header.file_range()).ok_or("a segment is outside of the file")?;
        bytes[header.vm_range()].copy_from_slice(content);
    }
    Ok(bytes)
}
