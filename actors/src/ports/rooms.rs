//! Ports to rooms: the bus that sequences, keeps and fans out their events, and the journal below the
//! in-memory bus.

use std::collections::HashMap;

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::domain::room::{ChatPage, RoomEvent, RoomId, SequencedEvent};
use crate::domain::{Timestamp, UserId};
use crate::error::Result;

/// Repeating a publish with the same key by the same user within 10 minutes gives the first answer again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DedupKey {
    /// Who sends.
    pub user: UserId,
    /// The client's key.
    pub key: String,
}

/// Answer to a publish, given only after the event is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The event as it was sequenced: for a repeated key, the first one.
    pub event: SequencedEvent,
    /// Whether the key was seen before, so that nothing new was sequenced.
    pub repeated: bool,
}

/// A node's view of a room from one point on.
#[derive(Debug)]
pub struct RoomSubscription {
    /// Names the sequence; another epoch means another sequence.
    pub epoch: String,
    /// The last events, in order and without gaps: at least 512 or 120 s, whichever is more.
    pub ring: Vec<SequencedEvent>,
    /// Sequence number of the newest event (0 for none).
    pub seq: u64,
    /// Every later event, in order. Closed when the reader was too slow or the bus lost the room: then
    /// subscribe again.
    pub events: mpsc::Receiver<SequencedEvent>,
}

/// Sequence, history and fan-out of rooms, over all nodes.
#[async_trait]
pub trait RoomBus: Send + Sync {
    /// Sequences one event of the room's broadcast `epoch`, keeps it and hands it to every subscriber.
    ///
    /// # Errors
    /// `StreamEnded` once the end was sequenced; `Unavailable` when it cannot be made durable; `Overloaded` when
    /// too many wait. An `Unavailable` event may still have been kept: the same key then gives it.
    async fn publish(
        &self,
        room: RoomId,
        epoch: &str,
        event: RoomEvent,
        dedup: Option<DedupKey>,
    ) -> Result<Published>;
    /// Listens to a room from now on, with what it remembers. Another epoch than the room's begins it.
    async fn subscribe(&self, room: RoomId, epoch: &str) -> Result<RoomSubscription>;
    /// A page of chat of the room's newest epoch: the newest messages before sequence number `before` (or of
    /// all), oldest first. `limit` is at least 1.
    async fn chat(&self, room: RoomId, before: Option<u64>, limit: u32) -> Result<ChatPage>;
    /// Tells how many viewers this node has in a room; 0 forgets it.
    async fn set_viewers(&self, room: RoomId, viewers: u64) -> Result<()>;
    /// Viewers of each room over all nodes, in one round trip; a room without viewers may be absent.
    async fn viewers(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, u64>>;
}

/// One journalled event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// Which room.
    pub room: RoomId,
    /// Which broadcast.
    pub epoch: String,
    /// The event with its place.
    pub event: SequencedEvent,
    /// The client's key, so that a repeat is recognised after a restart too.
    pub dedup: Option<DedupKey>,
}

/// Most entries that [`RoomJournal::tail`] answers.
pub const MAX_TAIL: u32 = 65_536;

/// What lets the rooms of the in-memory bus survive the process.
#[async_trait]
pub trait RoomJournal: Send + Sync {
    /// Writes all entries durably, or none. Entries of a room come in the order of their sequence, with times
    /// that do not fall; a place in the sequence of an epoch can be taken once.
    async fn append(&self, entries: Vec<JournalEntry>) -> Result<()>;
    /// The newest entries of a room: at least `count`, and all since `since`, but at most [`MAX_TAIL`]; in order.
    async fn tail(&self, room: RoomId, count: u32, since: Timestamp) -> Result<Vec<JournalEntry>>;
    /// See [`RoomBus::chat`].
    async fn chat(&self, room: RoomId, before: Option<u64>, limit: u32) -> Result<ChatPage>;
    /// Forgets rooms that ended before `before`; answers how many entries went. A room that goes on keeps its
    /// entries, because its sequence goes on.
    async fn trim(&self, before: Timestamp) -> Result<u64>;
}
