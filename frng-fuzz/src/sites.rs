//! Machine code around a syscall instruction.

use frng_core::inside::sites::{Inside, Window};

use crate::input::Input;

/// What is written over a program's code stays within what was looked at, and the original is what was there.
pub fn sites(bytes: &[u8]) {
    let mut input = Input(bytes);
    let which = input.u8();
    let number = input.u32();
    // As far from the ends of the address space as the kernel has programs be, or not.
    let pc = if which & 2 == 0 { 0x7f00_0000_0000 | u64::from(input.u32()) << 2 } else { input.u64() };
    let inside: &dyn Inside =
        if which & 1 == 0 { &frng_arch_x86_64::sites::SITES } else { &frng_arch_aarch64::sites::SITES };
    let (before_len, after_len) = inside.window();
    let (before, rest) = input.0.split_at(before_len.min(input.0.len()));
    let after = &rest[..rest.len().min(after_len)];
    let Some(site) = inside.recognise(Window { before, after }, pc, number) else { return };
    assert_eq!(site.pc, pc);
    let original = inside.original(&site);
    let at = before.len().checked_sub((pc - site.begin) as usize).expect("it begins where code was looked at");
    assert_eq!(&before[at..at + original.bytes().len()], original.bytes());
    let (low, high) = (pc.wrapping_sub(before.len() as u64), pc.wrapping_add(after.len() as u64));
    let stub = pc.wrapping_add(0x1000);
    for (at, code) in inside.jumps(&site, stub) {
        let end = at.wrapping_add(code.bytes().len() as u64);
        assert!(low <= at && end <= high, "{at:x} to {end:x} was not looked at: {low:x} to {high:x}");
    }
    assert!(inside.stub(&site, stub, stub - 8).bytes().len() as u64 <= inside.stub_len());
    assert!(inside.stub_way_in(&site) <= inside.stub_len());
}
