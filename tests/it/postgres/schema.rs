//! Migrations, and what `inspect` finds.

use std::time::Duration;

use nova::adapters::store::postgres::{PostgresOptions, PostgresStore};
use nova_actors::Kind;
use nova_actors::domain::change::CapturedTable;
use nova_actors::ports::store::StreamStore;

use super::{PostgresDatabase, kind};

#[tokio::test]
async fn migrations_are_pending_until_the_database_has_them() {
    let database = PostgresDatabase::empty().await;
    let store = database.store().await;
    let states = store.migrations().await.unwrap();
    assert!(
        states.len() >= 7 && states.iter().all(|state| !state.applied),
        "{states:?}"
    );
    let facts = store.inspect().await.unwrap();
    assert_eq!(facts.pending(), states.len());
    assert!(facts.captured.is_empty() && !facts.publication, "{facts:?}");
    assert_eq!(
        kind(store.live(None, 1, 1).await),
        Kind::Internal,
        "there is no table"
    );

    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
    let states = store.migrations().await.unwrap();
    assert!(states.iter().all(|state| state.applied), "{states:?}");
    assert_eq!(store.live(None, 1, 1).await.unwrap().total, 0);
}

#[tokio::test]
async fn processes_that_migrate_at_the_same_time_wait_for_each_other() {
    let database = PostgresDatabase::empty().await;
    let (one, two, three) = (
        database.store().await,
        database.store().await,
        database.store().await,
    );
    let (a, b, c) = tokio::join!(one.migrate(), two.migrate(), three.migrate());
    a.and(b).and(c).unwrap();
    assert_eq!(one.inspect().await.unwrap().pending(), 0);
}

#[tokio::test]
async fn a_step_that_was_changed_after_it_ran_is_refused() {
    let database = PostgresDatabase::migrated().await;
    let store = database.store().await;
    database
        .run("update _sqlx_migrations set checksum = '\\x00' where version = 2")
        .await;
    assert_eq!(kind(store.migrate().await), Kind::Internal);
}

#[tokio::test]
async fn inspection_finds_a_sound_database() {
    let database = PostgresDatabase::migrated().await;
    let facts = database.store().await.inspect().await.unwrap();
    assert!(facts.version_number >= 130_000, "{facts:?}");
    assert!(
        facts
            .version
            .starts_with(&(facts.version_number / 10_000).to_string()),
        "{facts:?}"
    );
    assert_eq!(facts.wal_level, "logical");
    assert!(facts.max_connections > 0 && facts.publication);
    assert!(facts.clock_difference < Duration::from_secs(2), "{facts:?}");
    for table in CapturedTable::ALL {
        assert!(
            facts.captured.iter().any(|part| part.name == table.table()),
            "{table:?}"
        );
    }
    assert!(facts.captured.iter().all(|part| part.published));
    assert_eq!(facts.without_full_identity().next(), None);
}

#[tokio::test]
async fn inspection_names_what_is_wrong() {
    let database = PostgresDatabase::migrated().await;
    let store = database.store().await;
    database
        .run(
            "alter table posts_past replica identity default; alter table likes replica identity nothing;
             alter publication nova_cdc set (publish_via_partition_root = false);
             alter publication nova_cdc drop table follows",
        )
        .await;
    let facts = store.inspect().await.unwrap();
    let lacking: Vec<&str> = facts.without_full_identity().collect();
    assert_eq!(lacking, ["likes", "posts_past"]);
    assert!(!facts.publication);
    let follows = facts.captured.iter().find(|part| part.name == "follows").unwrap();
    assert!(!follows.published);
}

#[tokio::test]
async fn a_wrong_password_is_no_reason_to_try_again() {
    let database = PostgresDatabase::migrated().await;
    let url = database.url().replace("nova@", "nobody_of_that_name:s3cret@");
    let options = PostgresOptions {
        url,
        ..database.options()
    };
    let store = PostgresStore::connect(&options).await.unwrap();
    let error = store.live(None, 1, 1).await.unwrap_err();
    assert_eq!(error.kind(), &Kind::Internal, "{error}");
    assert!(!error.to_string().contains("s3cret"), "{error}");
}
