//! The store on Postgres 13 or newer: for several nodes, and for everything that outgrows one file.
//!
//! Every statement has three bounds: the server's own `statement_timeout` and `lock_timeout`, and a deadline on
//! this side for a server that does not answer at all.

mod connect;
mod failure;
mod inspect;
mod lead;
mod ledger;
mod migrate;
mod pending;
mod posts;
mod rows;
mod settle;
mod social;
mod streams;
mod time;
mod users;
mod write;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nova_actors::Result;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow};
use sqlx::query::Query;
use sqlx::{PgPool, Postgres};
use tokio::sync::Mutex;

pub use self::connect::PostgresOptions;
use self::failure::failure;
pub use self::inspect::{CapturedTableFacts, PostgresFacts};
use self::lead::Leader;
use self::write::Write;

/// What a call waits beyond the server's own time-out before it gives the connection up.
const MARGIN: Duration = Duration::from_secs(1);

/// One static statement with its parameters.
type Statement = Query<'static, Postgres, PgArguments>;

/// The statements that must not scan a table, each with a name: for a test of their plans.
pub const HOT_QUERIES: &[(&str, &str)] = &[
    ("users by id", users::USERS),
    ("user by identity", users::BY_IDENTITY),
    ("profile figures", users::SURROUNDINGS),
    ("streams by id", streams::STREAMS),
    ("live list", streams::LIVE),
    ("live list of a category", streams::LIVE_OF_CATEGORY),
    ("running streams", pending::RUNNING),
    ("posts by id", posts::POSTS),
    ("liked among posts", posts::LIKED),
    ("posts of an author", posts::POSTS_BY),
    ("recent posts", posts::RECENT),
    ("posts of followees", posts::FOLLOWEE_POSTS),
    ("followers", posts::FOLLOWERS),
    ("outbox", pending::OUTBOX),
    ("change log", pending::CHANGES),
    ("forget what was sent", pending::DELETE_SENT),
    ("oldest debt", pending::OLDEST),
    ("expired keys", pending::EXPIRE),
    ("count a like", social::COUNT_LIKE),
    ("delete a like", social::DELETE_LIKE),
    ("end a stream", streams::END),
    ("touch a stream", streams::TOUCH),
];

/// Every store port, and the ledger of pipelines, on one Postgres database. Share it in an `Arc`.
///
/// What was answered is committed with `synchronous_commit` as the server has it. A call that finds no connection
/// within the acquire time-out fails with `Unavailable` and has done nothing.
#[derive(Debug)]
pub struct PostgresStore {
    pool: PgPool,
    connect: PgConnectOptions,
    /// For one answer of the server.
    patience: Duration,
    /// For a connection and one answer.
    overall: Duration,
    leader: Mutex<Option<Leader>>,
    queries: AtomicU64,
}

impl PostgresStore {
    /// Prepares the connections, without making one: works while the server is away.
    ///
    /// # Errors
    /// `Validation` when the URL is not one of Postgres.
    #[expect(
        clippy::unused_async,
        reason = "every adapter is made alike, and a pool needs a runtime"
    )]
    pub async fn connect(options: &PostgresOptions) -> Result<Self> {
        let connect = options.connect()?;
        let patience = options.statement_timeout + MARGIN;
        Ok(Self {
            pool: options.pool(connect.clone(), patience),
            connect,
            patience,
            overall: options.acquire_timeout + patience,
            leader: Mutex::new(None),
            queries: AtomicU64::new(0),
        })
    }

    /// Waits for the statements that are running, then closes all connections. Later calls fail with
    /// `Unavailable`.
    pub async fn close(&self) {
        self.resign().await;
        self.pool.close().await;
    }

    /// How many statements this store has sent to the server since it was made. The framing of transactions,
    /// checks of connections and migrations are not counted.
    pub fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// All rows of one statement.
    async fn all(&self, statement: Statement) -> Result<Vec<PgRow>> {
        self.count();
        answered_within(self.overall, statement.fetch_all(&self.pool))
            .await
            .map_err(failure)
    }

    /// The row of a statement that gives one or none.
    async fn optional(&self, statement: Statement) -> Result<Option<PgRow>> {
        self.count();
        answered_within(self.overall, statement.fetch_optional(&self.pool))
            .await
            .map_err(failure)
    }

    /// The row of a statement that gives exactly one.
    async fn one(&self, statement: Statement) -> Result<PgRow> {
        self.count();
        answered_within(self.overall, statement.fetch_one(&self.pool))
            .await
            .map_err(failure)
    }

    /// Runs one statement in a transaction of its own; answers how many rows it touched.
    async fn execute(&self, statement: Statement) -> Result<u64> {
        self.count();
        answered_within(self.overall, statement.execute(&self.pool))
            .await
            .map(|done| done.rows_affected())
            .map_err(failure)
    }

    /// A write transaction; dropping it undoes it.
    async fn begin(&self) -> Result<Write<'_>> {
        let tx = answered_within(self.overall, self.pool.begin())
            .await
            .map_err(failure)?;
        Ok(Write::new(self, tx))
    }

    fn count(&self) {
        self.queries.fetch_add(1, Ordering::Relaxed);
    }
}

/// `work`, unless the server takes longer than `patience`.
async fn answered_within<T>(
    patience: Duration,
    work: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    tokio::time::timeout(patience, work)
        .await
        .unwrap_or_else(|_| Err(silence()))
}

fn silence() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(
        io::ErrorKind::TimedOut,
        "the server did not answer",
    ))
}
