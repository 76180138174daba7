//! Asking a filesystem that may keep whoever asks waiting (see [`super::remote`]), where it cannot be the tracee who asks: a thread
//! does, the handler waits for it as for a call, and the tracer serves the others meanwhile.
//!
//! The tracee stands still. One that is killed is forgotten with its handler; its thread ends when it is answered.

use std::future::poll_fn;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::thread;

use super::doorbell;
use super::ptrace::Gone;
use super::run::Tracer;
use super::thread::Thread;
use super::tracked::Phase;
use crate::errno::Errno;

/// Who has got an answer.
pub struct Answered {
    tell: Sender<i32>,
    told: Receiver<i32>,
}

impl Default for Answered {
    fn default() -> Answered {
        let (tell, told) = channel();
        Answered { tell, told }
    }
}

impl Thread {
    /// Has a thread ask, and waits for what it says.
    ///
    /// # Errors
    /// `EIO` if it has come to grief.
    pub(super) async fn elsewhere<R: Send + 'static>(
        &self,
        ask: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Errno> {
        let (give, answer) = channel();
        let tell = self.world.answered.tell.clone();
        let tid = self.tid;
        let ask = Arc::new(Mutex::new(Some(ask)));
        let asked = Arc::clone(&ask);
        let made = thread::Builder::new().name("asks".to_owned()).spawn(move || {
            // Nobody waits for it if the tracee is gone. The tracer is told of an end without an answer, too.
            if let Some(ask) = taken(&asked) {
                let _ = give.send(ask());
            }
            drop(give);
            let _ = tell.send(tid);
            doorbell::ring();
        });
        if made.is_err() {
            // No thread can be made: everybody waits.
            return taken(&ask).map(|ask| ask()).ok_or(Errno::EIO);
        }
        poll_fn(|_| match answer.try_recv() {
            Ok(answer) => Poll::Ready(Ok(answer)),
            Err(TryRecvError::Disconnected) => Poll::Ready(Err(Errno::EIO)),
            Err(TryRecvError::Empty) => {
                self.waits_elsewhere.set(true);
                Poll::Pending
            }
        })
        .await
    }
}

fn taken<A>(ask: &Mutex<Option<A>>) -> Option<A> {
    ask.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Tracer {
    /// Lets those go on who have got an answer.
    pub(super) fn see_answers(&mut self) {
        while let Ok(tid) = self.world.answered.told.try_recv() {
            let result = self.see_answer(tid);
            self.see_to(tid, result);
        }
    }

    fn see_answer(&mut self, tid: i32) -> Result<(), Gone> {
        match self.tracked.get(&tid) {
            // Another thread of this id has not been answered if it waits: its handler then does so still.
            Some(tracked) if matches!(tracked.phase, Phase::Elsewhere) => self.advance(tid),
            _ => Ok(()),
        }
    }
}
