//! The agent as an ELF image, made by `build.rs` from the crate `frng-agent` together with everything else.

/// The image, a static position independent executable with its symbols; `None` if there is no agent for this CPU.
pub static IMAGE: Option<&[u8]> = include!(concat!(env!("OUT_DIR"), "/image.rs"));
