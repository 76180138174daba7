//! Going on when the disk behind a mapping is full.
//!
//! The kernel finds room for a page of a sparse file when it is first written to, and says that there is none by SIGBUS.
//! Then the page is replaced by one of this process's own: the daemon knows no less than before. Processes that map
//! the same file do not see what is written there from then on.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use super::Mapping;

// What the signal handler has to know of the one mapping that is looked after.
static BEGIN: AtomicUsize = AtomicUsize::new(0);
static LEN: AtomicUsize = AtomicUsize::new(0);
static FILE: AtomicI32 = AtomicI32::new(-1);
static PAGE: AtomicUsize = AtomicUsize::new(0);

/// Keeps a full disk from ending this process when it writes to `mapping`, which is that of `file` from its begin. Only
/// the last mapping this was called for is looked after; it stays until the process ends.
pub(crate) fn survive(mapping: &Mapping, file: &File) -> io::Result<()> {
    PAGE.store(super::page_len() as usize, Ordering::SeqCst);
    FILE.store(file.as_raw_fd(), Ordering::SeqCst);
    LEN.store(mapping.len(), Ordering::SeqCst);
    BEGIN.store(mapping.address().as_ptr() as usize, Ordering::SeqCst);
    // SAFETY: zero is a valid sigaction; the handler is a function of the kind SA_SIGINFO asks for, and calls nothing that
    // a signal handler must not.
    let result = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_bus_error as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        libc::sigaction(libc::SIGBUS, &action, ptr::null_mut())
    };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

extern "C" fn on_bus_error(signal: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel passes a siginfo of SIGBUS; errno is the thread's own.
    unsafe {
        let errno = *libc::__errno_location();
        if !replace((*info).si_addr() as usize) {
            // Happens again at once, and ends the process as it would have without us.
            libc::signal(signal, libc::SIG_DFL);
        }
        *libc::__errno_location() = errno;
    }
}

/// Replaces the page at an address by a copy of our own; `false` if it is none of the mapping's or there is no memory.
fn replace(address: usize) -> bool {
    let (begin, page) = (BEGIN.load(Ordering::SeqCst), PAGE.load(Ordering::SeqCst));
    let Some(offset) = address.checked_sub(begin).filter(|offset| *offset < LEN.load(Ordering::SeqCst)) else {
        return false;
    };
    let offset = offset - offset % page;
    // SAFETY: a new page, which is filled with what the file has there (holes and what is beyond its end are zeros) and then put over a page
    // of the mapping, which is accessed by atomics only.
    unsafe {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        let copy = libc::mmap(ptr::null_mut(), page, access, kind, -1, 0);
        if copy == libc::MAP_FAILED {
            return false;
        }
        libc::pread(FILE.load(Ordering::SeqCst), copy, page, offset as libc::off_t);
        let place = (begin + offset) as *mut libc::c_void;
        libc::mremap(copy, page, page, libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED, place) != libc::MAP_FAILED
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::memory::anonymous_file;

    #[test]
    fn a_page_that_cannot_be_written_is_replaced_and_the_others_stay() {
        // A file that has become shorter is refused by the kernel like one on a full disk.
        let file = anonymous_file().unwrap();
        file.set_len(3 * 65536).unwrap();
        let mapping = Mapping::new(&file, 3 * 65536, libc::PROT_READ | libc::PROT_WRITE, 0).unwrap();
        survive(&mapping, &file).unwrap();
        // SAFETY: within the mapping and aligned.
        let word = |offset: usize| unsafe { AtomicU64::from_ptr(mapping.address().as_ptr().add(offset).cast()) };
        word(8).store(1, Ordering::SeqCst);
        file.set_len(65536).unwrap();
        word(65536 + 16).store(2, Ordering::SeqCst);
        word(2 * 65536).store(3, Ordering::SeqCst);
        let words = [8, 65536 + 16, 65536 + 24, 2 * 65536].map(|offset| word(offset).load(Ordering::SeqCst));
        assert_eq!(words, [1, 2, 0, 3]);
    }
}
