//! Saving the state while commands run, so that a power cut takes little.
//!
//! A thread looks once a second whether the table has changed, which is one word in its header, and then saves the state as the end
//! would. Nobody waits for it but the end. A save that takes long is not repeated at once: at most a tenth of the time goes into it.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::sessions::Tracer;
use crate::state::{StateFile, Table};
use crate::tracer::Order;

/// How long a change may be unsaved, as a rule.
const INTERVAL: Duration = Duration::from_secs(1);

/// How many times longer than a save the time to the next one is, at least.
const REST: u32 = 9;

/// The thread that saves, and the state file that it has until [`Checkpoints::end`].
pub struct Checkpoints {
    state: Arc<Mutex<Option<StateFile>>>,
    /// Dropping it ends the thread.
    end: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Starts it. If no thread can be made the log says so, and the state is saved at the end only.
    pub fn start(state: StateFile, table: Arc<Table>, way: Tracer) -> Checkpoints {
        let state = Arc::new(Mutex::new(Some(state)));
        let (end, ending) = channel();
        let log = way.log.clone();
        let saver = Saver { state: Arc::clone(&state), table, way, has_failed: false };
        let thread = thread::Builder::new().name("checkpoints".into()).spawn(move || {
            let mut saver = saver;
            let mut pause = INTERVAL;
            while let Err(RecvTimeoutError::Timeout) = ending.recv_timeout(pause) {
                pause = INTERVAL.max(saver.save() * REST);
            }
        });
        if let Err(error) = &thread {
            log.error(format_args!("no checkpoints, the state is saved at the end only: {error}"));
        }
        Checkpoints { state, end, thread: thread.ok() }
    }

    /// Waits for a save that is under way, and gives the state file back.
    pub fn end(self) -> Option<StateFile> {
        drop(self.end);
        if let Some(thread) = self.thread {
            // If it has panicked, which the log tells, the state file is here all the same.
            let _ = thread.join();
        }
        self.state.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

struct Saver {
    state: Arc<Mutex<Option<StateFile>>>,
    table: Arc<Table>,
    way: Tracer,
    /// The last save has failed, which has been told.
    has_failed: bool,
}

impl Saver {
    /// Saves, if there is something new; returns how long it took.
    fn save(&mut self) -> Duration {
        if !self.table.take_changes() && !self.has_failed {
            return Duration::ZERO;
        }
        let begin = Instant::now();
        let records = self.table.records();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(state) = state.as_mut() else { return Duration::ZERO };
        match state.save(&records) {
            Ok(()) => {
                let took = begin.elapsed();
                self.way.log.info(format_args!("checkpoint: {} lies in {} ms", records.len(), took.as_millis()));
                self.has_failed = false;
                took
            }
            Err(why) => {
                if !self.has_failed {
                    let why =
                        format!("{why}; it is tried again every second, until then the file is as it was saved last");
                    self.way.log.error(format_args!("{why}"));
                    self.way.order(Order::Tell(why));
                }
                self.has_failed = true;
                begin.elapsed()
            }
        }
    }
}
