//! `siginfo_t` (`include/uapi/asm-generic/siginfo.h`) as bytes, in our own layout and in that of 32-bit programs.

use zerocopy::IntoBytes;

/// Bytes of the structure.
pub const LEN: usize = 128;
/// Offset of what depends on the signal, in our own layout: it holds addresses.
const UNION: usize = if size_of::<usize>() == 8 { 16 } else { 12 };
/// The same in a 32-bit layout.
const UNION_NARROW: usize = 12;

/// What comes with a signal.
#[derive(Clone, Copy)]
pub struct Info(pub [u8; LEN]);

impl Info {
    /// With nothing that depends on the signal.
    pub fn new(signal: i32, code: i32) -> Info {
        let mut info = Info([0; LEN]);
        info.set(0, signal);
        info.set(8, code);
        info
    }

    /// Sent by a process of a user.
    pub fn sender(mut self, pid: i32, uid: u32) -> Info {
        self.set(UNION, pid);
        self.set(UNION + 4, uid as i32);
        self
    }

    /// Of a child: `si_status`.
    pub fn status(mut self, status: i32) -> Info {
        self.set(UNION + 8, status);
        self
    }

    /// `si_code`.
    pub fn code(&self) -> i32 {
        self.get(8)
    }

    /// `si_pid`.
    pub fn pid(&self) -> i32 {
        self.get(UNION)
    }

    fn get(&self, at: usize) -> i32 {
        let mut word = 0i32;
        word.as_mut_bytes().copy_from_slice(&self.0[at..at + 4]);
        word
    }

    fn set(&mut self, at: usize, value: i32) {
        self.0[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    }

    /// For a program of this width.
    pub fn of_width(&self, word_len: usize) -> Info {
        if word_len == size_of::<usize>() {
            return *self;
        }
        let mut narrow = Info([0; LEN]);
        narrow.0[..UNION_NARROW].copy_from_slice(&self.0[..UNION_NARROW]);
        let faulty = matches!(self.get(0), libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGFPE | libc::SIGTRAP)
            && self.code() > 0;
        // An address, of which the lower half comes first, or up to three numbers of 32 bits.
        let words = if faulty { 1 } else { 3 };
        let union = &self.0[UNION..UNION + 4 * words];
        narrow.0[UNION_NARROW..UNION_NARROW + union.len()].copy_from_slice(union);
        narrow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_where_the_libc_has_them() {
        let info = Info::new(libc::SIGCHLD, libc::CLD_EXITED).sender(7, 8).status(9);
        // SAFETY: the structure holds integers and addresses; every value of its bytes is one.
        let theirs: libc::siginfo_t = unsafe { std::mem::transmute_copy(&info.0) };
        assert_eq!((theirs.si_signo, theirs.si_code), (libc::SIGCHLD, libc::CLD_EXITED));
        // SAFETY: the fields of SIGCHLD.
        assert_eq!(unsafe { (theirs.si_pid(), theirs.si_uid(), theirs.si_status()) }, (7, 8, 9));
    }
}
