//! Calls as text, for the log.
