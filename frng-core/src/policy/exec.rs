//! What exec does to credentials: `security/commoncap.c`, execve(2). Not a handler: the tracer calls
//! [`after_exec`] when a new program has been loaded and has not run yet.

pub mod auxv;
pub mod file_caps;
pub mod rules;

pub use super::file_capability::MAX_LEN as CAPABILITY_MAX;
use super::file_capability::MAX_LEN;
use super::identity::SUID_DUMPABLE;
use super::xattr_name::CAPABILITY;
use super::{Process, Tracee, TraceeExt, view};
use crate::call::TraceeAddr;
use crate::creds::Creds;
use crate::errno::Errno;
use crate::lie::LieTable;
use crate::stat::Statx;
use file_caps::FileCaps;
use rules::File;

/// Changes the faked credentials as an exec of `file` does, and has the auxv at the new program's stack pointer
/// `stack` tell the same.
///
/// - `file`: what the kernel tells of the file that is now run (`/proc/PID/exe`; with a script that is its
///   interpreter). `None` if it cannot be told: then it changes nobody's identity.
/// - `real_capability`: writes the true `security.capability` of that file, and returns its length in bytes. Only
///   called where that matters, never for ordinary programs of root.
///
/// [`Tracee::abi`] has to be the new program's.
///
/// # Errors
/// The credentials are changed even so; only the auxv could not be: `EFAULT` if its memory cannot be accessed,
/// `E2BIG` if it is not where it should be.
pub fn after_exec<T: Tracee>(
    tracee: &T,
    file: Option<&Statx>,
    real_capability: &mut dyn FnMut(&mut [u8; MAX_LEN]) -> Option<usize>,
    stack: TraceeAddr,
) -> Result<(), Errno> {
    let old = tracee.creds();
    let file = match file {
        Some(real) => {
            let seen = view::seen(tracee, real);
            let mut file = File { uid: seen.uid, gid: seen.gid, mode: seen.mode, caps: None };
            if file_capabilities_matter(&old, &file) {
                file.caps = file_capabilities(tracee, real, real_capability);
            }
            file
        }
        None => File { uid: 0, gid: 0, mode: 0, caps: None },
    };
    let change = rules::exec(&old, &file, &|gid| tracee.in_group(gid));
    tracee.set_creds(change.creds);
    let dumpable = if change.undumpable { SUID_DUMPABLE } else { 1 };
    tracee.set_process(Process { dumpable, ..tracee.process() });
    auxv::rewrite(tracee, stack, &change.creds, change.secure)
}

/// Whether the capabilities of the file can change anything. Root gets all of them from any file.
fn file_capabilities_matter(old: &Creds, file: &File) -> bool {
    !rules::is_plain_root(old) || file.mode & crate::stat::S_ISUID != 0
}

fn file_capabilities<T: Tracee>(
    tracee: &T,
    real: &Statx,
    real_capability: &mut dyn FnMut(&mut [u8; MAX_LEN]) -> Option<usize>,
) -> Option<FileCaps> {
    let mut value = [0; MAX_LEN];
    let mut have = 0;
    let lie = tracee.lies().xattr(&real.id(), CAPABILITY, &mut |piece| {
        let begin = value.len().min(have);
        if let Some(room) = value.get_mut(begin..).and_then(|room| room.get_mut(..piece.len())) {
            room.copy_from_slice(piece);
        }
        have += piece.len();
    });
    let len = match lie {
        Ok(len) => len,
        Err(_) => real_capability(&mut value)?,
    };
    FileCaps::parse(value.get(..len)?, tracee.settings().last_cap)
}
