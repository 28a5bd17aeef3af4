//! Row changes of the store, in Debezium's envelope.
//!
//! The store writes a [`Change`] in the transaction that changes the row; the relay turns it into a record
//! whose value has the shape that Debezium's Postgres connector gives (`before`, `after`, `source`, `op`,
//! `ts_ms`), so that consumers cannot tell the two sources apart.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::record::{Headers, Record, SCHEMA_VERSION, TraceParent};
use super::{EventId, Timestamp};

/// Tables whose changes are captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CapturedTable {
    /// `posts`
    Posts,
    /// `follows`
    Follows,
    /// `likes`
    Likes,
    /// `comments`
    Comments,
    /// `post_counters`
    PostCounters,
}

impl CapturedTable {
    /// Every captured table.
    pub const ALL: [Self; 5] = [
        Self::Posts,
        Self::Follows,
        Self::Likes,
        Self::Comments,
        Self::PostCounters,
    ];

    /// Name of the table in the store.
    #[must_use]
    pub const fn table(self) -> &'static str {
        match self {
            Self::Posts => "posts",
            Self::Follows => "follows",
            Self::Likes => "likes",
            Self::Comments => "comments",
            Self::PostCounters => "post_counters",
        }
    }

    /// Name of its topic.
    #[must_use]
    pub const fn topic(self) -> &'static str {
        match self {
            Self::Posts => "cdc.posts",
            Self::Follows => "cdc.follows",
            Self::Likes => "cdc.likes",
            Self::Comments => "cdc.comments",
            Self::PostCounters => "cdc.post_counters",
        }
    }

    /// The table of that name.
    #[must_use]
    pub fn from_table(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.table() == name)
    }

    /// The table whose changes travel in `topic`.
    #[must_use]
    pub fn from_topic(topic: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.topic() == topic)
    }
}

/// What happened to the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeOp {
    /// Inserted.
    #[serde(rename = "c")]
    Create,
    /// Updated.
    #[serde(rename = "u")]
    Update,
    /// Deleted.
    #[serde(rename = "d")]
    Delete,
}

impl ChangeOp {
    /// Debezium's letter.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Create => "c",
            Self::Update => "u",
            Self::Delete => "d",
        }
    }

    /// From Debezium's letter.
    #[must_use]
    pub fn from_letter(letter: &str) -> Option<Self> {
        match letter {
            "c" => Some(Self::Create),
            "u" => Some(Self::Update),
            "d" => Some(Self::Delete),
            _ => None,
        }
    }
}

/// One row of `change_log`.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Position in the change log; grows in commit order for each key.
    pub id: i64,
    /// Stable identity of the record made from it.
    pub event_id: EventId,
    /// Whose row.
    pub table: CapturedTable,
    /// What happened.
    pub op: ChangeOp,
    /// Primary key, as an object.
    pub key: Value,
    /// The whole row before; `None` for an insert.
    pub before: Option<Value>,
    /// The whole row after; `None` for a delete.
    pub after: Option<Value>,
    /// When it was committed.
    pub at: Timestamp,
    /// The request that caused it.
    pub traceparent: TraceParent,
}

impl Change {
    /// The record that carries this change.
    #[must_use]
    pub fn record(&self) -> Record {
        let envelope = json!({
            "before": self.before,
            "after": self.after,
            "source": {
                "version": env!("CARGO_PKG_VERSION"),
                "connector": "nova-relay",
                "name": "nova",
                "ts_ms": self.at.millis(),
                "snapshot": "false",
                "db": "nova",
                // Debezium writes this pair as a string that holds JSON.
                "sequence": format!("[\"{0}\",\"{0}\"]", self.id),
                "schema": "public",
                "table": self.table.table(),
                "lsn": self.id,
            },
            "op": self.op.letter(),
            "ts_ms": self.at.millis(),
            "transaction": null,
        });
        Record {
            topic: self.table.topic().into(),
            key: Bytes::from(self.key.to_string()),
            value: Some(Bytes::from(envelope.to_string())),
            headers: Headers {
                event_id: self.event_id,
                kind: self.table.topic().into(),
                traceparent: self.traceparent.clone(),
                schema_version: SCHEMA_VERSION,
            },
            at: self.at,
        }
    }
}
