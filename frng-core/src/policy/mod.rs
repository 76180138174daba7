//! What each call does to a fooled process, written once.
//!
//! A handler is a straight-line `async fn` over [`Tracee`]: it asks the kernel in the tracee's name, reads and
//! writes its memory, looks into the table of lies and its credentials. In the tracer an `.await` is "let the
//! tracee run until its next stop"; in an engine that runs inside the tracee every future is ready at once.
//!
//! One theme a file: to learn what happens on `fchownat`, open `ownership.rs`.

pub mod access;
pub mod acl;
pub mod capabilities;
pub mod children;
pub mod creation;
pub mod devices;
pub mod directory;
pub mod evasion;
pub mod exec;
mod file_capability;
pub mod identity;
pub mod inode_flags;
mod left;
pub mod lifetime;
pub mod mode;
pub mod mounts;
pub mod namespaces;
pub mod nested;
mod note;
pub mod opening;
pub mod others;
pub mod ownership;
mod parent;
mod permission;
mod posix_acl;
pub mod privileged;
pub mod process;
pub mod procfs;
pub mod program;
pub mod questions;
pub mod reach;
pub mod resolving;
pub mod root;
mod root_exec;
mod root_socket;
pub mod same_name;
pub mod schedule;
pub mod signals;
pub mod sockets;
mod sticky;
pub mod syncing;
pub mod times;
pub mod tools;
mod tracee;
pub mod view;
mod walk;
pub mod writing;
pub mod xattr;
mod xattr_name;
mod xattr_target;

pub use note::Note;
pub use others::Others;
pub use schedule::Schedule;
pub use sockets::Sender;
pub use tracee::{
    ASIDE_LEN, Answer, Last, MountSource, MountTold, NullPaths, Outcome, PATH_MAX, Process, Protected, RESOLVE_BENEATH,
    RESOLVE_CACHED, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV, RESOLVE_REFUSING,
    RESOLVE_SCOPED, SCRATCH_LEN, Settings, Tracee, TraceeExt, UnknownOwner,
};
