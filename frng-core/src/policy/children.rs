//! clone(2), clone3(2): children that would not be traced, and so not be fooled (`kernel/fork.c: kernel_clone`).
//!
//! `CLONE_UNTRACED` means nothing but that, so it is taken away and nobody can tell. The tracer sees to it that the
//! child finds the arguments of its maker's own call in its registers.

use super::{Answer, Outcome, SCRATCH_LEN, Tracee, TraceeExt};
use crate::call::{Arg, Call, TraceeAddr};
use crate::errno::Errno;

const UNTRACED: u64 = libc::CLONE_UNTRACED as u64;
/// With these a child may have other mounts than its maker.
const APART: u64 = (libc::CLONE_NEWNS | libc::CLONE_NEWUSER) as u64;
/// Flags of interest, for the filter.
pub const LOOKED_AT: u64 = UNTRACED | APART;

/// Bytes of the first version of `struct clone_args`; its first member, of 64 bits, are the flags.
const CLONE_ARGS_SIZE_VER0: u64 = 64;
/// Bytes that the structure may have in later versions: the kernel refuses more than a page.
const CLONE_ARGS_SIZE_MAX: u64 = 4096;
const _: () = assert!(CLONE_ARGS_SIZE_MAX as usize <= SCRATCH_LEN);

/// clone(2) with one of the flags.
pub async fn clone<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let flags = call.word(Arg::Flags);
    if flags & APART != 0 {
        tracee.next_child_apart();
    }
    if flags & UNTRACED == 0 {
        return Ok(Answer::Pass);
    }
    let flags = flags & !UNTRACED;
    tracee.run(&call.with(Arg::Flags, flags)).await.map(Answer::Value)
}

/// clone3(2), whose flags are in memory. The program's structure stays as it is; the kernel gets a copy, which no other
/// thread of the program changes meanwhile.
pub async fn clone3<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let (args, len) = (call.addr(Arg::In), call.word(Arg::Length));
    let mut flags = [0; 8];
    if !(CLONE_ARGS_SIZE_VER0..=CLONE_ARGS_SIZE_MAX).contains(&len) || tracee.read(args, &mut flags).is_err() {
        return Ok(Answer::Pass);
    }
    if u64::from_ne_bytes(flags) & APART != 0 {
        tracee.next_child_apart();
    }
    if u64::from_ne_bytes(flags) & UNTRACED == 0 {
        return Ok(Answer::Pass);
    }
    let copy = tracee.scratch()?;
    copy_memory(tracee, args, copy, len)?;
    tracee.read(copy, &mut flags)?;
    tracee.write(copy, &(u64::from_ne_bytes(flags) & !UNTRACED).to_ne_bytes())?;
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
