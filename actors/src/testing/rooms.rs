//! A room bus in plain memory, with switches for everything that can go wrong.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::domain::Timestamp;
use crate::domain::room::{ChatPage, RoomEvent, RoomId, SequencedEvent};
use crate::error::{Error, Kind, Result};
use crate::ports::rooms::{DedupKey, Published, RoomBus, RoomSubscription};

/// Sequences in memory; nothing survives it.
#[derive(Debug, Default)]
pub struct FakeBus {
    rooms: Mutex<HashMap<RoomId, Room>>,
    /// Publishing and subscribing fail while set.
    pub away: AtomicBool,
    /// Publishing never answers while set.
    pub stuck: AtomicBool,
    /// Counting fails while set.
    pub countless: AtomicBool,
    /// Viewers that every room has on other nodes.
    pub elsewhere: AtomicU64,
    /// How many batches of counts were asked for.
    pub counted: AtomicUsize,
    /// How often a room was listened to.
    pub subscribed: AtomicUsize,
}

#[derive(Debug, Default)]
struct Room {
    forgotten: usize,
    events: Vec<SequencedEvent>,
    seen: HashMap<DedupKey, usize>,
    listeners: Vec<mpsc::Sender<SequencedEvent>>,
    viewers: u64,
}

impl FakeBus {
    /// Every event of a room so far.
    pub fn events(&self, room: RoomId) -> Vec<RoomEvent> {
        self.with(room, |room| room.events.iter().map(|e| e.event.clone()).collect())
    }

    /// Viewers that this node told of.
    pub fn told_viewers(&self, room: RoomId) -> u64 {
        self.with(room, |room| room.viewers)
    }

    /// From now on only events after the first `count` are remembered for subscribers.
    pub fn forget(&self, room: RoomId, count: usize) {
        self.with(room, |room| room.forgotten = count);
    }

    /// Ends all subscriptions of a room, as a bus does that lost it.
    pub fn cut(&self, room: RoomId) {
        self.with(room, |room| room.listeners.clear());
    }

    fn with<T>(&self, room: RoomId, work: impl FnOnce(&mut Room) -> T) -> T {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        work(rooms.entry(room).or_default())
    }

    fn present(&self) -> Result<()> {
        if self.away.load(Ordering::Relaxed) {
            return Err(Error::unavailable("the room bus"));
        }
        Ok(())
    }
}

#[async_trait]
impl RoomBus for FakeBus {
    async fn publish(
        &self,
        room: RoomId,
        _epoch: &str,
        event: RoomEvent,
        dedup: Option<DedupKey>,
    ) -> Result<Published> {
        if self.stuck.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.present()?;
        self.with(room, |room| {
            if let Some(at) = dedup.as_ref().and_then(|key| room.seen.get(key))
                && let Some(event) = room.events.get(*at)
            {
                return Ok(Published {
                    event: event.clone(),
                    repeated: true,
                });
            }
            if room.events.last().is_some_and(|last| last.event.is_end()) {
                return Err(Error::new(Kind::StreamEnded, "the live stream has ended"));
            }
            let at = room.events.len();
            let event = SequencedEvent {
                seq: u64::try_from(at).unwrap_or(u64::MAX) + 1,
                at: Timestamp::default(),
                event,
            };
            room.events.push(event.clone());
            if let Some(key) = dedup {
                room.seen.insert(key, at);
            }
            // A listener that is behind loses its subscription.
            room.listeners
                .retain(|listener| listener.try_send(event.clone()).is_ok());
            Ok(Published {
                event,
                repeated: false,
            })
        })
    }

    async fn subscribe(&self, room: RoomId, epoch: &str) -> Result<RoomSubscription> {
        self.present()?;
        self.subscribed.fetch_add(1, Ordering::Relaxed);
        Ok(self.with(room, |room| {
            let (listener, events) = mpsc::channel(1_024);
            room.listeners.push(listener);
            RoomSubscription {
                epoch: epoch.to_owned(),
                ring: room.events.iter().skip(room.forgotten).cloned().collect(),
                seq: u64::try_from(room.events.len()).unwrap_or(u64::MAX),
                events,
            }
        }))
    }

    async fn chat(&self, room: RoomId, before: Option<u64>, limit: u32) -> Result<ChatPage> {
        self.with(room, |room| {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let chats = room
                .events
                .iter()
                .filter(|e| matches!(e.event, RoomEvent::Chat(_)));
            let older: Vec<_> = chats
                .filter(|e| before.is_none_or(|b| e.seq < b))
                .cloned()
                .collect();
            let start = older.len().saturating_sub(limit);
            let messages = older.get(start..).unwrap_or_default().to_vec();
            let next = messages.first().filter(|_| start > 0).map(|e| e.seq);
            Ok(ChatPage { messages, next })
        })
    }

    async fn set_viewers(&self, room: RoomId, viewers: u64) -> Result<()> {
        self.with(room, |room| room.viewers = viewers);
        Ok(())
    }

    async fn viewers(&self, rooms: &[RoomId]) -> Result<HashMap<RoomId, u64>> {
        self.counted.fetch_add(1, Ordering::Relaxed);
        if self.countless.load(Ordering::Relaxed) {
            return Err(Error::unavailable("the room bus"));
        }
        let elsewhere = self.elsewhere.load(Ordering::Relaxed);
        Ok(rooms
            .iter()
            .map(|id| (*id, self.with(*id, |room| room.viewers) + elsewhere))
            .collect())
    }
}
