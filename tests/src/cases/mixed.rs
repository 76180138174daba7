//! Programs of two ABIs in one tree: this one executes the case program of the other ABI, which `FRNG_CASE_OTHER` names, and
//! that one may execute the first again. What is faked must stay what it was.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStringExt;

use libc::{AT_FDCWD, O_RDONLY, S_IFCHR};

use super::cases;
use crate::seen::show;
use crate::stage::{as_path, as_user, become_program, dir, drop_to, file, in_child, in_thread, mode, run};
use crate::sys::ok_or_errno;

cases![
    owners_are_seen_by_the_other_abi,
    ids_are_told_to_the_other_abi,
    and_back_again,
    back_again_as_a_user,
    suid_program_of_the_other_abi,
    what_the_other_abi_makes_is_seen,
    a_thread_executes_the_other_abi,
    a_faked_device_is_met_by_the_other_abi,
    directories_hand_down_to_the_other_abi,
];

/// A program from the environment.
fn named(variable: &str) -> CString {
    let path = std::env::var_os(variable).unwrap_or_default();
    CString::new(path.into_vec()).unwrap_or_default()
}

fn other() -> CString {
    named("FRNG_CASE_OTHER")
}

/// Plays a role in the other ABI's program.
fn role(name: &CStr) {
    let other = other();
    run(&other, &[c"other", c"role", name]);
}

fn owners_are_seen_by_the_other_abi() {
    file(c"f");
    let _ = call!(fchownat(AT_FDCWD, c"f", 70_001, 2000, 0));
    let _ = call!(fchmodat(AT_FDCWD, c"f", 0o4711));
    show(c"f");
    role(c"look");
}

fn ids_are_told_to_the_other_abi() {
    role(c"who");
    let _ = quiet!(setgroups(2, &[5u32, 70_000][..]));
    let _ = quiet!(setresgid(1, 2, 3));
    let _ = quiet!(setresuid(4, 0, 70_005));
    role(c"who");
    role(c"groups");
}

fn and_back_again() {
    file(c"f");
    let _ = call!(fchownat(AT_FDCWD, c"f", 1000, 2000, 0));
    let own = named("FRNG_CASE");
    let other = other();
    in_child(|| {
        let _ = quiet!(setresgid(1, 2, 3));
        become_hidden(&other, &[c"other", c"role", c"exec", &own]);
    });
    show(c"f");
}

fn back_again_as_a_user() {
    let own = named("FRNG_CASE");
    let other = other();
    as_user(1000, || become_hidden(&other, &[c"other", c"role", c"exec", &own]));
}

/// Executes a program whose path differs between two runs.
fn become_hidden(path: &CStr, args: &[&CStr]) {
    let argv = crate::stage::null_ended(args.iter().copied());
    let environment = crate::stage::environment();
    let envp = crate::stage::null_ended(environment.iter().map(CString::as_c_str));
    let _ = ok_or_errno("execve", quiet!(execve(path, &argv[..], &envp[..])));
}

fn suid_program_of_the_other_abi() {
    let other = other();
    if let Err(e) = std::fs::copy(as_path(&other), "s") {
        println!("SETUP FAILED: {e}");
    }
    let _ = call!(fchownat(AT_FDCWD, c"s", 3000, 4000, 0));
    mode(c"s", 0o6755);
    in_child(|| {
        drop_to(1000);
        become_program(c"./s", &[c"./s", c"role", c"who"]);
    });
}

fn what_the_other_abi_makes_is_seen() {
    role(c"make");
    show(c"made");
    show(c"node");
    show(c"made-directory");
    show(c"socket");
}

fn a_thread_executes_the_other_abi() {
    file(c"f");
    let _ = quiet!(fchownat(AT_FDCWD, c"f", 1000, 2000, 0));
    let other = other();
    in_child(|| {
        in_thread(|| {
            let _ = quiet!(setresuid(5, 6, 7));
            become_program_by(&other);
        });
    });
}

fn become_program_by(other: &CStr) {
    become_hidden(other, &[c"other", c"role", c"who"]);
}

fn a_faked_device_is_met_by_the_other_abi() {
    must!(mknodat(AT_FDCWD, c"null", S_IFCHR | 0o666, 0x103));
    must!(mknodat(AT_FDCWD, c"made", S_IFCHR | 0o666, 0x103));
    role(c"make");
    let _ = ok_or_errno("open node", quiet!(openat(AT_FDCWD, c"node", O_RDONLY, 0)));
    let fd = must!(openat(AT_FDCWD, c"null", O_RDONLY, 0));
    let mut byte = [0u8; 1];
    let _ = call!(read(fd, &mut byte, 1));
}

fn directories_hand_down_to_the_other_abi() {
    dir(c"d");
    let _ = quiet!(fchownat(AT_FDCWD, c"d", 0, 4000, 0));
    mode(c"d", 0o2777);
    let other = other();
    in_child(|| {
        let _ = call!(chdir(c"d"));
        become_hidden(&other, &[c"other", c"role", c"make"]);
    });
    show(c"d/made");
    show(c"d/made-directory");
    show(c"d/node");
    show(c"d/socket");
}
