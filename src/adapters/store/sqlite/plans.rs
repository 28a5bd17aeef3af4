//! The hot queries use the indices made for them, whatever the planner's version thinks.

use sqlx::{AssertSqlSafe, Row};

use super::{SqliteStore, pending, posts, streams};

/// What SQLite would do for `sql`, a step a line.
async fn plan(sql: &'static str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("store.db")).await.unwrap();
    let steps = sqlx::query(AssertSqlSafe(format!("explain query plan {sql}")))
        .fetch_all(store.reader())
        .await
        .unwrap();
    store.close().await;
    let steps: Vec<String> = steps.iter().map(|step| step.get("detail")).collect();
    steps.join("\n")
}

#[tokio::test]
async fn the_live_list_walks_its_indices() {
    for (sql, index) in [
        (streams::LIVE, "live_streams_newest"),
        (streams::LIVE_OF_CATEGORY, "live_streams_newest_of_category"),
    ] {
        let plan = plan(sql).await;
        let tables: Vec<&str> = plan
            .lines()
            .filter(|step| step.contains("live_streams"))
            .collect();
        assert_eq!(tables.len(), 2, "{plan}");
        assert!(
            tables.iter().all(|step| step.contains("INDEX live_streams_")),
            "{plan}"
        );
        assert!(tables.iter().any(|step| step.contains(index)), "{plan}");
    }
}

#[tokio::test]
async fn a_profile_page_is_an_index_range_in_order() {
    let plan = plan(posts::POSTS_BY).await;
    assert!(
        plan.contains("SEARCH p USING INDEX posts_newest_of_author (author_id=?"),
        "{plan}"
    );
    assert!(!plan.contains("TEMP B-TREE") && !plan.contains("SCAN"), "{plan}");
}

#[tokio::test]
async fn followee_posts_are_one_index_range_each() {
    let plan = plan(posts::FOLLOWEE_POSTS).await;
    assert!(
        plan.contains("SEARCH f USING PRIMARY KEY (follower_id=?)"),
        "{plan}"
    );
    assert!(
        plan.contains("INDEX posts_newest_of_author (author_id=? AND created_at>?)"),
        "{plan}"
    );
    assert!(!plan.contains("SCAN"), "{plan}");
}

#[tokio::test]
async fn recent_posts_and_running_streams_are_read_in_index_order() {
    for (sql, index) in [
        (posts::RECENT, "posts_newest"),
        (pending::RUNNING, "live_streams_running"),
    ] {
        let plan = plan(sql).await;
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}

#[tokio::test]
async fn followers_are_one_index_range_in_order() {
    let plan = plan(posts::FOLLOWERS).await;
    assert!(
        plan.contains("INDEX follows_of_followee (followee_id=? AND follower_id>?)"),
        "{plan}"
    );
    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
}
