//! Registers: `struct user_regs_struct` of `arch/x86/include/asm/user_64.h`, 27 words of 64 bits.
//!
//! A syscall takes its number in rax and its arguments in rdi, rsi, rdx, r10, r8, r9; it returns in rax and
//! clobbers rcx and r11 only (`arch/x86/entry/entry_64.S`). While a thread is in the kernel, orig_rax holds the
//! number and tells whether there is a call at all: -1 means none, so nothing is made at a syscall-enter-stop and
//! nothing is restarted when a signal comes (`arch/x86/kernel/signal.c: arch_do_signal_or_restart`).

use frng_core::arch::{OldRegisterRequest, Registers};

/// Bytes of the register set.
pub const LEN: usize = 27 * 8;

/// `PTRACE_GETREGS`, `PTRACE_SETREGS`, `PTRACE_GETFPREGS`, `PTRACE_SETFPREGS` (`arch/x86/kernel/ptrace.c: arch_ptrace`).
pub const OLD_REQUESTS: &[OldRegisterRequest] = &[
    OldRegisterRequest { request: 12, sets: false, set: 1, len: LEN },
    OldRegisterRequest { request: 13, sets: true, set: 1, len: LEN },
    OldRegisterRequest { request: 14, sets: false, set: 2, len: 512 },
    OldRegisterRequest { request: 15, sets: true, set: 2, len: 512 },
];

const R10: usize = 7 * 8;
const R9: usize = 8 * 8;
const R8: usize = 9 * 8;
const RAX: usize = 10 * 8;
const RDX: usize = 12 * 8;
const RSI: usize = 13 * 8;
const RDI: usize = 14 * 8;
const ORIG_RAX: usize = 15 * 8;
const RIP: usize = 16 * 8;
const EFLAGS: usize = 18 * 8;
const RSP: usize = 19 * 8;

/// Where the arguments are, in order.
const ARGS: [usize; 6] = [RDI, RSI, RDX, R10, R8, R9];

/// orig_rax of a thread that is in no call.
const NO_CALL: u64 = u64::MAX;

/// The kernel's internal results of interrupted calls (`include/linux/errno.h`).
const ERESTARTSYS: i64 = 512;
const ERESTARTNOINTR: i64 = 513;
const ERESTARTNOHAND: i64 = 514;
const ERESTART_RESTARTBLOCK: i64 = 516;

/// Number of restart_syscall(2).
const RESTART_SYSCALL: u32 = 219;

/// Bytes of the instruction `syscall`.
const SYSCALL_LEN: u64 = 2;

/// Program counter.
pub fn pc(registers: &Registers) -> u64 {
    registers.u64_at(RIP)
}

/// Sets the program counter.
pub fn set_pc(registers: &mut Registers, pc: u64) {
    registers.set_u64_at(RIP, pc);
}

/// Stack pointer.
pub fn sp(registers: &Registers) -> u64 {
    registers.u64_at(RSP)
}

/// Sets the result of a call.
pub fn set_result(registers: &mut Registers, raw: u64) {
    registers.set_u64_at(RAX, raw);
}

/// At a syscall-enter-stop or seccomp stop: makes it another call, or none for `u32::MAX`.
///
/// rax stays: it is -ENOSYS there, and is the result if the call is not made.
pub fn replace_call(registers: &mut Registers, number: u32, args: [u64; 6]) {
    registers.set_u64_at(ORIG_RAX, if number == u32::MAX { NO_CALL } else { u64::from(number) });
    set_args(registers, args);
}

/// In user mode, or at a stop whose call is not to be made: the registers with which `syscall` at `pc` issues a call.
pub fn prepare_call(registers: &mut Registers, pc: u64, number: u32, args: [u64; 6]) {
    registers.set_u64_at(ORIG_RAX, NO_CALL);
    registers.set_u64_at(RAX, u64::from(number));
    set_args(registers, args);
    set_pc(registers, pc);
}

/// From the registers of a syscall-enter-stop: back to before its `syscall`.
pub fn rewind_call(registers: &mut Registers, number: u32) {
    registers.set_u64_at(ORIG_RAX, NO_CALL);
    registers.set_u64_at(RAX, u64::from(number));
    let before = pc(registers).wrapping_sub(SYSCALL_LEN);
    set_pc(registers, before);
}

/// At a stop in the delivery of signals: restarts an interrupted call as the kernel does when no handler runs
/// (`arch/x86/kernel/signal.c: arch_do_signal_or_restart`), and leaves no call.
pub fn settle(registers: &mut Registers) {
    let number = registers.u64_at(ORIG_RAX);
    if (number as i64) >= 0 {
        match -(registers.u64_at(RAX) as i64) {
            ERESTARTSYS | ERESTARTNOINTR | ERESTARTNOHAND => rewind_call(registers, number as u32),
            ERESTART_RESTARTBLOCK => rewind_call(registers, RESTART_SYSCALL),
            _ => {}
        }
    }
    registers.set_u64_at(ORIG_RAX, NO_CALL);
}

/// At a stop outside of syscall stops: an interrupted call is not restarted, and its result stays what it is.
pub fn abandon_call(registers: &mut Registers) -> bool {
    let result = registers.u64_at(RAX) as i64;
    let interrupted = registers.u64_at(ORIG_RAX) as i64 >= 0 && matches!(-result, ERESTARTSYS..=ERESTART_RESTARTBLOCK);
    if interrupted {
        registers.set_u64_at(ORIG_RAX, NO_CALL);
    }
    interrupted
}

/// The trap flag of the flags register.
const TRAP_FLAG: u64 = 0x100;

/// Clears the trap flag: the kernel leaves it set by a step over popf
/// (`arch/x86/kernel/step.c: is_setting_trap_flag`).
pub fn after_steps(registers: &mut Registers) {
    registers.set_u64_at(EFLAGS, registers.u64_at(EFLAGS) & !TRAP_FLAG);
}

fn set_args(registers: &mut Registers, args: [u64; 6]) {
    for (offset, arg) in ARGS.into_iter().zip(args) {
        registers.set_u64_at(offset, arg);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At the entry of a call with number 257: every register holds its own offset, but for orig_rax.
    fn entered() -> Registers {
        let mut registers = Registers::from_bytes(&[0; LEN]);
        for offset in (0..LEN).step_by(8) {
            registers.set_u64_at(offset, offset as u64);
        }
        registers.set_u64_at(ORIG_RAX, 257);
        registers
    }

    /// Offsets of all registers that differ.
    fn changed(a: &Registers, b: &Registers) -> std::vec::Vec<usize> {
        (0..LEN).step_by(8).filter(|offset| a.u64_at(*offset) != b.u64_at(*offset)).collect()
    }

    #[test]
    fn a_replaced_call_has_number_and_arguments_and_keeps_the_rest() {
        let mut registers = entered();
        replace_call(&mut registers, 262, [1, 2, 3, 4, 5, 6]);
        assert_eq!(registers.u64_at(ORIG_RAX), 262);
        assert_eq!(ARGS.map(|offset| registers.u64_at(offset)), [1, 2, 3, 4, 5, 6]);
        let mut expected = [ORIG_RAX, RDI, RSI, RDX, R10, R8, R9];
        expected.sort_unstable();
        assert_eq!(changed(&entered(), &registers), expected);
    }

    #[test]
    fn settling_restarts_an_interrupted_call_and_nothing_else() {
        for (result, rax, rewound) in
            [(-512i64, 257, 2), (-514, 257, 2), (-516, 219, 2), (-4, -4i64 as u64, 0), (3, 3, 0)]
        {
            let mut registers = entered();
            registers.set_u64_at(RAX, result as u64);
            settle(&mut registers);
            assert_eq!(registers.u64_at(RAX), rax);
            assert_eq!(registers.u64_at(RIP), RIP as u64 - rewound);
            assert_eq!(registers.u64_at(ORIG_RAX), NO_CALL);
        }
    }

    #[test]
    fn an_abandoned_call_keeps_its_internal_result_and_is_not_restarted() {
        let mut registers = entered();
        assert!(!abandon_call(&mut registers));
        registers.set_u64_at(RAX, -512i64 as u64);
        assert!(abandon_call(&mut registers));
        assert_eq!((registers.u64_at(RAX) as i64, registers.u64_at(ORIG_RAX)), (-512, NO_CALL));
        assert_eq!(pc(&registers), RIP as u64);
        assert!(!abandon_call(&mut registers));
    }

    #[test]
    fn no_call_is_minus_one_in_all_64_bits() {
        let mut registers = entered();
        replace_call(&mut registers, u32::MAX, [0; 6]);
        assert_eq!(registers.u64_at(ORIG_RAX) as i64, -1);
    }

    #[test]
    fn a_prepared_call_stands_at_its_instruction_and_restarts_nothing() {
        let mut registers = entered();
        prepare_call(&mut registers, 0x1000, 332, [1, 2, 3, 4, 5, 6]);
        assert_eq!((pc(&registers), registers.u64_at(RAX)), (0x1000, 332));
        assert_eq!(registers.u64_at(ORIG_RAX) as i64, -1);
        assert_eq!(sp(&registers), RSP as u64);
    }

    #[test]
    fn a_rewound_call_stands_before_its_own_instruction_with_its_own_arguments() {
        let mut registers = entered();
        rewind_call(&mut registers, 257);
        assert_eq!((pc(&registers), registers.u64_at(RAX)), (RIP as u64 - 2, 257));
        assert_eq!(ARGS.map(|offset| registers.u64_at(offset)), ARGS.map(|offset| offset as u64));
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    #[test]
    fn offsets_are_those_of_the_hosts_own_structure() {
        use core::mem::offset_of;
        use libc::user_regs_struct as Regs;
        assert_eq!(LEN, size_of::<Regs>());
        let theirs = [offset_of!(Regs, rdi), offset_of!(Regs, rsi), offset_of!(Regs, rdx), offset_of!(Regs, r10)];
        assert_eq!(ARGS[..4], theirs);
        assert_eq!(ARGS[4..], [offset_of!(Regs, r8), offset_of!(Regs, r9)]);
        assert_eq!([RAX, ORIG_RAX], [offset_of!(Regs, rax), offset_of!(Regs, orig_rax)]);
        assert_eq!([RIP, RSP], [offset_of!(Regs, rip), offset_of!(Regs, rsp)]);
    }
}
