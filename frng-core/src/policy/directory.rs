//! getdents(2): the type of directory entries. A faked device is a regular file on disk, which the kernel's `d_type`
//! tells.

use super::{Answer, Outcome, Tracee, TraceeExt};
use crate::call::{Arg, Call, FileRef, TraceeAddr};
use crate::errno::Errno;
use crate::inode::InodeKey;
use crate::lie::LieTable;
use crate::stat::S_IFMT;

/// Where things are in a directory entry.
#[derive(Clone, Copy, Debug)]
struct Layout {
    /// Bytes of the inode number, which comes first, and of the offset behind it.
    word: usize,
    /// Where `d_type` is; `None`: in the last byte.
    kind: Option<usize>,
    /// Where the name begins.
    name: usize,
}

/// `struct linux_dirent64` (`include/linux/dirent.h`).
const LINUX_DIRENT64: Layout = Layout { word: 8, kind: Some(18), name: 19 };

impl Layout {
    /// `struct linux_dirent` (`fs/readdir.c`), whose words are as long as a pointer.
    const fn linux_dirent(word: usize) -> Layout {
        Layout { word, kind: None, name: 2 * word + 2 }
    }
}

/// getdents.
pub async fn getdents<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    let layout = Layout::linux_dirent(tracee.abi().word_len());
    corrected(tracee, call, &layout).await
}

/// getdents64.
pub async fn getdents64<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
    corrected(tracee, call, &LINUX_DIRENT64).await
}

/// Lets the call run, then corrects the types of faked nodes. Where there are none in any directory this costs nothing.
async fn corrected<T: Tracee>(tracee: &T, call: &Call, layout: &Layout) -> Outcome {
    if tracee.lies().kinds().nodes == 0 {
        return Ok(Answer::Pass);
    }
    let len = tracee.run(call).await?;
    let directory = call.int(Arg::Fd) as i32;
    if let Ok(real) = tracee.stat(FileRef::descriptor(directory)).await {
        let (buffer, dev) = (call.addr(Arg::Out), real.id().dev);
        let mut done = 0;
        while let Some(entry) = next_suspect(tracee, layout, dev, buffer, done, len as usize) {
            done = entry.end;
            // Is it that inode, or a later one with its number?
            let name = buffer.add(entry.name as u64);
            let file =
                FileRef { dirfd: directory, path: name, flags: libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT };
            let Ok(real) = tracee.stat(file).await else { continue };
            let id = real.id();
            if let Some(lie) = tracee.lies().get(&id).filter(|lie| lie.is_node() && id.ino == entry.ino) {
                // `DT_*` are the type bits of a mode. The buffer has just been written by the kernel.
                let _ = tracee.write(buffer.add(entry.kind as u64), &[((lie.mode & S_IFMT) >> 12) as u8]);
            }
        }
    }
    Ok(Answer::Value(len))
}

/// An entry, its places relative to the begin of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    ino: u64,
    /// `DT_*`.
    of_type: u8,
    kind: usize,
    name: usize,
    end: usize,
}

/// The first entry from `start` on that is a regular file on disk and may be a faked node.
fn next_suspect<T: Tracee>(
    tracee: &T,
    layout: &Layout,
    dev: u64,
    buffer: TraceeAddr,
    mut start: usize,
    len: usize,
) -> Option<Entry> {
    let mut chunk = [0; 4096];
    while start < len {
        let chunk = chunk.get_mut(..len.min(start + 4096) - start)?;
        tracee.read(buffer.add(start as u64), chunk).ok()?;
        let mut entries = Entries { layout, chunk, base: start, at: 0 };
        let suspect = entries.find(|entry| {
            let key = InodeKey { dev, ino: entry.ino };
            entry.of_type == libc::DT_REG && tracee.lies().peek(key).is_some_and(|lie| lie.is_node())
        });
        if suspect.is_some() {
            return suspect;
        }
        if entries.at == 0 {
            // No entry is that long: somebody writes to the buffer.
            return None;
        }
        start += entries.at;
    }
    None
}

/// The whole entries in a part of a buffer.
struct Entries<'a> {
    layout: &'a Layout,
    chunk: &'a [u8],
    /// Where in the buffer the part begins.
    base: usize,
    /// Where in it the next entry begins.
    at: usize,
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        let rest = self.chunk.get(self.at..)?;
        let (ino, len) = header(self.layout, rest).ok()?;
        let entry = rest.get(..len).filter(|_| len > self.layout.name)?;
        let kind = self.layout.kind.unwrap_or(len - 1);
        let begin = self.base + self.at;
        self.at += len;
        Some(Entry {
            ino,
            of_type: *entry.get(kind)?,
            kind: begin + kind,
            name: begin + self.layout.name,
            end: begin + len,
        })
    }
}

/// Inode number and length of the entry at the begin of `bytes`.
fn header(layout: &Layout, bytes: &[u8]) -> Result<(u64, usize), Errno> {
    let ino = match (layout.word, bytes) {
        (8, [a, b, c, d, e, f, g, h, ..]) => u64::from_ne_bytes([*a, *b, *c, *d, *e, *f, *g, *h]),
        (_, [a, b, c, d, ..]) => u32::from_ne_bytes([*a, *b, *c, *d]).into(),
        _ => return Err(Errno::EINVAL),
    };
    match bytes.get(2 * layout.word..) {
        Some([low, high, ..]) => Ok((ino, u16::from_ne_bytes([*low, *high]).into())),
        _ => Err(Errno::EINVAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appends an entry as the kernel does: `fs/readdir.c: filldir, filldir64`.
    fn put(buffer: &mut Vec<u8>, layout: &Layout, ino: u64, of_type: u8, name: &str) {
        let begin = buffer.len();
        let extra = if layout.kind.is_none() { 2 } else { 1 };
        let len = (layout.name + name.len() + extra).next_multiple_of(layout.word);
        buffer.extend(&ino.to_ne_bytes()[..layout.word]);
        buffer.extend(&7_u64.to_ne_bytes()[..layout.word]);
        buffer.extend((len as u16).to_ne_bytes());
        buffer.resize(begin + len, 0);
        buffer[begin + layout.name..][..name.len()].copy_from_slice(name.as_bytes());
        buffer[begin + layout.kind.unwrap_or(len - 1)] = of_type;
    }

    #[test]
    fn entries_of_all_layouts_are_walked() {
        for layout in [LINUX_DIRENT64, Layout::linux_dirent(8), Layout::linux_dirent(4)] {
            let mut buffer = Vec::new();
            let names = ["a", "bb", "ccccccccccccccccccccc"];
            for (ino, name) in names.iter().enumerate() {
                put(&mut buffer, &layout, ino as u64, libc::DT_REG, name);
            }
            let entries: Vec<Entry> = Entries { layout: &layout, chunk: &buffer, base: 0, at: 0 }.collect();
            assert_eq!(entries.len(), names.len(), "{layout:?}");
            for (index, (entry, name)) in entries.iter().zip(names).enumerate() {
                assert_eq!((entry.ino, entry.of_type), (index as u64, libc::DT_REG));
                assert_eq!(buffer[entry.kind], libc::DT_REG);
                assert_eq!(&buffer[entry.name..][..name.len()], name.as_bytes());
            }
            assert_eq!(entries[2].end, buffer.len());
        }
    }

    #[test]
    fn an_entry_that_is_cut_off_is_not_walked() {
        let mut buffer = Vec::new();
        put(&mut buffer, &LINUX_DIRENT64, 1, libc::DT_REG, "first");
        let first = buffer.len();
        put(&mut buffer, &LINUX_DIRENT64, 2, libc::DT_DIR, "second");
        for len in 0..buffer.len() {
            let mut entries = Entries { layout: &LINUX_DIRENT64, chunk: &buffer[..len], base: 100, at: 0 };
            assert_eq!(entries.by_ref().count(), usize::from(len >= first), "{len}");
            assert_eq!(entries.at, if len >= first { first } else { 0 });
        }
    }

    #[test]
    fn lengths_that_the_kernel_does_not_write_end_the_walk() {
        for len in [0_u16, 5, 19, u16::MAX] {
            let mut buffer = vec![0; 24];
            buffer[16..18].copy_from_slice(&len.to_ne_bytes());
            assert_eq!(Entries { layout: &LINUX_DIRENT64, chunk: &buffer, base: 0, at: 0 }.next(), None);
        }
    }
}
