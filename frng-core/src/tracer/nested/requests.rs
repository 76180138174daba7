//! ptrace(2) as a tracer issues it, on a tracee that is stopped for it: really stopped, so that most of it is what the kernel
//! answers to us (`kernel/ptrace.c: ptrace_request`, `arch_ptrace` of each CPU).

use super::info::{self, Info};
use super::orders::Order;
use super::{Kind, Nested, Run, Stop};
use crate::call::{Call, TraceeAddr};
use crate::creds::CAP_SYS_ADMIN;
use crate::errno::Errno;
use crate::policy::{Answer, Outcome, Tracee};
use crate::tracer::lookup;
use crate::tracer::ptrace;
use crate::tracer::thread::Thread;

/// All of `PTRACE_O_*` but `PTRACE_O_SUSPEND_SECCOMP`, which is for those who save processes.
pub(super) const OPTIONS_MASK: u32 = 0xff | libc::PTRACE_O_EXITKILL as u32;

/// Requests by number (`include/uapi/linux/ptrace.h`).
mod request {
    pub const TRACEME: u64 = 0;
    pub const PEEKTEXT: u64 = 1;
    pub const PEEKDATA: u64 = 2;
    pub const PEEKUSR: u64 = 3;
    pub const POKETEXT: u64 = 4;
    pub const POKEDATA: u64 = 5;
    pub const POKEUSR: u64 = 6;
    pub const CONT: u64 = 7;
    pub const KILL: u64 = 8;
    pub const SINGLESTEP: u64 = 9;
    pub const ATTACH: u64 = 16;
    pub const DETACH: u64 = 17;
    pub const SYSCALL: u64 = 24;
    pub const SETOPTIONS: u64 = 0x4200;
    pub const GETEVENTMSG: u64 = 0x4201;
    pub const GETSIGINFO: u64 = 0x4202;
    pub const SETSIGINFO: u64 = 0x4203;
    pub const GETREGSET: u64 = 0x4204;
    pub const SETREGSET: u64 = 0x4205;
    pub const SEIZE: u64 = 0x4206;
    pub const INTERRUPT: u64 = 0x4207;
    pub const LISTEN: u64 = 0x4208;
    pub const PEEKSIGINFO: u64 = 0x4209;
    pub const GETSIGMASK: u64 = 0x420a;
    pub const SETSIGMASK: u64 = 0x420b;
    pub const SECCOMP_GET_FILTER: u64 = 0x420c;
    pub const SECCOMP_GET_METADATA: u64 = 0x420d;
    pub const GET_SYSCALL_INFO: u64 = 0x420e;
    pub const GET_RSEQ_CONFIGURATION: u64 = 0x420f;
}

/// Largest signal number.
const SIGNAL_MAX: u64 = 64;

impl Thread {
    /// See [`Tracee::ptrace`].
    pub(in crate::tracer) async fn trace(&self, call: &Call) -> Outcome {
        use request::*;
        let [op, tid, addr, data, ..] = call.args;
        // What it knows as the number of another one is not what we do.
        if !lookup::knows_our_numbers(self.tid) {
            return Err(Errno::EPERM);
        }
        let (tid, data) = (tid as i32, data);
        match op {
            TRACEME => return self.trace_me(),
            ATTACH => return self.attach_to(tid, None).await,
            SEIZE => return self.attach_to(tid, Some((addr, data))).await,
            _ => {}
        }
        let nested = &self.world.nested;
        if nested.with(tid, |traced| traced.tracer == self.tid) != Some(true) {
            let is_fooled = self.world.threads.borrow().contains_key(&tid);
            return if is_fooled { Err(Errno::ESRCH) } else { Ok(Answer::Pass) };
        }
        match op {
            KILL => {
                ptrace::kill(tid);
                return Ok(Answer::Value(0));
            }
            INTERRUPT => {
                if nested.with(tid, |traced| traced.seized) != Some(true) {
                    return Err(Errno::EIO);
                }
                nested.order(Order::Interrupt { tid });
                return Ok(Answer::Value(0));
            }
            _ => {}
        }
        let stop = nested.with(tid, |traced| traced.stop).flatten().ok_or(Errno::ESRCH)?;
        match op {
            CONT | SYSCALL | SINGLESTEP | DETACH => {
                if data > SIGNAL_MAX {
                    return Err(Errno::EIO);
                }
                nested.order(match op {
                    DETACH => Order::Detach { tid, signal: data as i32 },
                    SYSCALL => Order::Resume { tid, run: Run::ToCall, signal: data as i32 },
                    SINGLESTEP => Order::Resume { tid, run: Run::Step, signal: data as i32 },
                    _ => Order::Resume { tid, run: Run::Freely, signal: data as i32 },
                });
            }
            LISTEN => {
                let listens = stop.kind == Kind::Group || stop.code >> 8 == libc::PTRACE_EVENT_STOP;
                if !listens || nested.with(tid, |traced| traced.seized) != Some(true) {
                    return Err(Errno::EIO);
                }
                nested.order(Order::Listen { tid });
            }
            SETOPTIONS => {
                if data & !u64::from(OPTIONS_MASK) != 0 {
                    return Err(Errno::EINVAL);
                }
                nested.with(tid, |traced| traced.options = data as i32);
                nested.order(Order::SetOptions { tid });
            }
            GETEVENTMSG => {
                let message = nested.with(tid, |traced| traced.message).unwrap_or_default();
                self.write_word(data, message)?;
            }
            GETSIGINFO => {
                let info = signal_info(nested, tid, &stop)?;
                let info = info.of_width(self.abi().word_len());
                self.write(TraceeAddr(data), &info.0)?;
            }
            SETSIGINFO => self.set_signal_info(tid, &stop, data)?,
            GET_SYSCALL_INFO => return self.call_info(tid, &stop, addr, data),
            // It has none that it could be told of.
            SECCOMP_GET_FILTER | SECCOMP_GET_METADATA => {
                let allowed = self.creds().has(CAP_SYS_ADMIN);
                return Err(if allowed { Errno::EINVAL } else { Errno::EACCES });
            }
            PEEKTEXT | PEEKDATA => self.peek(tid, addr, data)?,
            POKETEXT | POKEDATA => self.poke(tid, addr, data)?,
            PEEKUSR => self.peek_user(tid, addr, data)?,
            POKEUSR => self.poke_user(tid, addr, data)?,
            GETREGSET | SETREGSET => self.register_set(op, tid, addr, data)?,
            GETSIGMASK | SETSIGMASK => self.signal_set(op, tid, addr, data)?,
            PEEKSIGINFO => return self.peek_signals(tid, addr, data),
            GET_RSEQ_CONFIGURATION => return self.forward_out(op, tid, addr, data, addr as usize),
            _ => self.old_register_set(op, tid, data)?,
        }
        Ok(Answer::Value(0))
    }

    fn set_signal_info(&self, tid: i32, stop: &Stop, data: u64) -> Result<(), Errno> {
        let mut info = Info([0; info::LEN]);
        if self.abi().word_len() != size_of::<usize>() {
            return Err(Errno::EIO);
        }
        self.read(TraceeAddr(data), &mut info.0)?;
        if stop.kind == Kind::Signal {
            // SAFETY: the kernel reads a siginfo_t, as long as these bytes, which are live.
            unsafe { ptrace::raw(request::SETSIGINFO, tid, 0, info.0.as_ptr() as usize) }?;
        } else {
            self.world.nested.with(tid, |traced| {
                if let Some(stop) = &mut traced.stop {
                    stop.info = Some(info);
                }
            });
        }
        Ok(())
    }

    /// `PTRACE_GET_SYSCALL_INFO`: of `size` bytes, as many as there are. Returns how many there are.
    fn call_info(&self, tid: i32, stop: &Stop, size: u64, to: u64) -> Outcome {
        /// `offsetof(struct ptrace_syscall_info, entry)`: what there is outside of calls.
        const HEAD: usize = 24;
        let mut bytes = [0u8; 128];
        // SAFETY: the kernel writes at most as many bytes as there are.
        let len = unsafe { ptrace::raw(request::GET_SYSCALL_INFO, tid, bytes.len(), bytes.as_mut_ptr() as usize) }?;
        let mut len = (len as usize).min(bytes.len());
        if !matches!(stop.kind, Kind::Entry | Kind::Exit) {
            // The real stop may be one of a call.
            bytes[0] = libc::PTRACE_SYSCALL_INFO_NONE;
            len = len.min(HEAD);
        }
        self.write(TraceeAddr(to), &bytes[..len.min(size as usize)])?;
        Ok(Answer::Value(len as u64))
    }
}

/// `PTRACE_GETSIGINFO` (`kernel/signal.c: ptrace_stop`: what was in `last_siginfo`).
fn signal_info(nested: &Nested, tid: i32, stop: &Stop) -> Result<Info, Errno> {
    if let Some(info) = stop.info {
        return Ok(info);
    }
    if stop.kind == Kind::Group && nested.with(tid, |traced| traced.seized) != Some(true) {
        return Err(Errno::EINVAL);
    }
    real_signal_info(tid)
}

/// What comes with the stop that a tracee is really in.
pub(super) fn real_signal_info(tid: i32) -> Result<Info, Errno> {
    let mut info = Info([0; info::LEN]);
    // SAFETY: the kernel writes a siginfo_t, as long as these bytes, which are live.
    unsafe { ptrace::raw(request::GETSIGINFO, tid, 0, info.0.as_mut_ptr() as usize) }?;
    Ok(info)
}
