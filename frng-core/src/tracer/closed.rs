//! A program whose file may be executed but not read.
//!
//! The kernel lets nobody look into the memory of such a process (`fs/exec.c: would_dump`), so nothing can be prepared at
//! the exec event. But nothing has to be until it issues its first call, and the process itself may open its memory:
//! `PR_SET_DUMPABLE` is made to take the place of that call, then the program is prepared as any other, and issues its
//! call again. For root the file is no secret and the process open from the start, so nobody sees a difference.

use super::exec;
use super::flight::{Flight, Origin};
use super::ptrace::{self, Gone, SyscallInfo};
use super::run::Tracer;
use crate::call::{Call, Sys};
use crate::policy::{Answer, Tracee};

impl Tracer {
    /// The program has issued its first call, whichever it is.
    pub(super) fn open_memory(
        &mut self,
        tid: i32,
        info: &SyscallInfo,
        number: u64,
        args: [u64; 6],
    ) -> Result<(), Gone> {
        let abis = self.abis;
        let tracked = self.tracked(tid)?;
        let Some(abi) = abis.iter().find(|table| table.abi().audit_arch() == info.audit_arch) else {
            return self.give_up(tid, exec::Failure::unknown(info.audit_arch));
        };
        tracked.thread.abi.set(abi);
        let thread = std::rc::Rc::clone(&tracked.thread);
        let call = Call { sys: Sys::Prctl, args };
        let origin = Origin { call, abi, number, pc: info.pc, sp: info.sp };
        tracked.flight = Some(Flight::without_trampoline(
            origin,
            Box::pin(async move {
                // If it fails the memory stays closed, which is noticed.
                let _ = thread.syscall(Sys::Prctl, [libc::PR_SET_DUMPABLE as u64, 1, 0, 0, 0, 0]).await;
                Ok(Answer::Pass)
            }),
        ));
        self.advance(tid)
    }

    /// The memory is open, the program stands before its first call again, and `mask` are the signals that it blocks.
    pub(super) fn prepare_opened(&mut self, tid: i32, mask: u64, stack: u64) -> Result<(), Gone> {
        ptrace::set_signal_mask(tid, mask)?;
        self.prepare(tid, Some(stack))
    }
}
