//! What the store still owes the event log, and other housekeeping.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use nova_actors::Result;
use nova_actors::domain::change::{CapturedTable, Change, ChangeOp};
use nova_actors::domain::record::{Headers, Record};
use nova_actors::domain::{EventId, LiveStream, StreamId, Timestamp, TraceParent};
use nova_actors::ports::store::{OutboxRow, PendingChanges};
use serde_json::Value;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::PostgresStore;
use super::failure::failure;
use super::rows::{self, stream_columns, time, unreadable};
use super::time::Time;

/// Keys forgotten by one statement, so that it stays far below its time-out.
const EXPIRED_AT_ONCE: i64 = 5_000;

pub(super) const OUTBOX: &str =
    "select id, event_id, topic, key, value, type, traceparent, schema_version, at
     from outbox order by id limit $1";
pub(super) const CHANGES: &str = "select id, event_id, table_name, op, key::text as key,
         before::text as before, after::text as after, traceparent, at
     from change_log order by id limit $1";
pub(super) const DELETE_SENT: &str = "with events as (delete from outbox where id = any($1))
     delete from change_log where id = any($2)";
/// The oldest of each is the one of the smallest id, so neither table is scanned.
pub(super) const OLDEST: &str = "select min(at) as at from (
         (select at from outbox order by id limit 1) union all (select at from change_log order by id limit 1)
     ) oldest";
/// A key that a write is using is left for the next time.
pub(super) const EXPIRE: &str = "delete from idempotency_keys where ctid = any(array(
         select ctid from idempotency_keys where created_at < $1
         order by created_at limit $2 for update skip locked))";
pub(super) const RUNNING: &str = concat!(
    "select ",
    stream_columns!(),
    " from live_streams where ended_at is null and id > $1 order by id limit $2"
);

#[async_trait]
impl PendingChanges for PostgresStore {
    async fn lead(&self) -> Result<bool> {
        self.stay_leader().await
    }

    async fn outbox(&self, limit: u32) -> Result<Vec<OutboxRow>> {
        let outbox = sqlx::query(OUTBOX).bind(i64::from(limit));
        rows::each(&self.all(outbox).await?, outbox_row)
    }

    async fn changes(&self, limit: u32) -> Result<Vec<Change>> {
        let changes = sqlx::query(CHANGES).bind(i64::from(limit));
        rows::each(&self.all(changes).await?, change)
    }

    async fn delete_sent(&self, outbox: &[i64], changes: &[i64]) -> Result<()> {
        if outbox.is_empty() && changes.is_empty() {
            return Ok(());
        }
        let delete = sqlx::query(DELETE_SENT)
            .bind(outbox.to_vec())
            .bind(changes.to_vec());
        self.execute(delete).await.map(drop)
    }

    async fn oldest(&self) -> Result<Option<Timestamp>> {
        let row = self.one(sqlx::query(OLDEST)).await?;
        rows::optional_time(&row, "at").map_err(failure)
    }

    async fn expire_idempotency(&self, now: Timestamp, age: Duration) -> Result<u64> {
        let mut gone = 0;
        loop {
            let expire = sqlx::query(EXPIRE)
                .bind(Time(now.minus(age)))
                .bind(EXPIRED_AT_ONCE);
            let expired = self.execute(expire).await?;
            gone += expired;
            if expired < EXPIRED_AT_ONCE.unsigned_abs() {
                return Ok(gone);
            }
        }
    }

    async fn running(&self, after: Option<StreamId>, limit: u32) -> Result<Vec<LiveStream>> {
        let running = sqlx::query(RUNNING)
            .bind(after.map_or(Uuid::nil(), StreamId::uuid))
            .bind(i64::from(limit));
        rows::each(&self.all(running).await?, rows::stream)
    }
}

fn outbox_row(row: &PgRow) -> sqlx::Result<OutboxRow> {
    let value: Option<Vec<u8>> = row.try_get("value")?;
    Ok(OutboxRow {
        id: row.try_get("id")?,
        record: Record {
            topic: row.try_get::<String, _>("topic")?.into(),
            key: Bytes::from(row.try_get::<Vec<u8>, _>("key")?),
            value: value.map(Bytes::from),
            headers: Headers {
                event_id: EventId::from_uuid(row.try_get("event_id")?),
                kind: row.try_get::<String, _>("type")?.into(),
                traceparent: trace(row)?,
                schema_version: u16::try_from(row.try_get::<i16, _>("schema_version")?)
                    .map_err(|e| unreadable("schema_version", e))?,
            },
            at: time(row, "at")?,
        },
    })
}

fn change(row: &PgRow) -> sqlx::Result<Change> {
    let key: &str = row.try_get("key")?;
    Ok(Change {
        id: row.try_get("id")?,
        event_id: EventId::from_uuid(row.try_get("event_id")?),
        table: CapturedTable::from_table(row.try_get("table_name")?)
            .ok_or_else(|| unreadable("table_name", "not a captured table"))?,
        op: ChangeOp::from_letter(row.try_get("op")?).ok_or_else(|| unreadable("op", "not an operation"))?,
        key: serde_json::from_str(key).map_err(|e| unreadable("key", e))?,
        before: image(row, "before")?,
        after: image(row, "after")?,
        at: time(row, "at")?,
        traceparent: trace(row)?,
    })
}

fn image(row: &PgRow, column: &str) -> sqlx::Result<Option<Value>> {
    row.try_get::<Option<&str>, _>(column)?
        .map(|text| serde_json::from_str(text).map_err(|e| unreadable(column, e)))
        .transpose()
}

fn trace(row: &PgRow) -> sqlx::Result<TraceParent> {
    TraceParent::parse(row.try_get("traceparent")?)
        .ok_or_else(|| unreadable("traceparent", "not a trace context"))
}
