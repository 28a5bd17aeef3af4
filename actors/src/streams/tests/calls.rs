//! What REST asks of the handle.

use std::sync::atomic::Ordering;

use super::*;
use crate::domain::{IdempotencyKey, NewStream, StreamPatch, UserId, WriteContext, Written};

fn new_stream() -> NewStream {
    NewStream::parse("Title".into(), None, "music".into(), None, &["music".to_owned()]).unwrap()
}

fn with_key(user: UserId, key: &str) -> WriteContext {
    WriteContext {
        idempotency: Some(IdempotencyKey {
            user,
            route: "POST /streams",
            key: key.into(),
            fingerprint: [1; 32],
        }),
        ..WriteContext::untracked()
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_costs_two_queries_and_one_batch_of_counts_however_many_streams_are_live() {
    for live in [10, 100, 1_000] {
        let world = world().await;
        for n in 0..live {
            let owner = world.store.add_user(&format!("owner_{n}"));
            world.go_live(&owner).await.unwrap();
        }
        eventually("rooms are open", async || {
            world.bus.subscribed.load(Ordering::Relaxed) >= live
        })
        .await;
        let queries = world.store.queries.load(Ordering::Relaxed);
        let counted = world.bus.counted.load(Ordering::Relaxed);
        let page = world.streams.list(None, 1, 100).await.unwrap();
        assert_eq!(
            world.store.queries.load(Ordering::Relaxed) - queries,
            2,
            "{live} live"
        );
        assert_eq!(world.bus.counted.load(Ordering::Relaxed) - counted, 1);
        assert_eq!(page.items.len(), live.min(100));
        assert_eq!(page.total, u64::try_from(live).unwrap());
        assert!(page.items.iter().all(|item| item.creator.is_some()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_creator_is_none_and_an_empty_page_keeps_the_total() {
    let world = world().await;
    let nobody = UserId::new();
    world
        .streams
        .start(nobody, new_stream(), WriteContext::untracked())
        .await
        .unwrap();
    let page = world.streams.list(Some("music".into()), 1, 20).await.unwrap();
    assert_eq!(page.items[0].creator, None);
    let page = world.streams.list(None, 9, 20).await.unwrap();
    assert_eq!((page.items.len(), page.total), (0, 1));
    assert_eq!(
        world.streams.list(Some("art".into()), 1, 20).await.unwrap().total,
        0
    );
}

#[tokio::test(start_paused = true)]
async fn stored_viewers_are_shown_when_nobody_else_knows() {
    let world = world().await;
    world.bus.countless.store(true, Ordering::Relaxed);
    world.bus.away.store(true, Ordering::Relaxed);
    let (_, stream) = live(&world).await;
    world.store.edit(stream.id, |row| row.viewers = 41);
    let page = world.streams.list(None, 1, 20).await.unwrap();
    assert_eq!(page.items[0].viewers, 41);
}

#[tokio::test(start_paused = true)]
async fn a_second_start_names_the_running_stream() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    let again = world
        .streams
        .start(owner.id, new_stream(), WriteContext::untracked())
        .await;
    assert_eq!(kind(again), Kind::AlreadyLive(stream.id));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_running_is_in_flight_and_free_again_afterwards() {
    let world = world().await;
    let owner = world.store.add_user("owner");
    world.store.stuck.store(true, Ordering::Relaxed);
    let first = timeout(
        Duration::from_secs(1),
        world
            .streams
            .start(owner.id, new_stream(), with_key(owner.id, "k")),
    );
    let second = async {
        tokio::task::yield_now().await;
        let outcome = world
            .streams
            .start(owner.id, new_stream(), with_key(owner.id, "k"))
            .await;
        assert_eq!(kind(outcome), Kind::IdempotencyInFlight);
    };
    let (first, ()) = tokio::join!(first, second);
    assert!(first.is_err(), "given up");
    world.store.stuck.store(false, Ordering::Relaxed);
    let fresh = world
        .streams
        .start(owner.id, new_stream(), with_key(owner.id, "k"))
        .await
        .unwrap();
    let Written::Fresh(fresh) = fresh else {
        panic!("replayed")
    };
    let again = world
        .streams
        .start(owner.id, new_stream(), with_key(owner.id, "k"))
        .await
        .unwrap();
    assert!(matches!(again, Written::Replayed(view) if view.stream.id == fresh.stream.id));
    assert_eq!(world.commits.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn only_the_owner_may_change_a_stream_and_only_while_it_runs() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    let other = world.store.add_user("other");
    let (id, patch) = (stream.id, StreamPatch::default());
    let handle = &world.streams;
    assert_eq!(
        kind(handle.end(id, other.id, WriteContext::untracked()).await),
        Kind::Forbidden
    );
    assert_eq!(
        kind(handle.patch(id, other.id, patch.clone()).await),
        Kind::Forbidden
    );
    assert_eq!(kind(handle.heartbeat(id, other.id).await), Kind::Forbidden);
    assert_eq!(kind(handle.get(StreamId::new()).await), Kind::NotFound);
    assert_eq!(kind(handle.chat(StreamId::new(), None, 10).await), Kind::NotFound);
    assert_eq!(
        kind(handle.heartbeat(StreamId::new(), owner.id).await),
        Kind::NotFound
    );
    handle.end(id, owner.id, WriteContext::untracked()).await.unwrap();
    assert_eq!(kind(handle.patch(id, owner.id, patch).await), Kind::StreamEnded);
    assert_eq!(kind(handle.heartbeat(id, owner.id).await), Kind::StreamEnded);
}

#[tokio::test(start_paused = true)]
async fn chat_can_be_read_page_by_page_after_the_end_too() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    for n in 0..5 {
        say(&world, stream.id, &owner, &n.to_string()).await.unwrap();
    }
    world
        .streams
        .end(stream.id, owner.id, WriteContext::untracked())
        .await
        .unwrap();
    let newest = world.streams.chat(stream.id, None, 2).await.unwrap();
    assert_eq!(newest.messages.iter().map(|e| e.seq).collect::<Vec<_>>(), [4, 5]);
    let older = world.streams.chat(stream.id, newest.next, 9).await.unwrap();
    assert_eq!((older.messages.len(), older.next), (3, None));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_breaks_a_rule_takes_no_number() {
    let world = world().await;
    let (owner, stream) = live(&world).await;
    for text in ["", "  ", "a\0b", &"x".repeat(501)] {
        assert!(matches!(
            kind(say(&world, stream.id, &owner, text).await),
            Kind::Validation(_)
        ));
    }
    assert_eq!(
        say(&world, stream.id, &owner, &"é".repeat(500))
            .await
            .unwrap()
            .seq,
        1
    );
}

#[tokio::test(start_paused = true)]
async fn messages_that_the_bus_does_not_take_are_bounded_and_answered() {
    let settings = StreamSettings {
        publishes_in_flight: 2,
        ..StreamSettings::default()
    };
    let world = LiveWorld::start(settings).await.unwrap();
    let (owner, stream) = live(&world).await;
    let _viewer = Viewer::join(&world, stream.id, None).await.unwrap();
    world.bus.stuck.store(true, Ordering::Relaxed);
    let (a, b, c) = tokio::join!(
        say(&world, stream.id, &owner, "a"),
        say(&world, stream.id, &owner, "b"),
        say(&world, stream.id, &owner, "c"),
    );
    assert_eq!(kind(c), Kind::Overloaded);
    for outcome in [a, b] {
        assert!(matches!(kind(outcome), Kind::Unavailable | Kind::Timeout));
    }
    world.bus.stuck.store(false, Ordering::Relaxed);
    eventually("room for more", async || {
        say(&world, stream.id, &owner, "d").await.is_ok()
    })
    .await;
}
