//! Programs.

/// What is read of a program's file before it is executed, in the host's root and in another one.
pub fn elf(file: &[u8]) {
    frng_core::fuzzing::elf(file);
}
