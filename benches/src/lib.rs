//! What frng costs, side by side with running natively and with other fake roots.
//!
//! [`tool`] says how each of them is started, [`workload`] what they are given to do, [`stage`] where and as whom,
//! [`table`] makes the table of the README, [`plot`] its image; `cargo bench -p frng-benches` looks at the same with criterion.

pub mod machine;
pub mod plot;
pub mod stage;
pub mod table;
pub mod tool;
mod tree;
pub mod workload;
