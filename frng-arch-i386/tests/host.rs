//! The machine code and the seccomp filter, tried on the kernel itself: by 64-bit code, in which all of it means the same
//! as long as it lies below 4 GB. Only where the host is x86_64 Linux with 32-bit calls.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use std::arch::asm;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::ptr;

use frng_arch_i386::{ABI, gate};
use frng_core::arch::{Abi, BOOTSTRAP_MAX, DONE_NUMBER, TrampolineLayout};
use frng_core::call::Sys;
use frng_core::errno::Errno;
use frng_core::filter;

const PAGE: usize = 4096;
/// Where tests put code and paths: below 4 GB.
const LOW: u64 = 0x6000_0000;

const NOT_IMPLEMENTED: u64 = Errno::ENOSYS.to_raw();

/// Numbers of calls that are in no table of ours.
const GETPID: u32 = 20;

/// What the code has left when it trapped, as 32-bit errors and values are.
#[derive(Debug, PartialEq, Eq)]
struct Trapped {
    /// eax: the result of DONE_NUMBER.
    done: u64,
    /// ebx: its first argument, the result of the call before.
    result: u64,
}

/// Says why there is nothing to be tried.
fn is_skipped() -> bool {
    // Where the kernel has no 32-bit calls the instruction itself is not allowed.
    let skipped = !std::path::Path::new("/proc/sys/abi/vsyscall32").exists() || !filter::available();
    if skipped {
        eprintln!("skipped: this kernel has no 32-bit calls, or no seccomp filters");
    }
    skipped
}

/// A child process, because code that goes wrong may do anything and a filter stays. Fails with what `body` panics
/// with. A child that hangs is killed by its own alarm.
fn in_child(body: impl FnOnce() + std::panic::UnwindSafe) {
    // SAFETY: the child touches nothing but what it makes itself, and ends by _exit or a signal.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: as above.
            unsafe { libc::alarm(20) };
            let code = if std::panic::catch_unwind(body).is_ok() { 0 } else { 1 };
            // SAFETY: as above.
            unsafe { libc::_exit(code) };
        }
        child => {
            let mut status = 0;
            // SAFETY: `status` is live.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(status, 0, "the child has ended by wait status {status:#x}; its words are above");
        }
    }
}

/// Continues where r13 says, which [`run`] has set, with all other registers as they were at the trap.
extern "C" fn on_trap(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes a ucontext_t.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    registers[libc::REG_RIP as usize] = registers[libc::REG_R13 as usize];
}

/// Runs code that ends with a trap, as the kernel would start it: `number` and `args` in their registers.
fn run(address: u64, number: u32, args: [u32; 3]) -> Trapped {
    let (done, result): (u64, u64);
    // SAFETY: the handler is a function for SA_SIGINFO; the code is one of those under test, clobbers what is
    // declared and needs a word of stack below the red zone.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_trap as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        assert_eq!(libc::sigaction(libc::SIGILL, &raw const action, ptr::null_mut()), 0);
        asm!(
            "push rbx",
            "push rbp",
            "lea r13, [rip + 2f]",
            "mov ebx, r8d",
            "xor ebp, ebp",
            "jmp r12",
            "2:",
            "mov r14, rbx",
            "pop rbp",
            "pop rbx",
            in("r12") address,
            in("r8") args[0],
            inlateout("rax") u64::from(number) => done,
            inlateout("rcx") u64::from(args[1]) => _,
            inlateout("rdx") u64::from(args[2]) => _,
            inlateout("rsi") 0u64 => _,
            inlateout("rdi") 0u64 => _,
            out("r13") _,
            lateout("r14") result,
            lateout("r9") _,
            lateout("r10") _,
            lateout("r11") _,
        );
    }
    Trapped { done: ABI.result(done), result: ABI.result(result) }
}

/// Memory with this code in it.
fn executable(code: &[u8], address: u64) -> u64 {
    // SAFETY: a new mapping, filled within its length.
    unsafe {
        let page = libc::mmap(
            ptr::without_provenance_mut(address as usize),
            PAGE,
            libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
            -1,
            0,
        );
        assert_ne!(page, libc::MAP_FAILED);
        ptr::copy_nonoverlapping(code.as_ptr(), page.cast(), code.len());
        page as u64
    }
}

const LAYOUT: TrampolineLayout = TrampolineLayout {
    address: frng_arch_i386::trampoline::ADDRESS,
    code_offset: 2 * PAGE as u64,
    code_len: PAGE as u64,
    data_offset: 5 * PAGE as u64,
    data_len: 3 * PAGE as u64,
    second_stage: None,
};

/// Puts the bootstrap code at an address and runs it.
fn bootstrap(path: &str, address: u64) -> Trapped {
    let mut code = [0; BOOTSTRAP_MAX];
    let len = ABI.bootstrap_code(&LAYOUT, &mut code);
    let address = executable(&[&code[..len], path.as_bytes(), b"\0"].concat(), address);
    run(address, 0, [0; 3])
}

/// What this process has mapped at an address: the line of its maps file.
fn mapped_at(address: u64) -> String {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().find(|line| line.starts_with(&format!("{address:08x}-"))).unwrap_or_default().to_owned()
}

#[test]
fn the_trampoline_issues_a_call_and_then_says_what_it_returned() {
    if is_skipped() {
        return;
    }
    in_child(|| {
        let address = executable(ABI.trampoline_code(), LOW);
        let trapped = run(address, GETPID, [0; 3]);
        assert_eq!(trapped, Trapped { done: NOT_IMPLEMENTED, result: u64::from(std::process::id()) });
        let trapped = run(address, ABI.number(Sys::Close).unwrap(), [u32::MAX, 2, 3]);
        assert_eq!(trapped.result, Errno::EBADF.to_raw());
    });
}

#[test]
fn the_bootstrap_maps_code_and_data_and_leaves_no_descriptor() {
    if is_skipped() {
        return;
    }
    in_child(|| {
        // SAFETY: plain calls; the name is a terminated string.
        let file: File = unsafe { std::os::fd::FromRawFd::from_raw_fd(libc::memfd_create(c"t".as_ptr(), 0)) };
        file.set_len(LAYOUT.data_offset + LAYOUT.data_len).unwrap();
        file.write_all_at(ABI.trampoline_code(), LAYOUT.code_offset).unwrap();
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
        let before = descriptors();
        let trapped = bootstrap(&path, LOW);
        assert_eq!(trapped, Trapped { done: NOT_IMPLEMENTED, result: ABI.trampoline_address() });
        assert_eq!(descriptors(), before);

        let code = ABI.trampoline_address();
        let data = code + LAYOUT.code_len;
        assert!(mapped_at(code).contains(" r-xs 00002000 "), "{}", mapped_at(code));
        assert!(mapped_at(data).contains(" rw-s 00005000 "), "{}", mapped_at(data));
        assert_eq!(run(code, GETPID, [0; 3]).result, u64::from(std::process::id()));

        // Nothing that is already there is replaced.
        assert_eq!(bootstrap(&path, LOW + 0x1_0000).result, Errno::EEXIST.to_raw());
        assert_eq!(descriptors(), before);
        assert_eq!(bootstrap("/proc/self/fd/none", LOW + 0x2_0000).result, Errno::ENOENT.to_raw());
    });
}

/// Nobody traces the child, so a call that would stop fails with ENOSYS instead.
#[test]
fn the_kernel_takes_the_filter_and_stops_at_the_calls_of_the_table_only() {
    if is_skipped() {
        return;
    }
    for every_open in [false, true] {
        in_child(move || {
            let gate = executable(gate::FROM_64_BIT_CODE, LOW);
            let path = executable(b"/\0", LOW + 0x1_0000) as u32;
            let trampoline = executable(ABI.trampoline_code(), ABI.trampoline_address());
            // SAFETY: such a function has just been put there. No call below writes to memory.
            let function: extern "C" fn(u32, *const [u32; 6]) -> i32 =
                unsafe { std::mem::transmute(ptr::without_provenance::<()>(gate as usize)) };
            let call = |number: u32, args: [u32; 3]| {
                let words = [args[0], args[1], args[2], 0, 0, 0];
                function(number, &raw const words) as i64 as u64
            };
            let number = |sys: Sys| ABI.number(sys).unwrap();
            // SAFETY: a plain call.
            let uid = u64::from(unsafe { libc::getuid() });
            // SAFETY: a plain call.
            assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
            let program = filter::build(&[&frng_arch_x86_64::ABI, &ABI], every_open);
            eprintln!("{} instructions", program.len());
            filter::install(&program).unwrap();

            assert_eq!(call(GETPID, [0; 3]), u64::from(std::process::id()));
            for sys in [Sys::Getuid, Sys::Getuid16, Sys::Stat64, Sys::Oldstat, Sys::Chown16] {
                assert_eq!(call(number(sys), [path, 0, 0]), NOT_IMPLEMENTED, "{sys:?}");
            }
            let open = call(number(Sys::Open), [path, 0, 0]);
            assert_eq!(open == NOT_IMPLEMENTED, every_open, "{open:#x}");
            assert_eq!(call(number(Sys::Open), [path, libc::O_CREAT as u32, 0]), NOT_IMPLEMENTED);
            // Of socketcall only bind stops.
            assert_eq!(call(number(Sys::Socketcall), [2, 0, 0]), NOT_IMPLEMENTED);
            assert_eq!(call(number(Sys::Socketcall), [99, 0, 0]), Errno::EINVAL.to_raw());
            assert_eq!(call(DONE_NUMBER, [0; 3]), NOT_IMPLEMENTED);

            assert_eq!(run(trampoline, number(Sys::Getuid), [0; 3]).result, uid);
            let open = [path, libc::O_CREAT as u32 | libc::O_DIRECTORY as u32, 0];
            assert_ne!(run(trampoline, number(Sys::Open), open).result, NOT_IMPLEMENTED);
        });
    }
}
