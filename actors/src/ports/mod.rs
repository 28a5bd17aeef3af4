//! What actors need from the world, as small traits. Adapters implement them; one contract suite runs over
//! every adapter of a port. Batched reads are the primitive.

pub mod analytics;
mod cache;
mod clock;
pub mod ledger;
pub mod log;
pub mod rooms;
pub mod store;

pub use cache::Cache;
pub use clock::Clock;
