//! What proc_pid_maps(5) and proc_pid_smaps(5) tell of the files that programs in another root have mapped, there and outside.

use std::ffi::CStr;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use libc::{AT_FDCWD, MAP_PRIVATE, MS_BIND, PROT_READ};

use super::cases;
use super::mounts::{apart, enter};
use super::root_exec;
use crate::stage::{become_program, dir, file_with, fork, in_child, null_ended, open_ro, run, tell_end};
use crate::sys::NULL;

cases![
    a_program_that_loses_its_name,
    files_are_named_from_the_root,
    program_is_named_by_processes_outside,
    names_with_line_breaks
];

/// Prints whom a file like `/proc/self/maps` names, each once in order of first mention, and whether the lines are as stat(2) tells of
/// the files. What frng adds to a process is passed over: it is not the program's.
pub fn tell(file: &str) {
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut told: Vec<&str> = Vec::new();
    for line in text.lines().filter(|line| line.contains('/') && !line.ends_with(" kB")) {
        let Some(begin) = line.find('/') else { continue };
        let (before, name) = line.split_at(begin);
        let is_frngs = name.starts_with("/memfd:frng") || name.contains("/fakeroot-tmpdir/#");
        if is_frngs || told.contains(&name) {
            continue;
        }
        told.push(name);
        let words: Vec<_> = before.split_ascii_whitespace().collect();
        let real = fs::metadata(name);
        let is_right = real.as_ref().is_ok_and(|real| {
            let (major, minor) = (libc::major(real.dev()), libc::minor(real.dev()));
            words[3..] == [format!("{major:02x}:{minor:02x}"), real.ino().to_string()]
        });
        println!("{name}: at {begin}, {is_right}");
    }
}

/// The role of a program that tells what it has mapped, besides itself what is named by its arguments.
pub fn play(files: &[&str]) {
    for file in files {
        map(&std::ffi::CString::new(*file).unwrap_or_default());
    }
    tell("/proc/self/maps");
    tell("/proc/self/smaps");
    tell("/proc/thread-self/maps");
}

/// Maps a file and forgets its descriptor.
fn map(path: &CStr) {
    let fd = open_ro(path);
    // SAFETY: new memory, of which nobody has a reference.
    let memory = unsafe { libc::mmap(std::ptr::null_mut(), 1, PROT_READ, MAP_PRIVATE, fd, 0) };
    if memory == libc::MAP_FAILED {
        println!("SETUP FAILED: mmap");
    }
    must!(close(fd));
}

fn files_are_named_from_the_root() {
    root_exec::tree();
    dir(c"r/proc");
    dir(c"h");
    file_with(c"h/bound", b"x");
    file_with(c"r/d/inside", b"x");
    apart(|| {
        must!(mount(c"proc", c"r/proc", c"proc", 0, NULL));
        dir(c"r/e");
        must!(mount(c"h", c"r/e", NULL, MS_BIND, NULL));
        enter();
        run(c"/p", &[c"p", c"role", c"mapped", c"/d/inside", c"/e/bound"]);
        map(c"/d/inside");
        must!(unlinkat(AT_FDCWD, c"/d/inside", 0));
        let text = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        println!("{}", text.lines().any(|line| line.ends_with(" /d/inside (deleted)")));
    });
}

fn program_is_named_by_processes_outside() {
    root_exec::tree();
    let place = fs::canonicalize("r").unwrap_or_default();
    let (mut ready, mut go) = ([0i32; 2], [0i32; 2]);
    must!(pipe2(&mut ready, libc::O_CLOEXEC));
    must!(pipe2(&mut go, libc::O_CLOEXEC));
    let child = fork(|| {
        must!(dup3(go[0], 0, 0));
        must!(dup3(ready[1], 1, 0));
        must!(chroot(c"r"));
        must!(chdir(c"/"));
        become_program(c"/p", &[c"p", c"role", c"until-told"]);
    });
    let Ok(child) = child else { return };
    must!(close(ready[1]));
    must!(close(go[0]));
    must!(read(ready[0], &mut [0u8; 1], 1));
    must!(close(ready[0]));
    let text = fs::read_to_string(format!("/proc/{child}/maps")).unwrap_or_default();
    let end = format!(" {}", place.join("p").display());
    println!("{}", text.lines().any(|line| line.ends_with(&end)));
    must!(close(go[1]));
    tell_end(child);
}

/// The role of a program that says that it runs, and then waits for the end of its input.
pub fn stay() {
    println!();
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn names_with_line_breaks() {
    root_exec::tree();
    dir(c"r/proc");
    file_with(c"r/d/a\nb c\\012", b"x");
    apart(|| {
        must!(mount(c"proc", c"r/proc", c"proc", 0, NULL));
        enter();
        map(c"/d/a\nb c\\012");
        let text = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        println!("{:?}", text.lines().find_map(|line| line.split_once("/d/").map(|(_, rest)| rest)));
    });
}

/// Tells of this program, which has another name now or none.
pub fn tell_of_itself(args: &[&str]) {
    let done = match args {
        ["unlink"] => fs::remove_file("/one"),
        ["rename"] => fs::rename("/other", "/another"),
        ["replace"] => fs::rename("/new", "/old"),
        _ => Ok(()),
    };
    println!("{args:?} {done:?}");
    tell("/proc/self/maps");
    println!("{:?}", fs::read_link("/proc/self/exe"));
    println!("{:?}", fs::read("/proc/self/exe").map(|bytes| bytes.len() > 1000));
    in_child(|| run(c"/proc/self/exe", &[c"again", c"role", c"look"]));
}

fn a_program_that_loses_its_name() {
    root_exec::tree();
    dir(c"r/proc");
    for name in [c"r/one", c"r/other", c"r/old", c"r/new"] {
        crate::stage::copy_of_self(name);
    }
    file_with(c"r/f", b"x");
    apart(|| {
        must!(mount(c"proc", c"r/proc", c"proc", 0, NULL));
        enter();
        for (name, what) in [(c"/one", c"unlink"), (c"/other", c"rename"), (c"/old", c"replace")] {
            run(name, &[c"p", c"role", c"tell-of-itself", what]);
        }
        let fd = open_ro(c"/p");
        in_child(|| {
            let (argv, envp) = (null_ended([c"p", c"role", c"tell-of-itself"].into_iter()), [0usize]);
            let _ = call!(execveat(fd, c"", &argv[..], &envp, libc::AT_EMPTY_PATH));
        });
        let name = std::ffi::CString::new(format!("/proc/self/fd/{fd}")).unwrap_or_default();
        run(&name, &[c"p", c"role", c"tell-of-itself"]);
    });
}
