//! What other threads of the daemon want from the tracer.

use super::Order;
use super::doorbell;
use super::run::Tracer;
use super::tracked::Phase;
use crate::lie::LieTable;

impl Tracer {
    pub(super) fn obey_orders(&mut self) {
        doorbell::noticed();
        while let Ok(order) = self.orders.try_recv() {
            self.obey(order);
        }
        self.see_answers();
    }

    pub(super) fn obey(&mut self, order: Order) {
        match order {
            Order::Attach(attach) => self.attach(attach),
            Order::Dump => self.dump(),
            Order::Tell(line) => self.callers.tell(&line),
            Order::Check => {}
            Order::Terminate(signal) => self.terminated = Some(signal),
        }
    }

    /// The list of tracked processes, with their parent and state.
    fn dump(&mut self) {
        let mut threads: Vec<_> = self.tracked.values().collect();
        threads.sort_by_key(|tracked| tracked.thread.tid);
        self.log.info(format_args!("{} tracees, {} lies", threads.len(), self.world.table.kinds().all));
        for tracked in threads {
            let thread = &tracked.thread;
            let state = match (&tracked.phase, &tracked.flight) {
                (Phase::Running, None) => "running".to_owned(),
                (Phase::Bootstrap(_), _) => "starting a program".to_owned(),
                (Phase::Leaving(_) | Phase::IntoCall(_), _) => "about to receive a signal".to_owned(),
                (_, Some(flight)) => match flight.origin {
                    Some(origin) => format!("in {}", origin.call.row().name),
                    None => "prepared for faked devices".to_owned(),
                },
                (_, None) => "in a call".to_owned(),
            };
            let creds = thread.creds.get();
            self.log.info(format_args!(
                "thread {} of process {}, parent {}: euid {} egid {}, {state}",
                thread.tid, thread.tgid, thread.parent, creds.uid.effective, creds.gid.effective
            ));
        }
    }
}
