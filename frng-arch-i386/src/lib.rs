//! i386 for frng: the 32-bit convention of `arch/x86/entry/entry_32.S` and `entry_64_compat.S`.
//!
//! One file answers one kind of question, and the same files with the same functions in the same order exist in
//! every arch crate, so that two of them can be read side by side:
//! [`numbers`], [`registers`], [`layouts`], [`trampoline`]. Everything is data or a pure function over byte buffers
//! and compiles on any host.
#![no_std]

#[cfg(test)]
extern crate std;

pub mod gate;
pub mod layouts;
pub mod numbers;
pub mod registers;
pub mod trampoline;

use frng_core::arch::{Abi, BOOTSTRAP_MAX, OldRegisterRequest, Registers, StatBytes, TrampolineLayout};
use frng_core::call::Sys;
use frng_core::errno::Errno;
use frng_core::stat::Statx;

/// The calling convention of 32-bit programs, and of `int $0x80` in 64-bit ones.
#[derive(Clone, Copy, Debug)]
pub struct I386;

/// The only value of [`I386`], to be registered.
pub static ABI: I386 = I386;

impl Abi for I386 {
    fn name(&self) -> &'static str {
        "i386"
    }

    fn audit_arch(&self) -> u32 {
        numbers::AUDIT_ARCH
    }

    fn numbers(&self) -> &'static [(u32, Sys)] {
        numbers::TABLE
    }

    fn registers_len(&self) -> usize {
        registers::LEN
    }

    fn pc(&self, registers: &Registers) -> u64 {
        registers::pc(registers)
    }

    fn set_pc(&self, registers: &mut Registers, pc: u64) {
        registers::set_pc(registers, pc);
    }

    fn sp(&self, registers: &Registers) -> u64 {
        registers::sp(registers)
    }

    fn set_result(&self, registers: &mut Registers, raw: u64) {
        registers::set_result(registers, raw);
    }

    fn replace_call(&self, registers: &mut Registers, number: u32, args: [u64; 6]) {
        registers::replace_call(registers, number, args);
    }

    fn prepare_call(&self, registers: &mut Registers, pc: u64, number: u32, args: [u64; 6]) {
        registers::prepare_call(registers, pc, number, args);
    }

    fn rewind_call(&self, registers: &mut Registers, number: u32, _args: [u64; 6]) {
        registers::rewind_call(registers, number);
    }

    fn settle(&self, registers: &mut Registers) {
        registers::settle(registers);
    }

    fn old_register_requests(&self) -> &'static [OldRegisterRequest] {
        registers::OLD_REQUESTS
    }

    fn word_len(&self) -> usize {
        layouts::WORD_LEN
    }

    fn encode_stat(&self, sys: Sys, stat: &Statx, out: &mut StatBytes) -> Result<usize, Errno> {
        layouts::encode_stat(sys, stat, out)
    }

    fn trampoline_address(&self) -> u64 {
        trampoline::ADDRESS
    }

    fn trampoline_code(&self) -> &'static [u8] {
        trampoline::CODE
    }

    fn trampoline_return(&self) -> u64 {
        trampoline::RETURN
    }

    fn bootstrap_code(&self, layout: &TrampolineLayout, out: &mut [u8; BOOTSTRAP_MAX]) -> usize {
        trampoline::bootstrap_code(layout, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frng_golden::{Golden, check};

    /// What a real kernel did (`cross/golden i386`).
    fn golden() -> Golden {
        Golden::parse(include_str!("../golden/i386.ron")).unwrap()
    }

    #[test]
    fn numbers_are_those_of_the_kernels_headers() {
        check::numbers(&ABI, &golden());
    }

    #[test]
    fn registers_are_where_the_kernel_has_them() {
        check::registers(&ABI, &golden());
    }

    #[test]
    fn a_captured_statx_becomes_the_captured_structures() {
        check::layouts(&ABI, &golden());
    }
}
