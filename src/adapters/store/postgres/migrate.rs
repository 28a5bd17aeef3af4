//! The schema: steps that are compiled in, and the partitions of `posts`.

use std::time::Duration;

use async_trait::async_trait;
use nova_actors::domain::{PostId, Timestamp};
use nova_actors::ports::store::Partitions;
use nova_actors::{Error, Kind, Result};
use sqlx::postgres::PgRow;
use sqlx::{Connection, PgConnection, Row};

use super::failure::failure;
use super::time::Time;
use super::{PostgresStore, answered_within};
use crate::adapters::sqlite::{MigrationState, Step, migrator};

/// Months made beside the present one when the schema is brought up to date.
const MONTHS_AHEAD: u32 = 3;
/// A step may rewrite a table; nobody waits longer than this for another process that is at it.
const STEP: Duration = Duration::from_secs(600);

const STEPS: &[Step] = &[
    (
        1,
        "people",
        include_str!("../../../../migrations/postgres/0001_people.sql"),
    ),
    (
        2,
        "live streams",
        include_str!("../../../../migrations/postgres/0002_live_streams.sql"),
    ),
    (
        3,
        "social",
        include_str!("../../../../migrations/postgres/0003_social.sql"),
    ),
    (
        4,
        "pending",
        include_str!("../../../../migrations/postgres/0004_pending.sql"),
    ),
    (
        5,
        "ledger",
        include_str!("../../../../migrations/postgres/0005_ledger.sql"),
    ),
    (
        6,
        "partitions",
        include_str!("../../../../migrations/postgres/0006_partitions.sql"),
    ),
    (
        7,
        "capture",
        include_str!("../../../../migrations/postgres/0007_capture.sql"),
    ),
];

const ENSURE: &str = "select nova_ensure_partitions($1, $2) as made";

impl PostgresStore {
    /// Brings the schema up to date and makes the next partitions. Processes that do so at the same time wait for
    /// each other.
    ///
    /// # Errors
    /// `Unavailable` when the server does not answer, `Internal` when a step fails or was changed after it ran.
    pub async fn migrate(&self) -> Result<()> {
        let patient = self.connect.clone().options([
            ("statement_timeout", STEP.as_millis().to_string()),
            ("lock_timeout", STEP.as_millis().to_string()),
        ]);
        let connect = PgConnection::connect_with(&patient);
        let mut session = answered_within(self.overall, connect).await.map_err(failure)?;
        migrator(STEPS)
            .run_direct(None, &mut session, false)
            .await
            .map_err(|error| match error {
                sqlx::migrate::MigrateError::Execute(error) => failure(error),
                error => Error::new(Kind::Internal, "the store could not be migrated").with_source(error),
            })?;
        let next = sqlx::query("select nova_ensure_partitions(now(), $1)").bind(MONTHS_AHEAD.cast_signed());
        next.execute(&mut session).await.map_err(failure)?;
        session.close().await.map_err(failure)
    }

    /// Which migrations the database has. Changes nothing.
    ///
    /// # Errors
    /// `Unavailable` when the server does not answer.
    pub async fn migrations(&self) -> Result<Vec<MigrationState>> {
        let table = sqlx::query("select to_regclass('_sqlx_migrations') is not null as there");
        let there: bool = self.one(table).await?.try_get("there").map_err(failure)?;
        let applied = if there {
            let applied = sqlx::query("select version from _sqlx_migrations where success");
            super::rows::each(&self.all(applied).await?, version)?
        } else {
            Vec::new()
        };
        let state = |&(version, name, _): &Step| MigrationState {
            database: "store",
            version,
            name,
            applied: applied.contains(&version),
        };
        Ok(STEPS.iter().map(state).collect())
    }

    /// Makes the partition that takes `id`.
    pub(super) async fn partition_of(&self, id: PostId) -> Result<()> {
        let made_at = id.uuid().get_timestamp().map(|at| at.to_unix());
        let (seconds, nanos) = made_at.ok_or_else(|| Error::internal("the id of a post has no time"))?;
        let millis = i64::try_from(seconds)
            .map_err(|e| Error::internal("the id of a post is too late").with_source(e))?
            .saturating_mul(1_000)
            .saturating_add(i64::from(nanos / 1_000_000));
        self.ensure_partitions(Timestamp::from_millis(millis), 0)
            .await
            .map(drop)
    }
}

fn version(row: &PgRow) -> sqlx::Result<i64> {
    row.try_get("version")
}

#[async_trait]
impl Partitions for PostgresStore {
    async fn ensure_partitions(&self, now: Timestamp, months_ahead: u32) -> Result<u64> {
        let months = i32::try_from(months_ahead)
            .map_err(|e| Error::internal("too many months ahead").with_source(e))?;
        let ensure = sqlx::query(ENSURE).bind(Time(now)).bind(months);
        let made: i32 = self.one(ensure).await?.try_get("made").map_err(failure)?;
        u64::try_from(made).map_err(|e| Error::internal("partitions were counted below zero").with_source(e))
    }
}
