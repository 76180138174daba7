//! The cases, one file per theme. A case's doc comment says what is at stake where its name can't.

pub mod access;
pub mod capabilities;
pub mod children;
pub mod creation;
pub mod devices;
pub mod dirents;
pub mod dropped;
pub mod exec;
pub mod frng_only;
pub mod identity;
pub mod inspecting;
pub mod int80;
pub mod lifetime;
pub mod mapped;
pub mod mixed;
pub mod mode;
pub mod mounts;
pub mod mounts_devices;
pub mod mounts_told;
pub mod namespaces;
pub mod narrow;
pub mod odds;
pub mod ownership;
pub mod process;
pub mod procfs;
pub mod procfs_reach;
pub mod questions;
pub mod queued;
pub mod races;
pub mod reach;
pub mod root_exec;
pub mod roots;
pub mod roots_calls;
pub mod roots_inside;
pub mod scheduling;
pub mod signals;
pub mod sockets;
pub mod sticky_links;
pub mod times;
pub mod tracing;
pub mod tracing_waits;
pub mod walks;
pub mod xattr;
pub mod xattr_acl;

/// One small program, named by what it asserts.
pub struct Case {
    module: &'static str,
    function: &'static str,
    /// The program: it prints what it sees.
    pub play: fn(),
    /// What it must print, where real root cannot be asked.
    pub expected: Option<&'static str>,
}

impl Case {
    /// `theme::what_it_asserts`.
    pub fn name(&self) -> String {
        let theme = self.module.rsplit("::").next().unwrap_or(self.module);
        format!("{theme}::{}", self.function)
    }
}

/// Lists a theme's cases. A case that is forgotten here is dead code, which the compiler reports.
macro_rules! cases {
    ($($function:ident),* $(,)?) => {
        /// This theme's cases.
        pub const CASES: &[crate::cases::Case] = &[$(crate::cases::Case {
            module: module_path!(),
            function: stringify!($function),
            play: $function,
            expected: None,
        }),*];
    };
}
use cases;

impl Case {
    const fn expecting(module: &'static str, function: &'static str, play: fn(), expected: &'static str) -> Self {
        Self { module, function, play, expected: Some(expected) }
    }
}

/// Every case of every theme.
pub fn all() -> impl Iterator<Item = &'static Case> {
    [
        ownership::CASES,
        mode::CASES,
        questions::CASES,
        dirents::CASES,
        devices::CASES,
        identity::CASES,
        capabilities::CASES,
        children::CASES,
        process::CASES,
        procfs::CASES,
        procfs_reach::CASES,
        signals::CASES,
        inspecting::CASES,
        sockets::CASES,
        races::CASES,
        reach::CASES,
        sticky_links::CASES,
        dropped::CASES,
        queued::CASES,
        exec::CASES,
        creation::CASES,
        lifetime::CASES,
        access::CASES,
        times::CASES,
        tracing::CASES,
        tracing_waits::CASES,
        xattr::CASES,
        xattr_acl::CASES,
        namespaces::CASES,
        roots::CASES,
        roots_calls::CASES,
        roots_inside::CASES,
        root_exec::CASES,
        mounts::CASES,
        mounts_devices::CASES,
        mapped::CASES,
        mounts_told::CASES,
        odds::CASES,
        scheduling::CASES,
        narrow::CASES,
        int80::CASES,
        mixed::CASES,
        walks::CASES,
        frng_only::CASES,
    ]
    .into_iter()
    .flatten()
}
