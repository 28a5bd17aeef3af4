//! The relay: brings what the store committed into the event log.
//!
//! - **Owns**: nothing; the rows that are owed are in the store.
//! - **Accepts**: `Wake`, from whoever committed something.
//! - **Bound**: one batch in flight; wakes coalesce.
//! - **Blocks on**: nothing; store and log are asked in a task with a deadline.
//! - **Fails when**: never by itself; a store or log that is away is tried again with growing pauses.
//! - **Restart**: permanent; starts by reading what is owed.
//! - **Shutdown**: lets the batch in flight finish, then sends one more, within its drain deadline.
//! - **Metrics**: `nova_publish_total`, `nova_publish_duration_seconds`, `nova_outbox_oldest_seconds`.
//!
//! Rows are read in commit order, appended, and deleted by their ids once the log has them. A crash in between
//! sends them again with the same event ids.

mod actor;
mod handle;
#[cfg(test)]
mod tests;

pub use actor::{Relay, RelayArgs, RelaySettings};
pub use handle::RelayHandle;
