//! The queries of the feed.

use nova_actors::Kind;
use nova_actors::domain::change::CapturedTable::{Follows, Likes, PostCounters, Posts};
use nova_actors::domain::feed::Candidate;
use nova_actors::domain::{PostId, UserId};
use nova_actors::ports::analytics::{Features, FeedSource};

use super::{Backend, LONG_AGO, World, at, counters_row, follow_row, kind, like_row, post_row};

fn newest_first(mut posts: Vec<Candidate>) -> Vec<Candidate> {
    posts.sort_by_key(|post| std::cmp::Reverse((post.created_at, post.post_id)));
    posts
}

pub(crate) async fn followees_posts_are_newest_first_within_their_bounds<B: Backend>() {
    let mut world = World::<B>::new().await;
    let (reader, a, b) = (UserId::new(), UserId::new(), UserId::new());
    world.follow(reader, a).await;
    world.follow(reader, b).await;
    world.post(UserId::new(), 3).await;
    let mut of_a = Vec::new();
    for offset in [0, 10, 20, 20, 30] {
        of_a.push(world.post(a, offset).await);
    }
    let of_b = world.post(b, 15).await;
    let all = newest_first([of_a.clone(), vec![of_b]].concat());
    assert_eq!(world.followees(reader).await, all);
    let some = world.analytics.followees(reader, at(10), 100, 100).await.unwrap();
    assert_eq!(some, all[..5], "from the given time on, inclusive");
    let some = world.analytics.followees(reader, LONG_AGO, 2, 100).await.unwrap();
    assert_eq!(some, [all[0], all[1], of_b], "the newest of each author");
    let some = world.analytics.followees(reader, LONG_AGO, 100, 3).await.unwrap();
    assert_eq!(some, all[..3]);
    assert_eq!(world.followees(a).await, []);
}

pub(crate) async fn an_unfollowed_author_is_no_candidate<B: Backend>() {
    let mut world = World::<B>::new().await;
    let (reader, author) = (UserId::new(), UserId::new());
    world.follow(reader, author).await;
    world.post(author, 0).await;
    world.gone(Follows, follow_row(reader, author)).await;
    assert_eq!(world.followees(reader).await, []);
}

pub(crate) async fn trending_counts_what_happened_in_the_window<B: Backend>() {
    let mut world = World::<B>::new().await;
    let author = UserId::new();
    let (old, new, unloved) = (
        world.post(author, 0).await,
        world.post(author, 50).await,
        world.post(author, 60).await,
    );
    for n in 0..3 {
        world.like(UserId::new(), &new, 60 + n).await;
    }
    for n in 0..5 {
        world.like(UserId::new(), &old, 10 + n).await;
    }
    world.like(UserId::new(), &old, 100).await;
    let fan = UserId::new();
    world.like(fan, &unloved, 100).await;
    world.gone(Likes, like_row(fan, &unloved, 100)).await;
    assert_eq!(world.trending().await, [old, new]);
    let lately = world.analytics.trending(at(60), 100).await.unwrap();
    assert_eq!(
        lately,
        [new, old],
        "an old post that is liked now trends, for what it got in the window"
    );
    assert_eq!(world.analytics.trending(at(61), 1).await.unwrap(), [new]);
    assert_eq!(world.analytics.trending(at(101), 100).await.unwrap(), []);
}

pub(crate) async fn a_comment_trends_like_two_likes<B: Backend>() {
    let mut world = World::<B>::new().await;
    let author = UserId::new();
    let commented = world.post(author, 0).await;
    let liked = world.post(author, 1).await;
    world.like(UserId::new(), &liked, 5).await;
    world.comment(UserId::new(), &commented, 5).await;
    assert_eq!(world.trending().await, [commented, liked]);
}

pub(crate) async fn trending_ties_are_newest_first<B: Backend>() {
    let mut world = World::<B>::new().await;
    let mut posts = Vec::new();
    for offset in [5, 1, 5, 9] {
        let post = world.post(UserId::new(), offset).await;
        world.like(UserId::new(), &post, 20).await;
        posts.push(post);
    }
    assert_eq!(world.trending().await, newest_first(posts));
}

pub(crate) async fn affinity_knows_the_authors_of_ones_interactions<B: Backend>() {
    let mut world = World::<B>::new().await;
    let (reader, liked, commented) = (UserId::new(), UserId::new(), UserId::new());
    let like = world.post(liked, 0).await;
    let other = world.post(liked, 1).await;
    let comment = world.post(commented, 2).await;
    world.post(UserId::new(), 3).await;
    world.like(reader, &like, 10).await;
    world.comment(reader, &comment, 20).await;
    world.like(UserId::new(), &comment, 20).await;
    assert_eq!(world.affinity(reader).await, [comment, other, like]);
    let later = world
        .analytics
        .affinity(reader, at(11), LONG_AGO, 100, 100)
        .await
        .unwrap();
    assert_eq!(later, [comment], "interactions from their time on");
    let later = world
        .analytics
        .affinity(reader, LONG_AGO, at(1), 100, 100)
        .await
        .unwrap();
    assert_eq!(later, [comment, other], "posts from their time on");
    world.gone(Likes, like_row(reader, &like, 10)).await;
    assert_eq!(world.affinity(reader).await, [comment]);
}

pub(crate) async fn affinity_keeps_its_bounds<B: Backend>() {
    let mut world = World::<B>::new().await;
    let reader = UserId::new();
    let (close, distant) = (UserId::new(), UserId::new());
    let mut posts = Vec::new();
    for offset in 0..4 {
        let post = world.post(close, offset).await;
        world.like(reader, &post, 10).await;
        posts.push(post);
    }
    let post = world.post(distant, 9).await;
    world.like(reader, &post, 10).await;
    posts.push(post);
    let all = newest_first(posts);
    assert_eq!(world.affinity(reader).await, all);
    let some = world
        .analytics
        .affinity(reader, LONG_AGO, LONG_AGO, 2, 100)
        .await
        .unwrap();
    assert_eq!(some, all[..3], "the newest of each author");
    let some = world
        .analytics
        .affinity(reader, LONG_AGO, LONG_AGO, 100, 2)
        .await
        .unwrap();
    assert_eq!(some, all[..2]);
}

pub(crate) async fn own_posts_are_no_candidates<B: Backend>() {
    let mut world = World::<B>::new().await;
    let reader = UserId::new();
    let own = world.post(reader, 0).await;
    world.follow(reader, reader).await;
    world.like(reader, &own, 1).await;
    assert_eq!(world.followees(reader).await, []);
    assert_eq!(world.affinity(reader).await, []);
    assert_eq!(
        world.trending().await,
        [own],
        "trending knows no reader: the ranker filters"
    );
}

pub(crate) async fn features_are_zero_where_nothing_is_known<B: Backend>() {
    let mut world = World::<B>::new().await;
    let (reader, author) = (UserId::new(), UserId::new());
    let unknown = world.features(reader, &[PostId::new()], &[author]).await;
    assert_eq!(unknown, Features::default());
    let post = world.post(author, 0).await;
    world.put(PostCounters, counters_row(post.post_id, 3, 1)).await;
    world.like(reader, &post, 1).await;
    let other = world.features(UserId::new(), &[post.post_id], &[author]).await;
    assert_eq!((other.posts.len(), other.interactions.len()), (1, 0));
    let posts_alone = world.features(reader, &[post.post_id], &[]).await;
    assert_eq!((posts_alone.posts.len(), posts_alone.interactions.len()), (1, 0));
    let authors_alone = world.features(reader, &[], &[author, UserId::new()]).await;
    assert_eq!(
        (authors_alone.posts.len(), authors_alone.interactions.len()),
        (0, 1)
    );
    world.gone(PostCounters, counters_row(post.post_id, 3, 1)).await;
    assert_eq!(
        world.features(reader, &[post.post_id], &[]).await,
        Features::default()
    );
}

pub(crate) async fn interactions_are_counted_from_their_time_on<B: Backend>() {
    let mut world = World::<B>::new().await;
    let (reader, author) = (UserId::new(), UserId::new());
    let (first, second) = (world.post(author, 0).await, world.post(author, 1).await);
    world.like(reader, &first, 10).await;
    world.like(reader, &second, 20).await;
    world.comment(reader, &first, 30).await;
    world.comment(reader, &first, 40).await;
    for (since, expected) in [
        (0, Some(4)),
        (11, Some(3)),
        (20, Some(3)),
        (40, Some(1)),
        (41, None),
    ] {
        let features = world
            .analytics
            .features(reader, &[], &[author], at(since))
            .await
            .unwrap();
        assert_eq!(
            features.interactions.get(&author).copied(),
            expected,
            "since {since}"
        );
    }
}

pub(crate) async fn deleted_posts_are_in_no_read<B: Backend>() {
    let mut world = World::<B>::new().await;
    let (reader, author) = (UserId::new(), UserId::new());
    world.follow(reader, author).await;
    let post = world.post(author, 0).await;
    world.like(reader, &post, 1).await;
    world.gone(Posts, post_row(&post)).await;
    assert_eq!(world.followees(reader).await, []);
    assert_eq!(world.trending().await, []);
    assert_eq!(world.affinity(reader).await, []);
}

pub(crate) async fn empty_questions_ask_nothing<B: Backend>() {
    let world = World::<B>::new().await;
    let reader = UserId::new();
    // What is closed cannot be asked.
    B::close(&world.analytics).await;
    let analytics = &world.analytics;
    assert_eq!(
        analytics.features(reader, &[], &[], LONG_AGO).await.unwrap(),
        Features::default()
    );
    assert_eq!(analytics.followees(reader, LONG_AGO, 0, 5).await.unwrap(), []);
    assert_eq!(analytics.followees(reader, LONG_AGO, 5, 0).await.unwrap(), []);
    assert_eq!(analytics.trending(LONG_AGO, 0).await.unwrap(), []);
    assert_eq!(
        analytics
            .affinity(reader, LONG_AGO, LONG_AGO, 0, 5)
            .await
            .unwrap(),
        []
    );
    let asked = analytics.followees(reader, LONG_AGO, 5, 5).await;
    assert_eq!(kind(asked), Kind::Unavailable);
}
