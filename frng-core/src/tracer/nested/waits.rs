//! Waits of a tracer: wait4(2), waitpid(2), waitid(2) tell of those that it traces as well as of its children.
//!
//! The kernel knows its children, we know whom it traces. So it is asked first without waiting; if neither has something to
//! tell, the program waits in its own call if it has children, else in one that only signals end. What happens to one that it
//! traces interrupts that (`Tracer::report`), and what the call returns then is that it is to be restarted: so signals and
//! their handlers are the kernel's.

use super::info::Info;
use super::orders::Order;
use super::{Blocks, Waiting};
use crate::call::{Call, Sys, TraceeAddr};
use crate::errno::Errno;
use crate::policy::{Answer, Outcome, Tracee};
use crate::proc_text;
use crate::tracer::flight::ERESTARTNOINTR;
use crate::tracer::lookup;
use crate::tracer::thread::Thread;

const ERESTARTSYS: Errno = Errno(512);
const ERESTARTNOHAND: Errno = Errno(514);

/// Bytes of `struct rusage`: two `timeval` and 14 words.
const RUSAGE_WORDS: usize = 18;

/// Whom to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whom {
    Any,
    Process(i32),
    Group(i32),
}

/// A wait, whichever call it was.
struct Wait {
    whom: Whom,
    options: i32,
    /// Where the status goes.
    status: TraceeAddr,
    /// Where `siginfo_t` goes: it is waitid.
    info: Option<TraceeAddr>,
    usage: TraceeAddr,
}

/// Something to tell.
struct News {
    tid: i32,
    /// As wait(2) tells it.
    status: i32,
    uid: u32,
}

impl Wait {
    fn new(thread: &Thread, call: &Call) -> Option<Wait> {
        let [a, b, c, d, e, _] = call.args;
        let wait = match call.sys {
            Sys::Waitid => {
                let whom = match (a as u32, b as i32) {
                    (libc::P_ALL, _) => Whom::Any,
                    (libc::P_PID, pid) => Whom::Process(pid),
                    (libc::P_PGID, 0) => Whom::Group(group_of(thread.tid)?),
                    (libc::P_PGID, group) => Whom::Group(group),
                    (libc::P_PIDFD, descriptor) => Whom::Process(process_behind(thread.tid, descriptor)?),
                    _ => return None,
                };
                let (info, usage) = (Some(TraceeAddr(c)), TraceeAddr(e));
                Wait { whom, options: d as i32, status: TraceeAddr::NULL, info, usage }
            }
            _ => {
                let whom = match a as i32 {
                    -1 => Whom::Any,
                    0 => Whom::Group(group_of(thread.tid)?),
                    group if group < 0 => Whom::Group(group.checked_neg()?),
                    pid => Whom::Process(pid),
                };
                let usage = if call.sys == Sys::Wait4 { d } else { 0 };
                let options = c as i32 | libc::WEXITED;
                Wait { whom, options, status: TraceeAddr(b), info: None, usage: TraceeAddr(usage) }
            }
        };
        Some(wait)
    }

    fn has(&self, option: i32) -> bool {
        self.options & option != 0
    }

    fn is_for(&self, tid: i32) -> bool {
        match self.whom {
            Whom::Any => true,
            Whom::Process(pid) => tid == pid,
            Whom::Group(group) => group_of(tid) == Some(group),
        }
    }
}

impl Thread {
    /// See [`Tracee::wait`].
    pub(in crate::tracer) async fn wait_as_tracer(&self, call: &Call) -> Outcome {
        let nested = &self.world.nested;
        let waited = nested.waiting.borrow_mut().remove(&self.tid).and_then(|waiting| waiting.blocks);
        let Some(wait) = Wait::new(self, call) else { return Ok(Answer::Pass) };
        if !self.traces_any(&wait) || !lookup::knows_our_numbers(self.tid) {
            return Ok(Answer::Pass);
        }
        if let Some(news) = self.news(&wait) {
            return self.tell(&wait, &news);
        }
        let Some(blocks) = waited else { return self.ask_first(call, &wait).await };
        nested.waiting.borrow_mut().insert(self.tid, Waiting { process: self.tgid, blocks: None });
        let result = match blocks {
            Blocks::ForChildren => self.syscall(call.sys, call.args).await,
            // The first argument stays, since it cannot be changed everywhere: there are no descriptors to poll.
            Blocks::ForSignals => self.syscall(Sys::Ppoll, [call.args[0], 0, 0, 0, 0, 0]).await,
        };
        nested.waiting.borrow_mut().remove(&self.tid);
        match result {
            Ok(told) if blocks == Blocks::ForChildren => self.unless_it_is_traced(call, &wait, told),
            _ => match self.news(&wait) {
                Some(news) => self.tell(&wait, &news),
                None if matches!(result, Err(ERESTARTNOHAND | Errno::EINTR)) => Err(ERESTARTSYS),
                // The last child is gone, but not the last that it traces.
                None if matches!(result, Err(Errno::ECHILD) | Ok(_)) => Err(ERESTARTNOINTR),
                None => result.map(Answer::Value),
            },
        }
    }

    /// Asks the kernel about children without waiting. If there is nothing to tell, the call is issued once more, to wait.
    async fn ask_first(&self, call: &Call, wait: &Wait) -> Outcome {
        let mut args = call.args;
        let options = if call.sys == Sys::Waitid { 3 } else { 2 };
        args[options] |= libc::WNOHANG as u64;
        let info = match wait.info {
            Some(_) => Some(self.scratch()?),
            None => None,
        };
        if let Some(info) = info {
            args[2] = info.0;
        }
        let result = self.syscall(call.sys, args).await;
        let told = match (result, info) {
            (Ok(_), Some(info)) => {
                let mut bytes = [0; super::info::LEN];
                self.read(info, &mut bytes)?;
                let told = bytes.iter().take(4).any(|byte| *byte != 0);
                if let Some(to) = wait.info.filter(|to| told && !to.is_null()) {
                    self.write(to, &bytes)?;
                }
                told
            }
            (Ok(pid), None) => pid != 0,
            _ => false,
        };
        let blocks = match result {
            Ok(value) if told => return self.unless_it_is_traced(call, wait, value),
            Ok(_) => Blocks::ForChildren,
            Err(Errno::ECHILD) => Blocks::ForSignals,
            Err(errno) => return Err(errno),
        };
        if wait.has(libc::WNOHANG) {
            if let Some(to) = wait.info.filter(|to| !to.is_null()) {
                self.write(to, &[0; 28])?;
            }
            return Ok(Answer::Value(0));
        }
        let waiting = Waiting { process: self.tgid, blocks: Some(blocks) };
        self.world.nested.waiting.borrow_mut().insert(self.tid, waiting);
        Err(ERESTARTNOINTR)
    }

    /// The kernel tells a parent that its child was stopped by a signal. If it traces that child, it is told so as its tracer,
    /// and only so.
    fn unless_it_is_traced(&self, call: &Call, wait: &Wait, told: u64) -> Outcome {
        if call.sys != Sys::Waitid && wait.has(libc::WUNTRACED) && !wait.status.is_null() {
            let mut status = [0; 4];
            self.read(wait.status, &mut status)?;
            let is_traced = self.world.nested.with(told as i32, |traced| traced.process) == Some(self.tgid);
            if libc::WIFSTOPPED(i32::from_ne_bytes(status)) && is_traced {
                return Err(ERESTARTNOINTR);
            }
        }
        Ok(Answer::Value(told))
    }

    /// Whether it traces anybody whom this wait is for, or has not been told yet of somebody's end.
    fn traces_any(&self, wait: &Wait) -> bool {
        let nested = &self.world.nested;
        let mine =
            |tracer, process| if wait.has(libc::__WNOTHREAD) { tracer == self.tid } else { process == self.tgid };
        nested.traced.borrow().iter().any(|(tid, traced)| mine(traced.tracer, traced.process) && wait.is_for(*tid))
            || wait.has(libc::WEXITED)
                && nested.ends.borrow().iter().any(|end| mine(end.tracer, end.process) && wait.is_for(end.tid))
    }

    /// What there is to tell, which with `WNOWAIT` stays to be told.
    fn news(&self, wait: &Wait) -> Option<News> {
        let nested = &self.world.nested;
        let mine =
            |tracer, process| if wait.has(libc::__WNOTHREAD) { tracer == self.tid } else { process == self.tgid };
        let mut traced = nested.traced.borrow_mut();
        let stopped = traced
            .iter_mut()
            .filter(|(tid, traced)| mine(traced.tracer, traced.process) && wait.is_for(**tid))
            .filter_map(|(tid, traced)| traced.stop.as_mut().map(|stop| (*tid, stop)))
            .filter(|(_, stop)| !stop.told)
            .min_by_key(|(_, stop)| stop.number);
        if let Some((tid, stop)) = stopped {
            stop.told = !wait.has(libc::WNOWAIT);
            return Some(News { tid, status: stop.code << 8 | 0x7f, uid: self.uid_of(tid) });
        }
        if !wait.has(libc::WEXITED) {
            return None;
        }
        let mut ends = nested.ends.borrow_mut();
        let index = ends.iter().position(|end| mine(end.tracer, end.process) && wait.is_for(end.tid))?;
        let news = ends.get(index).map(|end| News { tid: end.tid, status: end.status, uid: end.uid });
        if !wait.has(libc::WNOWAIT) {
            if let Some(end) = ends.remove(index).filter(|end| end.holds) {
                nested.order(Order::LetEnd { tid: end.tid });
            }
        }
        news
    }

    /// Answers a wait.
    fn tell(&self, wait: &Wait, news: &News) -> Outcome {
        let width = self.abi().word_len();
        if !wait.usage.is_null() {
            self.write(wait.usage, &[0; RUSAGE_WORDS * 8][..RUSAGE_WORDS * width])?;
        }
        let Some(to) = wait.info else {
            if !wait.status.is_null() {
                self.write(wait.status, &news.status.to_ne_bytes())?;
            }
            return Ok(Answer::Value(news.tid as u64));
        };
        if !to.is_null() {
            let info = child_info(news.tid, news.uid, news.status).of_width(width);
            // Up to si_status, as the kernel does (`kernel/exit.c: SYSCALL_DEFINE5(waitid)`).
            let len = if width == 8 { 28 } else { 24 };
            self.write(to, &info.0[..len])?;
        }
        Ok(Answer::Value(0))
    }

    /// What is told to be the user of a thread.
    pub(super) fn uid_of(&self, tid: i32) -> u32 {
        let threads = self.world.threads.borrow();
        threads.get(&tid).and_then(|thread| thread.upgrade()).map_or(0, |thread| thread.creds.get().uid.real)
    }
}

/// What SIGCHLD and waitid(2) tell of a stop or an end (`kernel/exit.c: wait_task_stopped, wait_task_zombie`).
pub(super) fn child_info(tid: i32, uid: u32, status: i32) -> Info {
    let (code, status) = if libc::WIFSTOPPED(status) {
        (libc::CLD_TRAPPED, status >> 8)
    } else if libc::WIFEXITED(status) {
        (libc::CLD_EXITED, libc::WEXITSTATUS(status))
    } else if libc::WCOREDUMP(status) {
        (libc::CLD_DUMPED, libc::WTERMSIG(status))
    } else {
        (libc::CLD_KILLED, libc::WTERMSIG(status))
    };
    Info::new(libc::SIGCHLD, code).sender(tid, uid).status(status)
}

fn group_of(tid: i32) -> Option<i32> {
    // SAFETY: takes no memory.
    let group = unsafe { libc::getpgid(tid) };
    (group > 0).then_some(group)
}

/// The process behind a descriptor of another one (pidfd_open(2)).
fn process_behind(tid: i32, descriptor: i32) -> Option<i32> {
    let info = proc_text::read_to_string(format!("/proc/{tid}/fdinfo/{descriptor}")).ok()?;
    info.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok()
}
