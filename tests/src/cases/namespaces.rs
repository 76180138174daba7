//! Threads and processes that see other mounts, or another root, than the rest: in a user namespace of their own, where
//! everybody may have them, with mounts that nobody outside sees.

use std::ffi::{CStr, CString};
use std::sync::Barrier;
use std::thread;

use libc::{AT_FDCWD, CLONE_FILES, CLONE_NEWNS, CLONE_NEWUSER, MS_BIND, MS_PRIVATE, MS_REC};

use super::cases;
use crate::stage::{dir, file, file_with, in_child};
use crate::sys::{self, NULL};

cases![each_thread_sees_its_own_mounts, root_of_a_user_namespace_is_seen, root_is_shared_by_threads];

/// How many bytes are in the file of this name, asked where a tracer may look for itself.
fn show_size(who: &str, path: &CStr) {
    let mut stx: libc::statx = crate::seen::blank();
    let result = quiet!(statx(AT_FDCWD, path, 0, libc::STATX_BASIC_STATS, &mut stx));
    match result {
        Ok(_) => println!("{who}: {} bytes", stx.stx_size),
        Err(error) => println!("{who}: {}", sys::errno::name(error)),
    }
}

/// `a` has a file of 4 bytes, `b` one of 11, of the same name.
fn two_directories() {
    dir(c"a");
    file(c"a/f");
    dir(c"b");
    file_with(c"b/f", b"more of it.");
}

fn each_thread_sees_its_own_mounts() {
    two_directories();
    // From the root on: a path from here starts in the thread's own mounts, whoever follows it.
    let path = std::env::current_dir().unwrap_or_default().join("a/f");
    let Ok(path) = CString::new(path.into_os_string().into_encoded_bytes()) else { return };
    in_child(|| {
        must!(unshare(CLONE_NEWUSER));
        let (mounted, changed) = (Barrier::new(2), Barrier::new(2));
        thread::scope(|scope| {
            scope.spawn(|| {
                must!(unshare(CLONE_NEWNS));
                must!(mount(NULL, c"/", NULL, MS_REC | MS_PRIVATE, NULL));
                must!(mount(c"b", c"a", NULL, MS_BIND, NULL));
                show_size("the thread", &path);
                mounted.wait();
                changed.wait();
                show_size("the thread", &path);
            });
            mounted.wait();
            show_size("the other", &path);
            // Changes nothing about paths of anybody.
            must!(unshare(CLONE_FILES));
            show_size("the other", &path);
            changed.wait();
        });
        show_size("the other", &path);
    });
}

fn root_of_a_user_namespace_is_seen() {
    two_directories();
    in_child(|| {
        must!(unshare(CLONE_NEWUSER));
        show_size("before", c"/f");
        must!(chroot(c"b"));
        show_size("root", c"/f");
        in_child(|| show_size("child", c"/f"));
    });
}

fn root_is_shared_by_threads() {
    two_directories();
    in_child(|| {
        must!(unshare(CLONE_NEWUSER));
        thread::scope(|scope| {
            scope.spawn(|| must!(chroot(c"b")));
        });
        show_size("root", c"/f");
    });
}
