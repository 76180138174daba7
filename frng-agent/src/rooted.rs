//! Paths of a process with another root, where the kernel can resolve them in it by itself.
//!
//! As the tracer asks it (`tracer/root/walk.rs`): the directory is opened by openat2(2), from a descriptor of the root, and the path
//! becomes a name in that, `/proc/self/fd/N/NAME`. What is not that simple is the tracer's. The descriptor is open while the
//! call is answered; so the process must have only one thread and share its descriptors with no other, and the number is one that the
//! program's own call would neither get nor name.

use core::cell::Cell;

use frng_core::call::{Arg, Call, TraceeAddr};
use frng_core::errno::Errno;
use frng_core::inside::local::Content;
use frng_core::policy::{
    Last, PATH_MAX, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV,
    Tracee, same_name,
};
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

/// What is open for a call.
pub struct Kept {
    open: [Cell<Option<i32>>; MAX],
    /// The lowest number it may have.
    from: i32,
}

impl Kept {
    /// Nothing yet. What the call itself names by a number will never be one of these, also if that is not open.
    pub fn new(call: &Call) -> Kept {
        let named = [Arg::Dirfd, Arg::NewDirfd].into_iter().filter(|kind| call.row().args.contains(kind));
        let above = named.map(|kind| (call.int(kind) as i32).saturating_add(1)).max();
        Kept { open: Default::default(), from: above.unwrap_or_default().max(APART) }
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
        let apart = kernel::duplicate(file, self.from.max(file.saturating_add(1)) as u64);
        kernel::close(file);
        self.keep(apart?)
    }
}

/// Puts a name for the kernel to `to`. `None` if only the tracer can tell.
pub fn translate(
    thread: &Thread,
    content: &Content,
    kept: &Kept,
    (dirfd, path): (i32, &[u8]),
    last: Last,
    to: TraceeAddr,
) -> Option<()> {
    if content.alone == 0 {
        return None;
    }
    let may_be_mount = |name: &[u8]| content.mounts.may_have(name);
    let is_absolute = path.first() == Some(&b'/');
    let cut = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let (before, name) = path.split_at_checked(cut)?;
    let is_plain = |part: &[u8]| part != b".." && !may_be_mount(part);
    if !same_name::is_plain(name) || may_be_mount(name) || !before.split(|byte| *byte == b'/').all(is_plain) {
        return None;
    }
    if dirfd < 0 && dirfd != libc::AT_FDCWD && !is_absolute {
        return None;
    }
    let directory = if before.iter().all(|byte| *byte == b'/') {
        if is_absolute { kept.move_away(open_root(content)?)? } else { dirfd }
    } else {
        // A relative path may begin outside of the root, and get into it unnoticed; then `..` of a link ends there.
        let links = if is_absolute && content.mounts.is_empty() { 0 } else { RESOLVE_NO_SYMLINKS };
        let resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | links;
        let opened = if is_absolute {
            let root = open_root(content)?;
            let opened =
                kernel::open_directory(root, Text::<PATH_MAX>::of(&[before])?.bytes(), resolve | RESOLVE_IN_ROOT);
            kernel::close(root);
            opened
        } else {
            kernel::open_directory(dirfd, Text::<PATH_MAX>::of(&[before])?.bytes(), resolve | RESOLVE_BENEATH)
        };
        kept.move_away(opened?)?
    };
    // There what is open for the call would be seen. Of a descriptor that is none, or of a file, the tracer tells.
    if directory != libc::AT_FDCWD && kernel::is_in_procfs(directory) != Some(false) {
        return None;
    }
    let mut name = Text::<{ same_name::NAME_MAX + 1 }>::of(&[name])?;
    if matches!(last, Last::Target | Last::Made) {
        let mut links = 0;
        loop {
            match kernel::stat_at(directory, name.bytes()) {
                Ok(real) if real.file_type() == S_IFLNK => {
                    if links == LINKS_MAX || !same_name::tells_where_it_leads(&real) {
                        return None;
                    }
                }
                Ok(_) | Err(Errno::ENOENT) => break,
                Err(_) => return None,
            }
            links += 1;
            name = kernel::link_at(directory, name.bytes())?;
            if !same_name::is_plain(name.without_end()) || may_be_mount(name.without_end()) {
                return None;
            }
        }
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
