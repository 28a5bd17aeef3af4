//! Months of posts.

use std::sync::Arc;

use nova_actors::domain::{IdempotencyKey, PostId, TraceParent, WriteContext, Written};
use nova_actors::domain::{NewPost, Timestamp};
use nova_actors::jobs::{Job, NextPartitions};
use nova_actors::ports::store::{Partitions, PostReader, SocialStore};
use sqlx::Row;

use super::{PostgresDatabase, at, post, user};

/// 2031-11-30T12:00:00Z
const LATE_NOVEMBER: Timestamp = Timestamp::from_millis(1_953_806_400_000);

async fn partitions(database: &PostgresDatabase) -> Vec<String> {
    let rows = database
        .rows(
            "select inhrelid::regclass::text from pg_inherits where inhparent = 'posts'::regclass order by 1",
        )
        .await;
    rows.iter().map(|row| row.get(0)).collect()
}

/// The partition that a post is in.
async fn place(database: &PostgresDatabase, id: PostId) -> String {
    let sql = format!("select tableoid::regclass::text from posts where id = '{id}'");
    database.rows(&sql).await[0].get(0)
}

#[tokio::test]
async fn months_are_made_ahead_over_the_turn_of_a_year() {
    let database = PostgresDatabase::migrated().await;
    let store = database.store().await;
    let before = partitions(&database).await;
    assert!(
        before.contains(&"posts_past".to_owned()) && before.len() >= 5,
        "{before:?}"
    );
    assert_eq!(store.ensure_partitions(LATE_NOVEMBER, 2).await.unwrap(), 3);
    assert_eq!(store.ensure_partitions(LATE_NOVEMBER, 2).await.unwrap(), 0);
    let made: Vec<String> = partitions(&database)
        .await
        .into_iter()
        .filter(|name| !before.contains(name))
        .collect();
    assert_eq!(made, ["posts_2031_11", "posts_2031_12", "posts_2032_01"]);

    let facts = store.inspect().await.unwrap();
    let captured: Vec<_> = facts
        .captured
        .iter()
        .filter(|part| made.contains(&part.name))
        .collect();
    assert_eq!(captured.len(), 3);
    for part in captured {
        assert!(
            part.full_identity && part.published && part.table == "posts",
            "{part:?}"
        );
    }
    let ids = database
        .rows(
            "select nova_uuid7_floor('2031-11-30T23:59:59.999Z')::text, \
             nova_uuid7_floor('2031-12-01T00:00:00Z')::text",
        )
        .await;
    let author = user(&store, "ana").await.unwrap().id;
    for (column, partition) in [(0, "posts_2031_11"), (1, "posts_2031_12")] {
        let id: String = ids[0].get(column);
        database
            .run(&format!(
                "insert into posts (id, author_id, text, created_at) values ('{id}', '{author}', 'x', now())"
            ))
            .await;
        assert_eq!(place(&database, id.parse().unwrap()).await, partition);
    }
}

#[tokio::test]
async fn processes_that_make_months_at_the_same_time_do_not_disturb_each_other() {
    let database = PostgresDatabase::migrated().await;
    let (one, two) = (database.store().await, database.store().await);
    let (of_one, of_two) = tokio::join!(
        one.ensure_partitions(LATE_NOVEMBER, 5),
        two.ensure_partitions(LATE_NOVEMBER, 5)
    );
    assert_eq!(of_one.unwrap() + of_two.unwrap(), 6);
}

#[tokio::test]
async fn the_job_makes_the_next_months() {
    let database = PostgresDatabase::migrated().await;
    let store = Arc::new(database.store().await);
    let job = NextPartitions { store };
    assert_eq!(job.run(LATE_NOVEMBER).await.unwrap(), 4);
    assert_eq!(job.run(LATE_NOVEMBER).await.unwrap(), 0);
    // A clock from before the database was made asks for what `posts_past` has.
    assert_eq!(job.run(at(0)).await.unwrap(), 0);
}

#[tokio::test]
async fn a_post_of_a_month_that_nobody_made_makes_it() {
    let database = PostgresDatabase::migrated().await;
    let store = database.store().await;
    let author = user(&store, "ana").await.unwrap().id;
    let plain = WriteContext::untracked();
    let first = post(&store, author, &plain).await.unwrap();
    let month = place(&database, first.id).await;
    assert_ne!(month, "posts_past");
    database
        .run(&format!(
            "delete from post_counters; delete from {month}; alter table posts detach partition {month}; drop table {month}"
        ))
        .await;

    let ctx = WriteContext {
        traceparent: TraceParent::root(),
        idempotency: Some(IdempotencyKey {
            user: author,
            route: "POST /posts",
            key: "k".to_owned(),
            fingerprint: [1; 32],
        }),
    };
    let new = NewPost {
        text: "first of its month".to_owned(),
        media_url: None,
    };
    let written = store.create_post(author, &new, &ctx, at(2)).await.unwrap();
    let Written::Fresh(written) = written else {
        panic!("{written:?}");
    };
    assert_eq!(place(&database, written.id).await, month);
    assert_eq!(store.posts(&[written.id]).await.unwrap()[&written.id], written);
    let again = store.create_post(author, &new, &ctx, at(3)).await.unwrap();
    assert_eq!(again, Written::Replayed(written));
    assert_eq!(store.inspect().await.unwrap().without_full_identity().count(), 0);
}

#[tokio::test]
async fn posts_from_before_the_database_have_a_place() {
    let database = PostgresDatabase::migrated().await;
    let store = database.store().await;
    let author = user(&store, "ana").await.unwrap().id;
    let old: PostId = "01890000-0000-7000-8000-000000000001".parse().unwrap();
    database
        .run(&format!(
            "insert into posts (id, author_id, text, created_at) values ('{old}', '{author}', 'old', now());
             insert into post_counters (post_id, updated_at) values ('{old}', now())"
        ))
        .await;
    assert_eq!(place(&database, old).await, "posts_past");
    let plain = WriteContext::untracked();
    assert!(store.set_like(author, old, true, &plain, at(1)).await.unwrap());
    assert_eq!(store.posts(&[old]).await.unwrap()[&old].likes, 1);
}
