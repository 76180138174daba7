//! A process' attributes that have to do with privilege: no_new_privs, dumpable, /proc.

use libc::{PR_GET_DUMPABLE, PR_GET_NO_NEW_PRIVS, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS};

use super::cases;
use crate::stage::{copy_of_self, in_child, in_thread, run};
use crate::sys::BAD;

cases![
    no_new_privs_is_not_set_at_first,
    no_new_privs_is_set_and_inherited,
    no_new_privs_survives_exec,
    no_new_privs_bad_arguments_are_einval,
    no_new_privs_is_per_thread,
    dumpable_is_set_and_read,
    dumpable_bad_arguments_are_einval,
    name_is_set_and_read,
    unknown_prctl_is_einval,
    exit_codes_are_native,
    killed_child_dies_of_its_signal,
    abandoned_grandchild_finishes,
    many_children_end_well,
    many_threads_agree,
];

fn no_new_privs_is_not_set_at_first() {
    let _ = call!(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

fn no_new_privs_is_set_and_inherited() {
    let _ = call!(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    let _ = call!(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    in_child(|| {
        let _ = call!(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    });
}

fn no_new_privs_survives_exec() {
    copy_of_self(c"program");
    in_child(|| {
        must!(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        run(c"./program", &[c"program", c"role", c"nnp"]);
    });
    run(c"./program", &[c"program", c"role", c"nnp"]);
}

fn no_new_privs_bad_arguments_are_einval() {
    let _ = call!(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    let _ = call!(prctl(PR_SET_NO_NEW_PRIVS, 2, 0, 0, 0));
    let _ = call!(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
    let _ = call!(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0));
    let _ = call!(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 1));
    let _ = call!(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

fn no_new_privs_is_per_thread() {
    in_thread(|| {
        let _ = call!(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        let _ = call!(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    });
    let _ = call!(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

fn dumpable_is_set_and_read() {
    let _ = call!(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
    let _ = call!(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
    let _ = call!(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
    crate::stage::file(c"f");
    let _ = call!(fchownat(libc::AT_FDCWD, c"f", 1, 2, 0));
    crate::seen::show(c"f");
    let _ = call!(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
    let _ = call!(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
}

fn dumpable_bad_arguments_are_einval() {
    let _ = call!(prctl(PR_SET_DUMPABLE, 2, 0, 0, 0));
    let _ = call!(prctl(PR_SET_DUMPABLE, 3, 0, 0, 0));
    let _ = call!(prctl(PR_SET_DUMPABLE, -1, 0, 0, 0));
}

fn name_is_set_and_read() {
    let mut name = [0u8; 16];
    let _ = call!(prctl(libc::PR_SET_NAME, c"a-long-name-that-is-cut", 0, 0, 0));
    let _ = call!(prctl(libc::PR_GET_NAME, &mut name, 0, 0, 0));
    println!("{:?}", String::from_utf8_lossy(&name));
    let _ = call!(prctl(libc::PR_SET_NAME, BAD, 0, 0, 0));
}

fn unknown_prctl_is_einval() {
    let _ = call!(prctl(12345, 0, 0, 0, 0));
    let _ = call!(prctl(-1, 0, 0, 0, 0));
}

fn exit_codes_are_native() {
    for code in [0, 1, 42, 255] {
        in_child(|| std::process::exit(code));
    }
}

fn killed_child_dies_of_its_signal() {
    for signal in [libc::SIGKILL, libc::SIGTERM, libc::SIGUSR1] {
        in_child(|| {
            let me = must!(getpid());
            must!(kill(me, signal));
        });
    }
}

fn abandoned_grandchild_finishes() {
    let mut ends = [0i32; 2];
    must!(pipe2(&mut ends, 0));
    in_child(|| {
        let _ = crate::stage::fork(|| {
            crate::stage::file(c"f");
            must!(fchownat(libc::AT_FDCWD, c"f", 1, 2, 0));
            must!(write(ends[1], c"x", 1));
        });
    });
    let mut byte = [0u8; 1];
    let _ = call!(read(ends[0], &mut byte, 1));
    crate::seen::show(c"f");
}

fn many_children_end_well() {
    for id in 0..30 {
        in_child(|| {
            must!(setresuid(id, id, id));
            if quiet!(getuid()) != Ok(id as usize) {
                println!("child {id} is somebody else");
            }
        });
    }
}

fn many_threads_agree() {
    std::thread::scope(|scope| {
        for id in 1..40_u32 {
            scope.spawn(move || {
                must!(setresuid(id, id, id));
                for _ in 0..20 {
                    if quiet!(getuid()) != Ok(id as usize) {
                        println!("thread {id} is somebody else");
                    }
                }
            });
        }
    });
    super::identity::show_ids("main");
}
