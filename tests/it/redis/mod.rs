//! Redis under several nodes, and what happens when it stops, forgets, freezes or cuts connections.

mod cache;
mod cluster;
mod faults;
mod keys;
mod nodes;
mod server;

use std::sync::Arc;

use nova::adapters::clock::SystemClock;
use nova::adapters::redis::RedisOptions;
use nova::adapters::rooms::redis::{RedisRoomBus, RedisRoomLimits};
use nova_actors::domain::room::{ChatLine, RoomEvent, RoomId, SequencedEvent};
use nova_actors::domain::{MessageId, UserId};
use nova_actors::ports::rooms::{DedupKey, RoomBus as _, RoomSubscription};
use tokio::time::timeout;

use crate::harness::{PATIENCE, pace};

fn node(options: &RedisOptions, limits: RedisRoomLimits) -> Arc<RedisRoomBus> {
    let name = format!("node-{}", uuid::Uuid::now_v7());
    Arc::new(RedisRoomBus::with_limits(options, &name, Arc::new(SystemClock), limits).unwrap())
}

fn line(text: &str) -> RoomEvent {
    RoomEvent::Chat(ChatLine {
        m: MessageId::new(),
        u: UserId::new(),
        n: "ana".into(),
        x: text.into(),
    })
}

fn text(event: &SequencedEvent) -> String {
    match &event.event {
        RoomEvent::Chat(line) => line.x.clone(),
        other => format!("{other:?}"),
    }
}

fn key(user: UserId, text: &str) -> Option<DedupKey> {
    Some(DedupKey {
        user,
        key: text.into(),
    })
}

/// Does what a room's actor does: listens, and subscribes again whenever its subscription was closed.
struct Listener {
    bus: Arc<RedisRoomBus>,
    room: RoomId,
    subscription: RoomSubscription,
    heard: Vec<SequencedEvent>,
    /// How often the subscription was closed.
    lost: usize,
}

impl Listener {
    async fn start(bus: &Arc<RedisRoomBus>, room: RoomId) -> Self {
        let subscription = bus.subscribe(room, "e1").await.unwrap();
        Self {
            bus: Arc::clone(bus),
            room,
            heard: subscription.ring.clone(),
            subscription,
            lost: 0,
        }
    }

    fn newest(&self) -> u64 {
        self.heard.last().map_or(0, |event| event.seq)
    }

    /// Reads until sequence number `seq`.
    async fn until(&mut self, seq: u64) {
        let reading = async {
            while self.newest() < seq {
                match self.subscription.events.recv().await {
                    Some(event) => self.heard.push(event),
                    None => self.subscribe_again().await,
                }
            }
        };
        let done = timeout(PATIENCE, reading).await;
        assert!(done.is_ok(), "heard up to {} of {seq}", self.newest());
    }

    async fn subscribe_again(&mut self) {
        self.lost += 1;
        let mut turns = pace();
        loop {
            turns.tick().await;
            match self.bus.subscribe(self.room, "e1").await {
                Ok(again) => self.subscription = again,
                Err(error) if error.retryable() => continue,
                Err(error) => panic!("{error}"),
            }
            let newest = self.newest();
            let missed = self.subscription.ring.iter().filter(|event| event.seq > newest);
            self.heard.extend(missed.cloned());
            return;
        }
    }

    fn assert_gapless(&self) {
        let seqs: Vec<u64> = self.heard.iter().map(|event| event.seq).collect();
        let first = seqs.first().copied().unwrap_or(1);
        let expected: Vec<u64> = (first..).take(seqs.len()).collect();
        assert_eq!(seqs, expected, "each event once, in order");
    }
}
