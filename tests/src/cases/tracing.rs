//! Programs that trace others: ptrace(2).

use libc::{SIGCONT, SIGKILL, SIGSTOP, SIGTRAP, SIGUSR1, WNOHANG};

use super::cases;
use crate::stage::{copy_of_self, file, in_child, in_thread};
use crate::sys::{BAD, NULL, nr};
use crate::tracer::{
    FOLLOW, Follower, call_at, child, chown_and_show, end, idle_child, places, request, resume, tell_signal, tell_wait,
    told, wait,
};

cases![
    calls_are_seen_with_fake_results,
    calls_of_all_descendants_are_seen,
    forks_threads_and_programs_are_seen_without_their_calls,
    a_program_begins_with_a_trap,
    a_seized_child_is_told_apart,
    calls_can_be_changed,
    a_call_can_be_left_out,
    memory_and_registers,
    signals_can_be_seen_changed_and_left_out,
    stopped_by_a_signal_and_continued,
    a_seized_child_listens,
    attached_and_detached,
    attached_while_it_is_stopped,
    seized_and_interrupted,
    interrupted_in_a_call,
    single_steps_over_calls,
    options_and_their_events,
    what_is_refused,
    whom_another_user_may_trace,
    threads_are_traced_one_by_one,
    a_tracer_that_ends,
    a_tracer_that_is_a_thread,
    the_filter_of_a_tracee_is_not_told,
    procfs_tells_who_traces,
];

const SYSCALL: u32 = libc::PTRACE_SYSCALL;
const CONT: u32 = libc::PTRACE_CONT;

/// A child that is stopped by its first SIGSTOP, with these options.
fn traced_child(options: i32, scene: impl FnOnce()) -> i32 {
    let pid = child(scene);
    tell_wait("first", pid, 0);
    let _ = told("options", libc::PTRACE_SETOPTIONS, pid, NULL, options as usize);
    pid
}

fn calls_are_seen_with_fake_results() {
    file(c"f");
    let pid = traced_child(FOLLOW, || {
        chown_and_show();
        let _ = quiet!(mkdirat(libc::AT_FDCWD, c"d", 0o755));
        let _ = quiet!(mkdirat(libc::AT_FDCWD, c"d", 0o755));
    });
    Follower::new(pid, SYSCALL).follow();
    crate::seen::show(c"f");
}

/// By fork, in turn; each does something and ends before the next begins.
fn calls_of_all_descendants_are_seen() {
    file(c"f");
    let pid = traced_child(FOLLOW, || {
        for _ in 0..2 {
            in_child(|| {
                chown_and_show();
                in_child(chown_and_show);
            });
        }
    });
    Follower::new(pid, SYSCALL).follow();
}

fn forks_threads_and_programs_are_seen_without_their_calls() {
    file(c"f");
    copy_of_self(c"program");
    let pid = traced_child(FOLLOW, || {
        in_child(chown_and_show);
        in_thread(chown_and_show);
        crate::stage::run(c"program", &[c"program", c"role", c"ids"]);
        crate::stage::become_program(c"program", &[c"program", c"role", c"ids"]);
    });
    Follower::new(pid, CONT).follow();
}

fn a_program_begins_with_a_trap() {
    copy_of_self(c"program");
    for by in [CONT, SYSCALL] {
        let pid = traced_child(libc::PTRACE_O_TRACESYSGOOD, || {
            crate::stage::become_program(c"program", &[c"program", c"role", c"ids"]);
        });
        let _ = request(by, pid, NULL, NULL);
        while let Ok((_, status)) = wait(pid, libc::__WALL) {
            if !libc::WIFSTOPPED(status) {
                println!("{}", crate::tracer::describe(status));
                break;
            }
            match libc::WSTOPSIG(status) {
                SIGTRAP => tell_signal(pid),
                stop if stop == SIGTRAP | 0x80 => {}
                stop => println!("stopped {stop}"),
            }
            let _ = request(by, pid, NULL, NULL);
        }
    }
}

fn a_seized_child_is_told_apart() {
    file(c"f");
    let pid = idle_child();
    let _ = told("seize", libc::PTRACE_SEIZE, pid, NULL, FOLLOW as usize);
    tell_wait("nothing yet", pid, WNOHANG);
    let _ = told("interrupt", libc::PTRACE_INTERRUPT, pid, NULL, NULL);
    tell_wait("interrupted", pid, 0);
    tell_signal(pid);
    println!("{:?}", call_at(pid));
    let _ = told("interrupt again", libc::PTRACE_INTERRUPT, pid, NULL, NULL);
    resume(CONT, pid, 0);
    tell_wait("again", pid, 0);
    end(pid);
}

/// Looks for the entry of a call and stops there.
fn to_call(pid: i32, number: nr::Number) -> bool {
    let wanted = number.get();
    loop {
        let _ = request(SYSCALL, pid, NULL, NULL);
        match wait(pid, libc::__WALL) {
            Ok((_, status)) if libc::WIFSTOPPED(status) => {}
            other => {
                println!("ended: {other:?}");
                return false;
            }
        }
        let mut info = [0u64; 11];
        let _ = request(0x420e, pid, size_of_val(&info), info.as_mut_ptr() as usize);
        if info[0] as u8 == 1 && wanted == Some(info[3] as libc::c_long) {
            return true;
        }
    }
}

/// Registers of a stopped tracee.
fn registers(pid: i32) -> Vec<usize> {
    let mut registers = vec![0usize; 64];
    let mut iov = [registers.as_mut_ptr() as usize, 64 * size_of::<usize>()];
    let _ = request(libc::PTRACE_GETREGSET, pid, 1, iov.as_mut_ptr() as usize);
    registers.truncate(iov[1] / size_of::<usize>());
    registers
}

fn set_registers(pid: i32, registers: &[usize]) {
    let mut iov = [registers.as_ptr() as usize, size_of_val(registers)];
    let _ = told("set", libc::PTRACE_SETREGSET, pid, 1, iov.as_mut_ptr() as usize);
}

/// The owner that it is about to give a file is another one then.
fn calls_can_be_changed() {
    file(c"f");
    let pid = traced_child(libc::PTRACE_O_TRACESYSGOOD, || {
        let _ = call!(fchownat(libc::AT_FDCWD, c"f", 4321, 1234, 0));
        let _ = call!(getuid());
    });
    if to_call(pid, nr::fchownat) {
        let mut changed = registers(pid);
        for register in changed.iter_mut().filter(|register| **register == 4321) {
            *register = 77;
        }
        set_registers(pid, &changed);
        let _ = request(SYSCALL, pid, NULL, NULL);
        tell_wait("exit", pid, 0);
        println!("{:?}", call_at(pid));
    }
    resume(CONT, pid, 0);
    tell_wait("end", pid, 0);
    crate::seen::show(c"f");
}

/// At its entry the number of a call becomes that of none, at its exit it gets a result.
fn a_call_can_be_left_out() {
    file(c"f");
    let number = nr::fchownat.get().unwrap_or_default() as usize;
    let pid = traced_child(libc::PTRACE_O_TRACESYSGOOD, || {
        let _ = call!(fchownat(libc::AT_FDCWD, c"f", 4321, 1234, 0));
    });
    if let Some(places) = places().filter(|_| to_call(pid, nr::fchownat)) {
        let mut changed = registers(pid);
        println!("{}", changed.get(places.number) == Some(&number));
        changed[places.number] = usize::MAX;
        set_registers(pid, &changed);
        let _ = request(SYSCALL, pid, NULL, NULL);
        tell_wait("exit", pid, 0);
        let mut changed = registers(pid);
        changed[places.result] = 99;
        set_registers(pid, &changed);
    }
    resume(CONT, pid, 0);
    tell_wait("end", pid, 0);
    crate::seen::show(c"f");
}

fn memory_and_registers() {
    static mut WORD: usize = 0x1234;
    let pid = traced_child(0, || {
        // SAFETY: only this process and its tracer know of it.
        println!("word {:#x}", unsafe { (&raw const WORD).read_volatile() });
    });
    let at = &raw const WORD as usize;
    let mut word = 0usize;
    let _ = told("peek", libc::PTRACE_PEEKDATA, pid, at, &raw mut word as usize);
    println!("{word:#x}");
    let _ = told("poke", libc::PTRACE_POKEDATA, pid, at, 0xabcd);
    let _ = told("peek", libc::PTRACE_PEEKTEXT, pid, at, &raw mut word as usize);
    println!("{word:#x}");
    let _ = told("peek at nothing", libc::PTRACE_PEEKDATA, pid, BAD, &raw mut word as usize);
    let _ = told("poke at nothing", libc::PTRACE_POKETEXT, pid, BAD, 1);
    let _ = told("peek to nothing", libc::PTRACE_PEEKDATA, pid, at, BAD);
    // Text cannot be written to by the program itself.
    let text = memory_and_registers as fn() as usize & !0xf;
    let _ = request(libc::PTRACE_PEEKTEXT, pid, text, &raw mut word as usize);
    let _ = told("poke text", libc::PTRACE_POKETEXT, pid, text, word);
    let _ = told("user", libc::PTRACE_PEEKUSER, pid, 0, &raw mut word as usize);
    println!("{}", registers(pid).first() == Some(&word));
    let _ = told("far user", libc::PTRACE_PEEKUSER, pid, 1 << 20, &raw mut word as usize);
    let _ = told("odd user", libc::PTRACE_PEEKUSER, pid, 1, &raw mut word as usize);
    let mut mask = 0u64;
    let _ = told("mask", 0x420a, pid, 8, &raw mut mask as usize);
    println!("{mask:#x}");
    let _ = told("short mask", 0x420a, pid, 4, &raw mut mask as usize);
    mask = 1 << (SIGUSR1 - 1);
    let _ = told("set mask", 0x420b, pid, 8, &raw const mask as usize);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    println!("{:?}", status.lines().find(|line| line.starts_with("SigBlk")));
    let mut iov = [registers as fn(i32) -> Vec<usize> as usize, 8];
    let _ = told("no such set", libc::PTRACE_GETREGSET, pid, 0x7fff, iov.as_mut_ptr() as usize);
    let floats = vec![0u8; 8192];
    let mut iov = [floats.as_ptr() as usize, floats.len()];
    let _ = told("floats", libc::PTRACE_GETREGSET, pid, 2, iov.as_mut_ptr() as usize);
    println!("{} bytes", iov[1]);
    let _ = told("set floats", libc::PTRACE_SETREGSET, pid, 2, iov.as_mut_ptr() as usize);
    let _ = told("vector to nothing", libc::PTRACE_GETREGSET, pid, 1, BAD);
    let _ = told("no such request", 0x7777, pid, 0, 0);
    resume(CONT, pid, 0);
    tell_wait("end", pid, 0);
}

fn signals_can_be_seen_changed_and_left_out() {
    extern "C" fn handler(signal: i32) {
        println!("handled {signal}");
    }
    let pid = traced_child(0, || {
        // SAFETY: the handler prints, in a process that does nothing else meanwhile.
        unsafe {
            for signal in [libc::SIGUSR1, libc::SIGUSR2] {
                libc::signal(signal, handler as extern "C" fn(i32) as libc::sighandler_t);
            }
            for signal in [libc::SIGUSR1, libc::SIGUSR1, libc::SIGUSR1, libc::SIGTERM] {
                libc::raise(signal);
            }
        }
    });
    let _ = request(CONT, pid, NULL, NULL);
    for (what, deliver) in [("as it is", libc::SIGUSR1), ("another one", libc::SIGUSR2), ("none", 0), ("as it is", 15)]
    {
        tell_wait(what, pid, 0);
        tell_signal(pid);
        let mut info = [0u8; 128];
        // `struct ptrace_peeksiginfo_args`: from the begin, of the thread, four.
        let args = [0u32, 0, 0, 4];
        let _ = told("peek", 0x4209, pid, args.as_ptr() as usize, info.as_mut_ptr() as usize);
        resume(CONT, pid, deliver);
    }
    tell_wait("end", pid, 0);
    let pid = traced_child(0, || {});
    let _ = told("no such signal", CONT, pid, NULL, 65);
    let _ = told("not at a call", SYSCALL, pid, NULL, 0);
    end(pid);
}

fn stopped_by_a_signal_and_continued() {
    let pid = traced_child(0, || {
        // SAFETY: takes no memory.
        unsafe { libc::raise(libc::SIGTSTP) };
        println!("goes on");
    });
    let _ = request(CONT, pid, NULL, NULL);
    tell_wait("signal", pid, 0);
    tell_signal(pid);
    resume(CONT, pid, libc::SIGTSTP);
    tell_wait("group-stop", pid, 0);
    tell_signal(pid);
    let _ = told("listen", libc::PTRACE_LISTEN, pid, NULL, NULL);
    // SAFETY: takes no memory.
    unsafe { libc::kill(pid, SIGCONT) };
    tell_wait("stays", pid, WNOHANG);
    resume(CONT, pid, 0);
    tell_wait("SIGCONT", pid, 0);
    resume(CONT, pid, SIGCONT);
    tell_wait("end", pid, 0);
}

fn a_seized_child_listens() {
    let pid = idle_child();
    let _ = told("seize", libc::PTRACE_SEIZE, pid, NULL, NULL);
    // SAFETY: takes no memory.
    unsafe { libc::kill(pid, SIGSTOP) };
    tell_wait("signal", pid, 0);
    let _ = told("not stopped yet", libc::PTRACE_LISTEN, pid, NULL, NULL);
    resume(CONT, pid, SIGSTOP);
    tell_wait("group-stop", pid, 0);
    tell_signal(pid);
    let _ = told("listen", libc::PTRACE_LISTEN, pid, NULL, NULL);
    let _ = told("while it listens", CONT, pid, NULL, NULL);
    tell_wait("nothing", pid, WNOHANG);
    // SAFETY: takes no memory.
    unsafe { libc::kill(pid, SIGCONT) };
    tell_wait("continues", pid, 0);
    resume(CONT, pid, 0);
    tell_wait("SIGCONT", pid, 0);
    resume(CONT, pid, 0);
    end(pid);
}

fn attached_and_detached() {
    file(c"f");
    let (mut go, mut done) = ([0; 2], [0; 2]);
    // SAFETY: there is room for two descriptors each.
    unsafe {
        libc::pipe(go.as_mut_ptr());
        libc::pipe(done.as_mut_ptr());
    }
    let take = |end: i32| {
        let mut byte = [0u8];
        // SAFETY: there is room for one byte.
        unsafe { libc::read(end, byte.as_mut_ptr().cast(), 1) };
    };
    // SAFETY: one byte.
    let give = |end: i32| unsafe { libc::write(end, c"x".as_ptr().cast(), 1) };
    let pid = crate::stage::fork(|| {
        for _ in 0..3 {
            take(go[0]);
            let _ = quiet!(fchownat(libc::AT_FDCWD, c"f", 5, 6, 0));
            give(done[1]);
        }
    })
    .unwrap_or(-1);
    for round in 0..3 {
        let _ = told("attach", libc::PTRACE_ATTACH, pid, NULL, NULL);
        tell_wait("attached", pid, 0);
        tell_signal(pid);
        let _ = told("options", libc::PTRACE_SETOPTIONS, pid, NULL, libc::PTRACE_O_TRACESYSGOOD as usize);
        give(go[1]);
        if to_call(pid, nr::fchownat) {
            let _ = request(SYSCALL, pid, NULL, NULL);
            tell_wait("exit", pid, 0);
            println!("{:?}", call_at(pid));
        }
        if round < 2 {
            let _ = told("detach", libc::PTRACE_DETACH, pid, NULL, NULL);
            let _ = told("not traced any more", CONT, pid, NULL, NULL);
            take(done[0]);
        }
    }
    resume(CONT, pid, 0);
    tell_wait("end", pid, 0);
    crate::seen::show(c"f");
}

fn attached_while_it_is_stopped() {
    let pid = idle_child();
    // SAFETY: takes no memory.
    unsafe { libc::kill(pid, SIGSTOP) };
    tell_wait("stopped", pid, libc::WUNTRACED);
    let _ = told("attach", libc::PTRACE_ATTACH, pid, NULL, NULL);
    tell_wait("attached", pid, 0);
    let _ = told("detach", libc::PTRACE_DETACH, pid, NULL, NULL);
    end(pid);
}

fn seized_and_interrupted() {
    let pid = crate::stage::fork(|| {
        loop {
            let _ = quiet!(fchownat(libc::AT_FDCWD, c"none", 4321, 1234, 0));
        }
    })
    .unwrap_or(-1);
    let _ = told("seize", libc::PTRACE_SEIZE, pid, NULL, libc::PTRACE_O_TRACESYSGOOD as usize);
    for _ in 0..20 {
        let _ = request(libc::PTRACE_INTERRUPT, pid, NULL, NULL);
        tell_wait("interrupted", pid, 0);
        if to_call(pid, nr::fchownat) {
            let _ = request(SYSCALL, pid, NULL, NULL);
            tell_wait("exit", pid, 0);
            println!("{:?}", call_at(pid));
        }
        let _ = request(CONT, pid, NULL, NULL);
    }
    end(pid);
}

/// Its exit is the stop that was asked for.
fn interrupted_in_a_call() {
    let pid = idle_child();
    let _ = told("seize", libc::PTRACE_SEIZE, pid, NULL, libc::PTRACE_O_TRACESYSGOOD as usize);
    std::thread::sleep(std::time::Duration::from_millis(200));
    let _ = told("interrupt", libc::PTRACE_INTERRUPT, pid, NULL, NULL);
    tell_wait("interrupted", pid, 0);
    for _ in 0..3 {
        let _ = request(SYSCALL, pid, NULL, NULL);
        tell_wait("entry", pid, 0);
        let _ = request(SYSCALL, pid, NULL, NULL);
        std::thread::sleep(std::time::Duration::from_millis(100));
        let _ = request(libc::PTRACE_INTERRUPT, pid, NULL, NULL);
        tell_wait("exit", pid, 0);
        println!("{:?}", call_at(pid));
    }
    end(pid);
}

/// From call to call, then by single steps to the end of it: what the program counter does there is the same.
fn single_steps_over_calls() {
    file(c"f");
    let pid = traced_child(libc::PTRACE_O_TRACESYSGOOD, || {
        let _ = quiet!(getuid());
        let _ = quiet!(mkdirat(libc::AT_FDCWD, c"d", 0o755));
        let _ = quiet!(fchownat(libc::AT_FDCWD, c"f", 4321, 1234, 0));
        let _ = quiet!(getpid());
    });
    for number in [nr::getuid, nr::mkdirat, nr::fchownat, nr::getpid] {
        let Some(places) = places().filter(|_| to_call(pid, number)) else { continue };
        let at = registers(pid)[places.pc];
        // Back to before the instruction, to step over it.
        let mut before = registers(pid);
        before[places.pc] = at - 2;
        before[places.number] = usize::MAX;
        before[places.result] = number.get().unwrap_or_default() as usize;
        set_registers(pid, &before);
        let _ = request(SYSCALL, pid, NULL, NULL);
        tell_wait("exit of none", pid, 0);
        for _ in 0..3 {
            let _ = request(libc::PTRACE_SINGLESTEP, pid, NULL, NULL);
            tell_wait("step", pid, 0);
            tell_signal(pid);
            println!("{:+}, {:?}", registers(pid)[places.pc].wrapping_sub(at) as isize, call_at(pid));
        }
    }
    let _ = request(CONT, pid, NULL, NULL);
    tell_wait("end", pid, 0);
    crate::seen::show(c"f");
}

fn options_and_their_events() {
    let all = FOLLOW | libc::PTRACE_O_TRACEVFORKDONE | libc::PTRACE_O_TRACEEXIT;
    let pid = child(|| {
        extern "C" fn end(_: *mut libc::c_void) -> i32 {
            // SAFETY: ends the child alone.
            unsafe { libc::_exit(3) }
        }
        let mut stack = vec![0u128; 4096];
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: the stack is alive until the child has ended, since its maker is suspended so long.
        unsafe { libc::clone(end, stack.as_mut_ptr_range().end.cast(), flags, std::ptr::null_mut()) };
        // SAFETY: no status is asked for.
        unsafe { libc::wait(std::ptr::null_mut()) };
    });
    tell_wait("first", pid, 0);
    let _ = told("no such option", libc::PTRACE_SETOPTIONS, pid, NULL, 1 << 30);
    let _ = told("all", libc::PTRACE_SETOPTIONS, pid, NULL, all as usize);
    Follower::new(pid, CONT).follow();
    let pid = child(|| {});
    tell_wait("first", pid, 0);
    let _ = told("exit", libc::PTRACE_SETOPTIONS, pid, NULL, libc::PTRACE_O_TRACEEXIT as usize);
    let _ = request(CONT, pid, NULL, NULL);
    tell_wait("about to end", pid, 0);
    let mut message = 0usize;
    let _ = told("with", libc::PTRACE_GETEVENTMSG, pid, NULL, &raw mut message as usize);
    println!("{message}");
    resume(CONT, pid, 0);
    tell_wait("end", pid, 0);
}

fn what_is_refused() {
    let pid = idle_child();
    for (what, op) in [("cont", CONT), ("interrupt", libc::PTRACE_INTERRUPT), ("peek", libc::PTRACE_PEEKDATA)] {
        let _ = told(what, op, pid, NULL, NULL);
    }
    // SAFETY: takes no memory.
    let me = unsafe { libc::getpid() };
    let _ = told("attach to itself", libc::PTRACE_ATTACH, me, NULL, NULL);
    let _ = told("attach to nobody", libc::PTRACE_ATTACH, 0x3f_ffff, NULL, NULL);
    let _ = told("seize at", libc::PTRACE_SEIZE, pid, 8, NULL);
    let _ = told("seize with", libc::PTRACE_SEIZE, pid, NULL, 1 << 30);
    let _ = told("seize", libc::PTRACE_SEIZE, pid, NULL, NULL);
    let _ = told("seize twice", libc::PTRACE_SEIZE, pid, NULL, NULL);
    let _ = told("attach too", libc::PTRACE_ATTACH, pid, NULL, NULL);
    for (what, op) in [("cont", CONT), ("listen", libc::PTRACE_LISTEN), ("peek", libc::PTRACE_PEEKDATA)] {
        let _ = told(what, op, pid, NULL, NULL);
    }
    in_child(|| {
        let _ = told("another tracer's", libc::PTRACE_INTERRUPT, pid, NULL, NULL);
        let _ = told("another tracer", libc::PTRACE_SEIZE, pid, NULL, NULL);
    });
    in_thread(|| {
        let _ = told("another thread", libc::PTRACE_INTERRUPT, pid, NULL, NULL);
    });
    end(pid);
    let pid = child(|| {
        let _ = told("twice", libc::PTRACE_TRACEME, 0, NULL, NULL);
    });
    tell_wait("first", pid, 0);
    let _ = told("interrupt one that is not seized", libc::PTRACE_INTERRUPT, pid, NULL, NULL);
    let _ = told("listen to it", libc::PTRACE_LISTEN, pid, NULL, NULL);
    let _ = request(CONT, pid, NULL, NULL);
    tell_wait("end", pid, 0);
    let _ = told("of one that is gone", CONT, pid, NULL, NULL);
}

fn whom_another_user_may_trace() {
    let pid = idle_child();
    crate::stage::as_user(1000, || {
        let _ = told("root's", libc::PTRACE_SEIZE, pid, NULL, NULL);
        let own = idle_child();
        let _ = told("its own", libc::PTRACE_SEIZE, own, NULL, NULL);
        end(own);
    });
    end(pid);
}

fn threads_are_traced_one_by_one() {
    file(c"f");
    let pid = traced_child(FOLLOW, || {
        in_thread(|| {
            chown_and_show();
            in_thread(chown_and_show);
        });
        let _ = quiet!(getuid());
    });
    Follower::new(pid, SYSCALL).follow();
}

fn a_tracer_that_ends() {
    for options in [0, libc::PTRACE_O_EXITKILL] {
        let pid = idle_child();
        in_child(|| {
            let _ = told("seize", libc::PTRACE_SEIZE, pid, NULL, options as usize);
            let _ = request(libc::PTRACE_INTERRUPT, pid, NULL, NULL);
            tell_wait("interrupted", pid, 0);
        });
        if options == 0 {
            // SAFETY: takes no memory.
            unsafe { libc::kill(pid, SIGUSR1) };
        }
        tell_wait("end", pid, 0);
    }
}

/// What a thread traces is another one's to wait for, but not to let run on; it is free when the thread ends.
fn a_tracer_that_is_a_thread() {
    let pid = idle_child();
    in_thread(|| {
        let _ = told("attach", libc::PTRACE_ATTACH, pid, NULL, NULL);
        in_thread(|| {
            tell_wait("of another thread", pid, 0);
            resume(CONT, pid, 0);
            tell_wait("its own only", pid, libc::__WNOTHREAD | WNOHANG);
        });
        resume(CONT, pid, 0);
    });
    // SAFETY: takes no memory.
    unsafe { libc::kill(pid, SIGKILL) };
    tell_wait("end", pid, 0);
}

fn the_filter_of_a_tracee_is_not_told() {
    let pid = traced_child(0, || {});
    let _ = told("filter", 0x420c, pid, 0, NULL);
    end(pid);
}

/// Who traces a process, and whether it is stopped for that.
fn tell_tracer(what: &str, pid: i32) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("none").trim().to_owned();
    // SAFETY: takes no memory.
    let me = unsafe { libc::getpid() }.to_string();
    let tracer = field("TracerPid:");
    println!("{what}: {} by me {} by nobody {}", field("State:"), tracer == me, tracer == "0");
}

fn procfs_tells_who_traces() {
    let pid = traced_child(0, || {
        loop {
            std::hint::spin_loop();
        }
    });
    tell_tracer("stopped", pid);
    let _ = request(CONT, pid, NULL, NULL);
    tell_tracer("runs", pid);
    // SAFETY: takes no memory.
    unsafe { libc::kill(pid, SIGUSR1) };
    tell_wait("signal", pid, 0);
    tell_tracer("stopped again", pid);
    let _ = request(libc::PTRACE_DETACH, pid, NULL, NULL);
    tell_tracer("detached", pid);
    // SAFETY: takes no memory.
    tell_tracer("not traced", unsafe { libc::getpid() });
    end(pid);
}
