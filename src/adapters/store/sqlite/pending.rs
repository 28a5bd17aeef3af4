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
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::SqliteStore;
use super::rows::{self, stream_columns, time, unreadable};

const OUTBOX: &str = "select id, event_id, topic, key, value, type, traceparent, schema_version, at
     from outbox order by id limit ?1";
const CHANGES: &str = "select id, event_id, table_name, op, key, before, after, traceparent, at
     from change_log order by id limit ?1";
/// The oldest of each is the one of the smallest id, so neither table is scanned.
const OLDEST: &str = "select min(at) from (
         select at from (select at from outbox order by id limit 1)
         union all
         select at from (select at from change_log order by id limit 1))";
pub(super) const RUNNING: &str = concat!(
    "select ",
    stream_columns!(),
    " from live_streams where ended_at is null and id > ?1 order by id limit ?2"
);

#[async_trait]
impl PendingChanges for SqliteStore {
    async fn lead(&self) -> Result<bool> {
        // The data directory is locked by one process.
        Ok(true)
    }

    async fn outbox(&self, limit: u32) -> Result<Vec<OutboxRow>> {
        let rows = sqlx::query(OUTBOX)
            .bind(i64::from(limit))
            .fetch_all(self.reader())
            .await
            .map_err(|e| self.failure(e))?;
        rows.iter()
            .map(outbox_row)
            .collect::<sqlx::Result<_>>()
            .map_err(|e| self.failure(e))
    }

    async fn changes(&self, limit: u32) -> Result<Vec<Change>> {
        let rows = sqlx::query(CHANGES)
            .bind(i64::from(limit))
            .fetch_all(self.reader())
            .await
            .map_err(|e| self.failure(e))?;
        rows.iter()
            .map(change)
            .collect::<sqlx::Result<_>>()
            .map_err(|e| self.failure(e))
    }

    async fn delete_sent(&self, outbox: &[i64], changes: &[i64]) -> Result<()> {
        if outbox.is_empty() && changes.is_empty() {
            return Ok(());
        }
        let mut write = self.begin().await?;
        let statements = [
            (
                "delete from outbox where id in (select value from json_each(?1))",
                outbox,
            ),
            (
                "delete from change_log where id in (select value from json_each(?1))",
                changes,
            ),
        ];
        for (sql, ids) in statements {
            if ids.is_empty() {
                continue;
            }
            sqlx::query(sql)
                .bind(Value::from(ids).to_string())
                .execute(write.statement())
                .await
                .map_err(|e| self.failure(e))?;
        }
        write.commit().await
    }

    async fn oldest(&self) -> Result<Option<Timestamp>> {
        sqlx::query_scalar::<_, Option<i64>>(OLDEST)
            .fetch_one(self.reader())
            .await
            .map(|at| at.map(Timestamp::from_millis))
            .map_err(|e| self.failure(e))
    }

    async fn expire_idempotency(&self, now: Timestamp, age: Duration) -> Result<u64> {
        let mut write = self.begin().await?;
        let expired = sqlx::query("delete from idempotency_keys where created_at < ?1")
            .bind(now.minus(age).millis())
            .execute(write.statement())
            .await
            .map_err(|e| self.failure(e))?;
        write.commit().await?;
        Ok(expired.rows_affected())
    }

    async fn running(&self, after: Option<StreamId>, limit: u32) -> Result<Vec<LiveStream>> {
        let rows = sqlx::query(RUNNING)
            .bind(after.map_or(Uuid::nil(), StreamId::uuid))
            .bind(i64::from(limit))
            .fetch_all(self.reader())
            .await
            .map_err(|e| self.failure(e))?;
        rows.iter()
            .map(rows::stream)
            .collect::<sqlx::Result<_>>()
            .map_err(|e| self.failure(e))
    }
}

fn outbox_row(row: &SqliteRow) -> sqlx::Result<OutboxRow> {
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
                schema_version: u16::try_from(row.try_get::<i64, _>("schema_version")?)
                    .map_err(|e| unreadable("schema_version", e))?,
            },
            at: time(row, "at")?,
        },
    })
}

fn change(row: &SqliteRow) -> sqlx::Result<Change> {
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

fn image(row: &SqliteRow, column: &str) -> sqlx::Result<Option<Value>> {
    row.try_get::<Option<&str>, _>(column)?
        .map(|text| serde_json::from_str(text).map_err(|e| unreadable(column, e)))
        .transpose()
}

fn trace(row: &SqliteRow) -> sqlx::Result<TraceParent> {
    TraceParent::parse(row.try_get("traceparent")?)
        .ok_or_else(|| unreadable("traceparent", "not a trace context"))
}
