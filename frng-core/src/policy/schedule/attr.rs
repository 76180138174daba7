//! `struct sched_attr` (`include/uapi/linux/sched/types.h`), the same on every CPU.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::record::{Class, Deadline, Schedule, is_deadline, is_fair, is_realtime};
use crate::call::TraceeAddr;
use crate::errno::Errno;
use crate::policy::Tracee;

/// `SCHED_FLAG_*` (`include/uapi/linux/sched.h`).
const RESET_ON_FORK: u64 = 0x01;
const RECLAIM: u64 = 0x02;
const OVERRUN: u64 = 0x04;
const KEEP_POLICY: u64 = 0x08;
const KEEP_PARAMS: u64 = 0x10;

/// `SCHED_ATTR_SIZE_VER0`: the structure without the utilization clamps.
const FIRST_LEN: u32 = 48;

/// What sched_setattr(2) sets and sched_getattr(2) tells.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Attr {
    size: u32,
    pub policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
    clamp_min: u32,
    clamp_max: u32,
}

impl Attr {
    /// What is in the tracee's memory, as far as it is known here.
    ///
    /// # Errors
    /// `EFAULT`; `E2BIG` for a size that the kernel refuses too.
    pub fn read<T: Tracee>(tracee: &T, from: TraceeAddr) -> Result<Attr, Errno> {
        let mut size = [0; 4];
        tracee.read(from, &mut size)?;
        let size = match u32::from_ne_bytes(size) {
            0 => FIRST_LEN,
            size @ FIRST_LEN.. => size,
            _ => return Err(Errno::E2BIG),
        };
        Attr::read_len(tracee, from, size)
    }

    /// What the kernel has written into `room` bytes.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn read_len<T: Tracee>(tracee: &T, from: TraceeAddr, room: u32) -> Result<Attr, Errno> {
        let mut attr = Attr::default();
        let len = attr.as_bytes().len().min(room as usize);
        tracee.read(from, attr.as_mut_bytes().get_mut(..len).unwrap_or_default())?;
        attr.size = len as u32;
        Ok(attr)
    }

    /// Writes it back with the length it was read with.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn write<T: Tracee>(&self, tracee: &T, to: TraceeAddr) -> Result<(), Errno> {
        tracee.write(to, self.as_bytes().get(..self.size as usize).unwrap_or_default())
    }

    /// Whether the policy stays what it is, and the flag for children too.
    pub fn keeps_policy(&self) -> bool {
        self.flags & KEEP_POLICY != 0
    }

    /// Whether policy and parameters stay what they are. (The kernel keeps the policy as well.)
    pub fn keeps_params(&self) -> bool {
        self.flags & KEEP_PARAMS != 0
    }

    /// Whether children are to start without what is set.
    pub fn resets_on_fork(&self) -> bool {
        self.flags & RESET_ON_FORK != 0
    }

    /// The same with the policy said that would be kept.
    pub fn with_policy(&self, policy: u32, reset_on_fork: bool) -> Attr {
        let flags = self.flags & !(KEEP_POLICY | RESET_ON_FORK) | if reset_on_fork { RESET_ON_FORK } else { 0 };
        Attr { policy, flags, ..*self }
    }

    /// Policy and parameters to set.
    pub fn class(&self) -> Class {
        let deadline = if is_deadline(self.policy) {
            Deadline {
                runtime: self.runtime,
                deadline: self.deadline,
                period: if self.period == 0 { self.deadline } else { self.period },
                flags: self.flags & (RECLAIM | OVERRUN),
            }
        } else {
            Deadline::default()
        };
        Class { policy: self.policy, priority: self.priority, deadline }
    }

    /// The nice value to set, if one is set.
    pub fn nice(&self) -> Option<i32> {
        is_fair(self.policy).then(|| self.nice.clamp(super::NICE_MIN, super::NICE_MAX))
    }

    /// Has it tell what is pretended (`kernel/sched/syscalls.c: get_params`). Realtime threads are given at least this
    /// utilization unless the program has set it (`__setscheduler_uclamp`).
    pub fn overlay(&mut self, schedule: &Schedule, realtime_utilization: u32) {
        if let Some(class) = schedule.class {
            self.policy = class.policy;
            self.flags = class.deadline.flags | if schedule.reset_on_fork { RESET_ON_FORK } else { 0 };
            self.priority = class.priority;
            if is_realtime(class.policy) || is_deadline(class.policy) {
                self.nice = 0;
                self.runtime = class.deadline.runtime;
                self.deadline = class.deadline.deadline;
                self.period = class.deadline.period;
            }
            if is_realtime(class.policy) && self.clamp_min == 0 {
                self.clamp_min = realtime_utilization;
            }
        }
        if !is_realtime(self.policy) && !is_deadline(self.policy) {
            self.nice = schedule.nice.unwrap_or(self.nice);
        }
    }
}
