//! A program that has just been loaded: its credentials, its auxv, its trampoline.
//!
//! At the exec event the tracee stands before its first instruction. Code that maps the trampoline is put there, run
//! to its end, and the program's own bytes are put back: one stop more, whatever the program is.

use std::io;
use std::rc::Rc;

use super::Engine;
use super::abi_table::AbiTable;
use super::known::Known;
use super::lookup;
use super::process_memory::ProcessMemory;
use super::ptrace::{self, Gone};
use super::thread::Thread;
use crate::arch::{Abi, Registers};
use crate::call::TraceeAddr;
use crate::errno::Errno;
use crate::policy;

/// Why a new program cannot be prepared.
pub enum Failure {
    /// It cannot be reached any more.
    Gone(Gone),
    /// Its memory is closed, because its file cannot be read: see [`super::closed`]. Its stack begins here.
    Closed(u64),
    /// This cannot be done with it.
    Cannot(String),
}

impl Failure {
    /// It is a program of an ABI that nobody has registered.
    pub fn unknown(audit_arch: u32) -> Failure {
        Failure::Cannot(format!(
            "it is a program for another CPU mode (AUDIT_ARCH {audit_arch:#x}) that this frng has no support for"
        ))
    }
}

impl From<Gone> for Failure {
    fn from(gone: Gone) -> Failure {
        Failure::Gone(gone)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::Cannot(error.to_string())
    }
}

/// Bytes of the smallest page of any CPU.
const PAGE: u64 = 4096;
/// What the address of an instruction has to be a multiple of, on any CPU.
const INSTRUCTION_ALIGNMENT: u64 = 16;

/// A program whose first instructions are replaced for the moment.
pub struct Bootstrap {
    /// The program's sites that are known, if it gets an agent.
    pub known: Option<Rc<Known>>,
    /// Its memory.
    pub memory: ProcessMemory,
    abi: &'static dyn Abi,
    registers: Registers,
    begin: u64,
    original: Vec<u8>,
}

/// Sees to the credentials of the new program and puts the bootstrap code in place. `begun` is where its stack pointer
/// was at the exec event, if it has run since.
pub fn prepare(thread: &Thread, abis: &'static [AbiTable], begun: Option<u64>) -> Result<Bootstrap, Failure> {
    let info = ptrace::syscall_info(thread.tid)?;
    let abi = abis
        .iter()
        .find(|table| table.abi().audit_arch() == info.audit_arch)
        .ok_or_else(|| Failure::unknown(info.audit_arch))?;
    thread.abi.set(abi);
    thread.home.set(abi);
    *thread.space.borrow_mut() = Rc::default();
    let mut registers = ptrace::registers(thread.tid)?;
    abi.abi().settle(&mut registers);
    if begun.is_none() {
        // What exec returns. On riscv64 something else is still there, and libc's start code takes it for a function.
        abi.abi().set_result(&mut registers, 0);
    }
    let stack = TraceeAddr(begun.unwrap_or(abi.abi().sp(&registers)));
    let memory = match ProcessMemory::open(thread.tid) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(Failure::Closed(stack.0)),
        memory => memory?,
    };
    let program = thread.start_program();
    let executable = match &program {
        Some(program) => Some(program.stat),
        None => lookup::executable(thread.tid),
    };
    thread.stack.set(Some(stack.0));
    let tid = thread.tid;
    let mut capability = |value: &mut [u8; policy::exec::CAPABILITY_MAX]| match &program {
        Some(program) => program.capability(value),
        None => lookup::capability(tid, value),
    };
    policy::exec::after_exec(thread, executable.as_ref(), &mut capability, stack)
        .and_then(|()| match &program {
            Some(program) => policy::exec::auxv::set_file_name(thread, stack, &program.called),
            None => Ok(()),
        })
        .map_err(|errno| Failure::Cannot(format!("its auxv cannot be changed: {errno}")))?;
    // The agent finds its way by the auxv, which is where the stack pointer was in the beginning.
    let with_agent = thread.engine == Engine::Inline
        && begun.is_none()
        && !thread.leaves_any()
        && !thread.world.nested.is_traced(thread.tid)
        && thread.world.agents_abi(thread).is_some();
    let code = thread.world.trampoline.bootstrap(abi.abi(), with_agent);
    // All of it in the page of the first instruction: behind that may be nothing. That one may be of a set whose instructions
    // are shorter than ours.
    let pc = abi.abi().pc(&registers);
    let last_begin = (pc | (PAGE - 1)).saturating_sub(code.len() as u64 - 1);
    let begin = pc.min(last_begin) & !(INSTRUCTION_ALIGNMENT - 1);
    let mut original = vec![0; code.len()];
    memory.read_exact_at(&mut original, begin)?;
    memory.write_all_at(&code, begin)?;
    let mut there = registers;
    abi.abi().set_pc(&mut there, begin);
    if there.bytes() != registers.bytes() {
        ptrace::set_registers(thread.tid, abi.abi(), &there)?;
    }
    let known = with_agent.then(|| thread.world.programs.of(executable.as_ref()));
    Ok(Bootstrap { known, memory, abi: abi.abi(), registers, begin, original })
}

impl Bootstrap {
    /// The code has run to its end with this result: puts the program back to its begin.
    pub fn finish(&self, tid: i32, result: u64) -> Result<(), Failure> {
        if let Err(errno) = Errno::from_raw(result) {
            return Err(Failure::Cannot(format!("the trampoline cannot be mapped: {errno}")));
        }
        self.memory.write_all_at(&self.original, self.begin)?;
        // The code leaves alone what the stop at which these were read may not have shown.
        let mut registers = self.registers;
        self.abi.take_hidden(&mut registers, &ptrace::registers(tid)?);
        ptrace::set_registers(tid, self.abi, &registers)?;
        Ok(())
    }
}
