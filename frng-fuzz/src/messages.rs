//! What invocations and daemons say to each other.

/// A message that is understood means the same when it is said again.
pub fn messages(packet: &[u8]) {
    frng_core::fuzzing::messages(packet);
}
