//! Appending: gives records their places and writes them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use nova_actors::domain::record::{Position, Record};
use nova_actors::{Error, Result};
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::integer::from_sql;
use crate::adapters::log::partitioner::{murmur2, partition};
use crate::adapters::sqlite::Database;

/// Records per statement; SQLite takes at most 32,766 parameters.
const CHUNK: usize = 500;

/// A record, made ready by its caller so that the writer only writes.
#[derive(Debug)]
pub(super) struct Row {
    topic: Cow<'static, str>,
    hash: u32,
    key: Bytes,
    value: Option<Bytes>,
    headers: String,
    at: i64,
}

impl Row {
    /// Serialises the headers and hashes the key.
    pub(super) fn prepare(record: Record) -> Result<Self> {
        let headers = serde_json::to_string(&record.headers)
            .map_err(|e| Error::internal("headers could not be written as JSON").with_source(e))?;
        Ok(Self {
            topic: record.topic,
            hash: murmur2(&record.key),
            key: record.key,
            value: record.value,
            headers,
            at: record.at.millis(),
        })
    }
}

#[derive(Debug)]
struct Slot {
    id: i64,
    next: i64,
    moved: bool,
}

/// Where the records of one transaction go.
#[derive(Debug)]
pub(super) struct Placement<'a> {
    topics: BTreeMap<String, Vec<Slot>>,
    placed: Vec<(i64, i64, &'a Row)>,
}

impl<'a> Placement<'a> {
    /// Reads the partitions of all topics that `rows` name.
    pub(super) async fn load(
        db: &Database,
        connection: &mut SqliteConnection,
        rows: impl Iterator<Item = &'a Row>,
    ) -> Result<Self> {
        let names: BTreeSet<&str> = rows.map(|row| row.topic.as_ref()).collect();
        let mut topics = BTreeMap::<String, Vec<Slot>>::new();
        if !names.is_empty() {
            let found = sqlx::query(
                "select topic, slot, next from partitions
                 where topic in (select value from json_each(?1)) order by topic, partition",
            )
            .bind(serde_json::json!(names).to_string())
            .fetch_all(connection)
            .await
            .map_err(|e| db.failure(e))?;
            for row in found {
                let slot = Slot {
                    id: row.get(1),
                    next: row.get(2),
                    moved: false,
                };
                topics.entry(row.get(0)).or_default().push(slot);
            }
        }
        Ok(Self {
            topics,
            placed: Vec::new(),
        })
    }

    /// Gives one append's records their places, or none of them.
    ///
    /// # Errors
    /// `NotFound` for an unknown topic.
    pub(super) fn place(&mut self, rows: &'a [Row]) -> Result<Vec<Position>> {
        if rows
            .iter()
            .any(|row| !self.topics.contains_key(row.topic.as_ref()))
        {
            return Err(Error::not_found("topic"));
        }
        let mut positions = Vec::with_capacity(rows.len());
        for row in rows {
            let slots = self
                .topics
                .get_mut(row.topic.as_ref())
                .map_or(&mut [][..], Vec::as_mut_slice);
            let number = partition(row.hash, slots.len());
            let slot = slots.get_mut(number).ok_or_else(|| Error::not_found("topic"))?;
            positions.push(Position {
                partition: u16::try_from(number)
                    .map_err(|e| Error::internal("too many partitions").with_source(e))?,
                offset: from_sql(slot.next)?,
            });
            self.placed.push((slot.id, slot.next, row));
            slot.next += 1;
            slot.moved = true;
        }
        Ok(positions)
    }

    /// Writes what was placed.
    pub(super) async fn save(&self, db: &Database, connection: &mut SqliteConnection) -> Result<()> {
        if self.placed.is_empty() {
            return Ok(());
        }
        for chunk in self.placed.chunks(CHUNK) {
            insert(connection, chunk).await.map_err(|e| db.failure(e))?;
        }
        let moved: Vec<_> = self
            .topics
            .values()
            .flatten()
            .filter(|slot| slot.moved)
            .map(|slot| (slot.id, slot.next))
            .collect();
        sqlx::query(
            "update partitions set next = moved.next
             from (select value ->> 0 as slot, value ->> 1 as next from json_each(?1)) as moved
             where partitions.slot = moved.slot",
        )
        .bind(serde_json::json!(moved).to_string())
        .execute(connection)
        .await
        .map_err(|e| db.failure(e))?;
        Ok(())
    }
}

async fn insert(connection: &mut SqliteConnection, chunk: &[(i64, i64, &Row)]) -> sqlx::Result<()> {
    let mut sql = QueryBuilder::<Sqlite>::new("insert into records (slot, offset, key, value, headers, at) ");
    sql.push_values(chunk, |mut values, (slot, offset, row)| {
        values
            .push_bind(*slot)
            .push_bind(*offset)
            .push_bind(row.key.as_ref())
            .push_bind(row.value.as_deref())
            .push_bind(row.headers.as_str())
            .push_bind(row.at);
    });
    // Only the two lengths that come again and again are worth a prepared statement.
    let common = chunk.len() == 1 || chunk.len() == CHUNK;
    sql.build().persistent(common).execute(connection).await.map(drop)
}

/// Creates partitions `0..count` of `topic` where they are missing.
pub(super) async fn ensure_topic(
    connection: &mut SqliteConnection,
    topic: &str,
    count: u16,
) -> sqlx::Result<()> {
    sqlx::query(
        "with recursive wanted(partition) as
             (select 0 union all select partition + 1 from wanted where partition + 1 < ?2)
         insert into partitions (topic, partition) select ?1, partition from wanted where true
         on conflict (topic, partition) do nothing",
    )
    .bind(topic)
    .bind(i64::from(count))
    .execute(connection)
    .await
    .map(drop)
}

/// The bound on one append.
pub(super) const MAX_RECORDS: usize = 10_000;

/// Refuses what is too large for one transaction.
pub(super) fn check(records: &[Record]) -> Result<()> {
    if records.len() > MAX_RECORDS {
        return Err(Error::field("records", format!("at most {MAX_RECORDS}")));
    }
    Ok(())
}
