//! An engine without a tracer: the fooled program and its policy are the same thread. What it shows is that the
//! policy needs nothing but the kernel; its tests see what a call costs.

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use frng_core::arch::{Abi, BOOTSTRAP_MAX, Registers, StatBytes, TrampolineLayout};
use frng_core::call::{Call, FileRef, Sys, TraceeAddr, table};
use frng_core::creds::{Creds, Ids};
use frng_core::errno::Errno;
use frng_core::inode::InodeId;
use frng_core::policy::{Answer, NullPaths, Process, SCRATCH_LEN, Schedule, Settings, Tracee, UnknownOwner};
use frng_core::stat::{STATX_WANTED, Statx};
use frng_core::state::Table;
use zerocopy::{FromZeros, IntoBytes};

/// The user that tests run as who are started by root.
const NOBODY: u32 = 54321;

/// A thread that believes it is root.
pub struct Fooled {
    lies: Table,
    settings: Settings,
    creds: Cell<Creds>,
    groups: RefCell<Vec<u32>>,
    process: Cell<Process>,
    schedule: Cell<Schedule>,
    scratch: RefCell<Box<[u8; SCRATCH_LEN]>>,
    /// Calls that the handlers issued; each would be a stop.
    issued: Cell<usize>,
    directory: tempfile::TempDir,
}

impl Fooled {
    /// Takes root's rights from this thread (and only this one), and goes to an empty directory.
    pub fn new() -> Fooled {
        let directory = tempfile::tempdir().expect("a directory for temporary files");
        // SAFETY: plain system calls; the paths are terminated strings. The raw calls change the credentials of this
        // thread only, unshare gives it a working directory and a umask of its own.
        unsafe {
            if libc::geteuid() == 0 {
                std::os::unix::fs::chown(directory.path(), Some(NOBODY), Some(NOBODY)).expect("chown");
                assert_eq!(libc::syscall(libc::SYS_setgroups, 0, 0), 0);
                assert_eq!(libc::syscall(libc::SYS_setresgid, NOBODY, NOBODY, NOBODY), 0);
                assert_eq!(libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY), 0);
            }
            assert_eq!(libc::unshare(libc::CLONE_FS), 0);
            libc::umask(0o022);
        }
        std::env::set_current_dir(directory.path()).expect("chdir");
        // SAFETY: plain system calls.
        let (real_uid, real_gid) = unsafe { (libc::geteuid(), libc::getegid()) };
        Fooled {
            lies: Table::anonymous().expect("a table"),
            settings: Settings {
                unknown: UnknownOwner::OwnAsRoot,
                real_uid,
                real_gid,
                last_cap: 40,
                null_paths: NullPaths::Taken,
                protected_hardlinks: true,
                protected: Default::default(),
                proc_device: 0,
            },
            creds: Cell::new(Creds::root(40)),
            groups: RefCell::default(),
            process: Cell::new(Process { umask: 0o022, dumpable: 1 }),
            schedule: Cell::default(),
            scratch: RefCell::new(Box::new([0xaa; SCRATCH_LEN])),
            issued: Cell::new(0),
            directory,
        }
    }

    /// What a program gets that makes this call.
    pub fn call(&self, sys: Sys, args: [u64; 6]) -> Result<u64, Errno> {
        self.issued.set(0);
        self.scratch.borrow_mut().fill(0xaa);
        let call = Call { sys, args };
        match at_once(table::dispatch(self, &call))? {
            Answer::Value(value) => Ok(value),
            Answer::Pass => issue(sys, args),
        }
    }

    /// How many calls the last handler issued.
    pub fn issued(&self) -> usize {
        self.issued.get()
    }

    /// Becomes this faked user, without capabilities, in this group.
    pub fn become_user(&self, uid: u32, gid: u32) {
        let mut creds = Creds::root(40);
        creds.uid = Ids::all(uid);
        creds.gid = Ids::all(gid);
        creds.caps.effective = 0;
        self.creds.set(creds);
    }

    /// What newfstatat shows.
    pub fn lstat(&self, path: &CStr) -> Result<libc::stat, Errno> {
        // SAFETY: all bytes 0 are a stat structure.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        let buffer = &raw mut stat as u64;
        self.call(Sys::Newfstatat, at(path, [buffer, libc::AT_SYMLINK_NOFOLLOW as u64]))?;
        Ok(stat)
    }

    /// Owner, group and mode, as `0:0 100644`.
    pub fn seen(&self, path: &CStr) -> String {
        match self.lstat(path) {
            Ok(stat) => format!("{}:{} {:o}", stat.st_uid, stat.st_gid, stat.st_mode),
            Err(error) => error.to_string(),
        }
    }

    /// The same of an open file.
    pub fn seen_open(&self, fd: u64) -> String {
        // SAFETY: all bytes 0 are a stat structure.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        self.call(Sys::Fstat, [fd, &raw mut stat as u64, 0, 0, 0, 0]).expect("fstat");
        format!("{}:{} {:o}", stat.st_uid, stat.st_gid, stat.st_mode)
    }

    /// What the kernel tells.
    fn real(&self, path: &CStr) -> Statx {
        let path = TraceeAddr(path.as_ptr() as u64);
        let file = FileRef { dirfd: libc::AT_FDCWD, path, flags: libc::AT_SYMLINK_NOFOLLOW };
        at_once(self.stat(file)).expect("statx")
    }

    /// Type and permission bits on disk.
    pub fn on_disk(&self, path: &CStr) -> u32 {
        self.real(path).mode.into()
    }

    /// The inode.
    pub fn id(&self, path: &CStr) -> InodeId {
        self.real(path).id()
    }

    /// chown, not following.
    pub fn chown(&self, path: &CStr, uid: u32, gid: u32) -> Result<u64, Errno> {
        self.call(Sys::Fchownat, at(path, [uid.into(), gid.into(), libc::AT_SYMLINK_NOFOLLOW as u64]))
    }

    /// chmod.
    pub fn chmod(&self, path: &CStr, mode: u32) -> Result<u64, Errno> {
        self.call(Sys::Fchmodat, at(path, [mode.into()]))
    }

    /// mkdir.
    pub fn mkdir(&self, path: &CStr, mode: u32) -> Result<u64, Errno> {
        self.call(Sys::Mkdirat, at(path, [mode.into()]))
    }

    /// mknod.
    pub fn mknod(&self, path: &CStr, mode: u32, dev: u64) -> Result<u64, Errno> {
        self.call(Sys::Mknodat, at(path, [mode.into(), dev]))
    }

    /// open.
    pub fn open(&self, path: &CStr, flags: i32, mode: u32) -> Result<u64, Errno> {
        self.call(Sys::Openat, at(path, [flags as u64, mode.into()]))
    }

    /// Makes an empty file.
    pub fn file(&self, path: &CStr) {
        self.close(self.open(path, libc::O_CREAT | libc::O_WRONLY, 0o644).expect("open"));
    }

    /// close.
    pub fn close(&self, fd: u64) {
        issue(Sys::Close, [fd, 0, 0, 0, 0, 0]).expect("close");
    }

    /// symlink.
    pub fn symlink(&self, text: &CStr, path: &CStr) -> Result<u64, Errno> {
        self.call(Sys::Symlinkat, [text.as_ptr() as u64, libc::AT_FDCWD as u64, path.as_ptr() as u64, 0, 0, 0])
    }

    /// unlink.
    pub fn unlink(&self, path: &CStr, flags: i32) -> Result<u64, Errno> {
        self.call(Sys::Unlinkat, at(path, [flags as u64]))
    }

    /// renameat2.
    pub fn rename(&self, from: &CStr, to: &CStr, flags: u32) -> Result<u64, Errno> {
        self.call(Sys::Renameat2, at(from, [libc::AT_FDCWD as u64, to.as_ptr() as u64, flags.into()]))
    }
}

/// The arguments of a call that starts with a directory and a path.
pub fn at<const N: usize>(path: &CStr, rest: [u64; N]) -> [u64; 6] {
    let mut args = [0; 6];
    args[0] = libc::AT_FDCWD as u64;
    args[1] = path.as_ptr() as u64;
    args[2..2 + N].copy_from_slice(&rest);
    args
}

/// Runs a future that never waits.
pub fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a handler waits for nothing"),
    }
}

/// Makes a call of this thread without any policy.
pub fn issue(sys: Sys, args: [u64; 6]) -> Result<u64, Errno> {
    let number = Host.number(sys).ok_or(Errno::ENOSYS)?;
    let [a, b, c, d, e, f] = args;
    // SAFETY: the tests pass addresses of live buffers, or such as the kernel refuses.
    let result = unsafe { libc::syscall(number.into(), a, b, c, d, e, f) };
    if result == -1 {
        Err(Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)))
    } else {
        Ok(result as u64)
    }
}

impl Tracee for Fooled {
    type Lies = Table;

    fn abi(&self) -> &dyn Abi {
        &Host
    }

    fn lies(&self) -> &Table {
        &self.lies
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn creds(&self) -> Creds {
        self.creds.get()
    }

    fn set_creds(&self, creds: Creds) {
        self.creds.set(creds);
    }

    fn group_count(&self) -> usize {
        self.groups.borrow().len()
    }

    fn group(&self, index: usize) -> Option<u32> {
        self.groups.borrow().get(index).copied()
    }

    fn set_groups(&self, count: usize, id: &mut dyn FnMut(usize) -> Result<u32, Errno>) -> Result<(), Errno> {
        let mut groups = (0..count).map(id).collect::<Result<Vec<u32>, Errno>>()?;
        groups.sort_unstable();
        self.groups.replace(groups);
        Ok(())
    }

    fn process(&self) -> Process {
        self.process.get()
    }

    fn set_process(&self, process: Process) {
        self.process.set(process);
    }

    fn schedule(&self, tid: i32) -> Option<Schedule> {
        // SAFETY: a plain system call.
        (tid == 0 || tid == unsafe { libc::gettid() }).then(|| self.schedule.get())
    }

    fn realtime_utilization(&self) -> u32 {
        0
    }

    fn set_schedule(&self, _: i32, schedule: Schedule) {
        self.schedule.set(schedule);
    }

    async fn syscall(&self, sys: Sys, args: [u64; 6]) -> Result<u64, Errno> {
        self.issued.set(self.issued.get() + 1);
        issue(sys, args)
    }

    async fn stat(&self, file: FileRef) -> Result<Statx, Errno> {
        let mut statx = Statx::new_zeroed();
        let path = if file.is_descriptor() { self.empty_path() } else { file.path };
        let buffer = statx.as_mut_bytes().as_mut_ptr() as u64;
        issue(Sys::Statx, [file.dirfd as u64, path.0, file.flags as u64, STATX_WANTED.into(), buffer, 0])?;
        Ok(statx)
    }

    fn paths_changed(&self) {}
    fn next_child_apart(&self) {}
    fn next_child_untraced(&self, _untraced: bool) {}

    fn read(&self, from: TraceeAddr, to: &mut [u8]) -> Result<(), Errno> {
        let len = to.len();
        if self.read_some(from, to)? == len { Ok(()) } else { Err(Errno::EFAULT) }
    }

    fn read_some(&self, from: TraceeAddr, to: &mut [u8]) -> Result<usize, Errno> {
        copy(libc::SYS_process_vm_readv, to.as_mut_ptr() as u64, from.0, to.len())
    }

    fn write(&self, to: TraceeAddr, from: &[u8]) -> Result<(), Errno> {
        let done = copy(libc::SYS_process_vm_writev, from.as_ptr() as u64, to.0, from.len())?;
        if done == from.len() { Ok(()) } else { Err(Errno::EFAULT) }
    }

    fn scratch(&self) -> Result<TraceeAddr, Errno> {
        Ok(TraceeAddr(self.scratch.borrow_mut().as_mut_ptr() as u64))
    }

    fn empty_path(&self) -> TraceeAddr {
        TraceeAddr(c"".as_ptr() as u64)
    }
}

impl Drop for Fooled {
    fn drop(&mut self) {
        // It may have directories that only the fake root could enter.
        let _ = std::fs::remove_dir_all(self.directory.path());
    }
}

/// Copies this process' own memory in a way that survives bad addresses.
fn copy(number: libc::c_long, local: u64, remote: u64, len: usize) -> Result<usize, Errno> {
    let (local, remote) = ([local, len as u64], [remote, len as u64]);
    // SAFETY: `local` is a live buffer of the caller, `remote` is checked by the kernel.
    let done =
        unsafe { libc::syscall(number, libc::getpid(), &raw const local, 1_u64, &raw const remote, 1_u64, 0_u64) };
    usize::try_from(done).map_err(|_| Errno::EFAULT)
}

/// The calling convention of the CPU that the tests run on, as far as they use it.
struct Host;

const NUMBERS: &[(u32, Sys)] = &[
    (libc::SYS_openat as u32, Sys::Openat),
    (libc::SYS_openat2 as u32, Sys::Openat2),
    (libc::SYS_close as u32, Sys::Close),
    (libc::SYS_fcntl as u32, Sys::Fcntl),
    (libc::SYS_readlinkat as u32, Sys::Readlinkat),
    (libc::SYS_newfstatat as u32, Sys::Newfstatat),
    (libc::SYS_fstat as u32, Sys::Fstat),
    (libc::SYS_statx as u32, Sys::Statx),
    (libc::SYS_fchownat as u32, Sys::Fchownat),
    (libc::SYS_fchown as u32, Sys::Fchown),
    (libc::SYS_fchmodat as u32, Sys::Fchmodat),
    (libc::SYS_fchmodat2 as u32, Sys::Fchmodat2),
    (libc::SYS_fchmod as u32, Sys::Fchmod),
    (libc::SYS_umask as u32, Sys::Umask),
    (libc::SYS_mknodat as u32, Sys::Mknodat),
    (libc::SYS_truncate as u32, Sys::Truncate),
    (libc::SYS_mkdirat as u32, Sys::Mkdirat),
    (libc::SYS_symlinkat as u32, Sys::Symlinkat),
    (libc::SYS_linkat as u32, Sys::Linkat),
    (libc::SYS_bind as u32, Sys::Bind),
    (libc::SYS_unlinkat as u32, Sys::Unlinkat),
    (libc::SYS_renameat2 as u32, Sys::Renameat2),
    (libc::SYS_setxattr as u32, Sys::Setxattr),
    (libc::SYS_lsetxattr as u32, Sys::Lsetxattr),
    (libc::SYS_fsetxattr as u32, Sys::Fsetxattr),
    (libc::SYS_getxattr as u32, Sys::Getxattr),
    (libc::SYS_lgetxattr as u32, Sys::Lgetxattr),
    (libc::SYS_fgetxattr as u32, Sys::Fgetxattr),
    (libc::SYS_listxattr as u32, Sys::Listxattr),
    (libc::SYS_llistxattr as u32, Sys::Llistxattr),
    (libc::SYS_flistxattr as u32, Sys::Flistxattr),
    (libc::SYS_removexattr as u32, Sys::Removexattr),
    (libc::SYS_lremovexattr as u32, Sys::Lremovexattr),
    (libc::SYS_fremovexattr as u32, Sys::Fremovexattr),
    (libc::SYS_faccessat as u32, Sys::Faccessat),
    (libc::SYS_faccessat2 as u32, Sys::Faccessat2),
    (libc::SYS_utimensat as u32, Sys::Utimensat),
    (libc::SYS_getdents64 as u32, Sys::Getdents64),
    (libc::SYS_seccomp as u32, Sys::Seccomp),
    (libc::SYS_clock_settime as u32, Sys::ClockSettime),
    (libc::SYS_settimeofday as u32, Sys::Settimeofday),
    (libc::SYS_adjtimex as u32, Sys::Adjtimex),
    (libc::SYS_setpriority as u32, Sys::Setpriority),
    (libc::SYS_getpriority as u32, Sys::Getpriority),
    (libc::SYS_sched_setscheduler as u32, Sys::SchedSetscheduler),
    (libc::SYS_sched_getscheduler as u32, Sys::SchedGetscheduler),
    (libc::SYS_sched_setparam as u32, Sys::SchedSetparam),
    (libc::SYS_sched_getparam as u32, Sys::SchedGetparam),
    (libc::SYS_sched_setattr as u32, Sys::SchedSetattr),
    (libc::SYS_sched_getattr as u32, Sys::SchedGetattr),
    (libc::SYS_ioprio_set as u32, Sys::IoprioSet),
    (libc::SYS_ioprio_get as u32, Sys::IoprioGet),
    (libc::SYS_mlock as u32, Sys::Mlock),
    (libc::SYS_mlockall as u32, Sys::Mlockall),
    (libc::SYS_msync as u32, Sys::Msync),
    (libc::SYS_gettid as u32, Sys::Gettid),
    (libc::SYS_prlimit64 as u32, Sys::Prlimit64),
    (libc::SYS_ioctl as u32, Sys::Ioctl),
    // Not in libc yet; the same on every CPU.
    (463, Sys::Setxattrat),
    (464, Sys::Getxattrat),
    (465, Sys::Listxattrat),
    (466, Sys::Removexattrat),
];

impl Abi for Host {
    fn name(&self) -> &'static str {
        "host"
    }

    fn numbers(&self) -> &'static [(u32, Sys)] {
        NUMBERS
    }

    fn word_len(&self) -> usize {
        size_of::<usize>()
    }

    fn encode_stat(&self, _: Sys, statx: &Statx, out: &mut StatBytes) -> Result<usize, Errno> {
        // SAFETY: all bytes 0 are a stat structure.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        stat.st_uid = statx.uid;
        stat.st_gid = statx.gid;
        stat.st_mode = statx.mode.into();
        stat.st_nlink = statx.nlink.into();
        stat.st_ino = statx.ino;
        stat.st_rdev = statx.rdev();
        stat.st_size = statx.size as i64;
        let len = size_of::<libc::stat>();
        // SAFETY: both are as long as a stat structure, which is plain data.
        unsafe { std::ptr::copy_nonoverlapping((&raw const stat).cast::<u8>(), out[..len].as_mut_ptr(), len) };
        Ok(len)
    }

    fn audit_arch(&self) -> u32 {
        unreachable!("nobody traces")
    }

    fn registers_len(&self) -> usize {
        unreachable!("nobody traces")
    }

    fn pc(&self, _: &Registers) -> u64 {
        unreachable!("nobody traces")
    }

    fn set_pc(&self, _: &mut Registers, _: u64) {
        unreachable!("nobody traces")
    }

    fn sp(&self, _: &Registers) -> u64 {
        unreachable!("nobody traces")
    }

    fn set_result(&self, _: &mut Registers, _: u64) {
        unreachable!("nobody traces")
    }

    fn replace_call(&self, _: &mut Registers, _: u32, _: [u64; 6]) {
        unreachable!("nobody traces")
    }

    fn prepare_call(&self, _: &mut Registers, _: u64, _: u32, _: [u64; 6]) {
        unreachable!("nobody traces")
    }

    fn rewind_call(&self, _: &mut Registers, _: u32, _: [u64; 6]) {
        unreachable!("nobody traces")
    }

    fn settle(&self, _: &mut Registers) {
        unreachable!("nobody traces")
    }

    fn trampoline_address(&self) -> u64 {
        unreachable!("nobody traces")
    }

    fn trampoline_code(&self) -> &'static [u8] {
        unreachable!("nobody traces")
    }

    fn trampoline_return(&self) -> u64 {
        unreachable!("nobody traces")
    }

    fn bootstrap_code(&self, _: &TrampolineLayout, _: &mut [u8; BOOTSTRAP_MAX]) -> usize {
        unreachable!("nobody traces")
    }
}
