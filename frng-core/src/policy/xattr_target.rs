//! The four ways in which the *xattr calls name a file, and how to ask the real kernel in the same way.

use super::{SCRATCH_LEN, Tracee};
use crate::call::{Arg, Call, FileRef, Sys, TraceeAddr};
use crate::errno::Errno;

/// `XATTR_NAME_MAX`, without the terminator.
pub const NAME_MAX: usize = 255;

/// Where the structure of the *xattrat calls is put in scratch.
const ARGS: u64 = 0;
/// Bytes of `struct xattr_args` (`include/uapi/linux/xattr.h`).
pub const ARGS_LEN: usize = 16;
/// Where a name is put in scratch.
const NAME: u64 = 16;
/// What follows is free for values and lists.
const REST: u64 = 512;
/// How much that is.
pub const REST_LEN: usize = SCRATCH_LEN - REST as usize;
const _: () = assert!(NAME as usize + NAME_MAX < REST as usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// setxattr and so on.
    Path,
    /// lsetxattr.
    Link,
    /// fsetxattr.
    Descriptor,
    /// setxattrat, since Linux 6.13.
    At,
}

/// A file, and the way it is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The file.
    pub file: FileRef,
    form: Form,
}

impl Target {
    /// The file of one of the *xattr calls.
    pub fn of_call(call: &Call) -> Target {
        let args = call.row().args;
        let form = if args.contains(&Arg::Fd) {
            Form::Descriptor
        } else if args.contains(&Arg::Dirfd) {
            Form::At
        } else if args.contains(&Arg::Link) {
            Form::Link
        } else {
            Form::Path
        };
        Target { file: call.file(), form }
    }

    /// The file of another call. Older kernels have no way to ask about the xattrs of what is relative to a directory
    /// descriptor; on them such a target gives `ENOSYS`.
    pub fn of_file(file: FileRef) -> Target {
        let form = if file.is_descriptor() {
            Form::Descriptor
        } else if file.dirfd == libc::AT_FDCWD && file.flags == 0 {
            Form::Path
        } else if file.dirfd == libc::AT_FDCWD && file.flags == libc::AT_SYMLINK_NOFOLLOW {
            Form::Link
        } else {
            Form::At
        };
        Target { file, form }
    }

    /// Whether the name is a descriptor.
    pub fn is_descriptor(&self) -> bool {
        self.form == Form::Descriptor
    }

    /// Whether the call is one that older kernels lack.
    pub fn is_at(&self) -> bool {
        self.form == Form::At
    }

    /// Room for a value or a list of up to [`REST_LEN`] bytes; what the methods here do leaves it alone.
    pub fn room<T: Tracee>(tracee: &T) -> Result<TraceeAddr, Errno> {
        Ok(tracee.scratch()?.add(REST))
    }

    /// Puts a name where the real kernel finds it.
    pub fn put_name<T: Tracee>(tracee: &T, name: &[u8]) -> Result<TraceeAddr, Errno> {
        let to = tracee.scratch()?.add(NAME);
        if name.len() > NAME_MAX {
            return Err(Errno::ERANGE);
        }
        tracee.write(to, name)?;
        tracee.write(to.add(name.len() as u64), &[0])?;
        Ok(to)
    }

    /// Asks for the names.
    pub async fn list<T: Tracee>(&self, tracee: &T, to: TraceeAddr, len: usize) -> Result<u64, Errno> {
        let (dirfd, path, flags) = self.words();
        let len = len as u64;
        match self.form {
            Form::Path => tracee.syscall(Sys::Listxattr, [path, to.0, len, 0, 0, 0]).await,
            Form::Link => tracee.syscall(Sys::Llistxattr, [path, to.0, len, 0, 0, 0]).await,
            Form::Descriptor => tracee.syscall(Sys::Flistxattr, [dirfd, to.0, len, 0, 0, 0]).await,
            Form::At => tracee.syscall(Sys::Listxattrat, [dirfd, path, flags, to.0, len, 0]).await,
        }
    }

    /// Asks for a value.
    pub async fn get<T: Tracee>(&self, tracee: &T, name: TraceeAddr, to: TraceeAddr, len: usize) -> Result<u64, Errno> {
        let (dirfd, path, flags) = self.words();
        let (name, size) = (name.0, len as u64);
        match self.form {
            Form::Path => tracee.syscall(Sys::Getxattr, [path, name, to.0, size, 0, 0]).await,
            Form::Link => tracee.syscall(Sys::Lgetxattr, [path, name, to.0, size, 0, 0]).await,
            Form::Descriptor => tracee.syscall(Sys::Fgetxattr, [dirfd, name, to.0, size, 0, 0]).await,
            Form::At => {
                let args = put_args(tracee, to, len, 0)?;
                tracee.syscall(Sys::Getxattrat, [dirfd, path, flags, name, args.0, ARGS_LEN as u64]).await
            }
        }
    }

    /// Removes an xattr.
    pub async fn remove<T: Tracee>(&self, tracee: &T, name: TraceeAddr) -> Result<u64, Errno> {
        let (dirfd, path, flags) = self.words();
        match self.form {
            Form::Path => tracee.syscall(Sys::Removexattr, [path, name.0, 0, 0, 0, 0]).await,
            Form::Link => tracee.syscall(Sys::Lremovexattr, [path, name.0, 0, 0, 0, 0]).await,
            Form::Descriptor => tracee.syscall(Sys::Fremovexattr, [dirfd, name.0, 0, 0, 0, 0]).await,
            Form::At => tracee.syscall(Sys::Removexattrat, [dirfd, path, flags, name.0, 0, 0]).await,
        }
    }

    /// Finds out what stands in the way of a change whoever makes it: a read-only filesystem, a descriptor that is none
    /// or one for its path only, a call that this kernel lacks. Nothing is changed: replacing what is not there fails
    /// even for those who may.
    pub async fn probe_write<T: Tracee>(&self, tracee: &T) -> Result<(), Errno> {
        let (dirfd, path, flags) = self.words();
        let name = Target::put_name(tracee, b"trusted.frng")?.0;
        let replace = libc::XATTR_REPLACE as u32;
        let result = match self.form {
            Form::Path => tracee.syscall(Sys::Setxattr, [path, name, 0, 0, replace.into(), 0]).await,
            Form::Link => tracee.syscall(Sys::Lsetxattr, [path, name, 0, 0, replace.into(), 0]).await,
            Form::Descriptor => tracee.syscall(Sys::Fsetxattr, [dirfd, name, 0, 0, replace.into(), 0]).await,
            Form::At => {
                let args = put_args(tracee, TraceeAddr::NULL, 0, replace)?;
                tracee.syscall(Sys::Setxattrat, [dirfd, path, flags, name, args.0, ARGS_LEN as u64]).await
            }
        };
        match result {
            Ok(_) | Err(Errno::EPERM | Errno::EACCES | Errno::ENODATA | Errno::EOPNOTSUPP) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Gives the file other permission bits on disk. It must not be a symbolic link.
    pub async fn set_permissions<T: Tracee>(&self, tracee: &T, permissions: u32) -> Result<u64, Errno> {
        let (dirfd, path, flags) = self.words();
        let mode = u64::from(permissions);
        match self.form {
            Form::Descriptor => tracee.syscall(Sys::Fchmod, [dirfd, mode, 0, 0, 0, 0]).await,
            Form::At => tracee.syscall(Sys::Fchmodat2, [dirfd, path, mode, flags, 0, 0]).await,
            Form::Path | Form::Link => {
                tracee.syscall(Sys::Fchmodat, [libc::AT_FDCWD as u64, path, mode, 0, 0, 0]).await
            }
        }
    }

    /// Directory or descriptor, path and flags as argument words.
    fn words(&self) -> (u64, u64, u64) {
        (self.file.dirfd as u64, self.file.path.0, self.file.flags as u64)
    }
}

/// Puts a `struct xattr_args` where the real kernel finds it.
fn put_args<T: Tracee>(tracee: &T, value: TraceeAddr, len: usize, flags: u32) -> Result<TraceeAddr, Errno> {
    let to = tracee.scratch()?.add(ARGS);
    tracee.write(to, &value.0.to_ne_bytes())?;
    tracee.write(to.add(8), &(len as u32).to_ne_bytes())?;
    tracee.write(to.add(12), &flags.to_ne_bytes())?;
    Ok(to)
}
