//! What each call does to credentials, as pure functions: `kernel/sys.c`, and `cap_task_fix_setuid` in
//! `security/commoncap.c` for what a change of user ids does to capabilities.
//!
//! `None` as an id is -1: "leave it as it is" for the calls with several ids, an invalid id for the others.

use crate::creds::{CAP_SETGID, CAP_SETUID, Creds, FILE_CAPS, Ids};
use crate::errno::Errno;

const KEEP_CAPS: u32 = libc::SECBIT_KEEP_CAPS as u32;
const NO_SETUID_FIXUP: u32 = libc::SECBIT_NO_SETUID_FIXUP as u32;

/// setuid(2).
///
/// # Errors
/// `EINVAL`, `EPERM`.
pub fn setuid(old: &Creds, id: Option<u32>) -> Result<Creds, Errno> {
    let uid = set_one(old.uid, id, old.has(CAP_SETUID))?;
    Ok(fix_capabilities(old, uid))
}

/// setgid(2).
///
/// # Errors
/// `EINVAL`, `EPERM`.
pub fn setgid(old: &Creds, id: Option<u32>) -> Result<Creds, Errno> {
    let gid = set_one(old.gid, id, old.has(CAP_SETGID))?;
    Ok(Creds { gid, ..*old })
}

/// setreuid(2).
///
/// # Errors
/// `EPERM`.
pub fn setreuid(old: &Creds, real: Option<u32>, effective: Option<u32>) -> Result<Creds, Errno> {
    let uid = set_two(old.uid, real, effective, old.has(CAP_SETUID))?;
    Ok(fix_capabilities(old, uid))
}

/// setregid(2).
///
/// # Errors
/// `EPERM`.
pub fn setregid(old: &Creds, real: Option<u32>, effective: Option<u32>) -> Result<Creds, Errno> {
    let gid = set_two(old.gid, real, effective, old.has(CAP_SETGID))?;
    Ok(Creds { gid, ..*old })
}

/// setresuid(2): real, effective, saved.
///
/// # Errors
/// `EPERM`.
pub fn setresuid(old: &Creds, ids: [Option<u32>; 3]) -> Result<Creds, Errno> {
    let uid = set_three(old.uid, ids, old.has(CAP_SETUID))?;
    Ok(fix_capabilities(old, uid))
}

/// setresgid(2): real, effective, saved.
///
/// # Errors
/// `EPERM`.
pub fn setresgid(old: &Creds, ids: [Option<u32>; 3]) -> Result<Creds, Errno> {
    let gid = set_three(old.gid, ids, old.has(CAP_SETGID))?;
    Ok(Creds { gid, ..*old })
}

/// setfsuid(2), which never fails: what is not allowed changes nothing.
pub fn setfsuid(old: &Creds, id: Option<u32>) -> Creds {
    let uid = set_fs(old.uid, id, old.has(CAP_SETUID));
    let mut new = Creds { uid, ..*old };
    if old.securebits & NO_SETUID_FIXUP == 0 {
        if old.uid.fs == 0 && uid.fs != 0 {
            new.caps.effective &= !FILE_CAPS;
        }
        if old.uid.fs != 0 && uid.fs == 0 {
            new.caps.effective |= new.caps.permitted & FILE_CAPS;
        }
    }
    new
}

/// setfsgid(2), which never fails: what is not allowed changes nothing.
pub fn setfsgid(old: &Creds, id: Option<u32>) -> Creds {
    Creds { gid: set_fs(old.gid, id, old.has(CAP_SETGID)), ..*old }
}

/// Whether the kernel takes the dump permission away from a process that makes this change (`commit_creds` in
/// `kernel/cred.c`).
pub fn makes_undumpable(old: &Creds, new: &Creds) -> bool {
    old.uid.effective != new.uid.effective
        || old.gid.effective != new.gid.effective
        || old.uid.fs != new.uid.fs
        || old.gid.fs != new.gid.fs
        || new.caps.permitted & !old.caps.permitted != 0
}

fn set_one(old: Ids, id: Option<u32>, privileged: bool) -> Result<Ids, Errno> {
    let id = id.ok_or(Errno::EINVAL)?;
    if privileged {
        Ok(Ids::all(id))
    } else if id == old.real || id == old.saved {
        Ok(Ids { effective: id, fs: id, ..old })
    } else {
        Err(Errno::EPERM)
    }
}

fn set_two(old: Ids, real: Option<u32>, effective: Option<u32>, privileged: bool) -> Result<Ids, Errno> {
    let real_allowed = |id: u32| privileged || id == old.real || id == old.effective;
    let effective_allowed = |id: u32| real_allowed(id) || id == old.saved;
    if !real.is_none_or(real_allowed) || !effective.is_none_or(effective_allowed) {
        return Err(Errno::EPERM);
    }
    let mut new = old;
    new.real = real.unwrap_or(old.real);
    new.effective = effective.unwrap_or(old.effective);
    if real.is_some() || effective.is_some_and(|id| id != old.real) {
        new.saved = new.effective;
    }
    new.fs = new.effective;
    Ok(new)
}

fn set_three(old: Ids, [real, effective, saved]: [Option<u32>; 3], privileged: bool) -> Result<Ids, Errno> {
    // A call that changes nothing also leaves a filesystem id alone that is not the effective one.
    let changes_nothing = real.is_none_or(|id| id == old.real)
        && effective.is_none_or(|id| id == old.effective && id == old.fs)
        && saved.is_none_or(|id| id == old.saved);
    if changes_nothing {
        return Ok(old);
    }
    let held = |id: u32| id == old.real || id == old.effective || id == old.saved;
    if !privileged && ![real, effective, saved].into_iter().flatten().all(held) {
        return Err(Errno::EPERM);
    }
    let effective = effective.unwrap_or(old.effective);
    Ok(Ids { real: real.unwrap_or(old.real), effective, saved: saved.unwrap_or(old.saved), fs: effective })
}

fn set_fs(old: Ids, id: Option<u32>, privileged: bool) -> Ids {
    match id {
        Some(id) if privileged || [old.real, old.effective, old.saved].contains(&id) => Ids { fs: id, ..old },
        _ => old,
    }
}

/// `cap_emulate_setxuid`: capabilities go when root's ids go, and the effective ones follow the effective id.
fn fix_capabilities(old: &Creds, uid: Ids) -> Creds {
    let mut new = Creds { uid, ..*old };
    if old.securebits & NO_SETUID_FIXUP != 0 {
        return new;
    }
    let has_root = |ids: Ids| ids.real == 0 || ids.effective == 0 || ids.saved == 0;
    if has_root(old.uid) && !has_root(uid) {
        if old.securebits & KEEP_CAPS == 0 {
            new.caps.permitted = 0;
            new.caps.effective = 0;
        }
        new.caps.ambient = 0;
    }
    if old.uid.effective == 0 && uid.effective != 0 {
        new.caps.effective = 0;
    }
    if old.uid.effective != 0 && uid.effective == 0 {
        new.caps.effective = new.caps.permitted;
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST_CAP: u32 = 40;
    const ROOT: Creds = Creds::root(LAST_CAP);

    fn user(real: u32, effective: u32, saved: u32) -> Creds {
        setresuid(&ROOT, [Some(real), Some(effective), Some(saved)]).unwrap()
    }

    #[test]
    fn setuid_of_root_drops_all_ids_and_capabilities() {
        let new = setuid(&ROOT, Some(1000)).unwrap();
        assert_eq!(new.uid, Ids::all(1000));
        assert_eq!((new.caps.permitted, new.caps.effective), (0, 0));
        assert_eq!(new.caps.bounding, ROOT.caps.bounding);
        assert_eq!(setuid(&new, Some(0)), Err(Errno::EPERM));
    }

    #[test]
    fn setuid_of_a_user_reaches_the_real_and_saved_id_only() {
        let old = user(1, 2, 3);
        assert_eq!(setuid(&old, Some(3)).unwrap().uid, Ids { real: 1, effective: 3, saved: 3, fs: 3 });
        assert_eq!(setuid(&old, Some(1)).unwrap().uid, Ids { real: 1, effective: 1, saved: 3, fs: 1 });
        assert_eq!(setuid(&old, Some(2)), Err(Errno::EPERM));
        assert_eq!(setuid(&old, None), Err(Errno::EINVAL));
    }

    #[test]
    fn saved_root_keeps_permitted_and_gives_effective_back() {
        let dropped = user(1000, 1000, 0);
        assert_eq!((dropped.caps.permitted, dropped.caps.effective), (ROOT.caps.permitted, 0));
        let back = setresuid(&dropped, [None, Some(0), None]).unwrap();
        assert_eq!(back.caps.effective, ROOT.caps.permitted);
    }

    #[test]
    fn keep_caps_keeps_permitted_but_neither_effective_nor_ambient() {
        let mut old = ROOT;
        old.securebits = KEEP_CAPS;
        old.caps.inheritable = 1;
        old.caps.ambient = 1;
        let new = setuid(&old, Some(1000)).unwrap();
        assert_eq!((new.caps.permitted, new.caps.effective, new.caps.ambient), (old.caps.permitted, 0, 0));
    }

    #[test]
    fn no_setuid_fixup_keeps_everything() {
        let old = Creds { securebits: NO_SETUID_FIXUP, ..ROOT };
        assert_eq!(setuid(&old, Some(1000)).unwrap().caps, ROOT.caps);
        assert_eq!(setfsuid(&old, Some(1000)).caps, ROOT.caps);
    }

    #[test]
    fn setreuid_sets_the_saved_id_unless_effective_becomes_real() {
        let old = user(1, 0, 0);
        assert_eq!(setreuid(&old, None, Some(1)).unwrap().uid.saved, 0);
        assert_eq!(setreuid(&old, None, Some(2)).unwrap().uid.saved, 2);
        assert_eq!(setreuid(&old, Some(1), None).unwrap().uid.saved, 0);
        let old = user(1, 2, 3);
        assert_eq!(setreuid(&old, Some(2), Some(1)).unwrap().uid, Ids { real: 2, effective: 1, saved: 1, fs: 1 });
        assert_eq!(setreuid(&old, Some(3), None), Err(Errno::EPERM));
    }

    #[test]
    fn setresuid_of_nothing_leaves_the_filesystem_id() {
        let old = setfsuid(&ROOT, Some(5));
        assert_eq!(setresuid(&old, [None; 3]), Ok(old));
        assert_eq!(setresuid(&old, [None, None, Some(0)]), Ok(old));
        assert_eq!(setresuid(&old, [None, Some(0), None]).unwrap().uid.fs, 0);
        assert_eq!(setreuid(&old, None, None).unwrap().uid.fs, 0);
    }

    #[test]
    fn setfsuid_toggles_file_capabilities() {
        let user = setfsuid(&ROOT, Some(1000));
        assert_eq!(user.caps.effective, ROOT.caps.effective & !FILE_CAPS);
        assert_eq!(setfsuid(&user, Some(0)), ROOT);
        assert_eq!(setfsuid(&ROOT, None), ROOT);
    }

    #[test]
    fn a_group_change_costs_no_capability_but_needs_one() {
        let new = setresgid(&ROOT, [Some(1), Some(2), Some(3)]).unwrap();
        assert_eq!(new.caps, ROOT.caps);
        let user = setuid(&new, Some(1000)).unwrap();
        assert_eq!(setgid(&user, Some(0)), Err(Errno::EPERM));
        assert_eq!(setregid(&user, Some(2), Some(3)).unwrap().gid, Ids { real: 2, effective: 3, saved: 3, fs: 3 });
    }

    #[test]
    fn a_changed_effective_or_filesystem_id_makes_undumpable() {
        assert!(makes_undumpable(&ROOT, &user(0, 1, 0)));
        assert!(makes_undumpable(&ROOT, &setfsgid(&ROOT, Some(1))));
        assert!(!makes_undumpable(&ROOT, &user(1, 0, 0)));
    }
}
