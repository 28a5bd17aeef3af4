//! From rows to domain values.

use nova_actors::domain::feed::Candidate;
use nova_actors::domain::{EndedReason, LiveStream, Post, PostId, StreamId, Timestamp, User, UserId};
use sqlx::postgres::PgRow;
use sqlx::{Result, Row};
use uuid::Uuid;

use super::failure::failure;
use super::time::Time;

/// Columns that [`user`] reads.
macro_rules! user_columns {
    () => {
        "u.id, u.username, u.display_name, u.avatar_url, u.bio, u.created_at"
    };
}

/// Columns that [`stream`] reads.
macro_rules! stream_columns {
    () => {
        "id, creator_id, title, description, category, thumbnail_url, started_at, ended_at, ended_reason, \
         epoch, viewers, peak_viewers, unique_viewers, owner_seen_at"
    };
}

/// Columns that [`post`] reads, from `posts p` joined with its `post_counters c`.
macro_rules! post_columns {
    () => {
        "p.id, p.author_id, p.text, p.media_url, p.created_at, c.likes, c.comments"
    };
}

pub(super) use {post_columns, stream_columns, user_columns};

/// All `rows`, each read by `read`.
pub(super) fn each<T, C: FromIterator<T>>(
    rows: &[PgRow],
    read: impl Fn(&PgRow) -> Result<T>,
) -> nova_actors::Result<C> {
    rows.iter().map(read).collect::<Result<C>>().map_err(failure)
}

pub(super) fn user(row: &PgRow) -> Result<User> {
    Ok(User {
        id: UserId::from_uuid(row.try_get("id")?),
        username: row.try_get("username")?,
        display_name: row.try_get("display_name")?,
        avatar_url: row.try_get("avatar_url")?,
        bio: row.try_get("bio")?,
        created_at: time(row, "created_at")?,
    })
}

pub(super) fn stream(row: &PgRow) -> Result<LiveStream> {
    let reason: Option<&str> = row.try_get("ended_reason")?;
    Ok(LiveStream {
        id: StreamId::from_uuid(row.try_get("id")?),
        creator_id: UserId::from_uuid(row.try_get("creator_id")?),
        title: row.try_get("title")?,
        description: row.try_get("description")?,
        category: row.try_get("category")?,
        thumbnail_url: row.try_get("thumbnail_url")?,
        started_at: time(row, "started_at")?,
        ended_at: optional_time(row, "ended_at")?,
        ended_reason: reason.map(ended_reason).transpose()?,
        epoch: row.try_get("epoch")?,
        viewers: number(row, "viewers")?,
        peak_viewers: number(row, "peak_viewers")?,
        unique_viewers: number(row, "unique_viewers")?,
        owner_seen_at: time(row, "owner_seen_at")?,
    })
}

pub(super) fn post(row: &PgRow) -> Result<Post> {
    Ok(Post {
        id: PostId::from_uuid(row.try_get("id")?),
        author_id: UserId::from_uuid(row.try_get("author_id")?),
        text: row.try_get("text")?,
        media_url: row.try_get("media_url")?,
        created_at: time(row, "created_at")?,
        likes: number(row, "likes")?,
        comments: number(row, "comments")?,
    })
}

pub(super) fn candidate(row: &PgRow) -> Result<Candidate> {
    Ok(Candidate {
        post_id: PostId::from_uuid(row.try_get("id")?),
        author_id: UserId::from_uuid(row.try_get("author_id")?),
        created_at: time(row, "created_at")?,
    })
}

pub(super) fn time(row: &PgRow, column: &str) -> Result<Timestamp> {
    row.try_get::<Time, _>(column).map(|time| time.0)
}

pub(super) fn optional_time(row: &PgRow, column: &str) -> Result<Option<Timestamp>> {
    row.try_get::<Option<Time>, _>(column)
        .map(|time| time.map(|time| time.0))
}

/// A count: Postgres has signed integers only.
pub(super) fn number(row: &PgRow, column: &str) -> Result<u64> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(|e| unreadable(column, e))
}

/// The error of a column whose value no version of Nova writes.
pub(super) fn unreadable(
    column: &str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: source.into(),
    }
}

fn ended_reason(word: &str) -> Result<EndedReason> {
    [EndedReason::Ended, EndedReason::Abandoned]
        .into_iter()
        .find(|reason| reason.as_str() == word)
        .ok_or_else(|| unreadable("ended_reason", "not a reason"))
}

/// A list of ids as one parameter.
pub(super) fn id_list<'a, T: Copy + 'a>(
    ids: impl IntoIterator<Item = &'a T>,
    uuid: impl Fn(T) -> Uuid,
) -> Vec<Uuid> {
    ids.into_iter().map(|id| uuid(*id)).collect()
}

/// A count as Postgres can hold it. Nobody counts to 2^63.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
