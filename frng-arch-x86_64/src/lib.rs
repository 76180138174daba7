//! x86_64 for frng.
