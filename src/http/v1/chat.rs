//! History of a room's chat.

use axum::Json;
use axum::extract::State;
use nova_actors::domain::StreamId;
use nova_actors::domain::room::{RoomEvent, SequencedEvent};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::http::extract::{Id, Query, Viewer, clamped};
use crate::http::problem::Problem;
use crate::http::state::EdgeState;

/// A chat message; the short names are those of the viewer protocol.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChatMessage {
    /// The message's id.
    m: Uuid,
    /// Who wrote it.
    u: Uuid,
    /// The writer's user name.
    n: String,
    /// The text.
    x: String,
    /// When it was sequenced, in milliseconds since 1970.
    t: i64,
    /// Its place in the room's sequence.
    seq: u64,
}

/// Chat messages in ascending order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChatHistory {
    messages: Vec<ChatMessage>,
    /// `before` of the page of older messages; `null` at the beginning.
    #[schema(required)]
    next: Option<u64>,
}

/// Chat of a live stream
///
/// The newest page first; kept while it is live and 24 hours after.
#[utoipa::path(get, operation_id = "list_chat", path = "/streams/{id}/chat", tag = "streams",
    params(
        ("id" = uuid::Uuid, Path, description = "The live stream"),
        ("before" = Option<i64>, Query, description = "Only messages with a smaller sequence number"),
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 when absent; brought into range"),
    ),
    responses(
        (status = 200, description = "A page", body = ChatHistory),
        (status = 404, description = "There is nothing under this id"),
    ))]
pub(super) async fn history(
    State(state): State<EdgeState>,
    _viewer: Viewer,
    Id(id): Id<StreamId>,
    query: Query,
) -> Result<Json<ChatHistory>, Problem> {
    let before = query.number("before")?.map(|seq| u64::try_from(seq).unwrap_or(0));
    let limit = clamped(query.number("limit")?, DEFAULT_LIMIT, 1, MAX_LIMIT);
    let page = state.streams.chat(id, before, limit).await?;
    Ok(Json(ChatHistory {
        messages: page.messages.into_iter().filter_map(message).collect(),
        next: page.next,
    }))
}

fn message(event: SequencedEvent) -> Option<ChatMessage> {
    let RoomEvent::Chat(line) = event.event else {
        return None;
    };
    Some(ChatMessage {
        m: line.m.uuid(),
        u: line.u.uuid(),
        n: line.n,
        x: line.x,
        t: event.at.millis(),
        seq: event.seq,
    })
}
