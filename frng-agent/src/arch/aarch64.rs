//! aarch64: how a program gets into the agent and out of it again, and how the agent issues calls.
//!
//! A syscall preserves every register but x0 (`arch/arm64/kernel/entry.S`), the flags and vector registers included, and so
//! does the agent; of wider vectors and of predicates a syscall keeps nothing (`Documentation/arch/arm64/sve.rst`), and the agent
//! uses none. It does not calculate with floating point numbers, so that FPSR and FPCR stay. A stub
//! (`frng-arch-aarch64/src/sites.rs`) branches to `frng_agent_entry` with x16 and x17 below the stack pointer, and behind them the
//! address where to go on.

use core::arch::global_asm;

use frng_arch_aarch64::trampoline::ANSWERED_BEFORE;
use frng_core::call::Sys;
use frng_core::inside::layout;

use crate::signals::Signals;

pub use frng_arch_aarch64::ABI;
/// Number and call.
pub const NUMBERS: &[(u32, Sys)] = frng_arch_aarch64::numbers::TABLE;
/// Where the trampoline is.
pub const TRAMPOLINE: u64 = frng_arch_aarch64::trampoline::ADDRESS;
/// How far before an interpreter the stubs are.
pub const APART: u64 = frng_arch_aarch64::trampoline::APART;

/// The program's registers, as `frng_agent_entry` saves them at the upper end of a stack.
#[repr(C)]
pub struct Frame {
    x: [u64; 31],
    sp: u64,
    /// Where to go on.
    way_back: u64,
    nzcv: u64,
    pad: [u64; 2],
    vectors: [u128; 32],
    signals: Signals,
}

/// Bytes that the entry makes room for.
const FRAME_LEN: usize = size_of::<Frame>();
const SP: usize = core::mem::offset_of!(Frame, sp);
const WAY_BACK: usize = core::mem::offset_of!(Frame, way_back);
const VECTORS: usize = core::mem::offset_of!(Frame, vectors);
const SIGNALS: usize = core::mem::offset_of!(Frame, signals);
const _: () = assert!(FRAME_LEN % 16 == 0 && SP == 31 * 8 && VECTORS % 16 == 0);
const _: () = assert!(SIGNALS == FRAME_LEN - layout::LEAVING_BELOW as usize);

/// The bit of an address that tells the first byte behind the locks from all of them.
const BEHIND_LOCKS: u32 = (layout::LOCK_LEN * layout::STACKS_COUNT).trailing_zeros();
const _: () = assert!((layout::LOCK_LEN * layout::STACKS_COUNT).is_power_of_two());
const _: () = assert!(layout::LOCKS % (2 << BEHIND_LOCKS) == 0 && layout::LOCKS % 4096 == 0);

impl Frame {
    /// The call's number: the kernel looks at 32 bits.
    pub fn number(&self) -> u32 {
        self.x[8] as u32
    }

    /// The call's arguments.
    pub fn args(&self) -> [u64; 6] {
        [self.x[0], self.x[1], self.x[2], self.x[3], self.x[4], self.x[5]]
    }

    /// What agent and tracer tell each other about signals.
    pub fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Sets the call's result.
    pub fn set_result(&mut self, raw: u64) {
        self.x[0] = raw;
    }
}

/// Called by `frng_agent_entry`.
///
/// # Safety
/// `frame` must be at the upper end of a stack of the agent's that this thread has taken.
unsafe extern "C" fn answer(frame: *mut Frame) {
    let end = frame as u64 + FRAME_LEN as u64;
    // SAFETY: promised by the caller; nobody else has it.
    let frame = unsafe { &mut *frame };
    if crate::answer(frame, end - layout::STACK_LEN) {
        frame.way_back -= ANSWERED_BEFORE;
    }
}

/// Called by `frng_agent_second_stage`.
///
/// # Safety
/// As for [`crate::init`].
unsafe extern "C" fn init(file: i32, stack: *const u64) -> crate::init::Result {
    // SAFETY: promised by the caller.
    unsafe { crate::init(file, stack) }
}

global_asm!(
    ".globl frng_agent_entry, frng_agent_body, frng_agent_leave, frng_agent_end",
    ".type frng_agent_entry, %function",
    ".p2align 4",
    "frng_agent_entry:",
    ".cfi_startproc simple",
    ".cfi_signal_frame",
    ".cfi_def_cfa sp, 0",
    ".cfi_offset x16, -32",
    ".cfi_offset x17, -24",
    ".cfi_offset x30, -16",
    "adrp x16, __ehdr_start + {to_trampoline} + {locks}",
    "2:",
    "ldaxr x17, [x16]",
    "cbnz x17, 3f",
    // Fails always while the tracer has this thread stepped through here: as if all were taken.
    "stxr w17, x16, [x16]",
    "cbz w17, 4f",
    "3:",
    "add x16, x16, {lock_len}",
    "tbz x16, {behind_locks}, 2b",
    // All are taken: the program issues its call itself.
    "ldur x17, [sp, -16]",
    "br x17",
    "4:",
    // Which stack this is: from the number of the lock.
    "and x17, x16, {lock_mask}",
    "lsl x17, x17, {lock_to_stack}",
    "adrp x16, __ehdr_start + {to_trampoline} + {tops}",
    "add x16, x16, x17",
    "mov x17, sp",
    "sub sp, x16, {frame_len}",
    "stp x0, x1, [sp, 0 * 8]",
    "stp x2, x3, [sp, 2 * 8]",
    "stp x4, x5, [sp, 4 * 8]",
    "stp x6, x7, [sp, 6 * 8]",
    "stp x8, x9, [sp, 8 * 8]",
    "stp x10, x11, [sp, 10 * 8]",
    "stp x12, x13, [sp, 12 * 8]",
    "stp x14, x15, [sp, 14 * 8]",
    "stp x18, x19, [sp, 18 * 8]",
    "stp x20, x21, [sp, 20 * 8]",
    "stp x22, x23, [sp, 22 * 8]",
    "stp x24, x25, [sp, 24 * 8]",
    "stp x26, x27, [sp, 26 * 8]",
    "stp x28, x29, [sp, 28 * 8]",
    "stp x30, x17, [sp, 30 * 8]",
    "ldp x0, x1, [x17, -32]",
    "ldur x2, [x17, -16]",
    "mrs x3, nzcv",
    "stp x0, x1, [sp, 16 * 8]",
    "stp x2, x3, [sp, {way_back}]",
    "str xzr, [sp, {signals}]",
    "str xzr, [sp, {signals} + 8]",
    "stp q0, q1, [sp, {vectors} + 0 * 16]",
    "stp q2, q3, [sp, {vectors} + 2 * 16]",
    "stp q4, q5, [sp, {vectors} + 4 * 16]",
    "stp q6, q7, [sp, {vectors} + 6 * 16]",
    "stp q8, q9, [sp, {vectors} + 8 * 16]",
    "stp q10, q11, [sp, {vectors} + 10 * 16]",
    "stp q12, q13, [sp, {vectors} + 12 * 16]",
    "stp q14, q15, [sp, {vectors} + 14 * 16]",
    "stp q16, q17, [sp, {vectors} + 16 * 16]",
    "stp q18, q19, [sp, {vectors} + 18 * 16]",
    "stp q20, q21, [sp, {vectors} + 20 * 16]",
    "stp q22, q23, [sp, {vectors} + 22 * 16]",
    "stp q24, q25, [sp, {vectors} + 24 * 16]",
    "stp q26, q27, [sp, {vectors} + 26 * 16]",
    "stp q28, q29, [sp, {vectors} + 28 * 16]",
    "stp q30, q31, [sp, {vectors} + 30 * 16]",
    "mov x19, sp",
    "mov x0, sp",
    "frng_agent_body:",
    "bl {answer}",
    // From here on the tracer does not ask for a stop any more.
    "frng_agent_leave:",
    "ldr x0, [x19, {signals}]",
    "cbz x0, 5f",
    "ldr w0, 6f",
    "ldr w8, 7f",
    "svc 0",
    "5:",
    "ldp q0, q1, [sp, {vectors} + 0 * 16]",
    "ldp q2, q3, [sp, {vectors} + 2 * 16]",
    "ldp q4, q5, [sp, {vectors} + 4 * 16]",
    "ldp q6, q7, [sp, {vectors} + 6 * 16]",
    "ldp q8, q9, [sp, {vectors} + 8 * 16]",
    "ldp q10, q11, [sp, {vectors} + 10 * 16]",
    "ldp q12, q13, [sp, {vectors} + 12 * 16]",
    "ldp q14, q15, [sp, {vectors} + 14 * 16]",
    "ldp q16, q17, [sp, {vectors} + 16 * 16]",
    "ldp q18, q19, [sp, {vectors} + 18 * 16]",
    "ldp q20, q21, [sp, {vectors} + 20 * 16]",
    "ldp q22, q23, [sp, {vectors} + 22 * 16]",
    "ldp q24, q25, [sp, {vectors} + 24 * 16]",
    "ldp q26, q27, [sp, {vectors} + 26 * 16]",
    "ldp q28, q29, [sp, {vectors} + 28 * 16]",
    "ldp q30, q31, [sp, {vectors} + 30 * 16]",
    // Below the program's stack pointer once more, in case the call has changed what was there.
    "ldr x17, [sp, {sp}]",
    "ldp x0, x1, [sp, 16 * 8]",
    "ldp x2, x3, [sp, {way_back}]",
    "stp x0, x1, [x17, -32]",
    "stur x2, [x17, -16]",
    "msr nzcv, x3",
    // Which lock this is: from the number of the stack.
    "adrp x16, __ehdr_start + {to_trampoline} + {stacks_begin}",
    "mov x0, sp",
    "sub x0, x0, x16",
    "lsr x0, x0, {stack_shift}",
    "adrp x16, __ehdr_start + {to_trampoline} + {locks}",
    "add x16, x16, x0, lsl {lock_shift}",
    "ldp x0, x1, [sp, 0 * 8]",
    "ldp x2, x3, [sp, 2 * 8]",
    "ldp x4, x5, [sp, 4 * 8]",
    "ldp x6, x7, [sp, 6 * 8]",
    "ldp x8, x9, [sp, 8 * 8]",
    "ldp x10, x11, [sp, 10 * 8]",
    "ldp x12, x13, [sp, 12 * 8]",
    "ldp x14, x15, [sp, 14 * 8]",
    "ldp x18, x19, [sp, 18 * 8]",
    "ldp x20, x21, [sp, 20 * 8]",
    "ldp x22, x23, [sp, 22 * 8]",
    "ldp x24, x25, [sp, 24 * 8]",
    "ldp x26, x27, [sp, 26 * 8]",
    "ldp x28, x29, [sp, 28 * 8]",
    "ldr x30, [sp, 30 * 8]",
    "mov sp, x17",
    "ldur x17, [sp, -16]",
    "stlr xzr, [x16]",
    "br x17",
    "frng_agent_end:",
    ".cfi_endproc",
    "6: .word {leaving_word}",
    "7: .word {done}",
    ".globl frng_agent_second_stage",
    ".p2align 4",
    "frng_agent_second_stage:",
    "mov w0, w4",
    "mov x1, sp",
    "bl {init}",
    "ldr w8, 7b",
    "svc 0",
    "udf 0",
    ".globl frng_agent_syscall",
    ".p2align 4",
    "frng_agent_syscall:",
    "mov x8, x0",
    "mov x0, x1",
    "mov x1, x2",
    "mov x2, x3",
    "mov x3, x4",
    "mov x4, x5",
    "mov x5, x6",
    "adrp x16, __ehdr_start + {to_trampoline}",
    "add x16, x16, {gadget}",
    "br x16",
    // Sixteen bytes at a time, then one. x3: whether the latter, so that a fault is met exactly.
    ".globl frng_agent_copy, frng_agent_copy_end, frng_agent_copy_fault",
    ".p2align 4",
    "frng_agent_copy:",
    "mov x3, 0",
    "2:",
    "cmp x2, 16",
    "b.lo 3f",
    "ldr q0, [x1]",
    "str q0, [x0]",
    "add x1, x1, 16",
    "add x0, x0, 16",
    "sub x2, x2, 16",
    "b 2b",
    "3:",
    "mov x3, 1",
    "4:",
    "cbz x2, 5f",
    "ldrb w4, [x1]",
    "strb w4, [x0]",
    "add x1, x1, 1",
    "add x0, x0, 1",
    "sub x2, x2, 1",
    "b 4b",
    "5:",
    "frng_agent_copy_end:",
    "mov x0, 0",
    "ret",
    // The tracer sends a thread here that has faulted above.
    "frng_agent_copy_fault:",
    "cbz x3, 3b",
    "mov x0, x2",
    "ret",
    to_trampoline = const -(layout::AGENT as i64),
    locks = const layout::LOCKS,
    lock_len = const layout::LOCK_LEN,
    lock_mask = const layout::LOCK_LEN * (layout::STACKS_COUNT - 1),
    lock_shift = const layout::LOCK_LEN.trailing_zeros(),
    lock_to_stack = const layout::STACK_LEN.trailing_zeros() - layout::LOCK_LEN.trailing_zeros(),
    behind_locks = const BEHIND_LOCKS,
    tops = const layout::STACKS + layout::STACK_LEN,
    stacks_begin = const layout::STACKS,
    stack_shift = const layout::STACK_LEN.trailing_zeros(),
    frame_len = const FRAME_LEN,
    sp = const SP,
    way_back = const WAY_BACK,
    vectors = const VECTORS,
    signals = const SIGNALS,
    leaving_word = const layout::LEAVING,
    done = const frng_core::arch::DONE_NUMBER,
    gadget = const frng_arch_aarch64::trampoline::GADGET,
    answer = sym answer,
    init = sym init,
);

// What the compiler calls by these names; there is no libc here.
global_asm!(
    ".globl memcpy, memmove, memset, memcmp, bcmp",
    ".p2align 4",
    "memmove:",
    "sub x3, x0, x1",
    "cmp x3, x2",
    "b.lo 3f",
    "sub x3, x1, x0",
    "cmp x3, x2",
    "b.hs memcpy",
    // The source begins within the destination: from the begin on.
    "mov x3, x0",
    "2:",
    "cbz x2, 4f",
    "ldrb w4, [x1], 1",
    "strb w4, [x3], 1",
    "sub x2, x2, 1",
    "b 2b",
    // The destination begins within the source: from the end on.
    "3:",
    "cbz x2, 4f",
    "sub x2, x2, 1",
    "ldrb w4, [x1, x2]",
    "strb w4, [x0, x2]",
    "b 3b",
    "4:",
    "ret",
    ".p2align 4",
    "memcpy:",
    "mov x3, x0",
    "cmp x2, 16",
    "b.lo 3f",
    "add x4, x1, x2",
    "add x5, x0, x2",
    "2:",
    "ldr q0, [x1], 16",
    "str q0, [x3], 16",
    "sub x2, x2, 16",
    "cmp x2, 16",
    "b.hs 2b",
    "ldur q0, [x4, -16]",
    "stur q0, [x5, -16]",
    "ret",
    "3:",
    "tbz x2, 3, 4f",
    "ldr x4, [x1], 8",
    "str x4, [x3], 8",
    "4:",
    "tbz x2, 2, 5f",
    "ldr w4, [x1], 4",
    "str w4, [x3], 4",
    "5:",
    "tbz x2, 1, 6f",
    "ldrh w4, [x1], 2",
    "strh w4, [x3], 2",
    "6:",
    "tbz x2, 0, 7f",
    "ldrb w4, [x1]",
    "strb w4, [x3]",
    "7:",
    "ret",
    ".p2align 4",
    "memset:",
    "mov x3, x0",
    "dup v0.16b, w1",
    "cmp x2, 16",
    "b.lo 3f",
    "add x5, x0, x2",
    "2:",
    "str q0, [x3], 16",
    "sub x2, x2, 16",
    "cmp x2, 16",
    "b.hs 2b",
    "stur q0, [x5, -16]",
    "ret",
    "3:",
    "tbz x2, 3, 4f",
    "str d0, [x3], 8",
    "4:",
    "tbz x2, 2, 5f",
    "str s0, [x3], 4",
    "5:",
    "tbz x2, 1, 6f",
    "str h0, [x3], 2",
    "6:",
    "tbz x2, 0, 7f",
    "str b0, [x3]",
    "7:",
    "ret",
    ".p2align 4",
    "memcmp:",
    "bcmp:",
    "cbz x2, 2f",
    "ldrb w3, [x0], 1",
    "ldrb w4, [x1], 1",
    "sub x2, x2, 1",
    "cmp w3, w4",
    "b.eq memcmp",
    "sub w0, w3, w4",
    "ret",
    "2:",
    "mov w0, 0",
    "ret",
);

unsafe extern "C" {
    fn frng_agent_syscall(number: u64, a: u64, b: u64, c: u64, d: u64, e: u64, f: u64) -> u64;
    fn frng_agent_copy(to: *mut u8, from: *const u8, len: usize) -> usize;
}

/// Issues a call that does not stop, whatever it is. Returns the raw result.
///
/// # Safety
/// As for the call itself.
pub unsafe fn syscall(number: u32, args: [u64; 6]) -> u64 {
    let [a, b, c, d, e, f] = args;
    // SAFETY: promised by the caller. The gadget is there as long as the agent is.
    unsafe { frng_agent_syscall(number.into(), a, b, c, d, e, f) }
}

/// Copies bytes; returns how many are left because of a fault.
///
/// # Safety
/// What is accessible of `to` must be writable memory that the caller may change.
pub unsafe fn copy(to: *mut u8, from: *const u8, len: usize) -> usize {
    // SAFETY: promised by the caller.
    unsafe { frng_agent_copy(to, from, len) }
}

/// Ends the program: something has happened here that cannot. The tracer says so in the log.
pub fn abort() -> ! {
    // SAFETY: an instruction that traps.
    unsafe { core::arch::asm!("udf 0", options(noreturn)) }
}
