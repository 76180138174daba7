//! chroot(2): paths that the inline engine could resolve inside the process, and must not. Each is asked for several times from the same
//! place: the first time it is always the tracer's.

use std::ffi::CStr;
use std::sync::mpsc;
use std::thread;

use libc::{AT_FDCWD, AT_REMOVEDIR, CLONE_FILES, CLONE_NEWNS, MS_BIND, O_PATH, SIGCHLD};

use super::cases;
use super::mounts::apart;
use super::roots::{inside, tree};
use crate::seen::{show, show_target};
use crate::stage::{dir, in_child, open_dir, tell_end};
use crate::sys::{NULL, errno};

cases![
    links_that_get_to_the_root_from_above,
    descriptors_that_are_not_open,
    links_of_procfs_that_are_no_paths,
    procfs_shows_the_programs_descriptors,
    descriptors_in_common_with_another_process,
    threads_with_mounts_of_their_own,
];

const TIMES: usize = 3;

/// What is open without being asked for has such numbers.
const NUMBERS: [i32; 4] = [48, 49, 50, 999];

fn links_that_get_to_the_root_from_above() {
    tree();
    in_child(|| {
        let top = open_dir(c".");
        must!(chroot(c"r/d"));
        for _ in 0..TIMES {
            for path in [c"r/d/parent/f", c"r/d/parent/g", c"r/d/e/up", c"r/d/e/up/nothing", c"r/relative/g", c"r/d/g"]
            {
                show(path);
                show_target(path);
            }
            let _ = call!(mkdirat(top, c"r/d/parent/made", 0o755));
            let _ = call!(unlinkat(top, c"r/d/made", AT_REMOVEDIR));
        }
    });
}

fn descriptors_that_are_not_open() {
    tree();
    inside(|| {
        for number in NUMBERS {
            for _ in 0..TIMES {
                let _ = call!(linkat(AT_FDCWD, c"/d/g", number, c"new", 0));
                let _ = call!(linkat(number, c"g", AT_FDCWD, c"/d/new", 0));
                let _ = call!(renameat2(AT_FDCWD, c"/d/g", number, c"new", 0));
                let _ = call!(renameat2(number, c"g", AT_FDCWD, c"/d/new", 0));
                show(c"/d/new");
            }
        }
        show(c"/d/g");
    });
}

/// Plays `scene` inside, with procfs.
fn with_procfs(scene: impl FnOnce()) {
    tree();
    dir(c"r/proc");
    apart(|| {
        must!(mount(c"proc", c"r/proc", c"proc", 0, NULL));
        must!(chroot(c"r"));
        must!(chdir(c"/proc/self"));
        scene();
    });
}

fn target(path: &CStr) {
    let file = quiet!(openat(AT_FDCWD, path, O_PATH, 0));
    println!("{}: {}", path.to_string_lossy(), file.err().map_or("there".to_owned(), errno::name));
    if let Ok(fd) = file {
        let _ = quiet!(close(fd));
    }
}

fn links_of_procfs_that_are_no_paths() {
    with_procfs(|| {
        let mut ends = [0i32; 2];
        must!(pipe2(&mut ends[..], 0));
        let file = must!(openat(AT_FDCWD, c"/d/g", O_PATH, 0)) as i32;
        must!(dup3(ends[0], 30, 0));
        must!(dup3(file, 31, 0));
        for path in [c"fd/30", c"ns/mnt", c"./exe"] {
            (0..TIMES).for_each(|_| target(path));
        }
        must!(chdir(c"fd"));
        for _ in 0..TIMES {
            target(c"30");
            let mut text = [0u8; 64];
            let len = must!(readlinkat(AT_FDCWD, c"31", &mut text[..], text.len()));
            println!("31 -> {}", String::from_utf8_lossy(&text[..len]));
        }
    });
}

fn procfs_shows_the_programs_descriptors() {
    with_procfs(|| {
        for path in [c"fd/48", c"./fd/48", c"fdinfo/48", c"fd/49"] {
            (0..TIMES).for_each(|_| show(path));
        }
    });
}

fn descriptors_in_common_with_another_process() {
    tree();
    inside(|| {
        let flags = CLONE_FILES | SIGCHLD;
        // SAFETY: as fork(2), which has no stack to be given either.
        let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) } as i32;
        if pid == 0 {
            let gone = (0..3000).filter(|_| quiet!(faccessat(AT_FDCWD, c"/d/g", 0)).is_err()).count();
            // SAFETY: leaves without the parent's exit handlers.
            unsafe { libc::_exit(i32::from(gone != 0)) }
        }
        let is_open = |number| quiet!(fcntl(number, libc::F_GETFD, 0)).is_ok();
        let mut seen = false;
        for _ in 0..20_000 {
            seen |= NUMBERS.into_iter().any(is_open);
        }
        println!("others are open: {seen}");
        tell_end(pid);
    });
}

fn threads_with_mounts_of_their_own() {
    tree();
    dir(c"r/one");
    dir(c"r/other");
    apart(|| {
        must!(chroot(c"r"));
        must!(chdir(c"/"));
        let ((mounted, has_mounted), (begin, begun)) = (mpsc::channel(), mpsc::channel());
        thread::scope(|scope| {
            scope.spawn(move || {
                must!(unshare(CLONE_NEWNS));
                must!(mount(c"/d", c"/one", NULL, MS_BIND, NULL));
                let _ = (mounted.send(()), begun.recv());
                for _ in 0..TIMES {
                    let one = must!(openat(AT_FDCWD, c"one", O_PATH, 0)) as i32;
                    let _ = call!(faccessat(one, c"g", 0));
                    let _ = quiet!(close(one));
                }
            });
            let _ = has_mounted.recv();
            must!(mount(c"/d", c"/other", NULL, MS_BIND, NULL));
            let _ = begin.send(());
        });
        show(c"/other/g");
    });
}
