//! State files.

use frng_core::state;

/// What is read of a state file is written and read again as the same.
pub fn state(text: &[u8]) {
    let Ok(records) = state::parse(text) else { return };
    let mut written = Vec::new();
    state::write(&records, &mut written).expect("memory takes it");
    assert_eq!(state::parse(&written).expect("what was written can be read"), records);
}
