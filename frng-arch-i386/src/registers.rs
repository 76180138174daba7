//! Registers: `struct user_regs_struct` of `arch/x86/include/asm/user_32.h`, 17 words of 32 bits.
//!
//! A syscall takes its number in eax and its arguments in ebx, ecx, edx, esi, edi, ebp; it returns in eax and clobbers
//! nothing else (`arch/x86/entry/entry_32.S`, `entry_64_compat.S`). By whichever instruction it is issued, `int $0x80`,
//! `sysenter` or `syscall`, the kernel returns behind an `int $0x80`: for the latter two that is the one in the vDSO
//! (`arch/x86/entry/vdso/vdso32/system_call.S`). So the instruction before the program counter issues the call again.
//! orig_eax is what orig_rax is on x86_64.
//!
//! 64-bit code can issue these calls too, by `int $0x80`. Then the register set is that of x86_64, 27 words of 64 bits, of
//! which the kernel looks at the lower halves (`arch/x86/entry/syscall_32.c`). The length of a set tells which form it has.

use frng_core::arch::{OldRegisterRequest, Registers};

/// Bytes of the register set of a 32-bit program.
pub const LEN: usize = 17 * 4;

/// Bytes of the register set of 64-bit code.
const WIDE_LEN: usize = 27 * 8;

/// `PTRACE_GETREGS`, `PTRACE_SETREGS`, `PTRACE_GETFPREGS`, `PTRACE_SETFPREGS`, `PTRACE_GETFPXREGS`, `PTRACE_SETFPXREGS`
/// (`arch/x86/kernel/ptrace.c: ia32_arch_ptrace`).
pub const OLD_REQUESTS: &[OldRegisterRequest] = &[
    OldRegisterRequest { request: 12, sets: false, set: 1, len: LEN },
    OldRegisterRequest { request: 13, sets: true, set: 1, len: LEN },
    OldRegisterRequest { request: 14, sets: false, set: 2, len: 108 },
    OldRegisterRequest { request: 15, sets: true, set: 2, len: 108 },
    OldRegisterRequest { request: 18, sets: false, set: 0x46e6_2b7f, len: 512 },
    OldRegisterRequest { request: 19, sets: true, set: 0x46e6_2b7f, len: 512 },
];

/// Where things are in a register set, in bytes.
struct Form {
    /// Bytes of a register.
    width: usize,
    /// The arguments, in order.
    args: [usize; 6],
    ax: usize,
    orig_ax: usize,
    ip: usize,
    sp: usize,
}

/// `arch/x86/include/asm/user_32.h`.
static NARROW: Form = Form { width: 4, args: [0, 4, 8, 12, 16, 20], ax: 24, orig_ax: 44, ip: 48, sp: 60 };

/// `arch/x86/include/asm/user_64.h`: rbx, rcx, rdx, rsi, rdi, rbp.
static WIDE: Form =
    Form { width: 8, args: [5 * 8, 11 * 8, 12 * 8, 13 * 8, 14 * 8, 4 * 8], ax: 80, orig_ax: 120, ip: 128, sp: 152 };

impl Form {
    fn of(registers: &Registers) -> &'static Form {
        if registers.bytes().len() == WIDE_LEN { &WIDE } else { &NARROW }
    }

    fn get(&self, registers: &Registers, offset: usize) -> u64 {
        if self.width == 8 { registers.u64_at(offset) } else { u64::from(registers.u32_at(offset)) }
    }

    /// The upper half of a wider value is dropped where the register has none.
    fn set(&self, registers: &mut Registers, offset: usize, value: u64) {
        if self.width == 8 { registers.set_u64_at(offset, value) } else { registers.set_u32_at(offset, value as u32) }
    }

    /// Arguments have 32 bits, whatever the register: in the upper half 64-bit code has something of its own.
    fn set_args(&self, registers: &mut Registers, args: [u64; 6]) {
        for (offset, arg) in self.args.into_iter().zip(args) {
            registers.set_u32_at(offset, arg as u32);
        }
    }
}

/// orig_eax of a thread that is in no call.
const NO_CALL: u64 = u64::MAX;

/// The kernel's internal results of interrupted calls (`include/linux/errno.h`).
const ERESTARTSYS: i32 = 512;
const ERESTARTNOINTR: i32 = 513;
const ERESTARTNOHAND: i32 = 514;
const ERESTART_RESTARTBLOCK: i32 = 516;

/// Number of restart_syscall(2).
const RESTART_SYSCALL: u32 = 0;

/// Bytes of the instruction `int $0x80`.
const SYSCALL_LEN: u64 = 2;

/// Program counter.
pub fn pc(registers: &Registers) -> u64 {
    let form = Form::of(registers);
    form.get(registers, form.ip)
}

/// Sets the program counter.
pub fn set_pc(registers: &mut Registers, pc: u64) {
    let form = Form::of(registers);
    form.set(registers, form.ip, pc);
}

/// Stack pointer.
pub fn sp(registers: &Registers) -> u64 {
    let form = Form::of(registers);
    form.get(registers, form.sp)
}

/// Sets the result of a call. Sign-extended, where there is room, as the kernel does for 64-bit code.
pub fn set_result(registers: &mut Registers, raw: u64) {
    let form = Form::of(registers);
    form.set(registers, form.ax, raw);
}

/// At a syscall-enter-stop or seccomp stop: makes it another call, or none for `u32::MAX`.
///
/// eax stays: it is -ENOSYS there, and is the result if the call is not made. Then the arguments stay, too: 64-bit code
/// has something of its own in the upper halves.
pub fn replace_call(registers: &mut Registers, number: u32, args: [u64; 6]) {
    let form = Form::of(registers);
    if number == u32::MAX {
        form.set(registers, form.orig_ax, NO_CALL);
    } else {
        form.set(registers, form.orig_ax, u64::from(number));
        form.set_args(registers, args);
    }
}

/// In user mode, or at a stop whose call is not to be made: the registers with which `int $0x80` at `pc` issues a call.
pub fn prepare_call(registers: &mut Registers, pc: u64, number: u32, args: [u64; 6]) {
    let form = Form::of(registers);
    form.set(registers, form.orig_ax, NO_CALL);
    form.set(registers, form.ax, u64::from(number));
    form.set_args(registers, args);
    form.set(registers, form.ip, pc);
}

/// From the registers of a syscall-enter-stop: back to before its `int $0x80`.
pub fn rewind_call(registers: &mut Registers, number: u32) {
    let form = Form::of(registers);
    form.set(registers, form.orig_ax, NO_CALL);
    form.set(registers, form.ax, u64::from(number));
    let before = pc(registers).wrapping_sub(SYSCALL_LEN);
    set_pc(registers, before);
}

/// At a stop in the delivery of signals: restarts an interrupted call as the kernel does when no handler runs
/// (`arch/x86/kernel/signal.c: arch_do_signal_or_restart`), and leaves no call.
pub fn settle(registers: &mut Registers) {
    let form = Form::of(registers);
    let number = form.get(registers, form.orig_ax) as i32;
    if number >= 0 {
        match -(form.get(registers, form.ax) as i32) {
            ERESTARTSYS | ERESTARTNOINTR | ERESTARTNOHAND => rewind_call(registers, number as u32),
            ERESTART_RESTARTBLOCK => rewind_call(registers, RESTART_SYSCALL),
            _ => {}
        }
    }
    form.set(registers, form.orig_ax, NO_CALL);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// At the entry of a call with number 5, in both forms: every register holds its own offset, but for orig_eax.
    fn entered() -> [(Registers, &'static Form); 2] {
        [(&NARROW, LEN), (&WIDE, WIDE_LEN)].map(|(form, len)| {
            let mut registers = Registers::from_bytes(&[0; WIDE_LEN][..len]);
            for offset in (0..len).step_by(form.width) {
                form.set(&mut registers, offset, offset as u64);
            }
            form.set(&mut registers, form.orig_ax, 5);
            (registers, form)
        })
    }

    /// Offsets of all registers that differ.
    fn changed(a: &Registers, b: &Registers, form: &Form) -> Vec<usize> {
        let all = (0..a.bytes().len()).step_by(form.width);
        all.filter(|offset| form.get(a, *offset) != form.get(b, *offset)).collect()
    }

    fn args(registers: &Registers, form: &Form) -> [u64; 6] {
        form.args.map(|offset| form.get(registers, offset))
    }

    #[test]
    fn a_replaced_call_has_number_and_arguments_and_keeps_the_rest() {
        for (before, form) in entered() {
            let mut registers = before;
            replace_call(&mut registers, 301, [1, 2, 3, 4, 5, u64::MAX]);
            assert_eq!(form.get(&registers, form.orig_ax), 301);
            assert_eq!(args(&registers, form), [1, 2, 3, 4, 5, 0xffff_ffff]);
            let mut expected = form.args.to_vec();
            expected.push(form.orig_ax);
            expected.sort_unstable();
            assert_eq!(changed(&before, &registers, form), expected);
        }
    }

    #[test]
    fn settling_restarts_an_interrupted_call_and_nothing_else() {
        for (before, form) in entered() {
            for (result, ax, rewound) in [(-512i32, 5, 2), (-514, 5, 2), (-516, 0, 2), (-4, -4i32 as u32, 0), (3, 3, 0)]
            {
                let mut registers = before;
                // A 64-bit kernel has not extended the sign here.
                form.set(&mut registers, form.ax, u64::from(result as u32));
                settle(&mut registers);
                assert_eq!(form.get(&registers, form.ax), u64::from(ax));
                assert_eq!(pc(&registers), form.ip as u64 - rewound);
                assert_eq!(form.get(&registers, form.orig_ax) as i32, -1);
            }
        }
    }

    #[test]
    fn no_call_is_minus_one_in_all_bits_and_leaves_the_arguments() {
        for (mut registers, form) in entered() {
            let before = registers;
            replace_call(&mut registers, u32::MAX, [0; 6]);
            assert_eq!(changed(&before, &registers, form), [form.orig_ax]);
            assert!(registers.bytes()[form.orig_ax..][..form.width].iter().all(|byte| *byte == 0xff));
        }
    }

    #[test]
    fn a_prepared_call_stands_at_its_instruction_and_restarts_nothing() {
        for (mut registers, form) in entered() {
            prepare_call(&mut registers, 0x1000, 383, [1, 2, 3, 4, 5, 6]);
            assert_eq!((pc(&registers), form.get(&registers, form.ax)), (0x1000, 383));
            assert_eq!(args(&registers, form), [1, 2, 3, 4, 5, 6]);
            assert_eq!(form.get(&registers, form.orig_ax) as i32, -1);
            assert_eq!(sp(&registers), form.sp as u64);
        }
    }

    #[test]
    fn a_rewound_call_stands_before_its_own_instruction_with_its_own_arguments() {
        for (mut registers, form) in entered() {
            rewind_call(&mut registers, 5);
            assert_eq!((pc(&registers), form.get(&registers, form.ax)), (form.ip as u64 - 2, 5));
            assert_eq!(args(&registers, form), form.args.map(|offset| offset as u64));
        }
    }

    #[test]
    fn an_error_is_negative_in_all_bits() {
        for (mut registers, form) in entered() {
            set_result(&mut registers, -14i64 as u64);
            let bits = form.width * 8;
            assert_eq!(form.get(&registers, form.ax), -14i64 as u64 & (u64::MAX >> (64 - bits)));
        }
    }
}
