//! What only the file itself can tell: plans, dead letters, the length of the ledger.

use nova_actors::domain::Timestamp;
use nova_actors::ports::analytics::{AnalyticsSink, Batch, DeadLetter, Outcomes};
use tempfile::TempDir;

use super::SqliteAnalytics;
use super::feed::{AFFINITY, FEATURES, FOLLOWEES, TRENDING};

async fn opened() -> (TempDir, SqliteAnalytics) {
    let dir = tempfile::tempdir().unwrap();
    let analytics = SqliteAnalytics::open(&dir.path().join("analytics.db"))
        .await
        .unwrap();
    (dir, analytics)
}

fn batch(epoch: u64, first: u64, outcomes: Outcomes) -> Batch {
    Batch {
        pipeline: "cdc",
        topic: "cdc.posts".to_owned(),
        partition: 0,
        epoch,
        first,
        next: first + outcomes.ignored + outcomes.dead,
        outcomes,
        rows: Vec::new(),
        dead: Vec::new(),
        watermark: Timestamp::from_millis(1),
    }
}

/// No table of the feed is read from end to end, and the indexes that the queries name are the ones used.
#[tokio::test]
async fn every_query_of_the_feed_goes_by_an_index() {
    let (_dir, analytics) = opened().await;
    for (query, binds, indexes) in [
        (FOLLOWEES, 4, &["posts_cdc_by_author"][..]),
        (TRENDING, 2, &["likes_cdc_by_time", "comments_cdc_by_time"]),
        (
            AFFINITY,
            5,
            &["likes_cdc_by_user", "comments_cdc_by_user", "posts_cdc_by_author"],
        ),
        (FEATURES, 4, &["likes_cdc_by_user", "comments_cdc_by_user"]),
    ] {
        let mut plan = sqlx::query_as::<_, (i64, i64, i64, String)>(sqlx::AssertSqlSafe(format!(
            "explain query plan {query}"
        )));
        for _ in 0..binds {
            plan = plan.bind("[]");
        }
        let steps = plan.fetch_all(analytics.db.read()).await.unwrap();
        let steps: Vec<String> = steps.into_iter().map(|(.., step)| step).collect();
        let text = steps.join("\n");
        for index in indexes {
            assert!(text.contains(index), "{index} is not used:\n{text}");
        }
        let scans = steps
            .iter()
            .filter(|step| step.contains("SCAN") && step.contains("_cdc"));
        assert_eq!(scans.count(), 0, "{text}");
    }
}

#[tokio::test]
async fn a_dead_letter_is_kept_as_it_came() {
    let (_dir, analytics) = opened().await;
    let claim = analytics.claim("cdc", "cdc.posts", 0, "a test").await.unwrap();
    let mut batch = batch(
        claim.epoch,
        0,
        Outcomes {
            ignored: 1,
            dead: 1,
            ..Outcomes::default()
        },
    );
    let (key, value) = (vec![1, 0, 0xff], vec![0xfe, 0]);
    batch.dead.push(DeadLetter {
        offset: 1,
        key: key.clone(),
        value: value.clone(),
        headers: "{\"type\":\"x\"}".to_owned(),
        reason: "not JSON".to_owned(),
    });
    analytics.apply(&batch).await.unwrap();
    let kept = sqlx::query_as::<_, (i64, Vec<u8>, Vec<u8>, String, String)>(
        "select record_offset, record_key, record_value, headers, reason from dead_letters
         where pipeline = 'cdc' and topic = 'cdc.posts' and partition = 0",
    )
    .fetch_all(analytics.db.read())
    .await
    .unwrap();
    let expected = (
        1,
        key,
        value,
        "{\"type\":\"x\"}".to_owned(),
        "not JSON".to_owned(),
    );
    assert_eq!(kept, [expected]);
}

#[tokio::test]
async fn the_ledger_remembers_the_last_thousand_batches() {
    let (_dir, analytics) = opened().await;
    let claim = analytics.claim("cdc", "cdc.posts", 0, "a test").await.unwrap();
    let one = Outcomes {
        ignored: 1,
        ..Outcomes::default()
    };
    for first in 0..1_010 {
        analytics.apply(&batch(claim.epoch, first, one)).await.unwrap();
    }
    let (count, first): (i64, i64) =
        sqlx::query_as("select count(*), min(first_offset) from pipeline_batches")
            .fetch_one(analytics.db.read())
            .await
            .unwrap();
    assert_eq!((count, first), (1_000, 10));
}
