//! Analytics adapters.

pub mod clickhouse;
mod columns;
pub mod sqlite;
