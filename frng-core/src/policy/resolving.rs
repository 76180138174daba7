//! When the kernel itself can resolve a path in another root: what it is asked then (openat2(2)).
//!
//! It knows nothing of that root. So it starts from an open directory, and is held to one mount: links of procfs, which would lead
//! past any root, lead into another one. `..` must end where the root does.

use super::{RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV};

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At the root.
    Root,
    /// At a directory known to be in it.
    Inside,
    /// At a directory that may be outside. From there a link may lead into the root unnoticed, and its `..` past the end of it.
    Anywhere,
}

/// `RESOLVE_*` for the way to a directory. With them the kernel finds it or tells what is wrong with it, unless it says `EXDEV`, `ELOOP` or
/// `EAGAIN`. If `links_are_refused` the names on the way had to be looked at, as those that a link has cannot be.
pub fn flags(begin: Begin, links_are_refused: bool) -> u64 {
    let scope = match begin {
        Begin::Root => RESOLVE_IN_ROOT,
        Begin::Inside => RESOLVE_BENEATH,
        Begin::Anywhere => RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    };
    scope | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | if links_are_refused { RESOLVE_NO_SYMLINKS } else { 0 }
}
