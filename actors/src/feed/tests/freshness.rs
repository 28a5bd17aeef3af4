//! When a feed is ranked anew, and by how many.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::advance;

use super::world::{HOUR, Mood, World, ids};
use crate::domain::feed::Rung;
use crate::error::Kind;
use crate::feed::FeedSettings;

/// Beyond the soft time to live, whatever the jitter.
const STALE: Duration = Duration::from_secs(133);
const SLOW: Mood = Mood::Slow(Duration::from_millis(100));

async fn fresh_again(world: &World) {
    for _ in 0..100 {
        if world.page().await.rung == Rung::Fresh {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the feed was not refreshed");
}

#[tokio::test(start_paused = true)]
async fn concurrent_pages_of_a_reader_share_one_build() {
    let world = World::start().await;
    world.followed_post(HOUR);
    world.analytics(SLOW);
    let mut pages = JoinSet::new();
    for _ in 0..20 {
        let (feed, request) = (world.feed.clone(), world.request());
        pages.spawn(async move { feed.page(request).await });
    }
    let pages = pages.join_all().await;
    assert!(pages.iter().all(|page| page.as_ref().unwrap().items.len() == 1));
    assert_eq!(world.fakes.followees.asked(), 1);
    assert_eq!(world.fakes.features.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cached_page_asks_no_source() {
    let world = World::start().await;
    world.followed_post(HOUR);
    world.page().await;
    advance(Duration::from_secs(100)).await;
    let page = world.page().await;
    assert_eq!((page.rung, world.fakes.followees.asked()), (Rung::Fresh, 1));
}

#[tokio::test(start_paused = true)]
async fn another_worker_finds_the_snapshot_in_the_cache() {
    let world = World::start().await;
    let post = world.followed_post(HOUR);
    world.page().await;
    world.restart_worker().await;
    assert_eq!(ids(&world.page().await), [post]);
    assert_eq!(world.fakes.followees.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stale_page_is_served_while_one_refresh_runs() {
    let world = World::start().await;
    let post = world.followed_post(HOUR);
    world.page().await;
    advance(STALE).await;
    let newcomer = world.followed_post(Duration::ZERO);
    world.analytics(SLOW);
    for _ in 0..5 {
        let page = world.page().await;
        assert_eq!((page.rung, ids(&page)), (Rung::Stale, vec![post]));
    }
    fresh_again(&world).await;
    assert_eq!(ids(&world.page().await), [newcomer, post]);
    assert_eq!(world.fakes.followees.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_in_vain_leaves_the_stale_page_until_it_is_too_old() {
    let world = World::start().await;
    let post = world.followed_post(HOUR);
    world.page().await;
    world.analytics(Mood::Fails);
    advance(STALE).await;
    for _ in 0..3 {
        let page = world.page().await;
        assert_eq!((page.rung, ids(&page)), (Rung::Stale, vec![post]));
        advance(Duration::from_millis(10)).await;
    }
    assert_eq!(
        world.fakes.followees.asked(),
        2,
        "a refresh in vain is not repeated at once"
    );
    advance(Duration::from_secs(5)).await;
    assert_eq!(world.page().await.rung, Rung::Stale);
    advance(Duration::from_secs(15 * 60)).await;
    assert_eq!(world.page().await.rung, Rung::Store);
}

#[tokio::test(start_paused = true)]
async fn a_new_follow_is_in_the_next_page() {
    let world = World::start().await;
    let post = world.followed_post(HOUR);
    world.page().await;
    advance(Duration::from_millis(5)).await;
    let newcomer = world.followed_post(Duration::ZERO);
    world.feed.mark_dirty(world.reader).await.unwrap();
    assert_eq!(ids(&world.page().await), [newcomer, post]);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_analytics_learns_late_shows_without_another_mark() {
    let world = World::start().await;
    let post = world.followed_post(HOUR);
    world.page().await;
    advance(Duration::from_millis(5)).await;
    world.feed.mark_dirty(world.reader).await.unwrap();
    advance(Duration::from_millis(5)).await;
    assert_eq!(ids(&world.page().await), [post]);
    let newcomer = world.followed_post(Duration::ZERO);
    advance(Duration::from_secs(1)).await;
    assert_eq!(ids(&world.page().await), [newcomer, post]);
    advance(Duration::from_secs(5)).await;
    world.page().await;
    let asked = world.fakes.followees.asked();
    advance(Duration::from_secs(60)).await;
    world.page().await;
    assert_eq!(world.fakes.followees.asked(), asked, "settled rankings are kept");
}

#[tokio::test(start_paused = true)]
async fn a_mark_during_a_build_is_not_lost() {
    let world = World::start().await;
    let post = world.followed_post(HOUR);
    world.analytics(SLOW);
    let early = {
        let (feed, request) = (world.feed.clone(), world.request());
        tokio::task::JoinSet::from_iter([async move { feed.page(request).await }])
    };
    advance(Duration::from_millis(50)).await;
    let newcomer = world.followed_post(Duration::ZERO);
    world.feed.mark_dirty(world.reader).await.unwrap();
    let late = world.page().await;
    assert_eq!(
        ids(&late),
        [newcomer, post],
        "a page after the mark must not share the earlier build"
    );
    let early = early.join_all().await.remove(0).unwrap();
    assert_eq!(ids(&early), [post]);
    advance(Duration::from_millis(200)).await;
    assert_eq!(ids(&world.page().await), [newcomer, post]);
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_that_the_cache_missed_is_reported_and_holds_here() {
    let world = World::start().await;
    world.followed_post(HOUR);
    world.page().await;
    advance(Duration::from_millis(5)).await;
    world.fakes.cache.set(Mood::Fails);
    let outcome = world.feed.invalidate(world.reader).await;
    assert_eq!(outcome.unwrap_err().kind(), &Kind::Unavailable);
    world.fakes.cache.set(Mood::Well);
    world.page().await;
    assert_eq!(world.fakes.followees.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_worker_killed_during_a_build_says_so_and_the_next_call_works() {
    let world = World::start().await;
    world.followed_post(HOUR);
    world.analytics(SLOW);
    let mut waiting = JoinSet::new();
    let (feed, request) = (world.feed.clone(), world.request());
    waiting.spawn(async move { feed.page(request).await });
    while world.fakes.followees.asked() == 0 {
        tokio::task::yield_now().await;
    }
    world.restart_worker().await;
    let outcome = waiting.join_next().await.unwrap().unwrap();
    assert_eq!(outcome.unwrap_err().kind(), &Kind::Unavailable);
    assert_eq!(world.page().await.rung, Rung::Fresh);
}

#[tokio::test(start_paused = true)]
async fn more_requests_than_the_bound_are_refused() {
    let settings = FeedSettings {
        in_flight: 3,
        ..FeedSettings::default()
    };
    let world = World::with(settings).await;
    world.followed_post(HOUR);
    world.analytics(SLOW);
    let mut pages = JoinSet::new();
    for _ in 0..10 {
        let (feed, request) = (world.feed.clone(), world.request());
        pages.spawn(async move { feed.page(request).await });
    }
    let pages = pages.join_all().await;
    let refused = pages.iter().filter_map(|page| page.as_ref().err());
    let refused: Vec<_> = refused.map(|error| error.kind().clone()).collect();
    assert_eq!(refused, vec![Kind::Overloaded; 7]);
    assert_eq!(world.page().await.items.len(), 1, "answered requests make room");
}
