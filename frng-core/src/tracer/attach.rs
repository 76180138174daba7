//! Taking on the process of an invocation.

use std::cell::Cell;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;

use super::foundlings;
use super::last_process;
use super::lookup;
use super::ptrace::{self, Watch};
use super::root::Rooted;
use super::run::Tracer;
use super::thread::{Start, Thread};
use super::told;
use super::tracked::Tracked;
use super::{Attach, Attached, Engine};
use crate::creds::Creds;
use crate::policy::{Process, Schedule};
use crate::proc_text;

impl Tracer {
    pub(super) fn attach(&mut self, attach: Attach) {
        if self.tracked.contains_key(&attach.pid) {
            return self.attach_again(attach);
        }
        let watched = attach.pid == last_process::FIRST || self.callers.told_at_end();
        let watch = if watched { Watch::End } else { Watch::Nothing };
        let result = seize(&attach, watch);
        let result = result.map(|()| {
            self.callers.attached(attach.pid);
            let start = Start {
                creds: Creds::root(attach.settings.last_cap),
                settings: Rc::new(attach.settings),
                groups: Rc::from([0]),
                process: Rc::new(Cell::new(Process { umask: umask_of(attach.pid), dumpable: 1 })),
                schedule: Schedule::default(),
                stack: foundlings::stack_of(attach.pid),
                view: lookup::view(attach.pid),
                rooted: Rooted::default(),
                space: Rc::default(),
                maker: 0,
                watches_waits: false,
                watches_writes: false,
                is_off: false,
            };
            let ids = (attach.pid, attach.pid, 0);
            self.log.info(format_args!("{}: attached, engine {:?}", attach.pid, attach.engine));
            // The agent looks at every open that it meets, which costs it little; a place where none has been met stops once.
            let stop_at_every_open = self.every_open || attach.engine == Engine::Inline;
            self.track(ids, attach.engine, start, &self.abis[0], stop_at_every_open, false);
            if let Some(tracked) = self.tracked.get_mut(&attach.pid) {
                tracked.watched = watched;
            }
            if attach.engine == Engine::Ptrace {
                // From its next stop on it stops at calls, so that its exec is seen before it is made.
                ptrace::interrupt(attach.pid);
            }
            Attached { stop_at_every_open }
        });
        // The caller may have died meanwhile; its end is told by the next wait.
        let _ = attach.reply.send(result);
    }
}

impl Tracer {
    /// An invocation within another one, by the same daemon: it is root again, by settings of its own.
    fn attach_again(&mut self, attach: Attach) {
        let result = match self.remove(attach.pid) {
            Some(tracked) => {
                let old = &tracked.thread;
                self.log.info(format_args!("{}: attached again, engine {:?}", attach.pid, old.engine));
                let start = Start {
                    creds: Creds::root(attach.settings.last_cap),
                    settings: Rc::new(attach.settings),
                    groups: Rc::from([0]),
                    maker: old.maker,
                    is_off: false,
                    ..old.inheritance(true)
                };
                let ids = (old.tid, old.tgid, old.parent);
                let thread = Thread::new(ids, old.engine, start, Rc::clone(&self.world), old.home.get());
                thread.wants_waits.set(old.wants_waits.get());
                let mut tracked = Tracked { thread: Rc::new(thread), ..tracked };
                self.callers.attached(attach.pid);
                if self.callers.told_at_end() && !tracked.watched {
                    // It is to be seen before its end, as the first one is.
                    tracked.watched = true;
                    tracked.options_unset = true;
                    ptrace::interrupt(attach.pid);
                }
                self.insert(tracked);
                if let Some(tracked) = self.tracked.get(&attach.pid) {
                    told::tell(&tracked.thread);
                }
                Ok(Attached { stop_at_every_open: self.every_open })
            }
            None => Err(format!("cannot trace process {}: it has ended", attach.pid)),
        };
        // The caller may have died meanwhile; its end is told by the next wait.
        let _ = attach.reply.send(result);
    }
}

/// Traces the process that has asked for it, and no other that has got its number since.
fn seize(attach: &Attach, watch: Watch) -> Result<(), String> {
    let ended = || format!("cannot trace process {}: it has ended", attach.pid);
    let is_gone = || attach.process.as_ref().is_some_and(is_gone);
    if is_gone() {
        return Err(ended());
    }
    ptrace::seize(attach.pid, watch).map_err(|error| {
        let pid = attach.pid;
        format!("cannot trace process {pid}: {error}; see ptrace(2) and /proc/sys/kernel/yama/ptrace_scope")
    })?;
    // If it is there, as a zombie at least, it is the one: its number is its own until it is reaped, which from now on is ours to do.
    if is_gone() {
        ptrace::let_go(attach.pid);
        return Err(ended());
    }
    Ok(())
}

/// Whether a process has ended and been reaped.
fn is_gone(process: &OwnedFd) -> bool {
    let nothing = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a plain system call; signal 0 is none, and comes with nothing.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), 0, nothing, 0) };
    result == -1 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH)
}

/// umask(2) of a process; the usual one if it cannot be told.
fn umask_of(pid: i32) -> u32 {
    let status = proc_text::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok()).unwrap_or(0o022)
}
