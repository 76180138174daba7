//! Files of fakeroot and fakeroot-ng.

use frng_core::state::{self, foreign};

/// What is imported can be kept in a state file, and exported again.
pub fn imports(text: &[u8]) {
    let Ok(records) = foreign::parse(text) else { return };
    let records = foreign::merge(Vec::new(), records);
    let mut written = Vec::new();
    state::write(&records, &mut written).expect("memory takes it");
    let kept = state::parse(&written).expect("what was imported can be kept");
    assert_eq!(kept.len(), records.len());
    for format in [foreign::Format::Fakeroot, foreign::Format::FakerootNg] {
        let mut exported = Vec::new();
        foreign::write(&kept, format, &mut exported).expect("memory takes it");
        let again = foreign::parse(&exported).expect("what was exported can be read");
        assert!(again.len() <= kept.len());
    }
}
