//! mount(2) as builders of root filesystems use it, seen from within the root. Real root does it in a mount namespace of
//! its own, which nobody else sees.

use std::ffi::CStr;

use libc::{
    AT_FDCWD, CLONE_NEWNS, MNT_DETACH, MS_BIND, MS_MOVE, MS_NODEV, MS_PRIVATE, MS_RDONLY, MS_REC, MS_REMOUNT, O_RDONLY,
    UMOUNT_NOFOLLOW,
};

use super::cases;
use super::{mounts_told, root_exec};
use crate::seen::{show, show_target};
use crate::stage::{as_user, dir, file, file_with, in_child, run, symlink};
use crate::sys::{self, BAD, NULL};

cases![
    binds_are_seen_inside,
    binds_met_by_names_alone,
    binds_of_files,
    binds_on_each_other,
    dots_lead_out_of_binds,
    working_directory_in_a_bind,
    mounts_are_moved_and_taken_away,
    remounts_and_propagation,
    mounts_that_are_wrong,
    mounts_need_the_capability,
    procfs_inside_tells_of_the_process,
    procfs_inside_tells_of_the_program,
    mounts_made_inside,
    new_namespaces_are_roots,
    pivoted_root,
    pivoted_root_is_refused,
    pivoted_root_over_itself,
    mount_points_keep_their_names,
    openat2_refuses_mounts,
];

pub(super) fn tree() {
    dir(c"r");
    dir(c"r/d");
    dir(c"r/proc");
    dir(c"r/e");
    file(c"r/d/covered");
    file_with(c"r/f", b"the root's");
    dir(c"h");
    dir(c"h/sub");
    file_with(c"h/x", b"of the host");
    symlink(c"/f", c"h/absolute");
    symlink(c"../f", c"h/up");
    symlink(c"/d", c"r/link");
}

/// Plays `scene` in a mount namespace of its own.
pub(super) fn apart(scene: impl FnOnce()) {
    in_child(|| {
        must!(unshare(CLONE_NEWNS));
        must!(mount(NULL, c"/", NULL, MS_REC | MS_PRIVATE, NULL));
        scene();
    });
}

pub(super) fn enter() {
    must!(chroot(c"r"));
    must!(chdir(c"/"));
}

fn cwd() {
    let mut text = [0u8; 4096];
    match quiet!(getcwd(&mut text[..], text.len())) {
        Ok(len) => println!("cwd {}", String::from_utf8_lossy(&text[..len - 1])),
        Err(error) => println!("cwd {}", sys::errno::name(error)),
    }
}

fn binds_are_seen_inside() {
    tree();
    apart(|| {
        let _ = call!(mount(c"h", c"r/d", NULL, MS_BIND, NULL));
        in_child(|| {
            enter();
            for path in
                [c"/d/x", c"/d/covered", c"/d/absolute", c"/d/up", c"/d/sub", c"/d", c"/link/x", c"/d/../f", c"/d/"]
            {
                show(path);
                show_target(path);
            }
            let _ = call!(fchownat(AT_FDCWD, c"/d/x", 1000, 2000, 0));
            let _ = call!(mkdirat(AT_FDCWD, c"/d/made", 0o750));
        });
    });
    show(c"h/x");
    show(c"h/made");
    show(c"r/d/covered");
}

/// Each call several times, for an engine may answer the later ones by other means.
fn binds_met_by_names_alone() {
    tree();
    apart(|| {
        must!(mount(c"h", c"r/d", NULL, MS_BIND, NULL));
        must!(mount(c"h/x", c"r/f", NULL, MS_BIND, NULL));
        enter();
        for round in 0..3 {
            if round == 2 {
                must!(umount2(c"d", MNT_DETACH));
                must!(mount(c"/d", c"e", NULL, MS_BIND, NULL));
            }
            for name in [c"d", c"f", c"e", c"link"] {
                show(name);
                show_target(name);
            }
            let directory = must!(openat(AT_FDCWD, c"d", libc::O_PATH, 0)) as i32;
            let _ = call!(openat(directory, c"covered", libc::O_PATH, 0));
            let _ = call!(fchownat(directory, c"x", 1000 + round, 5, 0));
            let _ = call!(renameat2(AT_FDCWD, c"d", AT_FDCWD, c"g", 0));
            let _ = call!(unlinkat(AT_FDCWD, c"f", 0));
            let _ = quiet!(close(directory));
        }
        show(c"e/covered");
    });
    show(c"h/x");
}

fn binds_of_files() {
    tree();
    apart(|| {
        let _ = call!(mount(c"h/x", c"r/f", NULL, MS_BIND, NULL));
        in_child(|| {
            enter();
            for path in [c"/f", c"/f/", c"/f/x", c"f"] {
                show(path);
                show_target(path);
            }
            let _ = call!(umount2(c"/f", 0));
            show(c"/f");
            let _ = call!(umount2(c"/f", 0));
        });
    });
}

fn binds_on_each_other() {
    tree();
    dir(c"i");
    file_with(c"i/y", b"of the other");
    apart(|| {
        must!(mount(c"h", c"r/d", NULL, MS_BIND, NULL));
        in_child(|| {
            enter();
            must!(mount(c"/e", c"/d/sub", NULL, MS_BIND, NULL));
            file(c"/d/sub/in-e");
            show(c"/e/in-e");
            show(c"/d/sub/../x");
            show(c"/d/sub/../../f");
        });
    });
    show(c"r/e/in-e");
}

fn dots_lead_out_of_binds() {
    tree();
    apart(|| {
        must!(mount(c"h", c"r/d", NULL, MS_BIND, NULL));
        enter();
        for path in [c"/d/..", c"/d/../f", c"/d/sub/../../f", c"/d/../../../f", c"/d/sub/../x", c"/d/../d/x"] {
            show(path);
        }
    });
}

fn working_directory_in_a_bind() {
    tree();
    apart(|| {
        must!(mount(c"h", c"r/d", NULL, MS_BIND, NULL));
        enter();
        must!(chdir(c"/d/sub"));
        cwd();
        show(c"../x");
        show(c"../../f");
        must!(chdir(c".."));
        cwd();
        show(c"x");
        must!(chdir(c".."));
        cwd();
    });
}

fn mounts_are_moved_and_taken_away() {
    tree();
    apart(|| {
        must!(mount(c"h", c"r/d", NULL, MS_BIND, NULL));
        enter();
        show(c"/d/x");
        let _ = call!(mount(c"/d", c"/e", NULL, MS_MOVE, NULL));
        show(c"/d/x");
        show(c"/e/x");
        let _ = call!(umount2(c"/d", 0));
        let _ = call!(umount2(c"/e/sub", 0));
        let _ = call!(umount2(c"/e", MNT_DETACH));
        show(c"/e/x");
        let _ = call!(umount2(c"/e", 0));
        let _ = call!(umount2(c"/nothing", 0));
        let _ = call!(umount2(c"/e", 0x1000));
        must!(mount(c"/e", c"/d", NULL, MS_BIND, NULL));
        let _ = call!(umount2(c"/link", UMOUNT_NOFOLLOW));
        let _ = call!(umount2(c"/link", 0));
    });
}

fn remounts_and_propagation() {
    tree();
    apart(|| {
        must!(mount(c"h", c"r/d", NULL, MS_BIND, NULL));
        let _ = call!(mount(NULL, c"r/d", NULL, MS_PRIVATE, NULL));
        let _ = call!(mount(NULL, c"r/e", NULL, MS_PRIVATE, NULL));
        let _ = call!(mount(NULL, c"r/d", NULL, MS_REMOUNT | MS_BIND | MS_NODEV, NULL));
        let _ = call!(mount(NULL, c"r/e", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
        let _ = call!(mount(NULL, c"r/nothing", NULL, MS_REMOUNT, NULL));
    });
}

fn mounts_that_are_wrong() {
    tree();
    apart(|| {
        let _ = call!(mount(c"h", c"r/nothing", NULL, MS_BIND, NULL));
        let _ = call!(mount(c"nothing", c"r/d", NULL, MS_BIND, NULL));
        let _ = call!(mount(c"h", c"r/f", NULL, MS_BIND, NULL));
        let _ = call!(mount(c"h/x", c"r/d", NULL, MS_BIND, NULL));
        let _ = call!(mount(c"h", c"r/d", NULL, MS_MOVE, NULL));
        let _ = call!(mount(c"none", c"r/d", c"nosuchfs", 0, NULL));
        let _ = call!(mount(c"none", BAD, c"tmpfs", 0, NULL));
        let _ = call!(mount(NULL, c"r/d", NULL, MS_BIND, NULL));
        let _ = call!(umount2(c"r/d", 0));
    });
}

fn mounts_need_the_capability() {
    tree();
    apart(|| {
        as_user(1000, || {
            let _ = call!(mount(c"h", c"r/d", NULL, MS_BIND, NULL));
            let _ = call!(mount(c"h", c"r/nothing", NULL, MS_BIND, NULL));
            let _ = call!(umount2(c"r/d", 0));
            let _ = call!(unshare(CLONE_NEWNS));
        });
    });
}

fn read_link(path: &CStr) {
    let mut text = [0u8; 256];
    match quiet!(readlinkat(AT_FDCWD, path, &mut text[..], text.len())) {
        Ok(len) => println!("{} -> {}", path.to_string_lossy(), String::from_utf8_lossy(&text[..len])),
        Err(error) => println!("{}: {}", path.to_string_lossy(), sys::errno::name(error)),
    }
}

fn procfs_inside_tells_of_the_process() {
    tree();
    apart(|| {
        let _ = call!(mount(c"proc", c"r/proc", c"proc", 0, NULL));
        enter();
        must!(chdir(c"/d"));
        let fd = must!(openat(AT_FDCWD, c"/f", O_RDONLY, 0)) as i32;
        println!("{}", fd < 10);
        let name = |rest: &str| std::ffi::CString::new(format!("/proc/self/{rest}")).unwrap_or_default();
        for path in [name("root"), name("cwd"), name(&format!("fd/{fd}"))] {
            read_link(&path);
            show_target(&path);
        }
        show(c"/proc/self/root/f");
        show(c"/proc/self/cwd/covered");
        show(c"/proc/self/cwd/../f");
        show(c"/proc/thread-self/root/d");
        println!("{:?}", std::fs::read_to_string("/proc/self/comm"));
        let own = std::fs::read_link("/proc/self").ok();
        println!("{}", own == Some(std::process::id().to_string().into()));
        in_child(|| {
            let own = std::fs::read_link("/proc/self").ok();
            println!("{}", own == Some(std::process::id().to_string().into()));
        });
        let _ = call!(chdir(c"/proc/self/root"));
        cwd();
        let _ = call!(chdir(c"/proc/self/cwd/d"));
        cwd();
    });
}

fn procfs_inside_tells_of_the_program() {
    root_exec::tree();
    dir(c"r/proc");
    symlink(c"/p", c"r/link");
    apart(|| {
        must!(mount(c"proc", c"r/proc", c"proc", 0, NULL));
        enter();
        run(c"/p", &[c"p", c"role", c"program"]);
        run(c"/link", &[c"p", c"role", c"program"]);
        in_child(|| run(c"/p", &[c"p", c"role", c"exec", c"/proc/self/exe"]));
    });
}

fn mounts_made_inside() {
    tree();
    apart(|| {
        must!(mount(c"r", c"r", NULL, MS_BIND, NULL));
        enter();
        let _ = call!(mount(c"proc", c"/proc", c"proc", 0, NULL));
        println!("{}", std::path::Path::new("/proc/self/status").exists());
        let _ = call!(umount2(c"/proc", 0));
        println!("{}", std::path::Path::new("/proc/self/status").exists());
        let _ = call!(umount2(c"/proc", 0));
    });
}

fn new_namespaces_are_roots() {
    let each = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWNS | libc::CLONE_FS | libc::CLONE_NEWUTS,
        libc::CLONE_FILES,
    ];
    for flags in each {
        in_child(|| {
            let _ = sys::ok_or_errno(&format!("{flags:#x}"), quiet!(unshare(flags)));
        });
        as_user(1000, || {
            let _ = sys::ok_or_errno(&format!("as a user {flags:#x}"), quiet!(unshare(flags)));
        });
    }
    let _ = call!(unshare(0x1));
}

fn pivoted_root() {
    tree();
    dir(c"r/old");
    apart(|| {
        must!(mount(c"r", c"r", NULL, MS_BIND, NULL));
        let _ = call!(pivot_root(c"r/d", c"r/d"));
        let _ = call!(pivot_root(c"r/nothing", c"r/old"));
        let _ = call!(pivot_root(c"r", c"r/nothing"));
        must!(chdir(c"r"));
        let _ = call!(pivot_root(c".", c"old"));
        must!(chdir(c"/"));
        show(c"/f");
        show(c"/d/covered");
        show(c"/../f");
        cwd();
        show(c"/old/etc/passwd");
        show(c"/old/..");
        must!(chdir(c"/old/etc"));
        cwd();
        must!(chdir(c"/"));
        println!("{}", mounts_told::told("mounts").iter().any(|line| line.starts_with("/old ")));
        let _ = call!(umount2(c"/old", MNT_DETACH));
        show(c"/old/etc/passwd");
        show(c"/old");
    });
}

fn pivoted_root_is_refused() {
    tree();
    dir(c"r/old");
    dir(c"other");
    apart(|| {
        must!(mount(c"r", c"r", NULL, MS_BIND, NULL));
        must!(mount(c"h", c"r/e", NULL, MS_BIND, NULL));
        for (new, old) in [
            (c"r", c"other"),
            (c"r/e", c"r/old"),
            (c"r", c"/"),
            (c"/", c"r/old"),
            (c"r/d", c"r/old"),
            (c"r/d", c"other"),
            (c"other", c"other"),
            (c"r/f", c"r/old"),
            (c"r", c"r/f"),
            (c"nothing", c"r/f"),
        ] {
            let _ = call!(pivot_root(new, old));
        }
        as_user(1000, || {
            let _ = call!(pivot_root(c"r", c"r/old"));
        });
        show(c"r/old");
        show(c"h/x");
    });
}

fn pivoted_root_over_itself() {
    tree();
    let place = std::env::current_dir().unwrap_or_default().join("r").into_os_string().into_encoded_bytes();
    let Ok(place) = std::ffi::CString::new(place) else { return };
    apart(|| {
        must!(mount(c"r", c"r", NULL, MS_BIND, NULL));
        must!(pivot_root(&place, &place));
        must!(chdir(c"/"));
        show(c"/f");
        show(c"/d/covered");
        cwd();
    });
    apart(|| {
        must!(mount(c"r", c"r", NULL, MS_BIND, NULL));
        must!(chdir(c"r"));
        must!(pivot_root(c".", c"."));
        must!(umount2(c".", MNT_DETACH));
        must!(chdir(c"/"));
        show(c"/f");
        show(c"/d/covered");
        show(c"/etc/passwd");
    });
}

fn mount_points_keep_their_names() {
    tree();
    dir(c"other");
    apart(|| {
        must!(mount(c"h", c"r/e", NULL, MS_BIND, NULL));
        must!(mount(c"h/x", c"r/f", NULL, MS_BIND, NULL));
        let _ = call!(unlinkat(AT_FDCWD, c"r/e", libc::AT_REMOVEDIR));
        let _ = call!(unlinkat(AT_FDCWD, c"r/f", 0));
        let _ = call!(renameat2(AT_FDCWD, c"r/e", AT_FDCWD, c"r/g", 0));
        let _ = call!(renameat2(AT_FDCWD, c"r/f", AT_FDCWD, c"r/g", 0));
        let _ = call!(renameat2(AT_FDCWD, c"other", AT_FDCWD, c"r/e", 0));
        let _ = call!(renameat2(AT_FDCWD, c"r/d/covered", AT_FDCWD, c"r/f", 0));
        let _ = call!(unlinkat(AT_FDCWD, c"r/d/covered", 0));
        must!(umount2(c"r/e", MNT_DETACH));
        must!(umount2(c"r/f", MNT_DETACH));
        let _ = call!(unlinkat(AT_FDCWD, c"r/e", libc::AT_REMOVEDIR));
        let _ = call!(unlinkat(AT_FDCWD, c"r/f", 0));
    });
}

fn openat2_refuses_mounts() {
    tree();
    symlink(c"/e", c"h/out");
    symlink(c"/d/sub", c"h/in");
    apart(|| {
        must!(mount(c"proc", c"r/proc", c"proc", 0, NULL));
        must!(mount(c"h", c"r/d", NULL, MS_BIND, NULL));
        must!(mount(c"h/x", c"r/f", NULL, MS_BIND, NULL));
        enter();
        let within = must!(openat(AT_FDCWD, c"/d", libc::O_PATH, 0)) as i32;
        let sub = must!(openat(AT_FDCWD, c"/d/sub", libc::O_PATH, 0)) as i32;
        for (resolve, name) in [(0x01, "no other mounts"), (0x02, "no magic links"), (0x04, "no symlinks")] {
            let opened = |from: i32, path: &CStr| {
                let how = [O_RDONLY as u64, 0, resolve];
                if let Ok(fd) = sys::ok_or_errno(&format!("{name} {path:?}"), quiet!(openat2(from, path, &how, 24))) {
                    let _ = quiet!(close(fd));
                }
            };
            for path in [
                c"/e",
                c"/d",
                c"/d/x",
                c"/d/..",
                c"/d/nothing",
                c"/f",
                c"/link/x",
                c"/proc",
                c"/proc/self/status",
                c"/proc/self/root/e",
                c"/proc/self/cwd",
                c"/proc/self/exe",
                c"/proc/thread-self/comm",
                c"e/../d/../e",
            ] {
                opened(AT_FDCWD, path);
            }
            println!("within");
            for path in [c"x", c"sub", c"sub/..", c"..", c"../e", c"absolute", c"up", c"out", c"in", c"/e", c"/d/x"] {
                opened(within, path);
            }
            for path in [c"../x", c"../..", c"../../d/x"] {
                opened(sub, path);
            }
        }
    });
}
