//! The table of calls.

use super::{Arg::*, Call, Row, Stop};
use crate::policy::{self, Outcome, Tracee};

/// `__O_TMPFILE` (`include/uapi/asm-generic/fcntl.h`), without the `O_DIRECTORY` that `O_TMPFILE` has besides.
pub const TMPFILE: u64 = 0o20000000;
/// An open with one of these flags may make an inode.
pub const MAY_CREATE: u64 = libc::O_CREAT as u64 | TMPFILE;

macro_rules! calls {
    ($($sys:ident $name:literal ($($arg:ident),*) $stop:expr, $theme:ident :: $handler:ident, $note:literal;)*) => {
        /// A syscall, named without its CPU. Calls that differ in the width of a field are different ones.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        #[repr(u16)]
        pub enum Sys { $($sys),* }

        /// All rows, in the order of [`Sys`].
        pub static ROWS: &[Row] = &[$(Row {
            sys: Sys::$sys,
            name: $name,
            args: &[$($arg),*],
            stop: $stop,
            handler: concat!(stringify!($theme), "::", stringify!($handler)),
            note: $note,
        }),*];

        /// Runs the handler of a call.
        pub async fn dispatch<T: Tracee>(tracee: &T, call: &Call) -> Outcome {
            match call.sys {
                $(Sys::$sys => policy::$theme::$handler(tracee, call).await,)*
            }
        }
    };
}

impl Sys {
    /// Its row.
    pub fn row(self) -> &'static Row {
        // The table is made by the same macro as the enum, so the index is in range.
        &ROWS[self as usize]
    }
}

use Stop::{Always, AnyBit, Executing, Inside, Never, OneOf, Opening, Restricted, Syncing, Tracing, Writing};

calls! {
    // Ownership: policy/ownership.rs
    Chown "chown" (Path, Id, Id) Always, ownership::chown, "only remembered: ctime stays, a read-only filesystem does not matter";
    Lchown "lchown" (Link, Id, Id) Always, ownership::chown, "only remembered: ctime stays, a read-only filesystem does not matter";
    Fchown "fchown" (Fd, Id, Id) Always, ownership::chown, "only remembered: ctime stays, a read-only filesystem does not matter";
    Fchownat "fchownat" (Dirfd, Path, Id, Id, AtFlags) Always, ownership::chown, "only remembered: ctime stays, a read-only filesystem does not matter";
    Chown16 "chown" (Path, Id16, Id16) Always, ownership::chown, "16-bit ids";
    Lchown16 "lchown" (Link, Id16, Id16) Always, ownership::chown, "16-bit ids";
    Fchown16 "fchown" (Fd, Id16, Id16) Always, ownership::chown, "16-bit ids";

    // Mode: policy/mode.rs
    Chmod "chmod" (Path, Mode) Always, mode::chmod, "real bits keep the file usable for its real owner";
    Fchmod "fchmod" (Fd, Mode) Always, mode::chmod, "real bits keep the file usable for its real owner";
    Fchmodat "fchmodat" (Dirfd, Path, Mode) Always, mode::chmod, "real bits keep the file usable for its real owner";
    Fchmodat2 "fchmodat2" (Dirfd, Path, Mode, AtFlags) Always, mode::chmod, "real bits keep the file usable for its real owner";
    Umask "umask" (Mode) Always, mode::umask, "remembered, because files are made with more permissions than asked for";

    // Questions: policy/questions.rs, policy/directory.rs
    Stat "stat" (Path, StatBuf) Always, questions::stat, "";
    Lstat "lstat" (Link, StatBuf) Always, questions::stat, "";
    Fstat "fstat" (Fd, StatBuf) Always, questions::stat, "";
    Newfstatat "newfstatat" (Dirfd, Path, StatBuf, AtFlags) Always, questions::stat, "";
    Stat64 "stat64" (Path, StatBuf) Always, questions::stat, "";
    Lstat64 "lstat64" (Link, StatBuf) Always, questions::stat, "";
    Fstat64 "fstat64" (Fd, StatBuf) Always, questions::stat, "";
    Fstatat64 "fstatat64" (Dirfd, Path, StatBuf, AtFlags) Always, questions::stat, "";
    Oldstat "oldstat" (Path, StatBuf) Always, questions::stat, "16-bit inode numbers";
    Oldlstat "oldlstat" (Link, StatBuf) Always, questions::stat, "16-bit inode numbers";
    Oldfstat "oldfstat" (Fd, StatBuf) Always, questions::stat, "16-bit inode numbers";
    Statx "statx" (Dirfd, Path, AtFlags, Mask, Out) Always, questions::statx, "";
    Getdents "getdents" (Fd, Out, Length) Always, directory::getdents, "d_type of faked nodes";
    Getdents64 "getdents64" (Fd, Out, Length) Always, directory::getdents64, "d_type of faked nodes";

    // Devices: policy/devices.rs
    Mknod "mknod" (Link, Mode, Dev) Always, devices::mknod, "a faked node is a regular file on disk";
    Mknodat "mknodat" (Dirfd, Link, Mode, Dev) Always, devices::mknod, "a faked node is a regular file on disk";
    Truncate "truncate" (Path, Int) Always, devices::truncate, "EINVAL for a faked node, as for a real one";
    Truncate64 "truncate64" (Path, Int, Int) Always, devices::truncate, "EINVAL for a faked node, as for a real one";

    Ftruncate "ftruncate" (Fd, Int) Restricted, devices::truncate, "takes set-ID bits";
    Ftruncate64 "ftruncate64" (Fd, Int, Int) Restricted, devices::truncate, "takes set-ID bits";

    // Writing: policy/writing.rs
    Write "write" (Fd, In, Length) Writing, writing::write, "takes set-ID bits";
    Pwrite64 "pwrite64" (Fd, In, Length, Int) Writing, writing::write, "takes set-ID bits";
    Writev "writev" (Fd, In, Count) Writing, writing::write, "takes set-ID bits";
    Pwritev "pwritev" (Fd, In, Count, Int, Int) Writing, writing::write, "takes set-ID bits";
    Pwritev2 "pwritev2" (Fd, In, Count, Int, Int, Flags) Writing, writing::write, "takes set-ID bits";
    Sendfile "sendfile" (Fd, Int, Out, Length) Writing, writing::write, "takes set-ID bits";
    Sendfile64 "sendfile64" (Fd, Int, Out, Length) Writing, writing::write, "takes set-ID bits";
    Splice "splice" (Int, In, Fd, In, Length, Flags) Writing, writing::write, "takes set-ID bits";
    CopyFileRange "copy_file_range" (Int, In, Fd, In, Length, Flags) Writing, writing::write, "takes set-ID bits";
    Fallocate "fallocate" (Fd, Int, Int, Int) Writing, writing::allocate, "takes set-ID bits";
    IoSubmit "io_submit" (Int, Count, In) Writing, writing::submit, "writes among the requests take set-ID bits";

    // Creation: policy/creation.rs, policy/opening.rs
    Open "open" (Path, OpenFlags, Mode) Opening, opening::open, "faked null, zero, full, random, urandom, tty and ptmx open the real one, other faked devices are ENXIO; O_PATH opens the node";
    Openat "openat" (Dirfd, Path, OpenFlags, Mode) Opening, opening::open, "faked null, zero, full, random, urandom, tty and ptmx open the real one, other faked devices are ENXIO; O_PATH opens the node";
    Openat2 "openat2" (Dirfd, Path, OpenHow, Length) Always, opening::openat2, "faked null, zero, full, random, urandom, tty and ptmx open the real one, other faked devices are ENXIO; O_PATH opens the node";
    Creat "creat" (Path, Mode) Always, opening::creat, "faked null, zero, full, random, urandom, tty and ptmx open the real one, other faked devices are ENXIO; O_PATH opens the node";
    Mkdir "mkdir" (Link, Mode) Always, creation::mkdir, "";
    Mkdirat "mkdirat" (Dirfd, Link, Mode) Always, creation::mkdir, "";
    Symlink "symlink" (LinkText, Link) Always, creation::symlink, "";
    Symlinkat "symlinkat" (LinkText, Dirfd, Link) Always, creation::symlink, "";
    Link "link" (Link, NewPath) Always, creation::link, "protected_hardlinks refuses files of other real users";
    Linkat "linkat" (Dirfd, Path, NewDirfd, NewPath, AtFlags) Always, creation::link, "protected_hardlinks refuses files of other real users";
    Bind "bind" (Fd, In, Length) Always, creation::bind, "AF_UNIX sockets get an owner; ports below 1024 as the kernel decides for the real user";

    // Lifetime: policy/lifetime.rs
    Unlink "unlink" (Link) Always, lifetime::unlink, "";
    Unlinkat "unlinkat" (Dirfd, Link, Flags) Always, lifetime::unlink, "";
    Rmdir "rmdir" (Link) Always, lifetime::unlink, "";
    Rename "rename" (Link, NewPath) Always, lifetime::rename, "";
    Renameat "renameat" (Dirfd, Link, NewDirfd, NewPath) Always, lifetime::rename, "";
    Renameat2 "renameat2" (Dirfd, Link, NewDirfd, NewPath, Flags) Always, lifetime::rename, "";

    // Access: policy/access.rs
    Access "access" (Path, Mode) Always, access::access, "as the kernel does for the faked ids; a noexec mount is noticed where the real user may execute";
    Faccessat "faccessat" (Dirfd, Path, Mode) Always, access::access, "as the kernel does for the faked ids; a noexec mount is noticed where the real user may execute";
    Faccessat2 "faccessat2" (Dirfd, Path, Mode, AtFlags) Always, access::access, "as the kernel does for the faked ids; a noexec mount is noticed where the real user may execute";

    // Times: policy/times.rs
    Utime "utime" (Path, In) Always, times::utimes, "really set where the real user may; of others' files pretended";
    Utimes "utimes" (Path, In) Always, times::utimes, "really set where the real user may; of others' files pretended";
    Futimesat "futimesat" (Dirfd, Path, In) Always, times::utimes, "really set where the real user may; of others' files pretended";
    Utimensat "utimensat" (Dirfd, Path, In, AtFlags) Always, times::utimes, "really set where the real user may; of others' files pretended";
    UtimensatTime64 "utimensat_time64" (Dirfd, Path, In, AtFlags) Always, times::utimes, "really set where the real user may; of others' files pretended";

    // Extended attributes: policy/xattr.rs
    Setxattr "setxattr" (Path, Name, In, Length, Flags) Always, xattr::set, "user. goes to the real file; trusted., security. and ACLs are remembered, on any filesystem";
    Lsetxattr "lsetxattr" (Link, Name, In, Length, Flags) Always, xattr::set, "user. goes to the real file; trusted., security. and ACLs are remembered, on any filesystem";
    Fsetxattr "fsetxattr" (Fd, Name, In, Length, Flags) Always, xattr::set, "user. goes to the real file; trusted., security. and ACLs are remembered, on any filesystem";
    Setxattrat "setxattrat" (Dirfd, Path, AtFlags, Name, In, Length) Always, xattr::set, "user. goes to the real file; trusted., security. and ACLs are remembered, on any filesystem";
    Getxattr "getxattr" (Path, Name, Out, Length) Always, xattr::get, "what is remembered, else the real one";
    Lgetxattr "lgetxattr" (Link, Name, Out, Length) Always, xattr::get, "what is remembered, else the real one";
    Fgetxattr "fgetxattr" (Fd, Name, Out, Length) Always, xattr::get, "what is remembered, else the real one";
    Getxattrat "getxattrat" (Dirfd, Path, AtFlags, Name, In, Length) Always, xattr::get, "what is remembered, else the real one";
    Listxattr "listxattr" (Path, Out, Length) Always, xattr::list, "names on disk first, then the remembered ones";
    Llistxattr "llistxattr" (Link, Out, Length) Always, xattr::list, "names on disk first, then the remembered ones";
    Flistxattr "flistxattr" (Fd, Out, Length) Always, xattr::list, "names on disk first, then the remembered ones";
    Listxattrat "listxattrat" (Dirfd, Path, AtFlags, Out, Length) Always, xattr::list, "names on disk first, then the remembered ones";
    Removexattr "removexattr" (Path, Name) Always, xattr::remove, "what is remembered, else the real one";
    Lremovexattr "lremovexattr" (Link, Name) Always, xattr::remove, "what is remembered, else the real one";
    Fremovexattr "fremovexattr" (Fd, Name) Always, xattr::remove, "what is remembered, else the real one";
    Removexattrat "removexattrat" (Dirfd, Path, AtFlags, Name) Always, xattr::remove, "what is remembered, else the real one";

    // Identity: policy/identity.rs
    Getuid "getuid" () Always, identity::getuid, "";
    Geteuid "geteuid" () Always, identity::geteuid, "";
    Getgid "getgid" () Always, identity::getgid, "";
    Getegid "getegid" () Always, identity::getegid, "";
    Getresuid "getresuid" (Out, Out, Out) Always, identity::getresuid, "";
    Getresgid "getresgid" (Out, Out, Out) Always, identity::getresgid, "";
    Setuid "setuid" (Id) Always, identity::setuid, "capabilities follow as in the kernel; of this thread only, a libc does it in all";
    Setgid "setgid" (Id) Always, identity::setgid, "";
    Setreuid "setreuid" (Id, Id) Always, identity::setreuid, "";
    Setregid "setregid" (Id, Id) Always, identity::setregid, "";
    Setresuid "setresuid" (Id, Id, Id) Always, identity::setresuid, "";
    Setresgid "setresgid" (Id, Id, Id) Always, identity::setresgid, "";
    Setfsuid "setfsuid" (Id) Always, identity::setfsuid, "toggles the capabilities on files, as in the kernel";
    Setfsgid "setfsgid" (Id) Always, identity::setfsgid, "";
    Getgroups "getgroups" (Count, Out) Always, identity::getgroups, "";
    Setgroups "setgroups" (Count, In) Always, identity::setgroups, "kept sorted";

    Getuid16 "getuid" () Always, identity::getuid, "16-bit ids";
    Geteuid16 "geteuid" () Always, identity::geteuid, "16-bit ids";
    Getgid16 "getgid" () Always, identity::getgid, "16-bit ids";
    Getegid16 "getegid" () Always, identity::getegid, "16-bit ids";
    Getresuid16 "getresuid" (Out, Out, Out) Always, identity::getresuid, "16-bit ids";
    Getresgid16 "getresgid" (Out, Out, Out) Always, identity::getresgid, "16-bit ids";
    Setuid16 "setuid" (Id16) Always, identity::setuid, "16-bit ids";
    Setgid16 "setgid" (Id16) Always, identity::setgid, "16-bit ids";
    Setreuid16 "setreuid" (Id16, Id16) Always, identity::setreuid, "16-bit ids";
    Setregid16 "setregid" (Id16, Id16) Always, identity::setregid, "16-bit ids";
    Setresuid16 "setresuid" (Id16, Id16, Id16) Always, identity::setresuid, "16-bit ids";
    Setresgid16 "setresgid" (Id16, Id16, Id16) Always, identity::setresgid, "16-bit ids";
    Setfsuid16 "setfsuid" (Id16) Always, identity::setfsuid, "16-bit ids";
    Setfsgid16 "setfsgid" (Id16) Always, identity::setfsgid, "16-bit ids";
    Getgroups16 "getgroups" (Count, Out) Always, identity::getgroups, "16-bit ids";
    Setgroups16 "setgroups" (Count, In) Always, identity::setgroups, "16-bit ids";

    // Capabilities: policy/capabilities.rs
    Capget "capget" (In, Out) Always, capabilities::capget, "of other processes: what is faked of them, if they are fooled too";
    Capset "capset" (In, In) Always, capabilities::capset, "";
    Prctl "prctl" (Op, Operand, Operand, Operand, Operand) OneOf(Op, policy::process::PRCTLS), process::prctl, "capabilities, securebits, no_new_privs, dumpable and seccomp are pretended; PR_SET_MM fails with EPERM; the rest runs as it is";

    // Other rights of root: policy/privileged.rs
    Sethostname "sethostname" (In, Length) Always, privileged::accept_name, "accepted; uname tells the real name";
    Setdomainname "setdomainname" (In, Length) Always, privileged::accept_name, "accepted; uname tells the real name";
    Settimeofday "settimeofday" (In, In) Always, privileged::settimeofday, "accepted; the clock stays";
    Stime "stime" (In) Always, privileged::stime, "accepted; the clock stays";
    ClockSettime "clock_settime" (Int, In) Always, privileged::clock_settime, "accepted; the clock stays";
    ClockSettime64 "clock_settime64" (Int, In) Always, privileged::clock_settime, "accepted; the clock stays";
    Adjtimex "adjtimex" (In) Always, privileged::adjtimex, "accepted; answered with the true state of the clock";
    ClockAdjtime "clock_adjtime" (Int, In) Always, privileged::adjtimex, "accepted; answered with the true state of the clock";
    ClockAdjtime64 "clock_adjtime64" (Int, In) Always, privileged::adjtimex, "accepted; answered with the true state of the clock";
    Mlock "mlock" (In, Length) Always, privileged::mlock, "done up to the limit, accepted beyond";
    Mlock2 "mlock2" (In, Length, Flags) Always, privileged::mlock, "done up to the limit, accepted beyond";
    Mlockall "mlockall" (Flags) Always, privileged::mlock, "done up to the limit, accepted beyond; MCL_FUTURE is accepted and not done, later mappings would fail";
    Setrlimit "setrlimit" (Op, In) Always, privileged::setrlimit, "a raised hard limit is accepted and not done";
    Prlimit64 "prlimit64" (Pid, Op, In, Out) AnyBit(In, u64::MAX), privileged::prlimit, "a raised hard limit is accepted and not done, the soft limit then goes up to the old one; asking tells the truth";
    Ioctl "ioctl" (Fd, Op, Operand) OneOf(Op, policy::inode_flags::IOCTLS), inode_flags::ioctl, "FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR: the flags that need a capability (immutable, append-only, journal data) are accepted and neither set nor shown";

    // Signals: policy/signals.rs
    Kill "kill" (Pid, Int) OneOf(Pid, policy::signals::EVERYBODY), signals::kill, "as faked ids allow; all processes (-1) are those of the tree";
    Tkill "tkill" (Pid, Int) Restricted, signals::send, "as faked ids allow";
    Tgkill "tgkill" (Pid, Pid, Int) Restricted, signals::send, "as faked ids allow";
    RtSigqueueinfo "rt_sigqueueinfo" (Pid, Int, In) Restricted, signals::send, "as faked ids allow";
    RtTgsigqueueinfo "rt_tgsigqueueinfo" (Pid, Pid, Int, In) Restricted, signals::send, "as faked ids allow";
    PidfdSendSignal "pidfd_send_signal" (Fd, Int, In, Flags) Restricted, signals::pidfd_send, "as faked ids allow";

    // Other processes: policy/others.rs
    ProcessVmReadv "process_vm_readv" (Pid, In, Count, In, Count, Flags) Restricted, others::process_memory, "as faked ids allow";
    ProcessVmWritev "process_vm_writev" (Pid, In, Count, In, Count, Flags) Restricted, others::process_memory, "as faked ids allow";
    PidfdGetfd "pidfd_getfd" (Fd, Int, Flags) Restricted, others::take_descriptor, "as faked ids allow";
    Kcmp "kcmp" (Pid, Pid, Op, Operand, Operand) Restricted, others::compare, "as faked ids allow";
    GetRobustList "get_robust_list" (Pid, Out, Out) Restricted, others::inspect, "as faked ids allow";
    MovePages "move_pages" (Pid, Count, In, In, Out, Flags) Restricted, others::inspect, "as faked ids allow";
    MigratePages "migrate_pages" (Pid, Count, In, In) Restricted, others::inspect, "as faked ids allow";
    PerfEventOpen "perf_event_open" (In, Pid, Int, Int, Flags) Restricted, others::measure, "as faked ids allow";
    ProcessMadvise "process_madvise" (Fd, In, Count, Int, Flags) Restricted, others::advise, "as faked ids allow";

    // Scheduling: policy/schedule.rs
    Nice "nice" (Int) Always, schedule::nice, "done if allowed, else remembered";
    Setpriority "setpriority" (Op, Pid, Int) Always, schedule::setpriority, "done if allowed, else remembered; of a process group or user only the calling thread, if it is its own (0), is remembered";
    Getpriority "getpriority" (Op, Pid) Always, schedule::getpriority, "what is remembered, else the real one";
    SchedSetscheduler "sched_setscheduler" (Pid, Int, In) Always, schedule::sched_setscheduler, "done if allowed, else remembered; the scheduler itself and /proc know the truth";
    SchedGetscheduler "sched_getscheduler" (Pid) Always, schedule::sched_getscheduler, "what is remembered, else the real one";
    SchedSetparam "sched_setparam" (Pid, In) Always, schedule::sched_setparam, "done if allowed, else remembered";
    SchedGetparam "sched_getparam" (Pid, Out) Always, schedule::sched_getparam, "what is remembered, else the real one";
    SchedSetattr "sched_setattr" (Pid, In, Flags) Always, schedule::sched_setattr, "done if allowed, else remembered, but for the utilization clamps; a pretended SCHED_DEADLINE reserves nothing and can fork";
    SchedGetattr "sched_getattr" (Pid, Out, Length, Flags) Always, schedule::sched_getattr, "what is remembered, else the real one";
    SchedSetaffinity "sched_setaffinity" (Pid, Length, In) Always, schedule::sched_setaffinity, "as faked ids allow";
    SchedGetaffinity "sched_getaffinity" (Pid, Length, Out) Always, schedule::sched_getaffinity, "runs as it is, when the tracer does not hold the thread on a core";
    IoprioSet "ioprio_set" (Op, Pid, Int) Always, schedule::ioprio_set, "done if allowed, else remembered; of a process group or user only the calling thread, if it is its own (0), is remembered";
    IoprioGet "ioprio_get" (Op, Pid) Always, schedule::ioprio_get, "what is remembered, else the real one";

    // Sockets, and who is at their other end: policy/sockets.rs
    Getsockopt "getsockopt" (Fd, Int, Op, Out, Count) OneOf(Op, policy::sockets::OPTIONS), sockets::getsockopt, "SO_PEERCRED, SO_PEERGROUPS: of a listener what it was when it began to listen, of others what they are now";
    Socket "socket" (Int, Int, Op) OneOf(Op, policy::sockets::PROTOCOLS), sockets::socket, "EPROTONOSUPPORT for NETLINK_AUDIT, as on a kernel without auditing";
    Listen "listen" (Fd, Int) Always, sockets::listen, "";
    Sendmsg "sendmsg" (Fd, In, Flags) Always, sockets::sendmsg, "SCM_CREDENTIALS as the faked ids allow; AF_UNIX paths are translated in another root";
    Recvmsg "recvmsg" (Fd, Out, Flags) Always, sockets::recvmsg, "SCM_CREDENTIALS tell faked ids";
    Socketcall "socketcall" (Op, In) OneOf(Op, policy::sockets::SOCKETCALLS), sockets::socketcall, "bind and the calls above; the rest runs as it is";

    // Namespaces: policy/namespaces.rs
    Unshare "unshare" (Flags) Always, namespaces::enter, "done if allowed; else new namespaces of root are accepted and not made, but pretended mounts kept apart";
    Setns "setns" (Fd, Flags) Always, namespaces::enter, "done if allowed; else accepted and not done";

    // Another root: policy/root.rs
    Chroot "chroot" (Path) Always, root::chroot, "remembered: from then on all paths of the process are translated; runs as it is in a mount namespace of the program's own";
    PivotRoot "pivot_root" (Path, Path) Always, root::pivot_root, "as chroot, and what was the root before is shown at the second directory";
    Chdir "chdir" (Path) Inside, tools::pass, "";
    Fchdir "fchdir" (Fd) Inside, tools::pass, "";
    Getcwd "getcwd" (Out, Length) Inside, root::getcwd, "";
    Readlink "readlink" (Link, Out, Length) Inside, root::readlink, "links of procfs tell names inside";
    Readlinkat "readlinkat" (Dirfd, Link, Out, Length) Inside, root::readlink, "links of procfs tell names inside";
    Statfs "statfs" (Path, Out) Inside, tools::pass, "";
    Statfs64 "statfs64" (Path, Length, Out) Inside, tools::pass, "";
    Connect "connect" (Fd, In, Length) Inside, tools::pass, "AF_UNIX paths are translated";
    Sendto "sendto" (Fd, In, Length, Flags, In, Length) Inside, tools::pass, "AF_UNIX paths are translated";
    Getsockname "getsockname" (Fd, Out, Count) Inside, root::socket_name, "AF_UNIX paths tell names inside";
    Getpeername "getpeername" (Fd, Out, Count) Inside, root::socket_name, "AF_UNIX paths tell names inside";
    InotifyAddWatch "inotify_add_watch" (Fd, Path, Mask) Inside, tools::pass, "";
    NameToHandleAt "name_to_handle_at" (Dirfd, Path, Out, Out, Flags) Inside, tools::pass, "open_by_handle_at is the kernel's to refuse";

    // Mounts: policy/mounts.rs
    Mount "mount" (In, Path, In, Flags, In) Always, mounts::mount, "remembered and seen by processes in another root: binds; proc, sysfs, devtmpfs and devpts show the host's, tmpfs the directory itself; runs as it is in a mount namespace of the program's own";
    Umount "umount" (Path) Always, mounts::umount, "of what was remembered";
    Umount2 "umount2" (Path, Flags) Always, mounts::umount, "of what was remembered";
    Fsopen "fsopen" (In, Flags) Always, mounts::newer, "ENOSYS, so that programs call mount; runs as it is in a mount namespace of the program's own";
    OpenTree "open_tree" (Dirfd, Path, Flags) Always, mounts::newer, "ENOSYS, so that programs call mount; runs as it is in a mount namespace of the program's own";
    MoveMount "move_mount" (Dirfd, Path, NewDirfd, NewPath, Flags) Always, mounts::newer, "ENOSYS, so that programs call mount; runs as it is in a mount namespace of the program's own";
    Fspick "fspick" (Dirfd, Path, Flags) Always, mounts::newer, "ENOSYS, so that programs call mount; runs as it is in a mount namespace of the program's own";
    MountSetattr "mount_setattr" (Dirfd, Path, Flags, In, Length) Always, mounts::newer, "ENOSYS, so that programs call mount; runs as it is in a mount namespace of the program's own";

    // What would go around us: policy/evasion.rs
    Seccomp "seccomp" (Op, Flags, In) OneOf(Op, policy::evasion::SECCOMPS), evasion::seccomp, "a filter of the tracee would kill our own calls: accepted and not installed; EBUSY for a listener; its instructions are not checked";
    IoUringSetup "io_uring_setup" (Int, In) Always, evasion::not_implemented, "ENOSYS: a ring goes around seccomp and ptrace";
    IoUringEnter "io_uring_enter" (Fd, Int, Int, Flags, In, Length) Always, evasion::not_implemented, "ENOSYS, also for a ring that was handed in";
    IoUringRegister "io_uring_register" (Fd, Op, In, Count) Always, evasion::not_implemented, "ENOSYS, also for a ring that was handed in";

    // New threads and processes: policy/children.rs
    Clone "clone" (Flags, Int, Out, Out, Int) AnyBit(Flags, policy::children::LOOKED_AT), children::clone, "CLONE_UNTRACED is taken away; so are new namespaces of root, which are accepted and not made but for pretended mounts";
    Clone3 "clone3" (In, Length) Always, children::clone3, "CLONE_UNTRACED is taken away; so are new namespaces of root, which are accepted and not made but for pretended mounts";

    // Programs: policy/program.rs, policy/exec.rs
    Execve "execve" (Path, In, In) Executing, program::execute, "ENOEXEC for programs of conventions that are not supported; set-user-ID and the auxv are seen to after the exec";
    Execveat "execveat" (Dirfd, Path, In, In, AtFlags) Executing, program::execute, "ENOEXEC for programs of conventions that are not supported; set-user-ID and the auxv are seen to after the exec";

    // Tracers among the programs: policy/nested.rs
    Ptrace "ptrace" (Op, Pid, In, Operand) Always, nested::ptrace, "of a process that is fooled too: answered by frng, which shows the program's own calls; SYSEMU and seccomp's filters are not there to be asked about; of another one as it is";
    Wait4 "wait4" (Pid, Out, Flags, Out) Tracing, nested::wait, "tells of what it traces, too";
    Waitid "waitid" (Op, Pid, Out, Flags, Out) Tracing, nested::wait, "tells of what it traces, too";
    Waitpid "waitpid" (Pid, Out, Flags) Tracing, nested::wait, "tells of what it traces, too";

    // Syncing: policy/syncing.rs
    Sync "sync" () Syncing, syncing::sync, "";
    Syncfs "syncfs" (Fd) Syncing, syncing::sync, "";
    Fsync "fsync" (Fd) Syncing, syncing::sync, "";
    Fdatasync "fdatasync" (Fd) Syncing, syncing::sync, "";
    SyncFileRange "sync_file_range" (Fd) Syncing, syncing::sync, "";

    // Issued by the policy itself.
    Close "close" (Fd) Never, tools::pass, "";
    Fcntl "fcntl" (Fd, Op, Operand) Never, tools::pass, "";
    Dup3 "dup3" (Fd, Int, Flags) Never, tools::pass, "";
    Gettid "gettid" () Never, tools::pass, "";
    Mmap "mmap" (In, Length, Flags, Flags, Fd, Int) Never, tools::pass, "";
    Mmap2 "mmap2" (In, Length, Flags, Flags, Fd, Int) Never, tools::pass, "";
    Msync "msync" (In, Length, Flags) Never, tools::pass, "";
    Ppoll "ppoll" (In, Count, In, In, Length) Never, tools::pass, "";
}
