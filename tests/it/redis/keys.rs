//! What a room leaves in Redis, how much of it, and for how long.

use std::time::Duration;

use nova_actors::domain::UserId;
use nova_actors::domain::room::{RoomEvent, RoomId};
use nova_actors::ports::rooms::RoomBus as _;

use super::server::Admin;
use super::{RedisRoomLimits, key, line, node};
use crate::harness::services;

async fn lifetimes(admin: &Admin, room: RoomId) -> Vec<(&'static str, Duration)> {
    let mut all = Vec::new();
    for name in ["state", "log", "keys", "key_times"] {
        let ttl = admin.number(&["PTTL", &format!("room:{{{room}}}:{name}")]).await;
        all.push((name, Duration::from_millis(ttl.try_into().unwrap_or(0))));
    }
    all
}

#[tokio::test]
async fn everything_of_a_room_expires_a_day_after_its_end_and_not_while_it_goes_on() {
    let limits = RedisRoomLimits::default();
    let bus = node(&services::redis_options(), limits);
    let admin = Admin::connect(&services::redis()).await;
    let room = RoomId::new();
    let user = UserId::new();
    bus.publish(room, "e1", line("a"), key(user, "k")).await.unwrap();
    for (name, left) in lifetimes(&admin, room).await {
        assert!(
            left > limits.keep_silent / 2 && left <= limits.keep_silent,
            "{name}: {left:?}"
        );
    }
    bus.publish(room, "e1", RoomEvent::ended("ended"), None)
        .await
        .unwrap();
    // Whoever looks at it later keeps it no longer.
    bus.subscribe(room, "e1").await.unwrap();
    bus.publish(room, "e1", line("a"), key(user, "k")).await.unwrap();
    bus.publish(room, "e1", line("b"), None).await.unwrap_err();
    for (name, left) in lifetimes(&admin, room).await {
        assert!(
            left > limits.keep_ended / 2 && left <= limits.keep_ended,
            "{name}: {left:?}"
        );
    }
    assert_eq!(bus.chat(room, None, 10).await.unwrap().messages.len(), 1);
}

#[tokio::test]
async fn history_and_keys_of_a_busy_room_stay_within_their_bounds() {
    let limits = RedisRoomLimits {
        history: 600,
        dedup_cap: 50,
        ..RedisRoomLimits::default()
    };
    let bus = node(&services::redis_options(), limits);
    let admin = Admin::connect(&services::redis()).await;
    let room = RoomId::new();
    let user = UserId::new();
    for round in 0..20 {
        let published = (0..100).map(|n| {
            let key = key(user, &format!("{round}-{n}"));
            bus.publish(room, "e1", line("x"), key)
        });
        futures_util::future::try_join_all(published).await.unwrap();
    }
    // Redis cuts a stream by whole nodes of up to 100 entries.
    let kept = admin.number(&["XLEN", &format!("room:{{{room}}}:log")]).await;
    assert!((600..=800).contains(&kept), "{kept}");
    for name in ["HLEN keys", "ZCARD key_times"] {
        let (command, name) = name.split_once(' ').unwrap();
        let size = admin.number(&[command, &format!("room:{{{room}}}:{name}")]).await;
        assert_eq!(size, 50, "{name}");
    }
    let newest = bus
        .publish(room, "e1", line("x"), key(user, "19-99"))
        .await
        .unwrap();
    assert!(newest.repeated, "the newest keys stay");
    let mut before = None;
    let mut read = 0;
    loop {
        let page = bus.chat(room, before, 200).await.unwrap();
        read += page.messages.len();
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(i64::try_from(read).unwrap(), kept);
    let ring = bus.subscribe(room, "e1").await.unwrap();
    assert_eq!(ring.seq, 2_000);
    assert!(ring.ring.len() >= 512);
}

#[tokio::test]
async fn pages_of_chat_are_full_however_much_else_happened() {
    let bus = node(&services::redis_options(), RedisRoomLimits::default());
    let room = RoomId::new();
    let info = || {
        RoomEvent::Info(nova_actors::domain::room::RoomInfo {
            title: "t".into(),
            category: "talk".into(),
        })
    };
    for n in 0..300 {
        let event = if n % 30 == 0 { line(&n.to_string()) } else { info() };
        bus.publish(room, "e1", event, None).await.unwrap();
    }
    let page = bus.chat(room, None, 4).await.unwrap();
    let seqs =
        |page: &nova_actors::domain::room::ChatPage| page.messages.iter().map(|m| m.seq).collect::<Vec<_>>();
    assert_eq!((seqs(&page), page.next), (vec![181, 211, 241, 271], Some(181)));
    let page = bus.chat(room, Some(181), 6).await.unwrap();
    assert_eq!((seqs(&page), page.next), (vec![1, 31, 61, 91, 121, 151], None));
}
