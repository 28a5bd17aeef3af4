//! Migrations, and what `inspect` finds.

use std::collections::BTreeSet;

use nova_actors::Kind;

use super::super::{Backend, kind};
use super::place::ClickHouseDatabase;

#[tokio::test]
async fn migrations_are_pending_until_they_are_applied_once() {
    let place = ClickHouseDatabase::new();
    let analytics = place.connect(place.ledger.clone());
    let before = analytics.migrations().await.unwrap();
    assert!(before.len() >= 3 && before.iter().all(|state| !state.applied));
    let facts = analytics.inspect().await.unwrap();
    assert!(!facts.database_exists, "asking creates nothing");

    analytics.migrate().await.unwrap();
    analytics.migrate().await.unwrap();
    let after = analytics.migrations().await.unwrap();
    assert!(after.iter().all(|state| state.applied));
    let recorded = place.sql("select count() from schema_migrations").await;
    assert_eq!(recorded, [after.len().to_string()]);
}

#[tokio::test]
async fn two_processes_may_migrate_at_the_same_time() {
    let place = ClickHouseDatabase::new();
    let (a, b) = (
        place.connect(place.ledger.clone()),
        place.connect(place.ledger.clone()),
    );
    let (one, two) = tokio::join!(a.migrate(), b.migrate());
    one.unwrap();
    two.unwrap();
    assert_eq!(a.inspect().await.unwrap().differences, Vec::<String>::new());
}

#[tokio::test]
async fn a_migration_that_was_interrupted_goes_on() {
    let place = ClickHouseDatabase::new();
    let analytics = place.open().await;
    place
        .sql("alter table schema_migrations delete where version = 2 settings mutations_sync = 2")
        .await;
    place.sql("drop table mv_post_impressions").await;
    analytics.migrate().await.unwrap();
    assert_eq!(
        analytics.inspect().await.unwrap().differences,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn a_step_that_was_edited_after_it_was_applied_is_refused() {
    let place = ClickHouseDatabase::new();
    let analytics = place.open().await;
    place
        .sql("alter table schema_migrations update checksum = repeat('0', 64) where version = 1 settings mutations_sync = 2")
        .await;
    for error in [
        analytics.migrate().await.unwrap_err(),
        analytics.migrations().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), &Kind::Internal);
        assert!(error.message().contains("step 1"), "{error}");
    }
}

#[tokio::test]
async fn what_is_printed_makes_the_same_database() {
    let (by_hand, migrated) = (ClickHouseDatabase::new(), ClickHouseDatabase::new());
    let analytics = by_hand.connect(by_hand.ledger.clone());
    let printed = analytics.print_migrations();
    let (create, rest) = printed.split_once(";\nuse ").unwrap();
    migrated.open().await;
    migrated.sql(create).await;
    for statement in rest.split(";\n").skip(1).filter(|sql| !sql.trim().is_empty()) {
        by_hand.sql(statement).await;
    }
    assert!(
        analytics
            .migrations()
            .await
            .unwrap()
            .iter()
            .all(|state| state.applied)
    );
    let tables = "select name, engine, sorting_key from system.tables where database = currentDatabase() order by name";
    assert_eq!(by_hand.sql(tables).await, migrated.sql(tables).await);
}

#[tokio::test]
async fn inspect_tells_what_the_server_is_and_lacks() {
    let place = ClickHouseDatabase::new();
    let analytics = place.open().await;
    let facts = analytics.inspect().await.unwrap();
    assert!(facts.database_exists && !facts.version.is_empty());
    assert_eq!(facts.differences, Vec::<String>::new());
    assert!(
        facts.clock_ahead_ms.abs() < 5_000,
        "both clocks are of this machine: {facts:?}"
    );

    place.sql("drop table mv_user_author_90d_likes").await;
    place.sql("drop table trending").await;
    place
        .sql("create table trending (rank UInt16) engine = MergeTree order by rank")
        .await;
    let facts = analytics.inspect().await.unwrap();
    let found: BTreeSet<&str> = facts.differences.iter().map(String::as_str).collect();
    for part in [
        "mv_user_author_90d_likes is missing",
        "trending has the engine MergeTree",
        "trending is sorted by (rank)",
    ] {
        assert!(found.iter().any(|text| text.contains(part)), "{part}: {found:?}");
    }
}

#[tokio::test]
async fn a_closed_adapter_asks_nothing() {
    let place = ClickHouseDatabase::new();
    let analytics = place.open().await;
    analytics.close();
    assert_eq!(kind(analytics.migrate().await), Kind::Unavailable);
    assert_eq!(kind(analytics.inspect().await), Kind::Unavailable);
}
