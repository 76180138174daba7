//! Whether a thread may read, write or execute what is shown of an inode: `fs/namei.c: generic_permission`.

use super::posix_acl::Permission;
use super::xattr_target::Target;
use super::{Tracee, acl};
use crate::creds::{CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, Creds};
use crate::lie::Lie;
use crate::stat::{S_IFDIR, S_IFMT, S_IXUGO, Statx};

/// `MAY_READ` and what access(2) calls `R_OK`.
pub const READ: u32 = 4;
/// `MAY_WRITE`, `W_OK`.
pub const WRITE: u32 = 2;
/// `MAY_EXEC`, `X_OK`.
pub const EXECUTE: u32 = 1;

const NO_SETUID_FIXUP: u32 = libc::SECBIT_NO_SETUID_FIXUP as u32;

/// Whose permission is asked for. The supplementary groups are the thread's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Capabilities, a bit each.
    pub caps: u64,
}

impl Subject {
    /// The thread as it acts.
    pub const fn acting(creds: &Creds) -> Subject {
        Subject { uid: creds.uid.fs, gid: creds.gid.fs, caps: creds.caps.effective }
    }

    /// Who has started the thread, whom access(2) asks about. `fs/open.c: access_override_creds`.
    pub const fn real(creds: &Creds) -> Subject {
        let caps = if creds.securebits & NO_SETUID_FIXUP != 0 {
            creds.caps.effective
        } else if creds.uid.real == 0 {
            creds.caps.permitted
        } else {
            0
        };
        Subject { uid: creds.uid.real, gid: creds.gid.real, caps }
    }

    /// Whether it has a capability.
    pub const fn has(&self, cap: u32) -> bool {
        self.caps & (1 << cap) != 0
    }

    /// Whether capabilities alone allow it.
    const fn is_capable(&self, mode: u32, want: u32) -> bool {
        if mode & S_IFMT == S_IFDIR {
            return self.has(CAP_DAC_OVERRIDE) || want & WRITE == 0 && self.has(CAP_DAC_READ_SEARCH);
        }
        want == READ && self.has(CAP_DAC_READ_SEARCH)
            || (want & EXECUTE == 0 || mode & S_IXUGO != 0) && self.has(CAP_DAC_OVERRIDE)
    }
}

/// Whether `who` may do all of `want` with an inode that is shown as `seen`. For root this asks nobody.
pub async fn allows<T: Tracee>(
    tracee: &T,
    who: &Subject,
    target: &Target,
    real: &Statx,
    seen: &Lie,
    want: u32,
) -> bool {
    match by_mode(tracee, who, seen, want) {
        Ok(allowed) => allowed,
        Err(mode) => {
            let in_group = |gid: Option<u32>| is_in(tracee, who, gid.unwrap_or(seen.gid));
            let permission = Permission::new(want as u16, who.uid, &in_group);
            acl::allows(tracee, target, real, permission).await.unwrap_or(mode)
        }
    }
}

/// The same without a look at the lists of access rights on disk: nobody is asked.
pub fn allows_as_remembered<T: Tracee>(tracee: &T, who: &Subject, real: &Statx, seen: &Lie, want: u32) -> bool {
    match by_mode(tracee, who, seen, want) {
        Ok(allowed) => allowed,
        Err(mode) => {
            let in_group = |gid: Option<u32>| is_in(tracee, who, gid.unwrap_or(seen.gid));
            let permission = Permission::new(want as u16, who.uid, &in_group);
            acl::allows_as_remembered(tracee, real, permission).unwrap_or(mode)
        }
    }
}

/// What capabilities and mode say. `Err` has what the mode says if there is no list of access rights, which would decide.
fn by_mode<T: Tracee>(tracee: &T, who: &Subject, seen: &Lie, want: u32) -> Result<bool, bool> {
    if who.is_capable(seen.mode, want) {
        return Ok(true);
    }
    let may = |digit: u32| seen.mode >> digit & want == want;
    if who.uid == seen.uid {
        return Ok(may(6));
    }
    let allowed = may(if is_in(tracee, who, seen.gid) { 3 } else { 0 });
    // A list whose mask is empty says no more than the mode.
    if seen.mode & 0o070 != 0 { Err(allowed) } else { Ok(allowed) }
}

fn is_in<T: Tracee>(tracee: &T, who: &Subject, gid: u32) -> bool {
    who.gid == gid || (0..tracee.group_count()).any(|index| tracee.group(index) == Some(gid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stat::S_IFREG;

    const ALL: Creds = Creds::root(40);

    fn with(caps: &[u32]) -> Subject {
        Subject { uid: 7, gid: 7, caps: caps.iter().fold(0, |set, cap| set | 1 << cap) }
    }

    #[test]
    fn root_may_execute_a_file_only_if_anybody_may() {
        let root = Subject::acting(&ALL);
        assert!(!root.is_capable(S_IFREG | 0o666, EXECUTE));
        assert!(root.is_capable(S_IFREG | 0o001, EXECUTE | WRITE));
        assert!(root.is_capable(S_IFREG, READ | WRITE));
        assert!(root.is_capable(S_IFDIR, READ | WRITE | EXECUTE));
    }

    #[test]
    fn read_search_is_no_right_to_write_or_to_execute_files() {
        let reader = with(&[CAP_DAC_READ_SEARCH]);
        assert!(reader.is_capable(S_IFREG, READ));
        assert!(reader.is_capable(S_IFDIR, READ | EXECUTE));
        assert!(!reader.is_capable(S_IFREG | 0o777, READ | EXECUTE));
        assert!(!reader.is_capable(S_IFDIR | 0o777, WRITE));
    }

    #[test]
    fn access_asks_about_the_real_user_and_what_is_permitted_to_root() {
        let mut creds = ALL;
        creds.uid.fs = 1000;
        creds.uid.effective = 1000;
        creds.caps.effective = 0;
        assert_eq!(Subject::acting(&creds), Subject { uid: 1000, gid: 0, caps: 0 });
        assert_eq!(Subject::real(&creds), Subject { uid: 0, gid: 0, caps: ALL.caps.permitted });
        creds.uid.real = 5;
        assert_eq!(Subject::real(&creds).caps, 0);
        creds.securebits = NO_SETUID_FIXUP;
        creds.caps.effective = 3;
        assert_eq!(Subject::real(&creds).caps, 3);
    }
}
