//! Registers: `struct pt_regs` of `arch/arm/include/uapi/asm/ptrace.h`, 18 words of 32 bits. A 64-bit kernel shows 32-bit
//! programs in this form (`arch/arm64/kernel/ptrace.c: compat_gpr_get`).
//!
//! A syscall takes its number in r7 and its arguments in r0 to r5; it returns in r0 and clobbers nothing else. As with 64-bit
//! programs the kernel reads the number once, before any stop, into a register set of its own; -1 means none, and r0 is then the
//! result. A restart takes r0 from ORIG_r0 and issues the program's own call. At syscall-enter-stops and syscall-exit-stops
//! r12 shows 0 or 1, and what is written to it is lost (`report_syscall`).
//!
//! Programs are in one of two instruction sets, which a bit of cpsr tells. Their syscall instructions have different lengths. The
//! trampoline is ARM code, so whatever leads there changes that bit too.

use frng_core::arch::{OldRegisterRequest, Registers};

/// Bytes of the register set.
pub const LEN: usize = 18 * 4;

/// `PTRACE_GETREGS`, `PTRACE_SETREGS` and those of the vector registers (`arch/arm64/kernel/ptrace.c: compat_arch_ptrace`).
pub const OLD_REQUESTS: &[OldRegisterRequest] = &[
    OldRegisterRequest { request: 12, sets: false, set: 1, len: LEN },
    OldRegisterRequest { request: 13, sets: true, set: 1, len: LEN },
    OldRegisterRequest { request: 27, sets: false, set: 0x400, len: 32 * 8 + 4 },
    OldRegisterRequest { request: 28, sets: true, set: 0x400, len: 32 * 8 + 4 },
];

/// `NT_ARM_SYSTEM_CALL`: the number of the call under way.
pub const NUMBER_SET: u32 = 0x404;

const R0: usize = 0;
const R7: usize = 7 * 4;
const R12: usize = 12 * 4;
const SP: usize = 13 * 4;
const PC: usize = 15 * 4;
const CPSR: usize = 16 * 4;

/// `PSR_AA32_T_BIT`: Thumb.
const THUMB: u32 = 1 << 5;
/// `PSR_AA32_IT_MASK`: which of the next Thumb instructions are conditional.
const CONDITIONAL: u32 = 0x0600_fc00;

/// The number of a thread that is in no call.
const NO_CALL: u32 = u32::MAX;

/// Bytes of the instruction `svc`.
const SVC_LEN: u64 = 4;
/// Bytes of the instruction `svc` in Thumb code.
const THUMB_SVC_LEN: u64 = 2;

/// Program counter.
pub fn pc(registers: &Registers) -> u64 {
    registers.u32_at(PC).into()
}

/// Sets the program counter, to ARM code.
pub fn set_pc(registers: &mut Registers, pc: u64) {
    registers.set_u32_at(PC, pc as u32);
    let cpsr = registers.u32_at(CPSR);
    registers.set_u32_at(CPSR, cpsr & !(THUMB | CONDITIONAL));
}

/// Stack pointer.
pub fn sp(registers: &Registers) -> u64 {
    registers.u32_at(SP).into()
}

/// Sets the result of a call.
pub fn set_result(registers: &mut Registers, raw: u64) {
    registers.set_u32_at(R0, raw as u32);
}

/// At a syscall-enter-stop or seccomp stop: makes it another call, or none for `u32::MAX`.
///
/// r7 and ORIG_r0 stay: a restart is one of the program's own call.
pub fn replace_call(registers: &mut Registers, number: u32, args: [u64; 6]) {
    registers.set_number(number);
    set_args(registers, args);
}

/// In user mode, or at a stop whose call is not to be made: the registers with which `svc` at `pc` issues a call. Elsewhere than
/// where the program stands that is ARM code.
pub fn prepare_call(registers: &mut Registers, to: u64, number: u32, args: [u64; 6]) {
    registers.set_number(NO_CALL);
    registers.set_u32_at(R7, number);
    set_args(registers, args);
    if to != pc(registers) {
        set_pc(registers, to);
    }
}

/// From the registers of a syscall-enter-stop: back to before its `svc`, which is of the program's own instruction set.
pub fn rewind_call(registers: &mut Registers, number: u32) {
    registers.set_number(NO_CALL);
    registers.set_u32_at(R7, number);
    let thumb = registers.u32_at(CPSR) & THUMB != 0;
    let before = pc(registers).wrapping_sub(if thumb { THUMB_SVC_LEN } else { SVC_LEN });
    registers.set_u32_at(PC, before as u32);
}

/// At a stop in the delivery of signals the kernel has already rewound an interrupted call: only that a restart_syscall(2)
/// may have to follow in its place cannot be seen any more. Leaves no call.
pub fn settle(registers: &mut Registers) {
    registers.set_number(NO_CALL);
}

/// Takes r12, which syscall stops do not show.
pub fn take_hidden(registers: &mut Registers, now: &Registers) {
    registers.set_u32_at(R12, now.u32_at(R12));
}

fn set_args(registers: &mut Registers, args: [u64; 6]) {
    for (index, arg) in args.into_iter().enumerate() {
        registers.set_u32_at(R0 + 4 * index, arg as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits of cpsr that are no concern of ours: user mode, and a condition flag.
    const OTHER: u32 = 0x8000_0010;

    /// At the entry of a call: every register holds its own offset, but for cpsr.
    fn entered(cpsr: u32) -> Registers {
        let mut registers = Registers::from_bytes(&[0; LEN]);
        for offset in (0..LEN).step_by(4) {
            registers.set_u32_at(offset, offset as u32);
        }
        registers.set_u32_at(CPSR, cpsr | OTHER);
        registers
    }

    /// Offsets of all registers that differ.
    fn changed(a: &Registers, b: &Registers) -> std::vec::Vec<usize> {
        (0..LEN).step_by(4).filter(|offset| a.u32_at(*offset) != b.u32_at(*offset)).collect()
    }

    fn args(registers: &Registers) -> [u32; 6] {
        core::array::from_fn(|index| registers.u32_at(4 * index))
    }

    #[test]
    fn a_replaced_call_has_number_and_arguments_and_keeps_the_rest() {
        let mut registers = entered(THUMB);
        replace_call(&mut registers, 212, [1, 2, 3, 4, 5, u64::MAX]);
        assert_eq!(registers.number(), Some(212));
        assert_eq!(args(&registers), [1, 2, 3, 4, 5, u32::MAX]);
        assert_eq!(changed(&entered(THUMB), &registers), [0, 4, 8, 12, 16, 20]);
    }

    #[test]
    fn settling_leaves_no_call_and_all_registers() {
        let mut registers = entered(THUMB);
        assert_eq!(registers.number(), None);
        settle(&mut registers);
        assert_eq!(registers.number(), Some(NO_CALL));
        assert!(changed(&entered(THUMB), &registers).is_empty());
    }

    #[test]
    fn a_prepared_call_stands_at_its_instruction_in_arm_code_and_restarts_nothing() {
        for cpsr in [0, THUMB, THUMB | CONDITIONAL] {
            let mut registers = entered(cpsr);
            prepare_call(&mut registers, 0x1000, 397, [1, 2, 3, 4, 5, 6]);
            assert_eq!((pc(&registers), registers.u32_at(R7)), (0x1000, 397));
            assert_eq!(registers.number(), Some(NO_CALL));
            assert_eq!(registers.u32_at(CPSR), OTHER);
            assert_eq!(sp(&registers), SP as u64);
        }
    }

    #[test]
    fn a_call_prepared_where_the_program_stands_keeps_its_instruction_set() {
        let mut registers = entered(THUMB);
        prepare_call(&mut registers, PC as u64, 120, [1, 2, 3, 4, 5, 6]);
        assert_eq!((pc(&registers), registers.u32_at(CPSR)), (PC as u64, THUMB | OTHER));
    }

    #[test]
    fn a_rewound_call_stands_before_its_own_instruction_with_its_own_arguments() {
        for (cpsr, len) in [(0, 4), (THUMB, 2)] {
            let mut registers = entered(cpsr);
            rewind_call(&mut registers, 322);
            assert_eq!((pc(&registers), registers.u32_at(R7)), (PC as u64 - len, 322));
            assert_eq!(registers.number(), Some(NO_CALL));
            assert_eq!(registers.u32_at(CPSR), cpsr | OTHER);
            assert_eq!(args(&registers), args(&entered(cpsr)));
        }
    }

    #[test]
    fn an_error_is_negative_in_its_32_bits() {
        let mut registers = entered(0);
        set_result(&mut registers, -14i64 as u64);
        assert_eq!(registers.u32_at(R0), -14i32 as u32);
    }
}
