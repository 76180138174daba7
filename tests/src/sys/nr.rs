//! The kernel's call numbers by name: the one place that knows which ABI has which call.
//!
//! Where a 32-bit ABI has a call in two widths, the plain name is the wide one (`chown` is
//! `chown32` there), since that is what its programs use.
#![allow(non_upper_case_globals, reason = "calls are spelled as the kernel spells them")]
#![allow(missing_docs, reason = "each constant is the number of the call of that name")]

use libc::c_long;

/// A call number, or `None` where this ABI lacks the call.
pub type Number = Option<c_long>;

macro_rules! numbers {
    ($($name:ident = $nr:expr),* $(,)?) => { $(pub const $name: Number = Some($nr as c_long);)* };
}

/// Calls that this ABI lacks.
#[allow(unused_macros, reason = "old ABIs lack none of the calls named here")]
macro_rules! absent {
    ($($name:ident),* $(,)?) => { $(pub const $name: Number = None;)* };
}

/// Calls of the first Unix tables, which newer ABIs (aarch64, riscv) never had.
macro_rules! old_abis_only {
    ($($name:ident = $nr:ident),* $(,)?) => {
        $(
            #[cfg(any(target_arch = "x86_64", target_arch = "x86", target_arch = "arm"))]
            pub const $name: Number = Some(libc::$nr as c_long);
            #[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "arm")))]
            pub const $name: Number = None;
        )*
    };
}

/// Calls which 64-bit ABIs have under one name and 32-bit ABIs under another.
macro_rules! by_width {
    ($($name:ident = $wide:ident / $narrow:ident),* $(,)?) => {
        $(
            #[cfg(target_pointer_width = "64")]
            pub const $name: Number = Some(libc::$wide as c_long);
            #[cfg(target_pointer_width = "32")]
            pub const $name: Number = Some(libc::$narrow as c_long);
        )*
    };
}

numbers! {
    accept4 = libc::SYS_accept4,
    adjtimex = libc::SYS_adjtimex,
    bind = libc::SYS_bind,
    capget = libc::SYS_capget,
    capset = libc::SYS_capset,
    chdir = libc::SYS_chdir,
    chroot = libc::SYS_chroot,
    clone = libc::SYS_clone,
    clone3 = 435,
    close = libc::SYS_close,
    dup = libc::SYS_dup,
    execve = libc::SYS_execve,
    execveat = libc::SYS_execveat,
    faccessat = libc::SYS_faccessat,
    faccessat2 = 439,
    fchdir = libc::SYS_fchdir,
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
    getpid = libc::SYS_getpid,
    pread64 = libc::SYS_pread64,
    pwrite64 = libc::SYS_pwrite64,
    wait4 = libc::SYS_wait4,
    getppid = libc::SYS_getppid,
    getsockname = libc::SYS_getsockname,
    getpriority = libc::SYS_getpriority,
    gettid = libc::SYS_gettid,
    getxattr = libc::SYS_getxattr,
    getxattrat = 464,
    io_uring_setup = libc::SYS_io_uring_setup,
    ioctl = libc::SYS_ioctl,
    ioprio_get = libc::SYS_ioprio_get,
    ioprio_set = libc::SYS_ioprio_set,
    kill = libc::SYS_kill,
    lgetxattr = libc::SYS_lgetxattr,
    linkat = libc::SYS_linkat,
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
    munlock = libc::SYS_munlock,
    munlockall = libc::SYS_munlockall,
    openat = libc::SYS_openat,
    openat2 = 437,
    pipe2 = libc::SYS_pipe2,
    prlimit64 = libc::SYS_prlimit64,
    prctl = libc::SYS_prctl,
    read = libc::SYS_read,
    readlinkat = libc::SYS_readlinkat,
    removexattr = libc::SYS_removexattr,
    removexattrat = 466,
    renameat2 = libc::SYS_renameat2,
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
    setpgid = libc::SYS_setpgid,
    setsid = libc::SYS_setsid,
    settimeofday = libc::SYS_settimeofday,
    setxattr = libc::SYS_setxattr,
    setxattrat = 463,
    socket = libc::SYS_socket,
    socketpair = libc::SYS_socketpair,
    statx = libc::SYS_statx,
    symlinkat = libc::SYS_symlinkat,
    truncate = libc::SYS_truncate,
    umask = libc::SYS_umask,
    uname = libc::SYS_uname,
    unlinkat = libc::SYS_unlinkat,
    utimensat = libc::SYS_utimensat,
    unshare = libc::SYS_unshare,
    write = libc::SYS_write,
}

by_width! {
    fchown = SYS_fchown / SYS_fchown32,
    fstatat = SYS_newfstatat / SYS_fstatat64,
    fstat = SYS_fstat / SYS_fstat64,
    getegid = SYS_getegid / SYS_getegid32,
    geteuid = SYS_geteuid / SYS_geteuid32,
    getgid = SYS_getgid / SYS_getgid32,
    getgroups = SYS_getgroups / SYS_getgroups32,
    getresgid = SYS_getresgid / SYS_getresgid32,
    getresuid = SYS_getresuid / SYS_getresuid32,
    getuid = SYS_getuid / SYS_getuid32,
    setfsgid = SYS_setfsgid / SYS_setfsgid32,
    setfsuid = SYS_setfsuid / SYS_setfsuid32,
    setgid = SYS_setgid / SYS_setgid32,
    setgroups = SYS_setgroups / SYS_setgroups32,
    setregid = SYS_setregid / SYS_setregid32,
    setresgid = SYS_setresgid / SYS_setresgid32,
    setresuid = SYS_setresuid / SYS_setresuid32,
    setreuid = SYS_setreuid / SYS_setreuid32,
    setuid = SYS_setuid / SYS_setuid32,
}

old_abis_only! {
    access = SYS_access,
    chmod = SYS_chmod,
    creat = SYS_creat,
    futimesat = SYS_futimesat,
    getdents = SYS_getdents,
    link = SYS_link,
    mkdir = SYS_mkdir,
    mknod = SYS_mknod,
    open = SYS_open,
    rename = SYS_rename,
    rmdir = SYS_rmdir,
    symlink = SYS_symlink,
    unlink = SYS_unlink,
    utimes = SYS_utimes,
}

/// `renameat` is missing on the newest ABIs (riscv) only, but `utime` and the path forms of chown
/// and stat also have their own rules per width.
macro_rules! on {
    ($($condition:meta => { $($name:ident = $nr:ident),* $(,)? })*) => {
        $($(
            #[cfg($condition)]
            pub const $name: Number = Some(libc::$nr as c_long);
            #[cfg(not($condition))]
            pub const $name: Number = None;
        )*)*
    };
}

on! {
    not(any(target_arch = "riscv64", target_arch = "loongarch64")) => { renameat = SYS_renameat }
    any(target_arch = "x86_64", target_arch = "x86") => { utime = SYS_utime }
}

#[cfg(target_arch = "x86_64")]
numbers! {
    chown = libc::SYS_chown,
    lchown = libc::SYS_lchown,
    lstat = libc::SYS_lstat,
    stat = libc::SYS_stat,
}
#[cfg(any(target_arch = "x86", target_arch = "arm"))]
numbers! {
    chown = libc::SYS_chown32,
    lchown = libc::SYS_lchown32,
    lstat = libc::SYS_lstat64,
    stat = libc::SYS_stat64,
}
#[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "arm")))]
absent! { chown, lchown, lstat, stat }
