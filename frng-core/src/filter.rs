//! The seccomp filter: which calls stop.
