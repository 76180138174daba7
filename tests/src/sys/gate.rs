//! The way from 64-bit code to the calls of the CPU's 32-bit ABI, where there is one.

use std::ffi::CStr;
use std::ptr;

use frng_cli::abis::ABIS;
use frng_core::arch::Abi;
use frng_core::call::Sys;

/// Where the memory is that such calls are told of: below 4 GB, above what programs are linked to.
const BEGIN: usize = 0x6000_0000;
const LEN: usize = 0x1_0000;
/// The first page holds the code.
const MEMORY: usize = BEGIN + 0x1000;

type Function = extern "C" fn(u32, *const [u32; 6]) -> i32;

/// Code that issues such calls, and memory for their arguments.
pub struct Gate {
    abi: &'static dyn Abi,
    used: usize,
}

impl Gate {
    /// `None` if this program is not of an ABI from which there is a way, or the CPU has no other.
    pub fn new() -> Option<Gate> {
        let abi = Gate::abi()?;
        // SAFETY: a new mapping, filled within its length with code made for it.
        unsafe {
            let page = libc::mmap(
                ptr::without_provenance_mut(BEGIN),
                LEN,
                libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
                -1,
                0,
            );
            if page == libc::MAP_FAILED {
                println!("SETUP FAILED: mmap");
                return None;
            }
            let code = frng_arch_i386::gate::FROM_64_BIT_CODE;
            ptr::copy_nonoverlapping(code.as_ptr(), page.cast(), code.len());
        }
        Some(Gate { abi, used: 0 })
    }

    /// The ABI to which there is a way from that of this program.
    pub fn abi() -> Option<&'static dyn Abi> {
        let find = |name: &str| ABIS.iter().find(|abi| abi.name() == name);
        find("i386").filter(|_| ABIS[0].name() == "x86_64").copied()
    }

    /// Issues a call; its result as the kernel gives it.
    pub fn call(&self, sys: Sys, args: &[u32]) -> i32 {
        self.abi.number(sys).map_or(-libc::ENOSYS, |number| self.call_by_number(number, args))
    }

    /// Issues a call that frng has no need to know.
    pub fn call_by_number(&self, number: u32, args: &[u32]) -> i32 {
        let mut words = [0; 6];
        words[..args.len()].copy_from_slice(args);
        // SAFETY: `new` has put such a function there. The calls write to memory of [`Gate::room`] only.
        unsafe {
            let function: Function = std::mem::transmute(ptr::without_provenance::<()>(BEGIN));
            function(number, &raw const words)
        }
    }

    /// Memory of `len` bytes, all 0.
    pub fn room(&mut self, len: usize) -> u32 {
        let at = MEMORY + self.used;
        self.used += len.next_multiple_of(16);
        assert!(at + len <= BEGIN + LEN, "too much is wanted");
        at as u32
    }

    /// Puts bytes where [`Gate::room`] has made room for them.
    pub fn put(&mut self, at: u32, bytes: &[u8]) {
        assert!(at as usize >= MEMORY && at as usize + bytes.len() <= BEGIN + LEN);
        // SAFETY: within the mapping, to which there are no references.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), ptr::without_provenance_mut(at as usize), bytes.len()) };
    }

    /// What is there.
    pub fn bytes(&self, at: u32, len: usize) -> Vec<u8> {
        assert!(at as usize >= MEMORY && at as usize + len <= BEGIN + LEN);
        let mut bytes = vec![0; len];
        // SAFETY: within the mapping, whose bytes are all initialised.
        unsafe { ptr::copy_nonoverlapping(ptr::without_provenance(at as usize), bytes.as_mut_ptr(), len) };
        bytes
    }

    /// A string in that memory.
    pub fn text(&mut self, text: &CStr) -> u32 {
        let bytes = text.to_bytes_with_nul();
        let at = self.room(bytes.len());
        self.put(at, bytes);
        at
    }
}
