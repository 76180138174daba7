//! Paths of a process with another root, where the kernel can resolve them in it by itself.
//!
//! As the tracer asks it (`policy/resolving.rs`): the directory is opened by openat2(2), from a descriptor of the root, and the path
//! becomes a name in that, `/proc/self/fd/N/NAME`. What is not that simple is the tracer's. The descriptor is open while the
//! call is answered; so the process must have only one thread and share its descriptors with no other, and the number is one that the
//! program's own call would neither get nor name.

use core::cell::Cell;

use frng_core::call::{Arg, Call, TraceeAddr};
use frng_core::errno::Errno;
use frng_core::inside::local::Content;
use frng_core::policy::resolving::{self, Begin};
use frng_core::policy::{Last, PATH_MAX, Tracee, same_name};
use frng_core::stat::S_IFLNK;

use crate::kernel;
use crate::text::Text;
use crate::thread::Thread;

/// Links that are followed from name to name here.
const LINKS_MAX: usize = 8;
/// Directories that a call may take: one for each path.
const MAX: usize = 2;
/// Where directories are kept open, if the program has not so many files open: a process's table of files need not grow.
const APART: i32 = 48;

/// A name in a directory.
type Name = Text<{ same_name::NAME_MAX + 1 }>;

/// What is open for a call.
pub struct Kept<'c> {
    open: [Cell<Option<i32>>; MAX],
    call: &'c Call,
}

impl<'c> Kept<'c> {
    /// Nothing yet.
    pub fn new(call: &'c Call) -> Kept<'c> {
        Kept { open: Default::default(), call }
    }

    /// The lowest number that is used: what the call itself names by a number will never be one of these, also if that is not open.
    fn lowest(&self) -> i32 {
        let call = self.call;
        let named = [Arg::Dirfd, Arg::NewDirfd].into_iter().filter(|kind| call.row().args.contains(kind));
        let above = named.map(|kind| (call.int(kind) as i32).saturating_add(1)).max();
        above.unwrap_or_default().max(APART)
    }

    /// Closes all of it.
    pub fn close(&self) {
        self.open.iter().filter_map(Cell::take).for_each(kernel::close);
    }

    fn keep(&self, file: i32) -> Option<i32> {
        let Some(room) = self.open.iter().find(|room| room.get().is_none()) else {
            kernel::close(file);
            return None;
        };
        room.set(Some(file));
        Some(file)
    }

    /// The same file by a number that no call of the program gets, which gets the lowest that is free.
    fn move_away(&self, file: i32) -> Option<i32> {
        let apart = kernel::duplicate(file, self.lowest().max(file.saturating_add(1)) as u64);
        kernel::close(file);
        self.keep(apart?)
    }
}

/// Puts a name for the kernel to `to`. `None` if only the tracer can tell.
pub fn translate(
    thread: &Thread,
    content: &Content,
    kept: &Kept<'_>,
    (dirfd, path): (i32, &[u8]),
    last: Last,
    to: TraceeAddr,
) -> Option<()> {
    let (before, name) = cut(path, content)?;
    let is_absolute = path.first() == Some(&b'/');
    if content.alone == 0 || dirfd < 0 && dirfd != libc::AT_FDCWD && !is_absolute {
        return None;
    }
    let directory = directory(content, kept, dirfd, before)?;
    // There what is open for the call would be seen. Of a descriptor that is none, or of a file, the tracer tells.
    if directory != libc::AT_FDCWD && kernel::is_in_procfs(directory) != Some(false) {
        return None;
    }
    let mut name = Name::of(&[name])?;
    if matches!(last, Last::Target | Last::Made) {
        name = followed(content, directory, name)?;
    }
    let mut number = [0; 10];
    let parts = if directory == libc::AT_FDCWD {
        [&b""[..], b"", b"", name.without_end()]
    } else {
        [&b"/proc/self/fd/"[..], decimal(directory as u32, &mut number), b"/", name.without_end()]
    };
    let text = Text::<512>::of(&parts)?;
    let terminated = text.without_end().len() + 1;
    thread.write(to, text.bytes().get(..terminated)?).ok()
}

/// A path before its last component, and that, if nothing is mounted at any of them and none is special.
fn cut<'p>(path: &'p [u8], content: &Content) -> Option<(&'p [u8], &'p [u8])> {
    let end = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let (before, name) = path.split_at_checked(end)?;
    let is_passed = |part: &[u8]| part != b".." && !content.mounts.may_have(part);
    let is_simple = is_plain(name, content) && before.split(|byte| *byte == b'/').all(is_passed);
    is_simple.then_some((before, name))
}

fn is_plain(name: &[u8], content: &Content) -> bool {
    same_name::is_plain(name) && !content.mounts.may_have(name)
}

/// The directory that the beginning of a path leads to, which may be empty or slashes.
fn directory(content: &Content, kept: &Kept<'_>, dirfd: i32, path: &[u8]) -> Option<i32> {
    let is_absolute = path.first() == Some(&b'/');
    if path.is_empty() {
        return Some(dirfd);
    }
    let path = Text::<PATH_MAX>::of(&[path])?;
    let opened = if is_absolute {
        let root = open_root(content)?;
        let flags = resolving::flags(Begin::Root, !content.mounts.is_empty());
        let opened = kernel::open_directory(root, path.bytes(), flags);
        kernel::close(root);
        opened
    } else {
        kernel::open_directory(dirfd, path.bytes(), resolving::flags(Begin::Anywhere, true))
    };
    kept.move_away(opened?)
}

/// The name in the same directory that links lead to from one of this name.
fn followed(content: &Content, directory: i32, mut name: Name) -> Option<Name> {
    for _ in 0..=LINKS_MAX {
        match kernel::stat_at(directory, name.bytes()) {
            Ok(real) if real.file_type() == S_IFLNK => {
                if !same_name::tells_where_it_leads(&real) {
                    return None;
                }
            }
            Ok(_) | Err(Errno::ENOENT) => return Some(name),
            Err(_) => return None,
        }
        name = kernel::link_at(directory, name.bytes())?;
        if !is_plain(name.without_end(), content) {
            return None;
        }
    }
    None
}

/// `O_PATH` of the process's root, which the daemon keeps open.
fn open_root(content: &Content) -> Option<i32> {
    let (mut daemon, mut number) = ([0; 10], [0; 10]);
    let parts = [&b"/proc/"[..], decimal(content.daemon, &mut daemon), b"/fd/", decimal(content.root_fd, &mut number)];
    kernel::open_path(Text::<64>::of(&parts)?.bytes())
}

/// A number in decimal digits.
fn decimal(mut number: u32, room: &mut [u8; 10]) -> &[u8] {
    let mut begin = room.len();
    for (index, digit) in room.iter_mut().enumerate().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        begin = index;
        if number == 0 {
            break;
        }
    }
    room.get(begin..).unwrap_or_default()
}
