//! The faked credentials of a thread: credentials(7), capabilities(7).

/// Real, effective, saved and filesystem id: one set for users, one for groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ids {
    /// Who started the process.
    pub real: u32,
    /// Who is asked about in most permission checks.
    pub effective: u32,
    /// What `effective` may return to.
    pub saved: u32,
    /// Who owns new files and is asked about in path checks.
    pub fs: u32,
}

impl Ids {
    /// All four the same.
    pub const fn all(id: u32) -> Ids {
        Ids { real: id, effective: id, saved: id, fs: id }
    }
}

/// Capability sets as bit masks, bit n being capability n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Kept over exec by files that allow it.
    pub inheritable: u64,
    /// The limit of `effective`.
    pub permitted: u64,
    /// What checks ask about.
    pub effective: u64,
    /// The limit of what exec can give.
    pub bounding: u64,
    /// Kept over exec of ordinary files.
    pub ambient: u64,
}

/// The credentials of one thread, without its supplementary groups (see [`crate::policy::Tracee::group`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Creds {
    /// User ids.
    pub uid: Ids,
    /// Group ids.
    pub gid: Ids,
    /// Capability sets.
    pub caps: Caps,
    /// `SECBIT_*`.
    pub securebits: u32,
    /// prctl(PR_SET_NO_NEW_PRIVS), as the program set it. The real flag is always set, for the filter.
    pub no_new_privs: bool,
    /// The seccomp(2) mode the program believes it is in: 0, `SECCOMP_MODE_STRICT` or `SECCOMP_MODE_FILTER`.
    pub seccomp: u32,
    /// How many filters it believes to have installed.
    pub seccomp_filters: u32,
}

impl Creds {
    /// What root's login shell has. `last_cap` is the kernel's `/proc/sys/kernel/cap_last_cap`.
    pub const fn root(last_cap: u32) -> Creds {
        let full = all_caps(last_cap);
        Creds {
            uid: Ids::all(0),
            gid: Ids::all(0),
            caps: Caps { inheritable: 0, permitted: full, effective: full, bounding: full, ambient: 0 },
            securebits: 0,
            no_new_privs: false,
            seccomp: 0,
            seccomp_filters: 0,
        }
    }

    /// Whether a check for this capability (`CAP_*`) succeeds.
    pub const fn has(&self, cap: u32) -> bool {
        self.caps.effective & (1 << cap) != 0
    }
}

/// The mask of all capabilities up to `last_cap`.
pub const fn all_caps(last_cap: u32) -> u64 {
    if last_cap >= 63 { u64::MAX } else { (1 << (last_cap + 1)) - 1 }
}

macro_rules! caps {
    ($($(#[$doc:meta])* $name:ident = $value:expr;)*) => { $($(#[$doc])* pub const $name: u32 = $value;)* };
}

caps! {
    /// Change owners at will.
    CAP_CHOWN = 0;
    /// Bypass read, write and execute permission checks.
    CAP_DAC_OVERRIDE = 1;
    /// Bypass read permission checks, and search permission of directories.
    CAP_DAC_READ_SEARCH = 2;
    /// Bypass checks that the caller owns the file.
    CAP_FOWNER = 3;
    /// Keep set-user-ID and set-group-ID bits.
    CAP_FSETID = 4;
    /// Signal any process.
    CAP_KILL = 5;
    /// Change group ids at will.
    CAP_SETGID = 6;
    /// Change user ids at will.
    CAP_SETUID = 7;
    /// Change capability sets.
    CAP_SETPCAP = 8;
    /// Immutable and append-only flags.
    CAP_LINUX_IMMUTABLE = 9;
    /// Bind to ports below 1024.
    CAP_NET_BIND_SERVICE = 10;
    /// Lock memory.
    CAP_IPC_LOCK = 14;
    /// chroot(2).
    CAP_SYS_CHROOT = 18;
    /// Trace any process.
    CAP_SYS_PTRACE = 19;
    /// A multitude, sethostname(2) and trusted xattrs among them.
    CAP_SYS_ADMIN = 21;
    /// Raise priorities.
    CAP_SYS_NICE = 23;
    /// Override resource limits.
    CAP_SYS_RESOURCE = 24;
    /// Set clocks.
    CAP_SYS_TIME = 25;
    /// mknod(2) of devices.
    CAP_MKNOD = 27;
    /// Set file capabilities.
    CAP_SETFCAP = 31;
    /// Measure performance.
    CAP_PERFMON = 38;
}

/// `CAP_FS_SET` (`include/linux/capability.h`), as a mask: what checks on files ask about, and what follows the
/// filesystem user id: chown, dac_override, dac_read_search, fowner, fsetid, linux_immutable, mknod and
/// mac_override.
pub const FILE_CAPS: u64 = 1 << CAP_CHOWN
    | 1 << CAP_DAC_OVERRIDE
    | 1 << CAP_DAC_READ_SEARCH
    | 1 << CAP_FOWNER
    | 1 << CAP_FSETID
    | 1 << CAP_LINUX_IMMUTABLE
    | 1 << CAP_MKNOD
    | 1 << 32;
