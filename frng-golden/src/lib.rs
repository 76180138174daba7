//! Golden vectors: what a real kernel of an ABI did, captured once by the program `frng-golden` (`cross/golden`), kept as
//! RON in each arch crate (`golden/ABI.ron`) and compared with what that crate says ([`check`]), on any host.

pub mod capture;
pub mod check;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What was captured on one machine.
#[derive(Debug, Deserialize, Serialize)]
pub struct Golden {
    /// The machine, as uname(2) names it.
    pub machine: String,
    /// Its kernel's release.
    pub kernel: String,
    /// Numbers by the names of the kernel's header `asm/unistd.h`.
    pub numbers: BTreeMap<String, u32>,
    /// A call before and after.
    pub call: Call,
    /// Inodes as statx(2) and the older calls tell of them.
    pub inodes: Vec<Inode>,
}

/// A call that failed with `EBADF`, seen by a tracer.
#[derive(Debug, Deserialize, Serialize)]
pub struct Call {
    /// Its number.
    pub number: u64,
    /// Its arguments, all different.
    pub args: [u64; 6],
    /// Program counter behind its instruction.
    pub pc: u64,
    /// Stack pointer.
    pub sp: u64,
    /// The eight bytes before the program counter: the instruction is at their end.
    pub instruction: Bytes,
    /// `NT_PRSTATUS` at its entry.
    pub entry: Bytes,
    /// `NT_PRSTATUS` at its exit.
    pub exit: Bytes,
    /// Its raw result.
    pub result: i64,
}

/// One inode.
#[derive(Debug, Deserialize, Serialize)]
pub struct Inode {
    /// What it is.
    pub what: String,
    /// `struct statx`.
    pub statx: Bytes,
    /// What each call that this ABI has filled, by name.
    pub stats: BTreeMap<String, Bytes>,
}

/// Bytes, written as hexadecimal digits.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes(pub Vec<u8>);

impl TryFrom<String> for Bytes {
    type Error = String;

    fn try_from(digits: String) -> Result<Bytes, String> {
        let byte = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
        bytes.map(Bytes).ok_or_else(|| format!("not pairs of hexadecimal digits: {digits:?}"))
    }
}

impl From<Bytes> for String {
    fn from(Bytes(bytes): Bytes) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Golden {
    /// Reads what was captured.
    ///
    /// # Errors
    /// What does not fit the format, and where.
    pub fn parse(text: &str) -> Result<Golden, String> {
        ron::from_str(text).map_err(|error| error.to_string())
    }

    /// Writes it, one value a line.
    ///
    /// # Errors
    /// None that is known.
    pub fn print(&self) -> Result<String, String> {
        let pretty = ron::ser::PrettyConfig::new().depth_limit(4).compact_arrays(true);
        ron::ser::to_string_pretty(self, pretty).map_err(|error| error.to_string())
    }
}
