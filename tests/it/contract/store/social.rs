//! `SocialStore`: likes, follows and deletes, with the changes they log.

use futures_util::future::join_all;
use nova_actors::Kind;
use nova_actors::domain::change::{CapturedTable, Change, ChangeOp};
use nova_actors::domain::{PostId, UserId};
use nova_actors::ports::store::{PendingChanges, PostReader, SocialStore, UserDirectory};
use serde_json::{Value, json};

use super::{Backend, World, at, plain};

/// What a consumer sees of a change.
pub(super) fn seen(change: &Change) -> (CapturedTable, ChangeOp, Value, Option<Value>, Option<Value>) {
    (
        change.table,
        change.op,
        change.key.clone(),
        change.before.clone(),
        change.after.clone(),
    )
}

pub(super) async fn a_like_counts_once<B: Backend>() {
    let world = World::<B>::new().await;
    let (author, reader) = (world.user("ana").await, world.user("bob").await);
    let post = world.post(author.id, "hello", at(1)).await;
    world.take_changes().await;

    assert!(world.like(reader.id, &post, true, at(5)).await);
    let changes = world.take_changes().await;
    let like = json!({
        "user_id": reader.id, "post_id": post.id, "post_author_id": author.id, "created_at": at(5),
    });
    let counters = |likes: u64, updated_at| json!({"post_id": post.id, "likes": likes, "comments": 0, "updated_at": updated_at});
    let key = json!({"user_id": reader.id, "post_id": post.id});
    assert_eq!(changes.len(), 2);
    assert_eq!(
        seen(&changes[0]),
        (CapturedTable::Likes, ChangeOp::Create, key, None, Some(like))
    );
    assert_eq!(
        seen(&changes[1]),
        (
            CapturedTable::PostCounters,
            ChangeOp::Update,
            json!({"post_id": post.id}),
            Some(counters(0, at(1))),
            Some(counters(1, at(5))),
        )
    );

    assert!(!world.like(reader.id, &post, true, at(6)).await);
    assert!(world.take_changes().await.is_empty());
    assert_eq!(world.store.posts(&[post.id]).await.unwrap()[&post.id].likes, 1);
}

pub(super) async fn an_unlike_takes_the_like_back<B: Backend>() {
    let world = World::<B>::new().await;
    let (author, reader) = (world.user("ana").await, world.user("bob").await);
    let post = world.post(author.id, "hello", at(1)).await;
    world.like(reader.id, &post, true, at(5)).await;
    world.take_changes().await;

    assert!(world.like(reader.id, &post, false, at(8)).await);
    let changes = world.take_changes().await;
    assert_eq!(changes.len(), 2);
    assert_eq!(
        (changes[0].table, changes[0].op),
        (CapturedTable::Likes, ChangeOp::Delete)
    );
    assert_eq!(
        changes[0].before,
        Some(json!({
            "user_id": reader.id, "post_id": post.id, "post_author_id": author.id, "created_at": at(5),
        }))
    );
    assert_eq!(changes[0].after, None);
    assert_eq!(changes[1].op, ChangeOp::Update);
    assert_eq!(changes[1].after.as_ref().unwrap()["likes"], 0);

    assert!(!world.like(reader.id, &post, false, at(9)).await);
    assert!(world.take_changes().await.is_empty());
    assert_eq!(world.store.posts(&[post.id]).await.unwrap()[&post.id], post);
}

pub(super) async fn likes_of_many_are_all_counted<B: Backend>() {
    let world = World::<B>::new().await;
    let author = world.user("author").await;
    let post = world.post(author.id, "popular", at(1)).await;
    let mut readers = Vec::new();
    for n in 0..50 {
        readers.push(world.user(&format!("reader_{n}")).await.id);
    }
    world.take_changes().await;

    // Everyone twice at the same time: one of the two changes nothing.
    let twice = readers.iter().chain(&readers);
    let liked = join_all(twice.map(|reader| world.like(*reader, &post, true, at(2)))).await;
    assert_eq!(liked.iter().filter(|changed| **changed).count(), 50);
    let counts: Vec<u64> = world
        .take_changes()
        .await
        .iter()
        .filter(|change| change.table == CapturedTable::PostCounters)
        .map(|change| change.after.as_ref().unwrap()["likes"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, (1..=50).collect::<Vec<u64>>());

    let unlikes = readers[..20].iter();
    join_all(unlikes.map(|reader| world.like(*reader, &post, false, at(3)))).await;
    assert_eq!(world.store.posts(&[post.id]).await.unwrap()[&post.id].likes, 30);
}

pub(super) async fn a_like_needs_a_post_and_a_user<B: Backend>() {
    let world = World::<B>::new().await;
    let author = world.user("ana").await;
    let post = world.post(author.id, "hello", at(1)).await;
    world.take_changes().await;
    for liked in [true, false] {
        let nowhere = world
            .store
            .set_like(author.id, PostId::new(), liked, plain(), at(2));
        assert_eq!(nowhere.await.unwrap_err().kind(), &Kind::NotFound);
    }
    let nobody = world.store.set_like(UserId::new(), post.id, true, plain(), at(2));
    assert_eq!(nobody.await.unwrap_err().kind(), &Kind::NotFound);
    assert!(world.take_changes().await.is_empty());
    assert_eq!(world.store.posts(&[post.id]).await.unwrap()[&post.id].likes, 0);
}

pub(super) async fn a_follow_is_set_once<B: Backend>() {
    let world = World::<B>::new().await;
    let (ana, bo) = (world.user("ana").await, world.user("bob").await);
    world.follow(ana.id, bo.id).await;
    let again = world.store.set_follow(ana.id, bo.id, true, plain(), at(9));
    assert!(!again.await.unwrap());

    let changes = world.take_changes().await;
    assert_eq!(changes.len(), 1);
    let key = json!({"follower_id": ana.id, "followee_id": bo.id});
    let row = json!({"follower_id": ana.id, "followee_id": bo.id, "created_at": at(0)});
    assert_eq!(
        seen(&changes[0]),
        (CapturedTable::Follows, ChangeOp::Create, key, None, Some(row))
    );
    let followed = world.store.profile(bo.id).await.unwrap().unwrap();
    assert_eq!((followed.followers, followed.following), (1, 0));
}

pub(super) async fn an_unfollow_takes_the_follow_back<B: Backend>() {
    let world = World::<B>::new().await;
    let (ana, bo) = (world.user("ana").await, world.user("bob").await);
    world.follow(ana.id, bo.id).await;
    world.take_changes().await;
    let unfollow = || async {
        let unset = world.store.set_follow(ana.id, bo.id, false, plain(), at(9));
        unset.await.unwrap()
    };
    assert!(unfollow().await);
    let changes = world.take_changes().await;
    assert_eq!(changes.len(), 1);
    let key = json!({"follower_id": ana.id, "followee_id": bo.id});
    let row = json!({"follower_id": ana.id, "followee_id": bo.id, "created_at": at(0)});
    assert_eq!(
        seen(&changes[0]),
        (CapturedTable::Follows, ChangeOp::Delete, key, Some(row), None)
    );
    assert!(!unfollow().await);
    assert!(world.take_changes().await.is_empty());
}

pub(super) async fn a_follow_needs_two_known_people<B: Backend>() {
    let world = World::<B>::new().await;
    let ana = world.user("ana").await;
    for following in [true, false] {
        let set = |follower, followee| {
            let store = &world.store;
            async move {
                let set = store.set_follow(follower, followee, following, plain(), at(1));
                set.await.unwrap_err().kind().clone()
            }
        };
        assert_eq!(set(ana.id, UserId::new()).await, Kind::NotFound);
        assert!(matches!(set(ana.id, ana.id).await, Kind::Validation(_)));
    }
    let nobody = world
        .store
        .set_follow(UserId::new(), ana.id, true, plain(), at(1));
    assert_eq!(nobody.await.unwrap_err().kind(), &Kind::NotFound);
    assert!(world.store.changes(10).await.unwrap().is_empty());
}

pub(super) async fn only_its_author_deletes_a_post<B: Backend>() {
    let world = World::<B>::new().await;
    let (ana, bo) = (world.user("ana").await, world.user("bob").await);
    let post = world.post(ana.id, "mine", at(1)).await;
    world.take_changes().await;
    let delete = |id, by| {
        let store = &world.store;
        async move { store.delete_post(id, by, plain(), at(2)).await }
    };
    assert_eq!(delete(post.id, bo.id).await.unwrap_err().kind(), &Kind::Forbidden);
    assert_eq!(
        delete(PostId::new(), ana.id).await.unwrap_err().kind(),
        &Kind::NotFound
    );
    assert!(world.take_changes().await.is_empty());
    assert_eq!(world.store.posts(&[post.id]).await.unwrap()[&post.id], post);

    delete(post.id, ana.id).await.unwrap();
    assert_eq!(delete(post.id, bo.id).await.unwrap_err().kind(), &Kind::Forbidden);
}

pub(super) async fn deleting_is_logged_once<B: Backend>() {
    let world = World::<B>::new().await;
    let ana = world.user("ana").await;
    let post = world.post(ana.id, "mine", at(1)).await;
    world.take_changes().await;
    for now in [at(5), at(6)] {
        world
            .store
            .delete_post(post.id, ana.id, plain(), now)
            .await
            .unwrap();
    }
    let changes = world.take_changes().await;
    let row = |deleted_at: Option<_>| {
        json!({
            "id": post.id, "author_id": ana.id, "text": "mine", "media_url": null,
            "created_at": at(1), "deleted_at": deleted_at,
        })
    };
    assert_eq!(changes.len(), 1);
    assert_eq!(
        seen(&changes[0]),
        (
            CapturedTable::Posts,
            ChangeOp::Update,
            json!({"id": post.id}),
            Some(row(None)),
            Some(row(Some(at(5)))),
        )
    );
}

pub(super) async fn of_deletes_at_the_same_time_one_is_logged<B: Backend>() {
    let world = World::<B>::new().await;
    let ana = world.user("ana").await;
    let post = world.post(ana.id, "mine", at(1)).await;
    world.take_changes().await;
    let delete = |now| world.store.delete_post(post.id, ana.id, plain(), at(now));
    for deleted in join_all((5..15).map(delete)).await {
        deleted.unwrap();
    }
    assert_eq!(world.take_changes().await.len(), 1);
}
