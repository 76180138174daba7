//! x86_64 for frng: the native 64-bit convention of `arch/x86/entry/entry_64.S`.
//!
//! One file answers one kind of question, and the same files with the same functions in the same order exist in
//! every arch crate, so that two of them can be read side by side:
//! [`numbers`], [`registers`], [`layouts`], [`trampoline`], [`sites`]. Everything is data or a pure function over byte buffers
//! and compiles on any host.
#![no_std]

#[cfg(test)]
extern crate std;

pub mod layouts;
pub mod numbers;
pub mod registers;
#[cfg(feature = "sites")]
pub mod sites;
pub mod trampoline;

use frng_core::arch::{Abi, BOOTSTRAP_MAX, OldRegisterRequest, Registers, Related, StatBytes, TrampolineLayout};
use frng_core::call::Sys;
use frng_core::errno::Errno;
#[cfg(feature = "sites")]
use frng_core::inside::sites::Inside;
use frng_core::stat::Statx;

/// The calling convention of 64-bit programs.
#[derive(Clone, Copy, Debug)]
pub struct X86_64;

/// The only value of [`X86_64`], to be registered.
pub static ABI: X86_64 = X86_64;

impl Abi for X86_64 {
    fn name(&self) -> &'static str {
        "x86_64"
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

    fn abandon_call(&self, registers: &mut Registers) -> bool {
        registers::abandon_call(registers)
    }

    fn after_steps(&self, registers: &mut Registers) {
        registers::after_steps(registers);
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

    fn related(&self) -> &'static [Related] {
        layouts::RELATED
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

    #[cfg(feature = "sites")]
    fn inside(&self) -> Option<&'static dyn Inside> {
        Some(&sites::SITES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frng_golden::{Golden, check};

    /// What a real kernel did (`cross/golden x86_64`).
    fn golden() -> Golden {
        Golden::parse(include_str!("../golden/x86_64.ron")).unwrap()
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
    fn a_captured_statx_becomes_the_captured_stat() {
        check::layouts(&ABI, &golden());
    }
}
