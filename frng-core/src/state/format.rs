//! The text of a state file: a header line, then one record a line, each of them RON.
//!
//! ```text
//! frng_state(version: 1, lies: 2)
//! (dev: "8:1", ino: 131, birth: "1700000000.123456789", uid: 0, gid: 5, mode: "0020620", rdev: "5:0")
//! (dev: "8:1", ino: 140, uid: 0, gid: 0, mode: "0100755", xattrs: {b"security.capability": b"\x01\x00\x00\x02"})
//! ```
//!
//! The number of lies in the header tells a file that was cut off from a whole one.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Write};

use ron::error::SpannedError;
use ron::ser::PrettyConfig;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};

use super::record::{Record, Xattrs};
use crate::inode::{Birth, InodeId};
use crate::lie::Lie;
use crate::stat::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK};

/// The version of the format that is written, and the only one that is read.
pub const FORMAT_VERSION: u32 = 1;

/// Where a state file is no state file, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub why: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.why)
    }
}

impl std::error::Error for Broken {}

/// The first line, as far as every version of the format has it.
#[derive(Deserialize)]
#[serde(rename = "frng_state")]
struct AnyHeader {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "frng_state", deny_unknown_fields)]
struct Header {
    version: u32,
    /// Number of lines that follow.
    lies: usize,
}

/// A record, its fields in the order in which they are written.
#[derive(Serialize, Deserialize)]
#[serde(rename = "lie", deny_unknown_fields)]
struct Line<B: Ord> {
    #[serde(with = "device")]
    dev: u64,
    ino: u64,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "birth")]
    birth: Option<Birth>,
    uid: u32,
    gid: u32,
    #[serde(with = "mode")]
    mode: u32,
    #[serde(default, skip_serializing_if = "is_zero", with = "device")]
    rdev: u64,
    #[serde(default = "no_xattrs", skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    xattrs: std::collections::BTreeMap<B, B>,
    /// Where it is in its tree, if that was looked through.
    #[serde(default = "no_path", skip_serializing_if = "Option::is_none", with = "plain")]
    path: Option<B>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn no_path<B>() -> Option<B> {
    None
}

fn no_xattrs<B: Ord>() -> std::collections::BTreeMap<B, B> {
    std::collections::BTreeMap::new()
}

/// Writes records, which should be sorted, as the text of a state file.
///
/// # Errors
/// Those of `out`.
pub fn write(records: &[Record], out: &mut impl Write) -> io::Result<()> {
    let one_line = PrettyConfig::new().compact_structs(true).compact_maps(true);
    let header = Header { version: FORMAT_VERSION, lies: records.len() };
    writeln!(
        out,
        "{}",
        ron::ser::to_string_pretty(&header, one_line.clone().struct_names(true)).map_err(io::Error::other)?
    )?;
    let mut text = String::new();
    for Record { inode, lie, xattrs, path } in records {
        let line = Line {
            dev: inode.dev,
            ino: inode.ino,
            birth: inode.birth,
            uid: lie.uid,
            gid: lie.gid,
            mode: lie.mode,
            rdev: lie.rdev,
            xattrs: xattrs.iter().map(|(name, value)| (Bytes::new(name), Bytes::new(value))).collect(),
            path: path.as_deref().map(Bytes::new),
        };
        text.clear();
        ron::Options::default().to_writer_pretty(&mut text, &line, one_line.clone()).map_err(io::Error::other)?;
        text.push('\n');
        out.write_all(text.as_bytes())?;
    }
    Ok(())
}

/// Reads the text of a state file. An empty one has no lies.
///
/// # Errors
/// The first place that is wrong; there is no half success.
pub fn parse(text: &[u8]) -> Result<Vec<Record>, Broken> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let text = as_utf8(text)?;
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let (_, first) = lines.next().unwrap_or((1, ""));
    let announced = header(first)?;
    let mut records = Vec::new();
    let mut seen = HashSet::new();
    let mut last = 1;
    for (number, line) in lines {
        last = number;
        let line: Line<ByteBuf> = ron::from_str(line).map_err(|error| broken(number, error))?;
        let record = Record {
            inode: InodeId { dev: line.dev, ino: line.ino, birth: line.birth, has_name: true },
            lie: Lie { uid: line.uid, gid: line.gid, mode: line.mode, rdev: line.rdev },
            xattrs: line
                .xattrs
                .into_iter()
                .map(|(name, value)| (name.into_vec(), value.into_vec()))
                .collect::<Xattrs>(),
            path: line.path.map(ByteBuf::into_vec),
        };
        if !seen.insert(record.inode.key()) {
            return Err(Broken { line: number, column: 1, why: "a second record about the same inode".into() });
        }
        records.push(record);
    }
    if records.len() != announced {
        let why = format!("the file has {} lies, its first line says {announced}", records.len());
        return Err(Broken { line: last, column: 1, why });
    }
    Ok(records)
}

/// Reads the first line; returns the number of records that follow.
fn header(line: &str) -> Result<usize, Broken> {
    let any: AnyHeader = ron::from_str(line).map_err(|error| {
        let Broken { line, column, why } = broken(1, error);
        Broken { line, column, why: format!("not a state file of frng: {why}") }
    })?;
    if any.version != FORMAT_VERSION {
        let why = format!("format version {} is not known, only {FORMAT_VERSION}", any.version);
        return Err(Broken { line: 1, column: 1, why });
    }
    let header: Header = ron::from_str(line).map_err(|error| broken(1, error))?;
    Ok(header.lies)
}

fn broken(line: usize, error: SpannedError) -> Broken {
    Broken { line, column: error.span.start.col, why: error.code.to_string() }
}

fn as_utf8(bytes: &[u8]) -> Result<&str, Broken> {
    std::str::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
        let line = good.matches('\n').count() + 1;
        let column = good.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let prefix = if line == 1 { "not a state file of frng: " } else { "" };
        Broken { line, column, why: format!("{prefix}not UTF-8") }
    })
}

/// Whether this is the `st_mode` of an inode.
pub(super) fn is_known_mode(mode: u64) -> bool {
    let Ok(mode) = u32::try_from(mode) else { return false };
    let known = matches!(mode & S_IFMT, S_IFBLK | S_IFCHR | S_IFDIR | S_IFIFO | S_IFLNK | S_IFREG | S_IFSOCK);
    known && mode <= S_IFMT | 0o7777
}

/// What may be left out, written without `Some`.
mod plain {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<B: Serialize, S: Serializer>(value: &Option<B>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => value.serialize(to),
            // Left out by the caller.
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, B: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<B>, D::Error> {
        B::deserialize(from).map(Some)
    }
}

/// A value that is written as a string.
mod text {
    use std::fmt;

    use serde::Deserializer;
    use serde::de::{Error, Unexpected, Visitor};

    struct Parsed<T> {
        parse: fn(&str) -> Option<T>,
        expected: &'static str,
    }

    impl<T> Visitor<'_> for Parsed<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.expected)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            (self.parse)(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>, T>(
        from: D,
        expected: &'static str,
        parse: fn(&str) -> Option<T>,
    ) -> Result<T, D::Error> {
        from.deserialize_str(Parsed { parse, expected })
    }
}

/// Device numbers as `"major:minor"`.
mod device {
    use serde::{Deserializer, Serializer};

    use crate::stat::{make_dev, split_dev};

    pub fn serialize<S: Serializer>(dev: &u64, to: S) -> Result<S::Ok, S::Error> {
        let (major, minor) = split_dev(*dev);
        to.collect_str(&format_args!("{major}:{minor}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        super::text::deserialize(from, "a device number like \"8:1\"", |text| {
            let (major, minor) = text.split_once(':')?;
            Some(make_dev(major.parse().ok()?, minor.parse().ok()?))
        })
    }
}

/// Type and permissions in octal, as `st_mode` has them.
mod mode {
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(mode: &u32, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{mode:07o}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
        super::text::deserialize(from, "file type and permissions in octal, like \"0100644\"", |text| {
            let mode = u32::from_str_radix(text, 8).ok()?;
            super::is_known_mode(mode.into()).then_some(mode)
        })
    }
}

/// Birth times as `"seconds.nanoseconds"`.
mod birth {
    use serde::{Deserializer, Serializer};

    use crate::inode::Birth;

    pub fn serialize<S: Serializer>(birth: &Option<Birth>, to: S) -> Result<S::Ok, S::Error> {
        match birth {
            Some(Birth { sec, nsec }) => to.collect_str(&format_args!("{sec}.{nsec:09}")),
            // Left out by the caller.
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Birth>, D::Error> {
        super::text::deserialize(from, "a time like \"1700000000.000000001\"", |text| {
            let (sec, nsec) = text.split_once('.')?;
            if nsec.len() != 9 {
                return None;
            }
            Some(Some(Birth { sec: sec.parse().ok()?, nsec: nsec.parse().ok()? }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stat::make_dev;

    fn text(records: &[Record]) -> String {
        let mut out = Vec::new();
        write(records, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn example() -> Vec<Record> {
        let xattrs = [(b"user.text".to_vec(), b"a \"line\"\n".to_vec()), (b"user.\xff".to_vec(), vec![0, 0x80, b'}'])];
        vec![
            Record {
                inode: InodeId {
                    dev: make_dev(8, 1),
                    ino: 131,
                    birth: Some(Birth { sec: -1, nsec: 5 }),
                    has_name: true,
                },
                lie: Lie { uid: 0, gid: 5, mode: S_IFCHR | 0o620, rdev: make_dev(5, 70000) },
                xattrs: Xattrs::new(),
                path: None,
            },
            Record {
                inode: InodeId { dev: u64::MAX, ino: u64::MAX, birth: None, has_name: true },
                lie: Lie { uid: u32::MAX - 1, gid: 0, mode: S_IFREG | 0o4755, rdev: 0 },
                xattrs: xattrs.into_iter().collect(),
                path: Some(b"etc/\xff".to_vec()),
            },
        ]
    }

    #[test]
    fn the_text_is_what_the_documentation_shows() {
        assert_eq!(
            text(&example()),
            concat!(
                "frng_state(version: 1, lies: 2)\n",
                "(dev: \"8:1\", ino: 131, birth: \"-1.000000005\", uid: 0, gid: 5, mode: \"0020620\", rdev: \"5:70000\")\n",
                "(dev: \"4294967295:4294967295\", ino: 18446744073709551615, uid: 4294967294, gid: 0, mode: \"0104755\", ",
                "xattrs: {b\"user.text\": b\"a \\\"line\\\"\\n\", b\"user.\\xff\": b\"\\x00\\x80}\"}, path: b\"etc/\\xff\")\n",
            )
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(parse(text(&example()).as_bytes()), Ok(example()));
        assert_eq!(parse(text(&[]).as_bytes()), Ok(Vec::new()));
        assert_eq!(parse(b""), Ok(Vec::new()));
    }

    #[test]
    fn broken_files_are_refused_with_the_place() {
        const LIE: &str = r#"(dev: "8:1", ino: 1, uid: 0, gid: 0, mode: "0100644")"#;
        let one = |line: &str| format!("frng_state(version: 1, lies: 1)\n{line}\n");
        let cases = [
            ("#!/bin/sh\n".into(), (1, 3), "not a state file of frng"),
            ("\n".into(), (1, 1), "not a state file of frng"),
            ("frng_state(version: 2, colour: \"red\")\n".into(), (1, 1), "format version 2 is not known"),
            ("frng_state(version: 1)\n".into(), (1, 22), "lies"),
            (one("(dev: \"8:1\", ino: x)"), (2, 18), "integer"),
            (one("(dev: \"8\", ino: 1)"), (2, 8), "a device number"),
            (one(&LIE.replace("644", "648")), (2, 45), "octal"),
            (one(&LIE.replace("0100644", "0000644")), (2, 45), "octal"),
            (one(&LIE.replace(')', "")), (2, 45), "comma"),
            (one(&LIE.replace("ino", "inn")), (2, 14), "inn"),
            (one(""), (2, 1), "Expected"),
            (format!("frng_state(version: 1, lies: 2)\n{LIE}\n"), (2, 1), "the file has 1 lies"),
            (format!("frng_state(version: 1, lies: 2)\n{LIE}\n{LIE}\n"), (3, 1), "a second record"),
        ];
        for (text, place, why) in cases {
            let broken = parse(text.as_bytes()).unwrap_err();
            assert!(broken.why.contains(why), "{text}: {broken}");
            assert_eq!((broken.line, broken.column), place, "{text}: {broken}");
        }
        assert_eq!(parse(b"frng_state(\xff").unwrap_err().column, 12);
    }

    #[test]
    fn a_file_that_was_cut_off_is_not_read_as_a_smaller_one() {
        let good = text(&example());
        for end in 1..good.len() - 1 {
            assert!(parse(&good.as_bytes()[..end]).is_err(), "{}", &good[..end]);
        }
    }

    #[test]
    #[ignore = "measures, in a release build"]
    fn a_hundred_thousand_lies_are_read_and_written_in_half_a_second() {
        let records: Vec<Record> = (0..100_000)
            .map(|ino| Record {
                inode: InodeId {
                    has_name: true,
                    dev: make_dev(259, 2),
                    ino,
                    birth: Some(Birth { sec: 1_700_000_000, nsec: ino as u32 }),
                },
                lie: Lie { uid: 33, gid: 33, mode: S_IFREG | 0o644, rdev: 0 },
                xattrs: Xattrs::new(),
                path: None,
            })
            .collect();
        let start = std::time::Instant::now();
        let text = text(&records);
        let written = start.elapsed();
        assert_eq!(parse(text.as_bytes()).unwrap().len(), records.len());
        eprintln!("written in {written:?}, read in {:?}", start.elapsed() - written);
        assert!(start.elapsed().as_millis() < 500);
    }

    #[test]
    fn any_change_of_a_text_is_refused_with_its_place_or_understood_and_written_again() {
        let good = text(&example()).into_bytes();
        let mut seed = 7_u64;
        let mut random = |limit: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % limit
        };
        let (mut refused, mut understood) = (0, 0);
        for _ in 0..3000 {
            let mut bytes = good.clone();
            for _ in 0..1 + random(3) {
                let at = random(bytes.len());
                match random(4) {
                    0 => bytes[at] = random(256) as u8,
                    1 => bytes[at] = b"0:,()\"\\{}"[random(9)],
                    2 if bytes.len() > 1 => drop(bytes.remove(at)),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            match parse(&bytes) {
                Ok(records) => {
                    understood += 1;
                    assert_eq!(parse(text(&records).as_bytes()).unwrap(), records);
                }
                Err(broken) => {
                    refused += 1;
                    assert!(
                        broken.line >= 1 && broken.column >= 1 && broken.to_string().lines().count() == 1,
                        "{broken}"
                    );
                }
            }
        }
        assert!(refused > 1000 && understood > 100, "{refused} {understood}");
    }
}
