//! x86_64: how a program gets into the agent and out of it again, and how the agent issues calls.
//!
//! A syscall preserves every register but rax, rcx and r11 (`arch/x86/entry/entry_64.S`), the flags and vector registers
//! included, and so does the agent. A stub (`frng-arch-x86_64/src/sites.rs`) jumps to `frng_agent_entry` with the call's
//! registers and the address of the program's `syscall` instruction in r11. Only rcx is free there: the program's stack
//! may be too small to push anything, and below its pointer there may be data (the red zone).

use core::arch::global_asm;

use frng_core::call::Sys;
use frng_core::inside::layout;

use crate::signals::Signals;

pub use frng_arch_x86_64::ABI;
/// Number and call.
pub const NUMBERS: &[(u32, Sys)] = frng_arch_x86_64::numbers::TABLE;
/// Where the trampoline is.
pub const TRAMPOLINE: u64 = frng_arch_x86_64::trampoline::ADDRESS;
/// How far before an interpreter the stubs are.
pub const APART: u64 = frng_arch_x86_64::trampoline::APART;

const GADGET: u64 = TRAMPOLINE + frng_arch_x86_64::trampoline::GADGET;

/// The program's registers, as `frng_agent_entry` saves them at the upper end of a stack.
#[repr(C)]
pub struct Frame {
    vectors: [u128; 16],
    r15: u64,
    r14: u64,
    r13: u64,
    r12: u64,
    rbp: u64,
    rbx: u64,
    /// Where to go on.
    r11: u64,
    r9: u64,
    r8: u64,
    r10: u64,
    rdx: u64,
    rsi: u64,
    rdi: u64,
    rax: u64,
    flags: u64,
    rsp: u64,
    signals: Signals,
}

/// Bytes that the entry makes room for above the program's stack pointer.
const FRAME_LEN: usize = size_of::<Frame>();
const _: () = assert!(FRAME_LEN == 256 + 18 * 8 && FRAME_LEN % 16 == 0);
const _: () = assert!(core::mem::offset_of!(Frame, signals) == FRAME_LEN - layout::LEAVING_BELOW as usize);

impl Frame {
    /// The call's number: the kernel looks at 32 bits.
    pub fn number(&self) -> u32 {
        self.rax as u32
    }

    /// The call's arguments.
    pub fn args(&self) -> [u64; 6] {
        [self.rdi, self.rsi, self.rdx, self.r10, self.r8, self.r9]
    }

    /// What agent and tracer tell each other about signals.
    pub fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Sets the call's result.
    pub fn set_result(&mut self, raw: u64) {
        self.rax = raw;
    }
}

/// Bytes of the instruction `syscall`.
const SYSCALL_LEN: u64 = 2;

/// Called by `frng_agent_entry`.
///
/// # Safety
/// `frame` must be at the upper end of a stack of the agent's that this thread has taken.
unsafe extern "C" fn answer(frame: *mut Frame) {
    let end = frame as u64 + FRAME_LEN as u64;
    // SAFETY: promised by the caller; nobody else has it.
    let frame = unsafe { &mut *frame };
    if crate::answer(frame, end - layout::STACK_LEN) {
        frame.r11 += SYSCALL_LEN;
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
    ".macro take lock, top",
    "mov ecx, 1",
    "xchg qword ptr [rip + __ehdr_start + {to_trampoline} + \\lock], rcx",
    // The only jump that neither needs nor changes flags.
    "jrcxz 2f",
    "jmp 3f",
    "2:",
    "lea rcx, [rip + __ehdr_start + {to_trampoline} + \\top]",
    "jmp 4f",
    "3:",
    ".endm",
    ".globl frng_agent_entry, frng_agent_body, frng_agent_leave, frng_agent_end",
    ".type frng_agent_entry, @function",
    ".p2align 4",
    "frng_agent_entry:",
    ".cfi_startproc simple",
    ".cfi_def_cfa rsp, 0",
    ".cfi_register rip, r11",
    ".set stack, 0",
    ".rept {stacks}",
    "take {locks} + stack * {lock_len}, {tops} + stack * {stack_len}",
    ".set stack, stack + 1",
    ".endr",
    // All are taken: the program issues its call itself.
    "jmp r11",
    "4:",
    "mov qword ptr [rcx - 8], 0",
    "mov qword ptr [rcx - 16], 0",
    "mov qword ptr [rcx - 24], rsp",
    "lea rsp, [rcx - 24]",
    ".cfi_def_cfa rsp, 0",
    "pushfq",
    // Set if the tracer has this thread stepped through here; popfq would keep it.
    "and dword ptr [rsp], 0xfffffeff",
    "push rax",
    "push rdi",
    "push rsi",
    "push rdx",
    "push r10",
    "push r8",
    "push r9",
    "push r11",
    "push rbx",
    "push rbp",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "sub rsp, 256",
    "movups [rsp], xmm0",
    "movups [rsp + 16], xmm1",
    "movups [rsp + 32], xmm2",
    "movups [rsp + 48], xmm3",
    "movups [rsp + 64], xmm4",
    "movups [rsp + 80], xmm5",
    "movups [rsp + 96], xmm6",
    "movups [rsp + 112], xmm7",
    "movups [rsp + 128], xmm8",
    "movups [rsp + 144], xmm9",
    "movups [rsp + 160], xmm10",
    "movups [rsp + 176], xmm11",
    "movups [rsp + 192], xmm12",
    "movups [rsp + 208], xmm13",
    "movups [rsp + 224], xmm14",
    "movups [rsp + 240], xmm15",
    "cld",
    "mov rbx, rsp",
    "mov rdi, rsp",
    "frng_agent_body:",
    "call {answer}",
    // From here on the tracer does not ask for a stop any more.
    "frng_agent_leave:",
    "cmp qword ptr [rbx + {leaving}], 0",
    "je 5f",
    "mov edi, {leaving_word}",
    "mov eax, {done}",
    "syscall",
    "5:",
    "movups xmm0, [rsp]",
    "movups xmm1, [rsp + 16]",
    "movups xmm2, [rsp + 32]",
    "movups xmm3, [rsp + 48]",
    "movups xmm4, [rsp + 64]",
    "movups xmm5, [rsp + 80]",
    "movups xmm6, [rsp + 96]",
    "movups xmm7, [rsp + 112]",
    "movups xmm8, [rsp + 128]",
    "movups xmm9, [rsp + 144]",
    "movups xmm10, [rsp + 160]",
    "movups xmm11, [rsp + 176]",
    "movups xmm12, [rsp + 192]",
    "movups xmm13, [rsp + 208]",
    "movups xmm14, [rsp + 224]",
    "movups xmm15, [rsp + 240]",
    "add rsp, 256",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbp",
    "pop rbx",
    "pop r11",
    "pop r9",
    "pop r8",
    "pop r10",
    "pop rdx",
    "pop rsi",
    "pop rdi",
    // Which lock this is: from the number of the stack.
    "lea rcx, [rsp + 40]",
    "lea rax, [rip + __ehdr_start + {to_trampoline} + {stacks_begin}]",
    "sub rcx, rax",
    "shr rcx, {stack_shift}",
    "dec rcx",
    "shl rcx, {lock_shift}",
    "lea rax, [rip + __ehdr_start + {to_trampoline} + {locks}]",
    "add rcx, rax",
    "pop rax",
    "popfq",
    "mov rsp, [rsp]",
    "mov qword ptr [rcx], 0",
    "jmp r11",
    "frng_agent_end:",
    ".cfi_endproc",
    ".globl frng_agent_second_stage",
    ".p2align 4",
    "frng_agent_second_stage:",
    "mov edi, r8d",
    "mov rsi, rsp",
    "sub rsp, 256",
    "and rsp, -16",
    "call {init}",
    "mov rdi, rax",
    "mov rsi, rdx",
    "mov eax, {done}",
    "syscall",
    "ud2",
    ".globl frng_agent_syscall",
    ".p2align 4",
    "frng_agent_syscall:",
    "mov rax, rdi",
    "mov rdi, rsi",
    "mov rsi, rdx",
    "mov rdx, rcx",
    "mov r10, r8",
    "mov r8, r9",
    "mov r9, [rsp + 8]",
    "movabs r11, {gadget}",
    "jmp r11",
    ".globl frng_agent_copy, frng_agent_copy_end, frng_agent_copy_fault",
    ".p2align 4",
    "frng_agent_copy:",
    "mov rcx, rdx",
    "rep movsb",
    "frng_agent_copy_end:",
    "xor eax, eax",
    "ret",
    // The tracer sends a thread here that has faulted above.
    "frng_agent_copy_fault:",
    "mov rax, rcx",
    "ret",
    to_trampoline = const -(layout::AGENT as i64),
    stacks = const layout::STACKS_COUNT,
    locks = const layout::LOCKS,
    lock_len = const layout::LOCK_LEN,
    lock_shift = const layout::LOCK_LEN.trailing_zeros(),
    tops = const layout::STACKS + layout::STACK_LEN,
    stacks_begin = const layout::STACKS,
    stack_len = const layout::STACK_LEN,
    stack_shift = const layout::STACK_LEN.trailing_zeros(),
    leaving = const FRAME_LEN - layout::LEAVING_BELOW as usize,
    leaving_word = const layout::LEAVING,
    done = const frng_core::arch::DONE_NUMBER,
    gadget = const GADGET,
    answer = sym answer,
    init = sym init,
);

// What the compiler calls by these names; there is no libc here.
global_asm!(
    ".globl memcpy, memmove, memset, memcmp, bcmp",
    ".p2align 4",
    "memmove:",
    "mov rax, rdi",
    "mov rcx, rdx",
    "sub rax, rsi",
    "cmp rax, rdx",
    "mov rax, rdi",
    "jb 2f",
    "rep movsb",
    "ret",
    // The destination begins within the source: from the end on.
    "2:",
    "lea rdi, [rdi + rdx - 1]",
    "lea rsi, [rsi + rdx - 1]",
    "std",
    "rep movsb",
    "cld",
    "ret",
    // Vector registers are saved; `rep movsb` takes longer to begin than most copies here take as a whole.
    ".p2align 4",
    "memcpy:",
    "mov rax, rdi",
    "cmp rdx, 16",
    "jb 3f",
    "lea rcx, [rdx - 16]",
    "xor r8d, r8d",
    "2:",
    "cmp r8, rcx",
    "jae 4f",
    "movups xmm0, [rsi + r8]",
    "movups [rdi + r8], xmm0",
    "add r8, 16",
    "jmp 2b",
    "4:",
    "movups xmm0, [rsi + rcx]",
    "movups [rdi + rcx], xmm0",
    "ret",
    "3:",
    "mov rcx, rdx",
    "rep movsb",
    "ret",
    ".p2align 4",
    "memset:",
    "mov rax, rdi",
    "movzx ecx, sil",
    "mov r9, 0x0101010101010101",
    "imul rcx, r9",
    "cmp rdx, 16",
    "jb 3f",
    "movq xmm0, rcx",
    "punpcklqdq xmm0, xmm0",
    "lea rcx, [rdx - 16]",
    "xor r8d, r8d",
    "2:",
    "cmp r8, rcx",
    "jae 4f",
    "movups [rdi + r8], xmm0",
    "add r8, 16",
    "jmp 2b",
    "4:",
    "movups [rdi + rcx], xmm0",
    "ret",
    "3:",
    "mov r8, rax",
    "mov eax, ecx",
    "mov rcx, rdx",
    "rep stosb",
    "mov rax, r8",
    "ret",
    ".p2align 4",
    "memcmp:",
    "bcmp:",
    "xor eax, eax",
    "mov rcx, rdx",
    // Equal if there is nothing to compare.
    "cmp rax, rax",
    "repe cmpsb",
    "je 2f",
    "movzx eax, byte ptr [rdi - 1]",
    "movzx ecx, byte ptr [rsi - 1]",
    "sub eax, ecx",
    "2:",
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
    unsafe { core::arch::asm!("ud2", options(noreturn)) }
}
