//! Row states as the statements take them: per table one JSON array of rows, merged in their order.

use nova_actors::domain::change::CapturedTable;
use nova_actors::ports::analytics::RowState;
use nova_actors::{Error, Result};
use serde_json::{Value, json};
use uuid::Uuid;

/// Merges rows given as a JSON array. A row whose version is not newer than the stored one changes nothing.
pub(super) const fn merge(table: CapturedTable) -> &'static str {
    match table {
        CapturedTable::Posts => {
            "insert into posts_cdc (id, author_id, created_at, _version, _deleted)
             select unhex(value ->> 0), unhex(value ->> 1), value ->> 2, unhex(value ->> 3), value ->> 4
             from json_each(?1) where true
             on conflict (id) do update set
                 author_id = excluded.author_id, created_at = excluded.created_at,
                 _version = excluded._version, _deleted = excluded._deleted
             where excluded._version > posts_cdc._version"
        }
        CapturedTable::Follows => {
            "insert into follows_cdc (follower_id, followee_id, created_at, _version, _deleted)
             select unhex(value ->> 0), unhex(value ->> 1), value ->> 2, unhex(value ->> 3), value ->> 4
             from json_each(?1) where true
             on conflict (follower_id, followee_id) do update set
                 created_at = excluded.created_at,
                 _version = excluded._version, _deleted = excluded._deleted
             where excluded._version > follows_cdc._version"
        }
        CapturedTable::Likes => {
            "insert into likes_cdc (post_id, user_id, post_author_id, created_at, _version, _deleted)
             select unhex(value ->> 0), unhex(value ->> 1), unhex(value ->> 2), value ->> 3,
                    unhex(value ->> 4), value ->> 5
             from json_each(?1) where true
             on conflict (post_id, user_id) do update set
                 post_author_id = excluded.post_author_id, created_at = excluded.created_at,
                 _version = excluded._version, _deleted = excluded._deleted
             where excluded._version > likes_cdc._version"
        }
        CapturedTable::Comments => {
            "insert into comments_cdc (post_id, id, user_id, post_author_id, created_at, _version, _deleted)
             select unhex(value ->> 0), unhex(value ->> 1), unhex(value ->> 2), unhex(value ->> 3),
                    value ->> 4, unhex(value ->> 5), value ->> 6
             from json_each(?1) where true
             on conflict (post_id, id) do update set
                 user_id = excluded.user_id, post_author_id = excluded.post_author_id,
                 created_at = excluded.created_at,
                 _version = excluded._version, _deleted = excluded._deleted
             where excluded._version > comments_cdc._version"
        }
        CapturedTable::PostCounters => {
            "insert into post_counters_cdc (post_id, likes, comments, _version, _deleted)
             select unhex(value ->> 0), value ->> 1, value ->> 2, unhex(value ->> 3), value ->> 4
             from json_each(?1) where true
             on conflict (post_id) do update set
                 likes = excluded.likes, comments = excluded.comments,
                 _version = excluded._version, _deleted = excluded._deleted
             where excluded._version > post_counters_cdc._version"
        }
    }
}

/// The rows of `table`, for [`merge`]; `None` when there are none.
pub(super) fn of_table(table: CapturedTable, rows: &[RowState]) -> Result<Option<String>> {
    let mut list = Vec::new();
    for (index, state) in rows.iter().enumerate().filter(|(_, state)| state.table == table) {
        list.push(Row { index, state }.values()?);
    }
    Ok((!list.is_empty()).then(|| Value::Array(list).to_string()))
}

struct Row<'a> {
    index: usize,
    state: &'a RowState,
}

impl Row<'_> {
    fn values(&self) -> Result<Value> {
        let version = hex::encode(self.state.version.to_be_bytes());
        let deleted = i32::from(self.deleted()?);
        Ok(match self.state.table {
            CapturedTable::Posts => json!([
                self.id("id")?,
                self.id("author_id")?,
                self.time("created_at")?,
                version,
                deleted,
            ]),
            CapturedTable::Follows => json!([
                self.id("follower_id")?,
                self.id("followee_id")?,
                self.time("created_at")?,
                version,
                deleted,
            ]),
            CapturedTable::Likes => json!([
                self.id("post_id")?,
                self.id("user_id")?,
                self.id("post_author_id")?,
                self.time("created_at")?,
                version,
                deleted,
            ]),
            CapturedTable::Comments => json!([
                self.id("post_id")?,
                self.id("id")?,
                self.id("user_id")?,
                self.id("post_author_id")?,
                self.time("created_at")?,
                version,
                deleted,
            ]),
            CapturedTable::PostCounters => json!([
                self.id("post_id")?,
                self.count("likes")?,
                self.count("comments")?,
                version,
                deleted,
            ]),
        })
    }

    /// Posts are deleted softly in the store.
    fn deleted(&self) -> Result<bool> {
        if self.state.table != CapturedTable::Posts || self.column("deleted_at").is_null() {
            return Ok(self.state.deleted);
        }
        self.time("deleted_at").map(|_| true)
    }

    fn id(&self, column: &str) -> Result<String> {
        self.column(column)
            .as_str()
            .and_then(|text| Uuid::try_parse(text).ok())
            .map(|id| id.simple().to_string())
            .ok_or_else(|| self.refused(column, "a UUID"))
    }

    fn time(&self, column: &str) -> Result<i64> {
        self.column(column)
            .as_i64()
            .ok_or_else(|| self.refused(column, "epoch milliseconds"))
    }

    fn count(&self, column: &str) -> Result<i64> {
        self.column(column)
            .as_i64()
            .filter(|count| *count >= 0)
            .ok_or_else(|| self.refused(column, "a count"))
    }

    fn column(&self, name: &str) -> &Value {
        self.state.row.get(name).unwrap_or(&Value::Null)
    }

    fn refused(&self, column: &str, expected: &'static str) -> Error {
        Error::field(format!("rows[{}].{column}", self.index), expected)
    }
}
