//! Trampoline: the code mapped into every tracee, and the code that maps it into a fresh program.
//!
//! Convention of `arch/arm64/kernel/syscall.c`: number in x8, arguments in x0 to x5, result in x0, nothing else clobbered.
//! Neither piece of code touches the stack. All branches are direct, so that neither needs landing pads (BTI).

use frng_core::arch::{BOOTSTRAP_MAX, DONE_NUMBER, OWN_FDCWD, TrampolineLayout};
use syscalls::aarch64::Sysno;

/// Where the trampoline is mapped: a multiple of the largest page, 64 KiB, and within 39 bits, the smallest address space.
/// There the kernel places executables below it (`ELF_ET_DYN_BASE`, two thirds of the address space, and 64 GiB of
/// randomness) and mappings above it; in larger spaces all that is far above, and the heap of a program at a fixed
/// address hundreds of gigabytes below.
pub const ADDRESS: u64 = 0x66_726e_0000;

/// How far before an interpreter the agent's stubs are: half of what a branch reaches.
pub const APART: u64 = 64 << 20;

/// How far before the way back of a stub's own call that of an answered one is, in bytes (see `sites`).
pub const ANSWERED_BEFORE: u64 = 8;

const SVC: u32 = 0xd400_0001;
const RET: u32 = 0xd65f_03c0;
/// Guaranteed to be undefined.
const UDF: u32 = 0;

/// The trampoline's code.
pub const CODE: &[u8] = &bytes::<7, 28>([
    SVC, // its result is the first argument of the next call
    movz(8, DONE_NUMBER as u16, 0),
    movk(8, (DONE_NUMBER >> 16) as u16, 1),
    SVC,
    UDF,
    SVC, // the gadget
    RET,
]);

/// Where in it the gadget is: what the agent calls to issue a call.
pub const GADGET: u64 = 20;

/// The kernel sees a program counter behind the first instruction.
pub const RETURN: u64 = 4;

const O_RDWR_CLOEXEC: u64 = 0o2 | 0o2000000;
const PROT_READ_WRITE: u64 = 0x1 | 0x2;
const PROT_READ_EXEC: u64 = 0x1 | 0x4;
const MAP_SHARED_FIXED_NOREPLACE: u64 = 0x01 | 0x10_0000;

/// The code that maps the trampoline: `out` receives it, the path follows it. Returns its length.
pub fn bootstrap_code(layout: &TrampolineLayout, out: &mut [u8; BOOTSTRAP_MAX]) -> usize {
    let mut code = Code { out, len: 0 };
    let path = code.adr(1);
    code.mov(0, OWN_FDCWD);
    code.mov(2, O_RDWR_CLOEXEC);
    code.syscall(Sysno::openat);
    let open_failed = code.branch_if_failed();
    // The descriptor: argument 5 of both mmaps.
    code.mov_register(4, 0);

    code.mov(0, layout.address);
    code.mov(1, layout.code_len);
    code.mov(2, PROT_READ_EXEC);
    code.mov(3, MAP_SHARED_FIXED_NOREPLACE);
    code.mov(5, layout.code_offset);
    code.syscall(Sysno::mmap);
    let code_failed = code.branch_if_failed();

    code.mov(0, layout.address.wrapping_add(layout.code_len));
    code.mov(1, layout.data_len);
    code.mov(2, PROT_READ_WRITE);
    code.mov(5, layout.data_offset);
    code.syscall(Sysno::mmap);
    let data_failed = code.branch_if_failed();
    if let Some(second_stage) = layout.second_stage {
        // With the descriptor in x4; it does the rest.
        code.mov(16, second_stage);
        code.emit(0xd61f_0200); // br x16
    }
    code.mov(0, layout.address);

    code.land(code_failed);
    code.land(data_failed);
    code.mov_register(9, 0);
    code.mov_register(0, 4);
    code.syscall(Sysno::close);
    code.mov_register(0, 9);

    code.land(open_failed);
    // DONE_NUMBER with the result as argument 1, trap.
    code.append(CODE.get(4..20).unwrap_or_default());
    code.land(path);
    code.len
}

const fn bytes<const WORDS: usize, const BYTES: usize>(words: [u32; WORDS]) -> [u8; BYTES] {
    assert!(BYTES == 4 * WORDS);
    let mut bytes = [0; BYTES];
    let mut at = 0;
    while at < BYTES {
        bytes[at] = words[at / 4].to_le_bytes()[at % 4];
        at += 1;
    }
    bytes
}

/// `movz x<register>, #value, lsl #(16 * part)`: the other bits become 0.
const fn movz(register: u32, value: u16, part: u32) -> u32 {
    0xd280_0000 | part << 21 | (value as u32) << 5 | register
}

/// `movk x<register>, #value, lsl #(16 * part)`: the other bits stay.
const fn movk(register: u32, value: u16, part: u32) -> u32 {
    0xf280_0000 | part << 21 | (value as u32) << 5 | register
}

/// An instruction whose distance to [`Code::land`] is not known yet, and where its field for the distance begins.
struct Distance {
    at: usize,
    field: Field,
}

#[derive(Clone, Copy)]
enum Field {
    /// 14 bits from bit 5 on, in instructions.
    Imm14,
    /// 19 bits from bit 5 on, in instructions: `adr` has two more in bits 29 and 30, for single bytes.
    Adr,
}

/// Instructions, written one behind the other.
struct Code<'a> {
    out: &'a mut [u8; BOOTSTRAP_MAX],
    len: usize,
}

impl Code<'_> {
    fn append(&mut self, bytes: &[u8]) {
        if let Some(to) = self.out.get_mut(self.len..self.len + bytes.len()) {
            to.copy_from_slice(bytes);
        }
        self.len += bytes.len();
    }

    fn emit(&mut self, instruction: u32) {
        self.append(&instruction.to_le_bytes());
    }

    /// A value into a register, by one instruction for each 16 bits that are not 0.
    fn mov(&mut self, register: u32, value: u64) {
        self.emit(movz(register, value as u16, 0));
        for part in 1..4 {
            let bits = (value >> (16 * part)) as u16;
            if bits != 0 {
                self.emit(movk(register, bits, part));
            }
        }
    }

    fn mov_register(&mut self, to: u32, from: u32) {
        self.emit(0xaa00_03e0 | from << 16 | to); // orr x<to>, xzr, x<from>
    }

    fn syscall(&mut self, number: Sysno) {
        self.mov(8, number as u64);
        self.emit(SVC);
    }

    /// The address where [`Code::land`] is called with the distance.
    fn adr(&mut self, register: u32) -> Distance {
        self.distance(0x1000_0000 | register, Field::Adr)
    }

    /// Branches if the last call has failed. No result is an address in the upper half.
    fn branch_if_failed(&mut self) -> Distance {
        self.distance(0xb7f8_0000, Field::Imm14) // tbnz x0, #63, distance
    }

    fn distance(&mut self, instruction: u32, field: Field) -> Distance {
        let distance = Distance { at: self.len, field };
        self.emit(instruction);
        distance
    }

    /// Makes the distance lead here. It counts from its own instruction.
    fn land(&mut self, Distance { at, field }: Distance) {
        let instructions = ((self.len - at) / 4) as u32;
        let mask = match field {
            Field::Imm14 => 0x3fff,
            Field::Adr => 0x7_ffff,
        };
        if let Some(to) = self.out.get_mut(at..at + 4) {
            let instruction = u32::from_le_bytes([to[0], to[1], to[2], to[3]]);
            to.copy_from_slice(&(instruction | (instructions & mask) << 5).to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn words(bytes: &[u8]) -> Vec<u32> {
        bytes.chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
    }

    /// What `as` of binutils makes of the source beside each word.
    #[test]
    fn the_code_is_what_an_assembler_makes_of_it() {
        let expected = [
            0xd400_0001, // svc #0
            0xd28d_cce8, // mov x8, #0x6e67
            0xf2a1_ee48, // movk x8, #0xf72, lsl #16
            0xd400_0001, // svc #0
            0x0000_0000, // udf #0
            0xd400_0001, // svc #0
            0xd65f_03c0, // ret
        ];
        assert_eq!(words(CODE), expected);
    }

    const ASSEMBLED: &[u32] = &[
        0x1000_05e1, // adr x1, bc <path>
        0xd29f_f380, // mov x0, #0xff9c
        0xf2bf_ffe0, // movk x0, #0xffff, lsl #16
        0xf2cd_cce0, // movk x0, #0x6e67, lsl #32
        0xf2ec_ce40, // movk x0, #0x6672, lsl #48
        0xd280_0042, // mov x2, #0x2
        0xf2a0_0102, // movk x2, #0x8, lsl #16
        0xd280_0708, // mov x8, #0x38
        0xd400_0001, // svc #0x0
        0xb7f8_0440, // tbnz x0, #63, a0 <open_failed>
        0xaa00_03e4, // mov x4, x0
        0xd280_0000, // mov x0, #0x0
        0xf2ae_4dc0, // movk x0, #0x726e, lsl #16
        0xf2c0_0cc0, // movk x0, #0x66, lsl #32
        0xd280_0001, // mov x1, #0x0
        0xf2a0_0021, // movk x1, #0x1, lsl #16
        0xd280_00a2, // mov x2, #0x5
        0xd280_0023, // mov x3, #0x1
        0xf2a0_0203, // movk x3, #0x10, lsl #16
        0xd280_0005, // mov x5, #0x0
        0xf2a0_0045, // movk x5, #0x2, lsl #16
        0xd280_1bc8, // mov x8, #0xde
        0xd400_0001, // svc #0x0
        0xb7f8_01e0, // tbnz x0, #63, 8c <close>
        0xd280_0000, // mov x0, #0x0
        0xf2ae_4de0, // movk x0, #0x726f, lsl #16
        0xf2c0_0cc0, // movk x0, #0x66, lsl #32
        0xd280_0001, // mov x1, #0x0
        0xf2a0_0061, // movk x1, #0x3, lsl #16
        0xd280_0062, // mov x2, #0x3
        0xd280_0005, // mov x5, #0x0
        0xf2a0_00a5, // movk x5, #0x5, lsl #16
        0xd280_1bc8, // mov x8, #0xde
        0xd400_0001, // svc #0x0
        0xb7f8_0080, // tbnz x0, #63, 8c <close>
        0xd280_0000, // mov x0, #0x0
        0xf2ae_4dc0, // movk x0, #0x726e, lsl #16
        0xf2c0_0cc0, // movk x0, #0x66, lsl #32
        0xaa00_03e9, // mov x9, x0
        0xaa04_03e0, // mov x0, x4
        0xd280_0728, // mov x8, #0x39
        0xd400_0001, // svc #0x0
        0xaa09_03e0, // mov x0, x9
        0xd28d_cce8, // mov x8, #0x6e67
        0xf2a1_ee48, // movk x8, #0xf72, lsl #16
        0xd400_0001, // svc #0x0
        0x0000_0000, // udf #0
    ];

    #[test]
    fn the_bootstrap_is_what_an_assembler_makes_of_it() {
        let layout = TrampolineLayout {
            address: ADDRESS,
            code_offset: 0x2_0000,
            code_len: 0x1_0000,
            data_offset: 0x5_0000,
            data_len: 0x3_0000,
            second_stage: None,
        };
        let mut out = [0; BOOTSTRAP_MAX];
        let len = bootstrap_code(&layout, &mut out);
        assert_eq!(words(&out[..len]), ASSEMBLED);
    }

    #[test]
    fn with_a_second_stage_it_goes_on_there_instead() {
        let layout = TrampolineLayout {
            address: ADDRESS,
            code_offset: 0x2_0000,
            code_len: 0x1_0000,
            data_offset: 0x5_0000,
            data_len: 0x3_0000,
            second_stage: Some(0x66_726f_1234),
        };
        let mut out = [0; BOOTSTRAP_MAX];
        let len = bootstrap_code(&layout, &mut out);
        let expected = [
            0xd282_4690, // mov x16, #0x1234
            0xf2ae_4df0, // movk x16, #0x726f, lsl #16
            0xf2c0_0cd0, // movk x16, #0x66, lsl #32
            0xd61f_0200, // br x16
        ];
        let words = words(&out[..len]);
        assert_eq!(words[35..39], expected);
        assert_eq!(words[39..], ASSEMBLED[35..]);
    }

    #[test]
    fn a_bootstrap_leaves_room_in_its_buffer() {
        let layout = TrampolineLayout {
            address: ADDRESS,
            code_offset: u64::MAX,
            code_len: u64::MAX,
            data_offset: u64::MAX,
            data_len: u64::MAX,
            second_stage: Some(u64::MAX),
        };
        assert!(bootstrap_code(&layout, &mut [0; BOOTSTRAP_MAX]) < BOOTSTRAP_MAX);
    }
}
