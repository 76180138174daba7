//! What proc_pid_maps(5) and proc_pid_smaps(5) tell of files, for somebody in another root or of a program in one: files by their names
//! there, and a program's own file where a copy of it is executed ([`super::copies`]). As `fs/proc/task_mmu.c: show_map_vma` writes them.

use super::{Program, open};
use crate::policy::Tracee;
use crate::proc_text;
use crate::stat::Statx;
use crate::tracer::thread::Thread;

/// The line of a mapped file.
#[derive(Debug, PartialEq, Eq)]
struct Line<'l> {
    /// Addresses, permissions and offset.
    memory: &'l [u8],
    device: &'l [u8],
    inode: &'l [u8],
    /// Where its path begins.
    column: usize,
    path: &'l [u8],
}

impl<'l> Line<'l> {
    /// `None` for a line of other memory, or one of smaps that tells a number.
    fn parse(line: &'l [u8]) -> Option<Line<'l>> {
        let column = line.iter().position(|byte| *byte == b'/')?;
        let (before, path) = line.split_at(column);
        let mut words = before.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let [_, _, offset, device, inode] = std::array::from_fn(|_| words.next());
        let (offset, device, inode) = (offset?, device?, inode?);
        let memory = &line[..end(line, offset)];
        words.next().is_none().then_some(Line { memory, device, inode, column, path })
    }

    fn write(&self, to: &mut Vec<u8>) {
        let begin = to.len();
        for word in [self.memory, self.device, self.inode] {
            to.extend_from_slice(word);
            to.push(b' ');
        }
        // `fs/seq_file.c: seq_pad`: to the same column, or one space more.
        let column = (begin + self.column).max(to.len() + 1);
        to.resize(column, b' ');
        to.extend_from_slice(self.path);
    }
}

/// Where a word of a line ends in it.
fn end(line: &[u8], word: &[u8]) -> usize {
    word.as_ptr() as usize - line.as_ptr() as usize + word.len()
}

/// As both files write a device and an inode.
fn numbers(stat: &Statx) -> (Vec<u8>, Vec<u8>) {
    (format!("{:02x}:{:02x}", stat.dev_major, stat.dev_minor).into_bytes(), stat.ino.to_string().into_bytes())
}

/// A program of which a copy is executed, in the words of these files.
struct Original {
    copy: (Vec<u8>, Vec<u8>),
    real: (Vec<u8>, Vec<u8>),
    path: Vec<u8>,
}

impl Original {
    fn new(program: &Program) -> Option<Original> {
        let copy = numbers(program.copy.as_ref()?.stat());
        let path = open::place(&*program.file).ok()?;
        Some(Original { copy, real: numbers(&program.stat), path: with_line_breaks_escaped(&path) })
    }

    fn is_copied_at(&self, line: &Line) -> bool {
        (line.device, line.inode) == (&self.copy.0[..], &self.copy.1[..])
    }
}

/// The one byte that is escaped there.
fn with_line_breaks_escaped(path: &[u8]) -> Vec<u8> {
    path.iter()
        .flat_map(|byte| if *byte == b'\n' { &b"\\012"[..] } else { std::slice::from_ref(byte) })
        .copied()
        .collect()
}

/// What such a path is, or may be: a backslash is not escaped.
fn without_escapes(path: &[u8]) -> Vec<u8> {
    const ESCAPED: &[u8] = b"\\012";
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, behind)) = rest.split_first() {
        match rest.strip_prefix(ESCAPED) {
            Some(behind) => {
                plain.push(b'\n');
                rest = behind;
            }
            None => {
                plain.push(*first);
                rest = behind;
            }
        }
    }
    plain
}

impl Thread {
    /// What such a file of another thread, `name` being its path, tells this one. `None`: what the kernel says.
    pub(in crate::tracer) fn maps_told(&self, name: &str, other: &Thread) -> Option<Vec<u8>> {
        // While it executes another one the kernel may tell of either.
        let originals: Vec<Original> = {
            let rooted = other.rooted.borrow();
            let programs = rooted.running.iter().chain(&rooted.starting);
            programs.filter_map(|program| Original::new(program)).collect()
        };
        let is_host_seen = !self.is_rooted() && !self.has_mounts();
        if is_host_seen && originals.is_empty() || self.has_foreign_view() {
            return None;
        }
        let text = proc_text::read(name).ok()?;
        Some(rewritten(&text, &originals, |path| self.seen_place(path)))
    }
}

/// The text, `seen` telling what a path of the host is called if it is called otherwise.
fn rewritten(text: &[u8], originals: &[Original], seen: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut told = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let Some(mut line) = Line::parse(line.strip_suffix(b"\n").unwrap_or(line)) else {
            told.extend_from_slice(line);
            continue;
        };
        if let Some(original) = originals.iter().find(|original| original.is_copied_at(&line)) {
            line = Line { device: &original.real.0, inode: &original.real.1, path: &original.path, ..line };
        }
        let seen = seen(&without_escapes(line.path)).map(|seen| with_line_breaks_escaped(&seen));
        Line { path: seen.as_deref().unwrap_or(line.path), ..line }.write(&mut told);
        told.push(b'\n');
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: &str =
        "7f2821769000-7f282178f000 r--p 00002000 fe:00 1234                       /r/usr/lib/libc.so.6";

    fn told(text: &str) -> String {
        let original = Original {
            copy: (b"00:01".to_vec(), b"77".to_vec()),
            real: (b"103:1a".to_vec(), b"123456789012".to_vec()),
            path: b"/r/bin/a b".to_vec(),
        };
        let seen = |path: &[u8]| path.strip_prefix(b"/r").map(<[u8]>::to_vec);
        String::from_utf8(rewritten(text.as_bytes(), &[original], seen)).unwrap()
    }

    #[test]
    fn files_are_named_as_they_are_seen_and_in_the_same_column() {
        assert_eq!(told(LIBRARY), LIBRARY.replace("/r/", "/") + "\n");
        let outside = LIBRARY.replace("/r/", "/s/") + " (deleted)\n";
        assert_eq!(told(&outside), outside);
    }

    #[test]
    fn a_copy_is_told_as_the_program() {
        let copy = "5555-6666 r-xp 00000000 00:01 77                           /memfd:frng (deleted)\n";
        let column = copy.find('/').unwrap();
        assert_eq!(told(copy), format!("{:column$}/bin/a b\n", "5555-6666 r-xp 00000000 103:1a 123456789012"));
        let another = copy.replace("77", "78");
        assert_eq!(told(&another), another);
    }

    #[test]
    fn memory_without_a_file_and_numbers_stay() {
        let text = "7ffd000-7ffd100 rw-p 00000000 00:00 0                          [stack]\n7000-8000 rw-p 00000000 00:00 0 \n\
                    Size:                 32 kB\nVmFlags: rd mr mw me ac sd \n";
        assert_eq!(told(text), text);
    }
}
