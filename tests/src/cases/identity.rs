//! User and group ids: kernel/sys.c and kernel/groups.c.

use std::sync::mpsc;

use super::cases;
use crate::stage::{copy_of_self, fork, in_child, in_thread, run, tell_end};
use crate::sys::{BAD, NULL, errno, try_};

cases![
    all_ids_are_root_at_first,
    setuid_of_root_drops_all_three,
    setuid_leaves_no_way_back,
    setgid_of_root_drops_all_three,
    setgid_is_free_while_root,
    setuid_of_non_root_sets_the_effective_only,
    setgid_after_setuid_is_eperm,
    setreuid_swaps_real_and_effective,
    setreuid_sets_the_saved_id_too,
    setreuid_of_minus_one_keeps,
    setreuid_of_foreign_id_is_eperm,
    setregid_follows_the_same_rules,
    setresuid_sets_each,
    setresuid_of_minus_one_keeps,
    setresuid_of_root_as_saved_comes_back,
    setresuid_permutes_its_three_ids,
    setresuid_of_foreign_id_is_eperm,
    setresgid_sets_each,
    setresgid_of_foreign_id_is_eperm,
    seteuid_to_user_and_back,
    setting_minus_one_is_einval,
    ids_are_32_bits_wide,
    ids_ignore_the_upper_half,
    getresuid_bad_pointers_are_efault,
    setfsuid_returns_the_previous_id,
    setfsgid_returns_the_previous_id,
    setfsuid_of_minus_one_only_asks,
    setfsuid_of_non_root_to_foreign_id_is_ignored,
    setfsuid_follows_setresuid,
    fsuid_of_child_is_inherited,
    setgroups_and_getgroups,
    setgroups_sorts_the_list,
    setgroups_of_nothing_empties_the_list,
    getgroups_of_size_zero_counts,
    getgroups_of_small_buffer_is_einval,
    getgroups_of_negative_size_is_einval,
    getgroups_bad_pointer_is_efault,
    setgroups_bad_pointer_is_efault,
    setgroups_of_too_many_is_einval,
    setgroups_of_invalid_id_is_einval,
    setgroups_keeps_duplicates,
    setgroups_of_many,
    setgroups_by_another_user_is_eperm,
    groups_are_inherited,
    groups_survive_setuid,
    ids_are_inherited_over_fork,
    ids_are_inherited_over_vfork,
    ids_are_inherited_over_exec,
    ids_of_child_do_not_reach_the_parent,
    raw_setuid_in_a_thread_changes_that_thread_only,
    raw_setgid_in_a_thread_that_stays,
    thread_inherits_the_ids_of_its_creator,
    exec_copies_effective_to_saved,
    real_id_only_drop,
];

/// Prints all ids of this thread, by every call that tells them.
pub fn show_ids(label: &str) {
    let mut uids = [u32::MAX; 3];
    let mut gids = [u32::MAX; 3];
    let [ruid, euid, suid] = &mut uids;
    let told = quiet!(getresuid(ruid, euid, suid));
    let [rgid, egid, sgid] = &mut gids;
    let told = told.and(quiet!(getresgid(rgid, egid, sgid)));
    if let Err(e) = told {
        println!("{label}: getres[ug]id {}", errno::name(e));
    }
    // Setting -1 fails without an error: the way to ask.
    let fsuid = quiet!(setfsuid(-1)).unwrap_or(usize::MAX);
    let fsgid = quiet!(setfsgid(-1)).unwrap_or(usize::MAX);
    println!(
        "{label}: uid {}/{}/{} fs {fsuid} gid {}/{}/{} fs {fsgid}",
        uids[0], uids[1], uids[2], gids[0], gids[1], gids[2]
    );
    let short = [quiet!(getuid()), quiet!(geteuid()), quiet!(getgid()), quiet!(getegid())];
    let long = [uids[0], uids[1], gids[0], gids[1]].map(|id| Ok(id as usize));
    if short != long {
        println!("{label}: DISAGREE: getuid, geteuid, getgid, getegid say {short:?}");
    }
}

/// Prints the supplementary groups of this thread.
pub fn show_groups(label: &str) {
    let mut groups = [0u32; 64];
    match quiet!(getgroups(64, &mut groups)) {
        Ok(n) => println!("{label}: groups {:?}", &groups[..n]),
        Err(e) => println!("{label}: groups {}", errno::name(e)),
    }
}

fn all_ids_are_root_at_first() {
    show_ids("start");
    let _ = call!(getuid());
    let _ = call!(geteuid());
    let _ = call!(getgid());
    let _ = call!(getegid());
}

fn setuid_of_root_drops_all_three() {
    let _ = call!(setuid(1000));
    show_ids("after");
}

fn setuid_leaves_no_way_back() {
    must!(setuid(1000));
    let _ = call!(setuid(0));
    let _ = call!(setreuid(0, -1));
    let _ = call!(setreuid(-1, 0));
    let _ = call!(setresuid(0, 0, 0));
    let _ = call!(setfsuid(0));
    let _ = call!(setuid(1000));
    show_ids("after");
}

fn setgid_of_root_drops_all_three() {
    let _ = call!(setgid(2000));
    show_ids("after");
}

/// It is the user id that makes root: groups can be set again.
fn setgid_is_free_while_root() {
    must!(setgid(2000));
    let _ = call!(setgid(0));
    let _ = call!(setregid(7, 8));
    let _ = call!(setresgid(1, 2, 3));
    show_ids("after");
}

fn setuid_of_non_root_sets_the_effective_only() {
    must!(setresuid(1000, 2000, 3000));
    let _ = call!(setuid(1000));
    show_ids("to real");
    let _ = call!(setuid(3000));
    show_ids("to saved");
    let _ = call!(setuid(2000));
    show_ids("to lost");
}

fn setgid_after_setuid_is_eperm() {
    must!(setuid(1000));
    let _ = call!(setgid(1000));
    let _ = call!(setgid(0));
    let _ = call!(setregid(1000, 1000));
    let _ = call!(setresgid(1000, 1000, 1000));
    show_ids("after");
}

fn setreuid_swaps_real_and_effective() {
    must!(setresuid(1000, 2000, 2000));
    let _ = call!(setreuid(2000, 1000));
    show_ids("swapped");
    let _ = call!(setreuid(1000, 2000));
    show_ids("again");
}

/// "If the real id is set, or the effective id to something else than the previous real id, the saved
/// id becomes the new effective id."
fn setreuid_sets_the_saved_id_too() {
    in_child(|| {
        let _ = call!(setreuid(1000, 0));
        show_ids("real set");
    });
    in_child(|| {
        let _ = call!(setreuid(-1, 1000));
        show_ids("effective set");
    });
    in_child(|| {
        must!(setresuid(1000, 0, 0));
        let _ = call!(setreuid(-1, 1000));
        show_ids("effective set to real");
    });
    in_child(|| {
        let _ = call!(setreuid(1000, 2000));
        show_ids("both set");
    });
}

fn setreuid_of_minus_one_keeps() {
    let _ = call!(setreuid(-1, -1));
    show_ids("root");
    must!(setresuid(1, 2, 3));
    let _ = call!(setreuid(-1, -1));
    show_ids("user");
}

fn setreuid_of_foreign_id_is_eperm() {
    must!(setresuid(1, 2, 3));
    let _ = call!(setreuid(3, -1));
    let _ = call!(setreuid(4, -1));
    let _ = call!(setreuid(-1, 4));
    show_ids("unchanged");
    let _ = call!(setreuid(-1, 3));
    show_ids("to saved");
}

fn setregid_follows_the_same_rules() {
    in_child(|| {
        let _ = call!(setregid(1000, 2000));
        show_ids("both set");
    });
    in_child(|| {
        let _ = call!(setregid(-1, 1000));
        show_ids("effective set");
    });
    in_child(|| {
        must!(setresgid(1, 2, 3));
        must!(setresuid(1, 2, 3));
        let _ = call!(setregid(3, -1));
        let _ = call!(setregid(-1, 3));
        let _ = call!(setregid(4, -1));
        let _ = call!(setregid(2, 1));
        show_ids("after");
    });
}

fn setresuid_sets_each() {
    let _ = call!(setresuid(1000, 2000, 3000));
    show_ids("after");
}

fn setresuid_of_minus_one_keeps() {
    let _ = call!(setresuid(-1, -1, -1));
    show_ids("all kept");
    let _ = call!(setresuid(1, -1, -1));
    show_ids("real set");
    let _ = call!(setresuid(-1, -1, 3));
    show_ids("saved set");
    let _ = call!(setresuid(-1, 2, -1));
    show_ids("effective set");
}

fn setresuid_of_root_as_saved_comes_back() {
    let _ = call!(setresuid(1000, 1000, 0));
    show_ids("dropped");
    let _ = call!(setresuid(-1, 0, -1));
    show_ids("back");
    let _ = call!(setresuid(1000, 1000, 1000));
    let _ = call!(setresuid(-1, 0, -1));
    show_ids("for good");
}

fn setresuid_permutes_its_three_ids() {
    must!(setresuid(1, 2, 3));
    let _ = call!(setresuid(3, 1, 2));
    show_ids("turned");
    let _ = call!(setresuid(2, 2, 2));
    show_ids("joined");
    let _ = call!(setresuid(1, 2, 3));
    show_ids("lost");
}

fn setresuid_of_foreign_id_is_eperm() {
    must!(setresuid(1, 2, 3));
    let _ = call!(setresuid(4, -1, -1));
    let _ = call!(setresuid(-1, 4, -1));
    let _ = call!(setresuid(-1, -1, 4));
    let _ = call!(setresuid(1, 1, 0));
    show_ids("unchanged");
}

fn setresgid_sets_each() {
    let _ = call!(setresgid(1000, 2000, 3000));
    show_ids("after");
    let _ = call!(setresgid(-1, 5, -1));
    show_ids("again");
}

fn setresgid_of_foreign_id_is_eperm() {
    must!(setresgid(1, 2, 3));
    must!(setresuid(1, 1, 1));
    let _ = call!(setresgid(4, -1, -1));
    let _ = call!(setresgid(-1, 0, -1));
    let _ = call!(setresgid(3, 3, 1));
    show_ids("after");
}

fn seteuid_to_user_and_back() {
    let _ = call!(setreuid(-1, -1));
    let _ = call!(setresuid(-1, 1000, -1));
    show_ids("away");
    let _ = call!(setresgid(-1, 5, -1));
    let _ = call!(setresuid(-1, 0, -1));
    show_ids("back");
    let _ = call!(setresgid(-1, 5, -1));
    show_ids("with group");
}

fn setting_minus_one_is_einval() {
    let _ = call!(setuid(-1));
    let _ = call!(setgid(-1));
    let _ = call!(setuid(u32::MAX));
    show_ids("unchanged");
}

fn ids_are_32_bits_wide() {
    let _ = call!(setresgid(65535, 65536, 0xffff_fffe_u32));
    let _ = call!(setresuid(65535, 65536, 0xffff_fffe_u32));
    show_ids("after");
}

fn ids_ignore_the_upper_half() {
    let above = 0xdead_0000_0000_0000_u64 >> (64 - usize::BITS);
    let _ = call!(setgid(above | 2000));
    let _ = call!(setuid(above | 1000));
    show_ids("after");
}

fn getresuid_bad_pointers_are_efault() {
    let mut id = 0u32;
    let mut other = 0u32;
    let _ = call!(getresuid(BAD, &mut id, &mut other));
    let _ = call!(getresuid(&mut id, BAD, &mut other));
    let _ = call!(getresuid(&mut id, &mut other, BAD));
    let _ = call!(getresuid(NULL, NULL, NULL));
    let _ = call!(getresgid(BAD, &mut id, &mut other));
    let _ = call!(getresgid(&mut id, &mut other, NULL));
}

fn setfsuid_returns_the_previous_id() {
    let _ = call!(setfsuid(1000));
    let _ = call!(setfsuid(2000));
    let _ = call!(setfsuid(0));
    let _ = call!(setfsuid(0));
    show_ids("after");
}

fn setfsgid_returns_the_previous_id() {
    let _ = call!(setfsgid(1000));
    let _ = call!(setfsgid(2000));
    show_ids("after");
    let _ = call!(setfsgid(0));
    show_ids("after");
}

fn setfsuid_of_minus_one_only_asks() {
    let _ = call!(setfsuid(-1));
    must!(setfsuid(1000));
    let _ = call!(setfsuid(-1));
    let _ = call!(setfsuid(u32::MAX));
    show_ids("after");
}

fn setfsuid_of_non_root_to_foreign_id_is_ignored() {
    must!(setresgid(1, 2, 3));
    must!(setresuid(1, 2, 3));
    let _ = call!(setfsuid(4));
    let _ = call!(setfsuid(-1));
    let _ = call!(setfsuid(1));
    let _ = call!(setfsuid(3));
    let _ = call!(setfsuid(-1));
    let _ = call!(setfsgid(4));
    let _ = call!(setfsgid(3));
    let _ = call!(setfsgid(-1));
}

fn setfsuid_follows_setresuid() {
    must!(setfsuid(1000));
    show_ids("fs apart");
    let _ = call!(setresuid(-1, -1, 5));
    show_ids("saved set");
    let _ = call!(setresuid(-1, 7, -1));
    show_ids("effective set");
}

fn fsuid_of_child_is_inherited() {
    must!(setfsgid(2000));
    must!(setfsuid(1000));
    in_child(|| show_ids("child"));
    show_ids("parent");
}

fn setgroups_and_getgroups() {
    let _ = call!(setgroups(3, &[10u32, 20, 30]));
    show_groups("after");
    let mut groups = [0u32; 3];
    let _ = call!(getgroups(3, &mut groups));
    println!("{groups:?}");
}

fn setgroups_sorts_the_list() {
    let _ = call!(setgroups(5, &[30u32, 10, 0xffff_fffe, 0, 20]));
    show_groups("after");
}

fn setgroups_of_nothing_empties_the_list() {
    must!(setgroups(2, &[1u32, 2]));
    let _ = call!(setgroups(0, NULL));
    show_groups("after");
    let _ = call!(setgroups(0, BAD));
}

fn getgroups_of_size_zero_counts() {
    must!(setgroups(2, &[1u32, 2]));
    let _ = call!(getgroups(0, NULL));
    let _ = call!(getgroups(0, BAD));
}

fn getgroups_of_small_buffer_is_einval() {
    must!(setgroups(3, &[1u32, 2, 3]));
    let mut groups = [9u32; 4];
    let _ = call!(getgroups(1, &mut groups));
    let _ = call!(getgroups(2, &mut groups));
    let _ = call!(getgroups(4, &mut groups));
    println!("{groups:?}");
}

fn getgroups_of_negative_size_is_einval() {
    let mut groups = [0u32; 4];
    let _ = call!(getgroups(-1, &mut groups));
    let _ = call!(getgroups(i32::MIN, &mut groups));
}

fn getgroups_bad_pointer_is_efault() {
    must!(setgroups(1, &[1u32]));
    let _ = call!(getgroups(10, BAD));
    let _ = call!(getgroups(10, NULL));
    must!(setgroups(0, NULL));
    let _ = call!(getgroups(10, BAD));
}

fn setgroups_bad_pointer_is_efault() {
    must!(setgroups(1, &[7u32]));
    let _ = call!(setgroups(1, BAD));
    let _ = call!(setgroups(5, NULL));
    show_groups("unchanged");
}

fn setgroups_of_too_many_is_einval() {
    let groups = vec![1u32; 65537];
    let _ = call!(setgroups(65537, &groups[..]));
    let _ = call!(setgroups(-1, &groups[..]));
    let _ = call!(setgroups(65537, BAD));
}

fn setgroups_of_invalid_id_is_einval() {
    must!(setgroups(1, &[7u32]));
    let _ = call!(setgroups(2, &[1u32, u32::MAX]));
    show_groups("unchanged");
}

fn setgroups_keeps_duplicates() {
    let _ = call!(setgroups(4, &[5u32, 1, 5, 1]));
    show_groups("after");
}

fn setgroups_of_many() {
    let groups: Vec<u32> = (0..65536).rev().collect();
    let _ = call!(setgroups(65536, &groups[..]));
    let _ = call!(getgroups(0, NULL));
    let mut back = vec![0u32; 65536];
    let _ = call!(getgroups(65536, &mut back[..]));
    println!("{}", back.iter().copied().eq(0..65536));
    let _ = call!(getgroups(65535, &mut back[..]));
}

fn setgroups_by_another_user_is_eperm() {
    must!(setgroups(1, &[7u32]));
    must!(setresuid(1000, 1000, 0));
    let _ = call!(setgroups(0, NULL));
    let _ = call!(setgroups(1, &[7u32]));
    let _ = call!(setgroups(65537, BAD));
    show_groups("unchanged");
}

fn groups_are_inherited() {
    must!(setgroups(2, &[7u32, 8]));
    in_child(|| {
        show_groups("child");
        must!(setgroups(1, &[9u32]));
        show_groups("changed");
    });
    in_thread(|| show_groups("thread"));
    show_groups("parent");
}

fn groups_survive_setuid() {
    must!(setgroups(2, &[7u32, 8]));
    must!(setresgid(1, 1, 1));
    must!(setresuid(1, 1, 1));
    show_groups("after");
}

fn ids_are_inherited_over_fork() {
    must!(setresgid(4, 5, 6));
    must!(setresuid(1, 2, 3));
    in_child(|| {
        show_ids("child");
        in_child(|| show_ids("grandchild"));
    });
}

fn ids_are_inherited_over_vfork() {
    copy_of_self(c"program");
    must!(setresgid(7, 7, 7));
    // The standard library starts programs by posix_spawn, which is a vfork.
    let status = std::process::Command::new("./program").args(["role", "ids"]).status();
    println!("{:?}", status.map(|s| s.code()));
}

fn ids_are_inherited_over_exec() {
    copy_of_self(c"program");
    in_child(|| {
        must!(setgroups(1, &[9u32]));
        must!(setresgid(4, 4, 4));
        must!(setresuid(1, 1, 1));
        run(c"./program", &[c"program", c"role", c"ids"]);
        show_groups("child");
    });
}

fn ids_of_child_do_not_reach_the_parent() {
    match fork(|| {
        must!(setresuid(1, 2, 3));
        show_ids("child");
    }) {
        Ok(pid) => tell_end(pid),
        Err(e) => println!("fork: {}", errno::name(e)),
    }
    show_ids("parent");
}

/// The kernel's ids are a thread's own; it is the libc that carries a setuid to all threads.
fn raw_setuid_in_a_thread_changes_that_thread_only() {
    in_thread(|| {
        let _ = call!(setresuid(1000, 1000, 1000));
        show_ids("thread");
    });
    show_ids("main");
    let _ = call!(setresuid(1, 1, 1));
    show_ids("main");
}

/// Both stay root, and ask while the other is there.
fn raw_setgid_in_a_thread_that_stays() {
    let (go, wait) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let (made, ready) = mpsc::channel::<()>();
        scope.spawn(move || {
            let _ = call!(getegid());
            let _ = call!(setresgid(5, 6, 7));
            let _ = call!(getegid());
            let _ = made.send(());
            let _ = wait.recv();
            show_ids("thread");
            let _ = call!(getegid());
        });
        let _ = ready.recv();
        let _ = call!(getegid());
        show_ids("main");
        let _ = call!(setresgid(8, 9, 10));
        let _ = call!(getegid());
        let _ = go.send(());
    });
    let _ = call!(getegid());
    show_ids("main");
}

fn thread_inherits_the_ids_of_its_creator() {
    let (go, wait) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let (made, ready) = mpsc::channel::<()>();
        scope.spawn(move || {
            let _ = made.send(());
            let _ = wait.recv();
            show_ids("older thread");
            in_thread(|| show_ids("its child"));
        });
        let _ = ready.recv();
        must!(setresuid(1, 2, 3));
        in_thread(|| show_ids("younger thread"));
        let _ = go.send(());
    });
    show_ids("main");
}

fn exec_copies_effective_to_saved() {
    copy_of_self(c"program");
    in_child(|| {
        must!(setresgid(5, 6, 7));
        must!(setresuid(1, 2, 3));
        run(c"./program", &[c"program", c"role", c"ids"]);
        show_ids("before");
    });
}

fn real_id_only_drop() {
    let _ = try_("setresuid", quiet!(setresuid(1000, -1, -1)));
    show_ids("real only");
    let _ = call!(setuid(500));
    show_ids("setuid with CAP_SETUID");
}
