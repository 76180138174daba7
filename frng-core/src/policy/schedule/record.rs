//! What is pretended of a thread's scheduling.

/// `SCHED_RESET_ON_FORK` (`include/uapi/linux/sched.h`): in the policy of sched_setscheduler(2) and
/// sched_getscheduler(2).
pub const RESET_ON_FORK: u32 = libc::SCHED_RESET_ON_FORK as u32;

const OTHER: u32 = libc::SCHED_OTHER as u32;
const FIFO: u32 = libc::SCHED_FIFO as u32;
const RR: u32 = libc::SCHED_RR as u32;
const BATCH: u32 = libc::SCHED_BATCH as u32;
const DEADLINE: u32 = libc::SCHED_DEADLINE as u32;

/// `fair_policy` (`kernel/sched/sched.h`): the policies with which sched_setattr(2) sets the nice value.
pub const fn is_fair(policy: u32) -> bool {
    matches!(policy, OTHER | BATCH)
}

/// Whether this policy has a priority of its own: `rt_policy`.
pub const fn is_realtime(policy: u32) -> bool {
    matches!(policy, FIFO | RR)
}

/// `dl_policy`.
pub const fn is_deadline(policy: u32) -> bool {
    policy == DEADLINE
}

/// A scheduling policy with its parameters: sched(7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Class {
    /// `SCHED_*`, without [`RESET_ON_FORK`].
    pub policy: u32,
    /// Of a realtime policy, else 0.
    pub priority: u32,
    /// Of `SCHED_DEADLINE`, else 0.
    pub deadline: Deadline,
}

/// The parameters of `SCHED_DEADLINE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deadline {
    /// Nanoseconds.
    pub runtime: u64,
    /// Nanoseconds.
    pub deadline: u64,
    /// Nanoseconds.
    pub period: u64,
    /// `SCHED_FLAG_RECLAIM`, `SCHED_FLAG_DL_OVERRUN`.
    pub flags: u64,
}

/// What a thread believes of its scheduling that is not true. The kernel knows the rest: what has been set for real is
/// not remembered here, and what is here is forgotten once the same thing is set for real.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// The nice value.
    pub nice: Option<i32>,
    /// Policy and parameters.
    pub class: Option<Class>,
    /// ioprio_set(2), as that call encodes it.
    pub io_priority: Option<u16>,
    /// Whether children start without what is above: the last flag the thread was given, be it true or pretended.
    pub reset_on_fork: bool,
}

impl Schedule {
    /// What a new thread or process starts with (`kernel/sched/core.c: sched_fork`).
    pub fn of_child(self) -> Schedule {
        if !self.reset_on_fork {
            return self;
        }
        let reset = Schedule { reset_on_fork: false, ..self };
        match self.class {
            Some(class) if is_realtime(class.policy) || is_deadline(class.policy) => {
                Schedule { nice: Some(0), class: Some(Class::default()), ..reset }
            }
            _ => Schedule { nice: self.nice.map(|nice| nice.max(0)), ..reset },
        }
    }

    /// Whether a thread in this state may go over to `class`, and to `nice` with it, without a capability
    /// (`kernel/sched/syscalls.c: user_check_sched_setscheduler`).
    pub fn permits(&self, class: &Class, nice: Option<i32>) -> bool {
        if is_realtime(class.policy) {
            return self.class.is_some_and(|now| now.policy == class.policy && now.priority >= class.priority);
        }
        is_fair(class.policy) && nice.is_some_and(|nice| self.permits_nice(nice))
    }

    /// Whether a thread in this state may set its nice value to this without a capability.
    pub fn permits_nice(&self, nice: i32) -> bool {
        self.nice.is_some_and(|now| now <= nice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realtime(priority: u32) -> Class {
        Class { policy: FIFO, priority, ..Class::default() }
    }

    #[test]
    fn children_inherit_unless_reset() {
        let parent =
            Schedule { nice: Some(-5), class: Some(realtime(3)), io_priority: Some(1 << 13), ..Default::default() };
        assert_eq!(parent.of_child(), parent);
        let reset = Schedule { reset_on_fork: true, ..parent };
        let plain = Schedule { nice: Some(0), class: Some(Class::default()), ..parent };
        assert_eq!(reset.of_child(), plain);
        let fair = Schedule { class: None, ..reset };
        assert_eq!(fair.of_child(), Schedule { nice: Some(0), class: None, ..parent });
        let slow = Schedule { nice: Some(4), ..fair };
        assert_eq!(slow.of_child(), Schedule { reset_on_fork: false, ..slow });
    }

    #[test]
    fn without_a_capability_priorities_only_go_down() {
        let schedule = Schedule { nice: Some(-5), class: Some(realtime(3)), ..Default::default() };
        assert!(schedule.permits(&realtime(3), None) && schedule.permits(&realtime(2), None));
        assert!(!schedule.permits(&realtime(4), None));
        assert!(!schedule.permits(&Class { policy: RR, ..realtime(1) }, None));
        assert!(schedule.permits(&Class::default(), Some(-5)) && !schedule.permits(&Class::default(), Some(-6)));
        assert!(!Schedule::default().permits_nice(19));
    }
}
