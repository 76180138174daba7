//! Writers that are killed in the middle of their work, with the daemon, and what must be left of it (`checks/crashes`).
//!
//! A writer changes files and keeps a journal. Each call is announced before it is made, and when it has returned the journal gets what
//! is shown of the file from then on. The journal is a file on disk that nobody lies about, appended to by one write(2) each,
//! which outlives the writer's death. So what was told when all were killed must be told later, to any other process.

mod attributes;
mod check;
mod damage;
mod journal;
mod writer;

pub use check::{Loss, check};
pub use damage::damage;
pub use journal::now;
pub use writer::write;
