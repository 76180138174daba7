//! Capturing: a call of a tracee, and inodes through every call that tells of them. Has to run as root: what is captured
//! has owners and device numbers that fill their fields.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::{Bytes, Call, Golden, Inode};

/// Captures everything. `headers` are lines of a name and its number.
///
/// # Errors
/// What went wrong, in one line.
pub fn all(headers: &str) -> Result<Golden, String> {
    let numbers = numbers(headers)?;
    let (machine, kernel) = system()?;
    let call = call(number(&numbers, "fchownat")?).map_err(|error| format!("a traced call: {error}"))?;
    let inodes = inodes(&numbers).map_err(|error| format!("inodes: {error}"))?;
    Ok(Golden { machine, kernel, numbers, call, inodes })
}

fn numbers(headers: &str) -> Result<BTreeMap<String, u32>, String> {
    let line = |line: &str| {
        let (name, number) = line.split_once(' ')?;
        Some((name.to_owned(), number.trim().parse().ok()?))
    };
    headers.lines().map(|text| line(text).ok_or_else(|| format!("not a name and a number: {text:?}"))).collect()
}

fn number(numbers: &BTreeMap<String, u32>, name: &str) -> Result<u32, String> {
    numbers.get(name).copied().ok_or_else(|| format!("the headers have no {name}"))
}

fn system() -> Result<(String, String), String> {
    // SAFETY: the structure holds characters only; all zeros is a value of it, and uname fills it.
    let mut name: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: `name` is live.
    if unsafe { libc::uname(&raw mut name) } != 0 {
        return Err("uname fails".into());
    }
    // SAFETY: the kernel terminates both.
    let text = |field: *const libc::c_char| unsafe { CStr::from_ptr(field) }.to_string_lossy().into_owned();
    Ok((text(name.machine.as_ptr()), text(name.release.as_ptr())))
}

fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A child issues `fchownat` with six different arguments, of which the first is a bad descriptor.
fn call(fchownat: u32) -> io::Result<Call> {
    let args: [usize; 6] = std::array::from_fn(|index| 0x0102_0304 + index * 0x0010_0501);
    // SAFETY: this process has one thread; the child only issues system calls.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: plain system calls; no argument is a valid address, the first one no descriptor.
        unsafe {
            libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
            libc::raise(libc::SIGSTOP);
            libc::syscall(fchownat as libc::c_long, args[0], args[1], args[2], args[3], args[4], args[5]);
            libc::_exit(0);
        }
    }
    let seen = watch(child, fchownat);
    // SAFETY: a child of ours that is not reaped yet.
    unsafe {
        libc::kill(child, libc::SIGKILL);
        libc::waitpid(child, std::ptr::null_mut(), 0);
    }
    seen
}

fn watch(child: i32, fchownat: u32) -> io::Result<Call> {
    stopped(child)?;
    request(libc::PTRACE_SETOPTIONS as _, child, 0, libc::PTRACE_O_TRACESYSGOOD as usize)?;
    let (entry, info) = loop {
        request(libc::PTRACE_SYSCALL as _, child, 0, 0)?;
        stopped(child)?;
        let info = syscall_info(child)?;
        // SAFETY: `op` says which member of the union the kernel has filled.
        if info.op == libc::PTRACE_SYSCALL_INFO_ENTRY && unsafe { info.u.entry.nr } == u64::from(fchownat) {
            break (registers(child)?, info);
        }
    };
    request(libc::PTRACE_SYSCALL as _, child, 0, 0)?;
    stopped(child)?;
    let after = syscall_info(child)?;
    let exit = registers(child)?;
    let mut instruction = [0; 8];
    let memory = fs::File::open(format!("/proc/{child}/mem"))?;
    std::os::unix::fs::FileExt::read_exact_at(&memory, &mut instruction, info.instruction_pointer - 8)?;
    // SAFETY: the first stop was at an entry, the second one is at its exit.
    let (number, args, result) = unsafe { (info.u.entry.nr, info.u.entry.args, after.u.exit.sval) };
    Ok(Call {
        number,
        args,
        pc: info.instruction_pointer,
        sp: info.stack_pointer,
        instruction: Bytes(instruction.to_vec()),
        entry: Bytes(entry),
        exit: Bytes(exit),
        result,
    })
}

fn stopped(child: i32) -> io::Result<()> {
    let mut status = 0;
    // SAFETY: `status` is live.
    checked(unsafe { libc::waitpid(child, &raw mut status, 0) } as libc::c_long)?;
    if libc::WIFSTOPPED(status) { Ok(()) } else { Err(io::Error::other("the child has ended")) }
}

fn request(request: libc::c_uint, child: i32, addr: usize, data: usize) -> io::Result<()> {
    // SAFETY: callers pass plain numbers, or the address of a live buffer of the length the request is told.
    checked(unsafe { libc::ptrace(request as _, child, addr, data) }).map(|_| ())
}

fn syscall_info(child: i32) -> io::Result<libc::ptrace_syscall_info> {
    // SAFETY: the structure holds integers only; all zeros is a value of it.
    let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
    request(libc::PTRACE_GET_SYSCALL_INFO as _, child, size_of_val(&info), &raw mut info as usize)?;
    Ok(info)
}

fn registers(child: i32) -> io::Result<Vec<u8>> {
    /// `NT_PRSTATUS` (`include/uapi/linux/elf.h`).
    const NT_PRSTATUS: usize = 1;
    let mut bytes = vec![0u8; 1024];
    let mut iov = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    request(libc::PTRACE_GETREGSET as _, child, NT_PRSTATUS, &raw mut iov as usize)?;
    bytes.truncate(iov.iov_len);
    Ok(bytes)
}

/// Which arguments a call that fills a `struct stat` takes.
#[derive(Clone, Copy)]
enum Form {
    Path,
    Descriptor,
    At,
}

/// Every such call of any CPU, and whether it follows a link.
const STATS: &[(&str, Form)] = &[
    ("oldstat", Form::Path),
    ("oldlstat", Form::Path),
    ("oldfstat", Form::Descriptor),
    ("stat", Form::Path),
    ("lstat", Form::Path),
    ("fstat", Form::Descriptor),
    ("stat64", Form::Path),
    ("lstat64", Form::Path),
    ("fstat64", Form::Descriptor),
    ("newfstatat", Form::At),
    ("fstatat64", Form::At),
];

fn inodes(numbers: &BTreeMap<String, u32>) -> io::Result<Vec<Inode>> {
    let place = Place::new()?;
    let file = place.0.join("file");
    fs::write(&file, vec![0; 123_456])?;
    fs::hard_link(&file, place.0.join("second"))?;
    let device = place.0.join("device");
    let name = c_path(&device);
    // SAFETY: a terminated string.
    checked(unsafe { libc::mknod(name.as_ptr(), libc::S_IFCHR | 0o600, libc::makedev(0x123, 0x45678)) }.into())?;
    let mut inodes = Vec::new();
    for (what, path, mode) in [
        ("a file of 123456 bytes with two names, set-user-ID", file, 0o4751),
        ("a character device 0x123:0x45678", device, 0o2640),
        ("a directory", place.0.join("directory"), 0o1777),
    ] {
        if !path.exists() {
            fs::create_dir(&path)?;
        }
        std::os::unix::fs::chown(&path, Some(0x0012_3456), Some(0x0065_4321))?;
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        let name = c_path(&path);
        let times = [
            libc::timespec { tv_sec: 1_111_111_111, tv_nsec: 123_456_789 },
            libc::timespec { tv_sec: 1_222_222_222, tv_nsec: 987_654_321 },
        ];
        // SAFETY: a terminated string and two times.
        checked(unsafe { libc::utimensat(libc::AT_FDCWD, name.as_ptr(), times.as_ptr(), 0) }.into())?;
        inodes.push(inode(what, &name, numbers)?);
    }
    Ok(inodes)
}

fn inode(what: &str, path: &CStr, numbers: &BTreeMap<String, u32>) -> io::Result<Inode> {
    let mut statx = [0u8; 256];
    // SAFETY: a terminated string and a buffer of the length of a struct statx.
    let statx_result = unsafe {
        let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
        libc::statx(libc::AT_FDCWD, path.as_ptr(), libc::AT_SYMLINK_NOFOLLOW, mask, statx.as_mut_ptr().cast())
    };
    checked(statx_result.into())?;
    let mut stats = BTreeMap::new();
    for (name, form) in STATS {
        let Some(number) = numbers.get(*name) else { continue };
        // What the kernel leaves alone differs between the two.
        let (Ok(first), Ok(second)) = (stat(*number, *form, path, 0xaa), stat(*number, *form, path, 0x55)) else {
            eprintln!("frng-golden: {name} of {what} fails: {}", io::Error::last_os_error());
            continue;
        };
        let len = first.iter().zip(&second).rposition(|(a, b)| a == b).map_or(0, |last| last + 1);
        stats.insert((*name).to_owned(), Bytes(first[..len].to_vec()));
    }
    Ok(Inode { what: what.to_owned(), statx: Bytes(statx.to_vec()), stats })
}

fn stat(number: u32, form: Form, path: &CStr, filler: u8) -> io::Result<[u8; 512]> {
    let mut out = [filler; 512];
    let number = number as libc::c_long;
    // SAFETY: a terminated string; the buffer is longer than any struct stat.
    unsafe {
        let buffer = out.as_mut_ptr();
        let result = match form {
            Form::Path => libc::syscall(number, path.as_ptr(), buffer),
            Form::At => libc::syscall(number, libc::AT_FDCWD, path.as_ptr(), buffer, libc::AT_SYMLINK_NOFOLLOW),
            Form::Descriptor => {
                let fd = libc::open(path.as_ptr(), libc::O_PATH);
                let result = libc::syscall(number, fd, buffer);
                libc::close(fd);
                result
            }
        };
        checked(result)?;
    }
    Ok(out)
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}

/// A directory that goes away.
struct Place(PathBuf);

impl Place {
    fn new() -> io::Result<Place> {
        let path = std::env::temp_dir().join(format!("frng-golden-{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Place(path))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
