//! Numbers: `include/uapi/asm-generic/unistd.h`, as `arch/arm64/tools/syscall_64.tbl` takes it.
//!
//! Of calls with a variant relative to a directory only that one exists.

use frng_core::call::Sys;
use syscalls::aarch64::Sysno;

/// `AUDIT_ARCH_AARCH64`: `EM_AARCH64`, 64 bits, little endian.
pub const AUDIT_ARCH: u32 = 0xc000_00b7;

// Newer than the crate's table: Linux 6.13.
const SETXATTRAT: u32 = 463;
const GETXATTRAT: u32 = 464;
const LISTXATTRAT: u32 = 465;
const REMOVEXATTRAT: u32 = 466;

/// Number and call. 16-bit forms do not exist.
pub const TABLE: &[(u32, Sys)] = &[
    // Ownership
    (Sysno::fchown as u32, Sys::Fchown),
    (Sysno::fchownat as u32, Sys::Fchownat),
    // Mode
    (Sysno::fchmod as u32, Sys::Fchmod),
    (Sysno::fchmodat as u32, Sys::Fchmodat),
    (Sysno::fchmodat2 as u32, Sys::Fchmodat2),
    (Sysno::umask as u32, Sys::Umask),
    // Questions
    (Sysno::fstat as u32, Sys::Fstat),
    (Sysno::fstatat as u32, Sys::Newfstatat),
    (Sysno::statx as u32, Sys::Statx),
    (Sysno::getdents64 as u32, Sys::Getdents64),
    // Devices
    (Sysno::mknodat as u32, Sys::Mknodat),
    (Sysno::truncate as u32, Sys::Truncate),
    (Sysno::ftruncate as u32, Sys::Ftruncate),
    // Writing
    (Sysno::write as u32, Sys::Write),
    (Sysno::pwrite64 as u32, Sys::Pwrite64),
    (Sysno::writev as u32, Sys::Writev),
    (Sysno::pwritev as u32, Sys::Pwritev),
    (Sysno::pwritev2 as u32, Sys::Pwritev2),
    (Sysno::sendfile as u32, Sys::Sendfile),
    (Sysno::splice as u32, Sys::Splice),
    (Sysno::copy_file_range as u32, Sys::CopyFileRange),
    (Sysno::fallocate as u32, Sys::Fallocate),
    (Sysno::io_submit as u32, Sys::IoSubmit),
    // Creation
    (Sysno::openat as u32, Sys::Openat),
    (Sysno::openat2 as u32, Sys::Openat2),
    (Sysno::mkdirat as u32, Sys::Mkdirat),
    (Sysno::symlinkat as u32, Sys::Symlinkat),
    (Sysno::linkat as u32, Sys::Linkat),
    (Sysno::bind as u32, Sys::Bind),
    // Lifetime
    (Sysno::unlinkat as u32, Sys::Unlinkat),
    (Sysno::renameat as u32, Sys::Renameat),
    (Sysno::renameat2 as u32, Sys::Renameat2),
    // Access
    (Sysno::faccessat as u32, Sys::Faccessat),
    (Sysno::faccessat2 as u32, Sys::Faccessat2),
    // Times
    (Sysno::utimensat as u32, Sys::Utimensat),
    // Extended attributes
    (Sysno::setxattr as u32, Sys::Setxattr),
    (Sysno::lsetxattr as u32, Sys::Lsetxattr),
    (Sysno::fsetxattr as u32, Sys::Fsetxattr),
    (SETXATTRAT, Sys::Setxattrat),
    (Sysno::getxattr as u32, Sys::Getxattr),
    (Sysno::lgetxattr as u32, Sys::Lgetxattr),
    (Sysno::fgetxattr as u32, Sys::Fgetxattr),
    (GETXATTRAT, Sys::Getxattrat),
    (Sysno::listxattr as u32, Sys::Listxattr),
    (Sysno::llistxattr as u32, Sys::Llistxattr),
    (Sysno::flistxattr as u32, Sys::Flistxattr),
    (LISTXATTRAT, Sys::Listxattrat),
    (Sysno::removexattr as u32, Sys::Removexattr),
    (Sysno::lremovexattr as u32, Sys::Lremovexattr),
    (Sysno::fremovexattr as u32, Sys::Fremovexattr),
    (REMOVEXATTRAT, Sys::Removexattrat),
    // Identity
    (Sysno::getuid as u32, Sys::Getuid),
    (Sysno::geteuid as u32, Sys::Geteuid),
    (Sysno::getgid as u32, Sys::Getgid),
    (Sysno::getegid as u32, Sys::Getegid),
    (Sysno::getresuid as u32, Sys::Getresuid),
    (Sysno::getresgid as u32, Sys::Getresgid),
    (Sysno::setuid as u32, Sys::Setuid),
    (Sysno::setgid as u32, Sys::Setgid),
    (Sysno::setreuid as u32, Sys::Setreuid),
    (Sysno::setregid as u32, Sys::Setregid),
    (Sysno::setresuid as u32, Sys::Setresuid),
    (Sysno::setresgid as u32, Sys::Setresgid),
    (Sysno::setfsuid as u32, Sys::Setfsuid),
    (Sysno::setfsgid as u32, Sys::Setfsgid),
    (Sysno::getgroups as u32, Sys::Getgroups),
    (Sysno::setgroups as u32, Sys::Setgroups),
    // Capabilities
    (Sysno::capget as u32, Sys::Capget),
    (Sysno::capset as u32, Sys::Capset),
    (Sysno::prctl as u32, Sys::Prctl),
    // Other rights of root
    (Sysno::sethostname as u32, Sys::Sethostname),
    (Sysno::setdomainname as u32, Sys::Setdomainname),
    (Sysno::settimeofday as u32, Sys::Settimeofday),
    (Sysno::clock_settime as u32, Sys::ClockSettime),
    (Sysno::adjtimex as u32, Sys::Adjtimex),
    (Sysno::clock_adjtime as u32, Sys::ClockAdjtime),
    (Sysno::mlock as u32, Sys::Mlock),
    (Sysno::mlock2 as u32, Sys::Mlock2),
    (Sysno::mlockall as u32, Sys::Mlockall),
    (Sysno::setrlimit as u32, Sys::Setrlimit),
    (Sysno::prlimit64 as u32, Sys::Prlimit64),
    (Sysno::ioctl as u32, Sys::Ioctl),
    // Scheduling
    (Sysno::setpriority as u32, Sys::Setpriority),
    (Sysno::getpriority as u32, Sys::Getpriority),
    (Sysno::sched_setscheduler as u32, Sys::SchedSetscheduler),
    (Sysno::sched_getscheduler as u32, Sys::SchedGetscheduler),
    (Sysno::sched_setparam as u32, Sys::SchedSetparam),
    (Sysno::sched_getparam as u32, Sys::SchedGetparam),
    (Sysno::sched_setattr as u32, Sys::SchedSetattr),
    (Sysno::sched_getattr as u32, Sys::SchedGetattr),
    (Sysno::ioprio_set as u32, Sys::IoprioSet),
    (Sysno::ioprio_get as u32, Sys::IoprioGet),
    // Namespaces
    (Sysno::unshare as u32, Sys::Unshare),
    (Sysno::setns as u32, Sys::Setns),
    (Sysno::chroot as u32, Sys::Chroot),
    // Another root, mounts
    (Sysno::pivot_root as u32, Sys::PivotRoot),
    (Sysno::chdir as u32, Sys::Chdir),
    (Sysno::fchdir as u32, Sys::Fchdir),
    (Sysno::getcwd as u32, Sys::Getcwd),
    (Sysno::readlinkat as u32, Sys::Readlinkat),
    (Sysno::statfs as u32, Sys::Statfs),
    (Sysno::connect as u32, Sys::Connect),
    (Sysno::sendto as u32, Sys::Sendto),
    (Sysno::sendmsg as u32, Sys::Sendmsg),
    (Sysno::kill as u32, Sys::Kill),
    (Sysno::tkill as u32, Sys::Tkill),
    (Sysno::tgkill as u32, Sys::Tgkill),
    (Sysno::rt_sigqueueinfo as u32, Sys::RtSigqueueinfo),
    (Sysno::rt_tgsigqueueinfo as u32, Sys::RtTgsigqueueinfo),
    (Sysno::pidfd_send_signal as u32, Sys::PidfdSendSignal),
    (Sysno::process_vm_readv as u32, Sys::ProcessVmReadv),
    (Sysno::process_vm_writev as u32, Sys::ProcessVmWritev),
    (Sysno::pidfd_getfd as u32, Sys::PidfdGetfd),
    (Sysno::kcmp as u32, Sys::Kcmp),
    (Sysno::get_robust_list as u32, Sys::GetRobustList),
    (Sysno::move_pages as u32, Sys::MovePages),
    (Sysno::migrate_pages as u32, Sys::MigratePages),
    (Sysno::perf_event_open as u32, Sys::PerfEventOpen),
    (Sysno::process_madvise as u32, Sys::ProcessMadvise),
    (Sysno::sched_setaffinity as u32, Sys::SchedSetaffinity),
    (Sysno::sched_getaffinity as u32, Sys::SchedGetaffinity),
    (Sysno::recvmsg as u32, Sys::Recvmsg),
    (Sysno::getsockopt as u32, Sys::Getsockopt),
    (Sysno::listen as u32, Sys::Listen),
    (Sysno::socket as u32, Sys::Socket),
    (Sysno::getsockname as u32, Sys::Getsockname),
    (Sysno::getpeername as u32, Sys::Getpeername),
    (Sysno::inotify_add_watch as u32, Sys::InotifyAddWatch),
    (Sysno::name_to_handle_at as u32, Sys::NameToHandleAt),
    (Sysno::mount as u32, Sys::Mount),
    (Sysno::umount2 as u32, Sys::Umount2),
    (Sysno::fsopen as u32, Sys::Fsopen),
    (Sysno::open_tree as u32, Sys::OpenTree),
    (Sysno::move_mount as u32, Sys::MoveMount),
    (Sysno::fspick as u32, Sys::Fspick),
    (Sysno::mount_setattr as u32, Sys::MountSetattr),
    // What would go around us
    (Sysno::seccomp as u32, Sys::Seccomp),
    (Sysno::io_uring_setup as u32, Sys::IoUringSetup),
    (Sysno::io_uring_enter as u32, Sys::IoUringEnter),
    (Sysno::io_uring_register as u32, Sys::IoUringRegister),
    // New threads and processes
    (Sysno::clone as u32, Sys::Clone),
    (Sysno::clone3 as u32, Sys::Clone3),
    // Tracers among the programs
    (Sysno::ptrace as u32, Sys::Ptrace),
    (Sysno::wait4 as u32, Sys::Wait4),
    (Sysno::waitid as u32, Sys::Waitid),
    // Issued by the policy itself
    (Sysno::close as u32, Sys::Close),
    (Sysno::fcntl as u32, Sys::Fcntl),
    (Sysno::dup3 as u32, Sys::Dup3),
    (Sysno::gettid as u32, Sys::Gettid),
    (Sysno::ppoll as u32, Sys::Ppoll),
    (Sysno::mmap as u32, Sys::Mmap),
    (Sysno::msync as u32, Sys::Msync),
    (Sysno::sync as u32, Sys::Sync),
    (Sysno::syncfs as u32, Sys::Syncfs),
    (Sysno::fsync as u32, Sys::Fsync),
    (Sysno::fdatasync as u32, Sys::Fdatasync),
    (Sysno::sync_file_range2 as u32, Sys::SyncFileRange),
    (Sysno::execve as u32, Sys::Execve),
    (Sysno::execveat as u32, Sys::Execveat),
];

#[cfg(test)]
mod tests {
    use super::*;
    use frng_core::call::table::ROWS;
    use std::format;

    /// Calls of the first Unix tables.
    const NONE: &[Sys] = &[
        Sys::Readlink,
        Sys::Chown,
        Sys::Lchown,
        Sys::Chmod,
        Sys::Stat,
        Sys::Lstat,
        Sys::Getdents,
        Sys::Mknod,
        Sys::Open,
        Sys::Creat,
        Sys::Mkdir,
        Sys::Symlink,
        Sys::Link,
        Sys::Unlink,
        Sys::Rmdir,
        Sys::Rename,
        Sys::Access,
        Sys::Utime,
        Sys::Utimes,
        Sys::Futimesat,
    ];

    /// Calls that only 32-bit ABIs have, the 16-bit forms aside.
    const NARROW: &[Sys] = &[
        Sys::Stat64,
        Sys::Lstat64,
        Sys::Fstat64,
        Sys::Fstatat64,
        Sys::Oldstat,
        Sys::Oldlstat,
        Sys::Oldfstat,
        Sys::Truncate64,
        Sys::Ftruncate64,
        Sys::Sendfile64,
        Sys::Socketcall,
        Sys::UtimensatTime64,
        Sys::Stime,
        Sys::ClockSettime64,
        Sys::ClockAdjtime64,
        Sys::Nice,
        Sys::Statfs64,
        Sys::Mmap2,
        Sys::Umount,
        Sys::Waitpid,
    ];

    #[test]
    fn every_call_has_one_number_but_for_old_and_16_bit_forms() {
        for row in ROWS {
            let absent =
                NONE.contains(&row.sys) || NARROW.contains(&row.sys) || format!("{:?}", row.sys).ends_with("16");
            assert_eq!(TABLE.iter().filter(|(_, sys)| *sys == row.sys).count(), usize::from(!absent), "{:?}", row.sys);
        }
    }

    #[test]
    fn every_number_has_one_call_and_its_name() {
        for (number, sys) in TABLE {
            assert_eq!(TABLE.iter().filter(|(other, _)| other == number).count(), 1, "{number}");
            if let Some(known) = Sysno::new(*number as usize) {
                let name = match known {
                    Sysno::fstatat => "newfstatat",
                    // The crate has the name of other CPUs, whose arguments have another order.
                    Sysno::sync_file_range2 => "sync_file_range",
                    _ => known.name(),
                };
                assert_eq!(name, sys.row().name);
            }
        }
    }
}
