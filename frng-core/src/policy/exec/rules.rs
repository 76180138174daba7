//! The change itself, as a pure function: `bprm_fill_uid` in `fs/exec.c` and `cap_bprm_creds_from_file` in
//! `security/commoncap.c` (Linux 6.16 and later; before, a process whose effective id is not its real one lost
//! its ambient capabilities by any exec).

use super::file_caps::FileCaps;
use crate::creds::Creds;
use crate::stat::{S_ISGID, S_ISUID, S_IXGRP};

const NOROOT: u32 = libc::SECBIT_NOROOT as u32;
const KEEP_CAPS: u32 = libc::SECBIT_KEEP_CAPS as u32;

/// What is shown of an executed file.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Type and permission bits.
    pub mode: u32,
    /// Its capabilities.
    pub caps: Option<FileCaps>,
}

/// What an exec makes of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The credentials of the new program.
    pub creds: Creds,
    /// `AT_SECURE`: the program has more rights than who started it.
    pub secure: bool,
    /// The process cannot be dumped or traced by who started it.
    pub undumpable: bool,
}

/// Root with everything that makes it root, and nothing that a file could change.
pub fn is_plain_root(creds: &Creds) -> bool {
    creds.uid.real == 0 && creds.uid.effective == 0 && creds.securebits & NOROOT == 0 && creds.caps.ambient == 0
}

/// Executes a file. `in_group` tells whether the caller is in a group (`in_group_p`).
///
/// What the kernel does not execute at all, a file that demands effective capabilities outside of the bounding
/// set, is executed here with what is left of them: it is too late to refuse it.
pub fn exec(old: &Creds, file: &File, in_group: &dyn Fn(u32) -> bool) -> Change {
    let mut new = *old;
    if !old.no_new_privs {
        if file.mode & S_ISUID != 0 {
            new.uid.effective = file.uid;
        }
        if file.mode & (S_ISGID | S_IXGRP) == S_ISGID | S_IXGRP {
            new.gid.effective = file.gid;
        }
    }

    // get_file_caps
    new.caps.permitted = match file.caps {
        Some(caps) => (old.caps.bounding & caps.permitted) | (old.caps.inheritable & caps.inheritable),
        None => 0,
    };
    let mut effective = file.caps.is_some_and(|caps| caps.effective);

    // handle_privileged_root. A program that is set-user-ID root and has capabilities gets these only.
    let set_user_id_root = new.uid.real != 0 && new.uid.effective == 0;
    if old.securebits & NOROOT == 0 && !(file.caps.is_some() && set_user_id_root) {
        if new.uid.effective == 0 || new.uid.real == 0 {
            new.caps.permitted = old.caps.bounding | old.caps.inheritable;
        }
        effective |= new.uid.effective == 0;
    }

    let id_changed = new.uid.effective != old.uid.effective || !in_group(new.gid.effective);
    let gained = new.caps.permitted & !old.caps.permitted != 0;
    if (id_changed || gained) && old.no_new_privs {
        new.uid.effective = new.uid.real;
        new.gid.effective = new.gid.real;
        new.caps.permitted &= old.caps.permitted;
    }

    new.uid.saved = new.uid.effective;
    new.uid.fs = new.uid.effective;
    new.gid.saved = new.gid.effective;
    new.gid.fs = new.gid.effective;
    if file.caps.is_some() || id_changed {
        new.caps.ambient = 0;
    }
    new.caps.permitted |= new.caps.ambient;
    new.caps.effective = if effective { new.caps.permitted } else { new.caps.ambient };
    new.securebits &= !KEEP_CAPS;

    let grown = new.caps.permitted & !new.caps.ambient != 0;
    let secure = id_changed
        || new.uid.effective != old.uid.real
        || new.gid.effective != old.gid.real
        || (new.uid.real != 0 && (effective || grown));
    // begin_new_exec asks whether the caller's own ids differ; commit_creds whether the change makes undumpable.
    let undumpable = old.uid.effective != old.uid.real
        || old.gid.effective != old.gid.real
        || crate::policy::identity::rules::makes_undumpable(old, &new);
    Change { creds: new, secure, undumpable }
}
