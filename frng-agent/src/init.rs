//! The second stage of a new program's bootstrap: maps what the agent needs.

use frng_core::inside::layout;
use frng_core::inside::local::LiesFile;

use crate::{arch, kernel, mapped};

/// What is told to the tracer.
#[repr(C)]
pub struct Result {
    /// The trampoline's address: its mapping has worked.
    pub trampoline: u64,
    /// Where the stubs are to be; 0 if the agent cannot work here.
    pub stubs: u64,
}

const AT_PHDR: u64 = 3;
const AT_BASE: u64 = 7;

/// A program that is loaded at an address of its own choice may use what is behind it for its heap.
const JUST_BELOW: u64 = 64 << 10;
/// Where stubs may be behind them, in reach of every CPU's jumps.
const FAR_BEHIND: [u64; 3] = [112 << 20, 96 << 20, 64 << 20];
/// Where such programs end.
const LOW: u64 = 1 << 31;

/// Maps private memory, the table of lies and memory for stubs, and closes the trampoline's file.
///
/// # Safety
/// `file` must be a descriptor of the trampoline's file, `stack` the stack pointer of a program that has not begun.
pub unsafe fn init(file: i32, stack: *const u64) -> Result {
    let trampoline = arch::TRAMPOLINE;
    kernel::close(file);
    let mapped = map_private() && map_lies();
    // SAFETY: promised by the caller.
    let base = if mapped { unsafe { base(stack) } } else { None };
    Result { trampoline, stubs: base.and_then(map_stubs).unwrap_or(0) }
}

fn map_private() -> bool {
    let at = arch::TRAMPOLINE + layout::LOCAL;
    let fixed = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    if !kernel::map(at, layout::PRIVATE_LEN, libc::PROT_READ | libc::PROT_WRITE, fixed, -1) {
        return false;
    }
    let template = (arch::TRAMPOLINE + layout::TEMPLATE) as *const u64;
    let words = layout::LOCAL_LEN as usize / size_of::<u64>();
    // SAFETY: the template is as long as what has just been mapped for it, and both are aligned to pages.
    unsafe { core::ptr::copy_nonoverlapping(template, at as *mut u64, words) };
    true
}

/// After [`map_private`].
fn map_lies() -> bool {
    let LiesFile { len, path } = mapped::local().lies();
    let Some(file) = kernel::open(&path) else { return false };
    let (at, fixed) = (arch::TRAMPOLINE + layout::LIES, libc::MAP_SHARED | libc::MAP_FIXED_NOREPLACE);
    let mapped = kernel::map(at, len, libc::PROT_READ | libc::PROT_WRITE, fixed, file);
    kernel::close(file);
    mapped
}

/// Where the interpreter is loaded; else, for a static program, the program.
///
/// # Safety
/// `stack` must point to argc, argv, the environment and the auxv.
unsafe fn base(stack: *const u64) -> Option<u64> {
    // SAFETY: so the kernel has laid it out (fs/binfmt_elf.c: create_elf_tables).
    unsafe {
        let mut at = stack.add(1 + *stack as usize + 1);
        while *at != 0 {
            at = at.add(1);
        }
        at = at.add(1);
        let (mut interpreter, mut headers) = (0, 0);
        while *at != 0 {
            match *at {
                AT_BASE => interpreter = *at.add(1),
                AT_PHDR => headers = *at.add(1),
                _ => {}
            }
            at = at.add(2);
        }
        let base = if interpreter != 0 { interpreter } else { headers & !0xfff };
        (base != 0).then_some(base)
    }
}

fn map_stubs(base: u64) -> Option<u64> {
    let below = if base < LOW { JUST_BELOW } else { arch::APART };
    let fixed = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    let places = (1..=8u64).filter_map(|step| base.checked_sub(below.checked_mul(step)?)).map(|at| at & !0xfff);
    // Go's programs begin so low on some CPUs that there is no room before them; they are small enough, and have no heap
    // behind them.
    let behind = (base < LOW).then(|| FAR_BEHIND.map(|distance| base + distance)).into_iter().flatten();
    // Nearly always the first one is free.
    places
        .filter(|at| *at >= JUST_BELOW)
        .chain(behind)
        .find(|at| kernel::map(*at, layout::STUBS_LEN, libc::PROT_READ | libc::PROT_EXEC, fixed, -1))
}
