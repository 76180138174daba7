//! The agent: code that is mapped into every fooled process and answers its calls there, without a stop.
//!
//! It runs the handlers of `frng_core::policy`, the same as the tracer, over the kernel itself: each future is ready at
//! once. `docs/INLINE.md` tells how a program gets here and leaves again.
//!
//! Nothing here may allocate, panic, use thread-local or writable static memory: it runs on a stack of its own in
//! somebody else's process, which may be killed at any instruction.
#![no_std]

cfg_if::cfg_if! {
    if #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))] {
        mod answer;
        #[cfg_attr(target_arch = "x86_64", path = "arch/x86_64.rs")]
        #[cfg_attr(target_arch = "aarch64", path = "arch/aarch64.rs")]
        mod arch;
        mod dispatch;
        mod init;
        mod kernel;
        mod mapped;
        mod memory;
        mod numbers;
        mod rooted;
        mod signals;
        mod text;
        mod thread;

        pub use answer::answer;
        pub use arch::abort;
        pub use init::init;
    }
}
