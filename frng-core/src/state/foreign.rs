//! The files in which other fake roots keep their lies: one inode a line, without a header.
//!
//! ```text
//! dev=801,ino=131,mode=20620,uid=0,gid=5,nlink=1,rdev=1280    fakeroot, faked(1)
//! dev=801,ino=131,mode=20620,uid=0,gid=5,rdev=500             fakeroot-ng 0.18 on a 64-bit CPU
//! ```
//!
//! `dev` is hexadecimal, `mode` octal with the file type. `rdev` is decimal in fakeroot and hexadecimal in fakeroot-ng, which has no
//! `nlink`; that tells them apart. Neither knows extended attributes or birth times.

use std::collections::HashSet;
use std::io::{self, Write};

use super::format::{Broken, is_known_mode};
use super::record::{Record, Xattrs};
use crate::inode::InodeId;
use crate::lie::Lie;

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// fakeroot's, by inode numbers (`faked --save-file`).
    Fakeroot,
    /// fakeroot-ng's.
    FakerootNg,
}

impl Format {
    /// Keys of a line's fields, in order.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Format::Fakeroot => &["dev", "ino", "mode", "uid", "gid", "nlink", "rdev"],
            Format::FakerootNg => &["dev", "ino", "mode", "uid", "gid", "rdev"],
        }
    }

    fn of(line: &str) -> Format {
        if line.contains("nlink=") { Format::Fakeroot } else { Format::FakerootNg }
    }
}

/// Reads such a file; the first line tells which format it is.
///
/// # Errors
/// The first place that is wrong; there is no half success.
pub fn parse(text: &[u8]) -> Result<Vec<Record>, Broken> {
    let mut records = Vec::new();
    let mut seen = HashSet::new();
    let mut format = None;
    for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let broken = |column, why: &str| Broken { line: index + 1, column, why: why.to_owned() };
        let line = std::str::from_utf8(line).map_err(|error| broken(error.valid_up_to() + 1, "not a text"))?;
        let format = *format.get_or_insert_with(|| Format::of(line));
        let record =
            record(line.trim_end_matches(['\n', '\r']), format).map_err(|(column, why)| broken(column, &why))?;
        if !line.ends_with('\n') {
            return Err(broken(line.chars().count() + 1, "the file was cut off: no end of line"));
        }
        if !seen.insert(record.inode.key()) {
            return Err(broken(1, "a second record about the same inode"));
        }
        records.push(record);
    }
    Ok(records)
}

/// Reads a line. An error is a column and what is wrong there.
fn record(line: &str, format: Format) -> Result<Record, (usize, String)> {
    let keys = format.keys();
    let mut values = Vec::with_capacity(keys.len());
    let mut column = 1;
    let mut fields = line.split(',');
    for key in keys {
        let field = fields.next().unwrap_or_default();
        let start = column + field.chars().take_while(|c| c.is_whitespace()).count();
        let value = field.trim().strip_prefix(key).and_then(|rest| rest.strip_prefix('='));
        let value =
            value.ok_or_else(|| (start, format!("expected {key}= of a save file of fakeroot or fakeroot-ng")))?;
        values.push((start + key.len() + 1, value));
        column += field.chars().count() + 1;
    }
    if fields.next().is_some() {
        return Err((column, "more than belongs in a line".into()));
    }
    let mut values = values.into_iter();
    let mut next = |name: &str, read: &dyn Fn(&str) -> Option<u64>| {
        let (column, text) = values.next().unwrap_or((1, ""));
        read(text).ok_or_else(|| (column, format!("not {name}")))
    };
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    // fakeroot-ng writes ids and inode numbers with a sign.
    let number = |text: &str| text.parse().ok().or_else(|| Some(text.parse::<i64>().ok()? as u64));
    let id = |text: &str| text.parse().ok().or_else(|| Some(text.parse::<i32>().ok()? as u32)).map(u64::from);
    let mode = |text: &str| u64::from_str_radix(text, 8).ok().filter(|mode| is_known_mode(*mode));
    let dev = next("a device number in hexadecimal", &hex)?;
    let ino = next("an inode number", &number)?;
    let mode = next("file type and permissions in octal", &mode)? as u32;
    let uid = next("a user id", &id)? as u32;
    let gid = next("a group id", &id)? as u32;
    let rdev = match format {
        Format::Fakeroot => {
            next("a number of links", &number)?;
            next("a device number in decimal", &number)?
        }
        Format::FakerootNg => next("a device number in hexadecimal", &hex)?,
    };
    let mut lie = Lie { uid, gid, mode, rdev };
    if !lie.is_device() {
        lie.rdev = 0;
    }
    Ok(Record { inode: InodeId { dev, ino, birth: None, has_name: true }, lie, xattrs: Xattrs::new(), path: None })
}

/// Writes such a file.
///
/// # Errors
/// Those of `out`.
pub fn write(records: &[Record], format: Format, out: &mut impl Write) -> io::Result<()> {
    for Record { inode, lie, .. } in records {
        let Lie { uid, gid, mode, rdev } = lie;
        write!(out, "dev={:x},ino={},mode={mode:o},uid={uid},gid={gid},", inode.dev, inode.ino)?;
        match format {
            // How many links there are fakeroot asks the kernel.
            Format::Fakeroot => writeln!(out, "nlink=1,rdev={rdev}")?,
            Format::FakerootNg => writeln!(out, "rdev={rdev:x}")?,
        }
    }
    Ok(())
}

/// What both formats cannot hold of these records, in words; `None` if they hold all.
pub fn what_is_lost(records: &[Record]) -> Option<String> {
    let xattrs = records.iter().filter(|record| !record.xattrs.is_empty()).count();
    let births = records.iter().filter(|record| record.inode.birth.is_some()).count();
    let parts: Vec<String> = [(xattrs, "the extended attributes"), (births, "the birth times")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{what} of {count} lies"))
        .collect();
    (!parts.is_empty()).then(|| parts.join(" and "))
}

/// Puts imported records among those that are there. A record about the same inode is replaced but for its extended attributes,
/// which the import says nothing about.
pub fn merge(into: Vec<Record>, imported: Vec<Record>) -> Vec<Record> {
    let by_number = |record: Record| (record.inode.key(), record);
    let mut all: std::collections::BTreeMap<_, _> = into.into_iter().map(by_number).collect();
    for mut record in imported {
        if let Some(old) = all.remove(&record.inode.key()) {
            record.xattrs = old.xattrs;
        }
        all.insert(record.inode.key(), record);
    }
    all.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inode::Birth;
    use crate::stat::{S_IFBLK, S_IFREG, make_dev};

    fn example() -> Vec<Record> {
        vec![
            Record {
                inode: InodeId { dev: make_dev(8, 1), ino: 131, birth: None, has_name: true },
                lie: Lie { uid: 0, gid: 6, mode: S_IFBLK | 0o660, rdev: make_dev(8, 17) },
                xattrs: Xattrs::new(),
                path: None,
            },
            Record {
                inode: InodeId { dev: make_dev(259, 70000), ino: u64::MAX, birth: None, has_name: true },
                lie: Lie { uid: u32::MAX - 1, gid: 0, mode: S_IFREG | 0o4755, rdev: 0 },
                xattrs: Xattrs::new(),
                path: None,
            },
        ]
    }

    fn text(format: Format) -> String {
        let mut out = Vec::new();
        write(&example(), format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_are_those_of_the_other_programs_and_are_read_back() {
        assert_eq!(
            text(Format::Fakeroot),
            "dev=801,ino=131,mode=60660,uid=0,gid=6,nlink=1,rdev=2065\n\
             dev=11110370,ino=18446744073709551615,mode=104755,uid=4294967294,gid=0,nlink=1,rdev=0\n"
        );
        assert!(text(Format::FakerootNg).starts_with("dev=801,ino=131,mode=60660,uid=0,gid=6,rdev=811\n"));
        for format in [Format::Fakeroot, Format::FakerootNg] {
            assert_eq!(parse(text(format).as_bytes()), Ok(example()));
        }
        assert_eq!(parse(b""), Ok(vec![]));
    }

    #[test]
    fn what_fakeroot_ng_writes_with_a_sign_or_reads_with_blanks_is_understood() {
        let line = b"dev=11110370, ino=-1, mode=104755, uid=-2, gid=0, rdev=0\n";
        assert_eq!(parse(line).unwrap(), example()[1..]);
    }

    #[test]
    fn broken_files_are_refused_with_the_place() {
        const GOOD: &str = "dev=801,ino=1,mode=100644,uid=0,gid=0,nlink=1,rdev=0\n";
        let second = |line: &str| format!("{GOOD}{line}");
        let cases = [
            ("frng_state(version: 1, lies: 0)\n".into(), (1, 1), "expected dev="),
            ("mode=100644,uid=0,gid=0,nlink=1,rdev=0 a\n".into(), (1, 1), "expected dev="),
            ("\n".into(), (1, 1), "expected dev="),
            (second("dev=8g1,ino=2,mode=100644,uid=0,gid=0,nlink=1,rdev=0\n"), (2, 5), "hexadecimal"),
            (second("dev=801,ino=x,mode=100644,uid=0,gid=0,nlink=1,rdev=0\n"), (2, 13), "inode"),
            (second("dev=801,ino=2,mode=644,uid=0,gid=0,nlink=1,rdev=0\n"), (2, 20), "octal"),
            (second("dev=801,ino=2,mode=100644,uid=4294967296,gid=0,nlink=1,rdev=0\n"), (2, 31), "user id"),
            (second("dev=801,ino=2,mode=100644,uid=0,gid=0,rdev=0\n"), (2, 39), "expected nlink="),
            (second("dev=801,ino=2,mode=100644,uid=0,gid=0,nlink=1,rdev=0,x=1\n"), (2, 54), "more"),
            (second("dev=801,ino=2,mode=100644,uid=0,gid=0,nlink=1,rdev=0"), (2, 53), "cut off"),
            (second(GOOD), (2, 1), "second record"),
        ];
        for (text, place, why) in cases {
            let broken = parse(text.as_bytes()).unwrap_err();
            assert!(broken.why.contains(why), "{text}: {broken}");
            assert_eq!((broken.line, broken.column), place, "{text}: {broken}");
        }
        assert_eq!(parse(b"dev=\xff\n").unwrap_err().column, 5);
    }

    #[test]
    fn merging_replaces_records_but_not_their_attributes() {
        let mut old = example();
        old[0].xattrs.insert(b"user.a".to_vec(), b"b".to_vec());
        old[0].inode.birth = Some(Birth { sec: 1, nsec: 2 });
        assert_eq!(what_is_lost(&old).unwrap(), "the extended attributes of 1 lies and the birth times of 1 lies");
        let mut new = example();
        new.truncate(1);
        new[0].lie.uid = 9;
        let merged = merge(old.clone(), new);
        assert_eq!((merged[0].lie.uid, merged[0].inode.birth), (9, None));
        assert_eq!(merged[0].xattrs, old[0].xattrs);
        assert_eq!(merged[1], old[1]);
        assert_eq!(what_is_lost(&example()), None);
    }
}
