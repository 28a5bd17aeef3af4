//! Adapters of the cache port.

pub mod memory;
pub mod redis;
