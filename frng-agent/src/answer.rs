//! A call that the program has issued.

use core::mem::MaybeUninit;

use frng_core::call::{Call, Scope, Sys, TraceeAddr, table};
use frng_core::errno::Errno;
use frng_core::inside::calls;
use frng_core::policy::{Answer, root, same_name};

use crate::arch::{self, Frame};
use crate::dispatch::now;
use crate::rooted::Kept;
use crate::thread::Thread;
use crate::{mapped, numbers};

/// Answers a call. If it returns false the program is to issue the call itself, which then stops if need be.
///
/// `scratch` is the begin of the stack's memory for handlers.
pub fn answer(frame: &mut Frame, scratch: u64) -> bool {
    let number = frame.number();
    let Some(sys) = numbers::sys(number) else { return false };
    let call = Call { sys, args: frame.args() };
    if !calls::answers(&call) {
        return false;
    }
    let local = mapped::local();
    let mut content = MaybeUninit::uninit();
    let Some(content) = local.read(&mut content).filter(|content| content.usable != 0 && content.has(sys)) else {
        return false;
    };
    let rooted = content.rooted != 0;
    if !rooted && !content.mounts.is_empty() && calls::removes_names(sys) {
        return false;
    }
    let Some(lies) = mapped::lies(content.lies_len) else { return false };
    if !call.stops(if rooted { Scope::Paths } else { Scope::Opens }) {
        return false;
    }
    let kept = Kept::new(&call);
    let thread = Thread::new(lies, local, content, frame.signals(), &kept, TraceeAddr(scratch));
    let is_alike = || now(same_name::are_all(&thread, &call, |name| content.mounts.may_have(name))) == Some(true);
    let outcome = if !rooted || is_alike() {
        now(table::dispatch(&thread, &call))
    } else if matches!(sys, Sys::Readlink | Sys::Readlinkat) {
        None
    } else {
        let outcome = now(root::by_paths(&thread, &call, false));
        kept.close();
        outcome
    };
    let Some(outcome) = outcome else { return false };
    if thread.interrupted() {
        // Before the program's own call is made, which is to be made once.
        return false;
    }
    let raw = match outcome {
        Ok(Answer::Value(value)) => value,
        Err(errno) => errno.to_raw(),
        // SAFETY: the program's own call, as it was made.
        Ok(Answer::Pass) => frame.signals().watch(sys, || unsafe { arch::syscall(number, call.args) }),
    };
    if thread.interrupted() || matches!(Errno::from_raw(raw), Err(Errno(512..=516))) {
        return false;
    }
    if let Some(counters) = mapped::counters(content.counters) {
        counters.count(sys, matches!(outcome, Ok(Answer::Pass)));
    }
    frame.set_result(raw);
    true
}
