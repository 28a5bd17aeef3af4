//! What leaves the store with a write: records for the outbox and row images for the change log. The same for
//! every dialect, so that consumers cannot tell which one wrote them.

use bytes::Bytes;
use nova_actors::domain::change::{CapturedTable, ChangeOp};
use nova_actors::domain::record::{Headers, Record};
use nova_actors::domain::{EndedReason, LiveStream, Post, PostId, Timestamp, TraceParent, UserId};
use nova_actors::{Error, Result};
use serde::Serialize;
use serde_json::{Value, json};

const STREAMS_TOPIC: &str = "streams";

/// Value of a record on the topic `streams`.
#[derive(Serialize)]
struct StreamEvent<'a> {
    event_id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    stream_id: String,
    creator_id: String,
    title: &'a str,
    category: &'a str,
    at_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// `stream.started`.
pub(super) fn stream_started(stream: &LiveStream, trace: &TraceParent) -> Result<Record> {
    stream_record("stream.started", stream, stream.started_at, None, trace)
}

/// `stream.ended`.
pub(super) fn stream_ended(
    stream: &LiveStream,
    reason: EndedReason,
    at: Timestamp,
    trace: &TraceParent,
) -> Result<Record> {
    stream_record("stream.ended", stream, at, Some(reason.as_str()), trace)
}

fn stream_record(
    kind: &'static str,
    stream: &LiveStream,
    at: Timestamp,
    reason: Option<&'static str>,
    trace: &TraceParent,
) -> Result<Record> {
    let headers = Headers::new(kind, trace.clone());
    let event = StreamEvent {
        event_id: headers.event_id.to_string(),
        kind,
        stream_id: stream.id.to_string(),
        creator_id: stream.creator_id.to_string(),
        title: &stream.title,
        category: &stream.category,
        at_ms: at.millis(),
        reason,
    };
    let value = serde_json::to_vec(&event)
        .map_err(|e| Error::internal("a stream event could not be encoded").with_source(e))?;
    Ok(Record {
        topic: STREAMS_TOPIC.into(),
        key: Bytes::from(stream.id.to_string()),
        value: Some(value.into()),
        headers,
        at,
    })
}

/// A row that changed, before it has a place in the change log.
#[derive(Debug)]
pub(super) struct RowChange {
    pub(super) table: CapturedTable,
    pub(super) op: ChangeOp,
    pub(super) key: Value,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
}

impl RowChange {
    pub(super) const fn created(table: CapturedTable, key: Value, after: Value) -> Self {
        Self {
            table,
            op: ChangeOp::Create,
            key,
            before: None,
            after: Some(after),
        }
    }

    pub(super) const fn updated(table: CapturedTable, key: Value, before: Value, after: Value) -> Self {
        Self {
            table,
            op: ChangeOp::Update,
            key,
            before: Some(before),
            after: Some(after),
        }
    }

    pub(super) const fn deleted(table: CapturedTable, key: Value, before: Value) -> Self {
        Self {
            table,
            op: ChangeOp::Delete,
            key,
            before: Some(before),
            after: None,
        }
    }
}

/// A new post.
pub(super) fn post_created(post: &Post) -> RowChange {
    RowChange::created(CapturedTable::Posts, post_key(post.id), post_image(post, None))
}

/// A soft delete: the row stays, with `deleted_at` set.
pub(super) fn post_deleted(post: &Post, at: Timestamp) -> RowChange {
    let (before, after) = (post_image(post, None), post_image(post, Some(at)));
    RowChange::updated(CapturedTable::Posts, post_key(post.id), before, after)
}

fn post_key(id: PostId) -> Value {
    json!({ "id": id })
}

fn post_image(post: &Post, deleted_at: Option<Timestamp>) -> Value {
    json!({
        "id": post.id,
        "author_id": post.author_id,
        "text": post.text,
        "media_url": post.media_url,
        "created_at": post.created_at,
        "deleted_at": deleted_at,
    })
}

/// A row of `post_counters`.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Counters {
    pub(super) post_id: PostId,
    pub(super) likes: u64,
    pub(super) comments: u64,
    pub(super) updated_at: Timestamp,
}

impl Counters {
    /// The counters row of a new post.
    pub(super) fn created(self) -> RowChange {
        RowChange::created(CapturedTable::PostCounters, self.key(), json!(self))
    }

    /// The counters went from `self` to `after`.
    pub(super) fn updated(self, after: Self) -> RowChange {
        RowChange::updated(CapturedTable::PostCounters, self.key(), json!(self), json!(after))
    }

    fn key(self) -> Value {
        json!({ "post_id": self.post_id })
    }
}

/// A row of `likes`.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Like {
    pub(super) user_id: UserId,
    pub(super) post_id: PostId,
    pub(super) post_author_id: UserId,
    pub(super) created_at: Timestamp,
}

impl Like {
    /// The like was set, or removed.
    pub(super) fn changed(self, liked: bool) -> RowChange {
        let key = json!({ "user_id": self.user_id, "post_id": self.post_id });
        if liked {
            RowChange::created(CapturedTable::Likes, key, json!(self))
        } else {
            RowChange::deleted(CapturedTable::Likes, key, json!(self))
        }
    }
}

/// A row of `follows`.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Follow {
    pub(super) follower_id: UserId,
    pub(super) followee_id: UserId,
    pub(super) created_at: Timestamp,
}

impl Follow {
    /// The follow was set, or removed.
    pub(super) fn changed(self, following: bool) -> RowChange {
        let key = json!({ "follower_id": self.follower_id, "followee_id": self.followee_id });
        if following {
            RowChange::created(CapturedTable::Follows, key, json!(self))
        } else {
            RowChange::deleted(CapturedTable::Follows, key, json!(self))
        }
    }
}
