//! Analytics adapters.

pub mod sqlite;
