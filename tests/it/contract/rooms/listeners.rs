//! Who hears what, and how many watch.

use std::sync::Arc;

use nova_actors::domain::room::RoomId;
use nova_actors::ports::rooms::RoomBus as _;
use tokio::task::JoinSet;

use super::{RoomPlace, line, next, seqs, storm};
use crate::contract::soon;

pub(super) async fn a_listener_in_the_middle_of_a_storm_misses_and_repeats_nothing<P: RoomPlace>() {
    let place = P::new().await;
    let bus = Arc::new(place.open().await);
    let room = RoomId::new();
    let mut publishing = JoinSet::new();
    publishing.spawn({
        let bus = Arc::clone(&bus);
        async move { storm(&bus, room, 300).await }
    });
    let mut listeners = Vec::new();
    let published = soon(async {
        loop {
            if let Some(published) = publishing.try_join_next() {
                return published;
            }
            if listeners.len() < 50 {
                listeners.push(bus.subscribe(room, "e1").await.unwrap());
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(published.unwrap().len(), 300);
    assert!(!listeners.is_empty());
    for mut listener in listeners {
        assert_eq!(listener.ring.last().map_or(0, |event| event.seq), listener.seq);
        let mut heard = seqs(&listener.ring);
        while heard.len() < 300 {
            heard.push(next(&mut listener.events).await.seq);
        }
        assert_eq!(heard, (1..=300).collect::<Vec<_>>());
    }
}

pub(super) async fn a_slow_listener_is_dropped_and_the_others_get_everything<P: RoomPlace>() {
    const EVENTS: u64 = 4_000;
    let place = P::new().await;
    let bus = Arc::new(place.open().await);
    let room = RoomId::new();
    let mut slow = bus.subscribe(room, "e1").await.unwrap();
    let mut quick = bus.subscribe(room, "e1").await.unwrap();
    let read = async {
        for seq in 1..=EVENTS {
            assert_eq!(next(&mut quick.events).await.seq, seq);
        }
    };
    let publish = async {
        for _ in 0..EVENTS / 200 {
            storm(&bus, room, 200).await;
        }
    };
    tokio::join!(read, publish);
    let mut heard = 0;
    while let Some(event) = soon(slow.events.recv()).await {
        heard += 1;
        assert_eq!(event.seq, heard, "what a slow listener gets has no gaps");
    }
    assert!(heard < EVENTS);
    // It may come back and finds what the room remembers.
    let again = bus.subscribe(room, "e1").await.unwrap();
    assert_eq!(again.seq, EVENTS);
}

pub(super) async fn listeners_hear_their_own_room_only<P: RoomPlace>() {
    let place = P::new().await;
    let bus = place.open().await;
    let (a, b) = (RoomId::new(), RoomId::new());
    let mut in_a = bus.subscribe(a, "e1").await.unwrap();
    let mut in_b = bus.subscribe(b, "e1").await.unwrap();
    bus.publish(a, "e1", line("a"), None).await.unwrap();
    let published = bus.publish(b, "e1", line("b"), None).await.unwrap();
    assert_eq!(published.event.seq, 1, "each room has its own sequence");
    assert_eq!(next(&mut in_b.events).await, published.event);
    assert_eq!(next(&mut in_a.events).await.seq, 1);
    assert!(in_a.events.try_recv().is_err());
    assert!(in_b.events.try_recv().is_err());
}

pub(super) async fn viewers_are_what_was_told_last<P: RoomPlace>() {
    let place = P::new().await;
    let bus = place.open().await;
    let [a, b, c, unknown] = [(); 4].map(|()| RoomId::new());
    for (room, viewers) in [(a, 1), (a, 7), (b, 3), (c, 5), (c, 0), (unknown, 0)] {
        bus.set_viewers(room, viewers).await.unwrap();
    }
    let counts = bus.viewers(&[a, b, c, unknown]).await.unwrap();
    assert_eq!(counts.get(&a), Some(&7));
    assert_eq!(counts.get(&b), Some(&3));
    for room in [c, unknown] {
        assert_eq!(counts.get(&room).copied().unwrap_or_default(), 0);
    }
    assert!(bus.viewers(&[]).await.unwrap().is_empty());
}
