//! Which lies are listed.

use frng_core::lie::Lie;
use frng_core::stat::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK};

/// What a lie must show to be listed; by default anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    uid: Option<u32>,
    gid: Option<u32>,
    bits: Option<Bits>,
    kind: Option<u32>,
}

/// As in `find -perm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bits {
    Exactly(u32),
    All(u32),
    Any(u32),
}

impl Filter {
    /// `UID`, `UID:GID` or `:GID`.
    ///
    /// # Errors
    /// One line for the user; so have the others.
    pub fn owner(&mut self, text: &str) -> Result<(), String> {
        let (uid, gid) = text.split_once(':').unwrap_or((text, ""));
        let id = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) };
        let wrong = || format!("not an owner: {text}: it must be UID, UID:GID or :GID, in numbers");
        let (uid, gid) = id(uid).zip(id(gid)).filter(|both| *both != (None, None)).ok_or_else(wrong)?;
        (self.uid, self.gid) = (uid, gid);
        Ok(())
    }

    /// `MODE`, `-MODE` or `/MODE`.
    pub fn mode(&mut self, text: &str) -> Result<(), String> {
        let (wrap, digits): (fn(u32) -> Bits, _) = match (text.strip_prefix('-'), text.strip_prefix('/')) {
            (Some(digits), _) => (Bits::All, digits),
            (_, Some(digits)) => (Bits::Any, digits),
            _ => (Bits::Exactly, text),
        };
        let bits = u32::from_str_radix(digits, 8).ok().filter(|bits| *bits <= 0o7777);
        let bits =
            bits.ok_or_else(|| format!("not a mode: {text}: it must be octal, up to 7777, after - or / or nothing"))?;
        self.bits = Some(wrap(bits));
        Ok(())
    }

    /// A letter, as in `find -type`.
    pub fn kind(&mut self, letter: &str) -> Result<(), String> {
        self.kind = Some(match letter {
            "f" => S_IFREG,
            "d" => S_IFDIR,
            "l" => S_IFLNK,
            "c" => S_IFCHR,
            "b" => S_IFBLK,
            "p" => S_IFIFO,
            "s" => S_IFSOCK,
            _ => return Err(format!("not a type: {letter}: it must be f, d, l, c, b, p or s")),
        });
        Ok(())
    }

    /// Whether a lie is to be listed.
    pub fn takes(&self, lie: &Lie) -> bool {
        let permissions = lie.mode & 0o7777;
        self.uid.is_none_or(|uid| uid == lie.uid)
            && self.gid.is_none_or(|gid| gid == lie.gid)
            && self.kind.is_none_or(|kind| kind == lie.mode & S_IFMT)
            && match self.bits {
                None => true,
                Some(Bits::Exactly(bits)) => permissions == bits,
                Some(Bits::All(bits)) => permissions & bits == bits,
                Some(Bits::Any(bits)) => bits == 0 || permissions & bits != 0,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIE: Lie = Lie { uid: 7, gid: 8, mode: S_IFREG | 0o4755, rdev: 0 };

    fn takes(set: impl FnOnce(&mut Filter) -> Result<(), String>) -> bool {
        let mut filter = Filter::default();
        set(&mut filter).unwrap();
        filter.takes(&LIE)
    }

    #[test]
    fn owners_modes_and_types_are_as_in_find() {
        assert!(Filter::default().takes(&LIE));
        for (owner, taken) in [("7", true), ("7:8", true), (":8", true), ("8", false), ("7:7", false), ("7:", true)] {
            assert_eq!(takes(|filter| filter.owner(owner)), taken, "{owner}");
        }
        let modes =
            [("4755", true), ("755", false), ("-4001", true), ("-4022", false), ("/6000", true), ("/2022", false)];
        for (mode, taken) in modes.into_iter().chain([("/0", true), ("-0", true)]) {
            assert_eq!(takes(|filter| filter.mode(mode)), taken, "{mode}");
        }
        assert!(takes(|filter| filter.kind("f")) && !takes(|filter| filter.kind("c")));
    }
}
