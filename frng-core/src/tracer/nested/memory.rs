//! Memory, registers and signals of a stopped tracee, handed to its tracer and back.

use super::info;
use crate::arch::REGISTERS_MAX;
use crate::call::TraceeAddr;
use crate::errno::Errno;
use crate::policy::{Answer, Outcome, Tracee, TraceeExt};
use crate::tracer::process_memory::ProcessMemory;
use crate::tracer::ptrace;
use crate::tracer::thread::Thread;

/// Most bytes of a register set: those of the widest vectors.
const SET_MAX: usize = 256 << 10;
/// `PTRACE_PEEKUSR`, `PTRACE_POKEUSR`.
const PEEKUSR: u64 = 3;
const POKEUSR: u64 = 6;
const GETREGSET: u64 = 0x4204;
const SETREGSET: u64 = 0x4205;
const GETSIGMASK: u64 = 0x420a;
const PEEKSIGINFO: u64 = 0x4209;
/// The general purpose registers (`include/uapi/linux/elf.h`).
const NT_PRSTATUS: u64 = 1;
/// Bytes of the kernel's set of signals.
const SIGNALS_LEN: u64 = 8;

impl Thread {
    /// Writes a pointer or a `long` in the width of the ABI.
    pub(super) fn write_word(&self, to: u64, value: u64) -> Result<(), Errno> {
        match self.abi().word_len() {
            8 => self.write(TraceeAddr(to), &value.to_ne_bytes()),
            _ => self.write(TraceeAddr(to), &(value as u32).to_ne_bytes()),
        }
    }

    fn memory_of(&self, tid: i32) -> Result<ProcessMemory, Errno> {
        ProcessMemory::open(tid).map_err(|_| Errno::EIO)
    }

    /// `PTRACE_PEEKTEXT`, `PTRACE_PEEKDATA`: a word goes to `data`.
    pub(super) fn peek(&self, tid: i32, addr: u64, data: u64) -> Result<(), Errno> {
        let mut word = [0; 8];
        let word = &mut word[..self.abi().word_len()];
        self.memory_of(tid)?.read_exact_at(word, addr).map_err(|_| Errno::EIO)?;
        self.write(TraceeAddr(data), word)
    }

    /// `PTRACE_POKETEXT`, `PTRACE_POKEDATA`.
    pub(super) fn poke(&self, tid: i32, addr: u64, data: u64) -> Result<(), Errno> {
        let word = data.to_ne_bytes();
        let word = if self.abi().word_len() == 8 { &word[..] } else { &(data as u32).to_ne_bytes()[..] };
        self.memory_of(tid)?.write_all_at(word, addr).map_err(|_| Errno::EIO)
    }

    /// Whether this program is of our own convention, so that what the kernel answers us is what it would answer it.
    fn is_like_us(&self) -> bool {
        self.world.abis.first().is_some_and(|own| std::ptr::eq(own, self.abi_table()))
    }

    /// `PTRACE_PEEKUSR`: a word of `struct user`, which each CPU has another one of. With 32-bit programs it begins with the
    /// general purpose registers.
    pub(super) fn peek_user(&self, tid: i32, addr: u64, data: u64) -> Result<(), Errno> {
        if !self.is_like_us() {
            let registers = self.narrow_registers(tid, addr)?;
            return self.write(TraceeAddr(data), &registers[addr as usize..addr as usize + 4]);
        }
        let mut word = 0usize;
        // SAFETY: the kernel writes one word, which is live.
        unsafe { ptrace::raw(PEEKUSR, tid, addr as usize, &raw mut word as usize) }?;
        self.write_word(data, word as u64)
    }

    /// `PTRACE_POKEUSR`.
    pub(super) fn poke_user(&self, tid: i32, addr: u64, data: u64) -> Result<(), Errno> {
        if !self.is_like_us() {
            let mut registers = self.narrow_registers(tid, addr)?;
            registers[addr as usize..addr as usize + 4].copy_from_slice(&(data as u32).to_ne_bytes());
            return exchange(SETREGSET, tid, NT_PRSTATUS, &mut registers).map(|_| ());
        }
        // SAFETY: takes no memory of ours.
        unsafe { ptrace::raw(POKEUSR, tid, addr as usize, data as usize) }.map(|_| ())
    }

    /// The general purpose registers of a program of this one's width, which have a word at `addr`.
    fn narrow_registers(&self, tid: i32, addr: u64) -> Result<Vec<u8>, Errno> {
        let mut registers = vec![0u8; REGISTERS_MAX];
        let len = exchange(GETREGSET, tid, NT_PRSTATUS, &mut registers)?;
        registers.truncate(len);
        let is_word = addr % 4 == 0 && addr < len as u64;
        if len == self.abi().registers_len() && is_word { Ok(registers) } else { Err(Errno::EIO) }
    }

    /// `PTRACE_GETREGSET`, `PTRACE_SETREGSET`: `data` is the address of a `struct iovec`.
    pub(super) fn register_set(&self, op: u64, tid: i32, set: u64, data: u64) -> Result<(), Errno> {
        let width = self.abi().word_len() as u64;
        let base = self.read_word(TraceeAddr(data))?;
        let len = self.read_word(TraceeAddr(data).add(width))?;
        let mut bytes = vec![0u8; usize::try_from(len).unwrap_or(SET_MAX).min(SET_MAX)];
        if op == SETREGSET {
            self.read(TraceeAddr(base), &mut bytes)?;
        }
        let len = exchange(op, tid, set, &mut bytes)?;
        if op == GETREGSET {
            self.write(TraceeAddr(base), &bytes[..len])?;
        }
        self.write_word(data + width, len as u64)
    }

    /// `PTRACE_GETREGS` and its kin, where this program's CPU has them. They are register sets of a fixed length.
    pub(super) fn old_register_set(&self, op: u64, tid: i32, data: u64) -> Result<(), Errno> {
        let known = self.abi().old_register_requests().iter().find(|known| u64::from(known.request) == op);
        let known = known.ok_or(Errno::EIO)?;
        let mut bytes = vec![0u8; known.len];
        let direct = self.is_like_us();
        if known.sets {
            self.read(TraceeAddr(data), &mut bytes)?;
        }
        if direct {
            // SAFETY: the kernel takes as many bytes as the arch crate says, and they are live.
            unsafe { ptrace::raw(op, tid, 0, bytes.as_mut_ptr() as usize) }?;
        } else {
            let op = if known.sets { SETREGSET } else { GETREGSET };
            if exchange(op, tid, known.set.into(), &mut bytes)? != known.len {
                return Err(Errno::EIO);
            }
        }
        if known.sets { Ok(()) } else { self.write(TraceeAddr(data), &bytes) }
    }

    /// `PTRACE_GETSIGMASK`, `PTRACE_SETSIGMASK`.
    pub(super) fn signal_set(&self, op: u64, tid: i32, len: u64, data: u64) -> Result<(), Errno> {
        if len != SIGNALS_LEN {
            return Err(Errno::EINVAL);
        }
        let mut set = [0; SIGNALS_LEN as usize];
        if op != GETSIGMASK {
            self.read(TraceeAddr(data), &mut set)?;
        }
        // SAFETY: the set has the length that is told and is live.
        unsafe { ptrace::raw(op, tid, set.len(), set.as_mut_ptr() as usize) }?;
        if op == GETSIGMASK { self.write(TraceeAddr(data), &set) } else { Ok(()) }
    }

    /// `PTRACE_PEEKSIGINFO`: `addr` is the address of a `struct ptrace_peeksiginfo_args`.
    pub(super) fn peek_signals(&self, tid: i32, addr: u64, data: u64) -> Outcome {
        /// More than ever wait at the same time are told of in several requests.
        const MAX: i32 = 64;
        let mut args = [0; 16];
        self.read(TraceeAddr(addr), &mut args)?;
        let count = i32::from_ne_bytes([args[12], args[13], args[14], args[15]]);
        if count < 0 {
            return Err(Errno::EINVAL);
        }
        args[12..].copy_from_slice(&count.min(MAX).to_ne_bytes());
        let mut infos = vec![info::Info([0; info::LEN]); count.min(MAX) as usize];
        // SAFETY: the kernel reads the arguments and writes at most as many structures as they say.
        let got = unsafe { ptrace::raw(PEEKSIGINFO, tid, args.as_ptr() as usize, infos.as_mut_ptr() as usize) }?;
        let width = self.abi().word_len();
        for (index, info) in infos.iter().take(got as usize).enumerate() {
            self.write(TraceeAddr(data).add((index * info::LEN) as u64), &info.of_width(width).0)?;
        }
        Ok(Answer::Value(got))
    }

    /// A request that writes at most `len` bytes of a structure to `data` and returns how many there are.
    pub(super) fn forward_out(&self, op: u64, tid: i32, addr: u64, data: u64, len: usize) -> Outcome {
        let mut bytes = [0u8; 64];
        if len > bytes.len() {
            return Err(Errno::EINVAL);
        }
        // SAFETY: the kernel writes at most `addr` bytes, which is `len`.
        let there = unsafe { ptrace::raw(op, tid, addr as usize, bytes.as_mut_ptr() as usize) }?;
        self.write(TraceeAddr(data), &bytes[..len.min(there as usize)])?;
        Ok(Answer::Value(there))
    }
}

/// Exchanges a register set; returns how many bytes of it were taken.
fn exchange(op: u64, tid: i32, set: u64, bytes: &mut [u8]) -> Result<usize, Errno> {
    let mut iov = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: the vector describes `bytes`.
    unsafe { ptrace::raw(op, tid, set as usize, &raw mut iov as usize) }?;
    Ok(iov.iov_len.min(bytes.len()))
}
