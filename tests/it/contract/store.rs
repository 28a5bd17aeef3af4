//! The contract of the store ports, case by case, for any adapter that implements [`Backend`].

mod idempotency;
mod pending;
mod posts;
mod social;
mod streams;
mod users;

use std::sync::{Arc, LazyLock};

use nova::adapters::store::SqliteStore;
use nova::adapters::store::postgres::PostgresStore;
use nova_actors::domain::change::Change;
use nova_actors::domain::{
    IdempotencyKey, Identity, LiveStream, NewPost, NewStream, Post, Timestamp, TraceParent, User, UserId,
    WriteContext, Written,
};
use nova_actors::ports::store::{PendingChanges, PostReader, SocialStore, StreamStore, UserDirectory};
use nova_actors::{Kind, Result};
use tempfile::TempDir;

use crate::postgres::PostgresDatabase;

/// Data that a store can be opened on more than once.
pub(crate) trait Backend: Sized {
    type Store: UserDirectory + StreamStore + SocialStore + PostReader + PendingChanges;

    /// A place without data.
    async fn fresh() -> Self;
    /// Opens the store on what is there.
    async fn open(&self) -> Self::Store;
    /// Closes it as a shutdown would.
    async fn close(store: &Self::Store);
    /// Statements executed so far.
    fn queries(store: &Self::Store) -> u64;
}

/// SQLite in a directory of its own.
pub(crate) struct SqliteFile(TempDir);

impl Backend for SqliteFile {
    type Store = SqliteStore;

    async fn fresh() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.0.path().join("store.db")).await.unwrap()
    }

    async fn close(store: &SqliteStore) {
        store.close().await;
    }

    fn queries(store: &SqliteStore) -> u64 {
        store.queries()
    }
}

/// A copy of the migrated template on the server of the tests.
impl Backend for PostgresDatabase {
    type Store = PostgresStore;

    async fn fresh() -> Self {
        Self::migrated().await
    }

    async fn open(&self) -> PostgresStore {
        self.store().await
    }

    async fn close(store: &PostgresStore) {
        store.close().await;
    }

    fn queries(store: &PostgresStore) -> u64 {
        store.queries()
    }
}

/// One test for each case; a case that is not listed is dead code and refused by the compiler.
macro_rules! store_contract {
    ($adapter:ident, $backend:ty) => {
        store_contract! { @ $adapter, $backend;
            users: an_identity_becomes_one_user, one_subject_at_two_issuers_is_two_users,
                requests_at_the_same_time_make_one_user, taken_usernames_get_numbers,
                a_username_is_found_for_any_claims, known_users_are_read_at_once,
                a_profile_takes_two_queries_at_most;
            streams: a_start_commits_with_its_event, a_creator_has_one_live_stream,
                of_starts_at_the_same_time_one_wins, an_end_commits_with_its_event,
                ending_twice_changes_nothing, of_ends_at_the_same_time_one_counts, a_patch_changes_what_it_names,
                an_ended_stream_is_not_patched, a_touch_stores_figures_and_signs_of_life,
                an_ended_stream_is_not_touched, known_streams_are_read_at_once,
                the_live_list_is_newest_first, every_page_has_the_total, running_streams_come_oldest_first,
                an_abandoned_start_is_whole_or_nothing;
            social: a_like_counts_once, an_unlike_takes_the_like_back, likes_of_many_are_all_counted,
                a_like_needs_a_post_and_a_user, a_follow_is_set_once, an_unfollow_takes_the_follow_back,
                a_follow_needs_two_known_people, only_its_author_deletes_a_post, deleting_is_logged_once,
                of_deletes_at_the_same_time_one_is_logged;
            posts: a_post_commits_with_its_counters, a_post_needs_an_author, text_comes_back_as_it_was,
                known_posts_are_read_at_once, likes_of_a_reader_are_read_at_once,
                pages_of_posts_neither_skip_nor_repeat, recent_posts_are_newest_first_without_ones_own,
                followee_posts_keep_their_bounds, followers_come_page_by_page, a_deleted_post_is_in_no_read;
            pending: rows_are_read_oldest_first, only_named_rows_are_forgotten, positions_are_never_reused,
                the_oldest_debt_is_known, forgetting_nothing_asks_nothing, records_carry_their_headers,
                everything_survives_a_restart;
            idempotency: a_repeated_start_gets_the_old_answer, another_body_is_a_conflict,
                keys_belong_to_a_user_and_a_route, a_key_is_good_for_a_day, a_failed_write_keeps_no_key,
                of_repeats_at_the_same_time_one_writes, every_write_can_be_repeated, old_keys_are_forgotten;
        }
    };
    (@ $adapter:ident, $backend:ty; $($group:ident: $($case:ident),+;)+) => {
        mod $adapter {
            $(mod $group {
                $(#[tokio::test]
                async fn $case() {
                    crate::contract::store::$group::$case::<$backend>().await;
                })+
            })+
        }
    };
}

store_contract!(sqlite, crate::contract::store::SqliteFile);
store_contract!(postgres, crate::postgres::PostgresDatabase);

#[tokio::test]
async fn a_closed_sqlite_store_is_unavailable() {
    let world = World::<SqliteFile>::new().await;
    let known = world.user("ana").await;
    world.store.close().await;
    let read = world.store.users(&[known.id]).await.unwrap_err();
    let write = world.try_start(known.id, "x", at(1)).await.unwrap_err();
    assert_eq!(
        (read.kind(), write.kind()),
        (&Kind::Unavailable, &Kind::Unavailable)
    );
}

#[tokio::test]
async fn a_path_that_is_no_file_is_unavailable() {
    let dir = tempfile::tempdir().unwrap();
    let error = SqliteStore::open(dir.path()).await.unwrap_err();
    assert_eq!(error.kind(), &Kind::Unavailable);
}

/// Requests with NUL are refused before they get here; Postgres could not store it.
#[tokio::test]
async fn sqlite_keeps_text_behind_nul() {
    let world = World::<SqliteFile>::new().await;
    let author = world.user("ana").await;
    let post = world.post(author.id, "before\0after", at(1)).await;
    let stored = world.store.posts(&[post.id]).await.unwrap();
    assert_eq!(stored[&post.id].text, "before\0after");
    let changes = world.take_changes().await;
    assert_eq!(changes[0].after.as_ref().unwrap()["text"], "before\0after");
}

/// `offset` milliseconds into the tests' time.
const fn at(offset: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + offset)
}

/// A write without a key, where its trace does not matter.
fn plain() -> &'static WriteContext {
    static PLAIN: LazyLock<WriteContext> = LazyLock::new(WriteContext::untracked);
    &PLAIN
}

/// A write with a key; `body` stands for what was sent.
fn keyed(user: UserId, route: &'static str, key: &str, body: u8) -> WriteContext {
    WriteContext {
        traceparent: TraceParent::root(),
        idempotency: Some(IdempotencyKey {
            user,
            route,
            key: key.to_owned(),
            fingerprint: [body; 32],
        }),
    }
}

fn new_stream(title: &str, category: &str) -> NewStream {
    NewStream {
        title: title.to_owned(),
        description: "about it".to_owned(),
        category: category.to_owned(),
        thumbnail_url: Some("https://example.org/t.png".to_owned()),
    }
}

fn identity(subject: &str, wish: Option<&str>) -> Identity {
    Identity {
        issuer: "https://id.example.org".to_owned(),
        subject: subject.to_owned(),
        preferred_username: wish.map(ToOwned::to_owned),
        name: None,
        picture: None,
    }
}

fn fresh<T: std::fmt::Debug>(written: Written<T>) -> T {
    match written {
        Written::Fresh(value) => value,
        Written::Replayed(value) => panic!("replayed {value:?}"),
    }
}

fn replayed<T: std::fmt::Debug>(written: Written<T>) -> T {
    match written {
        Written::Replayed(value) => value,
        Written::Fresh(value) => panic!("written anew {value:?}"),
    }
}

/// An open store on data of its own, with short ways to fill it.
struct World<B: Backend> {
    backend: B,
    store: Arc<B::Store>,
}

impl<B: Backend> World<B> {
    async fn new() -> Self {
        let backend = B::fresh().await;
        let store = Arc::new(backend.open().await);
        Self { backend, store }
    }

    /// Closes the store and opens it again on the same data.
    async fn reopen(self) -> Self {
        B::close(&self.store).await;
        let store = Arc::new(self.backend.open().await);
        Self { store, ..self }
    }

    /// Runs `work` and says how many statements it took.
    async fn count<T>(&self, work: impl Future<Output = Result<T>>) -> (T, u64) {
        let before = B::queries(&self.store);
        let value = work.await.unwrap();
        (value, B::queries(&self.store) - before)
    }

    async fn user(&self, name: &str) -> User {
        let identity = identity(name, Some(name));
        self.store.ensure(&identity, at(0)).await.unwrap()
    }

    async fn try_start(&self, creator: UserId, title: &str, now: Timestamp) -> Result<Written<LiveStream>> {
        let new = new_stream(title, "music");
        self.store.start(creator, &new, plain(), now).await
    }

    async fn start(&self, title: &str, category: &str, now: Timestamp) -> LiveStream {
        let new = new_stream(title, category);
        let written = self.store.start(UserId::new(), &new, plain(), now).await;
        fresh(written.unwrap())
    }

    async fn post(&self, author: UserId, text: &str, now: Timestamp) -> Post {
        let new = NewPost {
            text: text.to_owned(),
            media_url: None,
        };
        fresh(self.store.create_post(author, &new, plain(), now).await.unwrap())
    }

    async fn like(&self, user: UserId, post: &Post, liked: bool, now: Timestamp) -> bool {
        let changed = self.store.set_like(user, post.id, liked, plain(), now).await;
        changed.unwrap()
    }

    async fn follow(&self, follower: UserId, followee: UserId) {
        let set = self.store.set_follow(follower, followee, true, plain(), at(0));
        assert!(set.await.unwrap());
    }

    /// The changes that are owed now, which are forgotten with that.
    async fn take_changes(&self) -> Vec<Change> {
        let changes = self.store.changes(1_000).await.unwrap();
        let ids: Vec<i64> = changes.iter().map(|change| change.id).collect();
        self.store.delete_sent(&[], &ids).await.unwrap();
        changes
    }
}
