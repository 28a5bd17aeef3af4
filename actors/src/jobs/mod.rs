//! Background jobs: work that is repeated, takes no input and may be done again at any time.
//!
//! - **Owns**: when a job last ran and how it ended.
//! - **Accepts**: nothing; it wakes itself.
//! - **Bound**: one run at a time, with a deadline.
//! - **Fails when**: never by itself; a failed run is counted, shown and tried again at the next turn.
//! - **Restart**: permanent; runs soon after the start.
//! - **Shutdown**: gives a run up; the next start does it again.
//! - **Metrics**: `nova_job_runs_total`, `nova_job_duration_seconds`, `nova_job_last_success_timestamp_seconds`.

mod partitions;
mod periodic;
mod retention;

pub use partitions::NextPartitions;
pub use periodic::{Job, PeriodicJob, PeriodicJobArgs};
pub use retention::Retention;
