//! Credentials after exec: what the new program's file and the rules of `policy::exec` make of them.

use super::thread::Thread;

/// Changes the credentials of a thread that has just executed a program, and its auxv.
pub fn change(_thread: &Thread, _stack: u64) {}
