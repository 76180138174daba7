//! Files of proc(5), whose content the kernel makes when they are read.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes that most of them have not.
const ROOM: usize = 8 << 10;

/// All of a file. `std::fs::read` asks such a file for its size, which it does not tell, and then begins with small pieces, for each
/// of which the kernel finds out anew where it was.
///
/// # Errors
/// open(2)'s and read(2)'s.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    rest(File::open(path)?)
}

/// What an open one has from where it was read to.
///
/// # Errors
/// read(2)'s.
pub fn rest(file: impl Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::with_capacity(ROOM);
    // A `File` would be asked for its size here, too.
    file.take(u64::MAX).read_to_end(&mut content)?;
    Ok(content)
}

/// The same as text.
///
/// # Errors
/// Also if it is no UTF-8.
pub fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    #[test]
    fn all_is_read_however_long() {
        // Its lines change, but not how many there are of these.
        let calls = |text: &[u8]| text.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"Rss:")).count();
        let smaps = super::read("/proc/self/smaps").unwrap();
        assert!(smaps.len() > super::ROOM && calls(&smaps) > 10);
        assert!(super::read_to_string("/proc/self/status").unwrap().contains("VmPeak"));
        assert!(super::read("/proc/self/nothing").is_err());
    }
}
