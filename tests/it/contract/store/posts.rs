//! `PostReader`, and what writing a post leaves behind.

use std::cmp::Reverse;

use nova_actors::Kind;
use nova_actors::domain::change::{CapturedTable, ChangeOp};
use nova_actors::domain::feed::Candidate;
use nova_actors::domain::{NewPost, Post, PostId, UserId, WriteContext};
use nova_actors::ports::store::{PendingChanges, PostReader, SocialStore, StreamStore};
use serde_json::json;

use super::social::seen;
use super::{Backend, World, at, fresh, plain};

fn newest_first(mut posts: Vec<Post>) -> Vec<Post> {
    posts.sort_by_key(|post| Reverse((post.created_at, post.id)));
    posts
}

fn candidates(posts: &[Post]) -> Vec<Candidate> {
    let candidate = |post: &Post| Candidate {
        post_id: post.id,
        author_id: post.author_id,
        created_at: post.created_at,
    };
    posts.iter().map(candidate).collect()
}

pub(super) async fn a_post_commits_with_its_counters<B: Backend>() {
    let world = World::<B>::new().await;
    let ana = world.user("ana").await;
    let new = NewPost {
        text: "hello".to_owned(),
        media_url: Some("https://example.org/m.png".to_owned()),
    };
    let ctx = WriteContext::untracked();
    let post = fresh(world.store.create_post(ana.id, &new, &ctx, at(3)).await.unwrap());
    assert_eq!((&post.text, &post.media_url), (&new.text, &new.media_url));
    assert_eq!((post.author_id, post.created_at), (ana.id, at(3)));
    assert_eq!((post.likes, post.comments), (0, 0));
    assert_eq!(world.store.posts(&[post.id]).await.unwrap()[&post.id], post);

    let changes = world.take_changes().await;
    assert_eq!(changes.len(), 2);
    let row = json!({
        "id": post.id, "author_id": ana.id, "text": "hello", "media_url": "https://example.org/m.png",
        "created_at": at(3), "deleted_at": null,
    });
    let counters = json!({"post_id": post.id, "likes": 0, "comments": 0, "updated_at": at(3)});
    assert_eq!(
        seen(&changes[0]),
        (
            CapturedTable::Posts,
            ChangeOp::Create,
            json!({"id": post.id}),
            None,
            Some(row)
        )
    );
    let key = json!({"post_id": post.id});
    assert_eq!(
        seen(&changes[1]),
        (
            CapturedTable::PostCounters,
            ChangeOp::Create,
            key,
            None,
            Some(counters)
        )
    );
    assert!(changes.iter().all(|change| change.traceparent == ctx.traceparent));
    assert!(changes.iter().all(|change| change.at == at(3)));
}

pub(super) async fn a_post_needs_an_author<B: Backend>() {
    let world = World::<B>::new().await;
    let new = NewPost {
        text: "hello".to_owned(),
        media_url: None,
    };
    let post = world.store.create_post(UserId::new(), &new, plain(), at(3));
    assert_eq!(post.await.unwrap_err().kind(), &Kind::NotFound);
    assert!(world.store.changes(10).await.unwrap().is_empty());
}

pub(super) async fn text_comes_back_as_it_was<B: Backend>() {
    let world = World::<B>::new().await;
    let ana = world.user("ana").await;
    for text in ["👩‍👩‍👧 äöü\u{202e}", "it's \"quoted\"; -- %_\\", "line\nbreak\ttab"] {
        let post = world.post(ana.id, text, at(1)).await;
        assert_eq!(world.store.posts(&[post.id]).await.unwrap()[&post.id].text, text);
        let changes = world.take_changes().await;
        assert_eq!(changes[0].after.as_ref().unwrap()["text"], text);
        let stream = world.start(text, "music", at(1)).await;
        let stored = world.store.streams(&[stream.id]).await.unwrap();
        assert_eq!(stored[&stream.id].title, text);
        assert_eq!(world.events().await.last().unwrap()["title"], text);
    }
}

pub(super) async fn known_posts_are_read_at_once<B: Backend>() {
    let world = World::<B>::new().await;
    let (ana, bo) = (world.user("ana").await, world.user("bob").await);
    let one = world.post(ana.id, "one", at(1)).await;
    let two = world.post(bo.id, "two", at(2)).await;
    world.like(ana.id, &two, true, at(3)).await;
    let ids = [one.id, PostId::new(), two.id, one.id];
    let (posts, queries) = world.count(world.store.posts(&ids)).await;
    assert_eq!((posts.len(), queries), (2, 1));
    assert_eq!(posts[&one.id], one);
    assert_eq!(posts[&two.id], Post { likes: 1, ..two });

    let (none, queries) = world.count(world.store.posts(&[])).await;
    assert_eq!((none.len(), queries), (0, 0));
}

pub(super) async fn likes_of_a_reader_are_read_at_once<B: Backend>() {
    let world = World::<B>::new().await;
    let (ana, bo) = (world.user("ana").await, world.user("bob").await);
    let one = world.post(ana.id, "one", at(1)).await;
    let two = world.post(ana.id, "two", at(2)).await;
    world.like(bo.id, &one, true, at(3)).await;
    world.like(ana.id, &two, true, at(3)).await;
    let ids = [one.id, two.id, PostId::new()];
    let (liked, queries) = world.count(world.store.liked(bo.id, &ids)).await;
    assert_eq!(queries, 1);
    assert_eq!(liked.into_iter().collect::<Vec<_>>(), [one.id]);

    let (none, queries) = world.count(world.store.liked(bo.id, &[])).await;
    assert_eq!((none.len(), queries), (0, 0));
}

pub(super) async fn pages_of_posts_neither_skip_nor_repeat<B: Backend>() {
    let world = World::<B>::new().await;
    let (ana, bo) = (world.user("ana").await, world.user("bob").await);
    let mut expected = Vec::new();
    for now in [1, 2, 2, 2, 2, 3, 4] {
        expected.push(world.post(ana.id, "mine", at(now)).await);
        world.post(bo.id, "not mine", at(now)).await;
    }
    let expected = newest_first(expected);
    let (mut listed, mut after) = (Vec::<Post>::new(), None);
    loop {
        let (page, queries) = world.count(world.store.posts_by(ana.id, after, 2)).await;
        assert_eq!(queries, 1);
        let Some(last) = page.last() else { break };
        after = Some((last.created_at, last.id));
        listed.extend(page);
    }
    assert_eq!(listed, expected);
    let unknown = world.store.posts_by(UserId::new(), None, 10).await.unwrap();
    assert!(unknown.is_empty());
}

pub(super) async fn recent_posts_are_newest_first_without_ones_own<B: Backend>() {
    let world = World::<B>::new().await;
    let (ana, bo, cy) = (
        world.user("ana").await,
        world.user("bob").await,
        world.user("cyd").await,
    );
    let mut expected = Vec::new();
    for now in [1, 2, 2, 3] {
        expected.push(world.post(bo.id, "b", at(now)).await);
        expected.push(world.post(cy.id, "c", at(now)).await);
        world.post(ana.id, "own", at(now)).await;
    }
    let expected = candidates(&newest_first(expected));
    let (recent, queries) = world.count(world.store.recent(ana.id, 100)).await;
    assert_eq!((&recent, queries), (&expected, 1));
    let three = world.store.recent(ana.id, 3).await.unwrap();
    assert_eq!(three, expected[..3]);
}

pub(super) async fn followee_posts_keep_their_bounds<B: Backend>() {
    let world = World::<B>::new().await;
    let (reader, bo, cy, stranger) = (
        world.user("reader").await,
        world.user("bob").await,
        world.user("cyd").await,
        world.user("stranger").await,
    );
    world.follow(reader.id, bo.id).await;
    world.follow(reader.id, cy.id).await;
    world.follow(stranger.id, reader.id).await;
    let (mut of_bo, mut of_cy) = (Vec::new(), Vec::new());
    for now in [10, 20, 30, 30, 40] {
        of_bo.push(world.post(bo.id, "b", at(now)).await);
        world.post(stranger.id, "s", at(now)).await;
        world.post(reader.id, "own", at(now)).await;
    }
    for now in [19, 20] {
        of_cy.push(world.post(cy.id, "c", at(now)).await);
    }
    // Three at most of bo; of cy the one that is not too old.
    let mut expected = newest_first(of_bo);
    expected.truncate(3);
    expected.push(of_cy.remove(1));
    let expected = candidates(&newest_first(expected));

    let found = world.store.followee_posts(reader.id, at(20), 3, 100);
    let (found, queries) = world.count(found).await;
    assert_eq!((&found, queries), (&expected, 1));
    let two = world.store.followee_posts(reader.id, at(20), 3, 2).await.unwrap();
    assert_eq!(two, expected[..2]);
    let lonely = world.store.followee_posts(bo.id, at(0), 3, 100).await.unwrap();
    assert!(lonely.is_empty());
}

pub(super) async fn a_deleted_post_is_in_no_read<B: Backend>() {
    let world = World::<B>::new().await;
    let (reader, author) = (world.user("reader").await, world.user("author").await);
    world.follow(reader.id, author.id).await;
    let gone = world.post(author.id, "gone", at(1)).await;
    let kept = world.post(author.id, "kept", at(1)).await;
    for post in [&gone, &kept] {
        world.like(reader.id, post, true, at(2)).await;
    }
    let delete = world.store.delete_post(gone.id, author.id, plain(), at(3));
    delete.await.unwrap();

    let (store, ids) = (&world.store, [gone.id, kept.id]);
    let kept_now = vec![Post { likes: 1, ..kept }];
    let posts = store.posts(&ids).await.unwrap();
    assert_eq!(posts.into_values().collect::<Vec<_>>(), kept_now);
    let liked = store.liked(reader.id, &ids).await.unwrap();
    assert_eq!(liked.into_iter().collect::<Vec<_>>(), [kept_now[0].id]);
    assert_eq!(store.posts_by(author.id, None, 10).await.unwrap(), kept_now);
    let candidate = candidates(&kept_now);
    assert_eq!(store.recent(reader.id, 10).await.unwrap(), candidate);
    let followed = store.followee_posts(reader.id, at(0), 10, 10).await;
    assert_eq!(followed.unwrap(), candidate);
    for liked in [true, false] {
        let like = store.set_like(reader.id, gone.id, liked, plain(), at(4));
        assert_eq!(like.await.unwrap_err().kind(), &Kind::NotFound);
    }
}

pub(super) async fn followers_come_page_by_page<B: Backend>() {
    let world = World::<B>::new().await;
    let ana = world.user("ana").await;
    let ctx = WriteContext::untracked();
    let mut followers = Vec::new();
    for n in 0..7 {
        let fan = world.user(&format!("fan{n}")).await;
        assert!(
            world
                .store
                .set_follow(fan.id, ana.id, true, &ctx, at(n))
                .await
                .unwrap()
        );
        followers.push(fan.id);
    }
    assert!(
        world
            .store
            .set_follow(followers[3], ana.id, false, &ctx, at(9))
            .await
            .unwrap()
    );
    followers.remove(3);
    followers.sort();
    let mut seen: Vec<UserId> = Vec::new();
    loop {
        let page = world
            .store
            .followers(ana.id, seen.last().copied(), 2)
            .await
            .unwrap();
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen, followers);
    assert_eq!(world.store.followers(followers[0], None, 10).await.unwrap(), []);
}
