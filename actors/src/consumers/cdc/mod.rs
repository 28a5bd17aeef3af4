//! The `cdc` consumer: row changes from the log into the analytics tables.
//!
//! - **Owns**: its place in each partition, as claimed from the ledger.
//! - **Accepts**: nothing from outside; it is woken by the log.
//! - **Bound**: one batch in flight per partition, of limited length.
//! - **Blocks on**: nothing; a batch is fetched, decoded and applied in a task with a deadline.
//! - **Fails when**: fenced by a newer owner; it then claims anew.
//! - **Restart**: permanent; goes on from the ledger, so a replay is harmless.
//! - **Shutdown**: lets the batches in flight finish.
//! - **Metrics**: `nova_pipeline_*` with `pipeline="cdc"`.
//!
//! Every offset ends as landed, duplicate, dead or ignored. A dependency that is away is asked again with
//! growing pauses and never dead-letters anything; a record that cannot be understood, or whose row the tables
//! refuse for good, is put aside and the rest lands; a truncate halts its partition and says what to do.

mod actor;
mod batch;
mod envelope;
mod handle;
mod progress;
#[cfg(test)]
mod tests;

pub use actor::{CdcArgs, CdcConsumer, CdcSettings};
pub use envelope::{Decoded, decode};
pub use handle::{CdcHandle, Landed};
