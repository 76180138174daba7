//! The lies of a daemon and the file they are kept in.

pub mod audit;
mod file;
pub mod foreign;
mod format;
pub mod live;
mod record;
mod replace;
mod rescue;
pub mod save_file;
mod table;

pub(crate) use file::reason;
pub use file::{Locking, StateFile, read, read_unused};
pub use format::{Broken, FORMAT_VERSION, parse, write};
pub use record::{Record, Xattrs};
pub use replace::replace;
pub use table::Table;
