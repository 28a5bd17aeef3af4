//! What a room remembers: the ring, keys, the end and chat; in one process and after it died.

use std::sync::Arc;

use nova_actors::Kind;
use nova_actors::domain::UserId;
use nova_actors::domain::room::{RoomEvent, RoomId, RoomInfo};
use nova_actors::ports::rooms::RoomBus;

use super::{RoomPlace, key, line, next, seqs, storm};
use crate::contract::soon;

fn info() -> RoomEvent {
    RoomEvent::Info(RoomInfo {
        title: "t".into(),
        category: "talk".into(),
    })
}

pub(super) async fn the_ring_holds_at_least_512_events<P: RoomPlace>() {
    let place = P::new().await;
    let bus = Arc::new(place.open().await);
    let room = RoomId::new();
    storm(&bus, room, 350).await;
    storm(&bus, room, 350).await;
    let heard = bus.subscribe(room, "e1").await.unwrap();
    assert_eq!(heard.seq, 700);
    assert!(heard.ring.len() >= 512);
    let first = 701 - heard.ring.len() as u64;
    assert_eq!(seqs(&heard.ring), (first..=700).collect::<Vec<_>>());
}

pub(super) async fn another_epoch_starts_from_one_with_nothing_remembered<P: RoomPlace>() {
    let place = P::new().await;
    let bus = place.open().await;
    let room = RoomId::new();
    let user = UserId::new();
    let mut old = bus.subscribe(room, "e1").await.unwrap();
    bus.publish(room, "e1", line("a"), key(user, "k")).await.unwrap();
    bus.publish(room, "e1", RoomEvent::ended("ended"), None)
        .await
        .unwrap();
    let published = bus.publish(room, "e2", line("b"), key(user, "k")).await.unwrap();
    assert_eq!((published.event.seq, published.repeated), (1, false));
    assert_eq!(next(&mut old.events).await.seq, 1);
    assert_eq!(next(&mut old.events).await.seq, 2);
    assert_eq!(
        soon(old.events.recv()).await,
        None,
        "another epoch ends a listener"
    );
    let heard = bus.subscribe(room, "e2").await.unwrap();
    assert_eq!((heard.epoch.as_str(), heard.seq), ("e2", 1));
    assert_eq!(heard.ring, [published.event]);
    drop(bus);
    let bus = place.open().await;
    assert_eq!(bus.subscribe(room, "e2").await.unwrap().seq, 1);
    let empty = bus.subscribe(room, "e3").await.unwrap();
    assert_eq!((empty.epoch.as_str(), empty.seq), ("e3", 0));
    assert!(empty.ring.is_empty());
}

pub(super) async fn a_room_comes_back_after_a_crash<P: RoomPlace>() {
    let place = P::new().await;
    let (room, ended) = (RoomId::new(), RoomId::new());
    let user = UserId::new();
    let bus = Arc::new(place.open().await);
    let first = bus.publish(room, "e1", line("a"), key(user, "k")).await.unwrap();
    storm(&bus, room, 99).await;
    bus.publish(ended, "e1", RoomEvent::ended("ended"), None)
        .await
        .unwrap();
    let before = bus.subscribe(room, "e1").await.unwrap();
    // Nobody closes it.
    drop(bus);

    let bus = place.open().await;
    let mut after = bus.subscribe(room, "e1").await.unwrap();
    assert_eq!(after.seq, 100);
    assert_eq!(after.ring, before.ring);
    let repeated = bus.publish(room, "e1", line("a"), key(user, "k")).await.unwrap();
    assert_eq!((repeated.repeated, repeated.event), (true, first.event));
    let published = bus.publish(room, "e1", line("b"), None).await.unwrap();
    assert_eq!(published.event.seq, 101);
    assert_eq!(next(&mut after.events).await, published.event);
    let error = bus.publish(ended, "e1", line("late"), None).await.unwrap_err();
    assert_eq!(*error.kind(), Kind::StreamEnded);
}

async fn page(bus: &impl RoomBus, room: RoomId, before: Option<u64>) -> (Vec<u64>, Option<u64>) {
    let page = bus.chat(room, before, 3).await.unwrap();
    (seqs(&page.messages), page.next)
}

pub(super) async fn chat_pages_hold_chat_only_and_survive_reopening<P: RoomPlace>() {
    let place = P::new().await;
    let bus = place.open().await;
    let room = RoomId::new();
    assert_eq!(page(&bus, room, None).await, (vec![], None));
    for seq in 1..=8 {
        let event = if seq == 4 { info() } else { line(&seq.to_string()) };
        bus.publish(room, "e1", event, None).await.unwrap();
    }
    let check = async |bus: &P::Bus| {
        assert_eq!(page(bus, room, None).await, (vec![6, 7, 8], Some(6)));
        assert_eq!(page(bus, room, Some(6)).await, (vec![2, 3, 5], Some(2)));
        assert_eq!(page(bus, room, Some(2)).await, (vec![1], None));
        assert_eq!(page(bus, room, Some(1)).await, (vec![], None));
    };
    check(&bus).await;
    drop(bus);
    check(&place.open().await).await;
}
