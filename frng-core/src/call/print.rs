//! Calls as text, for the log.

use std::fmt::{self, Display, Formatter};

use super::{Arg, Call, TraceeAddr};
use crate::stat::split_dev;

impl Call {
    /// The call as strace(1) would show it. `text` reads a path or name from the tracee; where it cannot, the
    /// address is shown.
    pub fn display<F>(&self, text: F) -> impl Display
    where
        F: Fn(TraceeAddr) -> Option<String>,
    {
        Printed { call: *self, text }
    }
}

struct Printed<F> {
    call: Call,
    text: F,
}

impl<F: Fn(TraceeAddr) -> Option<String>> Display for Printed<F> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let row = self.call.row();
        write!(f, "{}(", row.name)?;
        for (index, (kind, word)) in row.args.iter().zip(self.call.args).enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            self.argument(f, *kind, word)?;
        }
        f.write_str(")")
    }
}

impl<F: Fn(TraceeAddr) -> Option<String>> Printed<F> {
    fn argument(&self, f: &mut Formatter<'_>, kind: Arg, word: u64) -> fmt::Result {
        match kind {
            Arg::Dirfd | Arg::NewDirfd if word as i32 == libc::AT_FDCWD => f.write_str("AT_FDCWD"),
            Arg::Fd | Arg::Dirfd | Arg::NewDirfd | Arg::Pid => write!(f, "{}", word as i32),
            Arg::Path | Arg::Link | Arg::NewPath | Arg::LinkText | Arg::Name => {
                let address = TraceeAddr(word);
                match if address.is_null() { None } else { (self.text)(address) } {
                    Some(text) => write!(f, "{text:?}"),
                    None => pointer(f, word),
                }
            }
            Arg::Id => match word as u32 {
                u32::MAX => f.write_str("-1"),
                id => write!(f, "{id}"),
            },
            Arg::Id16 => match word as u16 {
                u16::MAX => f.write_str("-1"),
                id => write!(f, "{id}"),
            },
            Arg::Mode => write!(f, "{:#o}", word as u32),
            Arg::Dev => {
                let (major, minor) = split_dev(word);
                write!(f, "{major}:{minor}")
            }
            Arg::AtFlags | Arg::OpenFlags | Arg::Flags | Arg::Mask => {
                write!(f, "{:#x}", word as u32)
            }
            Arg::OpenHow | Arg::In | Arg::Out | Arg::StatBuf => pointer(f, word),
            Arg::Op | Arg::Operand => write!(f, "{word:#x}"),
            Arg::Length | Arg::Count => write!(f, "{word}"),
            Arg::Int => write!(f, "{}", word as i64),
        }
    }
}

fn pointer(f: &mut Formatter<'_>, word: u64) -> fmt::Result {
    if word == 0 { f.write_str("NULL") } else { write!(f, "{word:#x}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Sys;

    fn print(sys: Sys, args: [u64; 6]) -> String {
        let text = |address| (address == TraceeAddr(0x1000)).then(|| "a \"b\"\n".to_string());
        Call { sys, args }.display(text).to_string()
    }

    #[test]
    fn every_kind_of_argument_is_shown_its_own_way() {
        let cwd = -100_i64 as u64;
        assert_eq!(
            print(Sys::Fchownat, [cwd, 0x1000, 0xffff_ffff, 7, 0x100, 9]),
            "fchownat(AT_FDCWD, \"a \\\"b\\\"\\n\", -1, 7, 0x100)"
        );
        assert_eq!(print(Sys::Lchown16, [0x1000, 0xffff, 7, 0, 0, 0]), "lchown(\"a \\\"b\\\"\\n\", -1, 7)");
        assert_eq!(print(Sys::Mknod, [0x2000, 0o20644, 0x103, 0, 0, 0]), "mknod(0x2000, 0o20644, 1:3)");
        assert_eq!(print(Sys::Stat, [0, 0x3000, 0, 0, 0, 0]), "stat(NULL, 0x3000)");
        assert_eq!(print(Sys::Getuid, [1, 2, 3, 4, 5, 6]), "getuid()");
    }
}
