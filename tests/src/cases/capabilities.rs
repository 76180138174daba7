//! Capabilities: capget, capset, and how ids change them (security/commoncap.c).

use libc::{
    PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, PR_CAP_AMBIENT_IS_SET, PR_CAP_AMBIENT_LOWER, PR_CAP_AMBIENT_RAISE,
    PR_CAPBSET_DROP, PR_CAPBSET_READ, PR_GET_KEEPCAPS, PR_GET_SECUREBITS, PR_SET_KEEPCAPS, PR_SET_SECUREBITS,
};

use super::cases;
use crate::stage::{copy_of_self, in_child, in_thread, run};
use crate::sys::{BAD, NULL, Result, errno};

cases![
    root_has_all_capabilities,
    capget_version_1_tells_32_bits,
    capget_version_2_tells_64_bits,
    capget_of_bad_version_tells_the_right_one,
    capget_probe_without_data,
    capget_bad_pointers_are_efault,
    capget_of_another_process,
    capget_of_no_process_is_esrch,
    capget_of_negative_pid_is_einval,
    capset_drops_and_cannot_raise,
    capset_drops_effective_and_raises_again,
    capset_sets_inheritable,
    capset_effective_beyond_permitted_is_eperm,
    capset_of_bad_version_is_einval,
    capset_bad_pointers_are_efault,
    capset_of_another_process_is_eperm,
    capset_version_1,
    capset_of_bits_beyond_the_last_capability,
    setuid_away_from_root_drops_all,
    seteuid_drops_the_effective_and_gets_it_back,
    setfsuid_drops_file_capabilities,
    setresuid_with_root_saved_keeps_permitted,
    keepcaps_keeps_permitted,
    keepcaps_is_cleared_by_exec,
    keepcaps_wants_zero_or_one,
    no_setuid_fixup_keeps_all,
    securebits_are_set_and_read,
    securebits_of_unknown_bits_is_eperm,
    securebits_locked_stay,
    securebits_keep_caps_is_keepcaps,
    securebits_without_capability_is_eperm,
    securebits_noroot_exec,
    capbset_read_of_each,
    capbset_read_of_unknown_is_einval,
    capbset_drop_is_for_good,
    capbset_drop_of_unknown_is_einval,
    capbset_drop_without_capability_is_eperm,
    capbset_drop_shows_after_exec,
    ambient_raise_wants_inheritable,
    ambient_raise_lower_and_ask,
    ambient_clear_all,
    ambient_bad_arguments_are_einval,
    ambient_is_kept_over_exec_as_user,
    ambient_is_lowered_by_capset,
    ambient_is_cleared_by_setuid,
    capabilities_are_inherited_over_fork,
    capabilities_are_per_thread,
    exec_as_root_gives_all_back,
    exec_as_user_leaves_none,
    setuid_without_cap_setuid_is_eperm,
    setgid_without_cap_setgid_is_eperm,
    chown_without_cap_chown_is_eperm,
];

const V1: u32 = 0x1998_0330;
const V2: u32 = 0x2007_1026;
const V3: u32 = 0x2008_0522;

const CHOWN: u64 = 1 << 0;
const SETGID: u64 = 1 << 6;
const SETUID: u64 = 1 << 7;
const SETPCAP: u64 = 1 << 8;
const NET_RAW: u64 = 1 << 13;
const SYS_ADMIN: u64 = 1 << 21;

/// CAP_SYS_RESOURCE, which many machines take away from root: no case looks at it.
const UNRELIABLE: u64 = 1 << 24;

/// The three sets of a thread.
#[derive(Clone, Copy, Default, PartialEq)]
struct Caps {
    effective: u64,
    permitted: u64,
    inheritable: u64,
}

fn get(pid: i32) -> Result<Caps> {
    let header = [V3, pid as u32];
    let mut data = [0u32; 6];
    quiet!(capget(&header, &mut data))?;
    Ok(from_data(&data))
}

fn from_data(data: &[u32; 6]) -> Caps {
    let wide = |i: usize| u64::from(data[i]) | u64::from(data[i + 3]) << 32;
    Caps { effective: wide(0), permitted: wide(1), inheritable: wide(2) }
}

fn data_of(caps: Caps) -> [u32; 6] {
    let low = |set: u64| set as u32;
    let high = |set: u64| (set >> 32) as u32;
    [
        low(caps.effective),
        low(caps.permitted),
        low(caps.inheritable),
        high(caps.effective),
        high(caps.permitted),
        high(caps.inheritable),
    ]
}

fn tell_capset(what: &str, caps: Caps) {
    let _ = crate::sys::try_(what, quiet!(capset(&[V3, 0], &data_of(caps))));
}

/// Changes this thread's sets.
fn change(what: &str, change: impl FnOnce(&mut Caps)) {
    let mut caps = get(0).unwrap_or_default();
    change(&mut caps);
    tell_capset(what, caps);
}

/// Prints this thread's sets, and its ambient set.
pub fn show_caps(label: &str) {
    match get(0) {
        Ok(caps) => {
            let [e, p, i] = [caps.effective, caps.permitted, caps.inheritable].map(|set| set & !UNRELIABLE);
            println!("{label}: effective {e:x} permitted {p:x} inheritable {i:x} ambient {:x}", ambient());
        }
        Err(e) => println!("{label}: {}", errno::name(e)),
    }
}

fn ambient() -> u64 {
    (0..64)
        .filter(|&cap| quiet!(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0)) == Ok(1))
        .map(|cap: i32| 1 << cap)
        .sum()
}

fn run_caps() {
    copy_of_self(c"program");
    run(c"./program", &[c"program", c"role", c"caps"]);
}

fn root_has_all_capabilities() {
    show_caps("root");
}

fn capget_version_1_tells_32_bits() {
    let mut data = [7u32; 6];
    let _ = call!(capget(&[V1, 0], &mut data));
    data[0] &= !(UNRELIABLE as u32);
    data[1] &= !(UNRELIABLE as u32);
    println!("{data:x?}");
}

fn capget_version_2_tells_64_bits() {
    let mut data = [7u32; 6];
    let _ = call!(capget(&[V2, 0], &mut data));
    data[0] &= !(UNRELIABLE as u32);
    data[1] &= !(UNRELIABLE as u32);
    println!("{data:x?}");
}

fn capget_of_bad_version_tells_the_right_one() {
    let mut header = [0x1234_5678u32, 0];
    let mut data = [7u32; 6];
    let _ = call!(capget(&mut header, &mut data));
    println!("{header:x?} {data:?}");
    header[0] = 0;
    let _ = call!(capget(&mut header, NULL));
    println!("{header:x?}");
}

fn capget_probe_without_data() {
    for version in [V1, V2, V3] {
        let _ = call!(capget(&[version, 0], NULL));
    }
}

fn capget_bad_pointers_are_efault() {
    let mut data = [0u32; 6];
    let _ = call!(capget(BAD, &mut data));
    let _ = call!(capget(NULL, &mut data));
    let _ = call!(capget(&[V3, 0], BAD));
}

fn capget_of_another_process() {
    must!(setresuid(1000, 1000, 0));
    in_child(|| {
        let parent = must!(getppid()) as i32;
        println!("{:x?}", get(parent).map(|caps| (caps.effective, caps.permitted & !UNRELIABLE)));
    });
    let me = must!(getpid()) as i32;
    println!("{:x?}", get(me).map(|caps| (caps.effective, caps.permitted & !UNRELIABLE)));
}

fn capget_of_no_process_is_esrch() {
    println!("{:?}", get(0x7fff_fff0).map(|_| ()).map_err(errno::name));
}

fn capget_of_negative_pid_is_einval() {
    println!("{:?}", get(-1).map(|_| ()).map_err(errno::name));
}

fn capset_drops_and_cannot_raise() {
    change("drop all", |caps| *caps = Caps::default());
    show_caps("dropped");
    tell_capset("raise", Caps { effective: CHOWN, permitted: CHOWN, inheritable: 0 });
    tell_capset("raise inheritable", Caps { effective: 0, permitted: 0, inheritable: CHOWN });
    show_caps("still");
}

fn capset_drops_effective_and_raises_again() {
    change("lower", |caps| caps.effective &= !CHOWN);
    show_caps("lowered");
    change("raise", |caps| caps.effective |= CHOWN);
    show_caps("raised");
}

fn capset_sets_inheritable() {
    change("set", |caps| caps.inheritable = CHOWN | NET_RAW);
    show_caps("set");
    change("drop", |caps| {
        caps.permitted = CHOWN;
        caps.effective = 0;
    });
    change("more", |caps| caps.inheritable |= SYS_ADMIN);
    change("less", |caps| caps.inheritable = NET_RAW);
    show_caps("less");
}

fn capset_effective_beyond_permitted_is_eperm() {
    change("set", |caps| caps.permitted &= !CHOWN);
    show_caps("unchanged");
}

fn capset_of_bad_version_is_einval() {
    let mut header = [0x1234_5678u32, 0];
    let _ = call!(capset(&mut header, &[0u32; 6]));
    println!("{header:x?}");
    show_caps("unchanged");
}

fn capset_bad_pointers_are_efault() {
    let _ = call!(capset(BAD, &[0u32; 6]));
    let _ = call!(capset(&[V3, 0], BAD));
    let _ = call!(capset(&[V3, 0], NULL));
    show_caps("unchanged");
}

fn capset_of_another_process_is_eperm() {
    in_child(|| {
        let parent = must!(getppid()) as u32;
        let me = must!(getpid()) as u32;
        let _ = call!(capset(&[V3, parent], &[0u32; 6]));
        show_caps("unchanged");
        let _ = call!(capset(&[V3, me], &[0u32; 6]));
        show_caps("own pid");
        let _ = call!(capset(&[V3, u32::MAX], &[0u32; 6]));
    });
}

fn capset_version_1() {
    let _ = call!(capset(&[V1, 0], &[1u32, 3, 0]));
    show_caps("after");
}

fn capset_of_bits_beyond_the_last_capability() {
    change("all ones", |caps| {
        caps.inheritable = !UNRELIABLE;
    });
    show_caps("after");
}

fn setuid_away_from_root_drops_all() {
    must!(setuid(1000));
    show_caps("after");
}

fn seteuid_drops_the_effective_and_gets_it_back() {
    must!(setresuid(-1, 1000, -1));
    show_caps("away");
    must!(setresuid(-1, 0, -1));
    show_caps("back");
}

/// CAP_CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, MKNOD, MAC_OVERRIDE, LINUX_IMMUTABLE.
fn setfsuid_drops_file_capabilities() {
    must!(setfsuid(1000));
    show_caps("away");
    must!(setfsuid(0));
    show_caps("back");
}

fn setresuid_with_root_saved_keeps_permitted() {
    must!(setresuid(1000, 1000, 0));
    show_caps("saved root");
    must!(setresuid(-1, -1, 1000));
    show_caps("no root left");
}

fn keepcaps_keeps_permitted() {
    let _ = call!(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
    let _ = call!(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
    let _ = call!(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
    must!(setresuid(1000, 1000, 1000));
    show_caps("kept");
    let _ = call!(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
    change("raise", |caps| caps.effective = CHOWN | SETUID);
    show_caps("raised");
    let _ = call!(setresuid(0, 0, 0));
    show_caps("root again");
}

fn keepcaps_is_cleared_by_exec() {
    copy_of_self(c"program");
    must!(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
    run(c"./program", &[c"program", c"role", c"keepcaps"]);
}

fn keepcaps_wants_zero_or_one() {
    let _ = call!(prctl(PR_SET_KEEPCAPS, 2, 0, 0, 0));
    let _ = call!(prctl(PR_SET_KEEPCAPS, -1, 0, 0, 0));
    let _ = call!(prctl(PR_SET_KEEPCAPS, 1, 5, 6, 7));
    let _ = call!(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
}

const NOROOT: u32 = 1 << 0;
const NOROOT_LOCKED: u32 = 1 << 1;
const NO_SETUID_FIXUP: u32 = 1 << 2;
const KEEP_CAPS: u32 = 1 << 4;
const KEEP_CAPS_LOCKED: u32 = 1 << 5;
const NO_CAP_AMBIENT_RAISE: u32 = 1 << 6;

fn no_setuid_fixup_keeps_all() {
    let _ = call!(prctl(PR_SET_SECUREBITS, NO_SETUID_FIXUP, 0, 0, 0));
    must!(setresuid(1000, 1000, 1000));
    show_caps("kept");
}

fn securebits_are_set_and_read() {
    let _ = call!(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
    let _ = call!(prctl(PR_SET_SECUREBITS, NOROOT | NO_SETUID_FIXUP, 0, 0, 0));
    let _ = call!(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
    in_child(|| {
        let _ = call!(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
    });
    let _ = call!(prctl(PR_SET_SECUREBITS, 0, 0, 0, 0));
    let _ = call!(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
}

fn securebits_of_unknown_bits_is_eperm() {
    let _ = call!(prctl(PR_SET_SECUREBITS, 0x1000, 0, 0, 0));
    let _ = call!(prctl(PR_SET_SECUREBITS, -1, 0, 0, 0));
    let _ = call!(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
}

fn securebits_locked_stay() {
    let _ = call!(prctl(PR_SET_SECUREBITS, NOROOT_LOCKED, 0, 0, 0));
    let _ = call!(prctl(PR_SET_SECUREBITS, NOROOT | NOROOT_LOCKED, 0, 0, 0));
    let _ = call!(prctl(PR_SET_SECUREBITS, 0, 0, 0, 0));
    let _ = call!(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
}

fn securebits_keep_caps_is_keepcaps() {
    must!(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
    let _ = call!(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
    let _ = call!(prctl(PR_SET_SECUREBITS, KEEP_CAPS_LOCKED, 0, 0, 0));
    let _ = call!(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
    let _ = call!(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
    let _ = call!(prctl(PR_SET_SECUREBITS, KEEP_CAPS_LOCKED | KEEP_CAPS, 0, 0, 0));
}

fn securebits_without_capability_is_eperm() {
    must!(setresuid(1000, 1000, 1000));
    let _ = call!(prctl(PR_SET_SECUREBITS, NOROOT, 0, 0, 0));
    let _ = call!(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
}

fn securebits_noroot_exec() {
    must!(prctl(PR_SET_SECUREBITS, NOROOT, 0, 0, 0));
    run_caps();
}

fn capbset_read_of_each() {
    let bounding: u64 =
        (0..64).filter(|&cap| quiet!(prctl(PR_CAPBSET_READ, cap, 0, 0, 0)) == Ok(1)).map(|cap: i32| 1 << cap).sum();
    println!("{:x}", bounding & !UNRELIABLE);
}

fn capbset_read_of_unknown_is_einval() {
    for cap in [40, 41, 63, 64, 1000, -1] {
        let _ = call!(prctl(PR_CAPBSET_READ, cap, 0, 0, 0));
    }
}

fn capbset_drop_is_for_good() {
    let _ = call!(prctl(PR_CAPBSET_DROP, 13, 0, 0, 0));
    let _ = call!(prctl(PR_CAPBSET_READ, 13, 0, 0, 0));
    let _ = call!(prctl(PR_CAPBSET_DROP, 13, 0, 0, 0));
    show_caps("sets stay");
    change("inheritable", |caps| caps.inheritable = NET_RAW | CHOWN);
    change("inheritable", |caps| caps.inheritable = CHOWN);
}

fn capbset_drop_of_unknown_is_einval() {
    for cap in [41, 64, -1] {
        let _ = call!(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0));
    }
}

fn capbset_drop_without_capability_is_eperm() {
    change("drop setpcap", |caps| caps.effective &= !SETPCAP);
    let _ = call!(prctl(PR_CAPBSET_DROP, 13, 0, 0, 0));
    let _ = call!(prctl(PR_CAPBSET_DROP, 64, 0, 0, 0));
    let _ = call!(prctl(PR_CAPBSET_READ, 13, 0, 0, 0));
}

fn capbset_drop_shows_after_exec() {
    must!(prctl(PR_CAPBSET_DROP, 13, 0, 0, 0));
    must!(prctl(PR_CAPBSET_DROP, 40, 0, 0, 0));
    run_caps();
}

fn ambient_raise_wants_inheritable() {
    let _ = call!(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 13, 0, 0));
    change("inheritable", |caps| caps.inheritable = NET_RAW);
    let _ = call!(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 13, 0, 0));
    show_caps("raised");
    must!(prctl(PR_SET_SECUREBITS, NO_CAP_AMBIENT_RAISE, 0, 0, 0));
    let _ = call!(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 13, 0, 0));
}

fn ambient_raise_lower_and_ask() {
    change("inheritable", |caps| caps.inheritable = NET_RAW | CHOWN);
    let _ = call!(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 13, 0, 0));
    let _ = call!(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 0, 0, 0));
    let _ = call!(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 13, 0, 0));
    let _ = call!(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, 13, 0, 0));
    let _ = call!(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 13, 0, 0));
    let _ = call!(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, 13, 0, 0));
    show_caps("after");
}

fn ambient_clear_all() {
    change("inheritable", |caps| caps.inheritable = NET_RAW | CHOWN);
    must!(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 13, 0, 0));
    must!(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 0, 0, 0));
    let _ = call!(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
    show_caps("after");
}

fn ambient_bad_arguments_are_einval() {
    let _ = call!(prctl(PR_CAP_AMBIENT, 99, 0, 0, 0));
    let _ = call!(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 64, 0, 0));
    let _ = call!(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 13, 1, 0));
    let _ = call!(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 1, 0, 0));
    let _ = call!(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, -1, 0, 0));
}

fn ambient_is_kept_over_exec_as_user() {
    copy_of_self(c"program");
    change("inheritable", |caps| caps.inheritable = NET_RAW | CHOWN);
    must!(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
    must!(setresuid(1000, 1000, 1000));
    let _ = call!(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 13, 0, 0));
    show_caps("before");
    run(c"./program", &[c"program", c"role", c"caps"]);
}

fn ambient_is_lowered_by_capset() {
    change("inheritable", |caps| caps.inheritable = NET_RAW | CHOWN);
    must!(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 13, 0, 0));
    change("inheritable", |caps| caps.inheritable = CHOWN);
    show_caps("after");
}

fn ambient_is_cleared_by_setuid() {
    change("inheritable", |caps| caps.inheritable = NET_RAW);
    must!(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 13, 0, 0));
    must!(setresuid(-1, 1000, -1));
    show_caps("effective left");
    must!(setresuid(1000, 1000, 1000));
    show_caps("all left");
}

fn capabilities_are_inherited_over_fork() {
    change("drop", |caps| caps.permitted = CHOWN | SETUID);
    change("drop", |caps| {
        caps.effective = CHOWN;
        caps.permitted = CHOWN | SETUID;
    });
    in_child(|| show_caps("child"));
}

fn capabilities_are_per_thread() {
    in_thread(|| {
        change("drop", |caps| *caps = Caps::default());
        show_caps("thread");
    });
    show_caps("main");
}

fn exec_as_root_gives_all_back() {
    change("drop all", |caps| *caps = Caps::default());
    run_caps();
}

fn exec_as_user_leaves_none() {
    copy_of_self(c"program");
    must!(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
    must!(setresuid(1000, 1000, 1000));
    show_caps("before");
    run(c"./program", &[c"program", c"role", c"caps"]);
}

fn setuid_without_cap_setuid_is_eperm() {
    change("drop", |caps| caps.effective &= !SETUID);
    let _ = call!(setuid(1000));
    let _ = call!(setresuid(1000, 1000, 1000));
    let _ = call!(setuid(0));
    let _ = call!(setfsuid(1000));
    super::identity::show_ids("after");
}

fn setgid_without_cap_setgid_is_eperm() {
    change("drop", |caps| caps.effective &= !SETGID);
    let _ = call!(setgid(1000));
    let _ = call!(setgroups(0, NULL));
    let _ = call!(setgid(0));
    super::identity::show_ids("after");
}

fn chown_without_cap_chown_is_eperm() {
    crate::stage::file(c"f");
    change("drop", |caps| caps.effective &= !CHOWN);
    let _ = call!(fchownat(libc::AT_FDCWD, c"f", 1000, -1, 0));
    let _ = call!(fchownat(libc::AT_FDCWD, c"f", 0, 0, 0));
    let _ = call!(fchownat(libc::AT_FDCWD, c"f", -1, -1, 0));
    crate::seen::show(c"f");
}
