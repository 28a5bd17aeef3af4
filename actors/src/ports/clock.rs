//! Port to the wall clock, so that tests decide what time it is.

use crate::domain::Timestamp;

/// Wall-clock time. Durations are measured with tokio's monotonic clock instead.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}
