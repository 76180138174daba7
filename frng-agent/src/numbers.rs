//! Dense tables of the ABI's numbers, made when the agent is compiled.

use frng_core::call::Sys;

use crate::arch::NUMBERS;

/// Numbers below this are looked at.
const LEN: usize = 512;

static CALLS: [Option<Sys>; LEN] = calls();
static OF_CALLS: [u32; LEN] = of_calls();

const NONE: u32 = u32::MAX;

const fn calls() -> [Option<Sys>; LEN] {
    let mut calls = [None; LEN];
    let mut index = 0;
    while index < NUMBERS.len() {
        let (number, sys) = NUMBERS[index];
        calls[number as usize] = Some(sys);
        index += 1;
    }
    calls
}

const fn of_calls() -> [u32; LEN] {
    let mut numbers = [NONE; LEN];
    let mut index = 0;
    while index < NUMBERS.len() {
        let (number, sys) = NUMBERS[index];
        numbers[sys as usize] = number;
        index += 1;
    }
    numbers
}

/// The call of a number.
pub fn sys(number: u32) -> Option<Sys> {
    *CALLS.get(number as usize)?
}

/// The number of a call.
pub fn number(sys: Sys) -> Option<u32> {
    OF_CALLS.get(sys as usize).copied().filter(|number| *number != NONE)
}
