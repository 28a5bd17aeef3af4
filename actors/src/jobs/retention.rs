//! Forgets what has served its time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::periodic::Job;
use crate::domain::Timestamp;
use crate::error::Result;
use crate::ports::log::LogRetention;
use crate::ports::rooms::RoomJournal;
use crate::ports::store::PendingChanges;

/// Chat is kept for 24 h after the end of a broadcast.
const ROOMS: Duration = Duration::from_secs(24 * 3_600);
/// An idempotency key is good for 24 h.
const IDEMPOTENCY: Duration = Duration::from_secs(24 * 3_600);
/// Records stay readable for a week.
const RECORDS: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Trims the event log, the room journal and the idempotency keys.
#[derive(Clone)]
pub struct Retention {
    /// Owner of idempotency keys.
    pub store: Arc<dyn PendingChanges>,
    /// Owner of records, where Nova keeps them itself.
    pub log: Option<Arc<dyn LogRetention>>,
    /// Owner of room events, where Nova keeps them itself.
    pub journal: Option<Arc<dyn RoomJournal>>,
    /// Topics to trim.
    pub topics: Vec<String>,
}

impl std::fmt::Debug for Retention {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Retention")
            .field("topics", &self.topics)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Job for Retention {
    fn name(&self) -> &'static str {
        "retention"
    }

    async fn run(&self, now: Timestamp) -> Result<u64> {
        let mut gone = self.store.expire_idempotency(now, IDEMPOTENCY).await?;
        if let Some(journal) = &self.journal {
            gone += journal.trim(now.minus(ROOMS)).await?;
        }
        if let Some(log) = &self.log {
            for topic in &self.topics {
                gone += log.trim(topic, now.minus(RECORDS)).await?;
            }
        }
        Ok(gone)
    }
}
