//! Makes the parts of tables that are split by time before their time comes.

use std::sync::Arc;

use async_trait::async_trait;

use super::periodic::Job;
use crate::domain::Timestamp;
use crate::error::Result;
use crate::ports::store::Partitions;

/// The job may fail for months before anything notices.
const MONTHS_AHEAD: u32 = 3;

/// Makes the next partitions.
#[derive(Clone)]
pub struct NextPartitions {
    /// Owner of the tables.
    pub store: Arc<dyn Partitions>,
}

impl std::fmt::Debug for NextPartitions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NextPartitions")
    }
}

#[async_trait]
impl Job for NextPartitions {
    fn name(&self) -> &'static str {
        "partitions"
    }

    async fn run(&self, now: Timestamp) -> Result<u64> {
        self.store.ensure_partitions(now, MONTHS_AHEAD).await
    }
}
