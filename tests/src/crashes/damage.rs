//! What a disk may have of a file when the power goes.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::random::Random;

const PAGE: u64 = 4096;

/// Does to a file with holes what a power cut may have done.
///
/// # Errors
/// Those of reading and writing it.
pub fn damage(path: &Path, kind: &str, seed: u64, old: Option<&Path>) -> io::Result<()> {
    let mut random = Random::new(seed);
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let pages = data_pages(&file)?;
    match (kind, old) {
        // It ends somewhere.
        ("cut", _) => file.set_len(random.one_of(&pages) + random.number() % PAGE),
        // Pages were never written.
        ("lost", _) => {
            let times = 1 + random.below(1 + pages.len() / 2);
            (0..times).try_for_each(|_| file.write_all_at(&[0; PAGE as usize], random.one_of(&pages)))
        }
        // Pages are what they were some time before.
        ("old", Some(old)) => {
            let old = File::open(old)?;
            let times = 1 + random.below(1 + pages.len() / 2);
            (0..times).try_for_each(|_| {
                let (at, mut page) = (random.one_of(&pages), [0; PAGE as usize]);
                old.read_exact_at(&mut page, at)?;
                file.write_all_at(&page, at)
            })
        }
        _ => Err(io::Error::other("cut, lost or old FILE")),
    }
}

/// Where the pages are that are no holes.
fn data_pages(file: &File) -> io::Result<Vec<u64>> {
    let seek = |at: u64, whence| {
        // SAFETY: takes no memory.
        let found = unsafe { libc::lseek(file.as_raw_fd(), at as libc::off_t, whence) };
        u64::try_from(found).map_err(|_| io::Error::last_os_error())
    };
    let (mut pages, mut at) = (Vec::new(), 0);
    loop {
        let begin = match seek(at, libc::SEEK_DATA) {
            Err(error) if error.raw_os_error() == Some(libc::ENXIO) => return Ok(pages),
            other => other?,
        };
        at = seek(begin, libc::SEEK_HOLE)?;
        pages.extend((begin / PAGE * PAGE..at).step_by(PAGE as usize));
    }
}
