//! New threads and processes, made in all the ways there are.

use std::io::Write;
use std::sync::atomic::{AtomicIsize, Ordering};

use libc::{CLONE_UNTRACED, CLONE_VFORK, CLONE_VM, SIGCHLD};

use super::cases;
use crate::stage::{dir, in_child, tell_end};
use crate::sys::{self, BAD, NULL, errno};

cases![
    untraced_child_by_clone_is_fooled_too,
    untraced_child_by_clone3_is_fooled_too,
    untraced_vfork_child_executes,
    untraced_threads_are_fooled_too,
    clone3_refuses_what_it_refuses,
    clone3_leaves_its_arguments_alone,
    children_in_new_namespaces,
];

/// `struct clone_args` of Linux 5.7, eleven words.
type CloneArgs = [u64; 11];
const FLAGS: usize = 0;
const EXIT_SIGNAL: usize = 4;

fn clone_args(flags: i32, exit_signal: i32) -> CloneArgs {
    let mut args = [0; 11];
    args[FLAGS] = flags as u64;
    args[EXIT_SIGNAL] = exit_signal as u64;
    args
}

/// In a forked child: who it is, and whether what it does is remembered.
fn tell_and_end() -> ! {
    crate::roles::ids();
    must!(fchownat(libc::AT_FDCWD, c"d", 5, 6, 0));
    let _ = std::io::stdout().flush();
    // SAFETY: leaves without the parent's exit handlers.
    unsafe { libc::_exit(0) }
}

/// What became of a call that makes a child like fork does.
fn wait_for(child: sys::Result) {
    match child {
        Ok(0) => tell_and_end(),
        Ok(pid) => tell_end(pid as i32),
        Err(error) => println!("no child: {}", errno::name(error)),
    }
    crate::seen::show(c"d");
}

fn untraced_child_by_clone_is_fooled_too() {
    dir(c"d");
    in_child(|| {
        must!(setresuid(7, 8, 0));
        let _ = std::io::stdout().flush();
        wait_for(quiet!(clone(CLONE_UNTRACED | SIGCHLD, NULL, NULL, NULL, NULL)));
    });
}

fn untraced_child_by_clone3_is_fooled_too() {
    dir(c"d");
    in_child(|| {
        must!(setresuid(7, 8, 0));
        let _ = std::io::stdout().flush();
        let args = clone_args(CLONE_UNTRACED, SIGCHLD);
        wait_for(quiet!(clone3(&args, size_of::<CloneArgs>())));
    });
}

/// The child runs on a stack of its own in its maker's memory; the maker waits until it has executed something.
fn untraced_vfork_child_executes() {
    extern "C" fn execute(_: *mut libc::c_void) -> i32 {
        let argv = [c"id".as_ptr(), c"-u".as_ptr(), std::ptr::null()];
        let envp = [std::ptr::null()];
        // SAFETY: terminated lists of terminated strings; _exit ends the child alone.
        unsafe {
            libc::execve(c"/no/such/program".as_ptr(), argv.as_ptr(), envp.as_ptr());
            libc::execve(c"/usr/bin/id".as_ptr(), argv.as_ptr(), envp.as_ptr());
            libc::_exit(9)
        }
    }
    let _ = std::io::stdout().flush();
    for _ in 0..20 {
        let mut stack = vec![0u128; 4096];
        let flags = CLONE_UNTRACED | CLONE_VM | CLONE_VFORK | SIGCHLD;
        // SAFETY: the stack is alive until the child has executed something, since its maker is suspended so long.
        let pid = unsafe { libc::clone(execute, stack.as_mut_ptr_range().end.cast(), flags, std::ptr::null_mut()) };
        tell_end(pid);
    }
}

/// Threads without a libc's help: they share their maker's thread-local memory and must not use it.
fn untraced_threads_are_fooled_too() {
    use libc::{CLONE_FILES, CLONE_FS, CLONE_SIGHAND, CLONE_THREAD};
    static SEEN: AtomicIsize = AtomicIsize::new(0);
    extern "C" fn ask(_: *mut libc::c_void) -> i32 {
        // SAFETY: calls that take no memory and do not fail, so that no errno is set.
        unsafe {
            SEEN.store(libc::syscall(libc::SYS_getuid) as isize + 1, Ordering::SeqCst);
            libc::syscall(libc::SYS_exit, 0);
        }
        0
    }
    must!(setresuid(7, 8, 0));
    // Never given back: when the thread has left it cannot be told.
    let stack = vec![0u128; 4096].leak();
    let flags = CLONE_UNTRACED | CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
    // SAFETY: the stack stays to the end of the process.
    let thread = unsafe { libc::clone(ask, stack.as_mut_ptr_range().end.cast(), flags, std::ptr::null_mut()) };
    println!("made: {}", thread > 0);
    while SEEN.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    println!("uid {}", SEEN.load(Ordering::SeqCst) - 1);
}

fn clone3_refuses_what_it_refuses() {
    let untraced = clone_args(CLONE_UNTRACED, SIGCHLD);
    let wrong = clone_args(CLONE_UNTRACED | libc::CLONE_THREAD, 0);
    let signal = clone_args(CLONE_UNTRACED | SIGCHLD, SIGCHLD);
    let mut long = [0u64; 600];
    long[..11].copy_from_slice(&untraced);
    long[500] = 1;
    for len in [0, 8, 63, 4097, 4096] {
        let _ = call!(clone3(&long, len));
    }
    let _ = call!(clone3(&wrong, size_of::<CloneArgs>()));
    let _ = call!(clone3(&signal, size_of::<CloneArgs>()));
    let _ = call!(clone3(BAD, size_of::<CloneArgs>()));
    let _ = call!(clone3(NULL, size_of::<CloneArgs>()));
    let _ = call!(clone(CLONE_UNTRACED | libc::CLONE_THREAD, NULL, NULL, NULL, NULL));
}

fn clone3_leaves_its_arguments_alone() {
    let _ = std::io::stdout().flush();
    let args = clone_args(CLONE_UNTRACED, SIGCHLD);
    match quiet!(clone3(&args, size_of::<CloneArgs>())) {
        // SAFETY: leaves without the parent's exit handlers.
        Ok(0) => unsafe { libc::_exit(i32::from(std::hint::black_box(&args)[FLAGS] != CLONE_UNTRACED as u64)) },
        Ok(pid) => tell_end(pid as i32),
        Err(error) => println!("no child: {}", errno::name(error)),
    }
    println!("{}", std::hint::black_box(&args)[FLAGS] == CLONE_UNTRACED as u64);
}

/// They need a capability of root's, and are looked at after what makes no sense.
fn children_in_new_namespaces() {
    use libc::{
        CLONE_FS, CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUTS, CLONE_SYSVSEM,
    };
    dir(c"d");
    let each = [
        CLONE_NEWNS,
        CLONE_NEWUTS,
        CLONE_NEWIPC,
        CLONE_NEWPID,
        CLONE_NEWNET,
        CLONE_NEWCGROUP,
        CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWPID,
        CLONE_NEWNS | CLONE_FS,
        CLONE_NEWIPC | CLONE_SYSVSEM,
    ];
    let make = |flags| {
        println!("{flags:#x}");
        let _ = std::io::stdout().flush();
        wait_for(quiet!(clone(flags | SIGCHLD, NULL, NULL, NULL, NULL)));
        let args = clone_args(flags, SIGCHLD);
        let _ = std::io::stdout().flush();
        wait_for(quiet!(clone3(&args, size_of::<CloneArgs>())));
    };
    each.into_iter().for_each(make);
    crate::stage::as_user(1000, || each.into_iter().for_each(make));
}
