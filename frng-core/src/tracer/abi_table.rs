//! The ABIs of this daemon with their numbers in both directions.

use crate::arch::Abi;
use crate::call::Sys;

/// An ABI with dense tables, because every stop looks into them.
pub struct AbiTable {
    abi: &'static dyn Abi,
    calls: Vec<Option<Sys>>,
    numbers: Vec<Option<u32>>,
}

impl AbiTable {
    fn new(abi: &'static dyn Abi) -> AbiTable {
        let mut calls = Vec::new();
        let mut numbers = vec![None; crate::call::table::ROWS.len()];
        for (number, sys) in abi.numbers() {
            let index = *number as usize;
            if calls.len() <= index {
                calls.resize(index + 1, None);
            }
            calls[index] = Some(*sys);
            numbers[*sys as usize] = Some(*number);
        }
        AbiTable { abi, calls, numbers }
    }

    /// The ABI itself.
    pub fn abi(&self) -> &'static dyn Abi {
        self.abi
    }

    /// The call of a number.
    pub fn sys(&self, number: u64) -> Option<Sys> {
        *self.calls.get(usize::try_from(number).ok()?)?
    }

    /// The number of a call.
    pub fn number(&self, sys: Sys) -> Option<u32> {
        self.numbers.get(sys as usize).copied().flatten()
    }

    /// Tables for all ABIs; they live as long as the process.
    pub fn all(abis: &[&'static dyn Abi]) -> &'static [AbiTable] {
        Box::leak(abis.iter().map(|abi| AbiTable::new(*abi)).collect())
    }
}
