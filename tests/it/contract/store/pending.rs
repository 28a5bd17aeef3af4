//! `PendingChanges`: what is owed to the log.

use std::collections::HashSet;

use nova_actors::domain::WriteContext;
use nova_actors::domain::record::SCHEMA_VERSION;
use nova_actors::ports::store::{PendingChanges, PostReader, StreamStore, UserDirectory};

use super::{Backend, World, at, fresh, identity, new_stream};

pub(super) async fn rows_are_read_oldest_first<B: Backend>() {
    let world = World::<B>::new().await;
    let ana = world.user("ana").await;
    let mut streams = Vec::new();
    for n in 0..4 {
        streams.push(world.start(&n.to_string(), "music", at(n)).await);
        world.post(ana.id, &n.to_string(), at(n)).await;
    }
    let outbox = world.store.outbox(3).await.unwrap();
    let keys: Vec<_> = outbox.iter().map(|row| row.record.key.clone()).collect();
    let expected: Vec<_> = streams[..3].iter().map(|s| s.id.to_string()).collect();
    assert_eq!(keys, expected);
    assert!(outbox.is_sorted_by(|a, b| a.id < b.id));

    let changes = world.store.changes(5).await.unwrap();
    let times: Vec<_> = changes.iter().map(|change| change.at).collect();
    assert_eq!(times, [at(0), at(0), at(1), at(1), at(2)]);
    assert!(changes.is_sorted_by(|a, b| a.id < b.id));
}

pub(super) async fn only_named_rows_are_forgotten<B: Backend>() {
    let world = World::<B>::new().await;
    let ana = world.user("ana").await;
    for n in 0..3 {
        world.start("on air", "music", at(n)).await;
        world.post(ana.id, "hello", at(n)).await;
    }
    let outbox = world.store.outbox(10).await.unwrap();
    let changes = world.store.changes(10).await.unwrap();
    let (events, rows) = ([outbox[1].id, i64::MAX], [changes[0].id]);
    world.store.delete_sent(&events, &rows).await.unwrap();
    let left = world.store.outbox(10).await.unwrap();
    assert_eq!(left, [outbox[0].clone(), outbox[2].clone()]);
    assert_eq!(world.store.changes(10).await.unwrap(), changes[1..]);

    let rest: Vec<i64> = left.iter().map(|row| row.id).collect();
    world.store.delete_sent(&rest, &[]).await.unwrap();
    assert!(world.store.outbox(10).await.unwrap().is_empty());
    assert_eq!(world.store.changes(10).await.unwrap(), changes[1..]);
}

pub(super) async fn positions_are_never_reused<B: Backend>() {
    let world = World::<B>::new().await;
    let ana = world.user("ana").await;
    let (mut outbox, mut changes) = (HashSet::new(), HashSet::new());
    let mut world = world;
    for n in 0..3 {
        world.start("on air", "music", at(n)).await;
        world.post(ana.id, "hello", at(n)).await;
        for row in world.store.outbox(10).await.unwrap() {
            assert!(outbox.insert(row.id));
            world.store.delete_sent(&[row.id], &[]).await.unwrap();
        }
        for change in world.take_changes().await {
            assert!(changes.insert(change.id));
        }
        world = world.reopen().await;
    }
}

pub(super) async fn the_oldest_debt_is_known<B: Backend>() {
    let world = World::<B>::new().await;
    let ana = world.user("ana").await;
    assert_eq!(world.store.oldest().await.unwrap(), None);
    world.start("on air", "music", at(5)).await;
    assert_eq!(world.store.oldest().await.unwrap(), Some(at(5)));
    world.post(ana.id, "hello", at(7)).await;
    assert_eq!(world.store.oldest().await.unwrap(), Some(at(5)));
    let sent = world.store.outbox(1).await.unwrap()[0].id;
    world.store.delete_sent(&[sent], &[]).await.unwrap();
    assert_eq!(world.store.oldest().await.unwrap(), Some(at(7)));
    world.take_changes().await;
    assert_eq!(world.store.oldest().await.unwrap(), None);
}

pub(super) async fn forgetting_nothing_asks_nothing<B: Backend>() {
    let world = World::<B>::new().await;
    let ((), queries) = world.count(world.store.delete_sent(&[], &[])).await;
    assert_eq!(queries, 0);
}

pub(super) async fn records_carry_their_headers<B: Backend>() {
    let world = World::<B>::new().await;
    let ana = world.user("ana").await;
    let ctx = WriteContext::untracked();
    let new = new_stream("on air", "music");
    fresh(world.store.start(ana.id, &new, &ctx, at(1)).await.unwrap());
    let post = world.post(ana.id, "hello", at(2)).await;
    world.like(ana.id, &post, true, at(3)).await;

    let outbox = world.store.outbox(10).await.unwrap();
    assert_eq!(outbox[0].record.headers.traceparent, ctx.traceparent);
    let changes = world.store.changes(10).await.unwrap();
    let owed = outbox.into_iter().map(|row| row.record);
    let records: Vec<_> = owed.chain(changes.iter().map(|c| c.record())).collect();
    assert_eq!(records.len(), 5);
    let ids: HashSet<_> = records.iter().map(|r| r.headers.event_id).collect();
    assert_eq!(ids.len(), records.len());
    let kinds: Vec<_> = records.iter().map(|r| &*r.headers.kind).collect();
    let expected = [
        "stream.started",
        "cdc.posts",
        "cdc.post_counters",
        "cdc.likes",
        "cdc.post_counters",
    ];
    assert_eq!(kinds, expected);
    assert!(records.iter().all(|r| r.headers.schema_version == SCHEMA_VERSION));
    // Read again, a row is the same record.
    assert_eq!(world.store.changes(10).await.unwrap(), changes);
}

pub(super) async fn everything_survives_a_restart<B: Backend>() {
    let world = World::<B>::new().await;
    let (ana, bo) = (world.user("ana").await, world.user("bob").await);
    world.follow(bo.id, ana.id).await;
    let stream = fresh(world.try_start(ana.id, "on air", at(1)).await.unwrap());
    let post = world.post(ana.id, "hello", at(2)).await;
    world.like(bo.id, &post, true, at(3)).await;
    let owed = world.store.outbox(10).await.unwrap();
    let changes = world.store.changes(10).await.unwrap();
    let profile = world.store.profile(ana.id).await.unwrap();

    let world = world.reopen().await;
    assert_eq!(world.store.outbox(10).await.unwrap(), owed);
    assert_eq!(world.store.changes(10).await.unwrap(), changes);
    assert_eq!(world.store.profile(ana.id).await.unwrap(), profile);
    assert_eq!(
        world.store.streams(&[stream.id]).await.unwrap()[&stream.id],
        stream
    );
    assert_eq!(world.store.posts(&[post.id]).await.unwrap()[&post.id].likes, 1);
    assert_eq!(world.store.liked(bo.id, &[post.id]).await.unwrap().len(), 1);
    let again = world.store.ensure(&identity("ana", None), at(9)).await;
    assert_eq!(again.unwrap(), ana);
}
