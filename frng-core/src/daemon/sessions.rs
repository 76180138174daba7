//! Who still needs the daemon besides its tracees.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::log::Log;
use crate::tracer::Order;

/// The reservations of a daemon, shared by its threads.
///
/// The tracer asks [`Sessions::close`] before it reaps the last tracee. A reservation that is pending then keeps the
/// daemon alive; the end of that reservation makes the tracer ask again.
#[derive(Clone)]
pub struct Sessions(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    tracer: Tracer,
}

#[derive(Default)]
struct State {
    /// Granted, and neither attached nor hung up.
    pending: usize,
    /// No more are granted.
    closing: bool,
    /// The tracer has asked while some were pending.
    asked: bool,
    /// One at least has become a tracee.
    used: bool,
}

/// The way to the tracer.
#[derive(Clone)]
pub struct Tracer {
    /// Its orders.
    pub orders: Sender<Order>,
    /// Its bell.
    pub ring: fn(),
    /// For what goes wrong.
    pub log: Log,
}

impl Tracer {
    /// Sends an order. If the tracer has ended it gets lost, and with it the reply that somebody may wait for.
    pub fn order(&self, order: Order) {
        if self.orders.send(order).is_ok() {
            (self.ring)();
        }
    }
}

impl Sessions {
    /// No reservations.
    pub fn new(tracer: Tracer) -> Sessions {
        Sessions(Arc::new(Shared { state: Mutex::default(), tracer }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic is done with it.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the daemon alive; `None` if it is ending already.
    pub fn reserve(&self) -> Option<Reservation> {
        let mut state = self.state();
        if state.closing {
            return None;
        }
        state.pending += 1;
        Some(Reservation { sessions: self.clone(), attached: false })
    }

    /// For the tracer when it has no tracee, or is about to reap the last one: whether the daemon may end. From
    /// then on nobody can join it.
    pub fn close(&self) -> bool {
        let mut state = self.state();
        state.asked = state.pending > 0;
        state.closing |= !state.asked;
        state.closing
    }

    /// The daemon ends, whoever needs it.
    pub fn end(&self) {
        self.state().closing = true;
    }

    /// Whether anybody was ever traced.
    pub fn used(&self) -> bool {
        self.state().used
    }

    /// The way to the tracer.
    pub fn tracer(&self) -> &Tracer {
        &self.0.tracer
    }
}

/// Keeps the daemon alive until it is dropped.
pub struct Reservation {
    sessions: Sessions,
    attached: bool,
}

impl Reservation {
    /// Ends the reservation of an invocation that is a tracee now.
    pub fn attached(mut self) {
        self.attached = true;
    }

    /// The attempt to attach begins: what the tracer has asked before does not matter any more, for it will ask
    /// again when this tracee ends.
    pub fn attaching(&self) {
        self.sessions.state().asked = false;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let check = {
            let mut state = self.sessions.state();
            state.pending -= 1;
            state.used |= self.attached;
            // If it has become a tracee, and that has ended already, the tracer has asked in between.
            state.pending == 0 && (state.asked || !self.attached)
        };
        if check {
            self.sessions.tracer().order(Order::Check);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, channel};

    fn sessions() -> (Sessions, Receiver<Order>) {
        let (orders, receiver) = channel();
        (Sessions::new(Tracer { orders, ring: || (), log: Log::off() }), receiver)
    }

    #[test]
    fn a_reservation_that_is_given_up_makes_the_tracer_look() {
        let (sessions, orders) = sessions();
        let (one, two) = (sessions.reserve().unwrap(), sessions.reserve().unwrap());
        drop(one);
        assert!(orders.try_recv().is_err());
        assert!(!sessions.close());
        drop(two);
        assert!(matches!(orders.try_recv(), Ok(Order::Check)));
        assert!(sessions.close());
        assert!(sessions.reserve().is_none());
        assert!(sessions.close());
    }

    #[test]
    fn an_attached_one_needs_no_look_unless_the_tracer_has_asked_in_between() {
        let (sessions, orders) = sessions();
        let session = sessions.reserve().unwrap();
        assert!(!sessions.close());
        session.attaching();
        session.attached();
        assert!(orders.try_recv().is_err());

        let session = sessions.reserve().unwrap();
        session.attaching();
        assert!(!sessions.close());
        session.attached();
        assert!(matches!(orders.try_recv(), Ok(Order::Check)));
    }

    #[test]
    fn others_that_are_pending_keep_what_the_tracer_has_asked() {
        let (sessions, orders) = sessions();
        let (one, two) = (sessions.reserve().unwrap(), sessions.reserve().unwrap());
        one.attaching();
        assert!(!sessions.close());
        one.attached();
        assert!(orders.try_recv().is_err());
        two.attached();
        assert!(matches!(orders.try_recv(), Ok(Order::Check)));
    }
}
