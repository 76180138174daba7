//! Nice values, policies and I/O priorities, as they are told to those who ask: all of the case's own.

use libc::{PRIO_PGRP, PRIO_PROCESS, SCHED_BATCH, SCHED_FIFO, SCHED_IDLE, SCHED_OTHER, SCHED_RESET_ON_FORK, SCHED_RR};

use super::cases;
use crate::stage::{drop_to, fork, in_child, in_thread, tell_end};
use crate::sys::{BAD, NULL};

cases![
    nice_value_goes_to_children_and_threads,
    nice_value_of_own_thread_by_its_number,
    nice_value_of_a_child,
    nice_value_of_a_process_group,
    nice_value_is_clamped,
    nice_value_only_goes_up_without_privilege,
    who_may_more_is_not_changed,
    realtime_goes_to_children_and_threads,
    realtime_of_a_child,
    realtime_is_reset_in_children,
    negative_nice_value_is_reset_in_children,
    realtime_only_goes_down_without_privilege,
    policy_idle_is_left_again,
    sched_setparam_is_read_back,
    sched_setattr_is_read_back,
    sched_setattr_keeps_what_it_is_told_to,
    questions_about_realtime_have_the_kernels_errors,
    ioprio_set_is_read_back,
    ioprio_goes_to_children_and_threads,
    ioprio_set_errors_are_the_kernels,
    cores_stay_what_they_are,
    cores_that_were_chosen_stay_chosen,
];

const WHO_PROCESS: i32 = 1;
const WHO_PGRP: i32 = 2;
/// Class 1, realtime, at the level.
const fn io_realtime(level: i32) -> i32 {
    1 << 13 | level
}

const RESET_ON_FORK: u64 = 1;
const KEEP_POLICY: u64 = 8;
const KEEP_PARAMS: u64 = 16;

/// `struct sched_attr`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Attr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    times: [u64; 3],
    clamps: [u32; 2],
}

fn attr(policy: i32, flags: u64, nice: i32, priority: u32) -> Attr {
    Attr { size: 56, policy: policy as u32, flags, nice, priority, ..Attr::default() }
}

/// All that can be asked of a thread's scheduling.
fn tell(tid: i32) {
    let _ = call!(getpriority(PRIO_PROCESS, tid));
    let _ = call!(sched_getscheduler(tid));
    let mut param = 77i32;
    let _ = call!(sched_getparam(tid, &mut param));
    let mut attr = Attr::default();
    let _ = call!(sched_getattr(tid, &mut attr, 56, 0));
    println!("{param} {attr:?}");
    let _ = call!(ioprio_get(WHO_PROCESS, tid));
}

fn tell_child_and_thread() {
    in_child(|| tell(0));
    in_thread(|| tell(0));
}

fn own_number() -> i32 {
    must!(gettid()) as i32
}

/// Has `scene` a child to look at that does nothing.
fn with_child(scene: impl FnOnce(i32)) {
    let mut pipe = [0i32; 2];
    must!(pipe2(&mut pipe, 0));
    let child = fork(|| {
        must!(close(pipe[1]));
        must!(read(pipe[0], &mut [0u8; 1], 1));
        tell(0);
    });
    match child {
        Ok(child) => {
            scene(child);
            must!(close(pipe[1]));
            tell_end(child);
        }
        Err(e) => println!("SETUP FAILED: fork: {e}"),
    }
}

fn nice_value_goes_to_children_and_threads() {
    let _ = call!(setpriority(PRIO_PROCESS, 0, -7));
    tell_child_and_thread();
    in_child(|| {
        let _ = call!(setpriority(PRIO_PROCESS, 0, 4));
        tell(0);
    });
    tell(0);
}

fn nice_value_of_own_thread_by_its_number() {
    let me = own_number();
    let _ = call!(setpriority(PRIO_PROCESS, me, -7));
    tell(0);
    tell(me);
    in_thread(|| {
        let _ = call!(setpriority(PRIO_PROCESS, me, -8));
        let _ = call!(setpriority(PRIO_PROCESS, own_number(), -9));
        let _ = call!(getpriority(PRIO_PROCESS, me));
        let _ = call!(getpriority(PRIO_PROCESS, 0));
    });
    tell(me);
}

fn nice_value_of_a_child() {
    with_child(|child| {
        let _ = call!(setpriority(PRIO_PROCESS, child, -3));
        tell(child);
        tell(0);
    });
}

/// The same user is not enough: who is changed must not have a capability that the other one lacks.
fn who_may_more_is_not_changed() {
    const CHOWN: u32 = 1;
    with_child(|child| {
        in_child(|| {
            must!(capset(&[0x2008_0522u32, 0], &[CHOWN, CHOWN, 0, 0, 0, 0u32]));
            let _ = call!(setpriority(PRIO_PROCESS, child, 3));
            let _ = call!(sched_setscheduler(child, SCHED_BATCH, &0i32));
            let _ = call!(ioprio_set(WHO_PROCESS, child, 2 << 13 | 5));
            let _ = call!(sched_setaffinity(child, 8, &1u64));
            let _ = call!(setpriority(PRIO_PROCESS, 0, 3));
        });
        let _ = call!(getpriority(PRIO_PROCESS, child));
    });
}

fn nice_value_of_a_process_group() {
    in_child(|| {
        must!(setsid());
        let _ = call!(setpriority(PRIO_PGRP, 0, -4));
        let _ = call!(getpriority(PRIO_PGRP, 0));
        let _ = call!(getpriority(PRIO_PROCESS, 0));
        let _ = call!(setpriority(PRIO_PROCESS, 0, 4));
        let _ = call!(getpriority(PRIO_PGRP, 0));
        let _ = call!(ioprio_set(WHO_PGRP, 0, io_realtime(2)));
        let _ = call!(ioprio_get(WHO_PGRP, 0));
        let _ = call!(ioprio_get(WHO_PROCESS, 0));
    });
    let _ = call!(getpriority(9, 0));
}

fn nice_value_is_clamped() {
    for nice in [-100, 100, 0] {
        let _ = call!(setpriority(PRIO_PROCESS, 0, nice));
        tell(0);
    }
    let _ = call!(sched_setattr(0, &attr(SCHED_OTHER, 0, -100, 0), 0));
    tell(0);
}

fn nice_value_only_goes_up_without_privilege() {
    in_child(|| {
        let _ = call!(setpriority(PRIO_PROCESS, 0, -7));
        drop_to(1000);
        for nice in [-8, -7, -3, -4, 5, 4] {
            let _ = call!(setpriority(PRIO_PROCESS, 0, nice));
            let _ = call!(getpriority(PRIO_PROCESS, 0));
        }
    });
    in_child(|| {
        let _ = call!(setpriority(PRIO_PROCESS, 0, -7));
        drop_to(1000);
        for nice in [-8, -7, -3, -4, 5, 4] {
            let _ = call!(sched_setattr(0, &attr(SCHED_OTHER, 0, nice, 0), 0));
            tell(0);
        }
    });
}

fn realtime_goes_to_children_and_threads() {
    let _ = call!(sched_setscheduler(0, SCHED_RR, &[5i32]));
    tell(0);
    tell(own_number());
    tell_child_and_thread();
    in_child(|| {
        let _ = call!(sched_setscheduler(0, SCHED_OTHER, &[0i32]));
        tell(0);
    });
    tell(0);
}

fn realtime_of_a_child() {
    with_child(|child| {
        let _ = call!(sched_setscheduler(child, SCHED_FIFO, &[5i32]));
        let _ = call!(ioprio_set(WHO_PROCESS, child, io_realtime(1)));
        tell(child);
        tell(0);
    });
}

fn realtime_is_reset_in_children() {
    let _ = call!(setpriority(PRIO_PROCESS, 0, -7));
    let _ = call!(sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &[5i32]));
    tell(0);
    tell_child_and_thread();
    let _ = call!(sched_setscheduler(0, SCHED_RR, &[6i32]));
    tell_child_and_thread();
}

fn negative_nice_value_is_reset_in_children() {
    let _ = call!(sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &[0i32]));
    let _ = call!(setpriority(PRIO_PROCESS, 0, -7));
    tell(0);
    tell_child_and_thread();
    let _ = call!(sched_setscheduler(0, SCHED_BATCH, &[0i32]));
    tell(0);
    tell_child_and_thread();
}

fn realtime_only_goes_down_without_privilege() {
    let _ = call!(sched_setscheduler(0, SCHED_RR, &[5i32]));
    in_child(|| {
        drop_to(1000);
        let _ = call!(sched_setparam(0, &[6i32]));
        let _ = call!(sched_setparam(0, &[4i32]));
        let _ = call!(sched_setscheduler(0, SCHED_RR, &[5i32]));
        let _ = call!(sched_setscheduler(0, SCHED_FIFO, &[4i32]));
        let _ = call!(sched_setattr(0, &attr(SCHED_RR, 0, 0, 3), 0));
        tell(0);
        let _ = call!(sched_setscheduler(0, SCHED_OTHER, &[0i32]));
        tell(0);
        let _ = call!(sched_setscheduler(0, SCHED_RR, &[1i32]));
        let _ = call!(ioprio_set(WHO_PROCESS, 0, io_realtime(1)));
        tell(0);
    });
}

/// Which takes privilege.
fn policy_idle_is_left_again() {
    let _ = call!(sched_setscheduler(0, SCHED_IDLE, &[0i32]));
    tell(0);
    let _ = call!(sched_setscheduler(0, SCHED_OTHER, &[0i32]));
    tell(0);
}

fn sched_setparam_is_read_back() {
    let _ = call!(sched_setparam(0, &[1i32]));
    let _ = call!(sched_setparam(0, &[0i32]));
    tell(0);
    let _ = call!(sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &[1i32]));
    let _ = call!(sched_setparam(0, &[20i32]));
    tell(0);
    let _ = call!(sched_setparam(0, &[0i32]));
    let _ = call!(sched_setparam(0, &[100i32]));
    let _ = call!(sched_setparam(0, NULL));
    let _ = call!(sched_setparam(0, BAD));
    let _ = call!(sched_setparam(-1, &[1i32]));
    tell(0);
}

fn sched_setattr_is_read_back() {
    for attr in [
        attr(SCHED_OTHER, 0, -5, 0),
        attr(SCHED_FIFO, RESET_ON_FORK, 3, 9),
        attr(SCHED_BATCH, 0, -6, 0),
        attr(SCHED_OTHER, 0, -6, 1),
        attr(SCHED_RR, 0, 0, 0),
        attr(SCHED_OTHER, 0, 6, 0),
        attr(SCHED_IDLE, 0, -2, 0),
        attr(SCHED_OTHER, 0, 2, 0),
    ] {
        println!("{attr:?}");
        let _ = call!(sched_setattr(0, &attr, 0));
        tell(0);
    }
}

fn sched_setattr_keeps_what_it_is_told_to() {
    let _ = call!(sched_setattr(0, &attr(SCHED_OTHER, KEEP_POLICY, -5, 0), 0));
    tell(0);
    let _ = call!(sched_setattr(0, &attr(SCHED_FIFO, RESET_ON_FORK, 0, 9), 0));
    let _ = call!(sched_setattr(0, &attr(SCHED_OTHER, KEEP_POLICY, 0, 7), 0));
    tell(0);
    let _ = call!(sched_setattr(0, &attr(SCHED_OTHER, KEEP_POLICY, 0, 0), 0));
    let _ = call!(sched_setattr(0, &attr(SCHED_OTHER, KEEP_POLICY | KEEP_PARAMS, 4, 0), 0));
    tell(0);
}

fn questions_about_realtime_have_the_kernels_errors() {
    let mut attr = [0u64; 9];
    for _ in 0..2 {
        let _ = call!(sched_getparam(0, NULL));
        let _ = call!(sched_getparam(0, BAD));
        let _ = call!(sched_getparam(-1, &mut attr));
        let _ = call!(sched_getscheduler(-1));
        let _ = call!(sched_getscheduler(0x7fff_fff0));
        let _ = call!(sched_getattr(0, NULL, 56, 0));
        let _ = call!(sched_getattr(0, BAD, 56, 0));
        let _ = call!(sched_getattr(0, &mut attr, 40, 0));
        let _ = call!(sched_getattr(0, &mut attr, 56, 1));
        let _ = call!(sched_getattr(0, &mut attr, 5000, 0));
        for size in [48, 56, 64] {
            attr.fill(u64::MAX);
            let _ = call!(sched_getattr(0, &mut attr, size, 0));
            println!("{attr:?}");
        }
        let _ = call!(sched_setattr(0, NULL, 0));
        let _ = call!(sched_setattr(0, BAD, 0));
        let _ = call!(sched_setattr(0, &[20u32], 0));
        let _ = call!(setpriority(PRIO_PROCESS, 0, -1));
        let _ = call!(sched_setscheduler(0, SCHED_FIFO, &[1i32]));
    }
}

fn ioprio_set_is_read_back() {
    let _ = call!(ioprio_get(WHO_PROCESS, 0));
    let _ = call!(ioprio_set(WHO_PROCESS, 0, io_realtime(3)));
    let _ = call!(ioprio_get(WHO_PROCESS, 0));
    let _ = call!(ioprio_get(WHO_PROCESS, own_number()));
    let _ = call!(ioprio_set(WHO_PROCESS, 0, 2 << 13 | 6));
    let _ = call!(ioprio_get(WHO_PROCESS, 0));
    let _ = call!(ioprio_set(WHO_PROCESS, own_number(), io_realtime(4)));
    let _ = call!(ioprio_get(WHO_PROCESS, 0));
}

fn ioprio_goes_to_children_and_threads() {
    let _ = call!(ioprio_set(WHO_PROCESS, 0, io_realtime(3)));
    tell_child_and_thread();
    in_child(|| {
        let _ = call!(ioprio_set(WHO_PROCESS, 0, 3 << 13));
        tell(0);
    });
    tell(0);
}

fn ioprio_set_errors_are_the_kernels() {
    let _ = call!(ioprio_set(9, 0, io_realtime(3)));
    let _ = call!(ioprio_set(WHO_PROCESS, 0x7fff_fff0, io_realtime(3)));
    let _ = call!(ioprio_set(WHO_PROCESS, 0, 5 << 13));
    let _ = call!(ioprio_get(9, 0));
    let _ = call!(ioprio_get(WHO_PROCESS, 0x7fff_fff0));
}

/// The cores that a thread may run on; none if it is not told.
fn cores(tid: i32) -> [u64; 16] {
    let mut mask = [0; 16];
    match quiet!(sched_getaffinity(tid, size_of_val(&mask), &mut mask)) {
        Ok(_) => mask,
        Err(_) => [0; 16],
    }
}

/// Whether this thread, children and threads may run on these cores only, whatever calls come between.
fn are_always(expected: [u64; 16]) -> bool {
    let mut are = expected != [0; 16];
    for round in 0..100 {
        must!(umask(round & 0o77));
        are &= cores(0) == expected && cores(std::process::id() as i32) == expected;
        if round % 10 == 0 {
            in_child(|| {
                must!(umask(0));
                let mut told = cores(0) == expected;
                in_thread(|| told &= cores(0) == expected);
                if !told {
                    println!("a child has other ones");
                }
            });
        }
    }
    are
}

fn cores_stay_what_they_are() {
    println!("{}", are_always(cores(0)));
}

fn cores_that_were_chosen_stay_chosen() {
    let all = cores(0);
    let words = || all.iter().enumerate().filter(|(_, word)| **word != 0);
    let mut first = [0; 16];
    if let Some((index, word)) = words().next() {
        first[index] = 1 << word.trailing_zeros();
    }
    let mut last = [0; 16];
    if let Some((index, word)) = words().next_back() {
        last[index] = 1 << (63 - word.leading_zeros());
    }
    for chosen in [first, last, all, last] {
        println!("{:?}", quiet!(sched_setaffinity(0, size_of_val(&chosen), &chosen)));
        println!("{}", are_always(chosen));
    }
}
