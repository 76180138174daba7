//! The ABIs of this daemon with their numbers in both directions, as far as this kernel goes.

use crate::arch::Abi;
use crate::call::{NEWER, Sys};

/// Whether this kernel has a call; asked with arguments that no call takes.
fn is_there(number: u32) -> bool {
    // SAFETY: no argument is a descriptor or a valid address.
    let result = unsafe { libc::syscall(number as libc::c_long, -1, 0, 0, 0, 0, 0) };
    result != -1 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ENOSYS)
}

/// An ABI with dense tables, because every stop looks into them.
pub struct AbiTable {
    abi: &'static dyn Abi,
    calls: Vec<Option<Sys>>,
    numbers: Vec<Option<u32>>,
}

impl AbiTable {
    /// Calls in `absent` are left to the kernel, which answers `ENOSYS`.
    fn new(abi: &'static dyn Abi, absent: &[Sys]) -> AbiTable {
        let mut calls = Vec::new();
        let mut numbers = vec![None; crate::call::table::ROWS.len()];
        for (number, sys) in abi.numbers().iter().filter(|(_, sys)| !absent.contains(sys)) {
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

    /// Which of [`NEWER`] this kernel lacks, the first one in the lowest bit.
    pub fn lacks(&self) -> u32 {
        NEWER.iter().rev().fold(0, |lacks, sys| lacks << 1 | u32::from(self.number(*sys).is_none()))
    }

    /// Tables for all ABIs, of which the first one is our own; they live as long as the process.
    pub fn all(abis: &[&'static dyn Abi]) -> &'static [AbiTable] {
        let own = |sys: &Sys| abis.first().and_then(|abi| abi.number(*sys));
        let absent: Vec<Sys> = NEWER.iter().copied().filter(|sys| !own(sys).is_some_and(is_there)).collect();
        Box::leak(abis.iter().map(|abi| AbiTable::new(*abi, &absent)).collect())
    }
}
