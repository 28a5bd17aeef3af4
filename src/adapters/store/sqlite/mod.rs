//! The store on SQLite: one file, one writer, several readers. For `nova dev`, small installations and tests.

#[cfg(test)]
mod atomicity;
mod pending;
#[cfg(test)]
mod plans;
mod posts;
mod rows;
mod social;
mod streams;
mod users;
mod write;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use nova_actors::{Error, Result};
use sqlx::SqlitePool;

use self::write::Write;
use crate::adapters::sqlite::{Database, MigrationState, Step, migration_states};

const STEPS: &[Step] = &[
    (
        1,
        "people",
        include_str!("../../../../migrations/sqlite/0001_people.sql"),
    ),
    (
        2,
        "live streams",
        include_str!("../../../../migrations/sqlite/0002_live_streams.sql"),
    ),
    (
        3,
        "social",
        include_str!("../../../../migrations/sqlite/0003_social.sql"),
    ),
    (
        4,
        "pending",
        include_str!("../../../../migrations/sqlite/0004_pending.sql"),
    ),
];

/// Every store port on one SQLite file. Share it in an `Arc`.
///
/// What was answered survives `kill -9` and power loss. Writes run one after the other; a call that finds no
/// connection within two seconds fails with `Unavailable` and has done nothing.
#[derive(Debug)]
pub struct SqliteStore {
    db: Database,
    queries: AtomicU64,
}

impl SqliteStore {
    /// Opens the file at `path`, creating it, and brings its schema up to date.
    ///
    /// # Errors
    /// `Unavailable` when the file cannot be opened or migrated.
    pub async fn open(path: &Path) -> Result<Self> {
        Ok(Self {
            db: Database::open("store", path, STEPS).await?,
            queries: AtomicU64::new(0),
        })
    }

    /// Which migrations the file at `path` has. Creates nothing.
    ///
    /// # Errors
    /// `Unavailable` when the file cannot be read.
    pub async fn migrations(path: &Path) -> Result<Vec<MigrationState>> {
        migration_states("store", path, STEPS).await
    }

    /// Waits for the statements that are running, then closes the file. Later calls fail with `Unavailable`.
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// How many statements this store has sent to the database since it was opened. The framing of
    /// transactions and the migrations are not counted.
    pub fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// The readers, for exactly one statement.
    fn reader(&self) -> &SqlitePool {
        self.count();
        self.db.read()
    }

    /// A write transaction; dropping it undoes it.
    async fn begin(&self) -> Result<Write<'_>> {
        Ok(Write::new(self, self.db.begin().await?))
    }

    fn count(&self) {
        self.queries.fetch_add(1, Ordering::Relaxed);
    }

    fn failure(&self, error: sqlx::Error) -> Error {
        self.db.failure(error)
    }
}
