//! Adapters of the log port.

mod partitioner;
pub mod sqlite;
