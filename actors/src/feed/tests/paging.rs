//! Pages over a snapshot: no repeats, no skips, whatever happens meanwhile.

use std::time::Duration;

use tokio::time::advance;

use super::world::{HOUR, Mood, World, ids};
use crate::domain::feed::Rung;
use crate::domain::{PostId, UserId};
use crate::error::Kind;
use crate::feed::FeedRequest;

fn kind<T: std::fmt::Debug>(outcome: crate::error::Result<T>) -> Kind {
    outcome.unwrap_err().kind().clone()
}

#[tokio::test(start_paused = true)]
async fn pages_neither_repeat_nor_skip_while_the_feed_is_ranked_again() {
    for limit in [1, 2, 3, 7, 20] {
        let world = World::start().await;
        let expected: Vec<PostId> = (1..=20).map(|n| world.followed_post(n * HOUR)).collect();
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let page = world.next(limit, cursor).await.unwrap();
            assert!(page.items.len() <= limit as usize);
            seen.extend(ids(&page));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
            world.followed_post(Duration::ZERO);
            world.feed.invalidate(world.reader).await.unwrap();
            advance(Duration::from_millis(5)).await;
            world.page().await;
        }
        assert_eq!(seen, expected, "limit {limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cursor_of_an_older_ranking_goes_on_and_says_that_a_newer_one_exists() {
    let world = World::start().await;
    let posts: Vec<PostId> = (1..=4).map(|n| world.followed_post(n * HOUR)).collect();
    let first = world.next(2, None).await.unwrap();
    assert!(!first.newer_available);
    let second = world.next(2, first.next_cursor.clone()).await.unwrap();
    assert!(!second.newer_available);
    let newcomer = world.followed_post(Duration::ZERO);
    advance(Duration::from_millis(5)).await;
    world.feed.invalidate(world.reader).await.unwrap();
    advance(Duration::from_millis(5)).await;
    assert_eq!(ids(&world.page().await)[0], newcomer);
    let second = world.next(2, first.next_cursor).await.unwrap();
    assert_eq!(ids(&second), posts[2..]);
    assert!(second.newer_available);
}

#[tokio::test(start_paused = true)]
async fn cursors_have_one_length_and_belong_to_their_reader() {
    let world = World::start().await;
    for n in 1..=5 {
        world.followed_post(n * HOUR);
    }
    let first = world.next(1, None).await.unwrap().next_cursor.unwrap();
    let second = world
        .next(1, Some(first.clone()))
        .await
        .unwrap()
        .next_cursor
        .unwrap();
    assert_eq!(first.len(), second.len());
    let thief = FeedRequest {
        reader: UserId::new(),
        cursor: Some(first.clone()),
        ..world.request()
    };
    assert_eq!(kind(world.feed.page(thief).await), Kind::CursorInvalid);
    let altered = first.replacen(&first[..1], if first.starts_with('B') { "C" } else { "B" }, 1);
    assert_eq!(kind(world.next(1, Some(altered)).await), Kind::CursorInvalid);
}

#[tokio::test(start_paused = true)]
async fn a_cursor_ends_with_its_time_or_with_its_snapshot() {
    let world = World::start().await;
    for n in 1..=5 {
        world.followed_post(n * HOUR);
    }
    let cursor = world.next(1, None).await.unwrap().next_cursor;
    // Another worker, and the cache has forgotten.
    world.restart_worker().await;
    world.fakes.forget_cache();
    assert_eq!(kind(world.next(1, cursor).await), Kind::CursorExpired);
    let cursor = world.next(1, None).await.unwrap().next_cursor;
    advance(Duration::from_secs(15 * 60)).await;
    assert_eq!(kind(world.next(1, cursor).await), Kind::CursorExpired);
}

#[tokio::test(start_paused = true)]
async fn cursors_outlive_a_worker() {
    let world = World::start().await;
    let posts: Vec<PostId> = (1..=3).map(|n| world.followed_post(n * HOUR)).collect();
    let cursor = world.next(1, None).await.unwrap().next_cursor;
    world.restart_worker().await;
    assert_eq!(ids(&world.next(2, cursor).await.unwrap()), posts[1..]);
}

#[tokio::test(start_paused = true)]
async fn posts_that_are_gone_are_passed_over_and_the_page_filled_up() {
    let world = World::start().await;
    let posts: Vec<PostId> = (1..=6).map(|n| world.followed_post(n * HOUR)).collect();
    world.page().await;
    world.delete(posts[0]);
    world.delete(posts[2]);
    let page = world.next(3, None).await.unwrap();
    assert_eq!(ids(&page), [posts[1], posts[3], posts[4]]);
    let page = world.next(3, page.next_cursor).await.unwrap();
    assert_eq!((ids(&page), page.next_cursor), (vec![posts[5]], None));
}

#[tokio::test(start_paused = true)]
async fn when_every_post_is_gone_the_feed_is_empty_with_a_reason() {
    let world = World::start().await;
    let post = world.followed_post(HOUR);
    world.page().await;
    world.delete(post);
    let page = world.page().await;
    assert_eq!((page.rung, page.items.len()), (Rung::Empty, 0));
    assert_eq!(page.degraded, ["no_posts"]);
}

#[tokio::test(start_paused = true)]
async fn the_readers_own_like_is_visible_on_the_next_page() {
    let world = World::start().await;
    let post = world.followed_post(HOUR);
    assert!(!world.page().await.items[0].post.liked);
    world.like(post);
    assert!(world.page().await.items[0].post.liked);
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_does_not_hold_on_a_page_is_named_there() {
    let world = World::start().await;
    let author = UserId::new();
    world.follow(author);
    for n in 1..=3 {
        world.post(author, n * HOUR, 0);
    }
    for n in 4..=8 {
        world.followed_post(n * HOUR);
    }
    let page = world.next(5, None).await.unwrap();
    assert!(page.relaxed.is_empty());
    let page = world.next(5, page.next_cursor).await.unwrap();
    assert_eq!((page.items.len(), page.relaxed), (3, vec!["spacing"]));
}

#[tokio::test(start_paused = true)]
async fn chrono_is_newest_first_and_can_be_paged() {
    let world = World::start().await;
    let author = UserId::new();
    world.follow(author);
    let posts: Vec<PostId> = (1..=5)
        .map(|n| world.post(author, n * HOUR, 10 - u64::from(n)))
        .collect();
    let chrono = |cursor| FeedRequest {
        algo: Some("chrono".to_owned()),
        limit: 3,
        cursor,
        ..world.request()
    };
    let page = world.feed.page(chrono(None)).await.unwrap();
    assert_eq!((page.rung, page.ranker), (Rung::Chrono, "chrono"));
    assert_eq!(ids(&page), posts[..3]);
    assert_eq!(page.relaxed, ["top_five", "spacing"]);
    assert_eq!(world.page().await.ranker, "v1");
    let page = world.feed.page(chrono(page.next_cursor)).await.unwrap();
    assert_eq!((ids(&page), page.ranker), (posts[3..].to_vec(), "chrono"));
}

#[tokio::test(start_paused = true)]
async fn without_the_cache_pages_go_on_from_the_workers_memory() {
    let world = World::start().await;
    let posts: Vec<PostId> = (1..=4).map(|n| world.followed_post(n * HOUR)).collect();
    world.fakes.cache.set(Mood::Fails);
    let first = world.next(2, None).await.unwrap();
    assert_eq!(first.rung, Rung::Fresh);
    let second = world.next(2, first.next_cursor).await.unwrap();
    assert_eq!(ids(&second), posts[2..]);
    world.page().await;
    assert_eq!(world.fakes.followees.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_later_page_that_cannot_be_looked_up_can_be_asked_for_again() {
    let world = World::start().await;
    let posts: Vec<PostId> = (1..=4).map(|n| world.followed_post(n * HOUR)).collect();
    let first = world.next(2, None).await.unwrap();
    world.fakes.hydrate.set(Mood::Fails);
    let second = world.next(2, first.next_cursor).await.unwrap();
    assert_eq!((second.rung, second.items.len()), (Rung::Empty, 0));
    world.fakes.hydrate.set(Mood::Well);
    let second = world.next(2, second.next_cursor).await.unwrap();
    assert_eq!(ids(&second), posts[2..]);
}
