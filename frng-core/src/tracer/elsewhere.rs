//! Asking a filesystem that may keep whoever asks waiting (see [`super::remote`]), where it cannot be the tracee who asks: a thread
//! does, the handler waits for it as for a call, and the tracer serves the others meanwhile.
//!
//! The tracee stands still. One that is killed is forgotten with its handler; its thread ends when it is answered.

use std::future::poll_fn;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
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
    pub(super) async fn elsewhere<R, A>(&self, ask: A) -> Result<R, Errno>
    where
        R: Send + 'static,
        A: FnOnce() -> R + Send + 'static,
    {
        let (give, answer) = channel();
        let (hand, handed) = channel();
        let (tell, tid) = (self.world.answered.tell.clone(), self.tid);
        let made = thread::Builder::new().name("asks".to_owned()).spawn(move || {
            // Rung last, also if it comes to grief; not by the tracer, which would wait for itself, if there is no thread.
            let _bell = Bell { tell, tid };
            let give = give;
            // Nobody waits for the answer if the tracee is gone.
            if let Ok(ask) = handed.recv() {
                let ask: A = ask;
                let _ = give.send(ask());
            }
        });
        if made.is_err() {
            // No thread can be made: everybody waits.
            return Ok(ask());
        }
        let _ = hand.send(ask);
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

/// Tells the tracer, when it is dropped, that a thread asks no more.
struct Bell {
    tell: Sender<i32>,
    tid: i32,
}

impl Drop for Bell {
    fn drop(&mut self) {
        let _ = self.tell.send(self.tid);
        doorbell::ring();
    }
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
