//! Trampoline: the code mapped into every tracee, and the code that maps it into a fresh program.
//!
//! Convention of `arch/riscv/kernel/traps.c`: number in a7, arguments in a0 to a5, result in a0, nothing else clobbered.
//! Neither piece of code touches the stack; neither has compressed instructions.

use frng_core::arch::{BOOTSTRAP_MAX, DONE_NUMBER, OWN_FDCWD, TrampolineLayout};
use syscalls::riscv64::Sysno;

/// Where the trampoline is mapped: within 38 bits, the smallest address space (Sv39). There the kernel places executables below it
/// (`ELF_ET_DYN_BASE`, two thirds of the address space) and mappings above it; in larger spaces both are far above, and the heap
/// of a program at a fixed address hundreds of gigabytes below.
pub const ADDRESS: u64 = 0x33_6e67_0000;

// Registers.
const A0: u32 = 10;
const A1: u32 = 11;
const A2: u32 = 12;
const A3: u32 = 13;
const A4: u32 = 14;
const A5: u32 = 15;
const A7: u32 = 17;
const T0: u32 = 5;

const ECALL: u32 = 0x73;
/// `csrrw zero, cycle, zero`: guaranteed to be undefined.
const UNIMP: u32 = 0xc000_1073;

/// The trampoline's code.
pub const CODE: &[u8] = &bytes::<5, 20>([
    ECALL, // its result is the first argument of the next call
    lui(A7, upper(DONE_NUMBER as u64)),
    addiw(A7, A7, lower(DONE_NUMBER as u64)),
    ECALL,
    UNIMP,
]);

/// The kernel sees a program counter behind the first instruction.
pub const RETURN: u64 = 4;

const O_RDWR_CLOEXEC: u64 = 0o2 | 0o2000000;
const PROT_READ_WRITE: u64 = 0x1 | 0x2;
const PROT_READ_EXEC: u64 = 0x1 | 0x4;
const MAP_SHARED_FIXED_NOREPLACE: u64 = 0x01 | 0x10_0000;

/// The code that maps the trampoline: `out` receives it, the path follows it. Returns its length.
pub fn bootstrap_code(layout: &TrampolineLayout, out: &mut [u8; BOOTSTRAP_MAX]) -> usize {
    let mut code = Code { out, len: 0 };
    let path = code.address(A1);
    code.li(A0, OWN_FDCWD);
    code.li(A2, O_RDWR_CLOEXEC);
    code.syscall(Sysno::openat);
    let open_failed = code.branch_if_failed();
    // The descriptor: argument 5 of both mmaps.
    code.mv(A4, A0);

    code.li(A0, layout.address);
    code.li(A1, layout.code_len);
    code.li(A2, PROT_READ_EXEC);
    code.li(A3, MAP_SHARED_FIXED_NOREPLACE);
    code.li(A5, layout.code_offset);
    code.syscall(Sysno::mmap);
    let code_failed = code.branch_if_failed();

    code.li(A0, layout.address.wrapping_add(layout.code_len));
    code.li(A1, layout.data_len);
    code.li(A2, PROT_READ_WRITE);
    code.li(A5, layout.data_offset);
    code.syscall(Sysno::mmap);
    let data_failed = code.branch_if_failed();
    code.li(A0, layout.address);

    code.land(code_failed);
    code.land(data_failed);
    code.mv(T0, A0);
    code.mv(A0, A4);
    code.syscall(Sysno::close);
    code.mv(A0, T0);

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

/// The lowest 12 bits of a value, to be added with their sign.
const fn lower(value: u64) -> u32 {
    value as u32 & 0xfff
}

/// Bits 12 to 31 of a value, to which [`lower`] is added.
const fn upper(value: u64) -> u32 {
    (value as u32).wrapping_add(0x800) >> 12
}

/// `lui <to>, upper`: bits 12 to 31, sign extended.
const fn lui(to: u32, upper: u32) -> u32 {
    upper << 12 | to << 7 | 0x37
}

/// `addi <to>, <from>, lower`.
const fn addi(to: u32, from: u32, lower: u32) -> u32 {
    lower << 20 | from << 15 | to << 7 | 0x13
}

/// `addiw <to>, <from>, lower`: sign extended from 32 bits.
const fn addiw(to: u32, from: u32, lower: u32) -> u32 {
    lower << 20 | from << 15 | to << 7 | 0x1b
}

/// `slli <to>, <to>, bits`.
const fn slli(to: u32, bits: u32) -> u32 {
    bits << 20 | to << 15 | 1 << 12 | to << 7 | 0x13
}

/// An instruction whose distance to [`Code::land`] is not known yet.
enum Distance {
    /// A branch: 13 bits, scattered.
    Branch(usize),
    /// An `auipc`, from which the `addi` behind it counts.
    Address(usize),
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

    /// A value into a register: 32 bits at once, wider ones by shifting in 12 bits at a time, trailing zeros together.
    fn li(&mut self, to: u32, value: u64) {
        if i64::from(value as i32) as u64 == value {
            if upper(value) != 0 {
                self.emit(lui(to, upper(value)));
                if lower(value) != 0 {
                    self.emit(addiw(to, to, lower(value)));
                }
            } else {
                self.emit(addi(to, 0, lower(value)));
            }
            return;
        }
        let low = lower(value);
        let signed = (low as i64) << 52 >> 52;
        let rest = (value as i64).wrapping_sub(signed);
        // At least the 12 that are to be added.
        let zeros = rest.trailing_zeros().max(12);
        self.li(to, (rest >> zeros) as u64);
        self.emit(slli(to, zeros));
        if low != 0 {
            self.emit(addi(to, to, low));
        }
    }

    fn mv(&mut self, to: u32, from: u32) {
        self.emit(addi(to, from, 0));
    }

    fn syscall(&mut self, number: Sysno) {
        self.li(A7, number as u64);
        self.emit(ECALL);
    }

    /// The address where [`Code::land`] is called with the distance.
    fn address(&mut self, to: u32) -> Distance {
        let distance = Distance::Address(self.len);
        self.emit(to << 7 | 0x17); // auipc <to>, 0
        self.emit(addi(to, to, 0));
        distance
    }

    /// Branches if the last call has failed. No result is an address in the upper half.
    fn branch_if_failed(&mut self) -> Distance {
        let distance = Distance::Branch(self.len);
        self.emit(A0 << 15 | 4 << 12 | 0x63); // blt a0, zero, distance
        distance
    }

    /// Makes the distance lead here. It counts from its own instruction.
    fn land(&mut self, distance: Distance) {
        let (at, bits) = match distance {
            Distance::Branch(at) => {
                let to = (self.len - at) as u32;
                (at, (to >> 12 & 1) << 31 | (to >> 5 & 0x3f) << 25 | (to >> 1 & 0xf) << 8 | (to >> 11 & 1) << 7)
            }
            Distance::Address(at) => (at + 4, ((self.len - at) as u32 & 0xfff) << 20),
        };
        if let Some(to) = self.out.get_mut(at..at + 4) {
            let instruction = u32::from_le_bytes([to[0], to[1], to[2], to[3]]);
            to.copy_from_slice(&(instruction | bits).to_le_bytes());
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

    /// What `as` of binutils makes of the source beside each word, without compressed instructions.
    const ASSEMBLED: &[u32] = &[
        0x0000_0597, // auipc a1,0x0
        0x0b05_8593, // addi a1,a1,176
        0x0cce_5537, // lui a0,0xcce5
        0xdcd5_051b, // addiw a0,a0,-563
        0x0235_1513, // slli a0,a0,0x23
        0xf9c5_0513, // addi a0,a0,-100
        0x0008_0637, // lui a2,0x80
        0x0026_061b, // addiw a2,a2,2
        0x0380_0893, // addi a7,zero,56
        0x0000_0073, // ecall
        0x0605_4c63, // blt a0,zero,94
        0x0005_0713, // addi a4,a0,0
        0x0033_7537, // lui a0,0x337
        0xe675_051b, // addiw a0,a0,-409
        0x0105_1513, // slli a0,a0,0x10
        0x0001_05b7, // lui a1,0x10
        0x0050_0613, // addi a2,zero,5
        0x0010_06b7, // lui a3,0x100
        0x0016_869b, // addiw a3,a3,1
        0x0002_07b7, // lui a5,0x20
        0x0de0_0893, // addi a7,zero,222
        0x0000_0073, // ecall
        0x0205_4a63, // blt a0,zero,80
        0x0006_7537, // lui a0,0x67
        0xdcd5_051b, // addiw a0,a0,-563
        0x0135_1513, // slli a0,a0,0x13
        0x0003_05b7, // lui a1,0x30
        0x0030_0613, // addi a2,zero,3
        0x0005_07b7, // lui a5,0x50
        0x0de0_0893, // addi a7,zero,222
        0x0000_0073, // ecall
        0x0005_4863, // blt a0,zero,80
        0x0033_7537, // lui a0,0x337
        0xe675_051b, // addiw a0,a0,-409
        0x0105_1513, // slli a0,a0,0x10
        0x0005_0293, // addi t0,a0,0
        0x0007_0513, // addi a0,a4,0
        0x0390_0893, // addi a7,zero,57
        0x0000_0073, // ecall
        0x0002_8513, // addi a0,t0,0
        0x0f72_78b7, // lui a7,0xf727
        0xe678_889b, // addiw a7,a7,-409
        0x0000_0073, // ecall
        0xc000_1073, // unimp
    ];

    #[test]
    fn the_code_is_what_an_assembler_makes_of_it() {
        let (end, rest) = (ASSEMBLED.len() - 4, words(CODE));
        assert_eq!(rest[0], ECALL);
        assert_eq!(rest[1..], ASSEMBLED[end..]);
    }

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

    /// Of any file that is mapped: lengths and places below 2 GiB.
    #[test]
    fn a_bootstrap_leaves_room_in_its_buffer() {
        let longest = 0x7fff_fabc;
        let layout = TrampolineLayout {
            address: ADDRESS,
            code_offset: longest,
            code_len: longest,
            data_offset: longest,
            data_len: longest,
            second_stage: None,
        };
        assert!(bootstrap_code(&layout, &mut [0; BOOTSTRAP_MAX]) < BOOTSTRAP_MAX);
    }
}
