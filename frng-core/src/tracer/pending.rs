//! Stops that wait to be looked at, in turn.
//!
//! `wait4` always tells of the first tracee in the kernel's list that has stopped. One that stops again before anybody
//! has looked at those behind it would be served for ever and the others never. So now and then all that have stopped
//! are taken off the kernel and served in that order, before anybody is served again.

use std::collections::VecDeque;
use std::io;

use super::wait::{self, Event, Which};

/// The most stops that may pass between two looks at who else has stopped.
const SELDOM: u32 = 16;

/// Where events come from.
pub trait Source {
    /// The next event; waits for it.
    ///
    /// # Errors
    /// `ECHILD` if there is nobody to wait for.
    fn wait(&mut self) -> io::Result<(i32, Event)>;

    /// The next event, if there is one now.
    fn poll(&mut self, which: Which) -> Option<(i32, Event)>;
}

/// The kernel.
pub struct Kernel;

impl Source for Kernel {
    fn wait(&mut self) -> io::Result<(i32, Event)> {
        wait::wait()
    }

    fn poll(&mut self, which: Which) -> Option<(i32, Event)> {
        wait::poll(which)
    }
}

/// Events taken off the kernel that nobody has looked at.
#[derive(Default)]
pub struct Pending {
    queue: VecDeque<(i32, Event)>,
    /// Stops until the next look at who else has stopped.
    left: u32,
    /// Stops between two such looks: each look that finds nobody doubles them, since it was for nothing.
    between: u32,
}

impl Pending {
    /// Whether nothing is to be looked at but what the kernel still has.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The next event of anybody, in turn, where there are `tracees`. The end of the last one is never taken off the
    /// kernel ahead of time: its parent must not see it too early.
    ///
    /// # Errors
    /// Those of [`Source::wait`].
    pub fn next(&mut self, source: &mut impl Source, tracees: usize) -> io::Result<(i32, Event)> {
        if let Some(event) = self.queue.pop_front() {
            return Ok(event);
        }
        let first = source.wait()?;
        if tracees < 2 {
            return Ok(first);
        }
        self.left = self.left.saturating_sub(1);
        if self.left > 0 {
            return Ok(first);
        }
        self.queue.push_back(first);
        self.take_all(source, tracees);
        self.between = if self.queue.len() > 1 { 1 } else { SELDOM.min(2 * self.between.max(1)) };
        self.left = self.between;
        Ok(self.queue.pop_front().unwrap_or(first))
    }

    fn take_all(&mut self, source: &mut impl Source, tracees: usize) {
        loop {
            let ended = self.queue.iter().filter(|(_, event)| event.is_end()).count();
            let which = if tracees > ended + 1 { Which::All } else { Which::Stops };
            let Some((tid, event)) = source.poll(which) else { return };
            // A tracee that has stopped has not stopped before, unless another thread has taken its id over by exec:
            // what was told of the former one is void.
            self.queue.retain(|(other, event)| *other != tid || event.is_end());
            self.queue.push_back((tid, event));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDED: Event = Event::Ended { killed: false, status: 0 };

    /// Tracees that stop again as soon as they run on, told of as the kernel does: always the first in the list.
    struct Busy {
        stopped: Vec<bool>,
        polls: usize,
    }

    impl Busy {
        fn new(tracees: usize) -> Busy {
            Busy { stopped: vec![true; tracees], polls: 0 }
        }

        fn first(&mut self) -> Option<(i32, Event)> {
            let first = self.stopped.iter().position(|stopped| *stopped)?;
            self.stopped[first] = false;
            Some((first as i32, Event::Syscall))
        }
    }

    impl Source for Busy {
        fn wait(&mut self) -> io::Result<(i32, Event)> {
            self.first().ok_or_else(|| io::Error::from_raw_os_error(libc::ECHILD))
        }

        fn poll(&mut self, _: Which) -> Option<(i32, Event)> {
            self.polls += 1;
            self.first()
        }
    }

    #[test]
    fn all_busy_tracees_get_as_many_turns() {
        let mut busy = Busy::new(40);
        let mut pending = Pending::default();
        let mut turns = vec![0; 40];
        for _ in 0..40 * 100 {
            let (tid, _) = pending.next(&mut busy, 40).unwrap();
            turns[tid as usize] += 1;
            busy.stopped[tid as usize] = true;
        }
        let (least, most) = (turns.iter().min().unwrap(), turns.iter().max().unwrap());
        assert!(most - least <= 1, "{turns:?}");
    }

    #[test]
    fn a_busy_tracee_among_idle_ones_is_rarely_kept_waiting_for_a_look_at_the_others() {
        let mut busy = Busy::new(1);
        let mut pending = Pending::default();
        for _ in 0..1600 {
            pending.next(&mut busy, 2).unwrap();
            busy.stopped[0] = true;
        }
        assert!(busy.polls < 120, "{}", busy.polls);
    }

    #[test]
    fn a_single_tracee_costs_no_look_at_others() {
        let mut busy = Busy::new(1);
        let mut pending = Pending::default();
        for _ in 0..100 {
            pending.next(&mut busy, 1).unwrap();
            busy.stopped[0] = true;
        }
        assert_eq!(busy.polls, 0);
    }

    /// Events in a fixed order; tells which were asked for.
    struct Script(VecDeque<(i32, Event)>, Vec<Which>);

    impl Source for Script {
        fn wait(&mut self) -> io::Result<(i32, Event)> {
            self.0.pop_front().ok_or_else(|| io::Error::from_raw_os_error(libc::ECHILD))
        }

        fn poll(&mut self, which: Which) -> Option<(i32, Event)> {
            self.1.push(which);
            self.0.pop_front()
        }
    }

    #[test]
    fn a_stop_of_a_leader_whose_id_has_been_taken_over_is_dropped() {
        let events = [(1, Event::Syscall), (2, ENDED), (1, Event::Exec)];
        let mut script = Script(events.into(), Vec::new());
        let mut pending = Pending::default();
        assert_eq!(pending.next(&mut script, 3).unwrap(), (2, ENDED));
        assert_eq!(pending.next(&mut script, 2).unwrap(), (1, Event::Exec));
    }

    #[test]
    fn the_end_of_the_last_tracee_is_left_to_the_kernel() {
        let events = [(1, ENDED), (2, Event::Syscall)];
        let mut script = Script(events.into(), Vec::new());
        let mut pending = Pending::default();
        assert_eq!(pending.next(&mut script, 2).unwrap(), (1, ENDED));
        assert_eq!(script.1, [Which::Stops, Which::Stops]);
    }
}
