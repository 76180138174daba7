//! What a killed daemon has left, whole and torn.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::PathBuf;

use tempfile::TempDir;

use super::{LiveFile, Recovered};
use crate::inode::{Birth, InodeId};
use crate::lie::{Lie, LieTable};
use crate::memory::{Mapping, Place};
use crate::shared::SharedTable;
use crate::stat::S_IFREG;
use crate::state::{Locking, Record, StateFile, Table, Xattrs, read};

struct Session {
    directory: TempDir,
    live: PathBuf,
}

fn inode(ino: u64) -> InodeId {
    InodeId { dev: 0x801, ino, birth: Some(Birth { sec: 1_700_000_000, nsec: ino as u32 }), has_name: true }
}

fn lie(uid: u32) -> Lie {
    Lie { uid, gid: 7, mode: S_IFREG | 0o644, rdev: 0 }
}

fn set_xattr(table: &Table, ino: u64, value: &[u8]) {
    table
        .set_xattr(&inode(ino), b"user.a", value.len(), &mut |room| {
            room.copy_from_slice(value);
            Ok(())
        })
        .unwrap();
}

impl Session {
    /// A state file with lies about the inodes 1 to 3 by owner 5, and what is left of a killed daemon that did `work`.
    fn killed(work: impl FnOnce(&Table)) -> Session {
        let directory = tempfile::tempdir().unwrap();
        let mut state = StateFile::open(&directory.path().join("state")).unwrap();
        assert_eq!(state.lock(), Ok(Locking::Locked));
        let records: Vec<Record> =
            (1..=3).map(|ino| Record { inode: inode(ino), lie: lie(5), xattrs: Xattrs::new(), path: None }).collect();
        state.save(&records).unwrap();
        let mut live = LiveFile::create(&state, &Place::chosen(directory.path().to_path_buf())).unwrap();
        let mut table = Table::create_live(&live).unwrap();
        table.load(records).unwrap();
        live.publish(&state).unwrap();
        work(&table);
        let path = live.path().to_path_buf();
        live.leave();
        Session { directory, live: path }
    }

    fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    fn recover(&self) -> Result<Option<Recovered>, String> {
        let mut state = StateFile::open(&self.state()).unwrap();
        assert_eq!(state.lock(), Ok(Locking::Locked));
        state.recover()
    }

    /// Owners by inode number.
    fn owners(&self) -> Vec<(u64, u32)> {
        read(&self.state()).unwrap().iter().map(|record| (record.inode.ino, record.lie.uid)).collect()
    }

    /// What is in the directory besides the state file.
    fn rest(&self) -> usize {
        fs::read_dir(&self.directory).unwrap().count() - 1
    }

    fn open(&self) -> File {
        OpenOptions::new().read(true).write(true).open(&self.live).unwrap()
    }

    /// Writes over all there is of some bytes.
    fn spoil(&self, bytes: &[u8], with: &[u8]) {
        let file = self.open();
        let mut at = 0;
        let mut found = false;
        while let Some((begin, end)) = super::recover::next_data(&file, at, usize::MAX >> 1).unwrap() {
            let mut data = vec![0; end - begin];
            file.read_exact_at(&mut data, begin as u64).unwrap();
            for place in (0..=data.len() - bytes.len()).filter(|place| data[*place..].starts_with(bytes)) {
                file.write_all_at(with, (begin + place) as u64).unwrap();
                found = true;
            }
            at = end;
        }
        assert!(found);
    }
}

fn lies(count: usize) -> Result<Option<Recovered>, String> {
    Ok(Some(Recovered::Lies { count, torn: vec![] }))
}

#[test]
fn all_that_was_done_is_recovered_and_nothing_is_left() {
    let session = Session::killed(|table| {
        table.put(&inode(1), lie(6)).unwrap();
        table.forget(&inode(2));
        table.put(&inode(9), lie(7)).unwrap();
        set_xattr(table, 9, b"value");
        table.put(&inode(10), lie(8)).unwrap();
        table.orphan(&inode(10));
    });
    // Told without touching anything, too.
    assert_eq!(session.owners(), [(1, 6), (3, 5), (9, 7)]);
    assert_eq!(session.rest(), 2);
    assert_eq!(session.recover(), lies(3));
    assert_eq!(session.owners(), [(1, 6), (3, 5), (9, 7)]);
    assert_eq!(read(&session.state()).unwrap()[2].xattrs[&b"user.a"[..]], b"value");
    assert_eq!((session.rest(), session.recover()), (0, Ok(None)));
}

#[test]
fn a_session_that_has_done_nothing_leaves_the_file_alone() {
    let session = Session::killed(|_| ());
    let before = fs::read(session.state()).unwrap();
    assert_eq!(session.recover(), lies(0));
    assert_eq!((fs::read(session.state()).unwrap(), session.rest()), (before, 0));
}

#[test]
fn lies_that_the_table_has_no_room_for_stay() {
    let mut strange = inode(1);
    strange.dev = 1 << 40;
    let session = Session::killed(|table| table.put(&inode(1), lie(6)).unwrap());
    let mut records = read(&session.state()).unwrap();
    records[0].lie.uid = 5;
    records.push(Record { inode: strange, lie: lie(99), xattrs: Xattrs::new(), path: None });
    StateFile::open(&session.state()).unwrap().save(&records).unwrap();
    assert_eq!(session.recover(), lies(1));
    assert_eq!(session.owners(), [(1, 6), (2, 5), (3, 5), (1, 99)]);
}

#[test]
fn a_broken_value_or_attribute_drops_its_lies_by_name_and_what_was_saved_stays() {
    let session = Session::killed(|table| {
        table.put(&inode(1), lie(0x1234_5678)).unwrap();
        table.put(&inode(2), lie(6)).unwrap();
        set_xattr(table, 2, b"a value with a page boundary in it");
        table.put(&inode(3), lie(6)).unwrap();
    });
    // The value of inode 1, and the end of the attribute of inode 2.
    session.spoil(&0x1234_5678_u32.to_ne_bytes(), &[0; 4]);
    session.spoil(b"boundary in it", &[0; 14]);
    let Ok(Some(Recovered::Lies { count, torn })) = session.recover() else { panic!("not recovered") };
    assert_eq!(count, 1);
    assert_eq!(
        torn,
        [
            "the lie about inode 1 of device 8:1 has a broken value",
            "the lie about inode 2 of device 8:1 has broken xattrs"
        ]
    );
    assert_eq!(session.owners(), [(1, 5), (2, 5), (3, 6)]);
}

#[test]
fn a_cut_table_gives_what_is_left_of_it() {
    let session = Session::killed(|table| {
        for ino in 1..=1000 {
            table.put(&inode(ino), lie(6)).unwrap();
        }
    });
    // Somewhere in the records: those behind it are gone, and so are all values.
    let len = session.open().metadata().unwrap().len();
    for part in [2, 7, 100, 1000, 100_000] {
        session.open().set_len(len / part).unwrap();
    }
    let told = session.recover().unwrap().unwrap().to_string();
    assert!(told.contains("recovered 0 lies, dropped what was torn: "), "{told}");
    assert_eq!((session.owners(), session.rest()), (vec![(1, 5), (2, 5), (3, 5)], 0));
}

#[test]
fn lost_pages_are_noticed_and_what_was_saved_stays() {
    let session = Session::killed(|table| {
        for ino in 1..=1000 {
            table.put(&inode(ino), lie(6)).unwrap();
        }
    });
    // The page of the records that inode 150's is in.
    let file = session.open();
    let key = 150_u64.to_ne_bytes();
    let mut at = 0;
    'found: while let Some((begin, end)) = super::recover::next_data(&file, at, usize::MAX >> 1).unwrap() {
        let mut data = vec![0; end - begin];
        file.read_exact_at(&mut data, begin as u64).unwrap();
        for place in (8..data.len() - 8).step_by(8) {
            if data[place..place + 8] == key && data[place - 8] & 3 == 2 {
                file.write_all_at(&[0; 4096], ((begin + place) & !4095) as u64).unwrap();
                break 'found;
            }
        }
        at = end;
    }
    drop(file);
    let Ok(Some(Recovered::Lies { torn, .. })) = session.recover() else { panic!("not recovered") };
    assert!(torn.contains(&"the records 128 to 255 are gone".to_owned()), "{torn:?}");
    let owners = session.owners();
    assert!(owners.iter().all(|(ino, uid)| *uid == 6 || (*ino <= 3 && *uid == 5)), "{owners:?}");
    assert!(owners.len() >= 500);
}

#[test]
fn a_table_with_a_broken_header_is_not_believed() {
    for (at, with) in [(0, 1), (16, 9), (260, 1), (320, 1)] {
        let session = Session::killed(|table| table.put(&inode(1), lie(6)).unwrap());
        session.open().write_all_at(&[with], at).unwrap();
        let torn = Recovered::Nothing("the header of its live table is torn");
        assert_eq!(session.recover(), Ok(Some(torn)), "{at}");
        assert_eq!((session.owners(), session.rest()), (vec![(1, 5), (2, 5), (3, 5)], 0));
    }
}

#[test]
fn a_table_of_another_boot_or_one_that_is_gone_is_told_and_not_believed() {
    let session = Session::killed(|table| table.put(&inode(1), lie(6)).unwrap());
    let file = session.open();
    let len = file.metadata().unwrap().len() as usize;
    let mapping = Mapping::new(&file, len, libc::PROT_READ | libc::PROT_WRITE, 0).unwrap();
    // SAFETY: mapped as long as the table is used, and used by nobody else.
    let table = unsafe { SharedTable::open(mapping.address(), len) }.unwrap();
    let mut origin = table.origin().unwrap();
    origin[0] ^= 1;
    table.sign(&origin);
    drop((mapping, file));
    let told = session.recover().unwrap().unwrap().to_string();
    assert!(told.contains("has been started again") && told.contains("last second"), "{told}");
    assert_eq!((session.owners(), session.rest()), (vec![(1, 5), (2, 5), (3, 5)], 0));
    let session = Session::killed(|table| table.put(&inode(1), lie(6)).unwrap());
    fs::remove_file(&session.live).unwrap();
    let told = session.recover().unwrap().unwrap().to_string();
    assert!(told.contains("memory is gone") && told.contains("last second"), "{told}");
    assert_eq!((session.owners(), session.rest()), (vec![(1, 5), (2, 5), (3, 5)], 0));
}

#[test]
fn the_table_of_another_state_file_is_refused_and_kept() {
    let session = Session::killed(|table| table.put(&inode(1), lie(6)).unwrap());
    let copy = session.directory.path().join("copy");
    fs::copy(session.state(), &copy).unwrap();
    symlink(&session.live, session.directory.path().join("copy.live")).unwrap();
    let mut state = StateFile::open(&copy).unwrap();
    assert_eq!(state.lock(), Ok(Locking::Locked));
    let why = state.recover().unwrap_err();
    assert!(why.contains("of another one") && why.contains("copy.live") && why.lines().count() == 1, "{why}");
    assert_eq!(session.recover(), lies(1));
}

#[test]
fn what_is_no_live_table_of_ours_is_never_touched() {
    let session = Session::killed(|table| table.put(&inode(1), lie(6)).unwrap());
    let link = session.directory.path().join("state.live");
    let precious = session.directory.path().join("precious");
    fs::write(&precious, "text").unwrap();
    for target in
        [None, Some("precious"), Some("/etc/passwd"), Some("/.frng-live-0123"), Some("/.frng-live-0123456789abcde/")]
    {
        fs::remove_file(&link).unwrap();
        match target {
            Some(target) => symlink(target, &link).unwrap(),
            None => fs::write(&link, "text").unwrap(),
        }
        assert!(
            session.recover().unwrap_err().ends_with("state.live is in the way: it is not the link to a live table")
        );
    }
    // Others can read it: not one that we have made.
    fs::remove_file(&link).unwrap();
    symlink(&session.live, &link).unwrap();
    fs::set_permissions(&session.live, PermissionsExt::from_mode(0o644)).unwrap();
    let why = session.recover().unwrap_err();
    assert!(why.contains("it is not ours") && why.contains("remove"), "{why}");
    assert!(session.live.exists());
}

#[test]
fn a_state_that_cannot_be_saved_keeps_its_live_table() {
    let session = Session::killed(|table| table.put(&inode(1), lie(6)).unwrap());
    let mut state = StateFile::open(&session.state()).unwrap();
    assert_eq!(state.lock(), Ok(Locking::Locked));
    // Its name is taken by another file.
    fs::rename(session.state(), session.directory.path().join("away")).unwrap();
    fs::write(session.state(), "").unwrap();
    assert!(state.recover().unwrap_err().contains("another file has taken its name"));
    drop(state);
    fs::rename(session.directory.path().join("away"), session.state()).unwrap();
    assert_eq!(session.recover(), lies(1));
}

/// A little generator (xorshift), the same numbers each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[test]
fn whatever_happens_to_the_file_no_owner_is_told_that_never_was() {
    for seed in 1..=30 {
        let session = Session::killed(|table| {
            for ino in 1..=300 {
                table.put(&inode(ino), lie(6)).unwrap();
                if ino % 10 == 0 {
                    set_xattr(table, ino, b"value");
                }
            }
        });
        let mut random = Random(seed * 0x9e37_79b9);
        let file = session.open();
        let (mut data, mut at) = (Vec::new(), 0);
        while let Some((begin, end)) = super::recover::next_data(&file, at, usize::MAX >> 1).unwrap() {
            data.extend((begin..end).step_by(4));
            at = end;
        }
        for _ in 0..1 + random.below(300) {
            let place = data[random.below(data.len() as u64) as usize] as u64;
            let rubbish = [0, u64::MAX, random.below(u64::MAX), random.below(1000)][random.below(4) as usize];
            file.write_all_at(&rubbish.to_ne_bytes()[..4], place).unwrap();
        }
        if random.below(4) == 0 {
            file.set_len(data[random.below(data.len() as u64) as usize] as u64).unwrap();
        }
        drop(file);
        // An error is one line, and then all is as it was.
        if let Err(why) = session.recover() {
            assert_eq!(why.lines().count(), 1, "seed {seed}: {why}");
        }
        let mut state = StateFile::open(&session.state()).unwrap();
        let records = state.load().unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        for record in &records {
            assert!([5, 6].contains(&record.lie.uid) && record.lie.gid == 7, "seed {seed}: {record:?}");
            assert!(record.xattrs.values().all(|value| value == b"value"), "seed {seed}: {record:?}");
        }
        // Saved, and whole.
        state.save(&records).unwrap();
    }
}
