//! Writes under an idempotency key.

use std::time::Duration;

use futures_util::future::join_all;
use nova_actors::Kind;
use nova_actors::domain::{EndedReason, NewPost, StreamPatch, UserId, ViewerTotals, Written};
use nova_actors::ports::store::{PendingChanges, PostReader, SocialStore, StreamStore};

use super::{Backend, World, at, fresh, keyed, new_stream, replayed};

const START: &str = "POST /streams";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) async fn a_repeated_start_gets_the_old_answer<B: Backend>() {
    let world = World::<B>::new().await;
    let creator = UserId::new();
    let (new, ctx) = (new_stream("on air", "music"), keyed(creator, START, "k", 1));
    let stream = fresh(world.store.start(creator, &new, &ctx, at(1)).await.unwrap());
    let again = world.store.start(creator, &new, &ctx, at(2)).await.unwrap();
    assert_eq!(replayed(again), stream);

    let patch = StreamPatch {
        title: Some("changed".to_owned()),
        ..StreamPatch::default()
    };
    world.store.patch(stream.id, &patch, at(3)).await.unwrap();
    fresh(world.end(stream.id, at(4)).await.unwrap());
    let world = world.reopen().await;
    let again = world.store.start(creator, &new, &ctx, at(5)).await.unwrap();
    assert_eq!(replayed(again), stream);
    assert_eq!(world.store.live(None, 1, 10).await.unwrap().total, 0);
    assert_eq!(world.events().await.len(), 2);
}

pub(super) async fn another_body_is_a_conflict<B: Backend>() {
    let world = World::<B>::new().await;
    let creator = UserId::new();
    let new = new_stream("on air", "music");
    let (ctx, other) = (keyed(creator, START, "k", 1), keyed(creator, START, "k", 2));
    let stream = fresh(world.store.start(creator, &new, &ctx, at(1)).await.unwrap());
    let error = world.store.start(creator, &new, &other, at(2)).await.unwrap_err();
    assert_eq!(error.kind(), &Kind::IdempotencyConflict);
    let again = world.store.start(creator, &new, &ctx, at(3)).await.unwrap();
    assert_eq!(replayed(again), stream);
    assert_eq!(world.events().await.len(), 1);
}

pub(super) async fn keys_belong_to_a_user_and_a_route<B: Backend>() {
    let world = World::<B>::new().await;
    let (ana, bo) = (world.user("ana").await.id, world.user("bob").await.id);
    let new = new_stream("on air", "music");
    for creator in [ana, bo] {
        let ctx = keyed(creator, START, "k", 1);
        let stream = fresh(world.store.start(creator, &new, &ctx, at(1)).await.unwrap());
        assert_eq!(stream.creator_id, creator);
    }
    let post = NewPost {
        text: "hello".to_owned(),
        media_url: None,
    };
    let ctx = keyed(ana, "POST /posts", "k", 2);
    let post = world.store.create_post(ana, &post, &ctx, at(2)).await;
    assert_eq!(fresh(post.unwrap()).text, "hello");
}

pub(super) async fn a_key_is_good_for_a_day<B: Backend>() {
    let world = World::<B>::new().await;
    let creator = UserId::new();
    let (new, ctx) = (new_stream("on air", "music"), keyed(creator, START, "k", 1));
    let stream = fresh(world.store.start(creator, &new, &ctx, at(0)).await.unwrap());
    fresh(world.end(stream.id, at(1)).await.unwrap());
    let in_time = at(0).plus(DAY);
    let again = world.store.start(creator, &new, &ctx, in_time).await.unwrap();
    assert_eq!(replayed(again), stream);

    // Too late: even another body starts anew, and takes the key over.
    let (late, other) = (at(1).plus(DAY), keyed(creator, START, "k", 2));
    let second = fresh(world.store.start(creator, &new, &other, late).await.unwrap());
    let again = world.store.start(creator, &new, &other, late).await.unwrap();
    assert_eq!(replayed(again), second);
}

pub(super) async fn a_failed_write_keeps_no_key<B: Backend>() {
    let world = World::<B>::new().await;
    let creator = UserId::new();
    let running = fresh(world.try_start(creator, "first", at(1)).await.unwrap());
    let (new, ctx) = (new_stream("second", "music"), keyed(creator, START, "k", 1));
    let error = world.store.start(creator, &new, &ctx, at(2)).await.unwrap_err();
    assert_eq!(error.kind(), &Kind::AlreadyLive(running.id));
    fresh(world.end(running.id, at(3)).await.unwrap());
    let second = world.store.start(creator, &new, &ctx, at(4)).await.unwrap();
    assert_eq!(fresh(second).title, "second");
}

pub(super) async fn of_repeats_at_the_same_time_one_writes<B: Backend>() {
    let world = World::<B>::new().await;
    let creator = UserId::new();
    let (new, ctx) = (new_stream("on air", "music"), keyed(creator, START, "k", 1));
    let calls = (0..10).map(|n| world.store.start(creator, &new, &ctx, at(n)));
    let answers: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    let written = |answer: &&Written<_>| matches!(answer, Written::Fresh(_));
    assert_eq!(answers.iter().filter(written).count(), 1);
    let streams: Vec<_> = answers.into_iter().map(Written::into_inner).collect();
    assert!(streams.iter().all(|stream| stream == &streams[0]));
    assert_eq!(world.events().await.len(), 1);
}

pub(super) async fn every_write_can_be_repeated<B: Backend>() {
    let world = World::<B>::new().await;
    let (ana, bo) = (world.user("ana").await.id, world.user("bob").await.id);
    let store = &world.store;
    let new = NewPost {
        text: "hello".to_owned(),
        media_url: None,
    };
    let ctx = keyed(ana, "POST /posts", "k", 1);
    let post = fresh(store.create_post(ana, &new, &ctx, at(1)).await.unwrap());
    let like = keyed(bo, "PUT like", "k", 1);
    let follow = keyed(bo, "PUT follow", "k", 1);
    for now in [at(2), at(3)] {
        // The repeat answers what the first call did: that it changed something.
        assert!(store.set_like(bo, post.id, true, &like, now).await.unwrap());
        assert!(store.set_follow(bo, ana, true, &follow, now).await.unwrap());
    }
    assert_eq!(store.posts(&[post.id]).await.unwrap()[&post.id].likes, 1);
    let again = store.create_post(ana, &new, &ctx, at(4)).await.unwrap();
    assert_eq!(replayed(again), post);

    let delete = keyed(ana, "DELETE post", "k", 1);
    for now in [at(5), at(6)] {
        store.delete_post(post.id, ana, &delete, now).await.unwrap();
    }
    let stream = world.start("on air", "music", at(7)).await;
    let (end, totals) = (keyed(ana, "POST end", "k", 1), ViewerTotals::default());
    let ended = store
        .end(stream.id, EndedReason::Ended, totals, &end, at(8))
        .await;
    let again = store
        .end(stream.id, EndedReason::Ended, totals, &end, at(9))
        .await;
    assert_eq!(replayed(again.unwrap()), fresh(ended.unwrap()));
    // Post and counters, like and counters, follow, delete.
    assert_eq!(store.changes(100).await.unwrap().len(), 6);
}

pub(super) async fn old_keys_are_forgotten<B: Backend>() {
    let world = World::<B>::new().await;
    let new = new_stream("on air", "music");
    let (old, young) = (UserId::new(), UserId::new());
    for (creator, now) in [(old, at(0)), (young, at(1_000))] {
        let ctx = keyed(creator, START, "k", 1);
        fresh(world.store.start(creator, &new, &ctx, now).await.unwrap());
    }
    let expire = |now| world.store.expire_idempotency(now, Duration::from_secs(1));
    assert_eq!(expire(at(1_000)).await.unwrap(), 0);
    assert_eq!(expire(at(1_001)).await.unwrap(), 1);
    assert_eq!(expire(at(1_001)).await.unwrap(), 0);

    let retry = async |creator| {
        let ctx = keyed(creator, START, "k", 1);
        world.store.start(creator, &new, &ctx, at(1_002)).await
    };
    replayed(retry(young).await.unwrap());
    let forgotten = retry(old).await.unwrap_err();
    assert!(matches!(forgotten.kind(), Kind::AlreadyLive(_)));
}
