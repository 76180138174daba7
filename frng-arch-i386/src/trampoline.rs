//! Trampoline: the code mapped into every tracee, and the code that maps it into a fresh program.
//!
//! Convention of `arch/x86/entry/entry_32.S`: number in eax, arguments in ebx, ecx, edx, esi, edi, ebp, result in eax,
//! nothing else clobbered. [`CODE`] has the same meaning in 32-bit and in 64-bit code, and stays off the stack.

use frng_core::arch::{BOOTSTRAP_MAX, DONE_NUMBER, TrampolineLayout};
use syscalls::x86::Sysno;

/// Where the trampoline is mapped: below the traditional begin of programs (0x0804_8000, `ld -m elf_i386`), where neither
/// 32-bit nor 64-bit kernels map anything on their own.
pub const ADDRESS: u64 = 0x0672_6000;

// With the 16 MB of slots and what is before them, which are mapped there, it ends below where programs begin.
const _: () = assert!(ADDRESS % PAGE == 0 && ADDRESS + 0x0110_0000 <= 0x0804_8000);

const DONE: [u8; 4] = DONE_NUMBER.to_le_bytes();

/// The trampoline's code.
pub const CODE: &[u8] = &[
    0xcd, 0x80, // int $0x80
    0x89, 0xc3, // mov %eax,%ebx
    0xb8, DONE[0], DONE[1], DONE[2], DONE[3], // mov $DONE_NUMBER,%eax
    0xcd, 0x80, // int $0x80
    0x0f, 0x0b, // ud2
];

/// The kernel sees a program counter behind the first instruction.
pub const RETURN: u64 = 2;

const AT_FDCWD: u32 = -100i32 as u32;
const O_RDWR_CLOEXEC: u32 = 0o2 | 0o2000000;
const PROT_READ_WRITE: u32 = 0x1 | 0x2;
const PROT_READ_EXEC: u32 = 0x1 | 0x4;
const MAP_SHARED_FIXED_NOREPLACE: u32 = 0x01 | 0x10_0000;

/// Bytes of a page; mmap2 counts offsets in pages.
const PAGE: u64 = 4096;

/// The code that maps the trampoline: `out` receives it, the path follows it. Returns its length.
///
/// It writes one word below the stack pointer, where a program that has just been loaded has nothing.
pub fn bootstrap_code(layout: &TrampolineLayout, out: &mut [u8; BOOTSTRAP_MAX]) -> usize {
    let mut code = Code { out, len: 0 };
    let path = code.lea_ecx();
    code.mov(EBX, AT_FDCWD);
    code.mov(EDX, O_RDWR_CLOEXEC);
    code.int80(Sysno::openat);
    let open_failed = code.ja();
    // The descriptor: argument 5 of both mmaps.
    code.emit(&[0x89, 0xc7]); // mov %eax,%edi

    code.mov(EBX, layout.address as u32);
    code.mov(ECX, layout.code_len as u32);
    code.mov(EDX, PROT_READ_EXEC);
    code.mov(ESI, MAP_SHARED_FIXED_NOREPLACE);
    code.mov(EBP, (layout.code_offset / PAGE) as u32);
    code.int80(Sysno::mmap2);
    let code_failed = code.ja();

    code.mov(EBX, layout.address.wrapping_add(layout.code_len) as u32);
    code.mov(ECX, layout.data_len as u32);
    code.mov(EDX, PROT_READ_WRITE);
    code.mov(EBP, (layout.data_offset / PAGE) as u32);
    code.int80(Sysno::mmap2);
    let data_failed = code.ja();
    code.mov(EAX, layout.address as u32);

    code.land(code_failed);
    code.land(data_failed);
    code.emit(&[0x89, 0xc6]); // mov %eax,%esi
    code.emit(&[0x89, 0xfb]); // mov %edi,%ebx
    code.int80(Sysno::close);
    code.emit(&[0x89, 0xf0]); // mov %esi,%eax

    code.land(open_failed);
    // Result to argument 1, DONE_NUMBER, trap.
    code.emit(CODE.get(2..).unwrap_or_default());
    code.land(path);
    code.len
}

/// A register, as `mov $value,%register` names it.
#[derive(Clone, Copy)]
struct Register(u8);

const EAX: Register = Register(0);
const ECX: Register = Register(1);
const EDX: Register = Register(2);
const EBX: Register = Register(3);
const EBP: Register = Register(5);
const ESI: Register = Register(6);

/// The place of a 32-bit distance that is not known yet.
struct Distance {
    at: usize,
    /// From where it counts.
    from: usize,
}

const DISTANCE_LEN: usize = 4;

/// Instructions, written one behind the other.
struct Code<'a> {
    out: &'a mut [u8; BOOTSTRAP_MAX],
    len: usize,
}

impl Code<'_> {
    fn emit(&mut self, bytes: &[u8]) {
        if let Some(to) = self.out.get_mut(self.len..self.len + bytes.len()) {
            to.copy_from_slice(bytes);
        }
        self.len += bytes.len();
    }

    fn mov(&mut self, Register(register): Register, value: u32) {
        self.emit(&[0xb8 | register]); // mov $value,%register
        self.emit(&value.to_le_bytes());
    }

    /// The address where [`Code::land`] is called with the distance. There is no addressing relative to eip; a call
    /// leaves it on the stack.
    fn lea_ecx(&mut self) -> Distance {
        self.emit(&[0xe8, 0, 0, 0, 0]); // call .+0
        let from = self.len;
        self.emit(&[0x59]); // pop %ecx
        self.emit(&[0x81, 0xc1]); // add $distance,%ecx
        let at = self.room();
        Distance { at, from }
    }

    fn int80(&mut self, number: Sysno) {
        self.mov(EAX, number as u32);
        self.emit(&[0xcd, 0x80]); // int $0x80
    }

    /// Jumps if the last call has failed.
    fn ja(&mut self) -> Distance {
        self.emit(&[0x3d, 0x00, 0xf0, 0xff, 0xff]); // cmp $-4096,%eax
        self.emit(&[0x0f, 0x87]); // ja distance
        let at = self.room();
        Distance { at, from: at + DISTANCE_LEN }
    }

    fn room(&mut self) -> usize {
        let at = self.len;
        self.emit(&[0; DISTANCE_LEN]);
        at
    }

    /// Makes the distance lead here.
    fn land(&mut self, Distance { at, from }: Distance) {
        let bytes = ((self.len - from) as u32).to_le_bytes();
        if let Some(to) = self.out.get_mut(at..at + DISTANCE_LEN) {
            to.copy_from_slice(&bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGEST: TrampolineLayout = TrampolineLayout {
        address: ADDRESS,
        code_offset: u64::MAX,
        code_len: u64::MAX,
        data_offset: u64::MAX,
        data_len: u64::MAX,
        second_stage: None,
    };

    #[test]
    fn a_bootstrap_leaves_room_in_its_buffer() {
        assert!(bootstrap_code(&LARGEST, &mut [0; BOOTSTRAP_MAX]) < BOOTSTRAP_MAX);
    }

    #[test]
    fn the_path_is_sought_directly_behind_the_code() {
        let mut code = [0; BOOTSTRAP_MAX];
        let len = bootstrap_code(&LARGEST, &mut code);
        assert_eq!(code[..8], [0xe8, 0, 0, 0, 0, 0x59, 0x81, 0xc1]);
        let distance = u32::from_le_bytes(code[8..12].try_into().unwrap());
        assert_eq!(5 + distance as usize, len);
    }
}
