//! Registers: `struct user_pt_regs` of `arch/arm64/include/uapi/asm/ptrace.h`, 34 words of 64 bits.
//!
//! A syscall takes its number in x8 and its arguments in x0 to x5; it returns in x0 and clobbers nothing else. The kernel
//! reads x8 once, before any stop: from then on the number is in a register set of its own, which also tells whether
//! there is a call at all. -1 means none, so nothing is made at a syscall-enter-stop and nothing is restarted when a
//! signal comes (`arch/arm64/kernel/signal.c: do_signal`); x0 is then the result, whatever is in it.
//!
//! A restart takes x0 from where the kernel has kept it since the entry, out of our reach, and x8 as it is: it issues
//! the program's own call again even if another one was made in its place. At syscall-enter-stops and
//! syscall-exit-stops x7 shows 0 or 1, and what is written to it is lost (`arch/arm64/kernel/ptrace.c: report_syscall`).

use frng_core::arch::Registers;

/// Bytes of the register set.
pub const LEN: usize = 34 * 8;

/// `NT_ARM_SYSTEM_CALL`: the number of the call under way.
pub const NUMBER_SET: u32 = 0x404;

const X0: usize = 0;
const X7: usize = 7 * 8;
const X8: usize = 8 * 8;
const SP: usize = 31 * 8;
const PC: usize = 32 * 8;

/// The number of a thread that is in no call.
const NO_CALL: u32 = u32::MAX;

/// Bytes of the instruction `svc`.
const SVC_LEN: u64 = 4;

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
    registers.set_u64_at(X0, raw);
}

/// At a syscall-enter-stop or seccomp stop: makes it another call, or none for `u32::MAX`.
///
/// x8 stays: a restart is one of the program's own call.
pub fn replace_call(registers: &mut Registers, number: u32, args: [u64; 6]) {
    registers.set_number(number);
    set_args(registers, args);
}

/// In user mode, or at a stop whose call is not to be made: the registers with which `svc` at `pc` issues a call.
pub fn prepare_call(registers: &mut Registers, pc: u64, number: u32, args: [u64; 6]) {
    registers.set_number(NO_CALL);
    registers.set_u64_at(X8, u64::from(number));
    set_args(registers, args);
    set_pc(registers, pc);
}

/// From the registers of a syscall-enter-stop: back to before its `svc`.
pub fn rewind_call(registers: &mut Registers, number: u32) {
    registers.set_number(NO_CALL);
    registers.set_u64_at(X8, u64::from(number));
    let before = pc(registers).wrapping_sub(SVC_LEN);
    set_pc(registers, before);
}

/// At a stop in the delivery of signals the kernel has already rewound an interrupted call: only that a restart_syscall(2)
/// may have to follow in its place cannot be seen any more. Leaves no call.
pub fn settle(registers: &mut Registers) {
    registers.set_number(NO_CALL);
}

/// Takes x7, which syscall stops do not show.
pub fn take_hidden(registers: &mut Registers, now: &Registers) {
    registers.set_u64_at(X7, now.u64_at(X7));
}

fn set_args(registers: &mut Registers, args: [u64; 6]) {
    for (index, arg) in args.into_iter().enumerate() {
        registers.set_u64_at(X0 + 8 * index, arg);
    }
}

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
        core::array::from_fn(|index| registers.u64_at(8 * index))
    }

    #[test]
    fn a_replaced_call_has_number_and_arguments_and_keeps_the_rest() {
        let mut registers = entered();
        replace_call(&mut registers, 79, [1, 2, 3, 4, 5, 6]);
        assert_eq!(registers.number(), Some(79));
        assert_eq!(args(&registers), [1, 2, 3, 4, 5, 6]);
        assert_eq!(changed(&entered(), &registers), [0, 8, 16, 24, 32, 40]);
    }

    #[test]
    fn settling_leaves_no_call_and_all_registers() {
        let mut registers = entered();
        assert_eq!(registers.number(), None);
        settle(&mut registers);
        assert_eq!(registers.number().map(|number| number as i32), Some(-1));
        assert!(changed(&entered(), &registers).is_empty());
    }

    #[test]
    fn no_call_is_minus_one() {
        let mut registers = entered();
        replace_call(&mut registers, u32::MAX, [0; 6]);
        set_result(&mut registers, -1i64 as u64);
        assert_eq!(registers.number().map(|number| number as i32), Some(-1));
        assert_eq!(registers.u64_at(X0) as i64, -1);
    }

    #[test]
    fn a_prepared_call_stands_at_its_instruction_and_restarts_nothing() {
        let mut registers = entered();
        prepare_call(&mut registers, 0x1000, 291, [1, 2, 3, 4, 5, 6]);
        assert_eq!((pc(&registers), registers.u64_at(X8)), (0x1000, 291));
        assert_eq!(registers.number().map(|number| number as i32), Some(-1));
        assert_eq!(sp(&registers), SP as u64);
    }

    #[test]
    fn a_rewound_call_stands_before_its_own_instruction_with_its_own_arguments() {
        let mut registers = entered();
        rewind_call(&mut registers, 56);
        assert_eq!((pc(&registers), registers.u64_at(X8)), (PC as u64 - 4, 56));
        assert_eq!(registers.number().map(|number| number as i32), Some(-1));
        assert_eq!(args(&registers), args(&entered()));
    }

    #[cfg(all(target_arch = "aarch64", target_os = "linux"))]
    #[test]
    fn offsets_are_those_of_the_hosts_own_structure() {
        use core::mem::offset_of;
        use libc::user_regs_struct as Regs;
        assert_eq!(LEN, size_of::<Regs>());
        assert_eq!([X0, SP, PC], [offset_of!(Regs, regs), offset_of!(Regs, sp), offset_of!(Regs, pc)]);
    }
}
