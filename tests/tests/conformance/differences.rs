//! Where frng is known to differ from real root, and why. Such a case is not passed over: it is run, reported as
//! ignored with its reason as long as it differs, and fails as soon as it does not.

/// Cases and reasons.
const KNOWN: &[(&str, &str)] = &[
    (
        "devices::faked_null_stats_through_its_descriptor",
        "the descriptor of a faked null device is one of the real device, and shows that one",
    ),
    (
        "xattr::capability_is_removed_by_write",
        "only a stop at every write could tell, which costs more than all other stops together",
    ),
    (
        "odds::bind_to_a_port_below_1024",
        "nobody could connect to a port that is not really bound, so the kernel's EACCES is passed on",
    ),
    (
        "odds::bind_to_a_port_below_1024_is_read_back",
        "nobody could connect to a port that is not really bound, so the kernel's EACCES is passed on",
    ),
];

/// Engines, cases and reasons, where other engines do as root's kernel.
const KNOWN_OF_ENGINES: &[(&str, &str, &str)] = &[(
    "seccomp",
    "procfs::status_of_root_read_at_once",
    "only a stop at every open could tell, which root's programs do without in this engine",
)];

/// Cases that may differ on kernels before a version, because of what was wrong with those.
const ON_OLD_KERNELS: &[(&str, (u32, u32), &str)] = &[
    (
        "dropped::security_capability_is_eperm",
        (6, 11),
        "with a security module like bpf the kernel forgets to ask for CAP_SYS_ADMIN",
    ),
    (
        "procfs_reach::a_user_asks_what_it_may_search_of_others",
        (6, 11),
        "the kernel refused fdinfo only when it was opened; frng tells before, as later kernels do",
    ),
    (
        "xattr_acl::acl_of_zero_size_removes_it",
        (6, 2),
        "the kernel took an ACL of no bytes for a malformed one; frng removes it, as later kernels do",
    ),
];

/// Why this case differs under an engine, if it does.
pub fn reason(name: &str, engine: &str) -> Option<&'static str> {
    let of_engine = KNOWN_OF_ENGINES.iter().find(|(under, known, _)| (*under, *known) == (engine, name));
    let known = KNOWN.iter().find(|(known, _)| *known == name).map(|(_, reason)| *reason);
    known.or(of_engine.map(|(.., reason)| *reason))
}

/// Why this case may differ on this kernel.
pub fn excuse(name: &str) -> Option<&'static str> {
    let (_, before, reason) = ON_OLD_KERNELS.iter().find(|(known, ..)| *known == name)?;
    (kernel()? < *before).then_some(*reason)
}

/// Version and subversion of the kernel.
fn kernel() -> Option<(u32, u32)> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}
