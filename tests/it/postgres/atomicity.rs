//! Whatever part of a write fails, nothing of it stays: the database itself is made to refuse one table.

use nova_actors::Kind;
use nova_actors::domain::{EndedReason, IdempotencyKey, TraceParent, UserId, ViewerTotals, WriteContext};
use nova_actors::ports::analytics::{Batch, DeadLetter, Outcomes};
use nova_actors::ports::ledger::PipelineLedger;
use nova_actors::ports::store::{PendingChanges, PostReader, SocialStore, StreamStore};
use sqlx::Row;

use super::{PostgresDatabase, at, kind, post, start, user};

impl PostgresDatabase {
    /// From now on `table` refuses rows that fulfil `condition`.
    async fn refuse(&self, table: &str, condition: &str) {
        self.run(&format!(
            "create function refuse() returns trigger language plpgsql as
                 $$ begin raise exception 'refused' using errcode = 'P0001'; end $$;
             create trigger refusal before insert or update on {table} for each row when ({condition})
                 execute function refuse()"
        ))
        .await;
    }

    async fn accept(&self) {
        self.run("drop function refuse() cascade").await;
    }
}

fn keyed(user: UserId) -> WriteContext {
    WriteContext {
        traceparent: TraceParent::root(),
        idempotency: Some(IdempotencyKey {
            user,
            route: "POST /streams",
            key: "k".to_owned(),
            fingerprint: [7; 32],
        }),
    }
}

#[tokio::test]
async fn a_stream_starts_with_its_event_and_its_key_or_not_at_all() {
    let database = PostgresDatabase::migrated().await;
    let store = database.store().await;
    let ctx = keyed(UserId::new());
    for table in ["live_streams", "outbox", "idempotency_keys"] {
        database.refuse(table, "true").await;
        assert_eq!(kind(start(&store, &ctx).await), Kind::Internal, "{table}");
        assert_eq!(store.live(None, 1, 10).await.unwrap().total, 0, "{table}");
        assert!(store.outbox(10).await.unwrap().is_empty(), "{table}");
        let keys = database.number("select count(*) from idempotency_keys").await;
        assert_eq!(keys, 0, "{table}");
        database.accept().await;
    }
    start(&store, &ctx).await.unwrap();
}

#[tokio::test]
async fn a_stream_ends_with_its_event_or_goes_on() {
    let database = PostgresDatabase::migrated().await;
    let store = database.store().await;
    let plain = WriteContext::untracked();
    let id = start(&store, &plain).await.unwrap().id;
    database.refuse("outbox", "true").await;
    let end = store.end(id, EndedReason::Ended, ViewerTotals::default(), &plain, at(2));
    end.await.unwrap_err();
    assert!(store.streams(&[id]).await.unwrap()[&id].is_live());
}

#[tokio::test]
async fn a_post_comes_with_its_counters_and_changes_or_not_at_all() {
    let database = PostgresDatabase::migrated().await;
    let store = database.store().await;
    let author = user(&store, "ana").await.unwrap().id;
    let plain = WriteContext::untracked();
    for table in ["post_counters", "change_log"] {
        database.refuse(table, "true").await;
        post(&store, author, &plain).await.unwrap_err();
        assert!(
            store.posts_by(author, None, 10).await.unwrap().is_empty(),
            "{table}"
        );
        assert_eq!(database.number("select count(*) from posts").await, 0, "{table}");
        assert!(store.changes(10).await.unwrap().is_empty(), "{table}");
        database.accept().await;
    }
    post(&store, author, &plain).await.unwrap();
}

#[tokio::test]
async fn a_like_counts_with_both_its_changes_or_not_at_all() {
    let database = PostgresDatabase::migrated().await;
    let store = database.store().await;
    let reader = user(&store, "ana").await.unwrap().id;
    let plain = WriteContext::untracked();
    let post = post(&store, reader, &plain).await.unwrap();
    let before = store.changes(10).await.unwrap();
    let logged = |table| format!("new.table_name = '{table}'");
    for (table, condition) in [
        ("change_log", logged("likes")),
        ("change_log", logged("post_counters")),
        ("post_counters", "true".to_owned()),
    ] {
        database.refuse(table, &condition).await;
        let like = store.set_like(reader, post.id, true, &plain, at(2));
        like.await.unwrap_err();
        assert!(
            store.liked(reader, &[post.id]).await.unwrap().is_empty(),
            "{condition}"
        );
        assert_eq!(
            store.posts(&[post.id]).await.unwrap()[&post.id],
            post,
            "{condition}"
        );
        assert_eq!(store.changes(10).await.unwrap(), before, "{condition}");
        database.accept().await;
    }
}

#[tokio::test]
async fn a_user_is_made_with_its_identity_or_not_at_all() {
    let database = PostgresDatabase::migrated().await;
    let store = database.store().await;
    database.refuse("user_identities", "true").await;
    user(&store, "ana").await.unwrap_err();
    database.accept().await;
    assert_eq!(user(&store, "ana").await.unwrap().username, "ana");
    assert_eq!(database.number("select count(*) from users").await, 1);
}

fn mixed(epoch: u64) -> Batch {
    Batch {
        pipeline: "cdc",
        topic: "cdc.posts".to_owned(),
        partition: 3,
        epoch,
        first: 0,
        next: 4,
        outcomes: Outcomes {
            landed: 1,
            duplicate: 1,
            dead: 1,
            ignored: 1,
        },
        rows: Vec::new(),
        dead: vec![DeadLetter {
            offset: 2,
            key: vec![0, 255],
            value: b"\xff".to_vec(),
            headers: r#"{"type":"cdc.posts"}"#.to_owned(),
            reason: "nothing but \0".to_owned(),
        }],
        watermark: at(5),
    }
}

#[tokio::test]
async fn a_batch_settles_with_its_outcomes_and_dead_letters_or_not_at_all() {
    let database = PostgresDatabase::migrated().await;
    let store = database.store().await;
    let epoch = store.claim("cdc", "cdc.posts", 3, "one").await.unwrap().epoch;
    for table in ["pipeline_batches", "dead_letters"] {
        database.refuse(table, "true").await;
        store.settle(&mixed(epoch)).await.unwrap_err();
        assert_eq!(store.watermark("cdc").await.unwrap(), None, "{table}");
        database.accept().await;
    }
    store.settle(&mixed(epoch)).await.unwrap();
    let batches = database
        .rows("select landed, duplicate, dead, ignored from pipeline_batches")
        .await;
    let outcomes: Vec<i64> = (0..4).map(|column| batches[0].get(column)).collect();
    assert_eq!((batches.len(), outcomes), (1, vec![1; 4]));
    let letters = database
        .rows("select record_offset, record_key, record_value, headers, reason from dead_letters")
        .await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].get::<i64, _>(0), 2);
    assert_eq!(letters[0].get::<Vec<u8>, _>(1), [0, 255]);
    assert_eq!(letters[0].get::<Vec<u8>, _>(2), b"\xff");
    assert_eq!(letters[0].get::<String, _>(3), r#"{"type":"cdc.posts"}"#);
    assert_eq!(letters[0].get::<String, _>(4), "nothing but \u{fffd}");
}

#[tokio::test]
async fn text_with_nul_is_refused_as_the_callers_mistake() {
    let database = PostgresDatabase::migrated().await;
    let store = database.store().await;
    let refused = kind(user(&store, "a\0b").await);
    assert!(matches!(refused, Kind::Validation(_)), "{refused:?}");
}
