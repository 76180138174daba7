//! Kinds of syscall arguments.

/// An address in a tracee's memory; never to be dereferenced here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceeAddr(pub u64);

impl TraceeAddr {
    /// The null pointer.
    pub const NULL: TraceeAddr = TraceeAddr(0);

    /// Whether this is the null pointer.
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }

    /// `bytes` further on.
    pub const fn add(self, bytes: u64) -> TraceeAddr {
        TraceeAddr(self.0.wrapping_add(bytes))
    }
}

/// What an argument is. Handlers ask for arguments by kind, never by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// Descriptor the call is about.
    Fd,
    /// Directory descriptor the path starts at.
    Dirfd,
    /// Path whose last component is followed (unless [`Arg::AtFlags`] says otherwise).
    Path,
    /// Path whose last component is not followed.
    Link,
    /// Directory descriptor of the second path.
    NewDirfd,
    /// Second path.
    NewPath,
    /// Content of a symbolic link.
    LinkText,
    /// User or group id; -1 leaves it as it is.
    Id,
    /// The same in the 16 bits of old ABIs.
    Id16,
    /// Permission bits, for mknod also the type.
    Mode,
    /// Device number as mknod takes it.
    Dev,
    /// `AT_*` flags.
    AtFlags,
    /// `O_*` flags.
    OpenFlags,
    /// `struct open_how`.
    OpenHow,
    /// Other flags.
    Flags,
    /// Name of an extended attribute.
    Name,
    /// Memory read by the kernel.
    In,
    /// Memory written by the kernel.
    Out,
    /// `struct stat` in the ABI's own layout.
    StatBuf,
    /// Bytes of the memory before.
    Length,
    /// Number of elements of the memory after or before.
    Count,
    /// `STATX_*` mask.
    Mask,
    /// Which operation, for a call that multiplexes.
    Op,
    /// Operand of such an operation.
    Operand,
    /// Process or thread id.
    Pid,
    /// Another number.
    Int,
}

/// A file as a call names it, for the `*at` calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRef {
    /// Directory descriptor or `AT_FDCWD`; the file itself if `path` is null.
    pub dirfd: i32,
    /// Path, or null for the descriptor itself.
    pub path: TraceeAddr,
    /// `AT_SYMLINK_NOFOLLOW`, `AT_EMPTY_PATH` and what else the call was given.
    pub flags: i32,
}

impl FileRef {
    /// The file behind a descriptor.
    pub const fn descriptor(fd: i32) -> FileRef {
        FileRef { dirfd: fd, path: TraceeAddr::NULL, flags: libc::AT_EMPTY_PATH }
    }

    /// Whether this names a descriptor, not a path.
    pub const fn is_descriptor(&self) -> bool {
        self.path.is_null() && self.flags & libc::AT_EMPTY_PATH != 0
    }

    /// The same file, its last component not followed.
    pub const fn no_follow(self) -> FileRef {
        FileRef { flags: self.flags | libc::AT_SYMLINK_NOFOLLOW, ..self }
    }
}
