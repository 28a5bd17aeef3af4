//! Adapters: the outside world behind the ports of `nova_actors`.

pub mod analytics;
pub mod cache;
pub mod clock;
pub mod log;
pub mod redis;
pub mod rooms;
mod sqlite;
pub mod store;

pub use sqlite::MigrationState;
