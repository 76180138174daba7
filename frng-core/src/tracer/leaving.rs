//! Signals for a thread that is in the agent.
//!
//! The program must not see that: its handler runs with registers and stack of the program, before or after the call,
//! and may never return. So a signal that arrives there is held back, all others are blocked, and the thread goes on until
//! it has left the agent: to where the agent stops before it leaves, since it is told to, and then instruction by
//! instruction. A call of the agent's that the signal has interrupted is not restarted; the agent then leaves as if it had
//! not begun. The program issues its own call, and meets the signal in there: where it would wait the kernel has it fail
//! with `EINTR` or restarts it, as the program's handler asks for.

use super::agent::Agent;
use super::ptrace::{self, Gone};
use super::space::Space;
use crate::arch::{Abi, Registers};
use crate::errno::{ERESTARTNOINTR, Errno};
use crate::inside::layout;

/// A thread that leaves the agent because a signal waits for it.
pub struct Leaving {
    signal: i32,
    info: libc::siginfo_t,
    mask: u64,
    /// Those that are blocked meanwhile.
    blocked: u64,
    /// The signal has interrupted a call of the agent's: the program's own is to meet it.
    interrupted: bool,
    /// Runs freely until it stops before it leaves.
    pub running: bool,
}

/// All signals but those that an instruction itself causes: if they are blocked then, the kernel takes the program's
/// handler away (`kernel/signal.c: force_sig_info_to_task`).
const HELD_BACK: u64 = !(bit(libc::SIGTRAP)
    | bit(libc::SIGSEGV)
    | bit(libc::SIGBUS)
    | bit(libc::SIGILL)
    | bit(libc::SIGFPE)
    | bit(libc::SIGSYS));

const fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// Where a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the program.
    Program,
    /// Copying from or to the program's memory.
    Copy,
    /// On the agent's stack, or in a call from there.
    Body,
    /// On the way in or out.
    Edge,
}

/// Where the program counter says a thread is. `call` is the address behind the agent's syscall instruction.
pub fn place(pc: u64, sp: u64, space: &Space, agent: &Agent, abi: &dyn Abi) -> Place {
    let Some(inside) = abi.inside() else { return Place::Program };
    let gadget = abi.trampoline_address() + inside.gadget();
    let returned = abi.trampoline_address() + inside.gadget_return();
    if (agent.copy..agent.copy_end).contains(&pc) {
        Place::Copy
    } else if (gadget..=returned).contains(&pc) && stack_of(sp, abi).is_some() {
        Place::Body
    } else if space.is_way_in(pc) || (agent.entry..agent.body).contains(&pc) || (agent.leave..agent.end).contains(&pc) {
        Place::Edge
    } else if agent.contains(pc) {
        Place::Body
    } else {
        Place::Program
    }
}

/// The end of the agent's stack that a stack pointer points into.
fn stack_of(sp: u64, abi: &dyn Abi) -> Option<u64> {
    let begin = abi.trampoline_address() + layout::STACKS;
    let index = sp.checked_sub(begin)? / layout::STACK_LEN;
    (index < layout::STACKS_COUNT).then_some(begin + (index + 1) * layout::STACK_LEN)
}

/// How a thread that has left runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Freely, to receive its signal.
    Free,
    /// To the entry of the call before which it stands. There the signals that the program blocks, these, have to be set,
    /// so that the one that waits for it interrupts the call.
    IntoCall(u64),
}

impl Leaving {
    /// Holds back the signal that the thread is about to receive.
    pub fn begin(tid: i32, signal: i32) -> Result<Leaving, Gone> {
        let info = ptrace::signal_info(tid)?;
        let mask = ptrace::signal_mask(tid)?;
        ptrace::set_signal_mask(tid, HELD_BACK)?;
        Ok(Leaving { signal, info, mask, blocked: HELD_BACK, interrupted: false, running: false })
    }

    /// Whether it leaves only to be stopped.
    pub fn is_of_no_signal(&self) -> bool {
        self.signal == 0
    }

    /// Sends the thread one step further. Returns whether it has left the agent.
    pub fn advance(&mut self, tid: i32, space: &Space, agent: &Agent, abi: &dyn Abi) -> Result<bool, Gone> {
        let mut registers = ptrace::registers(tid)?;
        let (pc, sp) = (abi.pc(&registers), abi.sp(&registers));
        match place(pc, sp, space, agent, abi) {
            Place::Program => {
                abi.after_steps(&mut registers);
                ptrace::set_registers(tid, abi, &registers)?;
                return Ok(true);
            }
            Place::Edge => {
                self.running = false;
                ptrace::step(tid, 0)?;
            }
            Place::Body | Place::Copy if self.about_to_wait(tid, &mut registers, abi)? => {
                self.running = false;
                ptrace::step(tid, 0)?;
            }
            Place::Body | Place::Copy => {
                // The agent sees that it was interrupted, and has the program issue its call itself.
                if abi.abandon_call(&mut registers) {
                    self.interrupted = true;
                    ptrace::set_registers(tid, abi, &registers)?;
                }
                let leaving = stack_of(sp, abi).ok_or(Gone::Dead)? - layout::LEAVING_BELOW;
                ptrace::write_memory(tid, leaving, &1u64.to_ne_bytes());
                self.running = true;
                ptrace::cont(tid, 0)?;
            }
        }
        Ok(false)
    }

    /// Whether the thread goes to a call that may wait for long: not to be begun while signals are blocked. It is to go on by
    /// steps then. Once it is there the call is taken away; the agent has the program issue it after the signal.
    fn about_to_wait(&mut self, tid: i32, registers: &mut Registers, abi: &dyn Abi) -> Result<bool, Gone> {
        let (Some(inside), Some(end)) = (abi.inside(), stack_of(abi.sp(registers), abi)) else { return Ok(false) };
        let (pc, mut waits) = (abi.pc(registers), [0; 8]);
        ptrace::read_memory(tid, end - layout::WAITS_BELOW, &mut waits);
        if waits == [0; 8] || pc == abi.trampoline_address() + inside.gadget_return() {
            return Ok(false);
        }
        if pc != abi.trampoline_address() + inside.gadget() {
            return Ok(true);
        }
        abi.settle(registers);
        abi.set_result(registers, Errno(ERESTARTNOINTR).to_raw());
        abi.set_pc(registers, abi.trampoline_address() + inside.gadget_return());
        ptrace::set_registers(tid, abi, registers)?;
        // Here it stands too if it was waiting and the kernel has already rewound the call.
        self.interrupted = true;
        Ok(false)
    }

    /// The thread has stopped before it leaves.
    pub fn at_leave(&mut self, tid: i32, abi: &dyn Abi) -> Result<(), Gone> {
        let mut registers = ptrace::registers(tid)?;
        abi.replace_call(&mut registers, u32::MAX, [0; 6]);
        ptrace::set_registers(tid, abi, &registers)?;
        self.running = false;
        // To the exit of what is now no call, by steps from there: some kernels tell of a step over a call as if somebody had
        // sent the signal (`include/linux/ptrace.h: user_single_step_report`).
        ptrace::cont_to_syscall(tid, 0)
    }

    /// Another signal, of those that cannot be blocked beforehand, that somebody has sent: it waits, too. The kernel puts a
    /// blocked signal that it is told to deliver back among those that wait (`kernel/signal.c: ptrace_signal`).
    pub fn hold_back(&mut self, tid: i32, signal: i32) -> Result<(), Gone> {
        let mut waits = signal;
        // It must not be blocked while instructions are stepped over: so the other one waits there.
        if signal == libc::SIGTRAP {
            let info = ptrace::signal_info(tid)?;
            ptrace::set_signal_info(tid, &self.info)?;
            waits = std::mem::replace(&mut self.signal, signal);
            self.info = info;
        }
        if waits == libc::SIGTRAP {
            // There can be but one.
            waits = 0;
        } else {
            self.blocked |= bit(waits);
            ptrace::set_signal_mask(tid, self.blocked)?;
        }
        if self.running { ptrace::cont(tid, waits) } else { ptrace::step(tid, waits) }
    }

    /// It has left, and is stopped for a signal, before the program's own call: there it stays. Returns the signal that has
    /// waited, as which the stop is shown; 0 if it was none.
    pub fn finish_stopped(self, tid: i32) -> Result<i32, Gone> {
        if self.signal != 0 {
            ptrace::set_signal_info(tid, &self.info)?;
        }
        ptrace::set_signal_mask(tid, self.mask)?;
        Ok(self.signal)
    }

    /// It has left, and is stopped for a signal, before the program's own call: lets it receive the one that has waited, now
    /// or in that call.
    pub fn finish(self, tid: i32) -> Result<Left, Gone> {
        ptrace::set_signal_info(tid, &self.info)?;
        if self.interrupted {
            // It executes one instruction that cannot fault, so all may be blocked.
            ptrace::set_signal_mask(tid, u64::MAX)?;
            ptrace::cont_to_syscall(tid, self.signal)?;
            return Ok(Left::IntoCall(self.mask));
        }
        ptrace::set_signal_mask(tid, self.mask)?;
        ptrace::cont(tid, self.signal)?;
        Ok(Left::Free)
    }
}
