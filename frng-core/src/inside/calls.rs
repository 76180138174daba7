//! Which calls the agent answers.

use crate::call::{Arg, Call, Sys};
use crate::stat::{S_IFBLK, S_IFCHR, S_IFMT};

/// Whether the agent may answer this call. What changes credentials, processes or paths is the tracer's; so is what can
/// make the tracer change the filters of others (faked devices, see `tracer/late_filter.rs`).
pub fn answers(call: &Call) -> bool {
    match call.sys {
        Sys::Mknod | Sys::Mknodat => !matches!(call.int(Arg::Mode) & S_IFMT, S_IFCHR | S_IFBLK),
        // Only in another root are these looked at.
        Sys::Readlink | Sys::Readlinkat => true,
        sys => is_of_files(sys) || only_asks(sys),
    }
}

/// Whether a call takes a name away, which is refused for a mount point.
pub fn removes_names(sys: Sys) -> bool {
    use Sys::*;
    matches!(sys, Unlink | Unlinkat | Rmdir | Rename | Renameat | Renameat2)
}

fn is_of_files(sys: Sys) -> bool {
    use Sys::*;
    let ownership = matches!(sys, Chown | Lchown | Fchown | Fchownat);
    let mode = matches!(sys, Chmod | Fchmod | Fchmodat | Fchmodat2);
    let questions = matches!(sys, Stat | Lstat | Fstat | Newfstatat | Statx | Getdents | Getdents64);
    let creation = matches!(sys, Mkdir | Mkdirat | Symlink | Symlinkat | Link | Linkat | Truncate);
    let opening = matches!(sys, Open | Openat | Openat2 | Creat);
    let access = matches!(sys, Access | Faccessat | Faccessat2);
    let times = matches!(sys, Utime | Utimes | Futimesat | Utimensat);
    ownership || mode || questions || creation || opening || removes_names(sys) || access || times || is_of_xattrs(sys)
}

fn is_of_xattrs(sys: Sys) -> bool {
    use Sys::*;
    let get = matches!(sys, Getxattr | Lgetxattr | Fgetxattr | Getxattrat);
    let list = matches!(sys, Listxattr | Llistxattr | Flistxattr | Listxattrat);
    let set = matches!(sys, Setxattr | Lsetxattr | Fsetxattr | Setxattrat);
    let remove = matches!(sys, Removexattr | Lremovexattr | Fremovexattr | Removexattrat);
    get || list || set || remove
}

fn only_asks(sys: Sys) -> bool {
    use Sys::*;
    matches!(sys, Getuid | Geteuid | Getgid | Getegid | Getresuid | Getresgid | Getgroups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_made_by_the_tracer_and_a_fifo_by_the_agent() {
        let mknod = |mode| Call { sys: Sys::Mknod, args: [0, mode, 0, 0, 0, 0] };
        assert!(!answers(&mknod(0o020644)) && !answers(&mknod(0o060644)));
        assert!(answers(&mknod(0o010644)) && answers(&mknod(0o644)));
    }

    #[test]
    fn what_changes_credentials_is_the_tracers() {
        for sys in [Sys::Setuid, Sys::Setgroups, Sys::Umask, Sys::Prctl, Sys::Capset, Sys::Seccomp, Sys::Setns] {
            assert!(!answers(&Call { sys, args: [0; 6] }), "{sys:?}");
        }
    }
}
