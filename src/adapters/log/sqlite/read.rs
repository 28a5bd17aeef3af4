//! Reading: bounds, and records from an offset on.

use std::borrow::Cow;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use nova_actors::domain::Timestamp;
use nova_actors::domain::record::{Headers, Position, Record, StoredRecord};
use nova_actors::ports::log::PartitionBounds;
use nova_actors::{Error, Kind, Result};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::integer::{from_sql, to_sql};
use crate::adapters::sqlite::Database;

/// Most records that one fetch answers, whatever was asked for.
const MAX_RECORDS: u32 = 10_000;
/// A fetch stops after the record that reaches this many bytes of keys and values.
const MAX_BYTES: usize = 8 * 1_024 * 1_024;

/// Bounds of every partition of `topic`.
pub(super) async fn bounds(db: &Database, topic: &str) -> Result<Vec<PartitionBounds>> {
    let rows =
        sqlx::query("select partition, earliest, next from partitions where topic = ?1 order by partition")
            .bind(topic)
            .fetch_all(db.read())
            .await
            .map_err(|e| db.failure(e))?;
    if rows.is_empty() {
        return Err(Error::not_found("topic"));
    }
    rows.iter()
        .map(|row| {
            Ok(PartitionBounds {
                partition: from_sql(row.get(0))?,
                earliest: from_sql(row.get(1))?,
                end: from_sql(row.get(2))?,
            })
        })
        .collect()
}

/// Records of one partition from `from` on. Bounds and records are read by one statement, so that a trim in
/// between cannot pass for a gap.
pub(super) async fn fetch(
    db: &Database,
    topic: &str,
    partition: u16,
    from: u64,
    max: u32,
) -> Result<Vec<StoredRecord>> {
    let mut rows = sqlx::query(
        "select p.earliest, p.next, r.offset, r.key, r.value, r.headers, r.at
         from partitions p left join records r on r.slot = p.slot and r.offset >= ?3
         where p.topic = ?1 and p.partition = ?2 order by r.offset limit ?4",
    )
    .bind(topic)
    .bind(i64::from(partition))
    .bind(to_sql(from).unwrap_or(i64::MAX))
    .bind(i64::from(max.clamp(1, MAX_RECORDS)))
    .fetch(db.read());
    let mut records = Vec::new();
    let mut bytes = 0;
    let mut known = false;
    while let Some(row) = rows.try_next().await.map_err(|e| db.failure(e))? {
        if !known {
            check(from, from_sql(row.get(0))?, from_sql(row.get(1))?)?;
            known = true;
        }
        let Some(offset) = row.get::<Option<i64>, _>(2) else {
            break;
        };
        if max == 0 {
            break;
        }
        let position = Position {
            partition,
            offset: from_sql(offset)?,
        };
        let record = record(topic, &row)?;
        bytes += record.key.len() + record.value.as_ref().map_or(0, Bytes::len);
        records.push(StoredRecord { position, record });
        if bytes >= MAX_BYTES {
            break;
        }
    }
    if known {
        Ok(records)
    } else {
        Err(Error::not_found("partition"))
    }
}

fn check(from: u64, earliest: u64, end: u64) -> Result<()> {
    if from < earliest {
        return Err(Error::new(
            Kind::CursorExpired,
            format!("offset {from} was trimmed; the oldest is {earliest}"),
        ));
    }
    if from > end {
        return Err(Error::new(
            Kind::CursorInvalid,
            format!("offset {from} is beyond the end, {end}"),
        ));
    }
    Ok(())
}

fn record(topic: &str, row: &SqliteRow) -> Result<Record> {
    let headers: Headers = serde_json::from_str(row.get(5))
        .map_err(|e| Error::internal("stored headers are not readable").with_source(e))?;
    Ok(Record {
        topic: Cow::Owned(topic.to_owned()),
        key: row.get::<Vec<u8>, _>(3).into(),
        value: row.get::<Option<Vec<u8>>, _>(4).map(Bytes::from),
        headers,
        at: Timestamp::from_millis(row.get(6)),
    })
}
