//! The process that is killed.

use std::ffi::CString;
use std::io;
use std::path::Path;

use super::attributes::{Attributes, MARK};
use super::journal::{Deed, Journal, now};
use crate::random::Random;

/// So many names are used at a time.
const NAMES: u64 = 8;
/// After so many nanoseconds come other names, and what the last ones mean changes no more.
const PERIOD: u64 = 400_000_000;

/// Changes files in the current directory without end, in so many processes, each with a journal `journal.N`.
///
/// # Errors
/// What the kernel refuses a root.
pub fn write(seed: u64, processes: u64) -> io::Result<()> {
    for process in 1..processes {
        // SAFETY: this process has one thread.
        if unsafe { libc::fork() } == 0 {
            return write_alone(seed, process);
        }
    }
    write_alone(seed, 0)
}

fn write_alone(seed: u64, process: u64) -> io::Result<()> {
    let mut random = Random::new(seed.wrapping_mul(1000).wrapping_add(process));
    let mut journal = Journal::append(Path::new(&format!("journal.{process}")))?;
    let begin = now();
    loop {
        let period = (now() - begin) / PERIOD;
        let mut draw = || format!("w{process}-{period}-{}", random.number() % NAMES);
        let (name, other) = (draw(), draw());
        act(&mut random, &mut journal, &name, &other)?;
    }
}

/// Some call about a file, or one that makes it.
fn act(random: &mut Random, journal: &mut Journal, name: &str, other: &str) -> io::Result<()> {
    let path = CString::new(name)?;
    let at = path.as_ptr();
    let number = |random: &mut Random| random.number() as u32 % 60000;
    if Attributes::of(Path::new(name)).is_none() {
        journal.intend(&[name], Deed::Make)?;
        let mode = random.number() as u32 & 0o777;
        // SAFETY: the name is live.
        let made = unsafe {
            if random.once_in(3) {
                libc::mknod(at, libc::S_IFCHR | mode, libc::makedev(random.number() as u32 % 200, 7))
            } else {
                libc::open(at, libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY, mode)
            }
        };
        if made > 0 {
            // SAFETY: a descriptor of our own.
            unsafe { libc::close(made) };
        }
        asserted(made >= 0)?;
        return journal.done(&[name]);
    }
    // SAFETY: names and values are live.
    let done = unsafe {
        match random.below(12) {
            0..=4 => {
                let (uid, gid) = (number(random), number(random));
                journal.intend(&[name], Deed::Own(uid, gid))?;
                libc::lchown(at, uid, gid)
            }
            5..=7 => {
                let mode = random.number() as u32 & 0o7777;
                journal.intend(&[name], Deed::Mode(mode))?;
                libc::chmod(at, mode)
            }
            8..=9 => {
                let value = "x".repeat(1 + random.below(100));
                journal.intend(&[name], Deed::Mark)?;
                libc::lsetxattr(at, MARK.as_ptr(), value.as_ptr().cast(), value.len(), 0)
            }
            10 if name != other => {
                journal.intend(&[name, other], Deed::Move)?;
                let result = libc::rename(at, CString::new(other)?.as_ptr());
                asserted(result == 0)?;
                return journal.done(&[name, other]);
            }
            _ => {
                journal.intend(&[name], Deed::Remove)?;
                libc::unlink(at)
            }
        }
    };
    asserted(done == 0)?;
    journal.done(&[name])
}

fn asserted(worked: bool) -> io::Result<()> {
    if worked { Ok(()) } else { Err(io::Error::last_os_error()) }
}
