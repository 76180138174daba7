//! Where frng must differ from root's kernel: the expected output stands here, and the oracle is not
//! asked.

use std::sync::atomic::{AtomicU32, Ordering};

use libc::SIGKILL;

use super::Case;
use crate::stage::{Child, as_user, fork, in_child};
use crate::sys::NULL;

/// This theme's cases.
pub const CASES: &[Case] = &[
    Case::expecting(
        module_path!(),
        "io_uring_setup_is_enosys",
        io_uring_setup_is_enosys,
        "io_uring_setup(1, &mut parameters) = ENOSYS\n",
    ),
    Case::expecting(
        module_path!(),
        "auditing_is_not_supported",
        auditing_is_not_supported,
        "audit = EPROTONOSUPPORT\nroute = ok\n",
    ),
    Case::expecting(
        module_path!(),
        "own_seccomp_filter_is_pretended",
        own_seccomp_filter_is_pretended,
        "prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) = 0\n\
         seccomp(SECCOMP_SET_MODE_FILTER, 0, &program) = 0\n\
         getppid = ok\n\
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) = 0\n\
         getppid = ok\n",
    ),
    Case::expecting(
        module_path!(),
        "busy_tracees_are_served_in_turn",
        busy_tracees_are_served_in_turn,
        "each had its share\n",
    ),
    Case::expecting(
        module_path!(),
        "a_signal_to_all_processes_goes_to_the_tree",
        a_signal_to_all_processes_goes_to_the_tree,
        "kill(-1, libc::SIGTERM) = 0\nchild killed by signal 15\nkill(-1, libc::SIGTERM) = 0\nroot lives\n\
         kill(-1, libc::SIGURG) = 0\nkill(child.pid, libc::SIGTERM) = 0\nchild killed by signal 15\n",
    ),
    Case::expecting(
        module_path!(),
        "code_mapped_over_the_trampoline_is_not_run",
        code_mapped_over_the_trampoline_is_not_run,
        "child killed by signal 9\n",
    ),
    Case::expecting(
        module_path!(),
        "calls_of_a_variant_are_enosys",
        calls_of_a_variant_are_enosys,
        "0x40000000 | getppid = ENOSYS\n0x40000000 | fchownat = ENOSYS\n",
    ),
];

/// x32 has its calls there, if the kernel has it; frng answers none of them.
fn calls_of_a_variant_are_enosys() {
    use crate::sys::{self, nr, nr::Number};
    let variant = |number: Number| Number::Known(0x4000_0000 | number.get().unwrap_or(0));
    let _ = sys::try_("0x40000000 | getppid", sys::invoke(variant(nr::getppid), &[]));
    let args = [libc::AT_FDCWD as usize, c"/".as_ptr() as usize, 0, 0, 0];
    let _ = sys::try_("0x40000000 | fchownat", sys::invoke(variant(nr::fchownat), &args));
}

/// As root it would end the machine; here the real user has processes besides. Where a namespace can be made this is not frng.
fn a_signal_to_all_processes_goes_to_the_tree() {
    in_child(|| {
        must!(unshare(libc::CLONE_NEWPID));
        in_child(|| match quiet!(getpid()) {
            Ok(1) => println!("this is no fake root"),
            _ => signal_all(),
        });
    });
}

fn signal_all() {
    let child = Child::of_user(1000);
    as_user(1000, || {
        let _ = call!(kill(-1, libc::SIGTERM));
    });
    child.end();
    let root = Child::new(|| ());
    as_user(1000, || {
        let _ = call!(kill(-1, libc::SIGTERM));
    });
    root.end();
    println!("root lives");
    let child = Child::of_user(1000);
    // Whoever started this is no tracee but the case's own processes, which do not mind.
    let _ = call!(kill(-1, libc::SIGURG));
    let _ = call!(kill(child.pid, libc::SIGTERM));
    child.end();
}

/// The kernel would refuse what is sent to it.
fn auditing_is_not_supported() {
    use crate::sys::ok_or_errno;
    let _ = ok_or_errno("audit", quiet!(socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_AUDIT)));
    let _ = ok_or_errno("route", quiet!(socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)));
}

/// Its requests would go around every tracer.
fn io_uring_setup_is_enosys() {
    let mut parameters = [0u32; 30];
    let _ = call!(io_uring_setup(1, &mut parameters));
}

/// The filter kills on getppid, were it installed; it would do the same to the calls frng needs.
fn own_seccomp_filter_is_pretended() {
    use libc::{PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, SECCOMP_SET_MODE_FILTER};
    let getppid = crate::sys::nr::getppid.get().unwrap_or(-1) as u32;
    let instruction = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let filter = [
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, getppid),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    let _ = call!(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    let _ = call!(seccomp(SECCOMP_SET_MODE_FILTER, 0, &program));
    let _ = crate::sys::ok_or_errno("getppid", quiet!(getppid()));
    let _ = call!(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
    let _ = crate::sys::ok_or_errno("getppid", quiet!(getppid()));
}

/// When the first of many that do nothing but intercepted calls has made many, all others must have made some. There
/// is nothing like it without a tracer: there the first is done before the last has begun.
fn busy_tracees_are_served_in_turn() {
    const PROCESSES: usize = 40;
    const MANY: u32 = 300;
    const SOME: u32 = MANY / 10;
    let size = PROCESSES * size_of::<AtomicU32>();
    // SAFETY: a new mapping at an address of the kernel's choice.
    let shared = unsafe {
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        libc::mmap(std::ptr::null_mut(), size, protection, flags, -1, 0)
    };
    if shared == libc::MAP_FAILED {
        println!("SETUP FAILED: mmap");
        return;
    }
    // SAFETY: the mapping has this size, is zeroed, and stays to the end of the process.
    let counts = unsafe { std::slice::from_raw_parts(shared.cast::<AtomicU32>(), PROCESSES) };
    let children = counts.iter().map(|count| {
        fork(|| {
            while count.load(Ordering::SeqCst) < 100 * MANY {
                // A call that stops whatever the engine.
                let _ = quiet!(prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0));
                count.fetch_add(1, Ordering::SeqCst);
            }
        })
    });
    let children: Vec<_> = children.flatten().collect();
    let begin: Vec<u32> = counts.iter().map(|count| count.load(Ordering::SeqCst)).collect();
    let made = || counts.iter().zip(&begin).map(|(count, begin)| count.load(Ordering::SeqCst) - begin);
    while made().max() < Some(MANY) {
        std::thread::yield_now();
    }
    let few = made().filter(|made| *made < SOME).count();
    for child in children {
        must!(kill(child, SIGKILL));
        must!(wait4(child, NULL, 0, NULL));
    }
    match few {
        0 => println!("each had its share"),
        _ => println!("{few} of {PROCESSES} had less than a tenth of what the first had"),
    }
}

/// It would run for ever with all signals held back. What is executable and shared is the trampoline.
fn code_mapped_over_the_trampoline_is_not_run() {
    crate::stage::file(c"f");
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let line = maps.lines().find(|line| line.contains(" r-xs "));
    let begin = line.and_then(|line| usize::from_str_radix(line.split('-').next()?, 16).ok());
    let Some(begin) = begin else {
        println!("SETUP FAILED: no trampoline");
        return;
    };
    in_child(|| {
        let protection = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        // SAFETY: nothing of this program is there.
        let address = unsafe { libc::mmap(begin as *mut _, 4096, protection, flags, -1, 0) };
        if address as usize != begin {
            println!("SETUP FAILED: mmap");
        }
        // Asked in the tracee, then set by the trampoline.
        let _ = call!(fchmodat(libc::AT_FDCWD, c"/proc/self/cwd/f", 0o640));
    });
}
