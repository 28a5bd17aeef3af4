//! Reading Debezium's envelope, leniently in form and strictly in content. Pure.
//!
//! Source of the shape: the documentation of Debezium's Postgres connector. The value may be wrapped in
//! `{"schema":…,"payload":…}`; `source.sequence` is a string that holds a JSON pair
//! `["<commit position before>", "<position of the change>"]`.

use serde_json::{Map, Value};

use crate::domain::change::CapturedTable;
use crate::domain::record::StoredRecord;
use crate::ports::analytics::RowState;

/// Text that Debezium writes for a large value that an update left alone (without REPLICA IDENTITY FULL).
const UNCHANGED: &str = "__debezium_unavailable_value";

/// What one record means for the tables.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// A new state of a row.
    Row(RowState),
    /// Nothing to do, e.g. the tombstone after a delete.
    Ignored(&'static str),
    /// Cannot be understood, ever.
    Dead(String),
    /// Must not be passed over: the partition stops until an operator has acted.
    Halt(String),
}

/// Decodes a record of `table`.
#[must_use]
pub fn decode(table: CapturedTable, record: &StoredRecord) -> Decoded {
    let Some(bytes) = &record.record.value else {
        return Decoded::Ignored("tombstone");
    };
    let mut value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(error) => return Decoded::Dead(format!("the value is not JSON: {error}")),
    };
    if value.get("schema").is_some() && value.get("payload").is_some() {
        value = value["payload"].take();
    }
    if value.is_null() {
        return Decoded::Ignored("tombstone");
    }
    match row_state(table, &value) {
        Ok(decoded) => decoded,
        Err(reason) => Decoded::Dead(reason),
    }
}

fn row_state(table: CapturedTable, envelope: &Value) -> Result<Decoded, String> {
    let op = envelope.get("op").and_then(Value::as_str).ok_or("no op")?;
    let (image, gone) = match op {
        "c" | "u" | "r" => (envelope.get("after"), false),
        "d" => (envelope.get("before"), true),
        "m" => return Ok(Decoded::Ignored("logical message")),
        "t" => {
            let cure =
                "was truncated: make a new snapshot of the table, then move the consumer past this record";
            return Ok(Decoded::Halt(format!("{} {cure}", table.table())));
        }
        other => return Err(format!("unknown op {other:?}")),
    };
    let image = image
        .and_then(Value::as_object)
        .ok_or_else(|| format!("op {op} without the row's image"))?;
    if image.values().any(|v| v.as_str() == Some(UNCHANGED)) {
        return Ok(Decoded::Halt(format!(
            "{} needs REPLICA IDENTITY FULL",
            table.table()
        )));
    }
    let soft_deleted = image.get("deleted_at").is_some_and(|at| !at.is_null());
    let row = columns(table, image)?;
    Ok(Decoded::Row(RowState {
        table,
        version: version(envelope, op)?,
        deleted: gone || soft_deleted,
        row,
    }))
}

/// Commit position in the high half, position of the change in the low one; rows of a snapshot come before
/// every change.
fn version(envelope: &Value, op: &str) -> Result<u128, String> {
    if op == "r" {
        return Ok(0);
    }
    let source = envelope.get("source").ok_or("no source")?;
    let text = source
        .get("sequence")
        .and_then(Value::as_str)
        .ok_or("no source.sequence")?;
    let (commit, change): (Option<String>, String) =
        serde_json::from_str(text).map_err(|e| format!("source.sequence: {e}"))?;
    let number = |text: &str| text.parse::<u64>().map_err(|e| format!("source.sequence: {e}"));
    let commit = commit.as_deref().map_or(Ok(0), number)?;
    Ok((u128::from(commit) << 64) | u128::from(number(&change)?))
}

/// The columns that the tables have, with one representation each: ids as text, times as epoch milliseconds.
fn columns(table: CapturedTable, image: &Map<String, Value>) -> Result<Value, String> {
    let (ids, counts, timed): (&[&str], &[&str], bool) = match table {
        CapturedTable::Posts => (&["id", "author_id"], &[], true),
        CapturedTable::Follows => (&["follower_id", "followee_id"], &[], true),
        CapturedTable::Likes => (&["user_id", "post_id", "post_author_id"], &[], true),
        CapturedTable::Comments => (&["id", "post_id", "user_id", "post_author_id"], &[], true),
        CapturedTable::PostCounters => (&["post_id"], &["likes", "comments"], false),
    };
    let mut row = Map::new();
    for name in ids {
        let text = image
            .get(*name)
            .and_then(Value::as_str)
            .ok_or_else(|| format!("{name}: no text"))?;
        let id = uuid::Uuid::try_parse(text).map_err(|e| format!("{name}: {e}"))?;
        row.insert((*name).to_owned(), id.hyphenated().to_string().into());
    }
    for name in counts {
        let count = image
            .get(*name)
            .and_then(Value::as_i64)
            .filter(|count| *count >= 0)
            .ok_or_else(|| format!("{name}: not a count of at most 2^63 - 1"))?;
        row.insert((*name).to_owned(), count.into());
    }
    if timed {
        let at = image.get("created_at").ok_or("created_at: missing")?;
        row.insert("created_at".to_owned(), millis(at)?.into());
    }
    Ok(Value::Object(row))
}

/// Epoch milliseconds as a number (the relay), or RFC 3339 (Debezium's `timestamptz`).
fn millis(value: &Value) -> Result<i64, String> {
    if let Some(ms) = value.as_i64() {
        return Ok(ms);
    }
    let text = value.as_str().ok_or("created_at: neither a number nor text")?;
    let time = chrono::DateTime::parse_from_rfc3339(text).map_err(|e| format!("created_at: {e}"))?;
    Ok(time.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::domain::change::{Change, ChangeOp};
    use crate::domain::record::{Headers, Position, Record};
    use crate::domain::{EventId, PostId, Timestamp, TraceParent, UserId};

    fn stored(value: Option<&str>) -> StoredRecord {
        let record = Record {
            topic: "cdc.posts".into(),
            key: Bytes::new(),
            value: value.map(|v| Bytes::from(v.to_owned())),
            headers: Headers::new("cdc.posts", TraceParent::root()),
            at: Timestamp::from_millis(0),
        };
        StoredRecord {
            position: Position {
                partition: 0,
                offset: 0,
            },
            record,
        }
    }

    fn post(created_at: Value, deleted_at: Value) -> Value {
        json!({ "id": PostId::new(), "author_id": UserId::new(), "text": "x", "created_at": created_at, "deleted_at": deleted_at })
    }

    fn change(op: ChangeOp, row: Value) -> Change {
        Change {
            id: 42,
            event_id: EventId::new(),
            table: CapturedTable::Posts,
            op,
            key: json!({ "id": row["id"] }),
            before: (op == ChangeOp::Delete).then(|| row.clone()),
            after: (op != ChangeOp::Delete).then_some(row),
            at: Timestamp::from_millis(7),
            traceparent: TraceParent::root(),
        }
    }

    fn state(decoded: Decoded) -> RowState {
        let Decoded::Row(state) = decoded else {
            panic!("{decoded:?}")
        };
        state
    }

    #[test]
    fn what_the_relay_writes_is_read_back() {
        let row = post(json!(1_700_000_000_007_i64), Value::Null);
        let record = change(ChangeOp::Create, row.clone()).record();
        let state = state(decode(
            CapturedTable::Posts,
            &StoredRecord {
                record,
                ..stored(None)
            },
        ));
        assert_eq!((state.deleted, state.version), (false, (42 << 64) | 42));
        assert_eq!(
            (&state.row["id"], &state.row["created_at"]),
            (&row["id"], &row["created_at"])
        );
    }

    #[test]
    fn deletes_soft_and_hard_are_deletes() {
        for change in [
            change(ChangeOp::Update, post(json!(1), json!(2))),
            change(ChangeOp::Delete, post(json!(1), Value::Null)),
        ] {
            let record = StoredRecord {
                record: change.record(),
                ..stored(None)
            };
            assert!(state(decode(CapturedTable::Posts, &record)).deleted);
        }
    }

    #[test]
    fn debezium_forms_are_understood() {
        let value = json!({ "schema": {}, "payload": {
            "before": null, "after": post(json!("2023-11-14T22:13:20.007Z"), Value::Null), "op": "u",
            "source": { "sequence": "[\"10\",\"12\"]", "lsn": 12 } } });
        let state = state(decode(CapturedTable::Posts, &stored(Some(&value.to_string()))));
        assert_eq!(state.row["created_at"], 1_700_000_000_007_i64);
        assert_eq!(state.version, (10 << 64) | 12);
        assert_eq!(
            decode(CapturedTable::Posts, &stored(None)),
            Decoded::Ignored("tombstone")
        );
        let empty = json!({ "schema": null, "payload": null }).to_string();
        assert_eq!(
            decode(CapturedTable::Posts, &stored(Some(&empty))),
            Decoded::Ignored("tombstone")
        );
    }

    #[test]
    fn garbage_is_dead_and_never_a_panic() {
        let no_author =
            json!({ "op": "c", "after": { "id": PostId::new() }, "source": { "sequence": "[null,\"1\"]" } });
        let no_version = json!({ "op": "c", "after": post(json!(1), Value::Null), "source": {} });
        for bad in [
            "",
            "{",
            "[]",
            "7",
            r#"{"op":"x"}"#,
            r#"{"op":"c"}"#,
            &no_author.to_string(),
            &no_version.to_string(),
        ] {
            let decoded = decode(CapturedTable::Posts, &stored(Some(bad)));
            assert!(matches!(decoded, Decoded::Dead(_)), "{bad}: {decoded:?}");
        }
    }

    #[test]
    fn a_count_that_no_table_can_hold_is_dead() {
        let counters = |likes: u64| {
            let after = json!({ "post_id": PostId::new(), "likes": likes, "comments": 0 });
            let value = json!({ "op": "u", "after": after, "source": { "sequence": "[null,\"1\"]" } });
            decode(CapturedTable::PostCounters, &stored(Some(&value.to_string())))
        };
        assert!(matches!(counters(i64::MAX.cast_unsigned()), Decoded::Row(_)));
        let too_many = counters(i64::MAX.cast_unsigned() + 1);
        assert!(
            matches!(&too_many, Decoded::Dead(why) if why.contains("likes")),
            "{too_many:?}"
        );
    }

    #[test]
    fn a_truncate_and_a_placeholder_halt_and_name_the_cure() {
        let truncate = decode(CapturedTable::Posts, &stored(Some(r#"{"op":"t"}"#)));
        assert!(matches!(truncate, Decoded::Halt(why) if why.contains("snapshot")));
        let mut row = post(json!(1), Value::Null);
        row["text"] = UNCHANGED.into();
        let value = json!({ "op": "u", "after": row, "source": { "sequence": "[null,\"1\"]" } });
        let placeholder = decode(CapturedTable::Posts, &stored(Some(&value.to_string())));
        assert!(matches!(placeholder, Decoded::Halt(why) if why.contains("REPLICA IDENTITY FULL")));
    }
}
