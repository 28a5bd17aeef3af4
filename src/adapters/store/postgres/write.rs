//! A write: rows, the events and changes they cause, and the idempotency key, in one transaction.
//!
//! Transactions read committed rows (Postgres's default), so every decision is made on a row that is locked or by
//! an index. Locks are taken in one order: idempotency key, the row that is written, its counters. What a row causes
//! is logged while its lock is held, so that for each key the ids of outbox and change log follow the commits.

use std::time::Duration;

use nova_actors::domain::record::Record;
use nova_actors::domain::{EventId, IdempotencyKey, Timestamp, WriteContext};
use nova_actors::{Error, Kind, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Postgres, Row, Transaction};

use super::failure::{failure, unless_in_flight};
use super::time::Time;
use super::{PostgresStore, Statement, answered_within};
use crate::adapters::store::images::RowChange;

/// How long a key makes its write repeatable.
const IDEMPOTENCY_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// A key may be forgotten between finding it taken and reading its answer; twice is no coincidence.
const CLAIMS: usize = 2;

/// Takes a key, or takes over an expired one. Waits for a write under the same key that is still running, and
/// touches no row when that one has answered.
const CLAIM: &str = "insert into idempotency_keys as held (user_id, route, key, fingerprint, created_at)
     values ($1, $2, $3, $4, $5)
     on conflict (user_id, route, key) do update set
         fingerprint = excluded.fingerprint, answer = null, created_at = excluded.created_at
         where held.created_at < $6";
const ANSWERED: &str =
    "select fingerprint, answer from idempotency_keys where user_id = $1 and route = $2 and key = $3";
const REMEMBER: &str =
    "update idempotency_keys set answer = $4 where user_id = $1 and route = $2 and key = $3";
const OWE: &str = "insert into outbox (event_id, topic, key, value, type, traceparent, schema_version, at)
     values ($1, $2, $3, $4, $5, $6, $7, $8)";
const LOG: &str = "insert into change_log (event_id, table_name, op, key, before, after, traceparent, at)
     select event_id, table_name, op, key::json, before::json, after::json, $7, $8
     from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) with ordinality
         as change (event_id, table_name, op, key, before, after, place)
     order by place";

/// A transaction. Nothing it did lasts before [`Write::commit`] or [`Write::finish`].
#[derive(Debug)]
pub(super) struct Write<'a> {
    store: &'a PostgresStore,
    tx: Transaction<'static, Postgres>,
}

impl<'a> Write<'a> {
    pub(super) const fn new(store: &'a PostgresStore, tx: Transaction<'static, Postgres>) -> Self {
        Self { store, tx }
    }

    /// The row of a statement that gives one or none.
    pub(super) async fn optional(&mut self, statement: Statement) -> Result<Option<PgRow>> {
        self.store.count();
        answered_within(self.store.patience, statement.fetch_optional(&mut *self.tx))
            .await
            .map_err(failure)
    }

    /// The row of a statement that gives exactly one.
    pub(super) async fn one(&mut self, statement: Statement) -> Result<PgRow> {
        self.store.count();
        answered_within(self.store.patience, statement.fetch_one(&mut *self.tx))
            .await
            .map_err(failure)
    }

    /// Runs one statement; answers how many rows it touched.
    pub(super) async fn execute(&mut self, statement: Statement) -> Result<u64> {
        self.try_execute(statement).await.map_err(failure)
    }

    /// As [`Write::execute`], for a caller who knows why a row may be refused.
    pub(super) async fn try_execute(&mut self, statement: Statement) -> sqlx::Result<u64> {
        self.store.count();
        answered_within(self.store.patience, statement.execute(&mut *self.tx))
            .await
            .map(|done| done.rows_affected())
    }

    pub(super) async fn commit(self) -> Result<()> {
        answered_within(self.store.patience, self.tx.commit())
            .await
            .map_err(failure)
    }

    /// What was answered to this write under the same key, if it was done before. Otherwise the key is this
    /// write's, and others with it wait.
    pub(super) async fn answered<T: DeserializeOwned>(
        &mut self,
        ctx: &WriteContext,
        now: Timestamp,
    ) -> Result<Option<T>> {
        let Some(key) = &ctx.idempotency else {
            return Ok(None);
        };
        for _ in 0..CLAIMS {
            if self.claim(key, now).await? {
                return Ok(None);
            }
            if let Some(row) = self.optional(keyed(ANSWERED, key)).await? {
                return answer(&row, key).map(Some);
            }
        }
        Err(Error::unavailable("idempotency key"))
    }

    async fn claim(&mut self, key: &IdempotencyKey, now: Timestamp) -> Result<bool> {
        let claim = keyed(CLAIM, key)
            .bind(key.fingerprint.to_vec())
            .bind(Time(now))
            .bind(Time(now.minus(IDEMPOTENCY_TTL)));
        let taken = self.try_execute(claim).await.map_err(unless_in_flight)?;
        Ok(taken == 1)
    }

    /// Commits with `answer` under the write's key, when it has one.
    pub(super) async fn finish<T: Serialize + Sync>(mut self, ctx: &WriteContext, answer: &T) -> Result<()> {
        if let Some(key) = &ctx.idempotency {
            let answer = serde_json::to_string(answer)
                .map_err(|e| Error::internal("an answer could not be encoded").with_source(e))?;
            self.execute(keyed(REMEMBER, key).bind(answer)).await?;
        }
        self.commit().await
    }

    /// Owes `record` to the event log.
    pub(super) async fn owe(&mut self, record: Record) -> Result<()> {
        let version = i16::try_from(record.headers.schema_version)
            .map_err(|e| Error::internal("the version of a record does not fit").with_source(e))?;
        let owe = sqlx::query(OWE)
            .bind(record.headers.event_id.uuid())
            .bind(record.topic.into_owned())
            .bind(record.key.to_vec())
            .bind(record.value.map(|v| v.to_vec()))
            .bind(record.headers.kind.into_owned())
            .bind(record.headers.traceparent.as_str().to_owned())
            .bind(version)
            .bind(Time(record.at));
        self.execute(owe).await.map(drop)
    }

    /// Writes row changes into the change log, in this order.
    pub(super) async fn log(
        &mut self,
        changes: Vec<RowChange>,
        ctx: &WriteContext,
        now: Timestamp,
    ) -> Result<()> {
        let text = |image: &Option<Value>| image.as_ref().map(Value::to_string);
        let column =
            |of: fn(&RowChange) -> &'static str| -> Vec<&'static str> { changes.iter().map(of).collect() };
        let log = sqlx::query(LOG)
            .bind(changes.iter().map(|_| EventId::new().uuid()).collect::<Vec<_>>())
            .bind(column(|change| change.table.table()))
            .bind(column(|change| change.op.letter()))
            .bind(
                changes
                    .iter()
                    .map(|change| change.key.to_string())
                    .collect::<Vec<_>>(),
            )
            .bind(
                changes
                    .iter()
                    .map(|change| text(&change.before))
                    .collect::<Vec<_>>(),
            )
            .bind(
                changes
                    .iter()
                    .map(|change| text(&change.after))
                    .collect::<Vec<_>>(),
            )
            .bind(ctx.traceparent.as_str().to_owned())
            .bind(Time(now));
        self.execute(log).await.map(drop)
    }
}

/// `sql` with the three columns that name a key.
fn keyed(sql: &'static str, key: &IdempotencyKey) -> sqlx::query::Query<'static, Postgres, PgArguments> {
    sqlx::query(sql)
        .bind(key.user.uuid())
        .bind(key.route)
        .bind(key.key.clone())
}

fn answer<T: DeserializeOwned>(row: &PgRow, key: &IdempotencyKey) -> Result<T> {
    let fingerprint: &[u8] = row.try_get("fingerprint").map_err(failure)?;
    if fingerprint != key.fingerprint {
        return Err(Error::new(
            Kind::IdempotencyConflict,
            "this Idempotency-Key was used with another body",
        ));
    }
    let answer: &str = row.try_get("answer").map_err(failure)?;
    serde_json::from_str(answer)
        .map_err(|e| Error::internal("a stored answer could not be read").with_source(e))
}
