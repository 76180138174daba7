//! clone(2), clone3(2): children that would not be traced, and so not be fooled (`kernel/fork.c: kernel_clone`), and children
//! in namespaces that only root may make.
//!
//! `CLONE_UNTRACED` means nothing but that, so it is taken away and nobody can tell. New namespaces mean nothing, as for
//! unshare(2), so their flags are taken away where the kernel would refuse them; it cannot be tried first, as a child begins
//! where its maker's call is. The tracer sees to it that the child finds the arguments of its maker's own call in its registers.

use super::{Answer, Outcome, SCRATCH_LEN, Tracee, TraceeExt, namespaces};
use crate::call::{Arg, Call, TraceeAddr};
use crate::creds::CAP_SYS_ADMIN;
use crate::errno::Errno;

const UNTRACED: u64 = libc::CLONE_UNTRACED as u64;
/// With these a child may have other mounts than its maker.
const APART: u64 = (libc::CLONE_NEWNS | libc::CLONE_NEWUSER) as u64;
/// `CLONE_NEWTIME` (`include/uapi/linux/sched.h`), which clone(2) takes for part of a signal's number.
const NEWTIME: u64 = 0x80;
/// The namespaces that only root may make.
const PRIVILEGED: u64 = namespaces::PRIVILEGED as u32 as u64 & !NEWTIME;
/// Flags of interest, for the filter.
pub const LOOKED_AT: u64 = UNTRACED | APART | PRIVILEGED;

/// Bytes of the first version of `struct clone_args`; its first member, of 64 bits, are the flags.
const CLONE_ARGS_SIZE_VER0: u64 = 64;
/// Bytes that the structure may have in later versions: the kernel refuses more than a page.
const CLONE_ARGS_SIZE_MAX: u64 = 4096;
const _: () = assert!(CLONE_ARGS_SIZE_MAX as usize <= SCRATCH_LEN);

/// clone(2) with one of the flags.
pub async fn clone<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let flags = call.word(Arg::Flags);
    let meaningless = meaningless(tracee, flags, PRIVILEGED)?;
    tracee.next_child_untraced(flags & UNTRACED != 0);
    if flags & !meaningless & APART != 0 {
        tracee.next_child_apart();
    }
    if flags & meaningless & NEWNS != 0 {
        tracee.next_child_mounts_apart();
    }
    if flags & meaningless == 0 {
        return Ok(Answer::Pass);
    }
    tracee.run(&call.with(Arg::Flags, flags & !meaningless)).await.map(Answer::Value)
}

/// `CLONE_NEWNS` among the flags.
const NEWNS: u64 = libc::CLONE_NEWNS as u64;

/// The flags that are taken away, of which `namespaces` are those for new ones.
///
/// # Errors
/// `EINVAL` for what the kernel refuses even root.
fn meaningless<T: Tracee>(tracee: &T, flags: u64, namespaces: u64) -> Result<u64, Errno> {
    const NEWUSER: u64 = libc::CLONE_NEWUSER as u64;
    let has_both = |new: i32, shared: i32| flags & new as u64 != 0 && flags & shared as u64 != 0;
    let is_roots = tracee.creds().has(CAP_SYS_ADMIN) && flags & NEWUSER == 0;
    // In a user namespace of the program's own, or if somebody really is root, they are made. Some the kernel refuses before
    // it looks at capabilities (kernel/fork.c: copy_process), others afterwards (kernel/nsproxy.c: copy_namespaces).
    if !is_roots
        || tracee.has_own_view()
        || tracee.settings().real_uid == 0
        || has_both(libc::CLONE_NEWNS, libc::CLONE_FS)
        || has_both(libc::CLONE_NEWPID, libc::CLONE_THREAD)
    {
        return Ok(UNTRACED);
    }
    if has_both(libc::CLONE_NEWIPC, libc::CLONE_SYSVSEM) {
        return Err(Errno::EINVAL);
    }
    Ok(UNTRACED | namespaces)
}

/// clone3(2), whose flags are in memory. The program's structure stays as it is; the kernel gets a copy, which no other
/// thread of the program changes meanwhile.
pub async fn clone3<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let (args, len) = (call.addr(Arg::In), call.word(Arg::Length));
    let mut flags = [0; 8];
    if !(CLONE_ARGS_SIZE_VER0..=CLONE_ARGS_SIZE_MAX).contains(&len) || tracee.read(args, &mut flags).is_err() {
        return Ok(Answer::Pass);
    }
    let wanted = u64::from_ne_bytes(flags);
    let meaningless = meaningless(tracee, wanted, PRIVILEGED | NEWTIME)?;
    tracee.next_child_untraced(wanted & UNTRACED != 0);
    if wanted & !meaningless & APART != 0 {
        tracee.next_child_apart();
    }
    if wanted & meaningless & NEWNS != 0 {
        tracee.next_child_mounts_apart();
    }
    if wanted & meaningless == 0 {
        return Ok(Answer::Pass);
    }
    let copy = tracee.scratch()?;
    copy_memory(tracee, args, copy, len)?;
    tracee.read(copy, &mut flags)?;
    tracee.write(copy, &(u64::from_ne_bytes(flags) & !meaningless).to_ne_bytes())?;
    tracee.run(&call.with(Arg::In, copy.0)).await.map(Answer::Value)
}

fn copy_memory<T: Tracee>(tracee: &T, from: TraceeAddr, to: TraceeAddr, len: u64) -> Result<(), Errno> {
    let mut piece = [0; 256];
    for done in (0..len).step_by(piece.len()) {
        let part = piece.len().min((len - done) as usize);
        let bytes = piece.get_mut(..part).ok_or(Errno::EFAULT)?;
        tracee.read(from.add(done), bytes)?;
        tracee.write(to.add(done), bytes)?;
    }
    Ok(())
}
