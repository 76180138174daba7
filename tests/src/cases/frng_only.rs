//! Where frng must differ from root's kernel: the expected output stands here, and the oracle is not
//! asked.

use super::Case;

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
