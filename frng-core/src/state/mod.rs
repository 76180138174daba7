//! The lies of a daemon and the file they are kept in.
