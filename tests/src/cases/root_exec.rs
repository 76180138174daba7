//! Programs executed in another root, of which everything has to come from inside: the file, the interpreter that its first
//! line names, the ELF interpreter and the libraries.

use std::ffi::{CStr, CString};
use std::fs;
use std::path::{Path, PathBuf};

use libc::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_PATH, O_RDONLY};

use super::cases;
use crate::stage::{as_user, copy_of_self, dir, environment, file_with, in_child, mode, null_ended, run, symlink};
use crate::sys;

cases![
    program_of_the_root_is_run,
    program_by_its_relative_name,
    program_through_links,
    program_of_an_interpreter_that_only_the_root_has,
    program_without_its_interpreter_is_enoent,
    program_without_its_libraries_says_so,
    scripts_of_the_root,
    scripts_of_scripts,
    scripts_with_many_arguments,
    scripts_that_are_wrong,
    exec_of_descriptors,
    exec_errors_inside,
    set_user_id_programs_inside,
    program_is_replaced_while_it_runs,
    exec_keeps_the_root,
    another_program_of_the_same_name,
];

/// Interpreters by the names that programs have for them, of all CPUs.
const INTERPRETERS: &[&str] = &[
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-linux-riscv64-lp64d.so.1",
];

/// A copy of a file of the host at the same place in `r`.
fn copy(path: &Path) {
    let to = Path::new("r").join(path.strip_prefix("/").unwrap_or(path));
    let made = to.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::copy(path, &to));
    if let Err(error) = made {
        println!("SETUP FAILED: {}: {error}", path.display());
    }
}

/// The files of code that this program has mapped, itself aside.
fn libraries() -> Vec<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut found: Vec<PathBuf> = maps
        .lines()
        .filter_map(|line| line.split_ascii_whitespace().nth(5))
        .filter(|path| path.contains(".so"))
        .map(PathBuf::from)
        .collect();
    found.dedup();
    found
}

/// The names of the objects that are loaded, as the dynamic linker has them.
pub fn loaded() -> Vec<String> {
    extern "C" fn each(info: *mut libc::dl_phdr_info, _: usize, names: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the linker gives a valid structure, and `names` is what `loaded` has passed.
        let (name, names) = unsafe { (CStr::from_ptr((*info).dlpi_name), &mut *names.cast::<Vec<String>>()) };
        names.push(name.to_string_lossy().into_owned());
        0
    }
    let mut names: Vec<String> = Vec::new();
    // SAFETY: `each` gets the list, which outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(each), (&raw mut names).cast()) };
    names
}

fn interpreter() -> Option<&'static str> {
    let libraries = libraries();
    let is_mapped = |path: &&str| fs::canonicalize(path).is_ok_and(|real| libraries.contains(&real));
    INTERPRETERS.iter().copied().find(is_mapped)
}

/// A root with a copy of this program and all it needs.
pub fn tree() {
    dir(c"r");
    copy_of_self(c"r/p");
    for path in libraries() {
        copy(&path);
        mode(&CString::new(format!("r{}", path.display())).unwrap_or_default(), 0o755);
    }
    if let Some(interpreter) = interpreter() {
        copy(Path::new(interpreter));
    }
    dir(c"r/d");
    // By the library's own rules it is looked for there too.
    if Path::new("/usr/i686-linux-gnu/lib/libc.so.6").exists() {
        symlink(c"/usr/i686-linux-gnu/lib", c"r/lib32");
    }
}

/// Enters a new root with all that a case may want, and becomes the program that plays it there.
pub fn play_inside(name: &str) {
    tree();
    for directory in [c"r/proc", c"r/dev", c"r/work", c"r/tmp"] {
        dir(directory);
    }
    must!(unshare(libc::CLONE_NEWNS));
    must!(mount(sys::NULL, c"/", sys::NULL, libc::MS_REC | libc::MS_PRIVATE, sys::NULL));
    must!(mount(c"proc", c"r/proc", c"proc", 0, sys::NULL));
    must!(mount(c"/dev", c"r/dev", sys::NULL, libc::MS_BIND | libc::MS_REC, sys::NULL));
    must!(chroot(c"r"));
    must!(chdir(c"/work"));
    let name = CString::new(name).unwrap_or_default();
    crate::stage::become_program(c"/p", &[c"/p", c"run", &name]);
}

fn inside(scene: impl FnOnce()) {
    in_child(|| {
        must!(chroot(c"r"));
        must!(chdir(c"/"));
        scene();
    });
}

/// A script of the root.
fn script(path: &CStr, text: &[u8]) {
    file_with(path, text);
    mode(path, 0o755);
}

fn program_of_the_root_is_run() {
    tree();
    inside(|| run(c"/p", &[c"called", c"role", c"program", c"an argument", c""]));
}

fn program_by_its_relative_name() {
    tree();
    inside(|| {
        must!(chdir(c"/d"));
        run(c"../p", &[c"p", c"role", c"program"]);
        run(c"../../../d/.././//p", &[c"p", c"role", c"program"]);
    });
}

fn program_through_links() {
    tree();
    symlink(c"/d/q", c"r/link");
    symlink(c"../p", c"r/d/q");
    inside(|| {
        run(c"/link", &[c"p", c"role", c"program"]);
        run(c"link", &[c"p", c"role", c"program"]);
    });
}

/// Names another interpreter in a copy of this program.
fn rename_interpreter(path: &str, name: &str) {
    let mut bytes = fs::read(path).unwrap_or_default();
    let old = interpreter().unwrap_or_default().as_bytes();
    if let Some(at) = bytes.windows(old.len() + 1).position(|part| part.strip_suffix(b"\0") == Some(old)) {
        bytes[at..at + old.len()].fill(0);
        bytes[at..at + name.len()].copy_from_slice(name.as_bytes());
    } else {
        println!("SETUP FAILED: no interpreter");
    }
    if fs::write(path, bytes).is_err() {
        println!("SETUP FAILED: {path}");
    }
}

fn program_of_an_interpreter_that_only_the_root_has() {
    tree();
    rename_interpreter("r/p", "/only-here");
    let interpreter = format!("r{}", interpreter().unwrap_or_default());
    if fs::rename(interpreter, "r/only-here").is_err() {
        println!("SETUP FAILED: rename");
    }
    inside(|| run(c"/p", &[c"p", c"role", c"program"]));
    run(c"r/p", &[c"p", c"role", c"program"]);
}

fn program_without_its_interpreter_is_enoent() {
    tree();
    let _ = fs::remove_file(format!("r{}", interpreter().unwrap_or_default()));
    inside(|| run(c"/p", &[c"p", c"role", c"program"]));
}

fn program_without_its_libraries_says_so() {
    tree();
    for path in libraries().iter().filter(|path| path.to_string_lossy().contains("libc.so")) {
        let _ = fs::remove_file(format!("r{}", path.display()));
    }
    inside(|| run(c"/p", &[c"/p", c"role", c"program"]));
}

fn scripts_of_the_root() {
    tree();
    script(c"r/s", b"#!/p role\n");
    script(c"r/d/s", b"#! \t../p \t role  \t\nmore\n");
    symlink(c"/s", c"r/t");
    inside(|| {
        run(c"/s", &[c"lost", c"one", c"two"]);
        run(c"s", &[c"lost"]);
        run(c"/s", &[]);
        run(c"/t", &[c"lost", c""]);
        must!(chdir(c"/d"));
        run(c"s", &[c"lost", c"x"]);
        run(c"../s", &[c"lost", c"x"]);
    });
}

fn scripts_of_scripts() {
    tree();
    script(c"r/s", b"#!/p role\n");
    script(c"r/t", b"#!/s\n");
    script(c"r/u", b"#!/t with argument\n");
    script(c"r/l1", b"#!/u\n");
    script(c"r/l2", b"#!/l1\n");
    script(c"r/l3", b"#!/l2\n");
    script(c"r/loop", b"#!/loop\n");
    inside(|| {
        for path in [c"/t", c"/u", c"/l1", c"/l2", c"/l3", c"/loop"] {
            run(path, &[c"lost", c"last"]);
        }
    });
}

fn scripts_with_many_arguments() {
    tree();
    script(c"r/s", b"#!/p role\n");
    inside(|| {
        let many = vec![c"argument"; 5000];
        run(c"/s", &many);
    });
}

fn scripts_that_are_wrong() {
    tree();
    script(c"r/missing", b"#!/nothing\n");
    script(c"r/empty", b"#!\n");
    script(c"r/blank", b"#!  \t \n");
    script(c"r/directory", b"#!/d\n");
    script(c"r/unending", b"#!/p role");
    script(c"r/slash", b"#!/p/ role\n");
    script(c"r/text", b"/p role\n");
    script(c"r/nothing-at-all", b"");
    file_with(c"r/not-executable", b"#!/p role\n");
    file_with(c"r/x", b"#!/p role\n");
    script(c"r/of-not-executable", b"#!/x\n");
    let long = [&b"#!/p "[..], &b"a".repeat(300), b"\n"].concat();
    script(c"r/long-argument", &long);
    let long = [&b"#!/"[..], &b"a".repeat(300), b"\n"].concat();
    script(c"r/long-name", &long);
    inside(|| {
        for path in [
            c"/missing",
            c"/empty",
            c"/blank",
            c"/directory",
            c"/slash",
            c"/text",
            c"/nothing-at-all",
            c"/not-executable",
            c"/of-not-executable",
            c"/long-name",
        ] {
            run(path, &[c"lost"]);
        }
    });
}

fn by_descriptor(fd: i32, path: &CStr, flags: i32) {
    in_child(|| {
        let argv = null_ended([c"p", c"role", c"program"].into_iter());
        let environment = environment();
        let envp = null_ended(environment.iter().map(CString::as_c_str));
        let _ = sys::ok_or_errno(
            &format!("execveat({path:?}, {flags:#x})"),
            quiet!(execveat(fd, path, &argv[..], &envp[..], flags)),
        );
    });
}

fn exec_of_descriptors() {
    tree();
    script(c"r/s", b"#!/p role\n");
    symlink(c"/p", c"r/link");
    inside(|| {
        let top = must!(openat(AT_FDCWD, c"/", O_RDONLY, 0)) as i32;
        let file = must!(openat(AT_FDCWD, c"/p", O_PATH, 0)) as i32;
        by_descriptor(top, c"p", 0);
        by_descriptor(top, c"d/../link", 0);
        by_descriptor(top, c"link", AT_SYMLINK_NOFOLLOW);
        by_descriptor(top, c"p", AT_SYMLINK_NOFOLLOW);
        by_descriptor(file, c"", AT_EMPTY_PATH);
        by_descriptor(file, c"", 0);
        by_descriptor(AT_FDCWD, c"p", 0);
        by_descriptor(77, c"/p", 0);
        by_descriptor(77, c"p", 0);
        by_descriptor(77, c"", AT_EMPTY_PATH);
        by_descriptor(file, c"p", 0);
        by_descriptor(top, c"p", 1);
    });
}

fn exec_errors_inside() {
    tree();
    symlink(c"loop", c"r/loop");
    file_with(c"r/file", b"text");
    must!(mknodat(AT_FDCWD, c"r/fifo", libc::S_IFIFO | 0o755, 0));
    inside(|| {
        run(c"/fifo", &[c"p"]);
        for path in [c"", c"/nothing", c"/d", c"/", c"/file", c"/p/", c"/p/x", c"/loop", c"/../nothing", c"/bin/sh"] {
            run(path, &[c"p", c"role", c"program"]);
        }
        let _ = call!(execve(sys::BAD, sys::NULL, sys::NULL));
        let _ = call!(execve(c"/p", sys::BAD, sys::NULL));
        let _ = call!(execve(c"/p", sys::NULL, sys::BAD));
    });
}

fn set_user_id_programs_inside() {
    tree();
    copy_of_self(c"r/suid");
    copy_of_self(c"r/sgid");
    must!(fchownat(AT_FDCWD, c"r/suid", 2000, 3000, 0));
    must!(fchmodat(AT_FDCWD, c"r/suid", 0o4755));
    must!(fchownat(AT_FDCWD, c"r/sgid", 0, 3000, 0));
    must!(fchmodat(AT_FDCWD, c"r/sgid", 0o2755));
    script(c"r/s", b"#!/suid role\n");
    inside(|| {
        as_user(1000, || {
            run(c"/suid", &[c"p", c"role", c"who"]);
            run(c"/sgid", &[c"p", c"role", c"who"]);
            run(c"/s", &[c"lost"]);
            run(c"/p", &[c"p", c"role", c"who"]);
        });
    });
}

fn program_is_replaced_while_it_runs() {
    tree();
    file_with(c"r/q", b"#!/p role\n");
    mode(c"r/q", 0o755);
    inside(|| {
        run(c"/p", &[c"p", c"role", c"program"]);
        must!(renameat2(AT_FDCWD, c"/p", AT_FDCWD, c"/old", 0));
        run(c"/p", &[c"p", c"role", c"program"]);
        must!(renameat2(AT_FDCWD, c"/q", AT_FDCWD, c"/p", 0));
        run(c"/p", &[c"p", c"role", c"program"]);
        run(c"/old", &[c"p", c"role", c"program"]);
    });
}

fn exec_keeps_the_root() {
    tree();
    file_with(c"f", b"outside");
    file_with(c"r/f", b"in");
    inside(|| {
        run(c"/p", &[c"p", c"role", c"look"]);
        run(c"/p", &[c"p", c"role", c"exec", c"/p"]);
        run(c"/p", &[c"p", c"role", c"make"]);
    });
    crate::seen::show(c"r/made");
    crate::seen::show(c"r/node");
    crate::seen::show(c"f");
}

/// The thread's name is that of what was executed, not of what it leads to.
fn another_program_of_the_same_name() {
    tree();
    symlink(c"/p", c"r/a-name-of-more-than-fifteen-letters");
    inside(|| {
        run(c"/a-name-of-more-than-fifteen-letters", &[c"p", c"role", c"program"]);
        run(c"/./p", &[c"p", c"role", c"program"]);
    });
}
