//! Trampoline: the code mapped into every tracee, and the code that maps it into a fresh program.
//!
//! Convention of `arch/x86/entry/entry_64.S`: number in rax, arguments in rdi, rsi, rdx, r10, r8, r9, result in rax,
//! only rcx and r11 clobbered. Neither piece of code touches the stack.

use frng_core::arch::{BOOTSTRAP_MAX, DONE_NUMBER, OWN_FDCWD, TrampolineLayout};
use syscalls::x86_64::Sysno;

/// Where the trampoline is mapped: "frng" and a page offset. The kernel places executables below it
/// (`ELF_ET_DYN_BASE`, two thirds of the address space) and mappings above it (`mmap_base`), each terabytes away.
pub const ADDRESS: u64 = 0x6672_6e67_0000;

/// How far before an interpreter the agent's stubs are: half of what a jump reaches.
pub const APART: u64 = 1 << 30;

const DONE: [u8; 4] = DONE_NUMBER.to_le_bytes();

/// The trampoline's code.
pub const CODE: &[u8] = &[
    0x0f, 0x05, // syscall
    0x48, 0x89, 0xc7, // mov %rax,%rdi
    0xb8, DONE[0], DONE[1], DONE[2], DONE[3], // mov $DONE_NUMBER,%eax
    0x0f, 0x05, // syscall
    0x0f, 0x0b, // ud2
    0x90, 0x90, // to the gadget
    0x0f, 0x05, // syscall
    0xc3, // ret
];

/// Where in it the gadget is: what the agent calls to issue a call.
pub const GADGET: u64 = 16;

/// The kernel sees a program counter behind the first instruction.
pub const RETURN: u64 = 2;

const O_RDWR_CLOEXEC: u32 = 0o2 | 0o2000000;
const PROT_READ_WRITE: u32 = 0x1 | 0x2;
const PROT_READ_EXEC: u32 = 0x1 | 0x4;
const MAP_SHARED_FIXED_NOREPLACE: u32 = 0x01 | 0x10_0000;

/// The code that maps the trampoline: `out` receives it, the path follows it. Returns its length.
pub fn bootstrap_code(layout: &TrampolineLayout, out: &mut [u8; BOOTSTRAP_MAX]) -> usize {
    let mut code = Code { out, len: 0 };
    let path = code.lea_rsi();
    code.mov_rdi(OWN_FDCWD);
    code.mov_edx(O_RDWR_CLOEXEC);
    code.syscall(Sysno::openat);
    let open_failed = code.js();
    // The descriptor: argument 5 of both mmaps.
    code.emit(&[0x41, 0x89, 0xc0]); // mov %eax,%r8d

    code.mov_rdi(layout.address);
    code.mov_rsi(layout.code_len);
    code.mov_edx(PROT_READ_EXEC);
    code.mov_r10d(MAP_SHARED_FIXED_NOREPLACE);
    code.mov_r9(layout.code_offset);
    code.syscall(Sysno::mmap);
    let code_failed = code.js();

    code.mov_rdi(layout.address.wrapping_add(layout.code_len));
    code.mov_rsi(layout.data_len);
    code.mov_edx(PROT_READ_WRITE);
    code.mov_r9(layout.data_offset);
    code.syscall(Sysno::mmap);
    let data_failed = code.js();
    if let Some(second_stage) = layout.second_stage {
        // With the descriptor in r8; it does the rest.
        code.mov_rax(second_stage);
        code.emit(&[0xff, 0xe0]); // jmp *%rax
    }
    code.mov_rax(layout.address);

    code.land(code_failed);
    code.land(data_failed);
    code.emit(&[0x49, 0x89, 0xc4]); // mov %rax,%r12
    code.emit(&[0x44, 0x89, 0xc7]); // mov %r8d,%edi
    code.syscall(Sysno::close);
    code.emit(&[0x4c, 0x89, 0xe0]); // mov %r12,%rax

    code.land(open_failed);
    // Result to argument 1, DONE_NUMBER, trap.
    code.emit(CODE.get(2..14).unwrap_or_default());
    code.land(path);
    code.len
}

/// The place of a 32-bit distance that is not known yet. It counts from its own end.
struct Distance(usize);

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

    fn mov_rax(&mut self, value: u64) {
        self.emit(&[0x48, 0xb8]); // movabs $value,%rax
        self.emit(&value.to_le_bytes());
    }

    fn mov_rdi(&mut self, value: u64) {
        self.emit(&[0x48, 0xbf]); // movabs $value,%rdi
        self.emit(&value.to_le_bytes());
    }

    fn mov_rsi(&mut self, value: u64) {
        self.emit(&[0x48, 0xbe]); // movabs $value,%rsi
        self.emit(&value.to_le_bytes());
    }

    fn mov_edx(&mut self, value: u32) {
        self.emit(&[0xba]); // mov $value,%edx
        self.emit(&value.to_le_bytes());
    }

    fn mov_r10d(&mut self, value: u32) {
        self.emit(&[0x41, 0xba]); // mov $value,%r10d
        self.emit(&value.to_le_bytes());
    }

    fn mov_r9(&mut self, value: u64) {
        self.emit(&[0x49, 0xb9]); // movabs $value,%r9
        self.emit(&value.to_le_bytes());
    }

    /// The address where [`Code::land`] is called with the distance.
    fn lea_rsi(&mut self) -> Distance {
        self.emit(&[0x48, 0x8d, 0x35]); // lea distance(%rip),%rsi
        self.distance()
    }

    fn syscall(&mut self, number: Sysno) {
        self.emit(&[0xb8]); // mov $number,%eax
        self.emit(&(number as u32).to_le_bytes());
        self.emit(&[0x0f, 0x05]); // syscall
    }

    /// Jumps if the last call has failed. No result is an address in the upper half.
    fn js(&mut self) -> Distance {
        self.emit(&[0x48, 0x85, 0xc0]); // test %rax,%rax
        self.emit(&[0x0f, 0x88]); // js distance
        self.distance()
    }

    fn distance(&mut self) -> Distance {
        let distance = Distance(self.len);
        self.emit(&[0; DISTANCE_LEN]);
        distance
    }

    /// Makes the distance lead here.
    fn land(&mut self, Distance(at): Distance) {
        let end = at + DISTANCE_LEN;
        let bytes = ((self.len - end) as u32).to_le_bytes();
        if let Some(to) = self.out.get_mut(at..end) {
            to.copy_from_slice(&bytes);
        }
    }
}
