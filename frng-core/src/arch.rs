//! The questions a CPU's crate answers. One implementation of [`Abi`] is one calling convention; a CPU may
//! have several, of 64 and of 32 bits.
//!
//! An arch crate holds data and pure functions over byte buffers and compiles on every host.

use crate::call::Sys;
use crate::errno::Errno;
use crate::inside::sites::Inside;
use crate::stat::Statx;

/// Largest general purpose register set (`NT_PRSTATUS`) of any CPU, in bytes.
pub const REGISTERS_MAX: usize = 512;

/// General purpose registers of a stopped tracee, as `PTRACE_GETREGSET` with `NT_PRSTATUS` gives them; besides, where
/// the number of the call under way is in none of them, the number that it is to have ([`Abi::number_set`]).
#[derive(Clone, Copy)]
pub struct Registers {
    bytes: [u8; REGISTERS_MAX],
    len: usize,
    number: Option<u32>,
}

impl Registers {
    /// No registers yet: a buffer to read into.
    pub const fn new() -> Registers {
        Registers { bytes: [0; REGISTERS_MAX], len: 0, number: None }
    }

    /// Takes a register set as it came from the kernel or a file; what is over [`REGISTERS_MAX`] is cut.
    pub fn from_bytes(bytes: &[u8]) -> Registers {
        let mut registers = Registers::new();
        let len = bytes.len().min(REGISTERS_MAX);
        registers.bytes[..len].copy_from_slice(&bytes[..len]);
        registers.len = len;
        registers
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The number to be set with [`Abi::number_set`], if it is to change.
    pub fn number(&self) -> Option<u32> {
        self.number
    }

    /// Changes the number that is set with [`Abi::number_set`]. `u32::MAX`: no call is made, and none restarted.
    pub fn set_number(&mut self, number: u32) {
        self.number = Some(number);
    }

    /// The 64-bit register at a byte offset; 0 outside the set.
    pub fn u64_at(&self, offset: usize) -> u64 {
        match self.bytes.get(offset..offset + 8) {
            Some(bytes) => {
                u64::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]])
            }
            None => 0,
        }
    }

    /// Sets the 64-bit register at a byte offset; nothing outside the set.
    pub fn set_u64_at(&mut self, offset: usize, value: u64) {
        if let Some(bytes) = self.bytes.get_mut(offset..offset + 8) {
            bytes.copy_from_slice(&value.to_ne_bytes());
        }
    }

    /// The 32-bit register at a byte offset; 0 outside the set.
    pub fn u32_at(&self, offset: usize) -> u32 {
        match self.bytes.get(offset..offset + 4) {
            Some(bytes) => u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            None => 0,
        }
    }

    /// Sets the 32-bit register at a byte offset; nothing outside the set.
    pub fn set_u32_at(&mut self, offset: usize, value: u32) {
        if let Some(bytes) = self.bytes.get_mut(offset..offset + 4) {
            bytes.copy_from_slice(&value.to_ne_bytes());
        }
    }
}

impl Default for Registers {
    fn default() -> Registers {
        Registers::new()
    }
}

/// Room for the `struct stat` of any ABI.
pub type StatBytes = [u8; 256];

/// A syscall number that no kernel has. Our filter stops at it whoever issues it; the trampoline's second
/// instruction does, to say that the first has run.
pub const DONE_NUMBER: u32 = 0x0f72_6e67;

/// `AT_FDCWD` as our own code gives it to openat(2) in a new program: the kernel takes the lower half of that argument. The
/// filter lets such a call through. (32-bit programs have no upper half, so theirs is looked at as any other.)
pub const OWN_FDCWD: u64 = 0x6672_6e67_ffff_ff9c;

/// First argument of [`DONE_NUMBER`] by which a program asks whether it is fooled, and is told the process id of its daemon;
/// otherwise there is no such call.
pub const WHO_FOOLS: u64 = 0x3f72_6e01;
/// The same for how many daemons fool it, one within the other.
pub const HOW_DEEP: u64 = 0x3f72_6e02;
/// The same by which it asks to be fooled no longer, nor the program it executes next, and what that starts; 1 is told.
pub const LET_GO: u64 = 0x3f72_6e03;
/// The same for whether that was asked: 1, or else 2.
pub const IS_LET_GO: u64 = 0x3f72_6e04;
/// The same by which it asks that the files below a directory are left alone, for itself and all it starts; the second argument is
/// the address of the directory's path, terminated. 1 is told, or an error.
pub const LEAVE_ALONE: u64 = 0x3f72_6e05;

/// One calling convention.
pub trait Abi: Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    // 1. Numbers.

    /// `AUDIT_ARCH_*` (`include/uapi/linux/audit.h`), as seccomp and `PTRACE_GET_SYSCALL_INFO` tell it.
    fn audit_arch(&self) -> u32;

    /// The table of numbers, sorted by nothing in particular. A call may be absent.
    fn numbers(&self) -> &'static [(u32, Sys)];

    /// The call of a number.
    fn sys(&self, number: u64) -> Option<Sys> {
        self.numbers().iter().find(|(nr, _)| u64::from(*nr) == number).map(|(_, sys)| *sys)
    }

    /// The number of a call.
    fn number(&self, sys: Sys) -> Option<u32> {
        self.numbers().iter().find(|(_, s)| *s == sys).map(|(nr, _)| *nr)
    }

    // 2. Registers.

    /// Bytes of its `NT_PRSTATUS` set.
    fn registers_len(&self) -> usize;

    /// The register set of 4 bytes (`NT_*` of `include/uapi/linux/elf.h`) by which a stopped tracee gets the number of
    /// its call, where writing a general purpose register does not change that. Whatever writes the number below then
    /// does it by [`Registers::set_number`].
    fn number_set(&self) -> Option<u32> {
        None
    }

    /// Program counter.
    fn pc(&self, registers: &Registers) -> u64;

    /// Sets the program counter, to code of frng's own: with the mode that such code is for.
    fn set_pc(&self, registers: &mut Registers, pc: u64);

    /// Stack pointer.
    fn sp(&self, registers: &Registers) -> u64;

    /// Sets the result of a call.
    fn set_result(&self, registers: &mut Registers, raw: u64);

    /// At a syscall-enter-stop: makes it another call. `u32::MAX` as the number means that none is made.
    fn replace_call(&self, registers: &mut Registers, number: u32, args: [u64; 6]);

    /// In user mode: the registers with which the instruction at `pc` issues a call. No restart of an earlier
    /// one may follow from them.
    fn prepare_call(&self, registers: &mut Registers, pc: u64, number: u32, args: [u64; 6]);

    /// Whether a call can be done away with at its syscall-enter-stop, by the number `u32::MAX`, with all registers as
    /// they are set there; and whether one that takes its place there gets all six arguments. Where not, the tracer lets a
    /// call that is not to be made run to its syscall-exit-stop as none, and sets the registers there.
    fn cancels_at_entry(&self) -> bool {
        true
    }

    /// With the registers of a syscall-enter-stop: back to before the instruction, so that it issues the same call again.
    fn rewind_call(&self, registers: &mut Registers, number: u32, args: [u64; 6]);

    /// At a stop outside of syscall stops: does what the kernel does only when the tracee runs on, namely restarts a
    /// call that was interrupted, so that these registers can be put back later and no call follows from them.
    fn settle(&self, registers: &mut Registers);

    /// Takes from `now`, the registers at a later stop that is none of those, what syscall-enter-stops and syscall-exit-stops do not
    /// show.
    fn take_hidden(&self, _registers: &mut Registers, _now: &Registers) {}

    /// At a stop outside of syscall stops: if a call was interrupted and not yet rewound by the kernel, it is not restarted
    /// and its result is the kernel's internal code (`ERESTARTSYS`...). Otherwise nothing is changed. Tells whether it was.
    fn abandon_call(&self, _registers: &mut Registers) -> bool {
        false
    }

    /// Takes away what single steps of a tracer may have left in the registers.
    fn after_steps(&self, _registers: &mut Registers) {}

    /// Requests of ptrace(2) for a whole register set that programs of this convention have besides `PTRACE_GETREGSET`.
    fn old_register_requests(&self) -> &'static [OldRegisterRequest] {
        &[]
    }

    // 3. Layouts.

    /// Bytes of a pointer, of a `long` and of an auxv word.
    fn word_len(&self) -> usize;

    /// Bytes of a `struct timespec`, two equal words, as utimensat(2) takes it.
    fn timespec_len(&self) -> u64 {
        2 * self.word_len() as u64
    }

    /// An argument register as the kernel reads it: of a 32-bit ABI the lower half of what a wider register holds.
    fn argument(&self, register: u64) -> u64 {
        if self.word_len() == 8 { register } else { register & 0xffff_ffff }
    }

    /// A result register as [`Errno::from_raw`] takes it: errors negative in all 64 bits.
    fn result(&self, register: u64) -> u64 {
        let low = register as u32;
        if self.word_len() == 8 {
            register
        } else if low > Errno::RAW_MIN as u32 {
            low as i32 as u64
        } else {
            low.into()
        }
    }

    /// The `struct stat` that this call fills: its bytes in `out` and their number.
    ///
    /// # Errors
    /// `EOVERFLOW` if a value does not fit the layout.
    fn encode_stat(&self, sys: Sys, stat: &Statx, out: &mut StatBytes) -> Result<usize, Errno>;

    /// Other conventions whose programs a kernel for this CPU may run. A program of one that is not registered is not
    /// executed.
    fn related(&self) -> &'static [Related] {
        &[]
    }

    // 4. Trampoline.

    /// Where it is mapped in each tracee; page aligned, out of the way of everything a program maps.
    fn trampoline_address(&self) -> u64;

    /// Its code: a syscall instruction, then [`DONE_NUMBER`] with the first one's result as first argument,
    /// then an instruction that traps.
    fn trampoline_code(&self) -> &'static [u8];

    /// What a program counter is when the kernel runs the trampoline's first call, relative to its begin.
    fn trampoline_return(&self) -> u64;

    /// Position independent code that opens a file, maps its code executable at the layout's address and its
    /// data writable right behind, both shared and `MAP_FIXED_NOREPLACE`, closes it and issues [`DONE_NUMBER`] with
    /// the address or the first error as first argument. The caller puts the path, terminated by 0, directly behind
    /// the code. Written to `out`; returns its length.
    fn bootstrap_code(&self, layout: &TrampolineLayout, out: &mut [u8; BOOTSTRAP_MAX]) -> usize;

    // 5. Sites.

    /// How programs are made to jump into the agent; `None` if this ABI has none.
    fn inside(&self) -> Option<&'static dyn Inside> {
        None
    }
}

/// A request like `PTRACE_GETREGS`: a register set of a fixed length, of the CPU's own number.
#[derive(Clone, Copy, Debug)]
pub struct OldRegisterRequest {
    /// Its number.
    pub request: u32,
    /// Whether it sets the registers.
    pub sets: bool,
    /// The set (`NT_*`) that a program of this convention means.
    pub set: u32,
    /// Bytes of it.
    pub len: usize,
}

/// A convention that a kernel may know besides.
#[derive(Clone, Copy, Debug)]
pub struct Related {
    /// `AUDIT_ARCH_*` as follows from machine, class and byte order of its programs' ELF files.
    pub audit_arch: u32,
    /// Its name.
    pub name: &'static str,
    /// The number of its getpid(2), if a program of the convention that it is related to can issue it: a kernel that does
    /// not know the convention says `ENOSYS`.
    pub getpid: Option<u32>,
}

/// Where in the trampoline's file an ABI finds its code and the data, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct TrampolineLayout {
    /// Where it is mapped: [`Abi::trampoline_address`], or lower within another frng.
    pub address: u64,
    /// Begin of the code.
    pub code_offset: u64,
    /// Its length, whole pages.
    pub code_len: u64,
    /// Begin of the data.
    pub data_offset: u64,
    /// Its length, whole pages.
    pub data_len: u64,
    /// Code to go on with when both are mapped, instead of closing the file and stopping: the agent's, which does that.
    /// The descriptor is where the ABI's agent expects it.
    pub second_stage: Option<u64>,
}

/// Largest bootstrap code of any CPU, in bytes, without the path.
pub const BOOTSTRAP_MAX: usize = 256;
