//! `frng`. See [`frng_cli`].
#![no_main]

use std::ffi::{c_char, c_int};

/// Entry point of the C library; why not Rust's, says [`frng_cli`].
///
/// # Safety
/// To be called by the C library.
// SAFETY: the only function of this name, with the type that the C library expects.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    // SAFETY: they are what the C library got from the kernel.
    unsafe { frng_cli::main(argc, argv) }
}
