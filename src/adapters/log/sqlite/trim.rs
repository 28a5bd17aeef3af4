//! Retention: removes the oldest records of a topic, a bounded number per transaction so that appends get
//! their turn in between.

use nova_actors::domain::Timestamp;
use nova_actors::{Error, Result};
use sqlx::{Row as _, SqliteConnection};

use super::integer::from_sql;
use crate::adapters::sqlite::Database;

/// Records removed per transaction.
const CHUNK: i64 = 5_000;

/// Removes records from the front of every partition up to the first that is not older than `before`.
pub(super) async fn trim(db: &Database, topic: &str, before: Timestamp) -> Result<u64> {
    let slots = sqlx::query("select slot from partitions where topic = ?1")
        .bind(topic)
        .fetch_all(db.read())
        .await
        .map_err(|e| db.failure(e))?;
    if slots.is_empty() {
        return Err(Error::not_found("topic"));
    }
    let mut removed = 0;
    for slot in slots {
        loop {
            let mut transaction = db.begin().await?;
            let count = chunk(&mut transaction, slot.get(0), before.millis())
                .await
                .map_err(|e| db.failure(e))?;
            transaction.commit().await.map_err(|e| db.failure(e))?;
            removed += from_sql::<u64>(count)?;
            if count < CHUNK {
                break;
            }
        }
    }
    Ok(removed)
}

async fn chunk(connection: &mut SqliteConnection, slot: i64, before: i64) -> sqlx::Result<i64> {
    let bounds = sqlx::query("select earliest, next from partitions where slot = ?1")
        .bind(slot)
        .fetch_one(&mut *connection)
        .await?;
    let (earliest, next): (i64, i64) = (bounds.get(0), bounds.get(1));
    let stop = next.min(earliest + CHUNK);
    let kept: Option<i64> = sqlx::query_scalar(
        "select offset from records where slot = ?1 and offset >= ?2 and offset < ?3 and at >= ?4
         order by offset limit 1",
    )
    .bind(slot)
    .bind(earliest)
    .bind(stop)
    .bind(before)
    .fetch_optional(&mut *connection)
    .await?;
    let keep_from = kept.unwrap_or(stop);
    if keep_from > earliest {
        sqlx::query("delete from records where slot = ?1 and offset < ?2")
            .bind(slot)
            .bind(keep_from)
            .execute(&mut *connection)
            .await?;
        sqlx::query("update partitions set earliest = ?2 where slot = ?1")
            .bind(slot)
            .bind(keep_from)
            .execute(&mut *connection)
            .await?;
    }
    Ok(keep_from - earliest)
}
