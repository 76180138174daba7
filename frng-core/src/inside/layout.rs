//! Where the parts of the agent are in a tracee, in bytes from [`crate::arch::Abi::trampoline_address`].
//!
//! ```text
//! 0         the trampoline's code, and the filter to add (shared, executable)
//! TEMPLATE  what LOCAL begins as
//! AGENT     the agent's image
//! ...       the slots of the trampoline (shared, writable)
//! LOCAL     what the agent is told of its process (private: a fork copies it)
//! LOCKS     one word for each stack: taken or free
//! STACKS    the agent's own stacks, since a program's may be too small
//! LIES      the table of lies (shared, writable)
//! ```

/// Begin of the page that [`LOCAL`] is a copy of at first. What is before belongs to the trampoline.
pub const TEMPLATE: u64 = 14 * 4096;
/// Begin of the agent's image.
pub const AGENT: u64 = 16 * 4096;
/// Largest image, in bytes.
pub const AGENT_MAX: u64 = 2 << 20;
/// Begin of [`super::local::Local`].
pub const LOCAL: u64 = 64 << 20;
/// Bytes of it.
pub const LOCAL_LEN: u64 = 4096;
/// Begin of the locks, [`LOCK_LEN`] bytes each.
pub const LOCKS: u64 = LOCAL + LOCAL_LEN;
/// Bytes from one lock to the next: a cache line.
pub const LOCK_LEN: u64 = 64;
/// Number of stacks: how many threads of a process can be in the agent at the same time. Others stop at the tracer.
pub const STACKS_COUNT: u64 = 32;
/// Begin of the stacks, [`STACK_LEN`] bytes each.
pub const STACKS: u64 = LOCAL + (64 << 10);
/// Bytes of a stack; its lowest [`crate::policy::SCRATCH_LEN`] are the handler's scratch memory, the next [`crate::policy::ASIDE_LEN`] for arguments.
pub const STACK_LEN: u64 = 128 << 10;
/// Bytes of the private mapping, from [`LOCAL`] on.
pub const PRIVATE_LEN: u64 = STACKS + STACK_LEN * STACKS_COUNT - LOCAL;
/// Begin of the table of lies.
pub const LIES: u64 = 128 << 20;

/// Bytes of the memory for stubs. It begins with the agent's address.
///
/// It is [`super::sites::Inside::apart`] before a program's interpreter, or before a static program that is loaded
/// anywhere: what a program maps later is next to its interpreter, in reach of them, and nothing is there.
pub const STUBS_LEN: u64 = 4096;

/// Where the agent is told to stop before it leaves a stack: a word, this many bytes below the stack's end.
pub const LEAVING_BELOW: u64 = 16;
/// Where the agent tells that it is about to issue a call that may wait for long: a word.
pub const WAITS_BELOW: u64 = 8;

/// First argument of [`crate::arch::DONE_NUMBER`] when the agent stops before it leaves, because the tracer holds
/// signals back.
pub const LEAVING: u64 = 0x1ea5_e000;

const _: () = assert!(LOCKS + LOCK_LEN * STACKS_COUNT <= STACKS);
const _: () = assert!(STACKS + STACK_LEN * STACKS_COUNT <= LIES);
