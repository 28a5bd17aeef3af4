//! Adapters of the store port.
//!
//! One folder per dialect, SQL beside the port it implements. What the dialects must agree on to the letter is
//! beside them: the records and row images that leave the store, and the user that a new identity becomes.

mod images;
mod newcomer;
pub mod postgres;
mod sqlite;

pub use sqlite::SqliteStore;
