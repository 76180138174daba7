//! Registers: `struct user_regs_struct` of `arch/riscv/include/uapi/asm/ptrace.h`, 32 words of 64 bits.
//!
//! A syscall takes its number in a7 and its arguments in a0 to a5; it returns in a0 and clobbers nothing else. At its entry
//! the kernel keeps a0 where nobody can get at it, takes the first argument from there, and shows -ENOSYS in its place; the number
//! it takes from a7 itself. So a call made in place of another one has the same first argument, and one that is cancelled by
//! number -1 returns with that in a7, which programs count on to stay: both have to be mended at the exit.
//!
//! A restart takes a0 from where it was kept, and a7 as it is.

use frng_core::arch::Registers;

/// Bytes of the register set.
pub const LEN: usize = 32 * 8;

/// See above.
pub const CANCELS_AT_ENTRY: bool = false;

const PC: usize = 0;
const SP: usize = 2 * 8;
const A0: usize = 10 * 8;
const A7: usize = 17 * 8;

/// The number of a call that is not made.
const NO_CALL: u64 = u64::MAX;

/// Bytes of the instruction `ecall`.
const ECALL_LEN: u64 = 4;

/// Program counter.
pub fn pc(registers: &Registers) -> u64 {
    registers.u64_at(PC)
}

/// Sets the program counter.
pub fn set_pc(registers: &mut Registers, pc: u64) {
    registers.set_u64_at(PC, pc);
}

/// Stack pointer.
pub fn sp(registers: &Registers) -> u64 {
    registers.u64_at(SP)
}

/// Sets the result of a call.
pub fn set_result(registers: &mut Registers, raw: u64) {
    registers.set_u64_at(A0, raw);
}

/// At a syscall-enter-stop or seccomp stop: makes it another call with the same first argument, or none for `u32::MAX`.
pub fn replace_call(registers: &mut Registers, number: u32, args: [u64; 6]) {
    registers.set_u64_at(A7, if number == u32::MAX { NO_CALL } else { u64::from(number) });
    let [_, rest @ ..] = args;
    for (index, arg) in rest.into_iter().enumerate() {
        registers.set_u64_at(A0 + 8 * (1 + index), arg);
    }
}

/// In user mode, or after a call: the registers with which `ecall` at `pc` issues a call.
pub fn prepare_call(registers: &mut Registers, pc: u64, number: u32, args: [u64; 6]) {
    replace_call(registers, number, args);
    registers.set_u64_at(A0, args[0]);
    set_pc(registers, pc);
}

/// From the registers of a syscall-enter-stop: back to before its `ecall`.
pub fn rewind_call(registers: &mut Registers, number: u32, args: [u64; 6]) {
    let before = pc(registers).wrapping_sub(ECALL_LEN);
    prepare_call(registers, before, number, args);
}

/// At a stop in the delivery of signals the kernel has already rewound an interrupted call
/// (`arch/riscv/kernel/signal.c: arch_do_signal_or_restart`).
pub fn settle(_registers: &mut Registers) {}

#[cfg(test)]
mod tests {
    use super::*;

    /// At the entry of a call: every register holds its own offset.
    fn entered() -> Registers {
        let mut registers = Registers::from_bytes(&[0; LEN]);
        for offset in (0..LEN).step_by(8) {
            registers.set_u64_at(offset, offset as u64);
        }
        registers
    }

    /// Offsets of all registers that differ.
    fn changed(a: &Registers, b: &Registers) -> std::vec::Vec<usize> {
        (0..LEN).step_by(8).filter(|offset| a.u64_at(*offset) != b.u64_at(*offset)).collect()
    }

    fn args(registers: &Registers) -> [u64; 6] {
        core::array::from_fn(|index| registers.u64_at(A0 + 8 * index))
    }

    #[test]
    fn a_replaced_call_has_number_and_all_arguments_but_the_first_and_keeps_the_rest() {
        let mut registers = entered();
        replace_call(&mut registers, 79, [1, 2, 3, 4, 5, 6]);
        assert_eq!(registers.u64_at(A7), 79);
        assert_eq!(args(&registers), [A0 as u64, 2, 3, 4, 5, 6]);
        assert_eq!(changed(&entered(), &registers), [88, 96, 104, 112, 120, A7]);
    }

    #[test]
    fn settling_changes_nothing() {
        let mut registers = entered();
        settle(&mut registers);
        assert!(changed(&entered(), &registers).is_empty());
    }

    #[test]
    fn no_call_is_minus_one_in_all_64_bits() {
        let mut registers = entered();
        replace_call(&mut registers, u32::MAX, [0; 6]);
        assert_eq!(registers.u64_at(A7) as i64, -1);
    }

    #[test]
    fn a_prepared_call_stands_at_its_instruction() {
        let mut registers = entered();
        prepare_call(&mut registers, 0x1000, 291, [1, 2, 3, 4, 5, 6]);
        assert_eq!((pc(&registers), registers.u64_at(A7)), (0x1000, 291));
        assert_eq!(args(&registers), [1, 2, 3, 4, 5, 6]);
        assert_eq!(sp(&registers), SP as u64);
    }

    #[test]
    fn a_rewound_call_stands_before_its_own_instruction_with_its_own_arguments() {
        let mut registers = entered();
        rewind_call(&mut registers, 56, [1, 2, 3, 4, 5, 6]);
        assert_eq!((pc(&registers), registers.u64_at(A7)), ((PC as u64).wrapping_sub(4), 56));
        assert_eq!(args(&registers), [1, 2, 3, 4, 5, 6]);
    }
}
