//! The requests by which a tracee becomes the tracer of another one: `PTRACE_TRACEME`, `PTRACE_ATTACH`, `PTRACE_SEIZE`
//! (`kernel/ptrace.c: ptrace_traceme, ptrace_attach`).

use std::rc::Rc;

use super::orders::Order;
use super::requests::OPTIONS_MASK;
use super::{Nested, Traced};
use crate::creds::CAP_SYS_PTRACE;
use crate::errno::Errno;
use crate::filter::Late;
use crate::policy::{Answer, Outcome, Tracee};
use crate::tracer::flight::ERESTARTNOINTR;
use crate::tracer::foundlings::Stat;
use crate::tracer::ptrace;
use crate::tracer::thread::Thread;

impl Thread {
    /// `PTRACE_TRACEME`: the parent becomes the tracer, if it is fooled too.
    pub(super) fn trace_me(&self) -> Outcome {
        let nested = &self.world.nested;
        let parent = Stat::of(self.tgid).map(|stat| stat.parent).ok_or(Errno::ESRCH)?;
        let tracer = {
            let threads = self.world.threads.borrow();
            let living = |tid: i32| threads.get(&tid).and_then(|thread| thread.upgrade());
            // The kernel takes the thread that has made it for the parent; another one once that is gone.
            living(self.maker).filter(|maker| maker.tgid == parent).or_else(|| living(parent))
        };
        let tracer = tracer.ok_or(Errno::EPERM)?;
        if nested.is_traced(self.tid) {
            return Err(Errno::EPERM);
        }
        let traced = Traced::new(tracer.tid, tracer.tgid, false, 0, true);
        self.begin(self.tid, traced, false, 0);
        Ok(Answer::Value(0))
    }

    /// `PTRACE_ATTACH`, or `PTRACE_SEIZE` with these options.
    pub(super) async fn attach_to(&self, tid: i32, seize: Option<(u64, u64)>) -> Outcome {
        let target = self.world.threads.borrow().get(&tid).and_then(|thread| thread.upgrade());
        // One that is not fooled is the kernel's to trace.
        let Some(target) = target else { return Ok(Answer::Pass) };
        if let Some((addr, options)) = seize {
            if addr != 0 || options & !u64::from(OPTIONS_MASK) != 0 {
                return Err(Errno::EIO);
            }
        }
        if target.tgid == self.tgid || !self.may_trace(&target) || self.world.nested.is_traced(tid) {
            return Err(Errno::EPERM);
        }
        if self.watch_waits().await? {
            return Err(ERESTARTNOINTR);
        }
        let options = seize.map_or(0, |(_, options)| options as i32);
        let own_child = Stat::of(target.tgid).is_some_and(|stat| stat.parent == self.tgid);
        let traced = Traced::new(self.tid, self.tgid, seize.is_some(), options, own_child);
        self.begin(tid, traced, seize.is_none(), self.tid);
        Ok(Answer::Value(0))
    }

    fn begin(&self, tid: i32, traced: Traced, stops: bool, asked_by: i32) {
        let nested: &Nested = &self.world.nested;
        let process = traced.process;
        nested.traced.borrow_mut().insert(tid, traced);
        nested.order(Order::Begin { tid, stops });
        nested.order(Order::Watch { process, except: asked_by });
    }

    /// Whether this thread may trace another one (`kernel/ptrace.c: __ptrace_may_access`).
    fn may_trace(&self, target: &Rc<Thread>) -> bool {
        let (mine, theirs) = (self.creds(), target.creds());
        if mine.has(CAP_SYS_PTRACE) {
            return true;
        }
        let (uid, gid) = (mine.uid.real, mine.gid.real);
        let same_user = [theirs.uid.effective, theirs.uid.saved, theirs.uid.real] == [uid; 3];
        let same_group = [theirs.gid.effective, theirs.gid.saved, theirs.gid.real] == [gid; 3];
        let less = theirs.caps.permitted & !mine.caps.permitted == 0;
        same_user && same_group && less && target.process().dumpable == 1
    }

    /// From now on this thread stops at waits, if its engine stops by filters. Returns whether a call has been made for it.
    ///
    /// # Errors
    /// seccomp(2)'s.
    pub(in crate::tracer) async fn watch_waits(&self) -> Result<bool, Errno> {
        if !self.engine.filters() || self.watches_waits.replace(true) {
            return Ok(false);
        }
        self.add_filter(Late::Waits, 0).await?;
        Ok(true)
    }
}

/// Sends a signal to one thread. If it is gone it needs none.
pub(super) fn send(tgid: i32, tid: i32, signal: i32) {
    // SAFETY: takes no memory.
    unsafe { libc::syscall(libc::SYS_tgkill, tgid, tid, signal) };
}

/// Has a thread stop that is in a group-stop, or wherever it is.
pub(super) fn interrupt(tid: i32) {
    ptrace::interrupt(tid);
}
