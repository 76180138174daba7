//! A handler under way: what it waits for, and how its tracee is put back when it ends.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::abi_table::AbiTable;
use super::ptrace::{self, Gone};
use super::thread::{Request, Thread};
use crate::arch::{Abi, Registers};
use crate::call::Call;
use crate::errno::{self, Errno};
use crate::policy::{Answer, Outcome};

/// What a handler fails with to have the program issue its call once more, to be answered then.
pub const ERESTARTNOINTR: Errno = Errno(errno::ERESTARTNOINTR);

/// Where the tracee of a running handler is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before the program's own call.
    Entry,
    /// After the call that took its place.
    Exit,
    /// After a call that came to nothing, where [`crate::arch::Abi::cancels_at_entry`] does not hold.
    Nothing,
    /// Before the trampoline's [`crate::arch::DONE_NUMBER`], which is never to run.
    Done,
    /// In no call.
    Outside,
}

/// The call a handler answers.
#[derive(Clone, Copy)]
pub struct Origin {
    /// In neutral form.
    pub call: Call,
    /// The convention it was issued by.
    pub abi: &'static AbiTable,
    /// Its number there.
    pub number: u64,
    /// Program counter behind its instruction.
    pub pc: u64,
    /// Stack pointer.
    pub sp: u64,
}

impl Origin {
    /// Whether this is the same call at the same place, issued again.
    pub fn is_again(&self, number: u64, pc: u64, sp: u64) -> bool {
        (self.number, self.pc, self.sp) == (number, pc, sp)
    }
}

/// How the tracee has to run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The call in place of the program's own runs; stop at its exit.
    InPlace,
    /// The program's own call runs as none; stop at its exit.
    Cancelled,
    /// A call runs in the trampoline.
    Injected,
    /// A call is issued by the instruction that issued the program's own.
    Reissued,
    /// Nothing runs; another thread of ours has been asked something.
    Elsewhere,
    /// The handler has ended.
    Finished(Outcome),
    /// The handler has ended; the program's own call will be issued again and is to be let through. Until then all
    /// signals are held back, since a handler that jumps away would leave the next call at that place unlooked at; then
    /// the program's own mask, this one, is to be set again.
    FinishedAgain(u64),
}

/// What has to wait until a cancelled call is at its exit.
enum Postponed {
    Request(Request),
    Outcome(Outcome),
}

/// A handler under way.
pub struct Flight {
    future: Pin<Box<dyn Future<Output = Outcome>>>,
    /// The call it answers, if it answers one.
    pub origin: Option<Origin>,
    /// The convention of that call, or of one that was interrupted.
    abi: &'static AbiTable,
    at: At,
    start: Option<Registers>,
    blocked: Option<u64>,
    postponed: Option<Postponed>,
    has_trampoline: bool,
}

/// What a thread or process has to forget that was made by a call in place of the program's own.
pub struct Birth {
    origin: Origin,
    blocked: Option<u64>,
}

impl Flight {
    /// A handler for a call that has just been entered.
    pub fn of_call(origin: Origin, future: Pin<Box<dyn Future<Output = Outcome>>>) -> Flight {
        Flight {
            future,
            origin: Some(origin),
            abi: origin.abi,
            at: At::Entry,
            start: None,
            blocked: None,
            postponed: None,
            has_trampoline: true,
        }
    }

    /// The same in a program that has no trampoline yet. It may issue one call.
    pub fn without_trampoline(origin: Origin, future: Pin<Box<dyn Future<Output = Outcome>>>) -> Flight {
        Flight { has_trampoline: false, ..Flight::of_call(origin, future) }
    }

    /// Something to do for a thread stopped outside of any call, or in one by this convention that was interrupted. Its
    /// [`Answer`] does not matter.
    pub fn outside(abi: &'static AbiTable, future: Pin<Box<dyn Future<Output = Outcome>>>) -> Flight {
        Flight {
            future,
            origin: None,
            abi,
            at: At::Outside,
            start: None,
            blocked: None,
            postponed: None,
            has_trampoline: true,
        }
    }

    /// What a thread or process that is made now will have to forget.
    pub fn birth(&self) -> Option<Birth> {
        self.origin.map(|origin| Birth { origin, blocked: self.blocked })
    }

    /// The call in place has returned; its result is what the handler waits for unless it was cancelled.
    pub fn at_exit(&mut self) -> bool {
        let real = self.postponed.is_none();
        self.at = if real { At::Exit } else { At::Nothing };
        real
    }

    /// Whether the tracee stands behind its call, or what took its place.
    pub fn is_at_exit(&self) -> bool {
        matches!(self.at, At::Exit | At::Nothing)
    }

    /// The call in the trampoline has returned: the tracee is before [`crate::arch::DONE_NUMBER`], or after it where
    /// that cannot be cancelled.
    pub fn at_done(&mut self) {
        self.at = if self.abi.abi().cancels_at_entry() { At::Done } else { At::Nothing };
    }

    /// The trampoline could not run.
    pub fn at_fault(&mut self) {
        self.at = At::Outside;
    }

    /// Runs the handler until it waits or ends, and sets the tracee's registers accordingly.
    pub fn advance(&mut self, thread: &Thread) -> Result<Next, Gone> {
        match self.postponed.take() {
            Some(Postponed::Outcome(outcome)) => return self.finish(thread, outcome),
            Some(Postponed::Request(request)) if !self.has_trampoline => {
                self.reissue(thread, request)?;
                return Ok(Next::Reissued);
            }
            Some(Postponed::Request(request)) => {
                self.inject(thread, request)?;
                return Ok(Next::Injected);
            }
            None => {}
        }
        let mut context = Context::from_waker(Waker::noop());
        loop {
            let waits = self.at == At::Entry && !self.abi.abi().cancels_at_entry();
            match self.future.as_mut().poll(&mut context) {
                Poll::Ready(outcome) if waits && outcome != Ok(Answer::Pass) => {
                    return self.cancel(thread, Postponed::Outcome(outcome));
                }
                Poll::Ready(outcome) => return self.finish(thread, outcome),
                Poll::Pending => {}
            }
            match thread.take_request() {
                Some(request)
                    if waits
                        && (!std::ptr::eq(request.abi, self.abi) || self.first_argument() != Some(request.args[0])) =>
                {
                    return self.cancel(thread, Postponed::Request(request));
                }
                Some(request) if self.at == At::Entry && std::ptr::eq(request.abi, self.abi) => {
                    self.replace(thread, request)?;
                    return Ok(Next::InPlace);
                }
                Some(request) => {
                    self.inject(thread, request)?;
                    return Ok(Next::Injected);
                }
                None if thread.waits_elsewhere.take() => return Ok(Next::Elsewhere),
                // A handler that waits for something else than a call would wait for ever.
                None => thread.set_reply(Err(Errno::EIO)),
            }
        }
    }

    fn start(&mut self, thread: &Thread) -> Result<Registers, Gone> {
        match self.start {
            Some(registers) => Ok(registers),
            None => {
                let mut registers = ptrace::registers(thread.tid)?;
                if self.origin.is_none() {
                    self.abi.abi().settle(&mut registers);
                }
                self.start = Some(registers);
                Ok(registers)
            }
        }
    }

    fn first_argument(&self) -> Option<u64> {
        self.origin.map(|origin| origin.call.args[0])
    }

    /// No call in place of the program's own; the rest at its exit.
    fn cancel(&mut self, thread: &Thread, then: Postponed) -> Result<Next, Gone> {
        let args = self.origin.map(|origin| origin.call.args).unwrap_or_default();
        self.replace(thread, Request { abi: self.abi, number: u32::MAX, args })?;
        self.postponed = Some(then);
        Ok(Next::Cancelled)
    }

    /// Another call in place of the program's own, which has not begun.
    fn replace(&mut self, thread: &Thread, request: Request) -> Result<(), Gone> {
        let mut registers = self.start(thread)?;
        let abi = request.abi.abi();
        abi.replace_call(&mut registers, request.number, request.args);
        ptrace::set_registers(thread.tid, abi, &registers)
    }

    /// Another call by the instruction that issued the program's own, which has come to nothing.
    fn reissue(&mut self, thread: &Thread, request: Request) -> Result<(), Gone> {
        let mut registers = self.start(thread)?;
        let abi = request.abi.abi();
        abi.rewind_call(&mut registers, request.number, request.args);
        ptrace::set_registers(thread.tid, abi, &registers)
    }

    /// A call through the trampoline, with all signals held back until the handler ends.
    fn inject(&mut self, thread: &Thread, request: Request) -> Result<(), Gone> {
        let mut registers = self.start(thread)?;
        let abi = request.abi.abi();
        if self.blocked.is_none() && is_overwritten(thread, abi) {
            thread.world.log.error(format_args!(
                "{}: killed, because it has mapped something else over the trampoline at {:#x}",
                thread.tid,
                thread.world.trampoline.address(abi)
            ));
            ptrace::kill(thread.tid);
            return Err(Gone::Dead);
        }
        self.hold_signals(thread)?;
        abi.prepare_call(&mut registers, thread.world.trampoline.address(abi), request.number, request.args);
        ptrace::set_registers(thread.tid, abi, &registers)
    }

    /// Holds all signals back until the handler ends, if that is not done yet.
    fn hold_signals(&mut self, thread: &Thread) -> Result<u64, Gone> {
        if let Some(mask) = self.blocked {
            return Ok(mask);
        }
        let mask = ptrace::signal_mask(thread.tid)?;
        ptrace::set_signal_mask(thread.tid, u64::MAX)?;
        self.blocked = Some(mask);
        thread.program_mask.set(Some(mask));
        Ok(mask)
    }

    /// Back to before the program's own call, which has not been made.
    fn issue_again(&mut self, thread: &Thread, origin: Origin) -> Result<Next, Gone> {
        let mask = self.hold_signals(thread)?;
        let mut registers = self.start(thread)?;
        let abi = self.abi.abi();
        abi.rewind_call(&mut registers, origin.number as u32, origin.call.args);
        ptrace::set_registers(thread.tid, abi, &registers)?;
        Ok(Next::FinishedAgain(mask))
    }

    fn finish(&mut self, thread: &Thread, outcome: Outcome) -> Result<Next, Gone> {
        thread.release_slot();
        thread.program_mask.set(None);
        if matches!(outcome, Ok(Answer::Pass)) && self.at != At::Entry {
            if let Some(origin) = self.origin {
                return self.issue_again(thread, origin);
            }
        }
        if let Some(mask) = self.blocked.take() {
            ptrace::set_signal_mask(thread.tid, mask)?;
        }
        let Some(origin) = self.origin else {
            if self.start.is_some() {
                let registers = self.start(thread)?;
                ptrace::set_registers(thread.tid, self.abi.abi(), &registers)?;
            }
            return Ok(Next::Finished(outcome));
        };
        let raw = match outcome {
            Ok(Answer::Pass) => return Ok(Next::Finished(outcome)),
            Ok(Answer::Value(value)) => value,
            Err(errno) => errno.to_raw(),
        };
        let mut registers = self.start(thread)?;
        let abi = self.abi.abi();
        // The kernel restarts a call only at its exit, and only if a signal has come; else the program itself has to issue it
        // again. For ERESTARTNOINTR that is the same.
        if (self.at != At::Exit && is_restart(raw)) || raw == ERESTARTNOINTR.to_raw() {
            abi.rewind_call(&mut registers, origin.number as u32, origin.call.args);
            ptrace::set_registers(thread.tid, abi, &registers)?;
            return Ok(Next::Finished(outcome));
        }
        if self.at != At::Exit && abi.cancels_at_entry() {
            // No call is to be made, and none to be restarted.
            abi.replace_call(&mut registers, u32::MAX, origin.call.args);
        }
        abi.set_result(&mut registers, raw);
        ptrace::set_registers(thread.tid, abi, &registers)?;
        Ok(Next::Finished(outcome))
    }
}

/// Whether there is other code where the trampoline was: it would run with all signals held back, perhaps for ever. If
/// there is none at all the call faults, which is seen to.
fn is_overwritten(thread: &Thread, abi: &dyn Abi) -> bool {
    let expected = abi.trampoline_code();
    let mut code = vec![0; expected.len()];
    let have = ptrace::read_memory(thread.tid, thread.world.trampoline.address(abi), &mut code);
    have != 0 && code[..have] != expected[..have]
}

impl Birth {
    /// Puts a new thread, which stands behind the call that has made it, behind the program's own call, with the arguments
    /// and the blocked signals that the program gave.
    pub fn settle(&self, thread: &Thread) -> Result<(), Gone> {
        let Origin { number, call, pc, abi, .. } = self.origin;
        // That of the call, which need not be the program's.
        let abi = abi.abi();
        let mut registers = ptrace::registers(thread.tid)?;
        abi.prepare_call(&mut registers, pc, number as u32, call.args);
        abi.set_result(&mut registers, 0);
        ptrace::set_registers(thread.tid, abi, &registers)?;
        match self.blocked {
            Some(mask) => ptrace::set_signal_mask(thread.tid, mask),
            None => Ok(()),
        }
    }
}

/// The kernel's internal restart codes (`include/linux/errno.h`).
fn is_restart(raw: u64) -> bool {
    matches!(Errno::from_raw(raw), Err(Errno(512..=516)))
}
