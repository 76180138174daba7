//! The arch crates that a build has: the only place that asks for which CPU it is.

use frng_core::arch::Abi;

cfg_if::cfg_if! {
    if #[cfg(target_arch = "x86_64")] {
        /// The calling conventions that tracees may use; the first one is that of frng itself.
        pub static ABIS: &[&dyn Abi] = &[&frng_arch_x86_64::ABI, &frng_arch_i386::ABI];
    } else if #[cfg(target_arch = "x86")] {
        /// The calling conventions that tracees may use; the first one is that of frng itself.
        pub static ABIS: &[&dyn Abi] = &[&frng_arch_i386::ABI];
    } else if #[cfg(target_arch = "aarch64")] {
        /// The calling conventions that tracees may use; the first one is that of frng itself.
        pub static ABIS: &[&dyn Abi] = &[&frng_arch_aarch64::ABI, &frng_arch_arm::ABI];
    } else if #[cfg(target_arch = "arm")] {
        /// The calling conventions that tracees may use; the first one is that of frng itself.
        pub static ABIS: &[&dyn Abi] = &[&frng_arch_arm::ABI];
    } else if #[cfg(target_arch = "riscv64")] {
        /// The calling conventions that tracees may use; the first one is that of frng itself.
        pub static ABIS: &[&dyn Abi] = &[&frng_arch_riscv64::ABI];
    } else {
        compile_error!("no arch crate for this CPU yet");
    }
}

/// The agent for the first of them.
pub static AGENT: Option<&[u8]> = frng_agent_image::IMAGE;
