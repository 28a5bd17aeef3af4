//! Reads of a room's history. It is one stream per room whose ids are the sequence numbers.

use std::collections::{HashMap, VecDeque};

use fred::interfaces::{HashesInterface as _, StreamsInterface as _};
use fred::types::streams::XReadValue;
use nova_actors::Result;
use nova_actors::domain::Timestamp;
use nova_actors::domain::room::{ChatPage, RoomEvent, RoomId, SequencedEvent};

use super::keys;
use super::limits::RedisRoomLimits;
use super::line::Line;
use crate::adapters::redis::{Connection, failure};

/// Events of one read.
pub(super) const CHUNK: u64 = 512;
/// Most messages of one page of chat.
const MAX_PAGE: u32 = 1_000;

type Entry = XReadValue<String, String, String>;

fn events(entries: Vec<Entry>) -> Result<Vec<SequencedEvent>> {
    entries
        .into_iter()
        .map(|(_, fields): (String, HashMap<String, String>)| {
            Line::event(fields.get("e").map_or("", String::as_str))
        })
        .collect()
}

/// Up to `count` events before sequence number `before` (or of all), newest first.
async fn before(
    connection: &Connection,
    room: RoomId,
    before: Option<u64>,
    count: u64,
) -> Result<Vec<SequencedEvent>> {
    let end = match before {
        Some(0 | 1) => return Ok(Vec::new()),
        Some(before) => (before - 1).to_string(),
        None => "+".to_owned(),
    };
    let client = connection.ready().await?;
    let entries = client
        .xrevrange_values(keys::log(room), end, "-", Some(count))
        .await
        .map_err(failure)?;
    events(entries)
}

/// Up to [`CHUNK`] events after `seq`, oldest first, and the epoch in which the room is.
pub(super) async fn after(
    connection: &Connection,
    room: RoomId,
    seq: u64,
) -> Result<(Option<String>, Vec<SequencedEvent>)> {
    let client = connection.ready().await?;
    // In this order: an epoch that begins in between is seen now or announced on the channel.
    let epoch = client.hget::<Option<String>, _, _>(keys::state(room), "epoch");
    let entries = client.xrange_values(keys::log(room), (seq + 1).to_string(), "+", Some(CHUNK));
    let (epoch, entries) = tokio::try_join!(epoch, entries).map_err(failure)?;
    Ok((epoch, events(entries)?))
}

/// The events that a new listener gets: in order, without gaps, up to the newest.
pub(super) async fn ring(
    connection: &Connection,
    room: RoomId,
    limits: &RedisRoomLimits,
    now: Timestamp,
) -> Result<Vec<SequencedEvent>> {
    let mut ring: VecDeque<SequencedEvent> = VecDeque::new();
    loop {
        let oldest = ring.front().map(|event| event.seq);
        let chunk = before(connection, room, oldest, CHUNK).await?;
        let more = chunk.len() as u64 == CHUNK;
        for event in chunk {
            let enough = ring.len() >= limits.ring_events && now.since(event.at) > limits.ring_age;
            let gap = ring.front().is_some_and(|next| next.seq != event.seq + 1);
            if enough || gap || ring.len() >= limits.ring_cap {
                return Ok(ring.into());
            }
            ring.push_front(event);
        }
        if !more {
            return Ok(ring.into());
        }
    }
}

/// See `RoomBus::chat`.
pub(super) async fn chat(
    connection: &Connection,
    room: RoomId,
    before_seq: Option<u64>,
    limit: u32,
) -> Result<ChatPage> {
    let limit = usize::try_from(limit.clamp(1, MAX_PAGE)).unwrap_or(usize::MAX);
    let mut messages: VecDeque<SequencedEvent> = VecDeque::new();
    let mut upto = before_seq;
    loop {
        let lacking = (limit + 1 - messages.len()) as u64;
        // A few more than lack: not everything is chat.
        let count = (lacking + lacking / 8 + 1).max(16);
        let chunk = before(connection, room, upto, count).await?;
        let more = chunk.len() as u64 == count;
        upto = chunk.last().map(|event| event.seq).or(upto);
        for event in chunk {
            if matches!(event.event, RoomEvent::Chat(_)) {
                if messages.len() == limit {
                    let next = messages.front().map(|oldest| oldest.seq);
                    return Ok(ChatPage {
                        messages: messages.into(),
                        next,
                    });
                }
                messages.push_front(event);
            }
        }
        if !more {
            return Ok(ChatPage {
                messages: messages.into(),
                next: None,
            });
        }
    }
}
