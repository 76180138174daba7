//! The kernel's call numbers by name.
//!
//! What every ABI has under one name is taken from libc; the rest from the ABI's own table, that of the arch crate, where a
//! call may be lacking. Where a 32-bit ABI has a call in several widths, the plain name is the widest (`chown` is
//! `chown32` there, `stat` is `stat64`), since that is what its programs use.
#![allow(non_upper_case_globals, reason = "calls are spelled as the kernel spells them")]
#![allow(missing_docs, reason = "each constant is the number of the call of that name")]

use frng_cli::abis::ABIS;
use frng_core::call::Sys;
use libc::c_long;

/// A call's number, or how to find it.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// One that every ABI has.
    Known(c_long),
    /// Of the first of these calls that this ABI has.
    OfTable(&'static [Sys]),
}

impl Number {
    /// The number; `None` where this ABI lacks the call.
    pub fn get(self) -> Option<c_long> {
        match self {
            Self::Known(number) => Some(number),
            // The first ABI is that of this program.
            Self::OfTable(calls) => calls.iter().find_map(|sys| ABIS[0].number(*sys)).map(|number| number as c_long),
        }
    }
}

macro_rules! numbers {
    ($($name:ident = $nr:expr),* $(,)?) => { $(pub const $name: Number = Number::Known($nr as c_long);)* };
}

macro_rules! of_table {
    ($($name:ident = $($sys:ident)|+),* $(,)?) => {
        $(pub const $name: Number = Number::OfTable(&[$(Sys::$sys),+]);)*
    };
}

/// Calls that only 32-bit ABIs have and that frng has no need to know.
macro_rules! narrow_only {
    ($($name:ident = $nr:ident),* $(,)?) => {
        $(
            #[cfg(target_pointer_width = "32")]
            pub const $name: Number = Number::Known(libc::$nr as c_long);
            #[cfg(not(target_pointer_width = "32"))]
            pub const $name: Number = Number::OfTable(&[]);
        )*
    };
}

numbers! {
    statfs = libc::SYS_statfs,
    inotify_init1 = libc::SYS_inotify_init1,
    inotify_add_watch = libc::SYS_inotify_add_watch,
    accept4 = libc::SYS_accept4,
    adjtimex = libc::SYS_adjtimex,
    bind = libc::SYS_bind,
    connect = libc::SYS_connect,
    capget = libc::SYS_capget,
    capset = libc::SYS_capset,
    chdir = libc::SYS_chdir,
    chroot = libc::SYS_chroot,
    clone = libc::SYS_clone,
    clone3 = 435,
    close = libc::SYS_close,
    dup = libc::SYS_dup,
    dup3 = libc::SYS_dup3,
    execve = libc::SYS_execve,
    execveat = libc::SYS_execveat,
    faccessat = libc::SYS_faccessat,
    faccessat2 = 439,
    fchdir = libc::SYS_fchdir,
    fcntl = libc::SYS_fcntl,
    fchmod = libc::SYS_fchmod,
    fchmodat = libc::SYS_fchmodat,
    fchmodat2 = 452,
    fchownat = libc::SYS_fchownat,
    fgetxattr = libc::SYS_fgetxattr,
    file_getattr = 468,
    file_setattr = 469,
    flistxattr = libc::SYS_flistxattr,
    fremovexattr = libc::SYS_fremovexattr,
    fsetxattr = libc::SYS_fsetxattr,
    ftruncate = libc::SYS_ftruncate,
    getdents64 = libc::SYS_getdents64,
    getcwd = libc::SYS_getcwd,
    getpid = libc::SYS_getpid,
    pread64 = libc::SYS_pread64,
    pwrite64 = libc::SYS_pwrite64,
    fallocate = libc::SYS_fallocate,
    writev = libc::SYS_writev,
    pwritev = libc::SYS_pwritev,
    sendfile = libc::SYS_sendfile,
    splice = libc::SYS_splice,
    copy_file_range = libc::SYS_copy_file_range,
    pwritev2 = libc::SYS_pwritev2,
    wait4 = libc::SYS_wait4,
    getppid = libc::SYS_getppid,
    getsockname = libc::SYS_getsockname,
    getpriority = libc::SYS_getpriority,
    getsockopt = libc::SYS_getsockopt,
    gettid = libc::SYS_gettid,
    getxattr = libc::SYS_getxattr,
    getxattrat = 464,
    io_uring_setup = libc::SYS_io_uring_setup,
    io_destroy = libc::SYS_io_destroy,
    io_getevents = libc::SYS_io_getevents,
    io_setup = libc::SYS_io_setup,
    io_submit = libc::SYS_io_submit,
    ioctl = libc::SYS_ioctl,
    ioprio_get = libc::SYS_ioprio_get,
    ioprio_set = libc::SYS_ioprio_set,
    get_robust_list = libc::SYS_get_robust_list,
    kcmp = libc::SYS_kcmp,
    kill = libc::SYS_kill,
    lgetxattr = libc::SYS_lgetxattr,
    linkat = libc::SYS_linkat,
    listen = libc::SYS_listen,
    listxattr = libc::SYS_listxattr,
    listxattrat = 465,
    llistxattr = libc::SYS_llistxattr,
    lremovexattr = libc::SYS_lremovexattr,
    lseek = libc::SYS_lseek,
    lsetxattr = libc::SYS_lsetxattr,
    mkdirat = libc::SYS_mkdirat,
    mknodat = libc::SYS_mknodat,
    mlock = libc::SYS_mlock,
    mlock2 = libc::SYS_mlock2,
    mlockall = libc::SYS_mlockall,
    mount = libc::SYS_mount,
    move_pages = libc::SYS_move_pages,
    munlock = libc::SYS_munlock,
    munlockall = libc::SYS_munlockall,
    openat = libc::SYS_openat,
    openat2 = 437,
    pivot_root = libc::SYS_pivot_root,
    pipe2 = libc::SYS_pipe2,
    perf_event_open = libc::SYS_perf_event_open,
    pidfd_getfd = 438,
    pidfd_open = 434,
    pidfd_send_signal = 424,
    prlimit64 = libc::SYS_prlimit64,
    process_madvise = 440,
    process_vm_readv = libc::SYS_process_vm_readv,
    process_vm_writev = libc::SYS_process_vm_writev,
    prctl = libc::SYS_prctl,
    ptrace = libc::SYS_ptrace,
    read = libc::SYS_read,
    rt_sigprocmask = libc::SYS_rt_sigprocmask,
    readlinkat = libc::SYS_readlinkat,
    recvmsg = libc::SYS_recvmsg,
    removexattr = libc::SYS_removexattr,
    removexattrat = 466,
    renameat2 = libc::SYS_renameat2,
    rt_sigaction = libc::SYS_rt_sigaction,
    rt_sigqueueinfo = libc::SYS_rt_sigqueueinfo,
    sched_getaffinity = libc::SYS_sched_getaffinity,
    sched_setaffinity = libc::SYS_sched_setaffinity,
    sched_getattr = libc::SYS_sched_getattr,
    sched_getparam = libc::SYS_sched_getparam,
    sched_getscheduler = libc::SYS_sched_getscheduler,
    sched_setattr = libc::SYS_sched_setattr,
    sched_setparam = libc::SYS_sched_setparam,
    sched_setscheduler = libc::SYS_sched_setscheduler,
    seccomp = libc::SYS_seccomp,
    setdomainname = libc::SYS_setdomainname,
    sethostname = libc::SYS_sethostname,
    setpriority = libc::SYS_setpriority,
    sendmsg = libc::SYS_sendmsg,
    setsockopt = libc::SYS_setsockopt,
    setpgid = libc::SYS_setpgid,
    setsid = libc::SYS_setsid,
    settimeofday = libc::SYS_settimeofday,
    setxattr = libc::SYS_setxattr,
    setxattrat = 463,
    socket = libc::SYS_socket,
    socketpair = libc::SYS_socketpair,
    statx = libc::SYS_statx,
    symlinkat = libc::SYS_symlinkat,
    tgkill = libc::SYS_tgkill,
    tkill = libc::SYS_tkill,
    truncate = libc::SYS_truncate,
    umount2 = libc::SYS_umount2,
    umask = libc::SYS_umask,
    uname = libc::SYS_uname,
    unlinkat = libc::SYS_unlinkat,
    utimensat = libc::SYS_utimensat,
    unshare = libc::SYS_unshare,
    write = libc::SYS_write,
}

of_table! {
    access = Access,
    chmod = Chmod,
    chown = Chown,
    chown16 = Chown16,
    clock_adjtime = ClockAdjtime64 | ClockAdjtime,
    clock_settime = ClockSettime64 | ClockSettime,
    creat = Creat,
    fchown = Fchown,
    fchown16 = Fchown16,
    fstat = Fstat64 | Fstat,
    fstatat = Fstatat64 | Newfstatat,
    futimesat = Futimesat,
    getdents = Getdents,
    getegid = Getegid,
    getegid16 = Getegid16,
    geteuid = Geteuid,
    geteuid16 = Geteuid16,
    getgid = Getgid,
    getgid16 = Getgid16,
    getgroups = Getgroups,
    getgroups16 = Getgroups16,
    getresgid = Getresgid,
    getresgid16 = Getresgid16,
    getresuid = Getresuid,
    getresuid16 = Getresuid16,
    getuid = Getuid,
    getuid16 = Getuid16,
    lchown = Lchown,
    lchown16 = Lchown16,
    link = Link,
    lstat = Lstat64 | Lstat,
    migrate_pages = MigratePages,
    mkdir = Mkdir,
    mknod = Mknod,
    newfstat = Fstat,
    newlstat = Lstat,
    newstat = Stat,
    nice = Nice,
    oldfstat = Oldfstat,
    oldlstat = Oldlstat,
    oldstat = Oldstat,
    open = Open,
    rename = Rename,
    renameat = Renameat,
    rmdir = Rmdir,
    setfsgid = Setfsgid,
    setfsgid16 = Setfsgid16,
    setfsuid = Setfsuid,
    setfsuid16 = Setfsuid16,
    setgid = Setgid,
    setgid16 = Setgid16,
    setgroups = Setgroups,
    setgroups16 = Setgroups16,
    setregid = Setregid,
    setregid16 = Setregid16,
    setresgid = Setresgid,
    setresgid16 = Setresgid16,
    setresuid = Setresuid,
    setresuid16 = Setresuid16,
    setreuid = Setreuid,
    setreuid16 = Setreuid16,
    setuid = Setuid,
    setuid16 = Setuid16,
    socketcall = Socketcall,
    stat = Stat64 | Stat,
    stime = Stime,
    symlink = Symlink,
    truncate64 = Truncate64,
    unlink = Unlink,
    utime = Utime,
    utimensat_time64 = UtimensatTime64,
    utimes = Utimes,
}

narrow_only! {
    fcntl64 = SYS_fcntl64,
    ftruncate64 = SYS_ftruncate64,
}
