//! What the processes of a walk have in common: whose turn it is, and what has been told.
//!
//! That is shared memory with futexes, not pipes: no call of it is one that frng looks at, whoever makes it, so that a walk costs
//! what its own calls cost.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::PROCESSES;

/// Bytes for what is told in a walk.
const TEXT_LEN: usize = 1 << 20;

/// The turn before the first one.
const NOBODY: u32 = u32::MAX;

#[repr(C)]
struct Shared {
    /// The step that is played now.
    turn: AtomicU32,
    /// A futex for each process: rung when it has to look whether it is its turn.
    bells: [AtomicU32; PROCESSES],
    /// Bytes that have been told.
    told: AtomicUsize,
    /// Written only by whose turn it is.
    text: [u8; TEXT_LEN],
}

/// The memory, shared with all children that are made while it is there.
pub struct Board(NonNull<Shared>);

impl Board {
    /// An empty one, on which nobody has a turn.
    ///
    /// # Errors
    /// mmap(2)'s.
    pub fn new() -> io::Result<Board> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping.
        let memory = unsafe { libc::mmap(std::ptr::null_mut(), size_of::<Shared>(), protection, flags, -1, 0) };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // It is full of zeros, which are values of all fields.
        let board = Board(NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?);
        board.shared().turn.store(NOBODY, Ordering::Relaxed);
        Ok(board)
    }

    fn shared(&self) -> &Shared {
        // SAFETY: mapped as long as `self` is there; what others change meanwhile is atomic, or looked at in one's turn only.
        unsafe { self.0.as_ref() }
    }

    /// Begins a turn, and wakes the process that has it.
    pub fn give_turn(&self, turn: u32, to: usize) {
        self.shared().turn.store(turn, Ordering::Release);
        self.ring(to);
    }

    /// Has a process look whose turn it is.
    pub fn ring(&self, who: usize) {
        let bell = &self.shared().bells[who];
        bell.fetch_add(1, Ordering::Release);
        // SAFETY: the word is in memory that is mapped.
        unsafe { libc::syscall(libc::SYS_futex, bell.as_ptr(), libc::FUTEX_WAKE, 1) };
    }

    /// Waits until it is a turn of a process, which `is_its` tells.
    pub fn wait(&self, who: usize, is_its: impl Fn(u32) -> bool) -> u32 {
        let shared = self.shared();
        let bell = &shared.bells[who];
        loop {
            let rung = bell.load(Ordering::Acquire);
            let turn = shared.turn.load(Ordering::Acquire);
            if turn != NOBODY && is_its(turn) {
                return turn;
            }
            let forever = std::ptr::null::<libc::timespec>();
            // SAFETY: the word is in memory that is mapped. If it was rung since, this returns at once.
            unsafe { libc::syscall(libc::SYS_futex, bell.as_ptr(), libc::FUTEX_WAIT, rung, forever) };
        }
    }

    /// The turn now.
    pub fn turn(&self) -> u32 {
        self.shared().turn.load(Ordering::Acquire)
    }

    /// Tells a line. Only for whose turn it is.
    pub fn tell(&self, line: &str) {
        let shared = self.shared();
        let at = shared.told.load(Ordering::Relaxed);
        let line = if at + line.len() <= TEXT_LEN { line } else { "" };
        // SAFETY: within the text, which nobody else looks at in this turn.
        unsafe {
            let text = (&raw mut (*self.0.as_ptr()).text).cast::<u8>().add(at);
            std::ptr::copy_nonoverlapping(line.as_ptr(), text, line.len());
        }
        shared.told.store(at + line.len(), Ordering::Release);
    }

    /// What has been told. Only when nobody has a turn any more.
    pub fn told(&self) -> String {
        let shared = self.shared();
        let told = shared.told.load(Ordering::Acquire);
        String::from_utf8_lossy(shared.text.get(..told).unwrap_or_default()).into_owned()
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        // SAFETY: nobody has a reference to it any more.
        unsafe { libc::munmap(self.0.as_ptr().cast(), size_of::<Shared>()) };
    }
}
