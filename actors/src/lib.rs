//! Nova's inside: the domain, the ports to the world, the actor runtime and the actors.
//!
//! Nothing here knows HTTP, SQL, Kafka, Redis or ClickHouse; adapters in the root crate do.

pub mod consumers;
pub mod domain;
mod error;
pub mod feed;
pub mod invalidation;
pub mod jobs;
pub mod loader;
pub mod ports;
pub mod publisher;
pub mod runtime;
pub mod social;
pub mod streams;
pub mod system;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod users;

pub use error::{Error, FieldError, Kind, Result};
