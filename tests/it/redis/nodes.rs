//! Two nodes on one Redis.

use std::time::Duration;

use nova_actors::domain::UserId;
use nova_actors::domain::room::{RoomEvent, RoomId};
use nova_actors::ports::rooms::RoomBus as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::server::Admin;
use super::{Listener, RedisRoomLimits, key, line, node, text};
use crate::harness::{PATIENCE, eventually, pace, services};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_see_one_order_without_holes_while_both_publish() {
    let options = services::redis_options();
    let nodes = [(); 2].map(|()| node(&options, RedisRoomLimits::default()));
    let room = RoomId::new();
    let mut listeners = [
        Listener::start(&nodes[0], room).await,
        Listener::start(&nodes[1], room).await,
    ];
    let mut publishing = JoinSet::new();
    for n in 0..400 {
        let bus = std::sync::Arc::clone(&nodes[n % 2]);
        publishing.spawn(async move { bus.publish(room, "e1", line(&n.to_string()), None).await.unwrap() });
    }
    let mut answers: Vec<_> = publishing.join_all().await.into_iter().map(|p| p.event).collect();
    answers.sort_by_key(|event| event.seq);
    for listener in &mut listeners {
        listener.until(400).await;
        assert_eq!(listener.heard, answers);
    }
    let late = nodes[1].subscribe(room, "e1").await.unwrap();
    assert_eq!(late.ring, answers);
}

#[tokio::test]
async fn a_key_is_recognised_on_every_node() {
    let options = services::redis_options();
    let [a, b] = [(); 2].map(|()| node(&options, RedisRoomLimits::default()));
    let (room, user) = (RoomId::new(), UserId::new());
    let first = a.publish(room, "e1", line("a"), key(user, "k")).await.unwrap();
    let again = b.publish(room, "e1", line("b"), key(user, "k")).await.unwrap();
    assert_eq!((again.repeated, again.event), (true, first.event));
    let end = RoomEvent::ended("ended");
    a.publish(room, "e1", end, None).await.unwrap();
    let late = b.publish(room, "e1", line("c"), None).await.unwrap_err();
    assert_eq!(*late.kind(), nova_actors::Kind::StreamEnded);
}

#[tokio::test]
async fn a_key_is_forgotten_after_its_time() {
    let limits = RedisRoomLimits {
        dedup_age: Duration::from_millis(100),
        ..RedisRoomLimits::default()
    };
    let bus = node(&services::redis_options(), limits);
    let (room, user) = (RoomId::new(), UserId::new());
    bus.publish(room, "e1", line("a"), key(user, "k")).await.unwrap();
    eventually("a new event for the old key", PATIENCE, async || {
        let again = bus.publish(room, "e1", line("b"), key(user, "k")).await.unwrap();
        if again.repeated {
            Err("still known".into())
        } else {
            Ok(())
        }
    })
    .await;
}

#[tokio::test]
async fn another_epoch_on_one_node_ends_listeners_on_the_other() {
    let options = services::redis_options();
    let [a, b] = [(); 2].map(|()| node(&options, RedisRoomLimits::default()));
    let room = RoomId::new();
    let mut old = b.subscribe(room, "e1").await.unwrap();
    a.publish(room, "e1", line("old"), None).await.unwrap();
    let first = a.publish(room, "e2", line("new"), None).await.unwrap();
    assert_eq!(first.event.seq, 1);
    let heard = timeout(PATIENCE, old.events.recv()).await.unwrap().unwrap();
    assert_eq!(text(&heard), "old");
    assert_eq!(timeout(PATIENCE, old.events.recv()).await.unwrap(), None);
    let mut new = b.subscribe(room, "e2").await.unwrap();
    assert_eq!(new.ring, [first.event]);
    let second = a.publish(room, "e2", line("more"), None).await.unwrap();
    assert_eq!(
        timeout(PATIENCE, new.events.recv()).await.unwrap(),
        Some(second.event)
    );
}

async fn shows(bus: &super::RedisRoomBus, room: RoomId, viewers: u64) {
    eventually("viewers", PATIENCE, async || {
        let counts = bus.viewers(&[room]).await.unwrap();
        let count = counts.get(&room).copied().unwrap_or(0);
        if count == viewers {
            Ok(())
        } else {
            Err(count.to_string())
        }
    })
    .await;
}

#[tokio::test]
async fn counts_of_nodes_add_up_and_those_of_a_dead_node_go() {
    let limits = RedisRoomLimits {
        viewers_ttl: Duration::from_millis(1_000),
        viewers_refresh: Duration::from_millis(200),
        ..RedisRoomLimits::default()
    };
    let options = services::redis_options();
    let [dies, leaves, stays] = [(); 3].map(|()| node(&options, limits));
    let room = RoomId::new();
    for (bus, viewers) in [(&dies, 3), (&leaves, 4), (&stays, 5)] {
        bus.set_viewers(room, viewers).await.unwrap();
    }
    // Told again and again, they live longer than they are good for.
    let begun = Instant::now();
    let mut turns = pace();
    while begun.elapsed() < limits.viewers_ttl * 2 {
        turns.tick().await;
        shows(&stays, room, 12).await;
    }
    leaves.close().await;
    shows(&stays, room, 8).await;
    let died = Instant::now();
    drop(dies);
    shows(&stays, room, 5).await;
    assert!(died.elapsed() < limits.viewers_ttl * 5);
}

#[tokio::test]
async fn a_node_listens_only_to_rooms_that_someone_here_listens_to() {
    let bus = node(&services::redis_options(), RedisRoomLimits::default());
    let admin = Admin::connect(&services::redis()).await;
    let room = RoomId::new();
    let channel = format!("room:{{{room}}}:events");
    bus.publish(room, "e1", line("a"), None).await.unwrap();
    let heard = async || {
        let answer: Vec<fred::prelude::Value> = admin
            .run(&["PUBSUB", "NUMSUB", &channel])
            .await
            .convert()
            .unwrap();
        answer.get(1).and_then(fred::prelude::Value::as_i64)
    };
    assert_eq!((bus.rooms_listened_to(), heard().await), (0, Some(0)));
    let first = bus.subscribe(room, "e1").await.unwrap();
    let second = bus.subscribe(room, "e1").await.unwrap();
    assert_eq!((bus.rooms_listened_to(), heard().await), (1, Some(1)));
    drop(first);
    drop(second);
    eventually("the channel is left", PATIENCE, async || match heard().await {
        Some(0) if bus.rooms_listened_to() == 0 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    bus.publish(room, "e1", line("b"), None).await.unwrap();
    let mut again = Listener::start(&bus, room).await;
    bus.publish(room, "e1", line("c"), None).await.unwrap();
    again.until(3).await;
    again.assert_gapless();
}

#[tokio::test]
async fn what_is_beyond_a_bound_is_refused() {
    let limits = RedisRoomLimits {
        subscribers: 1,
        publishes: 0,
        ..RedisRoomLimits::default()
    };
    let bus = node(&services::redis_options(), limits);
    let room = RoomId::new();
    let _listener = bus.subscribe(room, "e1").await.unwrap();
    let second = bus.subscribe(room, "e1").await.unwrap_err();
    assert_eq!(*second.kind(), nova_actors::Kind::Overloaded);
    let publish = bus.publish(room, "e1", line("a"), None).await.unwrap_err();
    assert_eq!(*publish.kind(), nova_actors::Kind::Overloaded);
}
