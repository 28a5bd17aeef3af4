//! Whatever part of a write fails, nothing of it stays: the database itself is made to refuse one table.

use nova_actors::Kind;
use nova_actors::domain::{
    EndedReason, IdempotencyKey, Identity, NewPost, NewStream, Timestamp, TraceParent, UserId, ViewerTotals,
    WriteContext,
};
use nova_actors::ports::store::{PendingChanges, PostReader, SocialStore, StreamStore, UserDirectory};
use sqlx::AssertSqlSafe;
use tempfile::TempDir;

use super::SqliteStore;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

async fn open() -> (TempDir, SqliteStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("store.db")).await.unwrap();
    (dir, store)
}

impl SqliteStore {
    async fn run(&self, sql: String) {
        let mut write = self.begin().await.unwrap();
        sqlx::query(AssertSqlSafe(sql))
            .execute(write.statement())
            .await
            .unwrap();
        write.commit().await.unwrap();
    }

    /// From now on `table` refuses the rows that fulfil `condition`.
    async fn refuse(&self, table: &str, condition: &str) {
        self.run(format!(
            "create trigger refusal before insert on {table} when {condition} begin
                 select raise(abort, 'refused'); end"
        ))
        .await;
    }

    async fn accept(&self) {
        self.run("drop trigger refusal".to_owned()).await;
    }
}

fn stream() -> NewStream {
    NewStream {
        title: "on air".to_owned(),
        description: String::new(),
        category: "music".to_owned(),
        thumbnail_url: None,
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
    let (_dir, store) = open().await;
    let creator = UserId::new();
    for table in ["live_streams", "outbox", "idempotency_keys"] {
        store.refuse(table, "true").await;
        let error = store
            .start(creator, &stream(), &keyed(creator), NOW)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), &Kind::Internal, "{table}");
        assert_eq!(store.live(None, 1, 10).await.unwrap().total, 0, "{table}");
        assert!(store.outbox(10).await.unwrap().is_empty(), "{table}");
        store.accept().await;
    }
    store
        .start(creator, &stream(), &keyed(creator), NOW)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_stream_ends_with_its_event_or_goes_on() {
    let (_dir, store) = open().await;
    let plain = WriteContext::untracked();
    let started = store.start(UserId::new(), &stream(), &plain, NOW).await.unwrap();
    store.refuse("outbox", "true").await;
    let id = started.into_inner().id;
    let end = store.end(id, EndedReason::Ended, ViewerTotals::default(), &plain, NOW);
    end.await.unwrap_err();
    assert!(store.streams(&[id]).await.unwrap()[&id].is_live());
}

#[tokio::test]
async fn a_like_counts_with_both_its_changes_or_not_at_all() {
    let (_dir, store) = open().await;
    let plain = WriteContext::untracked();
    let identity = Identity {
        issuer: "i".to_owned(),
        subject: "s".to_owned(),
        preferred_username: None,
        name: None,
        picture: None,
    };
    let user = store.ensure(&identity, NOW).await.unwrap().id;
    let new = NewPost {
        text: "hello".to_owned(),
        media_url: None,
    };
    let post = store
        .create_post(user, &new, &plain, NOW)
        .await
        .unwrap()
        .into_inner();
    let before = store.changes(10).await.unwrap();
    for table in ["likes", "post_counters"] {
        let condition = format!("new.table_name = '{table}'");
        store.refuse("change_log", &condition).await;
        store
            .set_like(user, post.id, true, &plain, NOW)
            .await
            .unwrap_err();
        assert!(store.liked(user, &[post.id]).await.unwrap().is_empty(), "{table}");
        assert_eq!(store.posts(&[post.id]).await.unwrap()[&post.id], post, "{table}");
        assert_eq!(store.changes(10).await.unwrap(), before, "{table}");
        store.accept().await;
    }
}

#[tokio::test]
async fn a_user_is_made_with_its_identity_or_not_at_all() {
    let (_dir, store) = open().await;
    let identity = Identity {
        issuer: "i".to_owned(),
        subject: "s".to_owned(),
        preferred_username: Some("ana".to_owned()),
        name: None,
        picture: None,
    };
    store.refuse("user_identities", "true").await;
    store.ensure(&identity, NOW).await.unwrap_err();
    store.accept().await;
    assert_eq!(store.ensure(&identity, NOW).await.unwrap().username, "ana");
}
