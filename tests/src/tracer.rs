//! A small debugger, for cases that trace others: what it sees of each thread is told in the order of the thread's making,
//! because what several do at the same time comes in any order.

use std::collections::HashMap;

use crate::seen;
use crate::stage;
use crate::sys::{self, NULL, Result, errno, nr};

/// `PTRACE_GET_SYSCALL_INFO` and the offsets in what it tells (`include/uapi/linux/ptrace.h`).
const GET_SYSCALL_INFO: u32 = 0x420e;
const INFO_LEN: usize = 88;

/// All that `PTRACE_SETOPTIONS` takes, but for exits and the end of vfork.
pub const FOLLOW: i32 = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_EXITKILL;

/// Where in a register set, in words, things are that a case changes.
pub struct Places {
    /// The number of the call under way.
    pub number: usize,
    /// Its result, and before it is issued its number.
    pub result: usize,
    /// The program counter.
    pub pc: usize,
}

/// Those of this ABI, if its programs' calls are instructions of two bytes whose number is in the registers.
pub fn places() -> Option<Places> {
    match frng_cli::abis::ABIS[0].name() {
        "x86_64" => Some(Places { number: 15, result: 10, pc: 16 }),
        "i386" => Some(Places { number: 11, result: 6, pc: 12 }),
        _ => None,
    }
}

/// ptrace(2) as the kernel has it.
pub fn request(op: u32, pid: i32, addr: usize, data: usize) -> Result {
    quiet!(ptrace(op, pid, addr, data))
}

/// ptrace(2), and prints its result.
pub fn told(what: &str, op: u32, pid: i32, addr: usize, data: usize) -> Result {
    sys::try_(what, request(op, pid, addr, data))
}

/// Lets a tracee run on, by a request that is only told of when it fails: what the tracee prints comes at any time from then on.
pub fn resume(op: u32, pid: i32, signal: i32) {
    if let Err(error) = request(op, pid, NULL, signal as usize) {
        println!("cannot go on: {}", errno::name(error));
    }
}

/// waitpid(2).
pub fn wait(pid: i32, options: i32) -> std::result::Result<(i32, i32), i32> {
    let mut status = 0;
    // SAFETY: `status` is live.
    let pid = sys::libc_result(unsafe { libc::waitpid(pid, &raw mut status, options) }.into())?;
    Ok((pid as i32, status))
}

/// Waits for one and prints what has become of it.
pub fn tell_wait(what: &str, pid: i32, options: i32) {
    match wait(pid, options | libc::__WALL) {
        Ok((0, _)) => println!("{what}: nothing"),
        Ok((_, status)) => println!("{what}: {}", describe(status)),
        Err(error) => println!("{what}: {}", errno::name(error)),
    }
}

/// What a wait's status says.
pub fn describe(status: i32) -> String {
    if libc::WIFEXITED(status) {
        return format!("exited {}", libc::WEXITSTATUS(status));
    }
    if libc::WIFSIGNALED(status) {
        return format!("killed {}", libc::WTERMSIG(status));
    }
    match status >> 16 {
        0 => format!("stopped {:#x}", libc::WSTOPSIG(status)),
        event => format!("event {event} stopped {:#x}", libc::WSTOPSIG(status)),
    }
}

/// A child that asks to be traced, stops, and plays `scene`.
pub fn child(scene: impl FnOnce()) -> i32 {
    stage::fork(|| {
        let _ = request(libc::PTRACE_TRACEME, 0, NULL, NULL);
        // SAFETY: takes no memory.
        unsafe { libc::raise(libc::SIGSTOP) };
        scene();
    })
    .unwrap_or(-1)
}

/// A child that waits for its life to be changed by a signal or a tracer.
pub fn idle_child() -> i32 {
    stage::fork(|| {
        loop {
            // SAFETY: takes no memory.
            unsafe { libc::pause() };
        }
    })
    .unwrap_or(-1)
}

/// Kills a child and reaps it.
pub fn end(pid: i32) {
    // SAFETY: takes no memory.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    loop {
        match wait(pid, libc::__WALL) {
            Ok((_, status)) if libc::WIFSTOPPED(status) => {}
            Ok((_, status)) => return println!("end: {}", describe(status)),
            Err(error) => return println!("end: {}", errno::name(error)),
        }
    }
}

/// `si_signo`, `si_code` and, if it was sent by the case itself, that.
pub fn tell_signal(pid: i32) {
    // SAFETY: the structure holds integers and addresses; all zeros is a value of it.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    match request(libc::PTRACE_GETSIGINFO, pid, NULL, &raw mut info as usize) {
        Ok(_) => println!("signal {} code {:#x}", info.si_signo, info.si_code),
        Err(error) => println!("no signal: {}", errno::name(error)),
    }
}

/// What a tracee's stop at a call says: `None` if it is none.
pub fn call_at(pid: i32) -> Option<String> {
    let mut info = [0u64; INFO_LEN / 8];
    let len = match request(GET_SYSCALL_INFO, pid, INFO_LEN, info.as_mut_ptr() as usize) {
        Ok(len) => len,
        // Its process has ended meanwhile.
        Err(libc::ESRCH) => return None,
        Err(error) => return Some(format!("no call: {}", errno::name(error))),
    };
    match info[0] as u8 {
        1 => {
            let (number, args) = (info[3] as libc::c_long, &info[4..]);
            let is = |known: nr::Number| known.get() == Some(number);
            // Those of which the case knows what they are about.
            let text = if is(nr::getuid) {
                "getuid()".to_owned()
            } else if is(nr::fchownat) {
                format!("fchownat({}, .., {}, {})", args[0] as i32, args[2] as i32, args[3] as i32)
            } else if is(nr::execve) {
                "execve(..)".to_owned()
            } else if is(nr::mkdirat) {
                format!("mkdirat({}, .., {:#o})", args[0] as i32, args[2])
            } else {
                return None;
            };
            Some(format!("{text}, {len} bytes"))
        }
        2 => Some(format!("returns {}, error {}", info[3] as i64, info[4] as u8)),
        other => Some(format!("no call: {other}, {len} bytes")),
    }
}

/// Lets a tracee and all that it makes run from stop to stop, by this request, until they have ended, and tells what was seen
/// of each.
pub struct Follower {
    order: Vec<i32>,
    seen: HashMap<i32, Vec<String>>,
    in_known: HashMap<i32, bool>,
    by: u32,
}

impl Follower {
    /// Of a tracee that is stopped.
    pub fn new(first: i32, by: u32) -> Follower {
        Follower { order: vec![first], seen: HashMap::new(), in_known: HashMap::new(), by }
    }

    fn note(&mut self, pid: i32, line: String) {
        self.seen.entry(pid).or_default().push(line);
    }

    /// Until there is nobody left.
    pub fn follow(mut self) {
        let first = self.order[0];
        let _ = request(self.by, first, NULL, NULL);
        while let Ok((pid, status)) = wait(-1, libc::__WALL) {
            let signal = self.see(pid, status);
            if libc::WIFSTOPPED(status) {
                let _ = request(self.by, pid, NULL, signal as usize);
            }
        }
        for (index, pid) in self.order.iter().enumerate() {
            for line in self.seen.get(pid).into_iter().flatten() {
                println!("{index}: {line}");
            }
        }
    }

    /// Notes what has become of one; returns the signal to be delivered.
    fn see(&mut self, pid: i32, status: i32) -> i32 {
        let stop = libc::WSTOPSIG(status);
        if !libc::WIFSTOPPED(status) {
            self.note(pid, describe(status));
            return 0;
        }
        if stop == libc::SIGTRAP | 0x80 {
            let Some(call) = call_at(pid) else {
                self.in_known.insert(pid, false);
                return 0;
            };
            let is_exit = call.starts_with("returns");
            if !is_exit || self.in_known.get(&pid) == Some(&true) {
                self.note(pid, call);
            }
            self.in_known.insert(pid, !is_exit);
            return 0;
        }
        match status >> 16 {
            // When a child's end comes, beside what its parent does, is not said.
            0 if stop == libc::SIGCHLD => return stop,
            0 if stop == libc::SIGSTOP => self.note(pid, "SIGSTOP".to_owned()),
            0 => {
                self.note(pid, format!("signal {stop:#x}"));
                return if stop == libc::SIGTRAP { 0 } else { stop };
            }
            event => {
                let mut message = 0usize;
                let _ = request(libc::PTRACE_GETEVENTMSG, pid, NULL, &raw mut message as usize);
                let made = matches!(event, libc::PTRACE_EVENT_FORK..=libc::PTRACE_EVENT_CLONE);
                if made {
                    self.order.push(message as i32);
                }
                let what = if made {
                    format!("makes {}", self.order.len() - 1)
                } else if let Some(index) = self.order.iter().position(|known| *known == message as i32) {
                    format!("of {index}")
                } else {
                    message.to_string()
                };
                let what = if event == libc::PTRACE_EVENT_STOP { String::new() } else { what };
                self.note(pid, format!("event {event} {what}"));
            }
        }
        0
    }
}

/// Shows `f` after a chown by whoever is traced.
pub fn chown_and_show() {
    let _ = quiet!(getuid());
    let _ = quiet!(fchownat(libc::AT_FDCWD, c"f", 5, 6, 0));
    let _ = quiet!(fchownat(libc::AT_FDCWD, c"none", 5, 6, 0));
    seen::show(c"f");
}
