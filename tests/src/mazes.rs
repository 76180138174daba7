//! Random trees of symbolic links, and random paths through them from within another root: what they lead to is told, so
//! that two runs can be compared. The same seed makes the same tree and the same paths.

use std::ffi::{CStr, CString};

use libc::{
    AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_NOFOLLOW, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_RDONLY, O_WRONLY,
};

use crate::random::Random;
use crate::seen;
use crate::stage::{in_child, open_dir};
use crate::sys::{self, errno};

/// A path of some components, most of which exist somewhere.
fn path(random: &mut Random) -> CString {
    let mut text = Vec::new();
    if random.once_in(2) {
        text.push(b'/');
    }
    for index in 0..=random.below(6) {
        if index > 0 {
            text.extend(std::iter::repeat_n(b'/', if random.once_in(9) { 2 } else { 1 }));
        }
        match random.below(16) {
            0..=2 => text.extend(b".."),
            3 => text.push(b'.'),
            4 if random.once_in(8) => text.extend([b'n'; 300]),
            _ => text.push(b'a' + random.below(NAMES) as u8),
        }
    }
    if random.once_in(6) {
        text.push(b'/');
    }
    CString::new(text).unwrap_or_default()
}

/// Names are single letters, so that most paths meet something.
const NAMES: usize = 6;
/// Directories above a tree.
const DEPTH: usize = 60;
/// Things in a tree.
const THINGS: usize = 90;

/// A tree in `into` with a directory `r` that will be the root. Each thing has an owner of its own, by which it is known.
fn plant(random: &mut Random, into: &CStr) -> Option<()> {
    must!(mkdirat(AT_FDCWD, into, 0o755));
    must!(chdir(into));
    // So deep that no path from outside of the root leads out of it.
    for _ in 0..DEPTH {
        must!(mkdirat(AT_FDCWD, c"o", 0o755));
        must!(chdir(c"o"));
    }
    must!(mkdirat(AT_FDCWD, c"r", 0o755));
    let mut directories = vec![".".to_owned(), "r".to_owned(), "r".to_owned()];
    for owner in 1..=THINGS {
        let parent = &directories[random.below(directories.len())];
        let text = format!("{parent}/{}", char::from(b'a' + random.below(NAMES) as u8));
        let name = CString::new(text.as_str()).ok()?;
        let made = match random.below(10) {
            0..=3 => quiet!(mkdirat(AT_FDCWD, &*name, 0o755)),
            4..=5 => {
                quiet!(openat(AT_FDCWD, &*name, O_CREAT | O_EXCL | O_WRONLY, 0o644)).and_then(|fd| quiet!(close(fd)))
            }
            _ => {
                let target = path(random);
                quiet!(symlinkat(&*target, AT_FDCWD, &*name))
            }
        };
        if made.is_err() {
            continue;
        }
        must!(fchownat(AT_FDCWD, &*name, owner, owner, AT_SYMLINK_NOFOLLOW));
        if seen::by_statx(AT_FDCWD, &name, AT_SYMLINK_NOFOLLOW)
            .is_ok_and(|seen| seen.mode & libc::S_IFMT == libc::S_IFDIR)
            && text.matches('/').count() < 5
        {
            directories.push(text);
        }
    }
    Some(())
}

fn told(result: sys::Result<seen::Seen>) -> String {
    match result {
        Ok(seen) => format!("{} {:o}", seen.uid, seen.mode >> 12),
        Err(error) => errno::name(error),
    }
}

/// What is behind a new descriptor, which is closed.
fn opened(result: sys::Result) -> String {
    match result {
        Ok(fd) => {
            let text = told(seen::by_statx(fd as i32, c"", libc::AT_EMPTY_PATH));
            let _ = quiet!(close(fd));
            text
        }
        Err(error) => errno::name(error),
    }
}

fn done(result: sys::Result) -> String {
    result.map_or_else(errno::name, |_| "ok".to_owned())
}

/// Looks a path up in one of many ways.
fn look(random: &mut Random, directories: &[i32], path: &CStr) -> String {
    let at = if random.once_in(3) { directories[random.below(directories.len())] } else { AT_FDCWD };
    match random.below(12) {
        0..=2 => told(seen::by_statx(at, path, 0)),
        3..=4 => told(seen::by_statx(at, path, AT_SYMLINK_NOFOLLOW)),
        5 => opened(quiet!(openat(at, path, O_PATH | O_NOFOLLOW, 0))),
        6 => opened(quiet!(openat(at, path, O_RDONLY | O_DIRECTORY, 0))),
        7 => {
            let mut text = [0u8; 512];
            match quiet!(readlinkat(at, path, &mut text[..], text.len())) {
                Ok(len) => format!("-> {}", String::from_utf8_lossy(&text[..len])),
                Err(error) => errno::name(error),
            }
        }
        8 => {
            let made = quiet!(mkdirat(at, path, 0o755));
            let removed = if made.is_ok() { done(quiet!(unlinkat(at, path, AT_REMOVEDIR))) } else { String::new() };
            format!("mkdir {} {removed}", done(made))
        }
        9 => {
            let flags = O_WRONLY | O_CREAT | if random.once_in(2) { O_EXCL } else { 0 };
            let text = opened(quiet!(openat(at, path, flags, 0o644)));
            // What was made belongs to nobody that was planted.
            let removed = if text.starts_with("0 ") { done(quiet!(unlinkat(at, path, 0))) } else { String::new() };
            format!("create {text} {removed}")
        }
        10 => {
            let result = quiet!(chdir(path));
            let mut text = [0u8; 4096];
            let cwd = match quiet!(getcwd(&mut text[..], text.len())) {
                Ok(len) => String::from_utf8_lossy(&text[..len - 1]).into_owned(),
                Err(error) => errno::name(error),
            };
            format!("chdir {} {cwd}", done(result))
        }
        _ => done(quiet!(unlinkat(at, path, AT_REMOVEDIR))),
    }
}

/// Makes a tree by this seed in a new directory of this name, and looks `count` paths up.
pub fn play(seed: u64, into: &CStr, count: usize) {
    in_child(|| {
        let mut random = Random::new(seed);
        if plant(&mut random, into).is_none() {
            return;
        }
        let directories = [open_dir(c"."), open_dir(c"r")];
        must!(chroot(c"r"));
        must!(chdir(c"/"));
        for index in 0..count {
            let path = path(&mut random);
            let what = look(&mut random, &directories, &path);
            println!("{seed}.{index} {} {what}", path.to_string_lossy());
        }
    });
}
