//! Adapters of the rooms port.

pub mod memory;
pub mod redis;
