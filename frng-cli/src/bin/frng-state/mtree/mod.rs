//! Manifests of mtree(8), as NetBSD's and FreeBSD's mtree and bsdtar write and read them: the owner, group, mode, type and device
//! number of each name.
//!
//! ```text
//! #mtree
//! ./dev/null type=char mode=0666 uid=0 gid=0 device=native,1,3
//! ```

mod names;
pub mod read;
pub mod write;
