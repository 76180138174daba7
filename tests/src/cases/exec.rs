//! exec of set-user-ID and set-group-ID files, of scripts, and of files with capabilities.

use std::ffi::{CStr, CString};

use libc::{AT_EMPTY_PATH, AT_FDCWD, PR_SET_NO_NEW_PRIVS};

use super::cases;
use super::xattr::vfs_cap;
use crate::seen::show;
use crate::stage::{
    as_user, become_program, copy_of_self, dir, drop_to, environment, file_with, in_child, mode, null_ended, run,
    symlink,
};
use crate::sys::{self, BAD, NULL};

cases![
    root_executes_a_plain_program,
    user_executes_a_plain_program,
    suid_root_program_makes_root_again,
    suid_of_another_user,
    sgid_program_sets_the_group,
    suid_and_sgid_together,
    suid_without_execute_is_eacces,
    sgid_without_group_execute_is_ignored,
    root_executes_suid_of_a_user,
    suid_program_executed_by_its_owner,
    suid_sets_the_saved_id,
    suid_through_symlink,
    suid_through_hard_link,
    suid_by_execveat_empty_path,
    suid_by_execveat_in_directory,
    suid_with_no_new_privs_is_ignored,
    suid_gone_after_chown,
    suid_gone_after_chmod,
    suid_of_the_chain_is_passed_on,
    suid_script_is_ignored,
    suid_interpreter_of_a_script_is_honoured,
    file_capabilities_are_given_to_a_user,
    file_capabilities_of_permitted_only,
    file_capabilities_limit_root_with_suid,
    seteuid_user_executes_as_such,
    auxv_of_mixed_ids_is_secure,
    exec_from_a_thread_keeps_the_threads_ids,
    program_that_cannot_be_read_is_run,
    exec_errors_are_the_kernels,
    exec_keeps_descriptors_and_lies,
    exec_resets_keepcaps_not_groups,
];

/// A copy of this program with owner, group and mode.
fn program(path: &CStr, uid: u32, gid: u32, bits: u32) {
    copy_of_self(path);
    must!(fchownat(AT_FDCWD, path, uid, gid, 0));
    must!(fchmodat(AT_FDCWD, path, bits));
}

/// Runs it to tell who it is.
fn ask(path: &CStr) {
    run(path, &[c"program", c"role", c"who"]);
}

fn root_executes_a_plain_program() {
    program(c"p", 0, 0, 0o755);
    ask(c"./p");
}

fn user_executes_a_plain_program() {
    program(c"p", 0, 0, 0o755);
    as_user(1000, || ask(c"./p"));
}

fn suid_root_program_makes_root_again() {
    program(c"p", 0, 0, 0o4755);
    as_user(1000, || ask(c"./p"));
}

fn suid_of_another_user() {
    program(c"p", 2000, 3000, 0o4755);
    as_user(1000, || ask(c"./p"));
}

fn sgid_program_sets_the_group() {
    program(c"p", 0, 3000, 0o2755);
    as_user(1000, || ask(c"./p"));
}

fn suid_and_sgid_together() {
    program(c"p", 2000, 3000, 0o6755);
    as_user(1000, || ask(c"./p"));
}

fn suid_without_execute_is_eacces() {
    program(c"p", 0, 0, 0o4644);
    ask(c"./p");
}

/// fs/exec.c: bprm_fill_uid wants S_ISGID and S_IXGRP both.
fn sgid_without_group_execute_is_ignored() {
    program(c"p", 0, 3000, 0o2705);
    as_user(1000, || ask(c"./p"));
}

fn root_executes_suid_of_a_user() {
    program(c"p", 2000, 3000, 0o6755);
    ask(c"./p");
}

fn suid_program_executed_by_its_owner() {
    program(c"p", 1000, 1000, 0o6755);
    as_user(1000, || ask(c"./p"));
}

fn suid_sets_the_saved_id() {
    program(c"p", 2000, 0, 0o4755);
    in_child(|| {
        must!(setresuid(1, 2, 3));
        ask(c"./p");
    });
}

fn suid_through_symlink() {
    program(c"p", 2000, 3000, 0o6755);
    symlink(c"p", c"l");
    as_user(1000, || ask(c"./l"));
}

fn suid_through_hard_link() {
    program(c"p", 2000, 3000, 0o6755);
    must!(linkat(AT_FDCWD, c"p", AT_FDCWD, c"q", 0));
    must!(unlinkat(AT_FDCWD, c"p", 0));
    as_user(1000, || ask(c"./q"));
}

/// Executes by execveat in a child.
fn ask_at(dirfd: i32, path: &CStr, flags: i32) {
    in_child(|| {
        let argv = null_ended([c"program", c"role", c"who"].into_iter());
        let environment = environment();
        let envp = null_ended(environment.iter().map(|s| s.as_c_str()));
        let _ = sys::ok_or_errno("execveat", quiet!(execveat(dirfd, path, &argv[..], &envp[..], flags)));
    });
}

fn suid_by_execveat_empty_path() {
    program(c"p", 2000, 3000, 0o6755);
    let fd = must!(openat(AT_FDCWD, c"p", libc::O_PATH, 0)) as i32;
    as_user(1000, || ask_at(fd, c"", AT_EMPTY_PATH));
}

fn suid_by_execveat_in_directory() {
    dir(c"d");
    program(c"d/p", 2000, 3000, 0o6755);
    symlink(c"p", c"d/l");
    let fd = crate::stage::open_dir(c"d");
    as_user(1000, || {
        ask_at(fd, c"p", 0);
        ask_at(fd, c"l", libc::AT_SYMLINK_NOFOLLOW);
        ask_at(fd, c"missing", 0);
    });
}

fn suid_with_no_new_privs_is_ignored() {
    program(c"p", 2000, 3000, 0o6755);
    as_user(1000, || {
        must!(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        ask(c"./p");
    });
}

fn suid_gone_after_chown() {
    program(c"p", 2000, 3000, 0o6755);
    must!(fchownat(AT_FDCWD, c"p", 0, 0, 0));
    as_user(1000, || ask(c"./p"));
}

fn suid_gone_after_chmod() {
    program(c"p", 2000, 3000, 0o6755);
    must!(fchmodat(AT_FDCWD, c"p", 0o755));
    as_user(1000, || ask(c"./p"));
}

/// A program executed by a set-user-ID program keeps the effective id, and is secure as long as its ids
/// differ.
fn suid_of_the_chain_is_passed_on() {
    program(c"outer", 2000, 3000, 0o6755);
    program(c"inner", 0, 0, 0o755);
    as_user(1000, || run(c"./outer", &[c"outer", c"role", c"exec", c"./inner"]));
}

fn suid_script_is_ignored() {
    file_with(c"s", b"#!/bin/sh\nid -u\nid -ru\nid -g\n");
    must!(fchownat(AT_FDCWD, c"s", 2000, 3000, 0));
    must!(fchmodat(AT_FDCWD, c"s", 0o6755));
    as_user(1000, || run(c"./s", &[c"s"]));
}

/// The script's own bits mean nothing; those of its interpreter do.
fn suid_interpreter_of_a_script_is_honoured() {
    program(c"p", 2000, 3000, 0o6755);
    file_with(c"s", b"#!./p role\n");
    mode(c"s", 0o755);
    as_user(1000, || run(c"./s", &[c"s"]));
}

fn file_capabilities_are_given_to_a_user() {
    program(c"p", 0, 0, 0o755);
    let blob = vfs_cap(1);
    let _ = call!(setxattr(c"p", c"security.capability", &blob, 20, 0));
    as_user(1000, || ask(c"./p"));
}

fn file_capabilities_of_permitted_only() {
    program(c"p", 0, 0, 0o755);
    let blob = vfs_cap(0);
    let _ = call!(setxattr(c"p", c"security.capability", &blob, 20, 0));
    as_user(1000, || ask(c"./p"));
    ask(c"./p");
}

/// "If a set-user-ID-root program has file capabilities, a user who executes it gets only those."
fn file_capabilities_limit_root_with_suid() {
    program(c"p", 0, 0, 0o4755);
    let blob = vfs_cap(1);
    let _ = call!(setxattr(c"p", c"security.capability", &blob, 20, 0));
    show(c"p");
    as_user(1000, || ask(c"./p"));
}

fn seteuid_user_executes_as_such() {
    program(c"p", 0, 0, 0o755);
    in_child(|| {
        must!(setresuid(0, 1000, 0));
        ask(c"./p");
    });
}

fn auxv_of_mixed_ids_is_secure() {
    program(c"p", 0, 0, 0o755);
    in_child(|| {
        must!(setresgid(5, 6, 7));
        ask(c"./p");
    });
    in_child(|| {
        must!(setresuid(1000, 0, 0));
        ask(c"./p");
    });
}

/// The executing thread becomes the leader and brings its own ids.
fn exec_from_a_thread_keeps_the_threads_ids() {
    program(c"p", 0, 0, 0o755);
    in_child(|| {
        crate::stage::in_thread(|| {
            drop_to(1000);
            become_program(c"./p", &[c"program", c"role", c"who"]);
        });
    });
}

/// The harness has a copy of this program that is really root's alone to read.
fn program_that_cannot_be_read_is_run() {
    let path = std::env::var_os("FRNG_CASE_CLOSED").unwrap_or_default();
    let Ok(path) = CString::new(path.into_encoded_bytes()) else { return };
    symlink(&path, c"p");
    ask(c"./p");
    as_user(1000, || ask(c"./p"));
    crate::stage::file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    for _ in 0..10 {
        run(c"./p", &[c"p", c"role", c"look"]);
    }
    run(c"./p", &[c"p", c"role", c"exec", c"./p"]);
}

fn exec_errors_are_the_kernels() {
    dir(c"d");
    file_with(c"garbage", b"\x01\x02\x03 no program");
    mode(c"garbage", 0o755);
    file_with(c"lost", b"#!/missing/interpreter\n");
    mode(c"lost", 0o755);
    file_with(c"empty", b"");
    mode(c"empty", 0o755);
    symlink(c"loop", c"loop");
    for path in [c"./d", c"./garbage", c"./lost", c"./empty", c"./loop", c"./missing", c"./garbage/x", c""] {
        run(path, &[c"program"]);
    }
    in_child(|| {
        let _ = call!(execve(BAD, NULL, NULL));
        let _ = call!(execve(NULL, NULL, NULL));
        let _ = call!(execve(c"/bin/true", BAD, NULL));
        let _ = call!(execve(c"/bin/true", NULL, BAD));
    });
}

fn exec_keeps_descriptors_and_lies() {
    program(c"p", 0, 0, 0o755);
    crate::stage::file(c"f");
    must!(fchownat(AT_FDCWD, c"f", 1, 2, 0));
    in_child(|| become_program(c"./p", &[c"p", c"role", c"look"]));
}

fn exec_resets_keepcaps_not_groups() {
    program(c"p", 0, 0, 0o755);
    in_child(|| {
        must!(setgroups(2, &[7u32, 9]));
        must!(prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0));
        become_program(c"./p", &[c"p", c"role", c"groups"]);
    });
}
