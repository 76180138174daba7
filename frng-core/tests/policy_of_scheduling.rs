//! The policy of scheduling, run in the thread that is fooled, without a tracer. What differs from root is found by the
//! conformance cases; these see what they cannot: what is remembered, and what a question costs.

#![cfg(feature = "std")]

#[allow(dead_code, reason = "each test uses a part of it")]
mod support;

use frng_core::call::Sys;
use frng_core::errno::Errno;
use frng_core::policy::{Schedule, Tracee};
use support::Fooled;

/// An address that nobody can read or write.
const BAD: u64 = 8;
const FIFO: u64 = libc::SCHED_FIFO as u64;

fn pointer<T>(to: &T) -> u64 {
    std::ptr::from_ref(to) as u64
}

fn set_nice(fooled: &Fooled, nice: i64) -> Result<u64, Errno> {
    fooled.call(Sys::Setpriority, [libc::PRIO_PROCESS as u64, 0, nice as u64, 0, 0, 0])
}

fn told_priority(fooled: &Fooled) -> Result<u64, Errno> {
    fooled.call(Sys::Getpriority, [libc::PRIO_PROCESS as u64, 0, 0, 0, 0, 0])
}

#[test]
fn questions_of_those_who_never_pretended_are_left_to_the_kernel() {
    let fooled = Fooled::new();
    let mut room = [0u64; 7];
    let out = room.as_mut_ptr() as u64;
    for (sys, args) in [
        (Sys::Getpriority, [0; 6]),
        (Sys::SchedGetscheduler, [0; 6]),
        (Sys::SchedGetparam, [0, out, 0, 0, 0, 0]),
        (Sys::SchedGetattr, [0, out, 56, 0, 0, 0]),
        (Sys::IoprioGet, [1, 0, 0, 0, 0, 0]),
    ] {
        assert!(fooled.call(sys, args).is_ok(), "{sys:?}");
        assert_eq!(fooled.issued(), 0, "{sys:?}");
    }
}

#[test]
fn what_is_set_for_real_is_not_remembered() {
    let fooled = Fooled::new();
    assert_eq!(set_nice(&fooled, -20), Ok(0));
    assert_eq!(fooled.schedule(0).unwrap().nice, Some(-20));
    assert_eq!((told_priority(&fooled), fooled.issued()), (Ok(40), 0));
    assert_eq!(set_nice(&fooled, 5), Ok(0));
    assert_eq!(fooled.schedule(0), Some(Schedule::default()));

    assert_eq!(fooled.call(Sys::SchedSetscheduler, [0, FIFO, pointer(&1i32), 0, 0, 0]), Ok(0));
    assert_eq!(fooled.call(Sys::SchedGetscheduler, [0; 6]), Ok(FIFO));
    assert_eq!(fooled.call(Sys::SchedSetscheduler, [0, 0, pointer(&0i32), 0, 0, 0]), Ok(0));
    assert_eq!(fooled.schedule(0), Some(Schedule::default()));

    assert_eq!(fooled.call(Sys::IoprioSet, [1, 0, 1 << 13, 0, 0, 0]), Ok(0));
    assert_eq!(fooled.call(Sys::IoprioGet, [1, 0, 0, 0, 0, 0]), Ok(1 << 13));
    assert_eq!(fooled.call(Sys::IoprioSet, [1, 0, 2 << 13, 0, 0, 0]), Ok(0));
    assert_eq!(fooled.schedule(0), Some(Schedule::default()));
}

#[test]
fn a_nice_value_outlives_a_real_change_of_the_policy() {
    let fooled = Fooled::new();
    assert_eq!(set_nice(&fooled, -5), Ok(0));
    let batch = libc::SCHED_BATCH as u64;
    assert_eq!(fooled.call(Sys::SchedSetscheduler, [0, batch, pointer(&0i32), 0, 0, 0]), Ok(0));
    assert_eq!(fooled.schedule(0), Some(Schedule { nice: Some(-5), ..Schedule::default() }));
    assert_eq!(told_priority(&fooled), Ok(25));
}

#[test]
fn a_deadline_is_pretended_and_told() {
    let fooled = Fooled::new();
    let deadline = u64::from(libc::SCHED_DEADLINE as u32);
    // struct sched_attr: size and policy, flags, nice and priority, runtime, deadline, period, clamps.
    let wanted = [56 | deadline << 32, 4, 0, 10_000_000, 100_000_000, 0, 0];
    assert_eq!(fooled.call(Sys::SchedSetattr, [0, pointer(&wanted), 0, 0, 0, 0]), Ok(0));
    let mut told = [u64::MAX; 7];
    assert_eq!(fooled.call(Sys::SchedGetattr, [0, told.as_mut_ptr() as u64, 56, 0, 0, 0]), Ok(0));
    assert_eq!(told[..6], [56 | deadline << 32, 4, 0, 10_000_000, 100_000_000, 100_000_000]);
    assert_eq!(fooled.call(Sys::SchedGetscheduler, [0; 6]), Ok(deadline));
    let mut priority = 7i32;
    assert_eq!(fooled.call(Sys::SchedGetparam, [0, &raw mut priority as u64, 0, 0, 0, 0]), Ok(0));
    assert_eq!(priority, 0);
}

#[test]
fn priorities_are_pretended_as_far_as_root_may_set_them() {
    let fooled = Fooled::new();
    assert_eq!(set_nice(&fooled, -20), Ok(0));
    assert_eq!(fooled.call(Sys::Setpriority, [9, 0, 0, 0, 0, 0]), Err(Errno::EINVAL));
    assert_eq!(fooled.call(Sys::SchedSetscheduler, [0, FIFO, pointer(&1i32), 0, 0, 0]), Ok(0));
    assert_eq!(fooled.call(Sys::SchedSetscheduler, [0, FIFO, BAD, 0, 0, 0]), Err(Errno::EFAULT));
    assert_eq!(fooled.call(Sys::IoprioSet, [1, 0x7fff_fff0, 1 << 13, 0, 0, 0]), Err(Errno::ESRCH));
    assert_eq!(fooled.schedule(0).map(|told| told.io_priority), Some(None));
    // What root has given itself is kept without privilege, but not raised.
    fooled.become_user(1000, 1000);
    assert_eq!(set_nice(&fooled, -20), Ok(0));
    assert_eq!(fooled.call(Sys::SchedSetscheduler, [0, FIFO, pointer(&1i32), 0, 0, 0]), Ok(0));
    assert_eq!(fooled.call(Sys::SchedSetscheduler, [0, FIFO, pointer(&2i32), 0, 0, 0]), Err(Errno::EPERM));
}

#[test]
fn nothing_is_remembered_of_what_was_refused() {
    let fooled = Fooled::new();
    fooled.become_user(1000, 1000);
    assert_eq!(set_nice(&fooled, -5), Err(Errno::EACCES));
    assert_eq!(fooled.call(Sys::SchedSetscheduler, [0, FIFO, pointer(&1i32), 0, 0, 0]), Err(Errno::EPERM));
    assert_eq!(fooled.call(Sys::IoprioSet, [1, 0, 1 << 13, 0, 0, 0]), Err(Errno::EPERM));
    assert_eq!(fooled.schedule(0), Some(Schedule::default()));
}
