//! What reads bytes of others and is private otherwise, for fuzzers. Each panics if a rule does not hold.

use std::io::Write;
use std::os::fd::OwnedFd;

use crate::daemon::protocol::{Reply, Request};
use crate::memory::anonymous_file;
use crate::tracer;

/// A message that is understood means the same when it is said again.
pub fn messages(packet: &[u8]) {
    if let Some(request) = Request::decode(packet) {
        assert_eq!(Request::decode(&request.encode()), Some(request));
    }
    if let Some(reply) = Reply::decode(packet) {
        assert_eq!(Reply::decode(&reply.encode()), Some(reply));
    }
}

/// A program's file: what is looked at before it is executed, and the copy of it that names another interpreter.
pub fn elf(content: &[u8]) {
    let _ = crate::binfmt::audit_arch(content);
    let mut file = anonymous_file().expect("memory");
    file.write_all(content).expect("memory takes it");
    tracer::read_program(&OwnedFd::from(file), content);
}
