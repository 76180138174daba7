//! The checks of an arch crate against what was captured. Each panics with what does not fit: they are for unit tests.

use frng_core::arch::{Abi, Registers};
use frng_core::call::Sys;
use frng_core::call::table::ROWS;
use frng_core::stat::Statx;
use zerocopy::FromBytes;

use crate::Golden;

/// All of it.
pub fn all(abi: &dyn Abi, golden: &Golden) {
    numbers(abi, golden);
    registers(abi, golden);
    layouts(abi, golden);
}

/// The name of a call in the headers. A 32-bit ABI that began with ids of 16 bits has `chown` for those and `chown32`.
fn kernel_name(golden: &Golden, sys: Sys) -> String {
    let name = sys.row().name;
    let wide = format!("{name}32");
    if !format!("{sys:?}").ends_with("16") && golden.numbers.contains_key(&wide) { wide } else { name.to_owned() }
}

/// Every call of the table has the number that the headers give it, and none is missing. Only calls newer than the headers
/// are taken as they are.
pub fn numbers(abi: &dyn Abi, golden: &Golden) {
    let newest = golden.numbers.values().max().copied().unwrap_or(0);
    let has_narrow_ids = golden.numbers.contains_key("chown32");
    for row in ROWS {
        let ours = abi.number(row.sys);
        let name = kernel_name(golden, row.sys);
        let narrow = format!("{:?}", row.sys).ends_with("16");
        let theirs = golden.numbers.get(&name).copied().filter(|_| !narrow || has_narrow_ids);
        match (ours, theirs) {
            // Where there is an mmap2 the number without one takes a structure: it is another call.
            (None, Some(_)) if row.sys == Sys::Mmap && golden.numbers.contains_key("mmap2") => {}
            (Some(ours), None) => {
                assert!(ours > newest, "{}: the headers have no {name}, but it is {ours}", abi.name())
            }
            _ => assert_eq!(ours, theirs, "{}: {name}", abi.name()),
        }
    }
    for (number, sys) in abi.numbers() {
        assert_eq!(abi.sys(u64::from(*number)), Some(*sys), "{}: two calls have number {number}", abi.name());
    }
}

/// Registers are where the kernel had them at a call.
pub fn registers(abi: &dyn Abi, golden: &Golden) {
    let instruction = abi.trampoline_code().get(..abi.trampoline_return() as usize).unwrap_or_default();
    registers_of_call_by(abi, golden, instruction);
}

/// The same where the program that made the call has another instruction set than the trampoline, in which this is the
/// instruction that issues calls.
pub fn registers_of_call_by(abi: &dyn Abi, golden: &Golden, instruction: &[u8]) {
    let call = &golden.call;
    let entry = Registers::from_bytes(&call.entry.0);
    assert_eq!(entry.bytes().len(), abi.registers_len(), "length of the register set");
    assert_eq!(abi.pc(&entry), call.pc, "program counter");
    assert_eq!(abi.sp(&entry), call.sp, "stack pointer");

    let mut same = entry;
    abi.replace_call(&mut same, call.number as u32, call.args);
    assert_eq!(same.bytes(), entry.bytes(), "a call replaced by itself changes nothing");
    assert_eq!(abi.number_set().is_some(), same.number().is_some(), "the number is in one place");
    let mut other = entry;
    abi.replace_call(&mut other, call.number as u32, call.args.map(|arg| arg ^ 0xff));
    let arguments = if abi.cancels_at_entry() { 6 } else { 5 };
    assert_eq!(changed(&entry, &other), arguments, "a replaced call has other arguments");

    // That it leads to code of the trampoline's instruction set may change another one.
    let mut here = entry;
    abi.set_pc(&mut here, call.pc);
    let mut moved = here;
    abi.set_pc(&mut moved, call.pc ^ 0xff);
    assert_eq!((changed(&here, &moved), abi.pc(&moved)), (1, call.pc ^ 0xff), "the program counter is one register");

    let exit = Registers::from_bytes(&call.exit.0);
    let mut answered = exit;
    abi.set_result(&mut answered, call.result as u64);
    assert_eq!(answered.bytes(), exit.bytes(), "the result is where the kernel had put it");
    abi.set_result(&mut answered, call.result as u64 ^ 0xff);
    assert_eq!(changed(&exit, &answered), 1, "the result is one register");

    assert!(call.instruction.0.ends_with(instruction), "it was made by another instruction than {instruction:x?}");
    let mut again = entry;
    abi.rewind_call(&mut again, call.number as u32, call.args);
    assert_eq!(abi.pc(&again), call.pc - instruction.len() as u64, "a call issued again stands at its instruction");
}

/// How many bytes differ.
fn changed(a: &Registers, b: &Registers) -> usize {
    a.bytes().iter().zip(b.bytes()).filter(|(a, b)| a != b).count()
}

/// Every `struct stat` is made from the `struct statx` of the same inode.
pub fn layouts(abi: &dyn Abi, golden: &Golden) {
    let mut compared = 0;
    for inode in &golden.inodes {
        let Ok(statx) = Statx::read_from_bytes(&inode.statx.0) else {
            panic!("{}: no struct statx", inode.what);
        };
        for (name, expected) in &inode.stats {
            let sys = golden.numbers.get(name).and_then(|number| abi.sys(u64::from(*number)));
            let Some(sys) = sys else { continue };
            let mut out = [0xaa; 256];
            let len = abi.encode_stat(sys, &statx, &mut out).unwrap_or(0);
            assert_eq!(out.get(..len), Some(&expected.0[..]), "{}: {name} of {}", abi.name(), inode.what);
            compared += 1;
        }
    }
    assert!(compared > 0, "{}: no inode to compare", abi.name());
}
