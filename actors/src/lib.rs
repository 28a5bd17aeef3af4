//! Nova's inside: the domain, the ports to the world, the actor runtime and the actors.
//!
//! Nothing here knows HTTP, SQL, Kafka, Redis or ClickHouse; adapters in the root crate do.

pub mod domain;
mod error;
pub mod feed;
pub mod ports;
pub mod runtime;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use error::{Error, FieldError, Kind, Result};
