//! The embedded event log: topics, partitions and offsets in one SQLite file, and the journal of rooms beside
//! them. All writes go through one writer that commits in groups; every commit is synced.

mod append;
mod integer;
mod journal;
mod positions;
mod read;
#[cfg(test)]
mod tests;
mod trim;
mod writer;

use std::path::Path;

use async_trait::async_trait;
use nova_actors::domain::Timestamp;
use nova_actors::domain::record::{Position, Record, StoredRecord};
use nova_actors::ports::log::{
    Assignment, EventSink, EventSource, LogRetention, Membership, PartitionBounds, TopicSpec,
};
use nova_actors::{Error, Result};
use tokio::sync::watch;

pub use self::journal::SqliteJournal;
use self::positions::GroupPosition;
use self::writer::{Work, Writer};
use crate::adapters::sqlite::{Database, MigrationState, Step, migration_states};

const STEPS: &[Step] = &[
    (
        1,
        "log",
        include_str!("../../../../migrations/sqlite-log/0001_log.sql"),
    ),
    (
        2,
        "rooms",
        include_str!("../../../../migrations/sqlite-log/0002_rooms.sql"),
    ),
];

/// The event log in a file of this machine, for one process.
///
/// An append of more than 10,000 records is refused. A fetch answers at most 10,000 records or about 8 MiB.
#[derive(Debug, Clone)]
pub struct SqliteLog {
    db: Database,
    writer: Writer,
}

impl SqliteLog {
    /// Opens the log at `path`, creating it when it is not there, and starts its writer.
    ///
    /// # Errors
    /// `Unavailable` when the file cannot be opened or brought up to date.
    pub async fn open(path: &Path) -> Result<Self> {
        let db = Database::open("event log", path, STEPS).await?;
        let writer = Writer::start(db.clone());
        Ok(Self { db, writer })
    }

    /// Which migrations the file at `path` has. Creates nothing.
    ///
    /// # Errors
    /// `Unavailable` when the file cannot be read.
    pub async fn migrations(path: &Path) -> Result<Vec<MigrationState>> {
        migration_states("event log", path, STEPS).await
    }

    /// The journal of rooms in the same file. It shares the writer and is closed with the log.
    #[must_use]
    pub fn journal(&self) -> SqliteJournal {
        SqliteJournal::new(self.db.clone(), self.writer.clone())
    }

    /// Finishes the writes that wait, refuses later ones with `Unavailable`, and closes the file.
    pub async fn close(&self) {
        self.writer.close().await;
        self.db.close().await;
    }
}

#[async_trait]
impl EventSink for SqliteLog {
    async fn ensure_topics(&self, topics: &[TopicSpec]) -> Result<()> {
        if topics
            .iter()
            .any(|topic| topic.name.is_empty() || topic.partitions == 0)
        {
            return Err(Error::field("topics", "a name and at least one partition each"));
        }
        let mut transaction = self.db.begin().await?;
        for topic in topics {
            append::ensure_topic(&mut transaction, &topic.name, topic.partitions)
                .await
                .map_err(|e| self.db.failure(e))?;
        }
        transaction.commit().await.map_err(|e| self.db.failure(e))
    }

    async fn append(&self, records: Vec<Record>) -> Result<Vec<Position>> {
        append::check(&records)?;
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Result<Vec<_>> = records.into_iter().map(append::Row::prepare).collect();
        self.writer.write(Work::Append(rows?)).await
    }
}

#[async_trait]
impl EventSource for SqliteLog {
    async fn bounds(&self, topic: &str) -> Result<Vec<PartitionBounds>> {
        read::bounds(&self.db, topic).await
    }

    async fn fetch(&self, topic: &str, partition: u16, from: u64, max: u32) -> Result<Vec<StoredRecord>> {
        read::fetch(&self.db, topic, partition, from, max).await
    }

    fn appended(&self) -> watch::Receiver<u64> {
        self.writer.appended()
    }

    async fn commit(&self, group: &str, topic: &str, partition: u16, next: u64) -> Result<()> {
        let position = GroupPosition {
            group: group.to_owned(),
            topic: topic.to_owned(),
            partition,
            next: integer::to_sql(next)?,
        };
        self.writer.write(Work::Commit(position)).await.map(drop)
    }

    async fn committed(&self, group: &str, topic: &str) -> Result<Vec<(u16, u64)>> {
        positions::load(&self.db, group, topic).await
    }

    async fn join(&self, _group: &str, topics: &[&str]) -> Result<Membership> {
        // The data directory is locked by one process, so that there is no other member.
        let mut assignment = Assignment::new();
        for topic in topics {
            let bounds = self.bounds(topic).await?;
            assignment.extend(bounds.iter().map(|at| ((*topic).to_owned(), at.partition)));
        }
        Ok(Membership::alone(assignment))
    }
}

#[async_trait]
impl LogRetention for SqliteLog {
    async fn trim(&self, topic: &str, before: Timestamp) -> Result<u64> {
        trim::trim(&self.db, topic, before).await
    }
}
