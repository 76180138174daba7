//! What a log tells of an inode that a call was about: what it really is, and what is told of it.

#[cfg(feature = "std")]
use std::fmt::{self, Display, Formatter};

use crate::lie::Lie;
use crate::stat::Statx;

/// Made by handlers where they have looked at an inode, or changed what is told of it.
#[derive(Clone, Copy, Debug)]
pub struct Note<'a> {
    /// What the kernel tells.
    pub real: &'a Statx,
    /// What was told of it before, if that was changed.
    pub before: Option<Lie>,
    /// What is told of it now; `None` if it has lost its name.
    pub now: Option<Lie>,
}

#[cfg(feature = "std")]
impl Note<'_> {
    /// Whether it says more than the call itself.
    pub fn says_something(&self) -> bool {
        self.before.is_some() || self.now.is_none_or(|now| now != self.really())
    }

    fn really(&self) -> Lie {
        let real = self.real;
        Lie { uid: real.uid, gid: real.gid, mode: real.mode.into(), rdev: real.rdev() }
    }
}

#[cfg(feature = "std")]
impl Display for Note<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (major, minor) = (self.real.dev_major, self.real.dev_minor);
        write!(f, "{major}:{minor} {}: really {}", self.real.ino, Shown(self.really()))?;
        match (self.before, self.now) {
            (None, Some(now)) => write!(f, ", told {}", Shown(now)),
            (None, None) => f.write_str(", gone"),
            (Some(before), None) => write!(f, ", was {}, gone", Shown(before)),
            (Some(before), Some(now)) if before == now => write!(f, ", stays {}", Shown(now)),
            (Some(before), Some(now)) => write!(f, ", was {}, now {}", Shown(before), Shown(now)),
        }
    }
}

/// Mode, owner, group and device number.
#[cfg(feature = "std")]
struct Shown(Lie);

#[cfg(feature = "std")]
impl Display for Shown {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Lie { uid, gid, mode, rdev } = self.0;
        write!(f, "{} {uid}:{gid}", crate::stat::ls_mode(mode))?;
        if self.0.is_device() {
            let (major, minor) = crate::stat::split_dev(rdev);
            write!(f, " device {major}:{minor}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stat::{S_IFCHR, S_IFREG, make_dev};
    use zerocopy::FromZeros;

    #[test]
    fn a_note_tells_what_is_real_and_what_is_told() {
        let mut real = Statx::new_zeroed();
        (real.dev_major, real.dev_minor, real.ino) = (8, 1, 131);
        (real.uid, real.gid, real.mode) = (1000, 1000, (S_IFREG | 0o600) as u16);
        let told = Lie { uid: 0, gid: 5, mode: S_IFCHR | 0o620, rdev: make_dev(5, 1) };
        let note = |before, now| Note { real: &real, before, now };
        let really = "8:1 131: really -rw------- 1000:1000";
        let text = "crw--w---- 0:5 device 5:1";
        assert_eq!(note(None, Some(told)).to_string(), format!("{really}, told {text}"));
        assert_eq!(note(Some(told), None).to_string(), format!("{really}, was {text}, gone"));
        assert_eq!(note(Some(told), Some(told)).to_string(), format!("{really}, stays {text}"));
        let other = Lie { uid: 7, ..told };
        let now = text.replace("0:5", "7:5");
        assert_eq!(note(Some(told), Some(other)).to_string(), format!("{really}, was {text}, now {now}"));
        let same = Lie { uid: 1000, gid: 1000, mode: S_IFREG | 0o600, rdev: 0 };
        assert!(!note(None, Some(same)).says_something() && note(None, Some(told)).says_something());
        assert!(note(Some(same), Some(same)).says_something() && note(None, None).says_something());
    }
}
