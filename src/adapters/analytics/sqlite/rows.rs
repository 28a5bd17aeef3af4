//! Row states as the statements take them: per table one JSON array of rows, merged in their order.

use nova_actors::Result;
use nova_actors::domain::change::CapturedTable;
use nova_actors::ports::analytics::RowState;
use serde_json::{Value, json};

use crate::adapters::analytics::columns::Columns;

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
        list.push(values(&Columns::new(index, state))?);
    }
    Ok((!list.is_empty()).then(|| Value::Array(list).to_string()))
}

fn values(row: &Columns<'_>) -> Result<Value> {
    let version = hex::encode(row.state().version.to_be_bytes());
    let deleted = i32::from(row.deleted()?);
    Ok(match row.state().table {
        CapturedTable::Posts => json!([
            id(row, "id")?,
            id(row, "author_id")?,
            row.time("created_at")?,
            version,
            deleted,
        ]),
        CapturedTable::Follows => json!([
            id(row, "follower_id")?,
            id(row, "followee_id")?,
            row.time("created_at")?,
            version,
            deleted,
        ]),
        CapturedTable::Likes => json!([
            id(row, "post_id")?,
            id(row, "user_id")?,
            id(row, "post_author_id")?,
            row.time("created_at")?,
            version,
            deleted,
        ]),
        CapturedTable::Comments => json!([
            id(row, "post_id")?,
            id(row, "id")?,
            id(row, "user_id")?,
            id(row, "post_author_id")?,
            row.time("created_at")?,
            version,
            deleted,
        ]),
        CapturedTable::PostCounters => json!([
            id(row, "post_id")?,
            row.count("likes")?,
            row.count("comments")?,
            version,
            deleted,
        ]),
    })
}

/// As `unhex` takes it.
fn id(row: &Columns<'_>, column: &str) -> Result<String> {
    Ok(row.id(column)?.simple().to_string())
}
