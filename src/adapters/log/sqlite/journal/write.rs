//! Writing journal entries inside the writer's transaction.

use std::collections::HashMap;

use nova_actors::domain::room::RoomEvent;
use nova_actors::ports::rooms::JournalEntry;
use nova_actors::{Error, Result};
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};
use uuid::Uuid;

use crate::adapters::log::sqlite::integer::to_sql;
use crate::adapters::sqlite::Database;

/// Entries per statement; SQLite takes at most 32,766 parameters.
const CHUNK: usize = 500;

/// A journal entry, made ready by its caller so that the writer only writes.
#[derive(Debug)]
pub(in super::super) struct Row {
    room: Uuid,
    epoch: String,
    seq: i64,
    at: i64,
    chat: bool,
    event: String,
    dedup_user: Option<Uuid>,
    dedup_key: Option<String>,
}

impl Row {
    /// Serialises the event.
    pub(super) fn prepare(entry: JournalEntry) -> Result<Self> {
        let (dedup_user, dedup_key) = entry
            .dedup
            .map_or((None, None), |dedup| (Some(dedup.user.uuid()), Some(dedup.key)));
        Ok(Self {
            room: entry.room.uuid(),
            epoch: entry.epoch,
            seq: to_sql(entry.event.seq)?,
            at: entry.event.at.millis(),
            chat: matches!(entry.event.event, RoomEvent::Chat(_)),
            event: serde_json::to_string(&entry.event.event)
                .map_err(|e| Error::internal("a room event could not be written as JSON").with_source(e))?,
            dedup_user,
            dedup_key,
        })
    }
}

/// What `rooms` says, or will say, about a room.
struct Current<'a> {
    generation: i64,
    epoch: std::borrow::Cow<'a, str>,
    newest_at: i64,
}

/// Writes entries in their order; a new epoch of a room begins its next generation.
pub(in super::super) async fn save(
    db: &Database,
    connection: &mut SqliteConnection,
    rows: &[&Row],
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    write(connection, rows).await.map_err(|e| db.failure(e))
}

async fn write(connection: &mut SqliteConnection, rows: &[&Row]) -> sqlx::Result<()> {
    let mut rooms = load(connection, rows).await?;
    let placed: Vec<_> = rows.iter().map(|row| (advance(&mut rooms, row), *row)).collect();
    for chunk in placed.chunks(CHUNK) {
        insert(connection, chunk).await?;
    }
    let current: Vec<_> = rooms
        .iter()
        .map(|(room, at)| (room.simple().to_string(), at.generation, &at.epoch, at.newest_at))
        .collect();
    sqlx::query(
        "insert into rooms (room, generation, epoch, newest_at)
         select unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3 from json_each(?1) where true
         on conflict (room) do update set generation = excluded.generation, epoch = excluded.epoch,
             newest_at = max(newest_at, excluded.newest_at)",
    )
    .bind(serde_json::json!(current).to_string())
    .execute(connection)
    .await
    .map(drop)
}

async fn load<'a>(
    connection: &mut SqliteConnection,
    rows: &[&'a Row],
) -> sqlx::Result<HashMap<Uuid, Current<'a>>> {
    let ids: Vec<_> = rows.iter().map(|row| row.room.simple().to_string()).collect();
    let found = sqlx::query(
        "select room, generation, epoch, newest_at from rooms
         where room in (select unhex(value) from json_each(?1))",
    )
    .bind(serde_json::json!(ids).to_string())
    .fetch_all(connection)
    .await?;
    Ok(found
        .iter()
        .map(|row| {
            let current = Current {
                generation: row.get(1),
                epoch: row.get::<String, _>(2).into(),
                newest_at: row.get(3),
            };
            (row.get(0), current)
        })
        .collect())
}

/// The generation of a row's epoch, after the rows before it.
fn advance<'a>(rooms: &mut HashMap<Uuid, Current<'a>>, row: &'a Row) -> i64 {
    let current = rooms.entry(row.room).or_insert_with(|| Current {
        generation: 0,
        epoch: "".into(),
        newest_at: row.at,
    });
    if current.generation == 0 || current.epoch != row.epoch {
        current.generation += 1;
        current.epoch = row.epoch.as_str().into();
    }
    current.newest_at = row.at;
    current.generation
}

async fn insert(connection: &mut SqliteConnection, chunk: &[(i64, &Row)]) -> sqlx::Result<()> {
    let mut sql = QueryBuilder::<Sqlite>::new(
        "insert into room_journal (room, generation, seq, epoch, at, chat, event, dedup_user, dedup_key) ",
    );
    sql.push_values(chunk, |mut values, (generation, row)| {
        values
            .push_bind(row.room)
            .push_bind(*generation)
            .push_bind(row.seq)
            .push_bind(row.epoch.as_str())
            .push_bind(row.at)
            .push_bind(row.chat)
            .push_bind(row.event.as_str())
            .push_bind(row.dedup_user)
            .push_bind(row.dedup_key.as_deref());
    });
    // Only the two lengths that come again and again are worth a prepared statement.
    let common = chunk.len() == 1 || chunk.len() == CHUNK;
    sql.build().persistent(common).execute(connection).await.map(drop)
}
