//! POSIX access control lists in the form in which the system.posix_acl_* xattrs carry them: acl(5),
//! `include/uapi/linux/posix_acl_xattr.h`, `fs/posix_acl.c`. No list is ever held as a whole: everything here looks at
//! one entry after the other.

use crate::errno::Errno;
use crate::stat::{S_IFLNK, S_IFMT};

/// Bytes of the header, which holds the version only.
pub const HEADER_LEN: usize = 4;
/// Bytes of an entry.
pub const ENTRY_LEN: usize = 8;
/// The one version there is.
const VERSION: u32 = 2;

/// Tag of the owner's entry.
pub const USER_OBJ: u16 = 0x01;
/// Tag of a named user's entry.
pub const USER: u16 = 0x02;
/// Tag of the owning group's entry.
pub const GROUP_OBJ: u16 = 0x04;
/// Tag of a named group's entry.
pub const GROUP: u16 = 0x08;
/// Tag of the upper limit for everybody but the owner and others.
pub const MASK: u16 = 0x10;
/// Tag of the entry of others.
pub const OTHER: u16 = 0x20;
/// Id of an entry whose tag takes none.
pub const UNDEFINED_ID: u32 = u32::MAX;

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is about.
    pub tag: u16,
    /// Read, write and execute permission, as in one digit of a mode.
    pub perm: u16,
    /// User or group id.
    pub id: u32,
}

impl Entry {
    /// Decodes the little-endian form.
    pub const fn from_bytes(bytes: [u8; ENTRY_LEN]) -> Entry {
        let [t0, t1, p0, p1, i0, i1, i2, i3] = bytes;
        Entry {
            tag: u16::from_le_bytes([t0, t1]),
            perm: u16::from_le_bytes([p0, p1]),
            id: u32::from_le_bytes([i0, i1, i2, i3]),
        }
    }

    /// As the kernel gives it back: without an id where the tag takes none. `posix_acl_to_xattr`.
    pub fn to_bytes(self) -> [u8; ENTRY_LEN] {
        let id = if matches!(self.tag, USER | GROUP) { self.id } else { UNDEFINED_ID };
        let ([t0, t1], [p0, p1], [i0, i1, i2, i3]) =
            (self.tag.to_le_bytes(), self.perm.to_le_bytes(), id.to_le_bytes());
        [t0, t1, p0, p1, i0, i1, i2, i3]
    }
}

/// The number of entries in a value of `len` bytes; 0 means "no list".
///
/// # Errors
/// `EINVAL` if it is no whole number. `posix_acl_xattr_count`.
pub const fn count(len: usize) -> Result<usize, Errno> {
    match len.checked_sub(HEADER_LEN) {
        Some(entries) if entries % ENTRY_LEN == 0 => Ok(entries / ENTRY_LEN),
        _ => Err(Errno::EINVAL),
    }
}

/// Cuts a value that comes in pieces of any length into entries.
#[derive(Default)]
pub struct Reader {
    partial: [u8; ENTRY_LEN],
    filled: usize,
    version: Option<u32>,
}

impl Reader {
    /// Takes the next piece and calls `each` with the entries that it completes.
    pub fn feed(&mut self, piece: &[u8], each: &mut dyn FnMut(Entry)) {
        for byte in piece {
            if let Some(slot) = self.partial.get_mut(self.filled) {
                *slot = *byte;
            }
            self.filled += 1;
            if self.version.is_none() && self.filled == HEADER_LEN {
                let [a, b, c, d, ..] = self.partial;
                self.version = Some(u32::from_le_bytes([a, b, c, d]));
                self.filled = 0;
            } else if self.filled == ENTRY_LEN {
                each(Entry::from_bytes(self.partial));
                self.filled = 0;
            }
        }
    }

    /// Whether the header says that this is a form we know.
    pub fn is_known_version(&self) -> bool {
        self.version == Some(VERSION)
    }
}

/// Checks a list that somebody wants to set: `posix_acl_from_xattr`, `posix_acl_valid`, `posix_acl_equiv_mode`.
#[derive(Debug)]
pub struct Check {
    /// What may come next; `None` after the last entry.
    next: Option<Section>,
    needs_mask: bool,
    malformed: bool,
    invalid: bool,
    extended: bool,
    permissions: u32,
}

/// The parts of a list, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Owner,
    Users,
    Groups,
    Others,
}

impl Check {
    /// Nothing seen yet.
    pub const fn new() -> Check {
        Check {
            next: Some(Section::Owner),
            needs_mask: false,
            malformed: false,
            invalid: false,
            extended: false,
            permissions: 0,
        }
    }

    /// Takes the next entry.
    pub fn entry(&mut self, entry: Entry) {
        let Entry { tag, perm, id } = entry;
        let takes_id = matches!(tag, USER | GROUP);
        if !matches!(tag, USER_OBJ | USER | GROUP_OBJ | GROUP | MASK | OTHER) || takes_id && id == UNDEFINED_ID {
            self.malformed = true;
            return;
        }
        let bits = u32::from(perm & 0o7);
        match tag {
            USER_OBJ => self.permissions |= bits << 6,
            GROUP_OBJ => self.permissions |= bits << 3,
            OTHER => self.permissions |= bits,
            MASK => self.permissions = self.permissions & !0o070 | bits << 3,
            _ => {}
        }
        self.extended |= matches!(tag, USER | GROUP | MASK);
        self.needs_mask |= takes_id;
        match (tag, self.next) {
            _ if perm & !0o7 != 0 => self.invalid = true,
            (USER_OBJ, Some(Section::Owner)) => self.next = Some(Section::Users),
            (USER, Some(Section::Users)) | (GROUP, Some(Section::Groups)) => {}
            (GROUP_OBJ, Some(Section::Users)) => self.next = Some(Section::Groups),
            (MASK, Some(Section::Groups)) => self.next = Some(Section::Others),
            (OTHER, Some(Section::Others)) => self.next = None,
            (OTHER, Some(Section::Groups)) if !self.needs_mask => self.next = None,
            _ => self.invalid = true,
        }
    }

    /// Whether there was a tag or an id that nobody has: `EINVAL` before the file is looked at.
    pub fn is_malformed(&self) -> bool {
        self.malformed
    }

    /// Whether the list as a whole can be set.
    pub fn is_valid(&self) -> bool {
        !self.malformed && !self.invalid && self.next.is_none()
    }

    /// Whether the list says more than a mode can.
    pub fn is_extended(&self) -> bool {
        self.extended
    }

    /// The permission bits that `mode` has once this is the access ACL of its file.
    pub fn mode(&self, mode: u32) -> u32 {
        mode & !0o777 | self.permissions
    }
}

/// An entry's place in its list, and its permissions.
type Place = (usize, u16);

/// New permissions for some entries of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes([Option<Place>; 3]);

impl Changes {
    /// Overwrites what is affected of a piece of the list that starts `offset` bytes from its begin.
    pub fn apply(&self, offset: usize, piece: &mut [u8]) {
        for (index, perm) in self.0.iter().flatten() {
            let [low, high] = perm.to_le_bytes();
            let at = HEADER_LEN + index * ENTRY_LEN + size_of::<u16>();
            for (at, byte) in [(at, low), (at + 1, high)] {
                if let Some(slot) = at.checked_sub(offset).and_then(|at| piece.get_mut(at)) {
                    *slot = byte;
                }
            }
        }
    }
}

/// What a list gives a new inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Created {
    /// The inode's mode.
    pub mode: u32,
    /// What becomes of the default ACL to make it the inode's access ACL.
    pub changes: Changes,
    /// Whether it gets one; else the mode says all.
    pub extended: bool,
}

/// The entries of a list that stand for the permission bits of a mode.
#[derive(Clone, Copy, Debug, Default)]
pub struct Classes {
    seen: usize,
    owner: Option<Place>,
    group: Option<Place>,
    mask: Option<Place>,
    other: Option<Place>,
    extended: bool,
}

impl Classes {
    /// Takes the next entry.
    pub fn entry(&mut self, entry: Entry) {
        let place = Some((self.seen, entry.perm));
        self.seen += 1;
        match entry.tag {
            USER_OBJ => self.owner = place,
            GROUP_OBJ => self.group = place,
            MASK => self.mask = place,
            OTHER => self.other = place,
            _ => {}
        }
        self.extended |= matches!(entry.tag, USER | GROUP | MASK);
    }

    /// What chmod(2) changes in an access ACL. `__posix_acl_chmod_masq`.
    pub fn chmod(&self, mode: u32) -> Changes {
        let set = |place: Option<Place>, shift: u32| place.map(|(index, _)| (index, (mode >> shift & 0o7) as u16));
        Changes([set(self.owner, 6), set(self.mask.or(self.group), 3), set(self.other, 0)])
    }

    /// What a directory's default ACL makes of a new inode, for which `mode` was asked. `posix_acl_create_masq`.
    pub fn create(&self, mode: u32) -> Created {
        let mut left = mode;
        let mut limit = |place: Option<Place>, shift: u32| {
            place.map(|(index, perm)| {
                let both = perm & (mode >> shift & 0o7) as u16;
                left = left & !(0o7 << shift) | u32::from(both) << shift;
                (index, both)
            })
        };
        let changes = Changes([limit(self.owner, 6), limit(self.mask.or(self.group), 3), limit(self.other, 0)]);
        Created { mode: left, changes, extended: self.extended }
    }
}

/// Whether inodes of this type get an ACL at all. `fs/posix_acl.c: posix_acl_create`, and the lack of `set_acl` in the
/// filesystems' operations for symbolic links.
pub const fn can_have_one(mode: u32) -> bool {
    mode & S_IFMT != S_IFLNK
}

/// Finds out whether a list allows what somebody wants who is not the file's owner: `posix_acl_permission`.
pub struct Permission<'a> {
    /// What is wanted, as in one digit of a mode.
    want: u16,
    /// Filesystem user id.
    uid: u32,
    /// Whether a group is one of theirs; `None` is the file's group.
    in_group: &'a dyn Fn(Option<u32>) -> bool,
    /// Some group entry was about them.
    in_some_group: bool,
    verdict: Verdict,
}

#[derive(Clone, Copy)]
enum Verdict {
    Open,
    /// If the mask, which comes later, allows it too.
    UpToMask(u16),
    Final(bool),
}

impl<'a> Permission<'a> {
    /// Nothing seen yet.
    pub fn new(want: u16, uid: u32, in_group: &'a dyn Fn(Option<u32>) -> bool) -> Permission<'a> {
        Permission { want, uid, in_group, in_some_group: false, verdict: Verdict::Open }
    }

    /// Takes the next entry.
    pub fn entry(&mut self, entry: Entry) {
        let Entry { tag, perm, id } = entry;
        let enough = perm & self.want == self.want;
        match (self.verdict, tag) {
            (Verdict::UpToMask(chosen), MASK) => {
                self.verdict = Verdict::Final(chosen & perm & self.want == self.want);
            }
            (Verdict::Open, USER) if id == self.uid => self.verdict = Verdict::UpToMask(perm),
            (Verdict::Open, GROUP_OBJ | GROUP) if (self.in_group)((tag == GROUP).then_some(id)) => {
                self.in_some_group = true;
                if enough {
                    self.verdict = Verdict::UpToMask(perm);
                }
            }
            (Verdict::Open, OTHER) => self.verdict = Verdict::Final(enough && !self.in_some_group),
            _ => {}
        }
    }

    /// The verdict, after the last entry.
    pub fn is_allowed(&self) -> bool {
        match self.verdict {
            Verdict::Open => false,
            Verdict::UpToMask(perm) => perm & self.want == self.want,
            Verdict::Final(allowed) => allowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn entry(tag: u16, perm: u16, id: u32) -> Entry {
        Entry { tag, perm, id }
    }

    const MINIMAL: [Entry; 3] =
        [entry(USER_OBJ, 6, UNDEFINED_ID), entry(GROUP_OBJ, 4, UNDEFINED_ID), entry(OTHER, 0, UNDEFINED_ID)];
    const EXTENDED: [Entry; 6] = [
        entry(USER_OBJ, 7, UNDEFINED_ID),
        entry(USER, 6, 1000),
        entry(GROUP_OBJ, 5, UNDEFINED_ID),
        entry(GROUP, 7, 2000),
        entry(MASK, 5, UNDEFINED_ID),
        entry(OTHER, 4, UNDEFINED_ID),
    ];

    fn check(entries: &[Entry]) -> Check {
        let mut check = Check::new();
        entries.iter().for_each(|entry| check.entry(*entry));
        check
    }

    fn classes(entries: &[Entry]) -> Classes {
        let mut classes = Classes::default();
        entries.iter().for_each(|entry| classes.entry(*entry));
        classes
    }

    #[test]
    fn a_value_is_cut_into_entries_however_it_comes() {
        let mut bytes = 2_u32.to_le_bytes().to_vec();
        bytes.extend(EXTENDED.iter().flat_map(|entry| entry.to_bytes()));
        assert_eq!(count(bytes.len()), Ok(EXTENDED.len()));
        for step in 1..bytes.len() {
            let (mut reader, mut entries) = (Reader::default(), Vec::new());
            bytes.chunks(step).for_each(|piece| reader.feed(piece, &mut |entry| entries.push(entry)));
            assert!(reader.is_known_version());
            assert_eq!(entries, EXTENDED);
        }
    }

    #[test]
    fn lengths_without_whole_entries_are_refused() {
        assert_eq!(count(4), Ok(0));
        assert_eq!(count(28), Ok(3));
        for len in [0, 3, 5, 11, 13] {
            assert_eq!(count(len), Err(Errno::EINVAL));
        }
    }

    #[test]
    fn a_minimal_list_is_a_mode() {
        let check = check(&MINIMAL);
        assert!(check.is_valid() && !check.is_extended());
        assert_eq!(check.mode(0o104755), 0o104640);
    }

    #[test]
    fn the_mask_stands_for_the_group_in_the_mode() {
        let check = check(&EXTENDED);
        assert!(check.is_valid() && check.is_extended());
        assert_eq!(check.mode(0), 0o754);
    }

    #[test]
    fn named_entries_need_a_mask_and_all_entries_their_order() {
        let [owner, user, group, named, mask, other] = EXTENDED;
        for wrong in [
            &[owner, user, group, other][..],
            &[owner, group, named, other],
            &[group, owner, other],
            &[owner, group],
            &[owner, group, mask],
            &[owner, group, other, other],
            &[owner, group, mask, mask, other],
            &[owner, group, user, mask, other],
            &[owner, owner, group, other],
            &[entry(USER_OBJ, 8, 0), group, other],
            &[],
        ] {
            let check = check(wrong);
            assert!(!check.is_valid() && !check.is_malformed(), "{wrong:?}");
        }
        assert!(check(&[owner, user, user, group, mask, other]).is_valid());
        assert!(check(&[owner, entry(3, 0, 0)]).is_malformed());
        assert!(check(&[owner, entry(USER, 1, UNDEFINED_ID), group, mask, other]).is_malformed());
    }

    #[test]
    fn chmod_sets_the_mask_if_there_is_one_else_the_group() {
        assert_eq!(classes(&EXTENDED).chmod(0o641), Changes([Some((0, 6)), Some((4, 4)), Some((5, 1))]));
        assert_eq!(classes(&MINIMAL).chmod(0o7777), Changes([Some((0, 7)), Some((1, 7)), Some((2, 7))]));
    }

    #[test]
    fn a_new_inode_gets_what_both_mode_and_default_acl_allow() {
        let created = classes(&EXTENDED).create(0o100666);
        assert_eq!((created.mode, created.extended), (0o100644, true));
        assert_eq!(created.changes, Changes([Some((0, 6)), Some((4, 4)), Some((5, 4))]));
        let created = classes(&MINIMAL).create(0o042777);
        assert_eq!((created.mode, created.extended), (0o042640, false));
    }

    #[test]
    fn changes_reach_their_entries_in_pieces_of_any_length() {
        let changes = classes(&EXTENDED).chmod(0o123);
        let mut whole = vec![0xff; HEADER_LEN + EXTENDED.len() * ENTRY_LEN];
        changes.apply(0, &mut whole);
        for step in 1..whole.len() {
            let mut pieces = vec![0xff; whole.len()];
            for (index, piece) in pieces.chunks_mut(step).enumerate() {
                changes.apply(index * step, piece);
            }
            assert_eq!(pieces, whole);
        }
        assert_eq!(whole[6..8], [1, 0]);
    }

    #[test]
    fn permission_follows_the_first_entry_that_is_about_the_asker() {
        let allowed = |uid: u32, groups: &'static [u32], want: u16| {
            let in_group = |gid: Option<u32>| groups.contains(&gid.unwrap_or(50));
            let mut permission = Permission::new(want, uid, &in_group);
            EXTENDED.iter().for_each(|entry| permission.entry(*entry));
            permission.is_allowed()
        };
        // The mask takes the named user's write permission.
        assert!(allowed(1000, &[], 4) && !allowed(1000, &[], 2));
        // In a group that allows too little, others' permissions count no more.
        assert!(allowed(5, &[50], 5) && !allowed(5, &[50], 2));
        assert!(allowed(5, &[2000], 1) && !allowed(5, &[2000], 2));
        assert!(allowed(5, &[], 4) && !allowed(5, &[], 1));
    }
}
