//! What every room bus promises (`RoomBus`).

mod history;
mod listeners;

use std::sync::Arc;

use nova::adapters::clock::SystemClock;
use nova::adapters::rooms::memory::MemoryRoomBus;
use nova::adapters::rooms::redis::RedisRoomBus;
use nova_actors::domain::room::{ChatLine, RoomEvent, RoomId, SequencedEvent};
use nova_actors::domain::{MessageId, UserId};
use nova_actors::ports::rooms::{DedupKey, Published, RoomBus};
use nova_actors::{Kind, Result};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{LogFile, soon};
use crate::contract::rooms::history::{
    a_room_comes_back_after_a_crash, another_epoch_starts_from_one_with_nothing_remembered,
    chat_pages_hold_chat_only_and_survive_reopening, the_ring_holds_at_least_512_events,
};
use crate::contract::rooms::listeners::{
    a_listener_in_the_middle_of_a_storm_misses_and_repeats_nothing,
    a_slow_listener_is_dropped_and_the_others_get_everything, listeners_hear_their_own_room_only,
    viewers_are_what_was_told_last,
};
use crate::harness::services;

/// See the module `contract`.
pub(crate) trait RoomPlace: Sized + Send + Sync {
    type Bus: RoomBus + 'static;
    fn new() -> impl Future<Output = Self> + Send;
    fn open(&self) -> impl Future<Output = Self::Bus> + Send;
}

macro_rules! room_contract {
    ($adapter:ident, $place:ty) => {
        mod $adapter {
            use super::*;
            contract_tests!(
                $place: events_are_numbered_from_one_and_handed_on_in_order,
                concurrent_publishes_get_each_number_once,
                a_repeated_key_gives_the_first_answer,
                concurrent_repeats_of_a_key_are_one_event,
                nothing_follows_the_end,
                a_listener_in_the_middle_of_a_storm_misses_and_repeats_nothing,
                a_slow_listener_is_dropped_and_the_others_get_everything,
                listeners_hear_their_own_room_only,
                viewers_are_what_was_told_last,
                the_ring_holds_at_least_512_events,
                another_epoch_starts_from_one_with_nothing_remembered,
                a_room_comes_back_after_a_crash,
                chat_pages_hold_chat_only_and_survive_reopening,
            );
        }
    };
}

room_contract!(memory, MemoryPlace);
room_contract!(redis, RedisPlace);

pub(crate) struct MemoryPlace(LogFile);

impl RoomPlace for MemoryPlace {
    type Bus = MemoryRoomBus;

    async fn new() -> Self {
        Self(LogFile::fresh())
    }

    async fn open(&self) -> MemoryRoomBus {
        let log = self.0.open().await;
        MemoryRoomBus::new(Arc::new(log.journal()), Arc::new(SystemClock))
    }
}

/// A node on the shared server; rooms have ids that nobody else has.
pub(crate) struct RedisPlace(String);

impl RoomPlace for RedisPlace {
    type Bus = RedisRoomBus;

    async fn new() -> Self {
        Self(format!("node-{}", uuid::Uuid::now_v7()))
    }

    async fn open(&self) -> RedisRoomBus {
        RedisRoomBus::connect(&services::redis_options(), &self.0, Arc::new(SystemClock)).unwrap()
    }
}

fn line(text: &str) -> RoomEvent {
    RoomEvent::Chat(ChatLine {
        m: MessageId::new(),
        u: UserId::new(),
        n: "ana".into(),
        x: text.into(),
    })
}

fn key(user: UserId, text: &str) -> Option<DedupKey> {
    Some(DedupKey {
        user,
        key: text.into(),
    })
}

fn seqs<'a>(events: impl IntoIterator<Item = &'a SequencedEvent>) -> Vec<u64> {
    events.into_iter().map(|event| event.seq).collect()
}

async fn next(events: &mut mpsc::Receiver<SequencedEvent>) -> SequencedEvent {
    soon(events.recv()).await.expect("the listener was dropped")
}

/// Publishes `count` lines at the same time; answers in the order of the calls.
async fn storm<B: RoomBus + 'static>(bus: &Arc<B>, room: RoomId, count: usize) -> Vec<Published> {
    let mut callers = JoinSet::new();
    for n in 0..count {
        let bus = Arc::clone(bus);
        callers.spawn(async move {
            let published = bus.publish(room, "e1", line(&n.to_string()), None).await;
            (n, published)
        });
    }
    let mut answers: Vec<(usize, Result<Published>)> = soon(callers.join_all()).await;
    answers.sort_by_key(|(n, _)| *n);
    answers.into_iter().map(|(_, answer)| answer.unwrap()).collect()
}

async fn events_are_numbered_from_one_and_handed_on_in_order<P: RoomPlace>() {
    let place = P::new().await;
    let bus = place.open().await;
    let room = RoomId::new();
    let mut listener = bus.subscribe(room, "e1").await.unwrap();
    assert_eq!((listener.epoch.as_str(), listener.seq), ("e1", 0));
    assert!(listener.ring.is_empty());
    for seq in 1..=20 {
        let event = line(&seq.to_string());
        let published = bus.publish(room, "e1", event.clone(), None).await.unwrap();
        assert_eq!(published.event.seq, seq);
        assert_eq!(published.event.event, event);
        assert!(!published.repeated);
        assert_eq!(next(&mut listener.events).await, published.event);
    }
}

async fn concurrent_publishes_get_each_number_once<P: RoomPlace>() {
    let place = P::new().await;
    let bus = Arc::new(place.open().await);
    let room = RoomId::new();
    let mut listener = bus.subscribe(room, "e1").await.unwrap();
    let mut answers = storm(&bus, room, 200).await;
    answers.sort_by_key(|answer| answer.event.seq);
    let answered: Vec<_> = answers.into_iter().map(|answer| answer.event).collect();
    assert_eq!(seqs(&answered), (1..=200).collect::<Vec<_>>());
    for expected in answered {
        assert_eq!(next(&mut listener.events).await, expected);
    }
}

async fn a_repeated_key_gives_the_first_answer<P: RoomPlace>() {
    let place = P::new().await;
    let bus = place.open().await;
    let room = RoomId::new();
    let (ana, ben) = (UserId::new(), UserId::new());
    let first = bus.publish(room, "e1", line("a"), key(ana, "k")).await.unwrap();
    let other = bus.publish(room, "e1", line("b"), key(ben, "k")).await.unwrap();
    assert_eq!((other.event.seq, other.repeated), (2, false));
    let again = bus
        .publish(room, "e1", line("changed"), key(ana, "k"))
        .await
        .unwrap();
    assert!(again.repeated);
    assert_eq!(again.event, first.event);
    let elsewhere = bus.publish(RoomId::new(), "e1", line("a"), key(ana, "k")).await;
    assert!(!elsewhere.unwrap().repeated, "a key belongs to its room");
    let third = bus.publish(room, "e1", line("c"), None).await.unwrap();
    assert_eq!(third.event.seq, 3, "a repeat takes no number");
}

async fn concurrent_repeats_of_a_key_are_one_event<P: RoomPlace>() {
    let place = P::new().await;
    let bus = Arc::new(place.open().await);
    let room = RoomId::new();
    let user = UserId::new();
    let mut callers = JoinSet::new();
    for n in 0..20 {
        let bus = Arc::clone(&bus);
        callers.spawn(async move {
            bus.publish(room, "e1", line(&n.to_string()), key(user, "k"))
                .await
                .unwrap()
        });
    }
    let answers = soon(callers.join_all()).await;
    assert_eq!(answers.iter().filter(|answer| !answer.repeated).count(), 1);
    assert!(answers.iter().all(|answer| answer.event == answers[0].event));
    assert_eq!(bus.subscribe(room, "e1").await.unwrap().seq, 1);
}

async fn nothing_follows_the_end<P: RoomPlace>() {
    let place = P::new().await;
    let bus = Arc::new(place.open().await);
    let room = RoomId::new();
    let user = UserId::new();
    let first = bus.publish(room, "e1", line("a"), key(user, "k")).await.unwrap();
    let mut callers = JoinSet::new();
    for n in 0..50 {
        let bus = Arc::clone(&bus);
        callers.spawn(async move {
            let event = if n == 25 {
                RoomEvent::ended("ended")
            } else {
                line("x")
            };
            bus.publish(room, "e1", event, None).await
        });
    }
    let mut kept = 1;
    for answer in soon(callers.join_all()).await {
        match answer {
            Ok(_) => kept += 1,
            Err(error) => assert_eq!(*error.kind(), Kind::StreamEnded, "{error}"),
        }
    }
    let late = bus
        .publish(room, "e1", RoomEvent::ended("ended"), None)
        .await
        .unwrap_err();
    assert_eq!(*late.kind(), Kind::StreamEnded);
    let heard = bus.subscribe(room, "e1").await.unwrap();
    assert_eq!(heard.seq, kept, "what was refused took no number");
    assert!(heard.ring.last().unwrap().event.is_end());
    let again = bus.publish(room, "e1", line("a"), key(user, "k")).await.unwrap();
    assert_eq!((again.repeated, again.event), (true, first.event));
}
