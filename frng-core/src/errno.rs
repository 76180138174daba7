//! Kernel error numbers, as a syscall returns them.

/// An error number of the kernel (`include/uapi/asm-generic/errno.h`), including the internal restart codes
/// 512 to 516 which only a tracer sees (`include/linux/errno.h`).
///
/// A restart code travels through a handler like any other error: when it reaches the tracee's result
/// register the kernel itself restarts the call or turns it into EINTR.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

macro_rules! errnos {
    ($($name:ident),* $(,)?) => {
        /// Of a call that is restarted in any case, which only a tracer sees (`include/linux/errno.h`).
pub const ERESTARTNOINTR: i32 = 513;

impl Errno {
            $(#[doc = concat!("`", stringify!($name), "`, see errno(3).")]
            pub const $name: Errno = Errno(libc::$name);)*

            /// The symbolic name, if it is one that frng itself uses.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $(libc::$name => Some(stringify!($name)),)*
                    512 => Some("ERESTARTSYS"),
                    513 => Some("ERESTARTNOINTR"),
                    514 => Some("ERESTARTNOHAND"),
                    516 => Some("ERESTART_RESTARTBLOCK"),
                    _ => None,
                }
            }
        }
    };
}

errnos! {
    EPERM, ENOENT, ESRCH, EINTR, EIO, ENXIO, E2BIG, ENOEXEC, EBADF, ECHILD, EAGAIN, ENOMEM, EACCES, EFAULT,
    EBUSY, EEXIST, EXDEV, ENODEV, ENOTDIR, EISDIR, EINVAL, ENFILE, EMFILE, ENOTTY, ETXTBSY, EFBIG, ENOSPC,
    ESPIPE, EROFS, EMLINK, EPIPE, EDOM, ERANGE, ENAMETOOLONG, ENOSYS, ENOTEMPTY, ELOOP, ENODATA, EOVERFLOW,
    EOPNOTSUPP, ENOTSOCK, EADDRINUSE, ESTALE, EDQUOT, ECONNREFUSED, EPROTONOSUPPORT,
}

impl Errno {
    /// `-MAX_ERRNO - 1` (`include/linux/err.h`): raw results above it, taken as unsigned, are errors.
    pub(crate) const RAW_MIN: i64 = -4096;

    /// Splits a raw result register: values from -4095 to -1 are errors.
    pub const fn from_raw(raw: u64) -> Result<u64, Errno> {
        let signed = raw as i64;
        if signed < 0 && signed > Errno::RAW_MIN { Err(Errno(-signed as i32)) } else { Ok(raw) }
    }

    /// The value for the result register.
    pub const fn to_raw(self) -> u64 {
        -(self.0 as i64) as u64
    }
}

impl core::fmt::Debug for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl core::fmt::Display for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(self, f)
    }
}
