//! Consumers of the event log, one supervised actor each.

pub mod cdc;
