//! The journal of rooms: keeps every sequenced event, so that the rooms of the in-memory bus come back after
//! the process died.
//!
//! A room's epochs are numbered in the order in which they began; its events are ordered by that number and
//! their sequence number. Chat is read from the newest epoch only.

mod write;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use nova_actors::domain::room::{ChatPage, RoomId, SequencedEvent};
use nova_actors::domain::{Timestamp, UserId};
use nova_actors::ports::rooms::{DedupKey, JournalEntry, MAX_TAIL, RoomJournal};
use nova_actors::{Error, Result};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

pub(super) use self::write::{Row, save};
use super::integer::{from_sql, to_sql};
use super::writer::{Work, Writer};
use crate::adapters::sqlite::Database;

/// Most messages of one page of chat.
const MAX_PAGE: u32 = 1_000;
/// Entries removed per transaction.
const TRIM_CHUNK: i64 = 5_000;

/// The journal in the event log's file. It commits in the same groups as the log.
#[derive(Debug, Clone)]
pub struct SqliteJournal {
    db: Database,
    writer: Writer,
}

impl SqliteJournal {
    pub(super) const fn new(db: Database, writer: Writer) -> Self {
        Self { db, writer }
    }

    /// Removes a part of the oldest silent room; answers how many entries went, or `None` when none is left.
    async fn trim_chunk(&self, before: Timestamp) -> Result<Option<u64>> {
        let mut transaction = self.db.begin().await?;
        let failure = |e| self.db.failure(e);
        let room: Option<Vec<u8>> = sqlx::query_scalar(OVER)
            .bind(before.millis())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failure)?;
        let Some(room) = room else { return Ok(None) };
        let removed = sqlx::query(
            "delete from room_journal where room = ?1 and (generation, seq) in
                 (select generation, seq from room_journal where room = ?1 order by generation, seq limit ?2)",
        )
        .bind(room.as_slice())
        .bind(TRIM_CHUNK)
        .execute(&mut *transaction)
        .await
        .map_err(failure)?
        .rows_affected();
        sqlx::query(
            "delete from rooms where room = ?1 and not exists (select 1 from room_journal where room = ?1)",
        )
        .bind(room.as_slice())
        .execute(&mut *transaction)
        .await
        .map_err(failure)?;
        transaction.commit().await.map_err(failure)?;
        Ok(Some(removed))
    }
}

/// The room that is over for longest: its last event is the end of the broadcast. A room that goes on keeps its
/// events however long it is silent, because its numbers go on too.
const OVER: &str = "select r.room from rooms r
     where r.newest_at < ?1
       and (select json_extract(j.event, '$[1].state') from room_journal j
            where j.room = r.room and j.generation = r.generation
            order by j.seq desc limit 1) = 'ended'
     order by r.newest_at limit 1";

#[async_trait]
impl RoomJournal for SqliteJournal {
    async fn append(&self, entries: Vec<JournalEntry>) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let rows: Result<Vec<_>> = entries.into_iter().map(Row::prepare).collect();
        self.writer.write(Work::Journal(rows?)).await.map(drop)
    }

    async fn tail(&self, room: RoomId, count: u32, since: Timestamp) -> Result<Vec<JournalEntry>> {
        // Read backwards and stopped at the first entry that nobody asked for: no index over times is needed,
        // because times ascend with the sequence.
        let mut rows = sqlx::query(
            "select epoch, seq, at, event, dedup_user, dedup_key from room_journal where room = ?1
             order by generation desc, seq desc limit ?2",
        )
        .bind(room.uuid())
        .bind(i64::from(MAX_TAIL))
        .fetch(self.db.read());
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut entries = Vec::new();
        while let Some(row) = rows.try_next().await.map_err(|e| self.db.failure(e))? {
            let entry = entry(room, &row)?;
            if entries.len() >= count && entry.event.at < since {
                break;
            }
            entries.push(entry);
        }
        entries.reverse();
        Ok(entries)
    }

    async fn chat(&self, room: RoomId, before: Option<u64>, limit: u32) -> Result<ChatPage> {
        let limit = limit.clamp(1, MAX_PAGE);
        let before = before.map_or(i64::MAX, |seq| to_sql(seq).unwrap_or(i64::MAX));
        let rows = sqlx::query(
            "select seq, at, event from room_journal
             where room = ?1 and generation = (select generation from rooms where room = ?1)
                 and seq < ?2 and chat = 1
             order by seq desc limit ?3",
        )
        .bind(room.uuid())
        .bind(before)
        .bind(i64::from(limit) + 1)
        .fetch_all(self.db.read())
        .await
        .map_err(|e| self.db.failure(e))?;
        let size = usize::try_from(limit).unwrap_or(usize::MAX);
        let page: Result<Vec<_>> = rows
            .iter()
            .take(size)
            .rev()
            .map(|row| sequenced(row.get(0), row.get(1), row.get(2)))
            .collect();
        let messages = page?;
        let next = messages
            .first()
            .filter(|_| rows.len() > size)
            .map(|oldest| oldest.seq);
        Ok(ChatPage { messages, next })
    }

    async fn trim(&self, before: Timestamp) -> Result<u64> {
        let mut removed = 0;
        while let Some(count) = self.trim_chunk(before).await? {
            removed += count;
        }
        Ok(removed)
    }
}

fn entry(room: RoomId, row: &SqliteRow) -> Result<JournalEntry> {
    let user: Option<uuid::Uuid> = row.get(4);
    let key: Option<String> = row.get(5);
    let dedup = user.zip(key).map(|(user, key)| DedupKey {
        user: UserId::from_uuid(user),
        key,
    });
    Ok(JournalEntry {
        room,
        epoch: row.get(0),
        event: sequenced(row.get(1), row.get(2), row.get(3))?,
        dedup,
    })
}

fn sequenced(seq: i64, at: i64, event: &str) -> Result<SequencedEvent> {
    Ok(SequencedEvent {
        seq: from_sql(seq)?,
        at: Timestamp::from_millis(at),
        event: serde_json::from_str(event)
            .map_err(|e| Error::internal("a journalled event is not readable").with_source(e))?,
    })
}
