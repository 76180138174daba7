//! Databases of pseudo 1.6 or later (`files.db`): a row for each name, and one for each extended attribute of an inode.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use frng_core::inode::{InodeId, InodeKey};
use frng_core::lie::Lie;
use frng_core::stat::{S_IFMT, S_IFREG};
use frng_core::state::{Record, Xattrs};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row, params};

use super::progress::Progress;
use super::tree::Names;

/// The tables as pseudo makes them, with the version that its releases from 1.6 on have reached.
const SCHEMA: &str = "
    CREATE TABLE files (id INTEGER PRIMARY KEY, path VARCHAR, dev INTEGER, ino INTEGER, uid INTEGER, gid INTEGER,
        mode INTEGER, rdev INTEGER, deleting INTEGER);
    CREATE TABLE xattrs (id INTEGER PRIMARY KEY, dev INTEGER, ino INTEGER, name VARCHAR, value VARCHAR);
    CREATE TABLE migrations (id INTEGER PRIMARY KEY, version INTEGER, stamp INTEGER, sql VARCHAR);
    CREATE INDEX files__path_dev_ino ON files (path, dev, ino);
    CREATE INDEX files__dev_ino ON files (dev, ino);
    CREATE INDEX xattrs_dev_ino ON xattrs (dev, ino);
    CREATE INDEX xattrs_dev_ino_name ON xattrs (dev, ino, name);
    CREATE INDEX migration__version ON migrations (version);
    INSERT INTO migrations (version, stamp, sql) VALUES (8, -1, 'N/A (initial setup)');
";

/// Path of a file that pseudo has learned of without a name.
const NAMELESS: &[u8] = b"NAMELESS FILE";

/// Reads one that no server of pseudo uses; it is not changed.
///
/// # Errors
/// What is wrong, to be told after the file's name.
pub fn read(path: &Path) -> Result<Vec<Record>, String> {
    let told = |error: rusqlite::Error| match error {
        rusqlite::Error::SqliteFailure(failure, _) if failure.code == rusqlite::ErrorCode::DatabaseBusy => {
            "a server of pseudo uses it; stop it by pseudo -S".into()
        }
        other => other.to_string(),
    };
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(told)?;
    let mut records = BTreeMap::new();
    let mut files =
        database.prepare("SELECT dev, ino, uid, gid, mode, rdev FROM files WHERE deleting = 0").map_err(told)?;
    let mut rows = files.query([]).map_err(told)?;
    let mut progress = Progress::of("rows read");
    while let Some(row) = rows.next().map_err(told)? {
        progress.add(1);
        let record = record(row)?;
        if let Some(record) = record {
            let key = record.inode.key();
            if records.insert(key, record.clone()).is_some_and(|other| other != record) {
                return Err(format!("inode {} of device {} has two owners or modes; see pseudo -C", key.ino, key.dev));
            }
        }
    }
    drop(progress);
    let mut xattrs = database.prepare("SELECT dev, ino, name, value FROM xattrs").map_err(told)?;
    let mut rows = xattrs.query([]).map_err(told)?;
    while let Some(row) = rows.next().map_err(told)? {
        let key = InodeKey { dev: number(row, 0)? as u64, ino: number(row, 1)? as u64 };
        let (name, value) = (bytes(row, 2)?, bytes(row, 3)?);
        if let Some(record) = records.get_mut(&key) {
            record.xattrs.insert(name, value);
        }
    }
    Ok(records.into_values().collect())
}

/// A row of files; `None` for one that says nothing of an inode.
fn record(row: &Row<'_>) -> Result<Option<Record>, String> {
    let (dev, ino) = (number(row, 0)? as u64, number(row, 1)? as u64);
    if ino == 0 {
        return Ok(None);
    }
    let mode = number(row, 4)?;
    let mode = u32::try_from(mode)
        .ok()
        .filter(|mode| *mode <= S_IFMT | 0o7777)
        .ok_or_else(|| format!("not a mode: {mode}"))?;
    // Ids beyond 2^31 are negative there.
    let mut lie = Lie {
        uid: number(row, 2)? as u32,
        gid: number(row, 3)? as u32,
        mode: if mode & S_IFMT == 0 { mode | S_IFREG } else { mode },
        rdev: number(row, 5)? as u64,
    };
    if !lie.is_device() {
        lie.rdev = 0;
    }
    Ok(Some(Record {
        inode: InodeId { dev, ino, birth: None, has_name: true },
        lie,
        xattrs: Xattrs::new(),
        path: None,
    }))
}

fn number(row: &Row<'_>, column: usize) -> Result<i64, String> {
    row.get(column).map_err(|error| format!("not a database of pseudo: {error}"))
}

fn bytes(row: &Row<'_>, column: usize) -> Result<Vec<u8>, String> {
    match row.get_ref(column) {
        Ok(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => Ok(bytes.to_vec()),
        Ok(ValueRef::Null) => Ok(Vec::new()),
        Ok(other) => Err(format!("not a database of pseudo: a {} where a text is expected", other.data_type())),
        Err(error) => Err(format!("not a database of pseudo: {error}")),
    }
}

/// Writes one, whole or not at all. `names` are absolute.
///
/// # Errors
/// What is wrong, to be told after the file's name.
pub fn write(records: &[Record], names: Option<&Names>, root: &[u8], path: &Path) -> Result<(), String> {
    // sqlite wants the name of a file that it may make others beside of.
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".frng-{}", std::process::id()));
    let temporary = Path::new(&temporary);
    let written = fill(records, names, root, temporary)
        .map_err(|error| error.to_string())
        .and_then(|()| fs::rename(temporary, path).map_err(|error| super::tree::reason(&error)));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(temporary);
    }
    written
}

fn fill(records: &[Record], names: Option<&Names>, root: &[u8], path: &Path) -> rusqlite::Result<()> {
    let mut database = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NOFOLLOW,
    )?;
    let change = database.transaction()?;
    change.execute_batch(SCHEMA)?;
    {
        let mut file = change.prepare(
            "INSERT INTO files (path, dev, ino, uid, gid, mode, rdev, deleting)
             VALUES (CAST(?1 AS TEXT), ?2, ?3, ?4, ?5, ?6, ?7, 0)",
        )?;
        let mut xattr = change.prepare(
            "INSERT INTO xattrs (dev, ino, name, value) VALUES (?1, ?2, CAST(?3 AS TEXT), CAST(?4 AS TEXT))",
        )?;
        let mut progress = Progress::of("lies written");
        for record in records {
            progress.add(1);
            let (dev, ino, lie) = (record.inode.dev as i64, record.inode.ino as i64, record.lie);
            let mut paths: Vec<Vec<u8>> = names
                .map_or(&[][..], |names| names.of(record))
                .iter()
                .map(|name| if name == b"." { root.to_vec() } else { [root, b"/", name].concat() })
                .collect();
            if paths.is_empty() {
                paths.push(NAMELESS.to_vec());
            }
            for path in &paths {
                // As pseudo does it.
                let (uid, gid) = (lie.uid as i32, lie.gid as i32);
                file.execute(params![path, dev, ino, uid, gid, lie.mode, lie.rdev as i64])?;
            }
            for (name, value) in &record.xattrs {
                xattr.execute(params![dev, ino, name, value])?;
            }
        }
    }
    change.commit()?;
    database.close().map_err(|(_, error)| error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use frng_core::stat::{S_IFCHR, make_dev};

    #[test]
    fn records_come_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("files.db");
        let record = |ino, lie, xattrs| Record {
            inode: InodeId { dev: 0xfe00, ino, birth: None, has_name: true },
            lie,
            xattrs,
            path: None,
        };
        let xattrs: Xattrs = [(b"security.capability".to_vec(), b"\x01\0\0\x02\xff\0".to_vec())].into();
        let records = vec![
            record(5, Lie { uid: u32::MAX - 1, gid: 8, mode: S_IFREG | 0o6755, rdev: 0 }, xattrs),
            record(
                u64::MAX,
                Lie { uid: 0, gid: 0, mode: S_IFCHR | 0o666, rdev: make_dev(0xfff, 0xfffff) },
                Xattrs::new(),
            ),
        ];
        write(&records, None, b"", &path).unwrap();
        assert_eq!(read(&path), Ok(records));
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        fs::write(&path, "x").unwrap();
        assert!(read(&path).is_err());
        assert!(write(&[], None, b"", &directory.path().join("no/files.db")).is_err());
    }
}
