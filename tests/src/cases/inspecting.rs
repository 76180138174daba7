//! What a process may learn of another and take from it: calls that ask `ptrace_may_access` (`kernel/ptrace.c`). For
//! process_vm_readv(2) see `signals`, for procfs `procfs_reach`.

use super::cases;
use crate::stage::{Child, as_user, drop_to, in_child};
use crate::sys::{BAD, NULL, ok_or_errno};

cases![
    root_inspects_a_user,
    root_without_ptrace_inspects_others,
    a_user_inspects_others,
    a_user_inspects_one_that_is_not_dumpable,
    a_user_measures_others,
    a_user_inspects_itself,
    a_user_inspects_nobody,
    a_user_inspects_one_that_has_ended,
    a_user_that_may_trace_inspects_others,
    wrong_arguments_are_told_first,
];

/// `KCMP_VM` (`include/uapi/linux/kcmp.h`).
const VM: i32 = 1;

fn become_plainly(uid: u32) {
    drop_to(uid);
    must!(prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0));
}

/// Asks all there is to ask about a process, for which there is a descriptor.
fn inspect(label: &str, pid: i32, descriptor: i32) {
    let told = |what: &str, result: crate::sys::Result| {
        let _ = ok_or_errno(&format!("{label}: {what}"), result);
    };
    let own = std::process::id() as i32;
    let (mut head, mut length, nodes, page, mut state) = (0usize, 0usize, 1usize, NULL, 0i32);
    told("pidfd_getfd", quiet!(pidfd_getfd(descriptor, 0, 0)));
    told("pidfd_getfd of none", quiet!(pidfd_getfd(descriptor, 999, 0)));
    told("kcmp", quiet!(kcmp(pid, own, VM, 0, 0)));
    told("kcmp with it", quiet!(kcmp(own, pid, VM, 0, 0)));
    told("kcmp of nothing", quiet!(kcmp(pid, own, 77, 0, 0)));
    told("get_robust_list", quiet!(get_robust_list(pid, &mut head, &mut length)));
    told("move_pages", quiet!(move_pages(pid, 1, &page, NULL, &mut state, 0)));
    told("migrate_pages", quiet!(migrate_pages(pid, 2, &nodes, &nodes)));
}

/// Of who is refused: who is not has to have a capability besides.
fn advise(label: &str, descriptor: i32) {
    let part = [NULL, 4096];
    let result = quiet!(process_madvise(descriptor, &part, 1, libc::MADV_COLD, 0));
    let _ = ok_or_errno(&format!("{label}: process_madvise"), result);
}

struct Target {
    label: &'static str,
    child: Child,
    descriptor: i32,
}

impl Target {
    fn new(label: &'static str, scene: impl FnOnce()) -> Target {
        let child = Child::new(scene);
        let descriptor = must!(pidfd_open(child.pid, 0)) as i32;
        Target { label, child, descriptor }
    }

    fn inspect(&self) {
        inspect(self.label, self.child.pid, self.descriptor);
    }
}

fn targets() -> [Target; 3] {
    [
        Target::new("root", || ()),
        Target::new("user", || become_plainly(1000)),
        Target::new("another", || become_plainly(1001)),
    ]
}

fn root_inspects_a_user() {
    for target in targets() {
        target.inspect();
        target.child.end();
    }
}

/// Advice is taken from whom CAP_SYS_ADMIN lets measure performance, too, by newer kernels.
fn root_without_ptrace_inspects_others() {
    const SYS_PTRACE: u32 = 1 << 19;
    let targets = targets();
    in_child(|| {
        let header = [0x2008_0522u32, 0];
        let mut caps = [0u32; 6];
        must!(capget(&header, &mut caps));
        caps[0] &= !SYS_PTRACE;
        caps[1] &= !SYS_PTRACE;
        must!(capset(&header, &caps));
        targets.iter().for_each(Target::inspect);
    });
    targets.into_iter().for_each(|target| target.child.end());
}

fn a_user_inspects_others() {
    let targets = targets();
    in_child(|| {
        become_plainly(1000);
        targets.iter().for_each(Target::inspect);
        advise("root", targets[0].descriptor);
        advise("another", targets[2].descriptor);
    });
    targets.into_iter().for_each(|target| target.child.end());
}

fn a_user_inspects_one_that_is_not_dumpable() {
    let target = Target::new("user", || drop_to(1000));
    as_user(1000, || {
        target.inspect();
        advise("user", target.descriptor);
    });
    target.child.end();
}

/// Opens a counter of a process; where the machine lets nobody but root, all are refused.
fn measure(label: &str, pid: i32, kind: u32, flags: i32) {
    const SOFTWARE_CLOCK: [u64; 2] = [1 | 64 << 32, 0];
    // Disabled, and neither of the kernel nor of a hypervisor.
    let mut attributes = [0u64; 8];
    attributes[..2].copy_from_slice(&SOFTWARE_CLOCK);
    attributes[0] += u64::from(kind);
    attributes[5] = 1 | 1 << 5 | 1 << 6;
    let _ = ok_or_errno(label, quiet!(perf_event_open(&attributes, pid, -1, -1, flags)));
}

fn a_user_measures_others() {
    let targets = targets();
    in_child(|| {
        become_plainly(1000);
        for Target { label, child, .. } in &targets {
            measure(label, child.pid, 0, 0);
            measure("of no kind", child.pid, 7777, 0);
            measure("with a wrong flag", child.pid, 0, 1 << 20);
        }
        measure("itself", 0, 0, 0);
        measure("nobody", 0x3fff_ffff, 0, 0);
    });
    targets.into_iter().for_each(|target| target.child.end());
}

/// Dumpable or not.
fn a_user_inspects_itself() {
    as_user(1000, || {
        let own = std::process::id() as i32;
        let descriptor = must!(pidfd_open(own, 0)) as i32;
        inspect("itself", own, descriptor);
        let (mut head, mut length) = (0usize, 0usize);
        let _ = ok_or_errno("get_robust_list of 0", quiet!(get_robust_list(0, &mut head, &mut length)));
        let _ = ok_or_errno("kcmp of 0", quiet!(kcmp(own, 0, VM, 0, 0)));
    });
}

fn a_user_inspects_nobody() {
    let root = Target::new("root", || ());
    as_user(1000, || {
        inspect("nobody", 0x3fff_ffff, 77);
        inspect("no process", -1, crate::stage::open_ro(c"."));
        let _ = ok_or_errno("kcmp", quiet!(kcmp(root.child.pid, 0x3fff_ffff, VM, 0, 0)));
        let _ = ok_or_errno("kcmp", quiet!(kcmp(0x3fff_ffff, root.child.pid, VM, 0, 0)));
        let _ = ok_or_errno("kcmp", quiet!(kcmp(0, root.child.pid, VM, 0, 0)));
    });
    root.child.end();
}

fn a_user_inspects_one_that_has_ended() {
    let target = Target::new("ended", || become_plainly(1001));
    let (pid, descriptor) = (target.child.pid, target.descriptor);
    target.child.end();
    as_user(1000, || {
        inspect("ended", pid, descriptor);
        advise("ended", descriptor);
    });
}

fn a_user_that_may_trace_inspects_others() {
    const SYS_PTRACE: u32 = 1 << 19;
    let targets = targets();
    in_child(|| {
        must!(prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0));
        drop_to(1000);
        must!(capset(&[0x2008_0522u32, 0], &[SYS_PTRACE, SYS_PTRACE, 0, 0, 0, 0]));
        targets.iter().for_each(Target::inspect);
    });
    targets.into_iter().for_each(|target| target.child.end());
}

fn wrong_arguments_are_told_first() {
    let root = Target::new("root", || ());
    let (pid, descriptor) = (root.child.pid, root.descriptor);
    as_user(1000, || {
        let part = [NULL, 4096];
        let told = |what: &str, result: crate::sys::Result| {
            let _ = ok_or_errno(what, result);
        };
        told("pidfd_getfd", quiet!(pidfd_getfd(descriptor, 0, 1)));
        told("move_pages", quiet!(move_pages(pid, 0, NULL, NULL, NULL, 64)));
        told("move_pages", quiet!(move_pages(pid, 0, NULL, NULL, NULL, 4)));
        told("migrate_pages", quiet!(migrate_pages(pid, 64, BAD, BAD)));
        told("get_robust_list", quiet!(get_robust_list(pid, BAD, BAD)));
        told("process_madvise", quiet!(process_madvise(descriptor, &part, 1, libc::MADV_COLD, 1)));
        told("process_madvise", quiet!(process_madvise(descriptor, BAD, 1, libc::MADV_COLD, 0)));
        told("process_madvise", quiet!(process_madvise(descriptor, &part, 1, 99, 0)));
        told("kcmp", quiet!(kcmp(pid, pid, 77, 0, 0)));
    });
    root.child.end();
}
