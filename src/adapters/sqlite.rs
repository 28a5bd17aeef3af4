//! What the SQLite adapters share: opening a database file, its migrations, and the classification of
//! SQLite's errors.

use std::path::Path;
use std::time::Duration;

use nova_actors::{Error, Kind, Result};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{SqlStr, Sqlite, SqlitePool, Transaction};

/// How long a statement waits for another process's lock before the call fails.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a call waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
const READERS: u32 = 4;

/// One migration, compiled in: `(version, name, sql)`.
pub(super) type Step = (i64, &'static str, &'static str);

/// A database file with one writer and several readers.
#[derive(Debug, Clone)]
pub(super) struct Database {
    name: &'static str,
    write: SqlitePool,
    read: SqlitePool,
}

impl Database {
    /// Opens `path` (creating it) and brings its schema up to date. Commits survive `kill -9` and power
    /// loss: the journal is synced at every commit.
    pub(super) async fn open(name: &'static str, path: &Path, steps: &[Step]) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("cache_size", "-16384")
            .pragma("temp_store", "memory");
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options.clone())
            .await
            .map_err(|e| failure(name, e))?;
        migrator(steps).run(&write).await.map_err(|e| {
            Error::new(
                Kind::Unavailable,
                format!("the {name} database could not be migrated"),
            )
            .with_source(e)
        })?;
        let read = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options.read_only(true))
            .await
            .map_err(|e| failure(name, e))?;
        Ok(Self { name, write, read })
    }

    /// For statements that only read.
    pub(super) const fn read(&self) -> &SqlitePool {
        &self.read
    }

    /// A write transaction. It takes the write lock at once, so that it can never fail half-way because
    /// someone else committed in between.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        self.write
            .begin_with("begin immediate")
            .await
            .map_err(|e| self.failure(e))
    }

    /// Classifies an error of this database.
    pub(super) fn failure(&self, error: sqlx::Error) -> Error {
        failure(self.name, error)
    }

    /// Closes all connections, after the statements that are running.
    pub(super) async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

/// A migration of a database, and whether the database has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MigrationState {
    /// Which database.
    pub database: &'static str,
    /// Number; they are applied in its order.
    pub version: i64,
    /// What it adds.
    pub name: &'static str,
    /// Whether the database has it.
    pub applied: bool,
}

/// Which of `steps` the file at `path` has. Creates nothing: a file that does not exist has none.
pub(super) async fn migration_states(
    database: &'static str,
    path: &Path,
    steps: &[Step],
) -> Result<Vec<MigrationState>> {
    let applied = if path.exists() {
        applied_versions(database, path).await?
    } else {
        Vec::new()
    };
    let state = |&(version, name, _): &Step| MigrationState {
        database,
        version,
        name,
        applied: applied.contains(&version),
    };
    Ok(steps.iter().map(state).collect())
}

async fn applied_versions(database: &'static str, path: &Path) -> Result<Vec<i64>> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options)
        .await
        .map_err(|e| failure(database, e))?;
    let table: Option<String> = sqlx::query_scalar(
        "select name from sqlite_master where type = 'table' and name = '_sqlx_migrations'",
    )
    .fetch_optional(&pool)
    .await
    .map_err(|e| failure(database, e))?;
    let versions = match table {
        Some(_) => sqlx::query_scalar("select version from _sqlx_migrations where success order by version")
            .fetch_all(&pool)
            .await
            .map_err(|e| failure(database, e)),
        None => Ok(Vec::new()),
    };
    pool.close().await;
    versions
}

/// What brings a database up to date, of either dialect.
pub(super) fn migrator(steps: &[Step]) -> Migrator {
    let migrations = steps.iter().map(|&(version, name, sql)| {
        Migration::new(
            version,
            name.into(),
            MigrationType::Simple,
            SqlStr::from_static(sql),
            false,
        )
    });
    Migrator::with_migrations(migrations.collect())
}

fn failure(name: &'static str, error: sqlx::Error) -> Error {
    let transient = match &error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
        // 5 busy, 6 locked, 10 I/O error, 13 disk full, 14 cannot open; extended codes keep them in the low byte.
        sqlx::Error::Database(e) => e
            .code()
            .and_then(|code| code.parse::<u32>().ok())
            .is_some_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 13 | 14)),
        _ => false,
    };
    let (kind, message) = if transient {
        (Kind::Unavailable, format!("the {name} is not available"))
    } else {
        (Kind::Internal, format!("a statement on the {name} failed"))
    };
    Error::new(kind, message).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [Step; 2] = [
        (1, "first", "create table a (x)"),
        (2, "second", "create table b (x)"),
    ];

    fn applied(states: &[MigrationState]) -> Vec<(i64, bool)> {
        states
            .iter()
            .map(|state| (state.version, state.applied))
            .collect()
    }

    #[tokio::test]
    async fn migrations_are_pending_until_the_file_has_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("some.db");
        let states = migration_states("test", &path, &STEPS).await.unwrap();
        assert_eq!(applied(&states), [(1, false), (2, false)]);
        assert!(!path.exists(), "asking creates nothing");

        Database::open("test", &path, &STEPS[..1])
            .await
            .unwrap()
            .close()
            .await;
        let states = migration_states("test", &path, &STEPS).await.unwrap();
        assert_eq!(applied(&states), [(1, true), (2, false)]);
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("some.db");
        std::fs::write(
            &path,
            "not a database, and long enough to be taken for one".repeat(40),
        )
        .unwrap();
        assert!(migration_states("test", &path, &STEPS).await.is_err());
    }
}
