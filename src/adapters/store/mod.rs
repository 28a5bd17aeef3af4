//! Adapters of the store port.
//!
//! One folder per dialect, SQL beside the port it implements. What the dialects must agree on to the letter,
//! the records and row images that leave the store, is in [`images`].

mod images;
mod sqlite;

pub use sqlite::SqliteStore;
