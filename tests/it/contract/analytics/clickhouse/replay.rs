//! Whatever is written again, under the same token or another, changes nothing.

use nova_actors::Kind;
use nova_actors::ports::analytics::AnalyticsSink;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::super::merge::History;
use super::super::{Backend, PIPELINE, TOPIC, World};
use super::interrupted::{DyingLedger, Story};
use super::place::ClickHouseDatabase;

#[tokio::test]
async fn the_same_range_again_writes_no_row() {
    let (place, story) = (ClickHouseDatabase::new(), Story::new());
    let reads = place.open().await;
    let ledger = DyingLedger::never_settles(place.ledger.clone());
    let writes = place.connect(ledger);
    for round in 0..4 {
        let claim = writes.claim(PIPELINE, TOPIC, 0, "a test").await.unwrap();
        let error = writes.apply(&story.batch(&claim)).await.unwrap_err();
        assert_eq!(error.kind(), &Kind::Unavailable);
        story.is_told_by(&reads).await;
        assert_eq!(place.counts().await, Story::COUNTS, "round {round}");
    }
}

#[tokio::test]
async fn the_same_rows_under_other_tokens_change_no_read() {
    let (place, story) = (ClickHouseDatabase::new(), Story::new());
    let analytics = place.open().await;
    let claim = analytics.claim(PIPELINE, TOPIC, 0, "a test").await.unwrap();
    let mut batch = story.batch(&claim);
    for _ in 0..3 {
        analytics.apply(&batch).await.unwrap();
        let width = batch.next - batch.first;
        (batch.first, batch.next) = (batch.next, batch.next + width);
        story.is_told_by(&analytics).await;
    }
}

#[tokio::test]
async fn a_history_again_in_other_ranges_changes_no_read() {
    let mut world = World::<ClickHouseDatabase>::new().await;
    let history = History::new(&mut StdRng::seed_from_u64(7));
    world.land(history.rows.clone()).await;
    let before = history.reads(&world).await;
    for size in [1_000, 17] {
        for part in history.rows.chunks(size) {
            world.land(part.to_vec()).await;
        }
        assert_eq!(history.reads(&world).await, before);
    }
    for table in [
        "likes_cdc",
        "user_author_90d",
        "post_interactions_1h",
        "posts_cdc",
    ] {
        world.place.sql(&format!("optimize table {table} final")).await;
    }
    assert_eq!(history.reads(&world).await, before, "after merges");
}

#[tokio::test]
async fn a_view_that_failed_is_filled_by_the_same_insert() {
    let (place, story) = (ClickHouseDatabase::new(), Story::new());
    let analytics = place.open().await;
    let claim = analytics.claim(PIPELINE, TOPIC, 0, "a test").await.unwrap();
    for table in ["user_author_90d", "post_interactions_1h"] {
        place.sql(&format!("rename table {table} to away")).await;
        let error = analytics.apply(&story.batch(&claim)).await.unwrap_err();
        assert_eq!(error.kind(), &Kind::Internal);
        assert!(error.message().contains("nova migrate up"), "{error}");
        place.sql(&format!("rename table away to {table}")).await;
    }
    analytics.apply(&story.batch(&claim)).await.unwrap();
    story.is_told_by(&analytics).await;
    assert_eq!(place.counts().await, Story::COUNTS);
}

/// Events have no writer yet; their views are sums, which only the token protects.
#[tokio::test]
async fn sums_count_an_insert_once_under_one_token() {
    let place = ClickHouseDatabase::new();
    place.open().await;
    let insert = |token: &str| {
        format!(
            "insert into events (event_id, ts, user_id, post_id, author_id, type, value)
             settings insert_deduplication_token = '{token}', async_insert = 0, insert_deduplicate = 1,
                 deduplicate_blocks_in_dependent_materialized_views = 1
             select generateUUIDv4(), now64(3), toUUID('{0}1'), toUUID('{0}2'), toUUID('{0}3'),
                 arrayJoin(['impression', 'impression', 'share', 'dwell']), 250",
            "00000000-0000-0000-0000-00000000000"
        )
    };
    let sums = "select sum(impressions), sum(shares), (select sum(dwell_ms) from post_metrics_1h),
                       (select count() from user_author_90d final)
                from post_impressions";
    for _ in 0..3 {
        place.sql(&insert("a")).await;
        assert_eq!(place.sql(sums).await, ["2\t1\t250\t1"]);
    }
    place.sql(&insert("b")).await;
    assert_eq!(
        place.sql(sums).await,
        ["4\t2\t500\t1"],
        "another insert counts, a share once per post"
    );
}
