//! Signals for a thread that is in the agent.
//!
//! The program must not see that: its handler runs with registers and stack of the program, before or after the call,
//! and may never return. So a signal that arrives there is held back, all others are blocked, and the thread goes on until
//! it has left the agent: to where the agent stops before it leaves, since it is told to, and then instruction by
//! instruction. A call of the agent's that the signal has interrupted is not restarted; the agent then has the program
//! issue its call itself, which does what it does without an agent.

use super::agent::Agent;
use super::ptrace::{self, Gone};
use super::space::Space;
use crate::arch::{Abi, Registers};
use crate::inside::layout;

/// A thread that leaves the agent because a signal waits for it.
pub struct Leaving {
    signal: i32,
    info: libc::siginfo_t,
    mask: u64,
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

impl Leaving {
    /// Holds back the signal that the thread is about to receive.
    pub fn begin(tid: i32, signal: i32) -> Result<Leaving, Gone> {
        let info = ptrace::signal_info(tid)?;
        let mask = ptrace::signal_mask(tid)?;
        ptrace::set_signal_mask(tid, HELD_BACK)?;
        Ok(Leaving { signal, info, mask, running: false })
    }

    /// Sends the thread one step further. Returns whether it has left the agent.
    pub fn advance(&mut self, tid: i32, space: &Space, agent: &Agent, abi: &dyn Abi) -> Result<bool, Gone> {
        let mut registers = ptrace::registers(tid)?;
        let (pc, sp) = (abi.pc(&registers), abi.sp(&registers));
        match place(pc, sp, space, agent, abi) {
            Place::Program => {
                abi.after_steps(&mut registers);
                ptrace::set_registers(tid, abi, &registers)?;
                ptrace::set_signal_mask(tid, self.mask)?;
                return Ok(true);
            }
            Place::Edge => {
                self.running = false;
                ptrace::step(tid)?;
            }
            Place::Body | Place::Copy => {
                abandon_call(tid, &mut registers, abi)?;
                // The word that is last but one on the stack: see the agent's frame.
                let leaving = stack_of(sp, abi).ok_or(Gone::Dead)? - 16;
                ptrace::write_memory(tid, leaving, &1u64.to_ne_bytes());
                self.running = true;
                ptrace::cont(tid, 0)?;
            }
        }
        Ok(false)
    }

    /// The thread has stopped before it leaves.
    pub fn at_leave(&mut self, tid: i32, abi: &dyn Abi) -> Result<(), Gone> {
        let mut registers = ptrace::registers(tid)?;
        abi.replace_call(&mut registers, u32::MAX, [0; 6]);
        ptrace::set_registers(tid, abi, &registers)?;
        self.running = false;
        ptrace::step(tid)
    }

    /// It has left, and is stopped for a signal: lets it receive the one that has waited.
    pub fn finish(self, tid: i32) -> Result<i32, Gone> {
        ptrace::set_signal_info(tid, &self.info)?;
        Ok(self.signal)
    }
}

/// A call that was interrupted is not to be restarted: the agent sees that it was.
fn abandon_call(tid: i32, registers: &mut Registers, abi: &dyn Abi) -> Result<(), Gone> {
    if abi.abandon_call(registers) { ptrace::set_registers(tid, abi, registers) } else { Ok(()) }
}
