//! chroot(2): what paths mean to a process with another root. Each case builds the tree that it enters. What other calls do
//! there is in `roots_calls`.

use std::ffi::{CStr, CString};
use std::thread;

use libc::{
    AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_RDONLY, O_WRONLY,
    S_IFIFO,
};

use super::cases;
use crate::seen::{self, show, show_target};
use crate::stage::{as_user, dir, file, file_with, in_child, open_dir, symlink};
use crate::sys::{self, BAD, NULL, ok_or_errno};

cases![
    chroot_hides_what_is_outside,
    chroot_needs_the_capability,
    chroot_errors_are_the_kernels,
    dots_stay_at_the_root,
    absolute_links_begin_at_the_root,
    trailing_slashes,
    names_alone,
    errors_of_lookup,
    names_are_made_through_links,
    names_are_removed_and_moved,
    links_of_both_kinds,
    cwd_outside_leads_out,
    descriptors_opened_before_stay,
    nested_roots,
    out_by_a_nested_root,
    root_is_inherited_and_not_given_back,
    threads_have_one_root,
    getcwd_tells_names_inside,
    long_names_and_paths,
    unnamed_and_deleted_directories,
    root_of_the_real_root,
    many_links_to_follow,
    mazes_of_links,
];

/// A tree to enter, and something outside of the same names.
pub(super) fn tree() {
    dir(c"out");
    file_with(c"out/f", b"outside");
    file_with(c"secret", b"outside");
    dir(c"r");
    dir(c"r/d");
    dir(c"r/d/e");
    file(c"r/f");
    file_with(c"r/d/g", b"longer text");
    symlink(c"/d", c"r/absolute");
    symlink(c"d", c"r/relative");
    symlink(c"../../../d/e", c"r/d/e/up");
    symlink(c"/nowhere", c"r/dangling");
    symlink(c"loop2", c"r/loop1");
    symlink(c"loop1", c"r/loop2");
    symlink(c"/f", c"r/to-file");
    symlink(c"/d/", c"r/with-slash");
    symlink(c"/made-by-link", c"r/maker");
    symlink(c"/", c"r/root");
    symlink(c"..", c"r/d/parent");
    symlink(c"/../../../secret", c"r/escape");
}

/// Plays `scene` in a child whose root is `r`, at its top.
pub(super) fn inside(scene: impl FnOnce()) {
    in_child(|| {
        must!(chroot(c"r"));
        must!(chdir(c"/"));
        scene();
    });
}

/// Closes the descriptor of a result, and prints only whether there was one.
pub(super) fn opened(what: &str, result: sys::Result) {
    if let Ok(fd) = ok_or_errno(what, result) {
        let _ = quiet!(close(fd));
    }
}

fn cwd() {
    let mut text = [0u8; 4096];
    match quiet!(getcwd(&mut text[..], text.len())) {
        Ok(len) => println!("cwd {} of {len}", String::from_utf8_lossy(&text[..len - 1])),
        Err(error) => println!("cwd {}", sys::errno::name(error)),
    }
}

fn read_link(path: &CStr) {
    let mut text = [0u8; 256];
    match quiet!(readlinkat(AT_FDCWD, path, &mut text[..], text.len())) {
        Ok(len) => println!("{} -> {}", path.to_string_lossy(), String::from_utf8_lossy(&text[..len])),
        Err(error) => println!("{}: {}", path.to_string_lossy(), sys::errno::name(error)),
    }
}

fn chroot_hides_what_is_outside() {
    tree();
    inside(|| {
        for path in [c"/f", c"/d/g", c"/secret", c"/out/f", c"/r", c"/etc/passwd", c"/proc/self", c"f", c"r/f", c"/"] {
            show(path);
        }
        cwd();
    });
    show(c"r/f");
    show(c"secret");
}

fn chroot_needs_the_capability() {
    tree();
    as_user(1000, || {
        let _ = call!(chroot(c"r"));
        let _ = call!(chroot(c"nothing"));
        let _ = call!(chroot(c"secret"));
        show(c"secret");
    });
}

fn chroot_errors_are_the_kernels() {
    tree();
    in_child(|| {
        let _ = call!(chroot(c"r/f"));
        let _ = call!(chroot(c"r/f/"));
        let _ = call!(chroot(c"r/nothing"));
        let _ = call!(chroot(c""));
        let _ = call!(chroot(BAD));
        let _ = call!(chroot(NULL));
        let _ = call!(chroot(c"r/loop1"));
        show(c"secret");
        let _ = call!(chroot(c"r/relative"));
        show(c"/g");
    });
}

fn dots_stay_at_the_root() {
    tree();
    inside(|| {
        for path in
            [c"/..", c"/../f", c"/../../../f", c"../../f", c"/d/../../../f", c"/d/e/../../../../secret", c"..", c"."]
        {
            show(path);
        }
        must!(chdir(c"/d/e"));
        for path in [c"../../f", c"../../../../f", c"../../../secret", c".."] {
            show(path);
        }
        must!(chdir(c".."));
        cwd();
        must!(chdir(c"../.."));
        cwd();
    });
}

fn absolute_links_begin_at_the_root() {
    tree();
    inside(|| {
        for path in [
            c"/absolute/g",
            c"absolute",
            c"/relative/g",
            c"/d/e/up",
            c"/d/e/up/up",
            c"/dangling",
            c"/loop1",
            c"/to-file",
            c"/with-slash",
            c"/root",
            c"/root/f",
            c"/escape",
            c"/d/parent",
            c"/d/parent/parent/f",
            c"/root/root/root/d/g",
        ] {
            show(path);
            show_target(path);
            read_link(path);
        }
    });
}

/// Each call several times, for an engine may answer the later ones by other means.
fn names_alone() {
    tree();
    inside(|| {
        for _ in 0..3 {
            must!(chdir(c"/"));
            for name in [c"absolute", c"to-file", c"d", c"f", c"nothing", c".", c".."] {
                show(name);
                show_target(name);
                read_link(name);
            }
            let _ = call!(fchownat(AT_FDCWD, c"to-file", 5, 6, 0));
            let _ = call!(fchownat(AT_FDCWD, c"to-file", 7, 8, libc::AT_SYMLINK_NOFOLLOW));
            let _ = call!(mkdirat(AT_FDCWD, c"made", 0o750));
            let _ = call!(renameat2(AT_FDCWD, c"made", AT_FDCWD, c"renamed", 0));
            show(c"renamed");
            let _ = call!(unlinkat(AT_FDCWD, c"renamed", libc::AT_REMOVEDIR));
            for flags in [O_RDONLY, O_RDONLY | libc::O_NOFOLLOW, O_WRONLY | O_CREAT, O_WRONLY | O_CREAT | libc::O_EXCL]
            {
                match quiet!(openat(AT_FDCWD, c"to-file", flags, 0o600)) {
                    Ok(fd) => {
                        seen::show_fd("opened", fd as i32);
                        let _ = quiet!(close(fd as i32));
                    }
                    Err(error) => println!("{flags:#x}: {}", sys::errno::name(error)),
                }
            }
            show(c"f");
            must!(chdir(c"absolute"));
            show(c"g");
            show(c"..");
        }
        must!(mkdirat(AT_FDCWD, c"/proc", 0o755));
        must!(mount(c"proc", c"/proc", c"proc", 0, NULL));
        must!(chdir(c"/proc/self"));
        for _ in 0..3 {
            read_link(c"root");
            read_link(c"nothing");
            show_target(c"root");
        }
        must!(chdir(c"/"));
        must!(umount2(c"/proc", libc::MNT_DETACH));
        must!(unlinkat(AT_FDCWD, c"/proc", libc::AT_REMOVEDIR));
    });
}

fn trailing_slashes() {
    tree();
    inside(|| {
        for path in [
            c"/f/",
            c"/d/",
            c"/absolute/",
            c"/to-file/",
            c"/dangling/",
            c"/loop1/",
            c"/nothing/",
            c"//d//",
            c"/d/.",
            c"/f/.",
            c"/f/..",
        ] {
            show(path);
            show_target(path);
            read_link(path);
            opened(&format!("open {path:?}"), quiet!(openat(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW, 0)));
            opened(&format!("create {path:?}"), quiet!(openat(AT_FDCWD, path, O_WRONLY | O_CREAT, 0o644)));
            opened(&format!("exclusive {path:?}"), quiet!(openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0o644)));
        }
        let _ = call!(mkdirat(AT_FDCWD, c"/new/", 0o755));
        let _ = call!(mkdirat(AT_FDCWD, c"/dangling/", 0o755));
        let _ = call!(symlinkat(c"x", AT_FDCWD, c"/new-link/"));
        let _ = call!(unlinkat(AT_FDCWD, c"/absolute/", 0));
        let _ = call!(unlinkat(AT_FDCWD, c"/absolute/", AT_REMOVEDIR));
        let _ = call!(renameat2(AT_FDCWD, c"/f/", AT_FDCWD, c"/f2", 0));
        let _ = call!(renameat2(AT_FDCWD, c"/d/", AT_FDCWD, c"/d2/", 0));
        let _ = call!(unlinkat(AT_FDCWD, c"/new/", AT_REMOVEDIR));
    });
}

fn errors_of_lookup() {
    tree();
    inside(|| {
        for path in [
            c"",
            c"/nothing/x",
            c"/f/x",
            c"/loop1/x",
            c"/dangling/x",
            c"/to-file/x",
            c"/d/e/up/nothing",
            c"/./../.",
            c"/d/./e/.",
            c"/d/..",
            c"/f/../d",
            c"/nothing/../f",
        ] {
            show(path);
            opened(&format!("open {path:?}"), quiet!(openat(AT_FDCWD, path, O_RDONLY, 0)));
            opened(&format!("directory {path:?}"), quiet!(openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0)));
            opened(&format!("path {path:?}"), quiet!(openat(AT_FDCWD, path, O_PATH | O_NOFOLLOW, 0)));
            let _ = ok_or_errno("chdir", quiet!(chdir(path)));
            must!(chdir(c"/"));
        }
        let _ = call!(chdir(BAD));
        let _ = call!(openat(AT_FDCWD, BAD, O_RDONLY, 0));
        let _ = call!(openat(77, c"f", O_RDONLY, 0));
        opened("absolute with a bad directory", quiet!(openat(77, c"/f", O_RDONLY, 0)));
        let fd = must!(openat(AT_FDCWD, c"/f", O_RDONLY, 0)) as i32;
        let _ = call!(openat(fd, c"f", O_RDONLY, 0));
    });
}

fn names_are_made_through_links() {
    tree();
    inside(|| {
        opened("maker", quiet!(openat(AT_FDCWD, c"/maker", O_WRONLY | O_CREAT, 0o640)));
        opened("maker exclusively", quiet!(openat(AT_FDCWD, c"/maker", O_WRONLY | O_CREAT | O_EXCL, 0o640)));
        opened("not through", quiet!(openat(AT_FDCWD, c"/dangling", O_WRONLY | O_CREAT | O_NOFOLLOW, 0o640)));
        opened("loop", quiet!(openat(AT_FDCWD, c"/loop1", O_WRONLY | O_CREAT, 0o640)));
        opened("below", quiet!(openat(AT_FDCWD, c"/absolute/new", O_WRONLY | O_CREAT, 0o600)));
        opened("escape", quiet!(openat(AT_FDCWD, c"/escape", O_WRONLY | O_CREAT, 0o600)));
        opened("root", quiet!(openat(AT_FDCWD, c"/", O_WRONLY | O_CREAT, 0o600)));
        opened("dot", quiet!(openat(AT_FDCWD, c"/d/.", O_WRONLY | O_CREAT, 0o600)));
        opened("directory", quiet!(openat(AT_FDCWD, c"/d", O_WRONLY | O_CREAT, 0o600)));
        opened("unnamed", quiet!(openat(AT_FDCWD, c"/absolute", O_WRONLY | libc::O_TMPFILE, 0o600)));
        let _ = call!(mkdirat(AT_FDCWD, c"/relative/m", 0o710));
        let _ = call!(mkdirat(AT_FDCWD, c"/dangling", 0o710));
        let _ = call!(mkdirat(AT_FDCWD, c"/", 0o710));
        let _ = call!(mkdirat(AT_FDCWD, c"/..", 0o710));
        let _ = call!(mkdirat(AT_FDCWD, c"/d/.", 0o710));
        let _ = call!(mknodat(AT_FDCWD, c"/absolute/p", S_IFIFO | 0o620, 0));
        let _ = call!(symlinkat(c"/d/g", AT_FDCWD, c"/absolute/s"));
        for path in [c"/made-by-link", c"/d/new", c"/d/m", c"/d/p", c"/d/s", c"/secret"] {
            show(path);
        }
    });
    show(c"r/d/new");
    show(c"r/secret");
    show(c"secret");
}

fn names_are_removed_and_moved() {
    tree();
    inside(|| {
        let _ = call!(renameat2(AT_FDCWD, c"/absolute/g", AT_FDCWD, c"/relative/h", 0));
        let _ = call!(renameat2(AT_FDCWD, c"/absolute", AT_FDCWD, c"/renamed", 0));
        let _ = call!(renameat2(AT_FDCWD, c"/", AT_FDCWD, c"/x", 0));
        let _ = call!(renameat2(AT_FDCWD, c"/d", AT_FDCWD, c"/..", 0));
        let _ = call!(renameat2(AT_FDCWD, c"/f", AT_FDCWD, c"/../../f2", 0));
        let _ = call!(renameat2(AT_FDCWD, c"/nothing", AT_FDCWD, c"/f3", 0));
        let _ = call!(unlinkat(AT_FDCWD, c"/", 0));
        let _ = call!(unlinkat(AT_FDCWD, c"/", AT_REMOVEDIR));
        let _ = call!(unlinkat(AT_FDCWD, c"/d/.", AT_REMOVEDIR));
        let _ = call!(unlinkat(AT_FDCWD, c"/d/..", AT_REMOVEDIR));
        let _ = call!(unlinkat(AT_FDCWD, c"..", AT_REMOVEDIR));
        let _ = call!(unlinkat(AT_FDCWD, c"/to-file", 0));
        let _ = call!(unlinkat(AT_FDCWD, c"/renamed/h", 0));
        let _ = call!(unlinkat(AT_FDCWD, c"/dangling", 0));
        let _ = call!(unlinkat(AT_FDCWD, c"/relative", AT_REMOVEDIR));
        for path in [c"/f", c"/f2", c"/d/g", c"/d/h", c"/renamed", c"/absolute"] {
            show(path);
        }
    });
    show(c"r/f2");
}

fn links_of_both_kinds() {
    tree();
    inside(|| {
        let _ = call!(linkat(AT_FDCWD, c"/absolute/g", AT_FDCWD, c"/relative/g2", 0));
        let _ = call!(linkat(AT_FDCWD, c"/to-file", AT_FDCWD, c"/link-to-link", 0));
        let _ = call!(linkat(AT_FDCWD, c"/to-file", AT_FDCWD, c"/link-to-file", AT_SYMLINK_FOLLOW));
        let _ = call!(linkat(AT_FDCWD, c"/escape", AT_FDCWD, c"/out", AT_SYMLINK_FOLLOW));
        let _ = call!(linkat(AT_FDCWD, c"/f", AT_FDCWD, c"/dangling", 0));
        let _ = call!(linkat(AT_FDCWD, c"/f", AT_FDCWD, c"/", 0));
        for path in [c"/d/g2", c"/link-to-link", c"/link-to-file", c"/f", c"/dangling"] {
            show(path);
        }
    });
}

/// Without chdir the working directory is outside, and paths from there are not confined.
fn cwd_outside_leads_out() {
    tree();
    in_child(|| {
        must!(chroot(c"r"));
        let mut text = [0u8; 4096];
        let len = must!(getcwd(&mut text[..], text.len()));
        println!("unreachable: {}", text[..len.min(4096)].starts_with(b"(unreachable)/"));
        for path in [c"secret", c"out/f", c"/f", c"r/f", c"r/to-file", c"r/absolute/g", c"r/../secret", c"/secret"] {
            show_target(path);
        }
        must!(chdir(c"r"));
        cwd();
        must!(chdir(c".."));
        cwd();
    });
}

fn descriptors_opened_before_stay() {
    tree();
    in_child(|| {
        let (out, top) = (open_dir(c"out"), open_dir(c"."));
        must!(chroot(c"r"));
        must!(chdir(c"/"));
        let answer = |result: sys::Result<seen::Seen>| match result {
            Ok(seen) => println!("{seen}"),
            Err(error) => println!("{}", sys::errno::name(error)),
        };
        answer(seen::by_statx(out, c"f", 0));
        answer(seen::by_statx(out, c"../secret", 0));
        answer(seen::by_statx(out, c"/f", 0));
        answer(seen::by_statx(top, c"r/absolute/g", 0));
        answer(seen::by_statx(top, c"r/..", 0));
        must!(fchdir(out));
        let mut text = [0u8; 4096];
        let len = must!(getcwd(&mut text[..], text.len()));
        println!("unreachable: {}", text[..len.min(4096)].starts_with(b"(unreachable)/"));
        show(c"f");
        show(c"../secret");
        show(c"/f");
    });
}

fn nested_roots() {
    tree();
    inside(|| {
        must!(chroot(c"/absolute"));
        must!(chdir(c"/"));
        for path in [c"/g", c"/f", c"/e/up", c"/parent/f", c"/../g"] {
            show(path);
            show_target(path);
        }
        cwd();
        must!(chroot(c"e/.."));
        show(c"/g");
        must!(chroot(c"../../e"));
        show(c"/g");
        show(c"/../up");
    });
}

/// The well-known way out, which is root's.
fn out_by_a_nested_root() {
    tree();
    inside(|| {
        let top = open_dir(c"/");
        must!(chroot(c"d"));
        must!(fchdir(top));
        must!(chdir(c".."));
        show(c"secret");
        must!(chroot(c"."));
        show(c"/secret");
        show(c"/r/d/g");
        cwd();
    });
}

fn root_is_inherited_and_not_given_back() {
    tree();
    inside(|| {
        in_child(|| {
            show(c"/d/g");
            must!(chroot(c"/d"));
            show(c"/g");
        });
        show(c"/g");
        show(c"/d/g");
    });
    show(c"r/d/g");
}

fn threads_have_one_root() {
    tree();
    in_child(|| {
        thread::scope(|scope| {
            scope.spawn(|| {
                must!(chroot(c"r"));
                must!(chdir(c"/"));
            });
        });
        show(c"/d/g");
        show(c"secret");
        thread::scope(|scope| {
            scope.spawn(|| show(c"/f"));
        });
        thread::scope(|scope| {
            scope.spawn(|| {
                must!(unshare(libc::CLONE_FS));
                must!(chroot(c"/d"));
                show(c"/g");
            });
        });
        show(c"/g");
    });
}

fn getcwd_tells_names_inside() {
    tree();
    inside(|| {
        for path in [c"/", c"d", c"e", c"up", c"../..", c"absolute/e", c"/with-slash"] {
            let _ = ok_or_errno(&format!("chdir {path:?}"), quiet!(chdir(path)));
            cwd();
        }
        let mut text = [7u8; 16];
        let _ = call!(getcwd(&mut text[..], 2));
        let _ = call!(getcwd(&mut text[..], 0));
        let _ = call!(getcwd(&mut text[..], 3));
        println!("{text:?}");
        let _ = call!(getcwd(BAD, 16));
    });
}

fn long_names_and_paths() {
    tree();
    inside(|| {
        let name = CString::new(vec![b'n'; 255]).unwrap_or_default();
        let too_long = CString::new(vec![b'n'; 256]).unwrap_or_default();
        let deep = CString::new(b"/d/..".repeat(800)).unwrap_or_default();
        let longest = CString::new([&b"/".repeat(4093)[..], b"d/"].concat()).unwrap_or_default();
        let longer = CString::new([&b"/".repeat(4094)[..], b"d/"].concat()).unwrap_or_default();
        opened("255", quiet!(openat(AT_FDCWD, &*name, O_WRONLY | O_CREAT, 0o644)));
        opened("256", quiet!(openat(AT_FDCWD, &*too_long, O_WRONLY | O_CREAT, 0o644)));
        let below = CString::new([too_long.as_bytes(), b"/x"].concat()).unwrap_or_default();
        opened("256/x", quiet!(openat(AT_FDCWD, &*below, O_RDONLY, 0)));
        opened("4000", quiet!(openat(AT_FDCWD, &*deep, O_RDONLY, 0)));
        opened("4095", quiet!(openat(AT_FDCWD, &*longest, O_RDONLY, 0)));
        opened("4096", quiet!(openat(AT_FDCWD, &*longer, O_RDONLY, 0)));
        let _ = ok_or_errno("mkdir 256", quiet!(mkdirat(AT_FDCWD, &*too_long, 0o755)));
        // Deeper than a path can tell.
        for _ in 0..20 {
            must!(mkdirat(AT_FDCWD, &*name, 0o755));
            must!(chdir(&*name));
        }
    });
}

fn unnamed_and_deleted_directories() {
    tree();
    inside(|| {
        must!(mkdirat(AT_FDCWD, c"/gone", 0o755));
        must!(chdir(c"/gone"));
        must!(unlinkat(AT_FDCWD, c"/gone", AT_REMOVEDIR));
        cwd();
        show(c"x");
        show(c".");
        show(c"..");
        show(c"../f");
        opened("create", quiet!(openat(AT_FDCWD, c"x", O_WRONLY | O_CREAT, 0o644)));
        must!(chdir(c"/"));
        cwd();
    });
}

fn root_of_the_real_root() {
    tree();
    in_child(|| {
        must!(chroot(c"/"));
        show(c"secret");
        show_target(c"r/absolute");
        show(c"/..");
    });
}

fn many_links_to_follow() {
    tree();
    inside(|| {
        for index in 0..45 {
            let text = CString::new(if index == 0 { "/f".into() } else { format!("/l{}", index - 1) });
            let name = CString::new(format!("/l{index}"));
            if let (Ok(text), Ok(name)) = (text, name) {
                must!(symlinkat(&*text, AT_FDCWD, &*name));
            }
        }
        for path in [c"/l0", c"/l38", c"/l39", c"/l40", c"/l44", c"/root/root/l37", c"/root/root/l38", c"/l37/x"] {
            show_target(path);
            opened(&format!("create {path:?}"), quiet!(openat(AT_FDCWD, path, O_WRONLY | O_CREAT, 0o644)));
        }
    });
}

/// `checks/mazes` plays many more.
fn mazes_of_links() {
    for (seed, name) in [(1, c"1"), (2, c"2"), (3, c"3"), (4, c"4")] {
        crate::mazes::play(seed, name, 150);
    }
}
