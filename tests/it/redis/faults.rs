//! Redis killed, frozen, emptied, cut off or never there, while people talk.

use std::sync::Arc;
use std::time::Duration;

use nova::adapters::rooms::redis::RedisRoomBus;
use nova_actors::domain::UserId;
use nova_actors::domain::room::{RoomId, SequencedEvent};
use nova_actors::ports::rooms::RoomBus as _;
use nova_actors::{Error, Kind};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::server::{DURABLE, Server};
use super::{Listener, RedisRoomLimits, key, line, node, text};
use crate::harness::{PATIENCE, eventually, pace};

/// What a talker has: every acknowledged message, and how often it was told to try again.
#[derive(Default)]
struct Talk {
    acknowledged: Vec<SequencedEvent>,
    refused: usize,
    slowest: Duration,
}

/// Someone who talks until told to stop, and repeats with the same key what was not acknowledged.
fn talk(
    talkers: &mut JoinSet<Talk>,
    bus: &Arc<RedisRoomBus>,
    room: RoomId,
    name: &'static str,
    stop: &CancellationToken,
) {
    let (bus, stop) = (Arc::clone(bus), stop.clone());
    talkers.spawn(async move {
        let user = UserId::new();
        let mut talk = Talk::default();
        let mut turns = pace();
        for n in 0.. {
            if stop.is_cancelled() {
                break;
            }
            let said = format!("{name}-{n}");
            loop {
                turns.tick().await;
                let begun = Instant::now();
                let answer = bus.publish(room, "e1", line(&said), key(user, &said)).await;
                talk.slowest = talk.slowest.max(begun.elapsed());
                match answer {
                    Ok(published) => {
                        talk.acknowledged.push(published.event);
                        break;
                    }
                    Err(error) => {
                        assert_eq!(*error.kind(), Kind::Unavailable, "{error}");
                        talk.refused += 1;
                    }
                }
            }
        }
        talk
    });
}

async fn reaches(listener: &mut Listener, events: u64) {
    let upto = listener.newest() + events;
    listener.until(upto).await;
}

/// Acknowledged is there, once, in order, on every node.
async fn assert_conserved(listeners: &mut [Listener], talks: &[Talk]) {
    let acknowledged: Vec<_> = talks.iter().flat_map(|talk| &talk.acknowledged).collect();
    let newest = acknowledged.iter().map(|event| event.seq).max().unwrap();
    assert_eq!(newest, acknowledged.len() as u64, "one event for each message");
    for listener in listeners {
        listener.until(newest).await;
        listener.assert_gapless();
        for event in &acknowledged {
            let heard = &listener.heard[usize::try_from(event.seq).unwrap() - 1];
            assert_eq!(heard, *event);
        }
        let mut texts: Vec<_> = listener.heard.iter().map(text).collect();
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), listener.heard.len(), "nothing was said twice");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_chat_survives_the_death_of_a_durable_redis() {
    let mut server = Server::started(&DURABLE).await;
    let nodes = [(); 2].map(|()| node(&server.options(), RedisRoomLimits::default()));
    let room = RoomId::new();
    let mut listeners = [
        Listener::start(&nodes[0], room).await,
        Listener::start(&nodes[1], room).await,
    ];
    let stop = CancellationToken::new();
    let mut talkers = JoinSet::new();
    talk(&mut talkers, &nodes[0], room, "a", &stop);
    talk(&mut talkers, &nodes[1], room, "b", &stop);
    for _ in 0..2 {
        reaches(&mut listeners[0], 20).await;
        server.kill().await;
        eventually("publishes are refused", PATIENCE, async || {
            let probe = nodes[0].chat(room, None, 1).await;
            if probe.is_err() {
                Ok(())
            } else {
                Err("answered".into())
            }
        })
        .await;
        server.start().await;
        reaches(&mut listeners[0], 20).await;
        reaches(&mut listeners[1], 40).await;
    }
    stop.cancel();
    let talks = talkers.join_all().await;
    assert!(talks.iter().all(|talk| talk.slowest < Duration::from_secs(3)));
    assert!(talks.iter().any(|talk| talk.refused > 0), "the death was noticed");
    assert_conserved(&mut listeners, &talks).await;
    let mut kept = Vec::new();
    let mut before = None;
    loop {
        let page = nodes[1].chat(room, before, 50).await.unwrap();
        kept.splice(0..0, page.messages);
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(kept, listeners[0].heard);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_redis_costs_a_deadline_and_listeners_go_on_after_it() {
    let server = Server::started(&[]).await;
    let bus = node(&server.options(), RedisRoomLimits::default());
    let room = RoomId::new();
    let mut listeners = [Listener::start(&bus, room).await];
    let stop = CancellationToken::new();
    let mut talkers = JoinSet::new();
    talk(&mut talkers, &bus, room, "a", &stop);
    for freeze in [Duration::from_millis(700), Duration::from_secs(4)] {
        reaches(&mut listeners[0], 10).await;
        server.freeze().await;
        let until = Instant::now() + freeze;
        while Instant::now() < until {
            let begun = Instant::now();
            let outcomes = [
                bus.viewers(&[room]).await.map(drop),
                bus.chat(room, None, 1).await.map(drop),
                bus.subscribe(room, "e1").await.map(drop),
                bus.set_viewers(room, 1).await,
            ];
            for error in outcomes.into_iter().filter_map(Result::err) {
                assert_eq!(*error.kind(), Kind::Unavailable, "{error}");
            }
            assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
        }
        server.thaw().await;
    }
    reaches(&mut listeners[0], 10).await;
    stop.cancel();
    let talks = talkers.join_all().await;
    assert!(talks[0].refused > 0 && talks[0].slowest < Duration::from_secs(3));
    assert_conserved(&mut listeners, &talks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_of_unknown_outcome_gives_the_same_event_on_the_retry() {
    let server = Server::started(&[]).await;
    let bus = node(&server.options(), RedisRoomLimits::default());
    let (room, user) = (RoomId::new(), UserId::new());
    bus.publish(room, "e1", line("before"), None).await.unwrap();
    let admin = server.admin().await;
    // Commands wait and are then carried out, when nobody waits for their answer any more.
    admin.run(&["CLIENT", "PAUSE", "1500", "ALL"]).await;
    let begun = Instant::now();
    let error = bus
        .publish(room, "e1", line("said"), key(user, "k"))
        .await
        .unwrap_err();
    assert_eq!(*error.kind(), Kind::Unavailable);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let said = eventually("the retry", PATIENCE, async || {
        let retry = bus.publish(room, "e1", line("said"), key(user, "k")).await;
        retry.map_err(|e: Error| e.to_string())
    })
    .await;
    assert_eq!(said.event.seq, 2);
    assert!(said.repeated);
    assert_eq!(bus.subscribe(room, "e1").await.unwrap().seq, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_whose_connection_is_cut_again_and_again_miss_nothing() {
    let server = Server::started(&[]).await;
    let nodes = [(); 2].map(|()| node(&server.options(), RedisRoomLimits::default()));
    let room = RoomId::new();
    let mut listeners = [
        Listener::start(&nodes[0], room).await,
        Listener::start(&nodes[1], room).await,
    ];
    let stop = CancellationToken::new();
    let mut talkers = JoinSet::new();
    talk(&mut talkers, &nodes[0], room, "a", &stop);
    talk(&mut talkers, &nodes[1], room, "b", &stop);
    let admin = server.admin().await;
    for _ in 0..5 {
        reaches(&mut listeners[0], 15).await;
        let cut = admin.number(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        assert!(cut >= 1, "{cut}");
    }
    reaches(&mut listeners[0], 15).await;
    stop.cancel();
    let talks = talkers.join_all().await;
    assert_conserved(&mut listeners, &talks).await;
    assert_eq!(
        listeners.map(|listener| listener.lost),
        [0, 0],
        "what was missed is read from history"
    );
}

#[tokio::test]
async fn what_was_said_while_a_connection_was_cut_is_heard_though_nothing_follows() {
    let server = Server::started(&[]).await;
    let [here, there] = [(); 2].map(|()| node(&server.options(), RedisRoomLimits::default()));
    let room = RoomId::new();
    let mut listener = Listener::start(&here, room).await;
    let admin = server.admin().await;
    for n in 0..5 {
        admin.run(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        there
            .publish(room, "e1", line(&n.to_string()), None)
            .await
            .unwrap();
        reaches(&mut listener, 1).await;
    }
    listener.assert_gapless();
    assert_eq!(listener.lost, 0);
}

#[tokio::test]
async fn a_room_whose_redis_was_never_there_says_so_and_works_once_it_is() {
    let mut server = Server::absent(&[]);
    let bus = node(&server.options(), RedisRoomLimits::default());
    let room = RoomId::new();
    let begun = Instant::now();
    for _ in 0..20 {
        let outcomes = [
            bus.publish(room, "e1", line("a"), None).await.map(drop),
            bus.subscribe(room, "e1").await.map(drop),
            bus.chat(room, None, 1).await.map(drop),
            bus.viewers(&[room]).await.map(drop),
            bus.set_viewers(room, 7).await,
        ];
        for outcome in outcomes {
            assert_eq!(*outcome.unwrap_err().kind(), Kind::Unavailable);
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    server.start().await;
    eventually("the room is there", PATIENCE, async || {
        let published = bus.publish(room, "e1", line("a"), None).await;
        published.map(drop).map_err(|e| e.to_string())
    })
    .await;
    // The connection that listens comes back by itself.
    eventually("the room can be listened to", PATIENCE, async || {
        let subscribed = bus.subscribe(room, "e1").await;
        subscribed.map(drop).map_err(|e| e.to_string())
    })
    .await;
    let mut listener = Listener::start(&bus, room).await;
    bus.publish(room, "e1", line("b"), None).await.unwrap();
    reaches(&mut listener, 1).await;
    // What could not be told then is told now.
    eventually("the count is told", PATIENCE, async || {
        match bus.viewers(&[room]).await.unwrap().get(&room) {
            Some(7) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_forgot_a_room_does_not_give_its_numbers_again() {
    let server = Server::started(&[]).await;
    let [a, b] = [(); 2].map(|()| node(&server.options(), RedisRoomLimits::default()));
    let room = RoomId::new();
    let mut listeners = [Listener::start(&a, room).await, Listener::start(&b, room).await];
    for n in 0..10 {
        a.publish(room, "e1", line(&n.to_string()), None).await.unwrap();
    }
    for listener in &mut listeners {
        listener.until(10).await;
    }
    server.admin().await.run(&["FLUSHALL"]).await;
    let next = a.publish(room, "e1", line("next"), None).await.unwrap();
    assert_eq!(next.event.seq, 11);
    for listener in &mut listeners {
        listener.until(11).await;
        listener.assert_gapless();
    }
}

#[tokio::test]
async fn facts_tell_an_operator_what_an_acknowledgement_is_worth() {
    let durable = Server::started(&DURABLE).await;
    let facts = node(&durable.options(), RedisRoomLimits::default())
        .inspect()
        .await
        .unwrap();
    assert!(facts.version.split('.').count() >= 2, "{facts:?}");
    assert_eq!((facts.role.as_str(), facts.appendonly), ("master", Some(true)));
    assert_eq!(facts.appendfsync.as_deref(), Some("always"));
    assert_eq!(facts.maxmemory_policy.as_deref(), Some("noeviction"));
    assert!(facts.clock_difference < Duration::from_secs(1), "{facts:?}");
    let forgetful = Server::started(&["--maxmemory-policy", "allkeys-lru"]).await;
    let facts = node(&forgetful.options(), RedisRoomLimits::default())
        .inspect()
        .await
        .unwrap();
    assert_eq!(facts.appendonly, Some(false));
    assert_eq!(facts.save.as_deref(), Some(""));
    assert_eq!(facts.maxmemory_policy.as_deref(), Some("allkeys-lru"));
    let absent = Server::absent(&[]);
    let error = node(&absent.options(), RedisRoomLimits::default())
        .inspect()
        .await
        .unwrap_err();
    assert_eq!(*error.kind(), Kind::Unavailable);
}
