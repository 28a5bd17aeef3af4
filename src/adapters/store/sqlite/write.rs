//! A write: rows, the events and changes they cause, and the idempotency key, in one transaction.

use std::time::Duration;

use nova_actors::domain::record::Record;
use nova_actors::domain::{EventId, IdempotencyKey, Timestamp, WriteContext};
use nova_actors::{Error, Kind, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::{Row, Sqlite, SqliteConnection, Transaction};

use super::SqliteStore;
use crate::adapters::store::images::RowChange;

/// How long a key makes its write repeatable.
const IDEMPOTENCY_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// A transaction that holds the write lock. Nothing it did lasts before [`Write::commit`] or [`Write::finish`].
#[derive(Debug)]
pub(super) struct Write<'a> {
    store: &'a SqliteStore,
    tx: Transaction<'static, Sqlite>,
}

impl<'a> Write<'a> {
    pub(super) const fn new(store: &'a SqliteStore, tx: Transaction<'static, Sqlite>) -> Self {
        Self { store, tx }
    }

    /// The connection, for exactly one statement.
    pub(super) fn statement(&mut self) -> &mut SqliteConnection {
        self.store.count();
        &mut self.tx
    }

    pub(super) fn failure(&self, error: sqlx::Error) -> Error {
        self.store.failure(error)
    }

    pub(super) async fn commit(self) -> Result<()> {
        let store = self.store;
        self.tx.commit().await.map_err(|e| store.failure(e))
    }

    /// What was answered to this write under the same key, if it was done before.
    pub(super) async fn answered<T: DeserializeOwned>(
        &mut self,
        ctx: &WriteContext,
        now: Timestamp,
    ) -> Result<Option<T>> {
        let Some(key) = &ctx.idempotency else {
            return Ok(None);
        };
        let row = sqlx::query(
            "select fingerprint, answer from idempotency_keys
             where user_id = ?1 and route = ?2 and key = ?3 and created_at >= ?4",
        )
        .bind(key.user.uuid())
        .bind(key.route)
        .bind(key.key.clone())
        .bind(now.minus(IDEMPOTENCY_TTL).millis())
        .fetch_optional(self.statement())
        .await
        .map_err(|e| self.failure(e))?;
        let Some(row) = row else { return Ok(None) };
        let fingerprint: Vec<u8> = row.try_get("fingerprint").map_err(|e| self.failure(e))?;
        if fingerprint != key.fingerprint {
            return Err(Error::new(
                Kind::IdempotencyConflict,
                "this Idempotency-Key was used with another body",
            ));
        }
        let answer: String = row.try_get("answer").map_err(|e| self.failure(e))?;
        serde_json::from_str(&answer)
            .map(Some)
            .map_err(|e| Error::internal("a stored answer could not be read").with_source(e))
    }

    /// Commits with `answer` under the write's key, when it has one.
    pub(super) async fn finish<T: Serialize + Sync>(
        mut self,
        ctx: &WriteContext,
        now: Timestamp,
        answer: &T,
    ) -> Result<()> {
        if let Some(key) = &ctx.idempotency {
            let answer = serde_json::to_string(answer)
                .map_err(|e| Error::internal("an answer could not be encoded").with_source(e))?;
            self.remember(key, answer, now).await?;
        }
        self.commit().await
    }

    /// An expired row of the same key is replaced.
    async fn remember(&mut self, key: &IdempotencyKey, answer: String, now: Timestamp) -> Result<()> {
        sqlx::query(
            "insert into idempotency_keys (user_id, route, key, fingerprint, answer, created_at)
             values (?1, ?2, ?3, ?4, ?5, ?6)
             on conflict (user_id, route, key) do update set
                 fingerprint = excluded.fingerprint, answer = excluded.answer, created_at = excluded.created_at",
        )
        .bind(key.user.uuid())
        .bind(key.route)
        .bind(key.key.clone())
        .bind(key.fingerprint.to_vec())
        .bind(answer)
        .bind(now.millis())
        .execute(self.statement())
        .await
        .map_err(|e| self.failure(e))?;
        Ok(())
    }

    /// Owes `record` to the event log.
    pub(super) async fn owe(&mut self, record: Record) -> Result<()> {
        sqlx::query(
            "insert into outbox (event_id, topic, key, value, type, traceparent, schema_version, at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .bind(record.headers.event_id.uuid())
        .bind(record.topic.into_owned())
        .bind(record.key.to_vec())
        .bind(record.value.map(|v| v.to_vec()))
        .bind(record.headers.kind.into_owned())
        .bind(record.headers.traceparent.as_str().to_owned())
        .bind(i64::from(record.headers.schema_version))
        .bind(record.at.millis())
        .execute(self.statement())
        .await
        .map_err(|e| self.failure(e))?;
        Ok(())
    }

    /// Writes a row change into the change log.
    pub(super) async fn log(&mut self, change: RowChange, ctx: &WriteContext, now: Timestamp) -> Result<()> {
        let text = |image: Option<Value>| image.map(|v| v.to_string());
        sqlx::query(
            "insert into change_log (event_id, table_name, op, key, before, after, traceparent, at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .bind(EventId::new().uuid())
        .bind(change.table.table())
        .bind(change.op.letter())
        .bind(change.key.to_string())
        .bind(text(change.before))
        .bind(text(change.after))
        .bind(ctx.traceparent.as_str().to_owned())
        .bind(now.millis())
        .execute(self.statement())
        .await
        .map_err(|e| self.failure(e))?;
        Ok(())
    }
}
