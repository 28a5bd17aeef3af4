//! Analytics in one SQLite file: for `nova dev`, small installations and tests.

mod feed;
mod rows;
mod sink;
#[cfg(test)]
mod tests;

use std::path::Path;

use nova_actors::Result;

use crate::adapters::sqlite::{Database, MigrationState, Step, migration_states};

const STEPS: &[Step] = &[(
    1,
    "feed tables and ledger",
    include_str!("../../../../migrations/sqlite-analytics/0001_feed_tables_and_ledger.sql"),
)];

/// Both sides of analytics, `AnalyticsSink` and `FeedSource`, on one SQLite file. Share it in an `Arc`.
///
/// A batch and its ledger row are one transaction that survives `kill -9` and power loss. Shares and impressions
/// are zero: nothing writes events here yet.
#[derive(Debug)]
pub struct SqliteAnalytics {
    db: Database,
}

impl SqliteAnalytics {
    /// Opens the file at `path`, creating it, and brings its schema up to date.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be opened or migrated.
    pub async fn open(path: &Path) -> Result<Self> {
        let db = Database::open("analytics", path, STEPS).await?;
        Ok(Self { db })
    }

    /// Which migrations the file at `path` has. Creates nothing.
    ///
    /// # Errors
    /// `Unavailable` when the file cannot be read.
    pub async fn migrations(path: &Path) -> Result<Vec<MigrationState>> {
        migration_states("analytics", path, STEPS).await
    }

    /// Closes the file after the statements that are running; later calls fail with `Unavailable`.
    pub async fn close(&self) {
        self.db.close().await;
    }
}
