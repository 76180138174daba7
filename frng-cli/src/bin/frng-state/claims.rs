//! What a manifest or a table says of names in a tree, and how that becomes lies.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use frng_core::inode::InodeKey;
use frng_core::lie::Lie;
use frng_core::policy::view::real_permissions;
use frng_core::stat::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, Statx};
use frng_core::state::{Record, Xattrs};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, mkdirat, mknodat};
use nix::unistd::symlinkat;

use super::tree::{self, Tree, reason};

/// What is said of one name; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Line of the file that says so, from 1.
    pub line: usize,
    /// Relative to the tree, without `./`; empty for the tree itself.
    pub path: Vec<u8>,
    /// `S_IFREG`, ...
    pub kind: Option<u32>,
    /// Without the type.
    pub permissions: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    /// Of a device.
    pub rdev: u64,
    /// Where a symbolic link leads.
    pub link: Option<Vec<u8>>,
    /// It need not be there.
    pub is_optional: bool,
    /// The same is said of all below, whatever their types.
    pub is_recursive: bool,
}

/// A name that is to be shown differently.
struct Plan<'claim> {
    claim: &'claim Claim,
    path: Vec<u8>,
}

/// Lies that make the claims true, put among the records that are there. What is missing of directories, symbolic links and
/// nodes is made, and permissions on disk are made those that frng gives them.
///
/// # Errors
/// One line, before anything is made if a claim cannot come true.
pub fn settle(tree: &Tree, claims: &[Claim], records: Vec<Record>) -> Result<Vec<Record>, String> {
    let mut lies: BTreeMap<InodeKey, Record> = records.into_iter().map(|record| (record.inode.key(), record)).collect();
    let plans = plan(tree, claims, &lies)?;
    for Plan { claim, path } in plans {
        let failed = |error: io::Error| {
            format!("cannot do what line {} says of {}: {}", claim.line, tree.outside(&path).display(), reason(&error))
        };
        let real = match tree.find(&path).map_err(failed)? {
            Some(real) => real,
            None => {
                make(tree, &path, claim).map_err(failed)?;
                tree.find(&path).map_err(failed)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?
            }
        };
        let key = real.id().key();
        let old = lies.remove(&key).filter(|record| tree::is_about(record, &real));
        let before = old.as_ref().map_or_else(|| tree::without_lie(&real), |record| record.lie);
        let lie = claimed(claim, &before);
        put_on_disk(tree, &path, &real, &lie).map_err(failed)?;
        let xattrs = old.map_or_else(Xattrs::new, |record| record.xattrs);
        lies.insert(key, Record { inode: real.id(), lie, xattrs, path: None });
    }
    Ok(lies.into_values().collect())
}

/// Finds out whether all claims can come true.
fn plan<'claim>(
    tree: &Tree,
    claims: &'claim [Claim],
    lies: &BTreeMap<InodeKey, Record>,
) -> Result<Vec<Plan<'claim>>, String> {
    let mut plans = Vec::new();
    for claim in claims {
        let name = tree.outside(&claim.path);
        let wrong = |why: &str| Err(format!("line {}: {}: {why}", claim.line, name.display()));
        let real = match tree.find(&claim.path) {
            Ok(real) => real,
            Err(error) => return wrong(&reason(&error)),
        };
        match real {
            None if claim.is_optional => continue,
            None if claim.is_recursive || claim.kind.is_none_or(|kind| kind == S_IFREG) => {
                return wrong("it is not there");
            }
            None if claim.kind == Some(S_IFLNK) && claim.link.is_none() => {
                return wrong("it is not there, nor said where it leads");
            }
            None => {}
            Some(real) => {
                let lie = lies.get(&real.id().key()).filter(|record| tree::is_about(record, &real));
                let shown = lie.map_or(u32::from(real.mode), |record| record.lie.mode) & S_IFMT;
                let becomes = claim.kind.unwrap_or(shown);
                if becomes != shown && !(lie.is_none() && is_node(becomes) && tree::may_stand_in(&real)) {
                    if claim.is_optional {
                        continue;
                    }
                    return wrong("it is there with another type");
                }
            }
        }
        if claim.is_recursive {
            plans.extend(tree.walk_from(&claim.path)?.into_iter().map(|found| Plan { claim, path: found.path }));
        } else {
            plans.push(Plan { claim, path: claim.path.clone() });
        }
    }
    Ok(plans)
}

fn is_node(kind: u32) -> bool {
    !matches!(kind, S_IFREG | S_IFDIR | S_IFLNK)
}

fn claimed(claim: &Claim, before: &Lie) -> Lie {
    let kind = claim.kind.unwrap_or(before.mode & S_IFMT);
    // The mode of a symbolic link is nobody's to change.
    let permissions = claim.permissions.filter(|_| kind != S_IFLNK && before.mode & S_IFMT != S_IFLNK);
    let mut lie = Lie {
        uid: claim.uid.unwrap_or(before.uid),
        gid: claim.gid.unwrap_or(before.gid),
        mode: kind | permissions.unwrap_or(before.mode & 0o7777),
        rdev: 0,
    };
    if lie.is_device() {
        lie.rdev = if claim.kind.is_some() { claim.rdev } else { before.rdev };
    }
    lie
}

/// Makes what is missing, and the directories it is in.
fn make(tree: &Tree, path: &[u8], claim: &Claim) -> io::Result<()> {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(index, _)| index);
    for directory in slashes.map(|slash| &path[..slash]) {
        if tree.find(directory)?.is_none() {
            let (place, name) = tree.parent(directory)?;
            mkdirat(&place, name, Mode::from_bits_truncate(0o755))?;
        }
    }
    let (place, name) = tree.parent(path)?;
    let private = Mode::from_bits_truncate(0o600);
    match claim.kind.unwrap_or(S_IFREG) {
        S_IFDIR => mkdirat(&place, name, Mode::from_bits_truncate(0o755))?,
        S_IFLNK => symlinkat(OsStr::from_bytes(claim.link.as_deref().unwrap_or_default()), &place, name)?,
        // An empty file stands in for a device, as it does when a fooled program makes one.
        S_IFCHR | S_IFBLK => mknodat(&place, name, SFlag::S_IFREG, private, 0)?,
        kind => mknodat(&place, name, SFlag::from_bits_truncate(kind), private, 0)?,
    }
    Ok(())
}

/// Gives the inode the permissions it has on disk while it is shown so.
fn put_on_disk(tree: &Tree, path: &[u8], real: &Statx, lie: &Lie) -> io::Result<()> {
    let wanted = real_permissions(lie.mode);
    if real.file_type() == S_IFLNK || u32::from(real.mode) & 0o777 == wanted {
        return Ok(());
    }
    let (place, name) = tree.parent(path)?;
    fchmodat(place.as_fd(), name, Mode::from_bits_truncate(wanted), FchmodatFlags::FollowSymlink)?;
    Ok(())
}
