//! Running a handler whose futures are all ready at once.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

/// Its result; `None` if it waits, which no handler can do here.
#[inline(always)]
pub fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}
