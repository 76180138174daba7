//! Tracees whose calls an agent answers: which places in their programs lead to it, signals that come while they are in it,
//! and when they leave the memory it is in.

use std::rc::Rc;

use super::exec;
use super::leaving::{self, Leaving, Left, Place};
use super::ptrace::{self, Gone};
use super::run::Tracer;
use super::space::Tools;
use super::thread::Thread;
use super::told;
use super::tracked::Phase;

impl Tracer {
    /// A thread no longer shares its memory: those that are left may be alike now.
    pub(super) fn left_space(&self, thread: &Thread) {
        let space = std::mem::take(&mut *thread.space.borrow_mut());
        if !space.has_agent() || space.uniform.get() && !thread.is_rooted() {
            return;
        }
        let left = self.tracked.values().find(|tracked| Rc::ptr_eq(&tracked.thread.space.borrow(), &space));
        if let Some(tracked) = left {
            told::tell(&tracked.thread);
        }
    }

    /// A signal for a thread that may be in the agent, or a step on the way out of it.
    pub(super) fn signal_with_agent(&mut self, tid: i32, signal: i32) -> Result<(), Gone> {
        let tracked = self.tracked(tid)?;
        let thread = Rc::clone(&tracked.thread);
        let space = Rc::clone(&thread.space.borrow());
        let (Some(agent), Some(abi)) = (thread.world.trampoline.agent(), thread.world.agents_abi(&thread)) else {
            return self.deliver(tid, signal);
        };
        let mut registers = ptrace::registers(tid)?;
        let (pc, sp) = (abi.pc(&registers), abi.sp(&registers));
        let mut place = leaving::place(pc, sp, &space, agent, abi);
        // Somebody may send these, too.
        let fault =
            matches!(signal, libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGTRAP | libc::SIGFPE | libc::SIGSYS)
                && ptrace::signal_info(tid)?.si_code > 0;
        let memory = matches!(signal, libc::SIGSEGV | libc::SIGBUS);
        if place == Place::Copy && fault && memory {
            abi.set_pc(&mut registers, agent.copy_fault);
            ptrace::set_registers(tid, abi, &registers)?;
            return self.resume(tid, 0);
        }
        if let Some((trap, behind)) =
            abi.inside().and_then(|inside| inside.trap()).filter(|_| fault && signal == libc::SIGTRAP)
        {
            // Met a site that was just being replaced.
            let begin = pc.wrapping_sub(behind);
            if space.is_site(tid, begin, trap) {
                abi.set_pc(&mut registers, begin);
                ptrace::set_registers(tid, abi, &registers)?;
                return self.resume(tid, 0);
            }
        }
        let around = abi.inside().filter(|_| fault && memory).and_then(|inside| space.way_around(pc, inside));
        if let Some(around) = around {
            abi.set_pc(&mut registers, around);
            ptrace::set_registers(tid, abi, &registers)?;
            if !matches!(self.tracked(tid)?.phase, Phase::Leaving(_)) {
                return self.resume(tid, 0);
            }
            place = Place::Program;
        }
        let tracked = self.tracked(tid)?;
        let stepped = fault && signal == libc::SIGTRAP;
        if let Phase::Leaving(leaving) = &mut tracked.phase {
            if !fault {
                return leaving.hold_back(tid, signal);
            }
            if place != Place::Program && !stepped {
                return self.give_up(tid, exec::Failure::Cannot(format!("its agent has failed (signal {signal})")));
            }
            if !leaving.advance(tid, &space, agent, abi)? {
                return Ok(());
            }
            let Phase::Leaving(leaving) = std::mem::replace(&mut tracked.phase, Phase::Running) else { return Ok(()) };
            if thread.world.nested.is_traced(tid) {
                let signal = leaving.finish_stopped(tid)?;
                return self.left_agent(tid, signal);
            }
            // Its tracer has ended meanwhile.
            if leaving.is_of_no_signal() {
                leaving.finish_stopped(tid)?;
                return self.resume(tid, 0);
            }
            if let Left::IntoCall(mask) = leaving.finish(tid)? {
                tracked.phase = Phase::IntoCall(mask);
            }
            return Ok(());
        }
        match place {
            Place::Program => self.deliver(tid, signal),
            // It does nothing that could fault.
            _ if fault && agent.contains(pc) => {
                self.give_up(tid, exec::Failure::Cannot(format!("its agent has failed (signal {signal})")))
            }
            _ => {
                let leaving = Leaving::begin(tid, signal)?;
                self.leave_agent(tid, leaving)
            }
        }
    }

    /// Has a thread that is in the agent leave it.
    pub(super) fn leave_agent(&mut self, tid: i32, mut leaving: Leaving) -> Result<(), Gone> {
        let tracked = self.tracked(tid)?;
        let thread = Rc::clone(&tracked.thread);
        let space = Rc::clone(&thread.space.borrow());
        let (Some(agent), Some(abi)) = (thread.world.trampoline.agent(), thread.world.agents_abi(&thread)) else {
            return Ok(());
        };
        leaving.advance(tid, &space, agent, abi)?;
        tracked.phase = Phase::Leaving(Box::new(leaving));
        Ok(())
    }

    /// Whether a stopped thread is in the agent, or on the way in or out.
    pub(super) fn is_in_agent(&mut self, tid: i32) -> Result<bool, Gone> {
        let thread = Rc::clone(&self.tracked(tid)?.thread);
        let space = Rc::clone(&thread.space.borrow());
        let (Some(agent), Some(abi)) = (thread.world.trampoline.agent(), thread.world.agents_abi(&thread)) else {
            return Ok(false);
        };
        if !space.has_agent() {
            return Ok(false);
        }
        let registers = ptrace::registers(tid)?;
        Ok(leaving::place(abi.pc(&registers), abi.sp(&registers), &space, agent, abi) != Place::Program)
    }
}

/// Has the call that a thread has just issued answered by the agent from now on, where that can be done.
/// Tells whether that is so, if it was not known.
pub fn replace_site(thread: &Thread, pc: u64, number: u32) -> Option<bool> {
    thread.space.borrow().replace(thread.tid, pc, number, tools(thread)?)
}

/// What replacing sites of a thread's program takes, if it has an agent.
pub fn tools(thread: &Thread) -> Option<Tools<'_>> {
    let space = thread.space.borrow();
    let (agent, inside) = (thread.world.trampoline.agent()?, thread.world.agents_abi(thread)?.inside()?);
    (space.has_agent() && !space.put_back.get()).then(|| Tools {
        inside,
        agent,
        shared: Rc::strong_count(&space) > 1,
        memory: None,
    })
}
