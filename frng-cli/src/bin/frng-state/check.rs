//! `frng-state check STATE DIR`: whether the files in a tree are those that the lies are about.

use std::ffi::{CString, OsStr};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use frng_core::stat::{S_IFDIR, STATX_LEN, STATX_WANTED, Statx, split_dev};
use frng_core::state::audit::{Fate, Finding, Found, audit};
use frng_core::state::{Record, StateFile};
use zerocopy::FromBytes;

use super::progress::{Progress, timed};

/// Looks through a tree. Returns what is to be said, and whether all is well by now.
///
/// # Errors
/// One line, among others that a daemon is using the state.
pub fn check(state: &Path, tree: &Path, repair: bool) -> Result<(String, bool), String> {
    let names = walk(tree)?;
    let mut findings = Vec::new();
    if repair {
        let mend = |records| {
            findings = audit(records, &names);
            let copied = findings.iter().filter(|finding| finding.fate == Fate::Copied);
            // It may still be there, but where nobody looked now: its path is its copy's.
            let originals = copied.map(|finding| Record { path: None, ..finding.record.clone() });
            let mended = findings.iter().filter_map(|finding| finding.mended(&names));
            let mut mended: Vec<_> = mended.chain(originals).collect();
            // The copy of one file may have the number that another one had.
            mended.sort_by_key(|record| record.inode.key());
            mended.dedup_by_key(|record| record.inode.key());
            Ok(mended)
        };
        timed("mending the state", || StateFile::change(state, mend))?;
    } else {
        findings = audit(super::read(state)?, &names);
    }
    let is_sound = findings.iter().all(|finding| matches!(finding.fate, Fate::Present | Fate::Elsewhere));
    Ok((report(state, &findings, &names, repair), is_sound || repair))
}

fn report(state: &Path, findings: &[Finding], names: &[Found], repair: bool) -> String {
    let mut text = String::new();
    let count = |fate| findings.iter().filter(|finding| finding.fate == fate).count();
    for finding in findings {
        let name = finding.name.and_then(|name| names.get(name)).map(|found| found.path.escape_ascii().to_string());
        let name = name.unwrap_or_default();
        let before = finding.record.path.as_deref().unwrap_or(b"?").escape_ascii().to_string();
        let (major, minor) = split_dev(finding.record.inode.dev);
        let inode = format!("inode {} of device {major}:{minor}", finding.record.inode.ino);
        let done = |done: &str| if repair { format!(": {done}") } else { String::new() };
        let line = match finding.fate {
            Fate::Present | Fate::Elsewhere => continue,
            Fate::Reused => {
                format!("{name}: has the number of another file, {before}, {inode}{}", done("dropped that lie"))
            }
            Fate::OtherDevice => format!("{name}: was {inode}, whose device has another number now{}", done("mended")),
            Fate::Copied => format!("{name}: is a copy of {inode}{}", done("has its lie now, too")),
            Fate::Deleted => format!("{before}: was {inode}, and is gone{}", done("dropped its lie")),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{line}");
    }
    let (lies, state) = (findings.len(), state.display());
    let _ = writeln!(
        text,
        "{state}: {lies} lies: {} as they were, {} of reused inodes, {} of another device, {} of copied files, {} of deleted files, {} not in this tree",
        count(Fate::Present),
        count(Fate::Reused),
        count(Fate::OtherDevice),
        count(Fate::Copied),
        count(Fate::Deleted),
        count(Fate::Elsewhere),
    );
    text
}

/// All names in a tree. What is mounted in it belongs to it.
fn walk(tree: &Path) -> Result<Vec<Found>, String> {
    let failed = |path: &Path, error: io::Error| format!("cannot look at {}: {error}", path.display());
    let mut found = Vec::new();
    let mut left = vec![Vec::new()];
    let mut progress = Progress::of("names looked at");
    while let Some(path) = left.pop() {
        let full = if path.is_empty() { tree.to_path_buf() } else { tree.join(OsStr::from_bytes(&path)) };
        // The tree may be named by a symbolic link.
        let real = statx(&full, path.is_empty()).map_err(|error| failed(&full, error))?;
        if real.file_type() == S_IFDIR {
            for entry in fs::read_dir(&full).map_err(|error| failed(&full, error))? {
                let name = entry.map_err(|error| failed(&full, error))?.file_name();
                let separator: &[u8] = if path.is_empty() { b"" } else { b"/" };
                left.push([&path, separator, name.as_bytes()].concat());
            }
        } else if path.is_empty() {
            return Err(failed(&full, io::Error::from_raw_os_error(libc::ENOTDIR)));
        }
        found.push(Found { path: if path.is_empty() { b".".to_vec() } else { path }, real });
        progress.add(1);
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

fn statx(path: &Path, follow: bool) -> io::Result<Statx> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    let mut buffer = [0_u8; STATX_LEN];
    let flags = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
    // SAFETY: the name is live, and the buffer has the size of a struct statx.
    let result = unsafe { libc::statx(libc::AT_FDCWD, name.as_ptr(), flags, STATX_WANTED, buffer.as_mut_ptr().cast()) };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Statx::read_from_bytes(&buffer).map_err(|_| io::ErrorKind::InvalidData.into())
}
