//! Memory shared by the daemon and its tracees: files without a name.

pub(crate) mod full_disk;

use std::ffi::{CStr, CString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

/// How to mend a directory that cannot be used.
const OTHER_DIRECTORY: &str =
    "set FAKEROOT_TMPDIR to a directory on a filesystem that is writable and not mounted noexec";

/// A part of a file in this process's memory, shared with whoever else maps it.
pub(crate) struct Mapping {
    address: NonNull<u8>,
    len: usize,
}

impl Mapping {
    /// Maps `len` bytes from `offset`, a multiple of the page size, with `PROT_*`.
    pub(crate) fn new(file: &File, len: usize, protection: i32, offset: usize) -> io::Result<Mapping> {
        let offset = offset as libc::off_t;
        // SAFETY: a new mapping at an address of the kernel's choice.
        let address =
            unsafe { libc::mmap(std::ptr::null_mut(), len, protection, libc::MAP_SHARED, file.as_raw_fd(), offset) };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let address = NonNull::new(address.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        Ok(Mapping { address, len })
    }

    /// Zeros that nobody else sees; those never written to take no room.
    pub(crate) fn private(len: usize) -> io::Result<Mapping> {
        let (access, kind) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE);
        // SAFETY: a new mapping at an address of the kernel's choice.
        let address = unsafe { libc::mmap(std::ptr::null_mut(), len, access, kind, -1, 0) };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let address = NonNull::new(address.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        Ok(Mapping { address, len })
    }

    /// Where it begins. Others may write to it at any time.
    pub(crate) fn address(&self) -> NonNull<u8> {
        self.address
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

// SAFETY: it says where memory is. Who accesses that has to see to it that others may do so, too.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: made by `new` with this length; who keeps its address keeps it too.
        unsafe { libc::munmap(self.address.as_ptr().cast(), self.len) };
    }
}

/// An unlinked file. `O_TMPFILE` leaves nothing behind even if we are killed; where the filesystem has none, a
/// named file is unlinked at once.
fn unnamed_file(directory: &Path) -> io::Result<File> {
    let unnamed = OpenOptions::new()
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(libc::O_TMPFILE | libc::O_CLOEXEC)
        .open(directory);
    match unnamed {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR)) => {}
        result => return result,
    }
    let template = CString::new([directory.as_os_str().as_encoded_bytes(), b"/frng-XXXXXX"].concat())?;
    let mut name = template.into_bytes_with_nul();
    // SAFETY: `name` is a terminated string that mkostemp may write to.
    let fd = unsafe { libc::mkostemp(name.as_mut_ptr().cast(), libc::O_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `name` is a terminated string and `fd` a descriptor of our own.
    unsafe {
        libc::unlink(name.as_ptr().cast());
        Ok(File::from_raw_fd(fd))
    }
}

/// Where shared memory comes from.
#[derive(Clone, Debug)]
pub struct Place {
    /// Of files, if there is no memory for them, or they are wanted here.
    directory: PathBuf,
    is_chosen: bool,
}

impl Place {
    /// A directory that the user has chosen for it.
    pub fn chosen(directory: PathBuf) -> Place {
        Place { directory, is_chosen: true }
    }

    /// memfd_create(2), which waits for no disk: the first write to each page of a file on one takes milliseconds. Where
    /// that is refused, this directory.
    pub fn memory_or(directory: PathBuf) -> Place {
        Place { directory, is_chosen: false }
    }

    /// The directory, if the user has chosen it.
    pub(crate) fn chosen_directory(&self) -> Option<&Path> {
        self.is_chosen.then_some(self.directory.as_path())
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A new file that `use_it` could do something with.
    ///
    /// # Errors
    /// One line that says what is wrong with the directory and how to mend it.
    pub(crate) fn file<T>(&self, use_it: impl Fn(File) -> io::Result<T>) -> Result<T, String> {
        if !self.is_chosen {
            if let Ok(done) = anonymous_file().and_then(&use_it) {
                return Ok(done);
            }
        }
        unnamed_file(&self.directory).and_then(use_it).map_err(|error| failure(&self.directory, &error))
    }

    /// Finds out where there is such memory that may be executed, in words.
    ///
    /// # Errors
    /// One line that says why there is none and how to mend it.
    pub fn find(&self) -> Result<String, String> {
        let executable = |file: File| {
            file.set_len(1)?;
            Mapping::new(&file, 1, libc::PROT_READ | libc::PROT_EXEC, 0).map(drop)
        };
        if !self.is_chosen && anonymous_file().and_then(executable).is_ok() {
            return Ok("is of no directory (memfd_create)".into());
        }
        self.file(executable)?;
        Ok(format!("is made in {}", self.directory.display()))
    }
}

/// A file in memory. If it may be executed is the kernel's to say (`vm.memfd_noexec`).
pub(crate) fn anonymous_file() -> io::Result<File> {
    const NAME: &CStr = c"frng";
    /// Linux 6.3; without it, later kernels mention the program in their log.
    const MFD_EXEC: libc::c_uint = 0x10;
    // SAFETY: the name is a terminated string.
    let create = |flags| unsafe { libc::memfd_create(NAME.as_ptr(), libc::MFD_CLOEXEC | flags) };
    let mut fd = create(MFD_EXEC);
    if fd < 0 {
        fd = create(0);
    }
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a descriptor of our own.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// The line that says why there is no shared memory, and how to mend it.
fn failure(directory: &Path, error: &io::Error) -> String {
    let mend = match error.raw_os_error() {
        Some(libc::ENOMEM) => "raise the limit on address space (ulimit -v)",
        Some(libc::EFBIG) => "raise the limit on file sizes (ulimit -f)",
        Some(libc::EMFILE) => "raise the limit on open files (ulimit -n)",
        _ => OTHER_DIRECTORY,
    };
    format!("cannot use {} for the memory shared with the command: {error}; {mend}", directory.display())
}

/// Bytes of a page of this machine.
pub(crate) fn page_len() -> u64 {
    /// Of the smallest one of any CPU, in case it is not told.
    const SMALLEST: u64 = 4096;
    // SAFETY: asks for a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(page).unwrap_or(SMALLEST)
}
