//! What a writer has done, in a file of lines.
//!
//! ```text
//! I 1234567890 f7 own 5 6        at this time (CLOCK_MONOTONIC, nanoseconds) a call is about to be made
//! D 1234570000 f7 131 5 6 100644 0 -      it has returned, and this is what is shown of the file now
//! D 1234570000 f8 -                       or it is not there
//! ```

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use super::attributes::Attributes;

/// The time now, in nanoseconds, as all processes of the machine know it.
pub fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is live.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Make,
    Own(u32, u32),
    Mode(u32),
    Mark,
    Remove,
    Move,
}

impl Deed {
    fn words(self) -> String {
        match self {
            Deed::Make => "make".into(),
            Deed::Own(uid, gid) => format!("own {uid} {gid}"),
            Deed::Mode(mode) => format!("mode {mode:o}"),
            Deed::Mark => "mark".into(),
            Deed::Remove => "remove".into(),
            Deed::Move => "move".into(),
        }
    }

    fn parse(words: &[&str]) -> Option<Deed> {
        Some(match *words {
            ["make"] => Deed::Make,
            ["own", uid, gid] => Deed::Own(uid.parse().ok()?, gid.parse().ok()?),
            ["mode", mode] => Deed::Mode(u32::from_str_radix(mode, 8).ok()?),
            ["mark"] => Deed::Mark,
            ["remove"] => Deed::Remove,
            ["move"] => Deed::Move,
            _ => return None,
        })
    }
}

/// A line.
#[derive(Clone, Debug)]
pub enum Line {
    Intent { time: u64, name: String, deed: Deed },
    Done { time: u64, name: String, shown: Option<Attributes> },
}

/// One that is written to.
pub struct Journal(File);

impl Journal {
    /// Goes on behind the last whole line: who was killed in a write that crosses pages has left half of one.
    pub fn append(path: &Path) -> io::Result<Journal> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64)?;
        Ok(Journal(file))
    }

    pub fn intend(&mut self, names: &[&str], deed: Deed) -> io::Result<()> {
        let lines: String = names.iter().map(|name| format!("I {} {name} {}\n", now(), deed.words())).collect();
        self.write(&lines)
    }

    pub fn done(&mut self, names: &[&str]) -> io::Result<()> {
        let lines: String = names
            .iter()
            .map(|name| {
                let shown = Attributes::of(Path::new(name)).map_or("-".into(), |shown| shown.to_string());
                format!("D {} {name} {shown}\n", now())
            })
            .collect();
        self.write(&lines)
    }

    fn write(&mut self, lines: &str) -> io::Result<()> {
        // In one call: half of it would be another story.
        let written = self.0.write(lines.as_bytes())?;
        if written == lines.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }
}

/// All lines of a journal. The last may be half there.
pub fn read(path: &Path) -> io::Result<Vec<Line>> {
    let mut text = String::new();
    File::open(path)?.read_to_string(&mut text)?;
    let mut lines = Vec::new();
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let parsed = match *words {
            ["I", time, name, ref deed @ ..] => {
                (|| Some(Line::Intent { time: time.parse().ok()?, name: name.into(), deed: Deed::parse(deed)? }))()
            }
            ["D", time, name, ref shown @ ..] => (|| {
                let shown = if shown == ["-"] { None } else { Some(Attributes::parse(shown)?) };
                Some(Line::Done { time: time.parse().ok()?, name: name.into(), shown })
            })(),
            _ => None,
        };
        lines.push(parsed.ok_or_else(|| io::Error::other(format!("no line of a journal: {line}")))?);
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn half_a_line_is_no_line_and_the_next_one_begins_anew() {
        let path = std::env::temp_dir().join(format!("frng-journal-{}", std::process::id()));
        fs::write(&path, "I 1 a mode 755\nD 2 a").unwrap();
        assert_eq!(read(&path).unwrap().len(), 1);
        Journal::append(&path).unwrap().intend(&["b"], Deed::Mark).unwrap();
        let lines = read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(matches!(&lines[..], [Line::Intent { time: 1, .. }, Line::Intent { name, .. }] if name == "b"));
    }
}
