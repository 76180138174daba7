//! What the agent is told of its process: private memory of the process that only the tracer changes.
//!
//! A fork copies it with everything else, so that nothing needs to be done then. Threads of one process may have
//! different credentials; then the agent answers nothing ([`Content::usable`]).

use core::cell::UnsafeCell;
use core::mem::{MaybeUninit, offset_of};
use core::sync::atomic::{AtomicU32, Ordering, fence};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::mount_names::MountNames;
use crate::call::{NEWER, Sys};
use crate::creds::{Caps, Creds, Ids};
use crate::policy::{NullPaths, Process, Protected, Settings, UnknownOwner};

/// Most supplementary groups that fit.
pub const GROUPS_MAX: usize = 64;

/// Bytes for the path of the table of lies, with its terminator.
pub const PATH_LEN: usize = 64;

/// What a handler may ask the agent about its process, without the supplementary groups.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Content {
    /// 0: the agent answers nothing, every call is the tracer's.
    pub usable: u32,
    /// Number of supplementary groups.
    pub group_count: u32,
    caps: [u64; 5],
    uid: [u32; 4],
    gid: [u32; 4],
    securebits: u32,
    no_new_privs: u32,
    seccomp: u32,
    umask: u32,
    dumpable: u32,
    unknown: u32,
    real_uid: u32,
    real_gid: u32,
    last_cap: u32,
    null_paths: u32,
    lacks: u32,
    protected_hardlinks: u32,
    protected_regular: u32,
    protected_fifos: u32,
    protected_symlinks: u32,
    /// Not 0: only paths that lead to the same whatever the root are not the tracer's.
    pub rooted: u32,
    seccomp_filters: u32,
    /// Not 0: nobody else runs in this memory, or has the same descriptors.
    pub alone: u32,
    /// Process id of the daemon.
    pub daemon: u32,
    /// Descriptor of the process's root in the daemon.
    pub root_fd: u32,
    /// Of mount points, of which only the tracer knows what is there.
    pub mounts: MountNames,
    proc_device: u64,
    /// Address of [`super::counters::Counters`]; 0 if nothing is to be counted.
    pub counters: u64,
    /// Bytes of the mapping of the table of lies.
    pub lies_len: u64,
}

/// The table of lies that the agent has to map.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct LiesFile {
    /// Bytes of its mapping.
    pub len: u64,
    /// Its path.
    pub path: [u8; PATH_LEN],
}

#[cfg(feature = "std")]
impl LiesFile {
    /// A descriptor of a process, and how long its mapping is.
    pub fn new(len: u64, process: u32, descriptor: i32) -> LiesFile {
        let mut path = [0; PATH_LEN];
        // The longest is shorter.
        let text = std::format!("/proc/{process}/fd/{descriptor}");
        for (to, from) in path.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        LiesFile { len, path }
    }
}

/// The private page of a process. The tracer writes it as bytes, at the offsets given here.
#[repr(C)]
pub struct Local {
    /// Odd while the tracer changes what follows.
    sequence: AtomicU32,
    pad: u32,
    content: UnsafeCell<Content>,
    groups: [AtomicU32; GROUPS_MAX],
    lies: UnsafeCell<LiesFile>,
}

/// Offset of [`Content`] in [`Local`], in bytes. Before it is the 32-bit sequence number.
pub const CONTENT_OFFSET: usize = offset_of!(Local, content);
/// Offset of the supplementary groups, sorted, 32 bits each.
pub const GROUPS_OFFSET: usize = offset_of!(Local, groups);
/// Offset of [`LiesFile`].
pub const LIES_OFFSET: usize = offset_of!(Local, lies);

const _: () = assert!(size_of::<Local>() as u64 <= super::layout::LOCAL_LEN);

impl Local {
    /// The table of lies. Never changes.
    pub fn lies(&self) -> LiesFile {
        // SAFETY: the memory is always initialized, and every bit pattern is a value.
        unsafe { self.lies.get().read_volatile() }
    }

    /// A supplementary group.
    pub fn group(&self, index: usize) -> Option<u32> {
        self.groups.get(index).map(|group| group.load(Ordering::Relaxed))
    }

    /// Copies the content; `None` if it is just being changed. Not returned, since each call of a program would then pay for
    /// copies of the copy.
    pub fn read<'c>(&self, to: &'c mut MaybeUninit<Content>) -> Option<&'c Content> {
        let before = self.sequence.load(Ordering::Acquire);
        // SAFETY: the memory is always initialized, and every bit pattern is a value. The tracer may write to it at the
        // same time; then the sequence number differs and the copy is not used.
        let content = to.write(unsafe { self.content.get().read_volatile() });
        fence(Ordering::Acquire);
        let after = self.sequence.load(Ordering::Relaxed);
        (before == after && before & 1 == 0).then_some(&*content)
    }
}

fn ids(ids: &Ids) -> [u32; 4] {
    [ids.real, ids.effective, ids.saved, ids.fs]
}

fn from_ids([real, effective, saved, fs]: [u32; 4]) -> Ids {
    Ids { real, effective, saved, fs }
}

impl Content {
    /// Nothing known: not usable.
    pub fn new() -> Content {
        zerocopy::FromZeros::new_zeroed()
    }

    /// Sets which of [`NEWER`] the kernel lacks, the first one in the lowest bit.
    pub fn set_lacks(&mut self, lacks: u32) {
        self.lacks = lacks;
    }

    /// Whether the kernel has a call.
    pub fn has(&self, sys: Sys) -> bool {
        !NEWER.iter().enumerate().any(|(index, newer)| *newer == sys && self.lacks >> index & 1 != 0)
    }

    /// Sets the credentials.
    pub fn set_creds(&mut self, creds: &Creds) {
        self.uid = ids(&creds.uid);
        self.gid = ids(&creds.gid);
        let Caps { inheritable, permitted, effective, bounding, ambient } = creds.caps;
        self.caps = [inheritable, permitted, effective, bounding, ambient];
        self.securebits = creds.securebits;
        self.no_new_privs = creds.no_new_privs.into();
        self.seccomp = creds.seccomp;
        self.seccomp_filters = creds.seccomp_filters;
    }

    /// The credentials.
    pub fn creds(&self) -> Creds {
        let [inheritable, permitted, effective, bounding, ambient] = self.caps;
        Creds {
            uid: from_ids(self.uid),
            gid: from_ids(self.gid),
            caps: Caps { inheritable, permitted, effective, bounding, ambient },
            securebits: self.securebits,
            no_new_privs: self.no_new_privs != 0,
            seccomp: self.seccomp,
            seccomp_filters: self.seccomp_filters,
        }
    }

    /// Sets what is faked of the process.
    pub fn set_process(&mut self, process: &Process) {
        self.umask = process.umask;
        self.dumpable = process.dumpable;
    }

    /// What is faked of the process.
    pub fn process(&self) -> Process {
        Process { umask: self.umask, dumpable: self.dumpable }
    }

    /// Sets the invocation's settings.
    pub fn set_settings(&mut self, settings: &Settings) {
        self.unknown = match settings.unknown {
            UnknownOwner::OwnAsRoot => 0,
            UnknownOwner::AllAsRoot => 1,
            UnknownOwner::AsItIs => 2,
        };
        self.real_uid = settings.real_uid;
        self.real_gid = settings.real_gid;
        self.last_cap = settings.last_cap;
        self.null_paths = match settings.null_paths {
            NullPaths::Refused => 0,
            NullPaths::OfDescriptors => 1,
            NullPaths::Taken => 2,
        };
        self.protected_hardlinks = settings.protected_hardlinks.into();
        self.protected_regular = settings.protected.regular;
        self.protected_fifos = settings.protected.fifos;
        self.protected_symlinks = settings.protected.symlinks;
        self.proc_device = settings.proc_device;
    }

    /// The invocation's settings.
    pub fn settings(&self) -> Settings {
        let unknown = match self.unknown {
            0 => UnknownOwner::OwnAsRoot,
            1 => UnknownOwner::AllAsRoot,
            _ => UnknownOwner::AsItIs,
        };
        Settings {
            unknown,
            real_uid: self.real_uid,
            real_gid: self.real_gid,
            last_cap: self.last_cap,
            null_paths: match self.null_paths {
                0 => NullPaths::Refused,
                1 => NullPaths::OfDescriptors,
                _ => NullPaths::Taken,
            },
            protected_hardlinks: self.protected_hardlinks != 0,
            protected: Protected {
                regular: self.protected_regular,
                fifos: self.protected_fifos,
                symlinks: self.protected_symlinks,
            },
            proc_device: self.proc_device,
        }
    }
}

impl Default for Content {
    fn default() -> Content {
        Content::new()
    }
}
