//! Trampoline: the code mapped into every tracee, and the code that maps it into a fresh program.
//!
//! Convention of `arch/arm64/kernel/syscall.c: do_el0_svc_compat`: number in r7, arguments in r0 to r5, result in r0, nothing else
//! clobbered. Both pieces of code are ARM code, whatever the program is, and neither touches the stack.

use frng_core::arch::{BOOTSTRAP_MAX, DONE_NUMBER, TrampolineLayout};
use syscalls::arm::Sysno;

/// Where the trampoline is mapped: a multiple of the largest page, 64 KiB. The kernel places programs and their heaps below it
/// (`COMPAT_ELF_ET_DYN_BASE`, and 256 MiB of randomness) and mappings far above it, from the top of 4 GiB downwards.
pub const ADDRESS: u64 = 0x6672_0000;

const SVC: u32 = 0xef00_0000;
/// Guaranteed to be undefined.
const UDF: u32 = 0xe7f0_00f0;

/// The trampoline's code.
pub const CODE: &[u8] = &bytes::<5, 20>([
    SVC, // its result is the first argument of the next call
    movw(7, DONE_NUMBER as u16),
    movt(7, (DONE_NUMBER >> 16) as u16),
    SVC,
    UDF,
]);

/// The kernel sees a program counter behind the first instruction.
pub const RETURN: u64 = 4;

const O_RDWR_CLOEXEC: u32 = 0o2 | 0o2000000;
const PROT_READ_WRITE: u32 = 0x1 | 0x2;
const PROT_READ_EXEC: u32 = 0x1 | 0x4;
const MAP_SHARED_FIXED_NOREPLACE: u32 = 0x01 | 0x10_0000;

/// mmap2 counts offsets in these, whatever a page is.
const OFFSET_UNIT: u64 = 4096;

/// The code that maps the trampoline: `out` receives it, the path follows it. Returns its length.
pub fn bootstrap_code(layout: &TrampolineLayout, out: &mut [u8; BOOTSTRAP_MAX]) -> usize {
    let mut code = Code { out, len: 0 };
    let path = code.address_in_r1();
    code.emit(0xe3e0_0063); // mvn r0, #99: AT_FDCWD
    code.mov(2, O_RDWR_CLOEXEC);
    code.syscall(Sysno::openat);
    let open_failed = code.branch_if_failed();
    // The descriptor: argument 5 of both mmaps.
    code.mov_register(4, 0);

    code.mov(0, layout.address as u32);
    code.mov(1, layout.code_len as u32);
    code.mov(2, PROT_READ_EXEC);
    code.mov(3, MAP_SHARED_FIXED_NOREPLACE);
    code.mov(5, (layout.code_offset / OFFSET_UNIT) as u32);
    code.syscall(Sysno::mmap2);
    let code_failed = code.branch_if_failed();

    code.mov(0, layout.address.wrapping_add(layout.code_len) as u32);
    code.mov(1, layout.data_len as u32);
    code.mov(2, PROT_READ_WRITE);
    code.mov(5, (layout.data_offset / OFFSET_UNIT) as u32);
    code.syscall(Sysno::mmap2);
    let data_failed = code.branch_if_failed();
    code.mov(0, layout.address as u32);

    code.land(code_failed);
    code.land(data_failed);
    code.mov_register(6, 0);
    code.mov_register(0, 4);
    code.syscall(Sysno::close);
    code.mov_register(0, 6);

    code.land(open_failed);
    // DONE_NUMBER with the result as argument 1, trap.
    code.append(CODE.get(4..).unwrap_or_default());
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

/// `movw r<register>, #value`: the upper half becomes 0.
const fn movw(register: u32, value: u16) -> u32 {
    0xe300_0000 | halves(value) | register << 12
}

/// `movt r<register>, #value`: the upper half.
const fn movt(register: u32, value: u16) -> u32 {
    0xe340_0000 | halves(value) | register << 12
}

/// A value as both have it: 4 bits from bit 16 on, and 12 bits.
const fn halves(value: u16) -> u32 {
    ((value as u32) & 0xf000) << 4 | (value as u32) & 0xfff
}

/// An instruction whose distance to [`Code::land`] is not known yet.
struct Distance {
    at: usize,
    unit: Unit,
}

#[derive(Clone, Copy)]
enum Unit {
    Bytes,
    Instructions,
}

/// What an instruction sees as the program counter, from its own begin.
const AHEAD: usize = 8;

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

    /// A value into a register.
    fn mov(&mut self, register: u32, value: u32) {
        self.emit(movw(register, value as u16));
        let upper = (value >> 16) as u16;
        if upper != 0 {
            self.emit(movt(register, upper));
        }
    }

    fn mov_register(&mut self, to: u32, from: u32) {
        self.emit(0xe1a0_0000 | to << 12 | from);
    }

    fn syscall(&mut self, number: Sysno) {
        self.mov(7, number as u32);
        self.emit(SVC);
    }

    /// The address where [`Code::land`] is called with the distance, of less than 256 bytes.
    fn address_in_r1(&mut self) -> Distance {
        self.distance(0xe28f_1000, Unit::Bytes) // add r1, pc, #distance
    }

    /// Branches if the last call has failed.
    fn branch_if_failed(&mut self) -> Distance {
        self.emit(0xe370_0a01); // cmn r0, #4096
        self.distance(0x2a00_0000, Unit::Instructions) // bcs distance
    }

    fn distance(&mut self, instruction: u32, unit: Unit) -> Distance {
        let distance = Distance { at: self.len, unit };
        self.emit(instruction);
        distance
    }

    /// Makes the distance lead here.
    fn land(&mut self, Distance { at, unit }: Distance) {
        let bytes = (self.len - at - AHEAD) as u32;
        let field = match unit {
            Unit::Bytes => bytes & 0xff,
            Unit::Instructions => bytes / 4,
        };
        if let Some(to) = self.out.get_mut(at..at + 4) {
            let instruction = u32::from_le_bytes([to[0], to[1], to[2], to[3]]);
            to.copy_from_slice(&(instruction | field).to_le_bytes());
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
            0xef00_0000, // svc #0
            0xe306_7e67, // movw r7, #0x6e67
            0xe340_7f72, // movt r7, #0xf72
            0xef00_0000, // svc #0
            0xe7f0_00f0, // udf #0
        ];
        assert_eq!(words(CODE), expected);
    }

    const ASSEMBLED: &[u32] = &[
        0xe28f_10a0, // add r1, pc, #160
        0xe3e0_0063, // mvn r0, #99
        0xe300_2002, // movw r2, #2
        0xe340_2008, // movt r2, #8
        0xe300_7142, // movw r7, #322
        0xef00_0000, // svc 0x00000000
        0xe370_0a01, // cmn r0, #4096
        0x2a00_001d, // bcs 98 <open_failed>
        0xe1a0_4000, // mov r4, r0
        0xe300_0000, // movw r0, #0
        0xe346_0672, // movt r0, #26226
        0xe300_1000, // movw r1, #0
        0xe340_1001, // movt r1, #1
        0xe300_2005, // movw r2, #5
        0xe300_3001, // movw r3, #1
        0xe340_3010, // movt r3, #16
        0xe300_5020, // movw r5, #32
        0xe300_70c0, // movw r7, #192
        0xef00_0000, // svc 0x00000000
        0xe370_0a01, // cmn r0, #4096
        0x2a00_000b, // bcs 84 <close>
        0xe300_0000, // movw r0, #0
        0xe346_0673, // movt r0, #26227
        0xe300_1000, // movw r1, #0
        0xe340_1003, // movt r1, #3
        0xe300_2003, // movw r2, #3
        0xe300_5050, // movw r5, #80
        0xe300_70c0, // movw r7, #192
        0xef00_0000, // svc 0x00000000
        0xe370_0a01, // cmn r0, #4096
        0x2a00_0001, // bcs 84 <close>
        0xe300_0000, // movw r0, #0
        0xe346_0672, // movt r0, #26226
        0xe1a0_6000, // mov r6, r0
        0xe1a0_0004, // mov r0, r4
        0xe300_7006, // movw r7, #6
        0xef00_0000, // svc 0x00000000
        0xe1a0_0006, // mov r0, r6
        0xe306_7e67, // movw r7, #28263
        0xe340_7f72, // movt r7, #3954
        0xef00_0000, // svc 0x00000000
        0xe7f0_00f0, // udf #0
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
    fn a_bootstrap_leaves_room_in_its_buffer() {
        let layout = TrampolineLayout {
            address: ADDRESS,
            code_offset: u64::MAX,
            code_len: u64::MAX,
            data_offset: u64::MAX,
            data_len: u64::MAX,
            second_stage: None,
        };
        assert!(bootstrap_code(&layout, &mut [0; BOOTSTRAP_MAX]) < BOOTSTRAP_MAX);
    }
}
