//! The actor runtime around ractor.
//!
//! ractor gives mailboxes, links and panics-as-events. This adds what a server needs: bounded admission,
//! addresses that survive restarts, calls that always end, restart policies, tasks and timers that die with
//! their actor, an ordered drain, and a tree that can be looked at.

mod actor;
mod address;
pub mod breaker;
mod children;
mod context;
mod deadline;
mod gate;
mod group;
pub mod metrics;
mod pool;
mod restart;
pub mod retry;
mod shell;
#[cfg(test)]
mod tests;
pub mod tree;

pub use actor::Actor;
pub use address::{Address, CallError, DEFAULT_CAPACITY, Reply};
pub use context::{Ctx, Held};
pub use deadline::within;
pub use group::{Group, GroupSpec, Root};
pub use pool::Pool;
pub use restart::{ChildSpec, Policy};
