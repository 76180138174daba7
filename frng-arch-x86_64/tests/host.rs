//! The machine code and the seccomp filter, tried on the kernel itself. Only where the host is x86_64 Linux.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use std::arch::asm;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::ptr;

use frng_arch_x86_64::{ABI, X86_64};
use frng_core::arch::{Abi, BOOTSTRAP_MAX, DONE_NUMBER, TrampolineLayout};
use frng_core::errno::Errno;
use frng_core::filter;

const PAGE: usize = 4096;

/// What the code has left when it trapped.
#[derive(Debug, PartialEq, Eq)]
struct Trapped {
    /// rax: the result of DONE_NUMBER.
    done: u64,
    /// rdi: its first argument, the result of the call before.
    result: u64,
}

const NOT_IMPLEMENTED: u64 = Errno::ENOSYS.to_raw();

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
fn run(address: u64, number: u64, args: [u64; 6]) -> Trapped {
    let (done, result);
    // SAFETY: the handler is a function for SA_SIGINFO; the code is one of those under test, clobbers what is
    // declared and uses no stack.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_trap as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        assert_eq!(libc::sigaction(libc::SIGILL, &raw const action, ptr::null_mut()), 0);
        asm!(
            "lea r13, [rip + 2f]",
            "jmp {address}",
            "2:",
            address = in(reg) address,
            inlateout("rax") number => done,
            inlateout("rdi") args[0] => result,
            inlateout("rsi") args[1] => _,
            inlateout("rdx") args[2] => _,
            inlateout("r10") args[3] => _,
            inlateout("r8") args[4] => _,
            inlateout("r9") args[5] => _,
            out("r12") _,
            out("r13") _,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    Trapped { done, result }
}

/// Memory with this code in it.
fn executable(code: &[u8], address: u64) -> u64 {
    let fixed = if address == 0 { 0 } else { libc::MAP_FIXED_NOREPLACE };
    // SAFETY: a new mapping, filled within its length.
    unsafe {
        let page = libc::mmap(
            ptr::without_provenance_mut(address as usize),
            PAGE,
            libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | fixed,
            -1,
            0,
        );
        assert_ne!(page, libc::MAP_FAILED);
        ptr::copy_nonoverlapping(code.as_ptr(), page.cast(), code.len());
        page as u64
    }
}

/// An unlinked file like the daemon's, with the code of another ABI before ours.
fn trampoline_file(layout: &TrampolineLayout) -> File {
    let mut template = std::env::temp_dir().join("frng-XXXXXX").into_os_string().into_encoded_bytes();
    template.push(0);
    // SAFETY: a terminated string that mkstemp may write to.
    let file: File = unsafe {
        let fd = libc::mkstemp(template.as_mut_ptr().cast());
        assert!(fd >= 0);
        libc::unlink(template.as_ptr().cast());
        std::os::fd::FromRawFd::from_raw_fd(fd)
    };
    file.set_len(layout.data_offset + layout.data_len).unwrap();
    file.write_all_at(X86_64.trampoline_code(), layout.code_offset).unwrap();
    file
}

const LAYOUT: TrampolineLayout = TrampolineLayout {
    address: frng_arch_x86_64::trampoline::ADDRESS,
    code_offset: 2 * PAGE as u64,
    code_len: PAGE as u64,
    data_offset: 5 * PAGE as u64,
    data_len: 3 * PAGE as u64,
    second_stage: None,
};

/// Puts the bootstrap code somewhere and runs it.
fn bootstrap(path: &str) -> Trapped {
    let mut code = [0; BOOTSTRAP_MAX];
    let len = ABI.bootstrap_code(&LAYOUT, &mut code);
    let address = executable(&[&code[..len], path.as_bytes(), b"\0"].concat(), 0);
    run(address, 0, [0; 6])
}

/// What this process has mapped at an address: the line of its maps file.
fn mapped_at(address: u64) -> String {
    let mut maps = String::new();
    File::open("/proc/self/maps").unwrap().read_to_string(&mut maps).unwrap();
    maps.lines().find(|line| line.starts_with(&format!("{address:x}-"))).unwrap_or_default().to_owned()
}

#[test]
fn the_trampoline_issues_a_call_and_then_says_what_it_returned() {
    in_child(|| {
        let address = executable(ABI.trampoline_code(), 0);
        let trapped = run(address, libc::SYS_getpid as u64, [0; 6]);
        assert_eq!(trapped, Trapped { done: NOT_IMPLEMENTED, result: u64::from(std::process::id()) });
        let trapped = run(address, libc::SYS_close as u64, [u64::MAX, 2, 3, 4, 5, 6]);
        assert_eq!(trapped.result, Errno::EBADF.to_raw());
    });
}

#[test]
fn the_bootstrap_maps_code_and_data_and_leaves_no_descriptor() {
    in_child(|| {
        let file = trampoline_file(&LAYOUT);
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
        let before = descriptors();
        let trapped = bootstrap(&path);
        assert_eq!(trapped, Trapped { done: NOT_IMPLEMENTED, result: ABI.trampoline_address() });
        assert_eq!(descriptors(), before);

        let code = ABI.trampoline_address();
        let data = code + LAYOUT.code_len;
        assert!(mapped_at(code).contains(" r-xs 00002000 "), "{}", mapped_at(code));
        assert!(mapped_at(data).contains(" rw-s 00005000 "), "{}", mapped_at(data));
        // SAFETY: just mapped.
        unsafe { ptr::without_provenance_mut::<u64>(data as usize).write(0x1122_3344) };
        let mut seen = [0; 8];
        file.read_exact_at(&mut seen, LAYOUT.data_offset).unwrap();
        assert_eq!(u64::from_ne_bytes(seen), 0x1122_3344);
        assert_eq!(run(code, libc::SYS_getpid as u64, [0; 6]).result, u64::from(std::process::id()));

        // Nothing that is already there is replaced.
        let exists = -libc::EEXIST as i64 as u64;
        assert_eq!(bootstrap(&path).result, exists);
        assert_eq!(descriptors(), before);
        assert_eq!(bootstrap("/proc/self/fd/none").result, Errno::ENOENT.to_raw());
    });
}

#[test]
fn a_bootstrap_leaves_room_in_its_buffer() {
    let layout = TrampolineLayout {
        address: frng_arch_x86_64::trampoline::ADDRESS,
        code_offset: u64::MAX,
        code_len: u64::MAX,
        data_offset: u64::MAX,
        data_len: u64::MAX,
        second_stage: Some(u64::MAX),
    };
    assert!(ABI.bootstrap_code(&layout, &mut [0; BOOTSTRAP_MAX]) < BOOTSTRAP_MAX);
}

/// A call issued from here.
fn call(number: i64, args: [u64; 6]) -> u64 {
    let result;
    // SAFETY: callers pass arguments that write to nothing but what they name.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r9") args[5],
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

fn install(stop_at_every_open: bool) {
    // SAFETY: a plain call.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    filter::install(&filter::build(&[&ABI], stop_at_every_open)).unwrap();
}

/// Nobody traces the child, so a call that would stop fails with ENOSYS instead.
#[test]
fn the_kernel_takes_the_filter_and_stops_at_the_calls_of_the_table_only() {
    if !filter::available() {
        eprintln!("skipped: this kernel has no seccomp filters");
        return;
    }
    for every_open in [false, true] {
        in_child(move || {
            let trampoline = executable(ABI.trampoline_code(), ABI.trampoline_address());
            let pid = u64::from(std::process::id());
            let path = c"/".as_ptr() as u64;
            let at = libc::AT_FDCWD as u64;
            // SAFETY: a plain call.
            let uid = u64::from(unsafe { libc::getuid() });
            install(every_open);

            assert_eq!(call(libc::SYS_getpid, [0; 6]), pid);
            assert_eq!(call(libc::SYS_getuid, [0; 6]), NOT_IMPLEMENTED);
            let open = call(libc::SYS_openat, [at, path, 0, 0, 0, 0]);
            assert_eq!(open == NOT_IMPLEMENTED, every_open, "{open:#x}");
            let create = libc::O_CREAT as u64;
            assert_eq!(call(libc::SYS_openat, [at, path, create, 0, 0, 0]), NOT_IMPLEMENTED);
            // Of prctl only some operations stop.
            assert_eq!(call(libc::SYS_prctl, [libc::PR_GET_TIMERSLACK as u64, 0, 0, 0, 0, 0]), 50_000);
            assert_eq!(call(libc::SYS_prctl, [libc::PR_GET_KEEPCAPS as u64, 0, 0, 0, 0, 0]), NOT_IMPLEMENTED);
            assert_eq!(call(i64::from(DONE_NUMBER), [0; 6]), NOT_IMPLEMENTED);

            assert_eq!(run(trampoline, libc::SYS_getuid as u64, [0; 6]).result, uid);
            assert_ne!(run(trampoline, libc::SYS_openat as u64, [at, path, 0, 0, 0, 0]).result, NOT_IMPLEMENTED);
        });
    }
}

#[test]
fn calls_by_the_numbers_of_other_conventions_fail_under_the_filter() {
    if !filter::available() {
        eprintln!("skipped: this kernel has no seccomp filters");
        return;
    }
    in_child(|| {
        install(false);
        let x32_getpid = 0x4000_0000 | libc::SYS_getpid;
        assert_eq!(call(x32_getpid, [0; 6]), NOT_IMPLEMENTED);
    });
    // Where the kernel has no 32-bit calls at all the instruction itself is not allowed.
    let compat = std::path::Path::new("/proc/sys/abi/vsyscall32").exists();
    if !compat {
        eprintln!("skipped int $0x80: this kernel has no 32-bit calls");
        return;
    }
    in_child(|| {
        let i386_getpid = || {
            let result: u64;
            // SAFETY: getpid of the i386 table touches nothing.
            unsafe { asm!("int 0x80", inlateout("rax") 20u64 => result) };
            result
        };
        assert_eq!(i386_getpid(), u64::from(std::process::id()));
        install(false);
        assert_eq!(i386_getpid() as u32, Errno::ENOSYS.to_raw() as u32);
    });
}
