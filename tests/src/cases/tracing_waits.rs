//! The waits of programs that trace others.

use std::sync::atomic::{AtomicUsize, Ordering};

use libc::{CLD_TRAPPED, WEXITED, WNOHANG, WNOWAIT, WSTOPPED};

use super::cases;
use crate::stage::{fork, in_child};
use crate::sys::{NULL, errno, last_errno};
use crate::tracer::{FOLLOW, child, describe, end, idle_child, request, tell_wait, told, wait};

cases![
    a_tracer_waits_for_whom_it_traces_among_its_children,
    a_tracer_waits_for_others_children,
    a_tracer_without_children_waits,
    waits_are_interrupted_by_signals,
    waits_go_on_behind_handlers_that_restart,
    what_waitid_tells_of_whom_it_traces,
    a_wait_may_leave_it_waitable,
    waits_for_groups,
    waits_by_descriptor_of_a_process,
    a_killed_tracee_is_told_as_killed,
    a_tracer_gets_signals,
    a_parent_learns_of_the_end_of_a_traced_child,
    nobody_is_left,
];

const CONT: u32 = libc::PTRACE_CONT;

fn kill(pid: i32, signal: i32) {
    // SAFETY: takes no memory.
    unsafe { libc::kill(pid, signal) };
}

fn a_tracer_waits_for_whom_it_traces_among_its_children() {
    let traced = child(|| {});
    tell_wait("first", traced, 0);
    let other = fork(|| {}).unwrap_or(-1);
    tell_wait("the other", other, 0);
    let _ = request(CONT, traced, NULL, NULL);
    tell_wait("any", -1, 0);
    tell_wait("any", -1, 0);
}

/// The grandchild is not the tracer's child; its own parent waits for it, too.
fn a_tracer_waits_for_others_children() {
    let mut ends = [0; 2];
    // SAFETY: there is room for two descriptors.
    unsafe { libc::pipe(ends.as_mut_ptr()) };
    let parent = fork(|| {
        let grandchild = fork(|| {
            loop {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        })
        .unwrap_or(-1);
        // SAFETY: four bytes.
        unsafe { libc::write(ends[1], (&raw const grandchild).cast(), 4) };
        let signal = wait(grandchild, 0).map_or(0, |(_, status)| libc::WTERMSIG(status));
        // SAFETY: leaves without the parent's exit handlers.
        unsafe { libc::_exit(signal) }
    })
    .unwrap_or(-1);
    let mut grandchild = 0;
    // SAFETY: there is room for four bytes.
    unsafe { libc::read(ends[0], (&raw mut grandchild).cast(), 4) };
    tell_wait("not its child", grandchild, WNOHANG);
    let _ = told("attach", libc::PTRACE_ATTACH, grandchild, NULL, NULL);
    tell_wait("attached", grandchild, 0);
    tell_wait("nothing", -1, WNOHANG);
    let _ = request(CONT, grandchild, NULL, NULL);
    tell_wait("runs", grandchild, WNOHANG);
    kill(grandchild, libc::SIGTERM);
    tell_wait("signal", -1, 0);
    let _ = request(CONT, grandchild, NULL, libc::SIGTERM as usize);
    tell_wait("end", grandchild, 0);
    tell_wait("gone", grandchild, 0);
    tell_wait("parent", parent, 0);
}

/// The only one that there is to wait for is its grandchild.
fn a_tracer_without_children_waits() {
    let mut ends = [0; 2];
    // SAFETY: there is room for two descriptors.
    unsafe { libc::pipe(ends.as_mut_ptr()) };
    let parent = fork(|| {
        let grandchild = idle_child();
        // SAFETY: four bytes.
        unsafe { libc::write(ends[1], (&raw const grandchild).cast(), 4) };
    });
    let _ = parent.map(|parent| tell_wait("parent", parent, 0));
    let mut grandchild = 0;
    // SAFETY: there is room for four bytes.
    unsafe { libc::read(ends[0], (&raw mut grandchild).cast(), 4) };
    let _ = told("seize", libc::PTRACE_SEIZE, grandchild, NULL, FOLLOW as usize);
    tell_wait("nothing", -1, WNOHANG);
    let killer = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        kill(grandchild, libc::SIGUSR1);
    });
    tell_wait("any", -1, 0);
    let _ = killer.join();
    let _ = request(CONT, grandchild, NULL, libc::SIGUSR1 as usize);
    tell_wait("any", -1, 0);
    tell_wait("any", -1, 0);
}

static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: i32) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

fn handle(signal: i32, flags: i32) {
    // SAFETY: all zeros is a value of the structure; the handler only counts.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = count as extern "C" fn(i32) as usize;
        action.sa_flags = flags;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}

fn alarm_soon() {
    let soon = libc::itimerval {
        it_interval: libc::timeval { tv_sec: 0, tv_usec: 0 },
        it_value: libc::timeval { tv_sec: 0, tv_usec: 200_000 },
    };
    // SAFETY: `soon` is live.
    unsafe { libc::syscall(libc::SYS_setitimer, libc::ITIMER_REAL, &raw const soon, NULL) };
}

fn waits_are_interrupted_by_signals() {
    handle(libc::SIGALRM, 0);
    let pid = idle_child();
    let _ = told("seize", libc::PTRACE_SEIZE, pid, NULL, NULL);
    for _ in 0..2 {
        alarm_soon();
        tell_wait("a child", pid, 0);
        println!("handled {}", HANDLED.load(Ordering::SeqCst));
    }
    end(pid);
}

fn waits_go_on_behind_handlers_that_restart() {
    handle(libc::SIGALRM, libc::SA_RESTART);
    let pid = idle_child();
    let _ = told("seize", libc::PTRACE_SEIZE, pid, NULL, NULL);
    let killer = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(600));
        kill(pid, libc::SIGUSR1);
    });
    alarm_soon();
    tell_wait("a child", pid, 0);
    let _ = killer.join();
    println!("handled {}", HANDLED.load(Ordering::SeqCst));
    end(pid);
}

/// waitid(2), and prints what it tells.
fn tell_waitid(what: &str, kind: libc::idtype_t, id: i32, options: i32) {
    // SAFETY: the structure holds integers and addresses; all zeros is a value of it.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: `info` is live.
    let result = unsafe { libc::waitid(kind, id as libc::id_t, &raw mut info, options) };
    if result != 0 {
        return println!("{what}: {}", errno::name(last_errno()));
    }
    // SAFETY: the fields of SIGCHLD, or zero.
    let (pid, uid, status) = unsafe { (info.si_pid(), info.si_uid(), info.si_status()) };
    let trapped = info.si_code == CLD_TRAPPED;
    println!("{what}: signal {} code {} trapped {trapped} somebody {}", info.si_signo, info.si_code, pid != 0);
    println!("status {status:#x} uid {}", if trapped { uid } else { 0 });
}

fn what_waitid_tells_of_whom_it_traces() {
    let pid = child(|| {});
    tell_waitid("first", libc::P_PID, pid, WSTOPPED);
    let _ = told("options", libc::PTRACE_SETOPTIONS, pid, NULL, (FOLLOW | libc::PTRACE_O_TRACEEXIT) as usize);
    tell_waitid("nothing", libc::P_PID, pid, WSTOPPED | WNOHANG);
    let _ = request(CONT, pid, NULL, NULL);
    tell_waitid("about to end", libc::P_ALL, 0, WSTOPPED);
    let _ = request(CONT, pid, NULL, NULL);
    tell_waitid("end", libc::P_ALL, 0, WEXITED);
    tell_waitid("nobody", libc::P_ALL, 0, WEXITED);
}

fn a_wait_may_leave_it_waitable() {
    let pid = child(|| {});
    for _ in 0..2 {
        tell_waitid("looks", libc::P_PID, pid, WSTOPPED | WNOWAIT);
    }
    tell_wait("takes", pid, 0);
    tell_waitid("nothing", libc::P_PID, pid, WSTOPPED | WNOWAIT | WNOHANG);
    let _ = request(CONT, pid, NULL, NULL);
    for _ in 0..2 {
        tell_waitid("looks", libc::P_PID, pid, WEXITED | WNOWAIT);
    }
    tell_wait("takes", pid, 0);
}

fn waits_for_groups() {
    let mine = child(|| {});
    let other = child(|| {});
    // Both are stopped before the group of one is changed.
    tell_waitid("first", libc::P_PID, mine, WSTOPPED | WNOWAIT);
    tell_waitid("second", libc::P_PID, other, WSTOPPED | WNOWAIT);
    // SAFETY: takes no memory.
    unsafe { libc::setpgid(other, 0) };
    println!("of mine: {}", wait(0, libc::__WALL).map(|(pid, _)| pid == mine).unwrap_or(false));
    println!("no more: {}", wait(0, libc::__WALL | WNOHANG).map(|(pid, _)| pid).unwrap_or(-1));
    println!("of the other: {}", wait(-other, libc::__WALL).map(|(pid, _)| pid == other).unwrap_or(false));
    tell_wait("of none", -0x3f_ffff, WNOHANG);
    for pid in [mine, other] {
        end(pid);
    }
}

fn waits_by_descriptor_of_a_process() {
    let pid = child(|| {});
    // SAFETY: takes no memory.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) } as i32;
    tell_waitid("stopped", libc::P_PIDFD, descriptor, WSTOPPED);
    let _ = request(CONT, pid, NULL, NULL);
    tell_waitid("ended", libc::P_PIDFD, descriptor, WEXITED);
}

fn a_killed_tracee_is_told_as_killed() {
    let pid = child(|| {});
    tell_wait("first", pid, 0);
    kill(pid, libc::SIGKILL);
    tell_wait("killed", pid, 0);
    let pid = child(|| {});
    tell_waitid("stopped, and not taken", libc::P_PID, pid, WSTOPPED | WNOWAIT);
    let _ = told("kill", libc::PTRACE_KILL, pid, NULL, NULL);
    while let Ok((_, status)) = wait(pid, libc::__WALL) {
        if !libc::WIFSTOPPED(status) {
            println!("{}", describe(status));
            break;
        }
    }
}

static STATUS: AtomicUsize = AtomicUsize::new(0);
static CODE: AtomicUsize = AtomicUsize::new(0);
static SENDER: AtomicUsize = AtomicUsize::new(0);

extern "C" fn note(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel gives the handler what comes with a SIGCHLD.
    let (code, pid, status) = unsafe { ((*info).si_code, (*info).si_pid(), (*info).si_status()) };
    CODE.store(code as usize, Ordering::SeqCst);
    SENDER.store(pid as usize, Ordering::SeqCst);
    STATUS.store(status as usize, Ordering::SeqCst);
}

fn a_tracer_gets_signals() {
    // SAFETY: all zeros is a value of the structure; the handler only stores numbers.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = note as extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        libc::sigaction(libc::SIGCHLD, &raw const action, std::ptr::null_mut());
    }
    let told = |what: &str, pid: i32| {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while CODE.load(Ordering::SeqCst) == 0 && std::time::Instant::now() < deadline {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let (code, status) = (CODE.swap(0, Ordering::SeqCst), STATUS.load(Ordering::SeqCst));
        println!("{what}: code {code} status {status:#x} of it {}", SENDER.load(Ordering::SeqCst) == pid as usize);
    };
    let pid = child(|| {});
    told("stopped", pid);
    tell_wait("first", pid, 0);
    let _ = request(libc::PTRACE_SETOPTIONS, pid, NULL, libc::PTRACE_O_TRACEEXIT as usize);
    let _ = request(CONT, pid, NULL, NULL);
    told("about to end", pid);
    tell_wait("about to end", pid, 0);
    let _ = request(CONT, pid, NULL, NULL);
    told("ended", pid);
    tell_wait("ended", pid, 0);
}

fn a_parent_learns_of_the_end_of_a_traced_child() {
    let pid = idle_child();
    in_child(|| {
        let _ = told("seize", libc::PTRACE_SEIZE, pid, NULL, NULL);
        kill(pid, libc::SIGTERM);
        tell_wait("signal", pid, 0);
        let _ = request(CONT, pid, NULL, libc::SIGTERM as usize);
        tell_wait("tracer", pid, 0);
        tell_wait("no more", pid, 0);
    });
    tell_wait("parent", pid, 0);
}

fn nobody_is_left() {
    let pid = child(|| {});
    tell_wait("first", pid, 0);
    let _ = request(libc::PTRACE_DETACH, pid, NULL, NULL);
    tell_wait("end", pid, 0);
    tell_wait("any", -1, 0);
    tell_wait("any", -1, WNOHANG);
    tell_waitid("any", libc::P_ALL, 0, WEXITED | WNOHANG);
}
