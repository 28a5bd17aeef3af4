//! What is answered when parts of the world fail.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, advance};

use super::world::{HOUR, Mood, World, ids};
use crate::domain::UserId;
use crate::domain::feed::{Rung, Source};
use crate::error::Kind;
use crate::feed::{FeedRequest, FeedSettings};

#[tokio::test(start_paused = true)]
async fn a_followed_post_is_there_with_its_score_and_its_reason() {
    let world = World::start().await;
    let post = world.followed_post(10 * HOUR);
    let page = world.page().await;
    assert_eq!((page.rung, page.ranker), (Rung::Fresh, "v1"));
    assert_eq!(ids(&page), [post]);
    let item = &page.items[0];
    assert!(
        (item.score - 0.30 * (-1.0_f64).exp()).abs() < 1e-9,
        "{}",
        item.score
    );
    assert_eq!(item.sources, [Source::Followees]);
    assert_eq!(item.reasons, ["you follow ana"]);
    assert!(page.degraded.is_empty() && page.relaxed.is_empty());
    assert_eq!(page.watermark.cdc.map(|at| at.millis()), Some(77));
    assert_eq!(page.watermark.events, None);
    assert_eq!(page.next_cursor, None);
}

#[tokio::test(start_paused = true)]
async fn an_explanation_can_be_computed_again() {
    let world = World::start().await;
    let author = UserId::new();
    world.follow(author);
    let other = world.followed_post(20 * HOUR);
    let post = world.post(author, 5 * HOUR, 3);
    world.like(post);
    let page = world.page().await;
    assert_eq!(ids(&page), [post, other]);
    let why = world.feed.explain(world.reader, post).await.unwrap();
    let (parts, weights) = (why.parts, why.weights);
    assert_eq!((why.position, why.ranker), (0, "v1"));
    assert_eq!((why.inputs.likes, why.inputs.interactions), (3, 1));
    assert!((why.inputs.age_hours - 5.0).abs() < 1e-9);
    assert!((parts.engagement - 4.0_f64.ln()).abs() < 1e-12);
    let again = weights.freshness * parts.freshness
        + weights.engagement * parts.engagement
        + weights.affinity * parts.affinity;
    assert!((again - why.score).abs() < 1e-12 && (again - page.items[0].score).abs() < 1e-12);
    assert!(why.filters.iter().all(|filter| filter.passed));
}

#[tokio::test(start_paused = true)]
async fn a_post_that_is_not_in_the_feed_or_is_gone_has_no_explanation() {
    let world = World::start().await;
    let post = world.followed_post(HOUR);
    let stranger = world.post(UserId::new(), HOUR, 0);
    world.page().await;
    let refused = world.feed.explain(world.reader, stranger).await.unwrap_err();
    assert_eq!(refused.kind(), &Kind::NotFound);
    world.delete(post);
    let refused = world.feed.explain(world.reader, post).await.unwrap_err();
    assert_eq!(refused.kind(), &Kind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_source_past_its_deadline_is_named_and_the_others_count() {
    let world = World::start().await;
    let post = world.followed_post(HOUR);
    world.fakes.trending.set(Mood::Hangs);
    let started = Instant::now();
    let page = world.page().await;
    assert_eq!((page.rung, ids(&page)), (Rung::Partial, vec![post]));
    assert_eq!(page.degraded, ["trending"]);
    assert!(
        started.elapsed() < Duration::from_millis(300),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn without_figures_those_of_the_store_count() {
    let world = World::start().await;
    let author = UserId::new();
    world.follow(author);
    world.followed_post(HOUR);
    let liked = world.post(author, 2 * HOUR, 9);
    world.fakes.features.set(Mood::Fails);
    let page = world.page().await;
    assert_eq!((page.rung, ids(&page)[0]), (Rung::Partial, liked));
    assert_eq!(page.degraded, ["features"]);
}

#[tokio::test(start_paused = true)]
async fn without_analytics_the_store_is_ranked_by_the_same_scores() {
    let world = World::start().await;
    let author = UserId::new();
    world.follow(author);
    let fresh = world.followed_post(HOUR);
    let liked = world.post(author, 2 * HOUR, 9);
    world.analytics(Mood::Fails);
    let page = world.page().await;
    assert_eq!((page.rung, page.ranker), (Rung::Store, "v1"));
    assert_eq!(ids(&page), [liked, fresh]);
    let expected = 0.30 * (-0.2_f64).exp() + 0.40 * 10.0_f64.ln();
    assert!((page.items[0].score - expected).abs() < 1e-9);
    assert_eq!(page.degraded, ["followees", "trending", "affinity"]);
    assert_eq!(page.watermark.cdc.map(|at| at.millis()), Some(77));
}

#[tokio::test(start_paused = true)]
async fn without_anyone_to_rank_the_newest_posts_are_shown() {
    let world = World::start().await;
    let old = world.post(UserId::new(), 9 * HOUR, 50);
    let new = world.post(UserId::new(), HOUR, 0);
    world.post(world.reader, Duration::ZERO, 0);
    let page = world.page().await;
    assert_eq!((page.rung, page.ranker), (Rung::Chrono, "chrono"));
    assert_eq!(ids(&page), [new, old]);
    assert!(page.items[0].score > page.items[1].score);
    assert_eq!(page.items[0].reasons, ["it is new"]);
    assert!(page.degraded.is_empty());
    world.analytics(Mood::Fails);
    world.feed.invalidate(world.reader).await.unwrap();
    let page = world.page().await;
    assert_eq!((page.rung, ids(&page)), (Rung::Chrono, vec![new, old]));
    assert_eq!(page.degraded, ["followees", "trending", "affinity"]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_feed_says_why() {
    let world = World::start().await;
    let page = world.page().await;
    assert_eq!((page.rung, page.items.len()), (Rung::Empty, 0));
    assert_eq!(
        (page.degraded, page.next_cursor),
        (vec!["no_posts".to_owned()], None)
    );
    world.analytics(Mood::Hangs);
    world.fakes.store.set(Mood::Hangs);
    world.feed.invalidate(world.reader).await.unwrap();
    let page = world.page().await;
    assert_eq!(page.rung, Rung::Empty);
    assert_eq!(page.degraded, ["followees", "trending", "affinity", "store"]);
}

#[tokio::test(start_paused = true)]
async fn a_post_that_appears_ends_an_empty_feed_within_a_second() {
    let world = World::start().await;
    assert_eq!(world.page().await.rung, Rung::Empty);
    let post = world.post(UserId::new(), Duration::ZERO, 0);
    advance(Duration::from_secs(1)).await;
    assert_eq!(ids(&world.page().await), [post]);
}

#[tokio::test(start_paused = true)]
async fn when_posts_cannot_be_looked_up_the_page_is_empty_and_not_an_error() {
    let world = World::start().await;
    world.followed_post(HOUR);
    world.fakes.hydrate.set(Mood::Hangs);
    let page = world.page().await;
    assert_eq!((page.rung, page.items.len()), (Rung::Empty, 0));
    assert_eq!(page.degraded, ["posts"]);
    world.fakes.hydrate.set(Mood::Well);
    assert_eq!(world.page().await.rung, Rung::Fresh);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_keeps_failing_is_left_alone_until_it_is_probed() {
    let world = World::start().await;
    world.followed_post(HOUR);
    world.fakes.trending.set(Mood::Fails);
    for _ in 0..8 {
        assert_eq!(world.page().await.rung, Rung::Partial);
        world.feed.invalidate(world.reader).await.unwrap();
        advance(Duration::from_millis(10)).await;
    }
    assert_eq!(world.fakes.trending.asked(), 5);
    world.fakes.trending.set(Mood::Well);
    advance(Duration::from_secs(6)).await;
    assert_eq!(world.page().await.rung, Rung::Fresh);
}

#[tokio::test(start_paused = true)]
async fn a_degraded_ranking_gets_complete_soon_after_the_cure() {
    let world = World::start().await;
    world.followed_post(HOUR);
    world.fakes.affinity.set(Mood::Fails);
    assert_eq!(world.page().await.rung, Rung::Partial);
    world.fakes.affinity.set(Mood::Well);
    assert_eq!(world.page().await.rung, Rung::Partial);
    advance(Duration::from_secs(5)).await;
    assert_eq!(world.page().await.rung, Rung::Fresh);
}

#[tokio::test(start_paused = true)]
async fn an_override_chooses_where_candidates_come_from() {
    let settings = FeedSettings {
        allow_source_override: true,
        ..FeedSettings::default()
    };
    let world = World::with(settings).await;
    let post = world.followed_post(HOUR);
    let from = |source: &str| FeedRequest {
        source: Some(source.to_owned()),
        ..world.request()
    };
    let page = world.feed.page(from("pg")).await.unwrap();
    assert_eq!((page.rung, ids(&page)), (Rung::Store, vec![post]));
    assert_eq!(page.degraded, ["trending", "affinity"]);
    assert_eq!(world.fakes.followees.asked(), 0);
    assert_eq!(world.feed.page(from("ch")).await.unwrap().rung, Rung::Fresh);
    assert_eq!(world.page().await.rung, Rung::Fresh);
}

#[tokio::test(start_paused = true)]
async fn own_posts_never_trend_for_oneself() {
    let world = World::start().await;
    world.fakes.trends.store(true, Ordering::SeqCst);
    world.post(world.reader, HOUR, 100);
    let other = world.post(UserId::new(), HOUR, 1);
    let page = world.page().await;
    assert_eq!((page.rung, ids(&page)), (Rung::Fresh, vec![other]));
    assert_eq!(page.items[0].sources, [Source::Trending]);
}
