#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| frng_fuzz::elf(bytes));
