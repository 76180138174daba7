//! The unprivileged process that traces: starting it, talking to it, ending it.
