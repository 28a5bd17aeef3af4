//! Rows as ClickHouse stores them, and the inserts that a batch is made of.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Utc};
use clickhouse::Row;
use clickhouse::serde::uuid as as_uuid;
use nova_actors::Result;
use nova_actors::domain::change::CapturedTable;
use nova_actors::ports::analytics::RowState;
use serde::Serialize;
use uuid::Uuid;

use crate::adapters::analytics::columns::Columns;

/// What both `DateTime` and `DateTime64` can hold: 1970 up to 2106-01-01.
const TIMES: std::ops::Range<i64> = 0..4_291_747_200_000;

#[derive(Debug, Row, Serialize)]
pub(super) struct PostRow {
    #[serde(with = "as_uuid")]
    id: Uuid,
    #[serde(with = "as_uuid")]
    author_id: Uuid,
    created_at: i64,
    _version: u128,
    _deleted: u8,
}

#[derive(Debug, Row, Serialize)]
pub(super) struct FollowRow {
    #[serde(with = "as_uuid")]
    follower_id: Uuid,
    #[serde(with = "as_uuid")]
    followee_id: Uuid,
    created_at: i64,
    _version: u128,
    _deleted: u8,
}

#[derive(Debug, Row, Serialize)]
pub(super) struct LikeRow {
    #[serde(with = "as_uuid")]
    post_id: Uuid,
    #[serde(with = "as_uuid")]
    user_id: Uuid,
    #[serde(with = "as_uuid")]
    post_author_id: Uuid,
    created_at: i64,
    _version: u128,
    _deleted: u8,
}

#[derive(Debug, Row, Serialize)]
pub(super) struct CommentRow {
    #[serde(with = "as_uuid")]
    post_id: Uuid,
    #[serde(with = "as_uuid")]
    id: Uuid,
    #[serde(with = "as_uuid")]
    user_id: Uuid,
    #[serde(with = "as_uuid")]
    post_author_id: Uuid,
    created_at: i64,
    _version: u128,
    _deleted: u8,
}

#[derive(Debug, Row, Serialize)]
pub(super) struct CountersRow {
    #[serde(with = "as_uuid")]
    post_id: Uuid,
    likes: u64,
    comments: u64,
    _version: u128,
    _deleted: u8,
}

/// The rows of a batch by insert: each insert writes one part of its table, so that it is there or not.
#[derive(Debug, Default)]
pub(super) struct Inserts {
    /// By partition: the month of `created_at`, as year × 100 + month.
    pub(super) posts: BTreeMap<u32, Vec<PostRow>>,
    pub(super) follows: Vec<FollowRow>,
    pub(super) likes: Vec<LikeRow>,
    pub(super) comments: Vec<CommentRow>,
    pub(super) counters: Vec<CountersRow>,
}

impl Inserts {
    /// Reads all rows, or names the first that cannot be one.
    pub(super) fn of(rows: &[RowState]) -> Result<Self> {
        let mut inserts = Self::default();
        for (index, state) in rows.iter().enumerate() {
            inserts.add(&Columns::new(index, state))?;
        }
        Ok(inserts)
    }

    fn add(&mut self, row: &Columns<'_>) -> Result<()> {
        let _version = row.state().version;
        let _deleted = u8::from(row.deleted()?);
        match row.state().table {
            CapturedTable::Posts => {
                let post = PostRow {
                    id: row.id("id")?,
                    author_id: row.id("author_id")?,
                    created_at: created(row)?,
                    _version,
                    _deleted,
                };
                self.posts.entry(month(post.created_at)).or_default().push(post);
            }
            CapturedTable::Follows => self.follows.push(FollowRow {
                follower_id: row.id("follower_id")?,
                followee_id: row.id("followee_id")?,
                created_at: created(row)?,
                _version,
                _deleted,
            }),
            CapturedTable::Likes => self.likes.push(LikeRow {
                post_id: row.id("post_id")?,
                user_id: row.id("user_id")?,
                post_author_id: row.id("post_author_id")?,
                created_at: created(row)?,
                _version,
                _deleted,
            }),
            CapturedTable::Comments => self.comments.push(CommentRow {
                post_id: row.id("post_id")?,
                id: row.id("id")?,
                user_id: row.id("user_id")?,
                post_author_id: row.id("post_author_id")?,
                created_at: created(row)?,
                _version,
                _deleted,
            }),
            CapturedTable::PostCounters => self.counters.push(CountersRow {
                post_id: row.id("post_id")?,
                likes: row.count("likes")?,
                comments: row.count("comments")?,
                _version,
                _deleted,
            }),
        }
        Ok(())
    }
}

fn created(row: &Columns<'_>) -> Result<i64> {
    let at = row.time("created_at")?;
    if TIMES.contains(&at) {
        Ok(at)
    } else {
        Err(row.refused("created_at", "epoch milliseconds from 1970 to 2105"))
    }
}

/// As `toYYYYMM` gives it.
fn month(at: i64) -> u32 {
    let time = DateTime::<Utc>::from_timestamp_millis(at).unwrap_or_default();
    time.year().unsigned_abs() * 100 + time.month()
}

#[cfg(test)]
mod tests {
    use nova_actors::Kind;
    use serde_json::json;

    use super::*;

    fn post(at: i64) -> RowState {
        RowState {
            table: CapturedTable::Posts,
            version: 1,
            deleted: false,
            row: json!({ "id": Uuid::nil(), "author_id": Uuid::nil(), "created_at": at }),
        }
    }

    #[test]
    fn posts_are_apart_by_their_month() {
        let january_ends = 1_769_903_999_999;
        let rows = [january_ends, january_ends + 1, january_ends + 2, 0].map(post);
        let inserts = Inserts::of(&rows).unwrap();
        let counts: Vec<_> = inserts
            .posts
            .iter()
            .map(|(month, rows)| (*month, rows.len()))
            .collect();
        assert_eq!(counts, [(197_001, 1), (202_601, 1), (202_602, 2)]);
    }

    #[test]
    fn a_time_that_the_tables_cannot_hold_is_refused() {
        for at in [-1, TIMES.end, i64::MAX] {
            let error = Inserts::of(&[post(0), post(at)]).unwrap_err();
            match error.kind() {
                Kind::Validation(fields) => assert_eq!(fields[0].field, "rows[1].created_at"),
                other => panic!("{at}: {other:?}"),
            }
        }
    }
}
