//! Names of extended attributes and the rules of their namespaces: xattr(7).

use super::xattr_target::NAME_MAX;
use super::{Tracee, TraceeExt, acl};
use crate::call::TraceeAddr;
use crate::errno::Errno;

/// Name of the xattr with a file's capabilities.
pub const CAPABILITY: &[u8] = b"security.capability";

/// Which rules a name falls under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// `user.`: whoever may read or write the file.
    User,
    /// `trusted.`: root; others do not even see them.
    Trusted,
    /// `security.`: root may set, everybody may read.
    Security,
    /// `security.capability`.
    Capability,
    /// The two ACLs.
    Acl,
    /// What no filesystem has.
    Unknown,
}

/// A name that was copied from a tracee.
pub struct Name {
    bytes: [u8; NAME_MAX + 1],
    len: usize,
}

impl Name {
    /// Copies a name.
    ///
    /// # Errors
    /// `EFAULT`; `ERANGE` if it is empty or too long. `fs/xattr.c: import_xattr_name`.
    pub fn read<T: Tracee>(tracee: &T, from: TraceeAddr) -> Result<Name, Errno> {
        let mut bytes = [0; NAME_MAX + 1];
        let len = match tracee.read_cstr(from, &mut bytes) {
            Ok([]) | Err(Errno::ENAMETOOLONG) => return Err(Errno::ERANGE),
            Ok(name) => name.len(),
            Err(error) => return Err(error),
        };
        Ok(Name { bytes, len })
    }

    /// The name without terminator.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Its rules.
    pub fn namespace(&self) -> Namespace {
        namespace(self.as_bytes())
    }

    /// Whether nothing follows the prefix: no filesystem takes such a name.
    pub fn is_bare_prefix(&self) -> bool {
        matches!(self.as_bytes(), b"user." | b"trusted." | b"security.")
    }
}

/// The rules a name falls under.
pub fn namespace(name: &[u8]) -> Namespace {
    if name.starts_with(b"user.") {
        Namespace::User
    } else if name.starts_with(b"trusted.") {
        Namespace::Trusted
    } else if name == CAPABILITY {
        Namespace::Capability
    } else if name.starts_with(b"security.") {
        Namespace::Security
    } else if name == acl::ACCESS || name == acl::DEFAULT {
        Namespace::Acl
    } else {
        Namespace::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fall_under_the_rules_of_their_prefix() {
        for (name, rules) in [
            (&b"user.a"[..], Namespace::User),
            (b"user", Namespace::Unknown),
            (b"trusted.overlay.opaque", Namespace::Trusted),
            (b"security.capability", Namespace::Capability),
            (b"security.capability2", Namespace::Security),
            (b"system.posix_acl_access", Namespace::Acl),
            (b"system.posix_acl_default", Namespace::Acl),
            (b"system.nfs4_acl", Namespace::Unknown),
        ] {
            assert_eq!(namespace(name), rules);
        }
    }
}
