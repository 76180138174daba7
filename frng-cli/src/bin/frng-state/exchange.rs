//! `frng-state import` and `export`: states of other fake roots, and what is said of a tree elsewhere.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use frng_core::inode::InodeId;
use frng_core::state::{self, Record, StateFile, foreign};

use super::accounts::Accounts;
use super::claims::{self, Claim};
use super::options::Format;
use super::progress::{Progress, timed};
use super::tree::{self, Names, Tree, reason};
use super::{complain, device_table, mtree};

/// Adds what a file, or stdin, tells to a state; returns what to tell the user.
pub fn import(
    state: &Path,
    from: Option<&Path>,
    format: Option<Format>,
    tree: Option<&Path>,
) -> Result<String, String> {
    let name = from.map_or("stdin".into(), |path| path.display().to_string());
    let read = match from {
        Some(path) => File::open(path).and_then(|mut file| read_all(&mut file)),
        None => read_all(&mut io::stdin().lock()),
    };
    let text = read.map_err(|error| format!("cannot read {name}: {error}"))?;
    let refused = |why: String| format!("cannot import {name}: {why}");
    let count;
    let all = match format.unwrap_or_else(|| guess(&text)) {
        Format::Fakeroot | Format::FakerootNg => {
            let imported = foreign::parse(&text).map_err(|broken| refused(broken.to_string()))?;
            count = imported.len();
            change(state, |records| Ok(foreign::merge(records, imported)))?
        }
        Format::Pseudo => {
            let imported = read_pseudo(from).map_err(refused)?;
            count = imported.len();
            change(state, |records| Ok(merge_with_attributes(records, imported)))?
        }
        format @ (Format::Mtree | Format::DeviceTable) => {
            let tree = Tree::open(tree.ok_or_else(|| needs_tree("import"))?)?;
            let claims = read_claims(format, &text, &tree, &name).map_err(refused)?;
            count = claims.len();
            change(state, |records| claims::settle(&tree, &claims, records).map_err(refused))?
        }
    };
    Ok(format!("{}: {count} lies imported, {} in all\n", state.display(), all.len()))
}

/// Reads, changes and saves a state, which takes a while if it is large.
fn change(
    state: &Path,
    change: impl FnOnce(Vec<Record>) -> Result<Vec<Record>, String>,
) -> Result<Vec<Record>, String> {
    timed("changing the state", || StateFile::change(state, change))
}

fn read_all(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut progress = Progress::of("bytes read");
    let mut piece = vec![0; 1 << 16];
    let mut text = Vec::new();
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(text),
            Ok(len) => {
                text.extend_from_slice(&piece[..len]);
                progress.add(len as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What every file of sqlite begins with.
const SQLITE: &[u8] = b"SQLite format 3\0";

/// By the first bytes; what is none of the others is fakeroot's or fakeroot-ng's, and told to be broken if it is not.
fn guess(text: &[u8]) -> Format {
    if text.starts_with(SQLITE) {
        Format::Pseudo
    } else if text.starts_with(b"#mtree") {
        Format::Mtree
    } else {
        Format::Fakeroot
    }
}

fn needs_tree(what: &str) -> String {
    format!("cannot {what} names without the tree they are in: name it by --tree")
}

fn read_claims(format: Format, text: &[u8], tree: &Tree, name: &str) -> Result<Vec<Claim>, String> {
    let accounts = Accounts::of(tree);
    if format == Format::Mtree {
        return mtree::read::read(text, &accounts);
    }
    let (claims, xattrs) = device_table::read(text, &accounts)?;
    if xattrs > 0 {
        complain(&format!(
            "{name}: {xattrs} lines about extended attributes are left out: set them by a command under frng"
        ));
    }
    Ok(claims)
}

#[cfg(feature = "pseudo")]
fn read_pseudo(from: Option<&Path>) -> Result<Vec<Record>, String> {
    super::pseudo::read(from.ok_or("a database has to be named, for sqlite wants it by name")?)
}

#[cfg(not(feature = "pseudo"))]
fn read_pseudo(_: Option<&Path>) -> Result<Vec<Record>, String> {
    Err("this frng-state was built without the feature pseudo".into())
}

/// Imported records replace those about the same inode, extended attributes included.
fn merge_with_attributes(records: Vec<Record>, imported: Vec<Record>) -> Vec<Record> {
    let attributes: Vec<_> = imported.iter().map(|record| (record.inode.key(), record.xattrs.clone())).collect();
    let mut all = foreign::merge(records, imported);
    for (key, xattrs) in attributes {
        if let Ok(place) = all.binary_search_by_key(&key, |record| record.inode.key()) {
            all[place].xattrs = xattrs;
        }
    }
    all
}

/// Writes a state to a file, or to stdout. What the format cannot hold is told on stderr.
pub fn export(state: &Path, to: Option<&Path>, format: Format, tree: Option<&Path>) -> Result<(), String> {
    let mut records = timed("reading the state", || state::read_unused(state))?;
    records.sort_unstable_by_key(|record| record.inode.key());
    // The format holds less, and frng does not read it.
    if let Some(path) = to.filter(|path| is_same(path, state)) {
        return Err(format!("cannot export to {}: it is the state itself; name another file", path.display()));
    }
    let tree = tree.map(Tree::open).transpose()?;
    let lost = match format {
        Format::Fakeroot | Format::FakerootNg => {
            let line_format =
                if format == Format::Fakeroot { foreign::Format::Fakeroot } else { foreign::Format::FakerootNg };
            let lost = foreign::what_is_lost(&records);
            let all = match &tree {
                Some(tree) => with_unknown_files(records, tree)?,
                None => records,
            };
            timed("writing", || {
                let mut text = Vec::new();
                foreign::write(&all, line_format, &mut text).map_err(|error| format!("cannot export: {error}"))?;
                put(to, &text)
            })?;
            lost
        }
        Format::Pseudo => export_pseudo(records, to, tree.as_ref())?,
        Format::Mtree | Format::DeviceTable => {
            let tree = tree.ok_or_else(|| needs_tree("export"))?;
            let (text, lost) = name_by_name(format, &records, &tree)?;
            put(to, text.as_bytes())?;
            lost
        }
    };
    if let Some(lost) = lost {
        complain(&format!("the format cannot hold {lost}; they are not exported"));
    }
    Ok(())
}

fn put(to: Option<&Path>, text: &[u8]) -> Result<(), String> {
    match to {
        Some(path) => {
            state::replace(path, text, None).map_err(|error| format!("cannot write {}: {error}", path.display()))
        }
        None => io::stdout().write_all(text).map_err(|error| format!("cannot write to stdout: {error}")),
    }
}

/// Adds the files of a tree that have no lie. fakeroot-ng and pseudo (and fakeroot -u) show what they have not been told of with its
/// real owner, where frng shows root.
fn with_unknown_files(records: Vec<Record>, tree: &Tree) -> Result<Vec<Record>, String> {
    let mut all: BTreeMap<_, _> = records.into_iter().map(|record| (record.inode.key(), record)).collect();
    for found in tree.walk()? {
        let inode = InodeId { birth: None, ..found.real.id() };
        let is_known = all.get(&inode.key()).is_some_and(|record| tree::is_about(record, &found.real));
        if !is_known {
            let lie = tree::without_lie(&found.real);
            all.insert(inode.key(), Record { inode, lie, xattrs: state::Xattrs::new(), path: None });
        }
    }
    Ok(all.into_values().collect())
}

/// A text about all names of a tree, or, of a table, about those with lies; and what it cannot hold.
fn name_by_name(format: Format, records: &[Record], tree: &Tree) -> Result<(String, Option<String>), String> {
    let mut text = String::from(if format == Format::Mtree { mtree::write::HEAD } else { device_table::HEAD });
    let mut told = vec![false; records.len()];
    let (mut xattrs, mut unwritten) = (0, 0);
    for found in tree.walk()? {
        let place = records.binary_search_by_key(&found.real.id().key(), |record| record.inode.key()).ok();
        let place = place.filter(|place| tree::is_about(&records[*place], &found.real));
        let lie = place.map_or_else(|| tree::without_lie(&found.real), |place| records[place].lie);
        if let Some(place) = place {
            xattrs += usize::from(!told[place] && !records[place].xattrs.is_empty());
            told[place] = true;
        }
        if format == Format::Mtree {
            let link = fs::read_link(tree.outside(&found.path)).ok();
            text.push_str(&mtree::write::line(
                &found.path,
                &lie,
                link.as_ref().map(|link| link.as_os_str().as_bytes()),
            ));
        } else if place.is_some() {
            match device_table::line(&found.path, &lie) {
                Some(line) => text.push_str(&line),
                None => unwritten += 1,
            }
        }
    }
    let outside = told.iter().filter(|told| !**told).count();
    let parts: Vec<String> = [
        (xattrs, "the extended attributes of", "lies"),
        (unwritten, "the owners of", "symbolic links, sockets or names with blanks"),
        (outside, "", "lies about what is not in the tree"),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, before, what)| format!("{before} {count} {what}").trim_start().to_owned())
    .collect();
    Ok((text, (!parts.is_empty()).then(|| parts.join(" and "))))
}

#[cfg(feature = "pseudo")]
fn export_pseudo(mut records: Vec<Record>, to: Option<&Path>, tree: Option<&Tree>) -> Result<Option<String>, String> {
    let path = to.ok_or("cannot export a database to stdout: name a file")?;
    let births = records.iter().filter(|record| record.inode.birth.is_some()).count();
    let mut names: Option<Names> = None;
    let mut root = Vec::new();
    if let Some(tree) = tree {
        records = with_unknown_files(records, tree)?;
        let known = tree.names()?;
        // pseudo shows no extended attributes but those that it was told of, where frng leaves some on disk.
        for record in &mut records {
            let Some(name) = known.of(record).first() else { continue };
            let path = tree.outside(name);
            let on_disk = super::attributes::of_user(&path)
                .map_err(|error| format!("cannot look at {}: {}", path.display(), reason(&error)))?;
            for (name, value) in on_disk {
                record.xattrs.entry(name).or_insert(value);
            }
        }
        names = Some(known);
        let whole = fs::canonicalize(tree.outside(b""));
        root = whole
            .map_err(|error| format!("cannot find the tree: {}", reason(&error)))?
            .into_os_string()
            .into_encoded_bytes();
    }
    super::pseudo::write(&records, names.as_ref(), &root, path)
        .map_err(|why| format!("cannot write {}: {why}", path.display()))?;
    Ok((births > 0).then(|| format!("the birth times of {births} lies")))
}

#[cfg(not(feature = "pseudo"))]
fn export_pseudo(_: Vec<Record>, _: Option<&Path>, _: Option<&Tree>) -> Result<Option<String>, String> {
    Err("cannot export to pseudo: this frng-state was built without the feature pseudo".into())
}

/// Whether both names are of one file.
fn is_same(one: &Path, other: &Path) -> bool {
    let identity = |path| fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
    identity(one).is_some_and(|one| identity(other) == Some(one))
}
