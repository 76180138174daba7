//! ptrace(2), typed for what the tracer needs.
//!
//! Every request can fail with `ESRCH`: a tracee may be killed at any moment, also while it is stopped. That is
//! [`Gone::Dead`], never a reason to panic; its end is told by the next wait. Any other error is one that should not
//! be, and is told apart.

use std::ffi::c_void;
use std::fmt;
use std::io;
use std::ptr;

use crate::arch::{Abi, REGISTERS_MAX, Registers};
use crate::errno::Errno;

/// Why nothing more can be done with a stopped tracee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// It has died, or is not stopped where it should be because it is dying.
    Dead,
    /// The kernel refuses to do this, although the tracee lives.
    Refused(Refusal),
}

/// A request that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Refusal {
    request: Request,
    errno: Errno,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.request {
            libc::PTRACE_SEIZE => "PTRACE_SEIZE",
            libc::PTRACE_CONT => "PTRACE_CONT",
            libc::PTRACE_SYSCALL => "PTRACE_SYSCALL",
            libc::PTRACE_LISTEN => "PTRACE_LISTEN",
            libc::PTRACE_INTERRUPT => "PTRACE_INTERRUPT",
            libc::PTRACE_GETEVENTMSG => "PTRACE_GETEVENTMSG",
            libc::PTRACE_GETSIGINFO => "PTRACE_GETSIGINFO",
            libc::PTRACE_SETOPTIONS => "PTRACE_SETOPTIONS",
            libc::PTRACE_GETREGSET => "PTRACE_GETREGSET",
            libc::PTRACE_SETREGSET => "PTRACE_SETREGSET",
            request => return write!(f, "ptrace request {request:#x}: {}", self.errno),
        };
        write!(f, "{name}: {}", self.errno)
    }
}

/// `NT_PRSTATUS` (`include/uapi/linux/elf.h`): the general purpose registers.
const NT_PRSTATUS: usize = 1;

/// What all tracees are seized with. There is no `PTRACE_O_TRACEEXIT` but for [`Watch::End`]: a zombie tracee stays
/// invisible to its parent until it is reaped here, which is all that is needed to do something before its end is seen,
/// also after SIGKILL.
const OPTIONS: i32 = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACESECCOMP
    | libc::PTRACE_O_EXITKILL;

type Request = libc::c_uint;

fn request(request: Request, tid: i32, addr: usize, data: usize) -> Result<(), Refusal> {
    // SAFETY: callers pass either plain numbers or pointers to live memory of the size the request asks for.
    let result = unsafe { libc::ptrace(request as _, tid, addr as *mut c_void, data as *mut c_void) };
    if result == -1 { Err(Refusal { request, errno: last_errno() }) } else { Ok(()) }
}

fn last_errno() -> Errno {
    Errno(io::Error::last_os_error().raw_os_error().unwrap_or(0))
}

fn or_gone(result: Result<(), Refusal>) -> Result<(), Gone> {
    result.map_err(|refusal| if refusal.errno == Errno::ESRCH { Gone::Dead } else { Gone::Refused(refusal) })
}

/// Whether a process stops once more when it is about to end; so does what it makes, unless [`set_options`] ends that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// [`super::wait::Event::Ending`].
    End,
    /// They do not.
    Nothing,
}

/// Makes this thread the tracer of a process, which goes on running.
///
/// # Errors
/// ptrace's, `EPERM` among them when the system forbids it.
pub fn seize(tid: i32, watch: Watch) -> io::Result<()> {
    let options = match watch {
        Watch::End => OPTIONS | libc::PTRACE_O_TRACEEXIT,
        Watch::Nothing => OPTIONS,
    };
    request(libc::PTRACE_SEIZE, tid, 0, options as usize)
        .map_err(|refusal| io::Error::from_raw_os_error(refusal.errno.0))
}

/// Sets the options of a stopped tracee: those of all, and these.
pub fn set_options(tid: i32, more: i32) -> Result<(), Gone> {
    or_gone(request(libc::PTRACE_SETOPTIONS, tid, 0, (OPTIONS | more) as usize))
}

/// Any request, with `data` as the kernel itself takes it.
///
/// # Safety
/// `addr` and `data` are what the request takes: numbers, or the addresses of live memory of its size.
///
/// # Errors
/// The kernel's.
pub unsafe fn raw(request: u64, tid: i32, addr: usize, data: usize) -> Result<u64, Errno> {
    // SAFETY: the caller's.
    let result = unsafe { libc::syscall(libc::SYS_ptrace, request as libc::c_long, tid as libc::c_long, addr, data) };
    if result == -1 { Err(last_errno()) } else { Ok(result as u64) }
}

/// Lets a tracee run until its next event, delivering `signal` if it is not 0.
pub fn cont(tid: i32, signal: i32) -> Result<(), Gone> {
    or_gone(request(libc::PTRACE_CONT, tid, 0, signal as usize))
}

/// Lets a tracee run until its next syscall stop or event, delivering `signal` if it is not 0.
pub fn cont_to_syscall(tid: i32, signal: i32) -> Result<(), Gone> {
    or_gone(request(libc::PTRACE_SYSCALL, tid, 0, signal as usize))
}

/// Lets a tracee execute one instruction; it then stops with SIGTRAP. `signal` as for [`cont`].
pub fn step(tid: i32, signal: i32) -> Result<(), Gone> {
    or_gone(request(libc::PTRACE_SINGLESTEP, tid, 0, signal as usize))
}

/// What comes with the signal that a tracee is about to receive.
pub fn signal_info(tid: i32) -> Result<libc::siginfo_t, Gone> {
    // SAFETY: the structure holds integers and addresses; all zeros is a value of it.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    or_gone(request(libc::PTRACE_GETSIGINFO, tid, 0, &raw mut info as usize))?;
    Ok(info)
}

/// Writes `si_uid`, which stands behind `si_pid` in signals of kill(2) and of children, and where in all it is aligned as a
/// pointer is.
pub fn set_sender(info: &mut libc::siginfo_t, uid: u32) {
    const FIELDS: usize = (3 * size_of::<i32>()).next_multiple_of(size_of::<usize>());
    let at = FIELDS + size_of::<libc::pid_t>();
    // SAFETY: within the structure, which holds integers there.
    unsafe { (&raw mut *info).cast::<u8>().add(at).cast::<u32>().write_unaligned(uid) };
}

/// Changes what comes with the signal that a tracee is about to receive.
pub fn set_signal_info(tid: i32, info: &libc::siginfo_t) -> Result<(), Gone> {
    or_gone(request(libc::PTRACE_SETSIGINFO, tid, 0, &raw const *info as usize))
}

/// Leaves a tracee in its group-stop, so that SIGCONT works as without a tracer.
pub fn listen(tid: i32) -> Result<(), Gone> {
    or_gone(request(libc::PTRACE_LISTEN, tid, 0, 0))
}

/// Stops a running tracee; a call it waits in is restarted afterwards. Harmless if it has ended.
pub fn interrupt(tid: i32) {
    let _ = request(libc::PTRACE_INTERRUPT, tid, 0, 0);
}

/// Traces a process no longer that has just been seized by mistake.
pub fn let_go(tid: i32) {
    interrupt(tid);
    let mut status = 0;
    // SAFETY: `status` is live. A tracee of ours stops at once, or ends.
    unsafe { libc::waitpid(tid, &raw mut status, libc::__WALL) };
    // A signal that it was about to receive instead of our stop is delivered.
    let signal = if libc::WIFSTOPPED(status) && status >> 16 == 0 { libc::WSTOPSIG(status) } else { 0 };
    let _ = request(libc::PTRACE_DETACH, tid, 0, signal as usize);
}

/// `PTRACE_GETEVENTMSG`: the new thread of a fork event, the former id at an exec event.
pub fn event_message(tid: i32) -> Result<u64, Gone> {
    let mut message: libc::c_ulong = 0;
    or_gone(request(libc::PTRACE_GETEVENTMSG, tid, 0, &raw mut message as usize))?;
    Ok(message as u64)
}

/// Whether a tracee has stopped because it has become another program, whatever else was told of this id before: a
/// thread that is not the leader takes the leader's id over.
pub fn is_at_exec(tid: i32) -> Result<bool, Gone> {
    // SAFETY: the structure holds integers and addresses; all zeros is a value of it.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    match or_gone(request(libc::PTRACE_GETSIGINFO, tid, 0, &raw mut info as usize)) {
        Ok(()) => Ok(info.si_signo == libc::SIGTRAP && info.si_code >> 8 == libc::PTRACE_EVENT_EXEC),
        // In a group-stop there is none.
        Err(Gone::Refused(Refusal { errno: Errno::EINVAL, .. })) => Ok(false),
        Err(gone) => Err(gone),
    }
}

/// Whether a tracee has stopped as one that is seized does when it is interrupted, begins, or is in a group-stop.
pub fn is_at_event_stop(tid: i32) -> Result<bool, Gone> {
    signal_info(tid).map(|info| info.si_code >> 8 == libc::PTRACE_EVENT_STOP)
}

/// General purpose registers.
pub fn registers(tid: i32) -> Result<Registers, Gone> {
    let mut bytes = [0u8; REGISTERS_MAX];
    let mut iov = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    or_gone(request(libc::PTRACE_GETREGSET, tid, NT_PRSTATUS, &raw mut iov as usize))?;
    Ok(Registers::from_bytes(&bytes[..iov.iov_len.min(REGISTERS_MAX)]))
}

/// Sets the general purpose registers, and the number of the call if that is apart from them and to change.
pub fn set_registers(tid: i32, abi: &dyn Abi, registers: &Registers) -> Result<(), Gone> {
    set_register_set(tid, NT_PRSTATUS, registers.bytes())?;
    match (abi.number_set(), registers.number()) {
        (Some(set), Some(number)) => set_register_set(tid, set as usize, &number.to_ne_bytes()),
        _ => Ok(()),
    }
}

fn set_register_set(tid: i32, set: usize, bytes: &[u8]) -> Result<(), Gone> {
    let mut iov = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    or_gone(request(libc::PTRACE_SETREGSET, tid, set, &raw mut iov as usize))
}

/// The signals a tracee blocks, as the kernel's 64-bit set.
pub fn signal_mask(tid: i32) -> Result<u64, Gone> {
    let mut mask = 0u64;
    or_gone(request(libc::PTRACE_GETSIGMASK as Request, tid, size_of::<u64>(), &raw mut mask as usize))?;
    Ok(mask)
}

/// Sets the signals a tracee blocks.
pub fn set_signal_mask(tid: i32, mask: u64) -> Result<(), Gone> {
    or_gone(request(libc::PTRACE_SETSIGMASK as Request, tid, size_of::<u64>(), &raw const mask as usize))
}

/// Where in a syscall a tracee has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Before the call: syscall-enter-stop or seccomp stop.
    Entry {
        /// Its number in the ABI of `audit_arch`.
        number: u64,
        /// Its arguments.
        args: [u64; 6],
    },
    /// After the call.
    Exit {
        /// The raw result.
        result: u64,
    },
    /// In none.
    None,
}

/// What `PTRACE_GET_SYSCALL_INFO` tells (Linux 5.3).
#[derive(Clone, Copy, Debug)]
pub struct SyscallInfo {
    /// `AUDIT_ARCH_*` of the call, else of the program.
    pub audit_arch: u32,
    /// Program counter.
    pub pc: u64,
    /// Stack pointer.
    pub sp: u64,
    /// Before, after, or in no call.
    pub position: Position,
}

/// Asks where a tracee has stopped.
pub fn syscall_info(tid: i32) -> Result<SyscallInfo, Gone> {
    // SAFETY: the structure holds integers only; all zeros is a value of it.
    let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::ptrace_syscall_info>();
    or_gone(request(libc::PTRACE_GET_SYSCALL_INFO as Request, tid, size, &raw mut info as usize))?;
    let position = match info.op {
        libc::PTRACE_SYSCALL_INFO_ENTRY => {
            // SAFETY: `op` says which member of the union the kernel has filled.
            let entry = unsafe { info.u.entry };
            Position::Entry { number: entry.nr, args: entry.args }
        }
        libc::PTRACE_SYSCALL_INFO_SECCOMP => {
            // SAFETY: as above.
            let seccomp = unsafe { info.u.seccomp };
            Position::Entry { number: seccomp.nr, args: seccomp.args }
        }
        libc::PTRACE_SYSCALL_INFO_EXIT => {
            // SAFETY: as above.
            let exit = unsafe { info.u.exit };
            Position::Exit { result: exit.sval as u64 }
        }
        _ => Position::None,
    };
    Ok(SyscallInfo { audit_arch: info.arch, pc: info.instruction_pointer, sp: info.stack_pointer, position })
}

/// Whether there is a thread of this id, be it one that has ended and is not reaped yet.
pub fn exists(tid: i32) -> bool {
    // SAFETY: a plain system call; signal 0 is none.
    unsafe { libc::kill(tid, 0) == 0 }
}

/// Kills a tracee that can no longer be fooled.
pub fn kill(tid: i32) {
    // SAFETY: a plain system call.
    unsafe { libc::kill(tid, libc::SIGKILL) };
}

/// Whether a thread belongs to a process.
pub fn same_process(tgid: i32, tid: i32) -> bool {
    // SAFETY: a plain system call; signal 0 is none.
    unsafe { libc::syscall(libc::SYS_tgkill, tgid, tid, 0) == 0 }
}

/// Copies memory of a tracee; returns how many bytes could be read.
pub fn read_memory(tid: i32, from: u64, to: &mut [u8]) -> usize {
    let local = libc::iovec { iov_base: to.as_mut_ptr().cast(), iov_len: to.len() };
    let remote = libc::iovec { iov_base: ptr::without_provenance_mut(from as usize), iov_len: to.len() };
    // SAFETY: `local` describes `to`; the remote range is checked by the kernel.
    let got = unsafe { libc::process_vm_readv(tid, &raw const local, 1, &raw const remote, 1, 0) };
    usize::try_from(got).unwrap_or(0)
}

/// Writes memory of a tracee where the tracee itself could write; returns how many bytes were written.
pub fn write_memory(tid: i32, to: u64, from: &[u8]) -> usize {
    let local = libc::iovec { iov_base: from.as_ptr().cast_mut().cast(), iov_len: from.len() };
    let remote = libc::iovec { iov_base: ptr::without_provenance_mut(to as usize), iov_len: from.len() };
    // SAFETY: `local` describes `from`; the remote range is checked by the kernel.
    let put = unsafe { libc::process_vm_writev(tid, &raw const local, 1, &raw const remote, 1, 0) };
    usize::try_from(put).unwrap_or(0)
}

/// Writes pieces of a tracee's memory one after the other, each where the tracee itself could write. Four at most.
pub fn write_pieces(tid: i32, pieces: &[(u64, &[u8])]) {
    let none = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
    let (mut local, mut remote) = ([none; 4], [none; 4]);
    let count = pieces.len().min(local.len());
    for (index, (to, from)) in pieces.iter().take(count).enumerate() {
        local[index] = libc::iovec { iov_base: from.as_ptr().cast_mut().cast(), iov_len: from.len() };
        remote[index] = libc::iovec { iov_base: ptr::without_provenance_mut(*to as usize), iov_len: from.len() };
    }
    // SAFETY: `local` describes the pieces; the remote ranges are checked by the kernel.
    unsafe {
        libc::process_vm_writev(tid, local.as_ptr(), count as libc::c_ulong, remote.as_ptr(), count as libc::c_ulong, 0)
    };
}

/// Whether two threads share their memory; `None` if the kernel cannot tell.
pub fn same_memory(one: i32, other: i32) -> Option<bool> {
    /// `KCMP_VM` (`include/uapi/linux/kcmp.h`).
    const KCMP_VM: i32 = 1;
    have_in_common(one, other, KCMP_VM)
}

/// Whether two threads share their table of descriptors; `None` if the kernel cannot tell.
pub fn same_files(one: i32, other: i32) -> Option<bool> {
    /// `KCMP_FILES` (`include/uapi/linux/kcmp.h`).
    const KCMP_FILES: i32 = 2;
    have_in_common(one, other, KCMP_FILES)
}

/// Whether two threads have root and working directory in common (`CLONE_FS`); `None` if the kernel does not tell.
pub fn same_root(one: i32, other: i32) -> Option<bool> {
    /// `KCMP_FS` (`include/uapi/linux/kcmp.h`).
    const KCMP_FS: i32 = 3;
    have_in_common(one, other, KCMP_FS)
}

/// kcmp(2).
fn have_in_common(one: i32, other: i32, kind: i32) -> Option<bool> {
    // SAFETY: takes no memory.
    match unsafe { libc::syscall(libc::SYS_kcmp, one, other, kind, 0, 0) } {
        -1 => None,
        order => Some(order == 0),
    }
}

/// Copies `len` bytes from each of these addresses of a tracee, one behind the other, up to the first that cannot be read.
pub fn read_each(tid: i32, begins: &[u64], len: usize) -> Vec<u8> {
    let mut bytes = vec![0; begins.len() * len];
    let remote: Vec<libc::iovec> = begins
        .iter()
        .map(|begin| libc::iovec { iov_base: ptr::without_provenance_mut(*begin as usize), iov_len: len })
        .collect();
    let local = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: `local` describes `bytes`; the remote ranges are checked by the kernel.
    let got =
        unsafe { libc::process_vm_readv(tid, &raw const local, 1, remote.as_ptr(), remote.len() as libc::c_ulong, 0) };
    bytes.truncate(usize::try_from(got).unwrap_or(0));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stopped tracee of this thread that does nothing, killed in the end.
    struct Idle(i32);

    impl Idle {
        fn new() -> Idle {
            // SAFETY: the child of this process with several threads calls nothing but pause.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                loop {
                    // SAFETY: takes no memory.
                    unsafe { libc::pause() };
                }
            }
            let idle = Idle(pid);
            seize(pid, Watch::Nothing).unwrap();
            interrupt(pid);
            idle.wait();
            idle
        }

        fn wait(&self) -> i32 {
            let mut status = 0;
            // SAFETY: `status` is live.
            assert_eq!(unsafe { libc::waitpid(self.0, &raw mut status, libc::__WALL) }, self.0);
            status
        }
    }

    impl Drop for Idle {
        fn drop(&mut self) {
            kill(self.0);
            self.wait();
        }
    }

    #[test]
    fn a_refused_request_is_not_taken_for_death() {
        let idle = Idle::new();
        // There is no such signal.
        let refusal = cont(idle.0, 1000).unwrap_err();
        assert_eq!(refusal, Gone::Refused(Refusal { request: libc::PTRACE_CONT, errno: Errno::EIO }));
        let Gone::Refused(refusal) = refusal else { unreachable!() };
        assert_eq!(refusal.to_string(), "PTRACE_CONT: EIO");
        assert_eq!(cont(idle.0, 0), Ok(()));
        // It runs now.
        assert_eq!(cont(idle.0, 0), Err(Gone::Dead));
    }

    #[test]
    fn a_tracee_that_has_not_executed_anything_is_not_at_exec() {
        let idle = Idle::new();
        assert_eq!(is_at_exec(idle.0), Ok(false));
    }
}
