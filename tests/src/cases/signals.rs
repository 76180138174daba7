//! What a process may do to another: kill(2), kernel/signal.c; and getpriority(2), sched(7), prlimit(2) and process_vm_readv(2).

use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use libc::{PRIO_PROCESS, SIGCONT, SIGURG, SIGUSR1};

use super::cases;
use crate::stage::{Child, as_user, in_child, in_thread};
use crate::sys::{NULL, try_};

cases![
    root_signals_anybody,
    a_user_signals_its_own,
    a_user_may_not_signal_others,
    real_effective_and_saved_ids_count,
    root_without_the_capability,
    signals_to_nobody,
    signals_that_are_none,
    threads_are_signalled_alike,
    queued_signals,
    signals_by_descriptors,
    continuing_is_free_in_the_session,
    signals_to_a_group_of_ones_own,
    signals_to_a_mixed_group,
    signals_to_a_group_of_others,
    signals_to_all_are_allowed,
    a_signal_tells_its_sender,
    the_end_of_a_child_tells_its_user,
    a_user_signals_its_threads_and_itself,
    zombies_are_signalled,
    priority_of_others,
    scheduling_of_others,
    limits_of_others,
    memory_of_others,
    memory_of_an_undumpable_process,
];

/// Sends harmless signals to a process, by all calls that do.
fn send_all(label: &str, pid: i32) {
    for signal in [0, SIGURG] {
        let _ = try_(&format!("{label}: kill {signal}"), quiet!(kill(pid, signal)));
        let _ = try_(&format!("{label}: tkill {signal}"), quiet!(tkill(pid, signal)));
        let _ = try_(&format!("{label}: tgkill {signal}"), quiet!(tgkill(pid, pid, signal)));
    }
}

fn root_signals_anybody() {
    let child = Child::of_user(1000);
    send_all("user", child.pid);
    child.end();
    send_all("itself", std::process::id() as i32);
}

fn a_user_signals_its_own() {
    let child = Child::of_user(1000);
    as_user(1000, || send_all("same", child.pid));
    child.end();
}

fn a_user_may_not_signal_others() {
    let (root, other) = (Child::new(|| ()), Child::of_user(1001));
    as_user(1000, || {
        send_all("root", root.pid);
        send_all("other", other.pid);
        let parent = must!(getppid()) as i32;
        send_all("parent", parent);
    });
    root.end();
    other.end();
}

fn real_effective_and_saved_ids_count() {
    for target in [[1, 2, 3], [2, 1, 3], [3, 2, 1]] {
        let child = Child::new(|| {
            must!(setresuid(target[0], target[1], target[2]));
        });
        for ids in [[1, 9, 9], [9, 1, 9], [9, 9, 1], [2, 9, 9], [9, 2, 9]] {
            in_child(|| {
                must!(setresuid(ids[0], ids[1], ids[2]));
                let _ = try_(&format!("{ids:?} to {target:?}"), quiet!(kill(child.pid, 0)));
            });
        }
        child.end();
    }
}

fn root_without_the_capability() {
    let (root, user) = (Child::new(|| ()), Child::of_user(1000));
    in_child(|| {
        let header = [0x2008_0522u32, 0];
        let all = !(1u32 << 5 | 1 << 24);
        must!(capset(&header, &[all, all, 0, 0x1ff, 0x1ff, 0]));
        send_all("root", root.pid);
        send_all("user", user.pid);
    });
    root.end();
    user.end();
}

fn signals_to_nobody() {
    let send = || {
        for pid in [0x3fff_ffff, i32::MIN + 1, -0x3fff_ffff] {
            let _ = try_(&format!("kill {pid}"), quiet!(kill(pid, 0)));
        }
        for tid in [0, -1, 0x3fff_ffff] {
            let _ = try_(&format!("tkill {tid}"), quiet!(tkill(tid, 0)));
            let _ = try_(&format!("tgkill {tid}"), quiet!(tgkill(tid, tid, 0)));
        }
        // A thread of another process.
        let _ = call!(tgkill(must!(getppid()), must!(getpid()), 0));
    };
    send();
    as_user(1000, send);
}

fn signals_that_are_none() {
    let root = Child::new(|| ());
    let send = || {
        for signal in [65, -1, 1 << 20] {
            let _ = try_(&format!("kill {signal}"), quiet!(kill(root.pid, signal)));
            let _ = try_(&format!("tkill {signal}"), quiet!(tkill(root.pid, signal)));
        }
    };
    send();
    as_user(1000, send);
    root.end();
}

fn threads_are_signalled_alike() {
    // A thread with ids of its own.
    let child = Child::new(|| {
        std::thread::spawn(|| {
            must!(setresuid(1000, 1000, 1000));
            let mut both = [0i32; 2];
            must!(pipe2(&mut both, 0));
            let mut byte = [0u8];
            must!(read(both[0], &mut byte, 1));
        });
        while std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count) < 2 {}
        std::thread::sleep(std::time::Duration::from_millis(100));
    });
    let threads = std::fs::read_dir(child.in_procfs("task")).into_iter().flatten().flatten();
    let mut tids: Vec<i32> = threads.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    tids.sort_unstable();
    as_user(1000, || {
        for (index, tid) in tids.iter().enumerate() {
            let _ = try_(&format!("tgkill {index}"), quiet!(tgkill(child.pid, *tid, 0)));
            let _ = try_(&format!("tkill {index}"), quiet!(tkill(*tid, 0)));
            let _ = try_(&format!("kill {index}"), quiet!(kill(*tid, 0)));
        }
    });
    must!(kill(child.pid, libc::SIGKILL));
    child.end();
}

fn queued_signals() {
    let (root, user) = (Child::new(|| ()), Child::of_user(1000));
    let mut info = [0i32; 32];
    info[0] = SIGURG;
    info[2] = libc::SI_QUEUE;
    as_user(1000, || {
        let _ = try_("root", quiet!(rt_sigqueueinfo(root.pid, SIGURG, &info)));
        let _ = try_("user", quiet!(rt_sigqueueinfo(user.pid, SIGURG, &info)));
    });
    root.end();
    user.end();
}

fn signals_by_descriptors() {
    let (root, user) = (Child::new(|| ()), Child::of_user(1000));
    let fds = [must!(pidfd_open(root.pid, 0)), must!(pidfd_open(user.pid, 0))];
    as_user(1000, || {
        for fd in fds {
            let _ = try_("send", quiet!(pidfd_send_signal(fd, 0, NULL, 0)));
            let _ = try_("send", quiet!(pidfd_send_signal(fd, SIGURG, NULL, 0)));
        }
        let _ = try_("no descriptor", quiet!(pidfd_send_signal(77, 0, NULL, 0)));
        let _ = try_("no process", quiet!(pidfd_send_signal(crate::stage::open_ro(c"."), 0, NULL, 0)));
    });
    root.end();
    user.end();
}

fn continuing_is_free_in_the_session() {
    let (here, away) = (
        Child::new(|| ()),
        Child::new(|| {
            must!(setsid());
        }),
    );
    as_user(1000, || {
        let _ = try_("here", quiet!(kill(here.pid, SIGCONT)));
        let _ = try_("away", quiet!(kill(away.pid, SIGCONT)));
    });
    here.end();
    away.end();
}

/// A child in a process group, which is its own if `group` is 0.
fn in_group(group: i32, uid: u32) -> Child {
    Child::new(|| {
        must!(setpgid(0, group));
        if uid != 0 {
            crate::stage::drop_to(uid);
        }
    })
}

fn signals_to_a_group_of_ones_own() {
    let first = in_group(0, 1000);
    let second = in_group(first.pid, 1000);
    as_user(1000, || {
        let _ = try_("0", quiet!(kill(-first.pid, 0)));
        let _ = try_("USR1", quiet!(kill(-first.pid, SIGUSR1)));
    });
    first.end();
    second.end();
}

fn signals_to_a_mixed_group() {
    let first = in_group(0, 1000);
    let second = in_group(first.pid, 1001);
    let third = in_group(first.pid, 0);
    as_user(1000, || {
        let _ = try_("0", quiet!(kill(-first.pid, 0)));
        let _ = try_("USR1", quiet!(kill(-first.pid, SIGUSR1)));
    });
    // Only the first one is ended by it.
    first.end();
    second.end();
    in_child(|| {
        must!(setpgid(0, third.pid));
        crate::stage::drop_to(1000);
        let _ = try_("own group", quiet!(kill(0, SIGUSR1)));
    });
    third.end();
}

fn signals_to_a_group_of_others() {
    let first = in_group(0, 1001);
    let second = in_group(first.pid, 0);
    as_user(1000, || {
        let _ = try_("0", quiet!(kill(-first.pid, 0)));
        let _ = try_("USR1", quiet!(kill(-first.pid, SIGUSR1)));
    });
    first.end();
    second.end();
}

/// The signal that is none: the oracle is a whole machine.
fn signals_to_all_are_allowed() {
    let _ = call!(kill(-1, 0));
    as_user(1000, || {
        let _ = call!(kill(-1, 0));
    });
    let _ = call!(kill(-1, 65));
}

static CODE: AtomicI32 = AtomicI32::new(0);
static UID: AtomicU32 = AtomicU32::new(0);
static PID: AtomicI32 = AtomicI32::new(0);

extern "C" fn note(_: i32, info: *mut libc::siginfo_t, _: usize) {
    // SAFETY: the kernel hands a structure that lives as long as the handler.
    let (code, uid, pid) = unsafe { ((*info).si_code, (*info).si_uid(), (*info).si_pid()) };
    CODE.store(code, Ordering::SeqCst);
    UID.store(uid, Ordering::SeqCst);
    PID.store(pid, Ordering::SeqCst);
}

/// Notes who sends this signal.
fn note_sender(signal: i32) {
    // SAFETY: all zeros is a value of the structure; the handler only stores what it is told.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = note as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        libc::sigaction(signal, &action, std::ptr::null_mut());
    }
}

fn tell_sender(label: &str, pid: i32) {
    let is_from = PID.load(Ordering::SeqCst) == pid;
    println!("{label}: code {} from {} {is_from}", CODE.load(Ordering::SeqCst), UID.load(Ordering::SeqCst));
}

fn a_signal_tells_its_sender() {
    // Not SIGCHLD as well: of two that wait together it is not defined which is noted last.
    note_sender(SIGUSR1);
    let own = std::process::id() as i32;
    must!(kill(own, SIGUSR1));
    tell_sender("itself", own);
    in_child(|| {
        must!(setresuid(11, 12, 0));
        let own = std::process::id() as i32;
        must!(tkill(own, SIGUSR1));
        tell_sender("user", own);
    });
    let mut ends = [0i32; 2];
    must!(pipe2(&mut ends, 0));
    let mut child = 0;
    in_child(|| {
        must!(setresuid(11, 0, 12));
        must!(kill(own, SIGUSR1));
        must!(write(ends[1], &(std::process::id() as i32), 4));
    });
    must!(read(ends[0], &mut child, 4));
    tell_sender("child", child);
}

fn the_end_of_a_child_tells_its_user() {
    note_sender(libc::SIGCHLD);
    let child = Child::of_user(1000);
    let pid = child.pid;
    child.end();
    tell_sender("child", pid);
}

fn a_user_signals_its_threads_and_itself() {
    as_user(1000, || {
        let own = std::process::id() as i32;
        send_all("itself", own);
        in_thread(|| {
            let tid = must!(gettid()) as i32;
            let _ = try_("thread", quiet!(tgkill(own, tid, 0)));
            let _ = try_("leader", quiet!(tgkill(own, own, SIGURG)));
        });
        let _ = try_("group", quiet!(kill(0, 0)));
    });
}

fn zombies_are_signalled() {
    let end = |uid: u32| {
        crate::stage::fork(|| {
            if uid != 0 {
                crate::stage::drop_to(uid);
            }
        })
        .unwrap_or(0)
    };
    let zombies = [end(0), end(1000), end(1001)];
    let mut info = [0u8; 128];
    for pid in zombies {
        // SAFETY: the buffer has the size of a siginfo_t.
        unsafe { libc::waitid(libc::P_PID, pid as u32, info.as_mut_ptr().cast(), libc::WEXITED | libc::WNOWAIT) };
    }
    as_user(1000, || {
        for pid in zombies {
            let _ = try_("zombie", quiet!(kill(pid, 0)));
        }
    });
    for pid in zombies {
        crate::stage::tell_end(pid);
        let _ = try_("gone", quiet!(kill(pid, 0)));
    }
}

fn priority_of_others() {
    let (root, user) = (Child::new(|| ()), Child::of_user(1000));
    as_user(1000, || {
        for (label, pid) in [("root", root.pid), ("user", user.pid)] {
            let _ = try_(label, quiet!(getpriority(PRIO_PROCESS, pid)));
            let _ = try_(label, quiet!(setpriority(PRIO_PROCESS, pid, 19)));
            let _ = try_(label, quiet!(ioprio_set(1, pid, 2 << 13 | 7)));
        }
        let _ = try_("nobody", quiet!(setpriority(PRIO_PROCESS, 0x3fff_ffff, 19)));
    });
    let _ = try_("by root", quiet!(setpriority(PRIO_PROCESS, user.pid, 19)));
    root.end();
    user.end();
}

fn scheduling_of_others() {
    let (root, user) = (Child::new(|| ()), Child::of_user(1000));
    as_user(1000, || {
        for (label, pid) in [("root", root.pid), ("user", user.pid), ("nobody", 0x3fff_ffff)] {
            let _ = try_(label, quiet!(sched_getscheduler(pid)));
            let _ = try_(label, quiet!(sched_setscheduler(pid, libc::SCHED_BATCH, &0i32)));
            let _ = try_(label, quiet!(sched_setparam(pid, &0i32)));
            let _ = try_(label, quiet!(sched_setaffinity(pid, 8, &!0u64)));
        }
    });
    let _ = try_("by root", quiet!(sched_setaffinity(user.pid, 8, &!0u64)));
    root.end();
    user.end();
}

fn limits_of_others() {
    let (root, user) = (Child::new(|| ()), Child::of_user(1000));
    as_user(1000, || {
        for (label, pid) in [("root", root.pid), ("user", user.pid), ("nobody", 0x3fff_ffff), ("itself", 0)] {
            let mut limit = [0u64; 2];
            let told = quiet!(prlimit64(pid, libc::RLIMIT_CORE, NULL, &mut limit));
            if try_(label, told).is_ok() {
                let _ = try_(label, quiet!(prlimit64(pid, libc::RLIMIT_CORE, &limit, NULL)));
            } else {
                let _ = try_(label, quiet!(prlimit64(pid, libc::RLIMIT_CORE, &[0u64, 0], NULL)));
            }
        }
    });
    root.end();
    user.end();
}

/// Reads this program's own words from another process that is a copy of it.
fn read_from(label: &str, pid: i32) {
    let (mut to, from) = ([0u8; 4], b"text");
    let local = [to.as_mut_ptr() as usize, 4];
    let remote = [from.as_ptr() as usize, 4];
    let _ = try_(label, quiet!(process_vm_readv(pid, &local, 1, &remote, 1, 0)));
    let _ = try_(label, quiet!(process_vm_writev(pid, &local, 0, &remote, 0, 0)));
}

fn memory_of_others() {
    let dumpable = || {
        must!(prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0));
    };
    let root = Child::new(|| ());
    let user = Child::new(|| {
        crate::stage::drop_to(1000);
        dumpable();
    });
    read_from("root reads", user.pid);
    as_user(1000, || {
        read_from("root's", root.pid);
        read_from("same user's", user.pid);
        read_from("its own", std::process::id() as i32);
        read_from("nobody's", 0x3fff_ffff);
    });
    root.end();
    user.end();
}

fn memory_of_an_undumpable_process() {
    let user = Child::of_user(1000);
    read_from("root reads", user.pid);
    as_user(1000, || read_from("same user's", user.pid));
    user.end();
}
