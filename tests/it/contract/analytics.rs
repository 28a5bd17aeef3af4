//! The contract of the analytics ports, case by case, for any adapter that implements [`Backend`].

mod clickhouse;
mod ledger;
mod merge;
mod model;
mod reads;

use std::sync::LazyLock;

use nova::adapters::analytics::sqlite::SqliteAnalytics;
use nova::adapters::clock::SystemClock;
use nova_actors::Result;
use nova_actors::domain::change::CapturedTable;
use nova_actors::domain::feed::Candidate;
use nova_actors::domain::{PostId, Timestamp, UserId};
use nova_actors::ports::Clock;
use nova_actors::ports::analytics::{
    AnalyticsSink, Batch, Claim, DeadLetter, Features, FeedSource, Outcomes, RowState,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Data that analytics can be opened on more than once.
pub(crate) trait Backend: Sized {
    type Analytics: AnalyticsSink + FeedSource;

    /// A place without data.
    async fn fresh() -> Self;
    /// Opens analytics on what is there.
    async fn open(&self) -> Self::Analytics;
    /// Closes it as a shutdown would.
    async fn close(analytics: &Self::Analytics);
}

/// SQLite in a directory of its own.
pub(crate) struct SqliteFile(TempDir);

impl Backend for SqliteFile {
    type Analytics = SqliteAnalytics;

    async fn fresh() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn open(&self) -> SqliteAnalytics {
        SqliteAnalytics::open(&self.0.path().join("analytics.db"))
            .await
            .unwrap()
    }

    async fn close(analytics: &SqliteAnalytics) {
        analytics.close().await;
    }
}

/// One test for each case; a case that is not listed is dead code and refused by the compiler.
macro_rules! analytics_contract {
    ($adapter:ident, $backend:ty) => {
        analytics_contract! { @ $adapter, $backend;
            merge: rows_are_in_the_reads_after_their_batch, a_replay_changes_nothing,
                any_order_of_versions_gives_the_same_reads,
                versions_are_compared_in_all_their_bits, a_late_update_does_not_bring_a_deleted_row_back,
                a_newer_version_brings_a_deleted_row_back, a_post_with_deleted_at_is_deleted,
                a_row_that_cannot_be_is_named_and_nothing_is_written;
            ledger: a_claim_goes_on_where_the_last_batch_ended, an_older_owner_is_fenced,
                a_partition_nobody_claimed_is_fenced, a_range_with_a_hole_or_an_overlap_is_fenced,
                of_equal_batches_at_the_same_time_one_lands, partitions_and_pipelines_are_apart,
                outcomes_that_do_not_add_up_are_refused, dead_letters_move_the_ledger,
                the_ledger_survives_a_restart, the_watermark_is_the_earliest_of_the_partitions,
                an_empty_range_moves_the_watermark_alone, the_watermark_never_goes_back;
            reads: followees_posts_are_newest_first_within_their_bounds, an_unfollowed_author_is_no_candidate,
                trending_counts_what_happened_in_the_window, a_comment_trends_like_two_likes,
                trending_ties_are_newest_first, affinity_knows_the_authors_of_ones_interactions,
                affinity_keeps_its_bounds, own_posts_are_no_candidates,
                features_are_zero_where_nothing_is_known, interactions_are_counted_from_their_time_on,
                deleted_posts_are_in_no_read, empty_questions_ask_nothing;
        }
    };
    (@ $adapter:ident, $backend:ty; $($group:ident: $($case:ident),+;)+) => {
        mod $adapter {
            $(mod $group {
                $(#[tokio::test]
                async fn $case() {
                    crate::contract::analytics::$group::$case::<$backend>().await;
                })+
            })+
        }
    };
}

analytics_contract!(sqlite, crate::contract::analytics::SqliteFile);
analytics_contract!(
    on_clickhouse,
    crate::contract::analytics::clickhouse::ClickHouseDatabase
);

/// Not of the contract: states with one version are one state. SQLite keeps the first, ClickHouse the last.
#[tokio::test]
async fn of_two_states_with_one_version_sqlite_keeps_the_first() {
    merge::an_equal_version_changes_nothing::<SqliteFile>().await;
}

#[test]
fn sqlite_reads_what_a_model_says() {
    model::reads_are_the_models::<SqliteFile>(24);
}

#[tokio::test]
async fn a_path_that_is_no_file_is_unavailable() {
    let dir = tempfile::tempdir().unwrap();
    let error = SqliteAnalytics::open(dir.path()).await.unwrap_err();
    assert_eq!(error.kind(), &nova_actors::Kind::Unavailable);
}

const TOPIC: &str = "cdc.test";
const PIPELINE: &str = "cdc";

/// The beginning of an hour, lately: derived tables drop what is old.
static BEGINNING: LazyLock<i64> = LazyLock::new(|| {
    const HOUR: i64 = 3_600_000;
    (SystemClock.now().millis() / HOUR - 24) * HOUR
});

/// `offset` milliseconds into the tests' time.
fn at(offset: i64) -> Timestamp {
    Timestamp::from_millis(*BEGINNING + offset)
}

/// Before everything that happens in a test.
const LONG_AGO: Timestamp = Timestamp::from_millis(0);

/// Analytics with one claimed partition.
struct World<B: Backend> {
    place: B,
    analytics: B::Analytics,
    claim: Claim,
    next: u64,
    version: u128,
}

impl<B: Backend> World<B> {
    async fn new() -> Self {
        let place = B::fresh().await;
        let analytics = place.open().await;
        let claim = analytics.claim(PIPELINE, TOPIC, 0, "a test").await.unwrap();
        Self {
            place,
            analytics,
            claim,
            next: 0,
            version: 0,
        }
    }

    /// A batch of one offset per row, from the ledger's position on.
    fn batch(&self, rows: Vec<RowState>) -> Batch {
        let landed = rows.len() as u64;
        Batch {
            pipeline: PIPELINE,
            topic: TOPIC.to_owned(),
            partition: 0,
            epoch: self.claim.epoch,
            first: self.next,
            next: self.next + landed,
            outcomes: Outcomes {
                landed,
                ..Outcomes::default()
            },
            rows,
            dead: Vec::new(),
            watermark: at(0),
        }
    }

    async fn land(&mut self, rows: Vec<RowState>) {
        let batch = self.batch(rows);
        self.analytics.apply(&batch).await.unwrap();
        self.next = batch.next;
    }

    /// Lands a row with the next version.
    async fn put(&mut self, table: CapturedTable, row: Value) {
        self.version += 1;
        let state = state(table, self.version, false, row);
        self.land(vec![state]).await;
    }

    /// Lands the deletion of a row.
    async fn gone(&mut self, table: CapturedTable, row: Value) {
        self.version += 1;
        let state = state(table, self.version, true, row);
        self.land(vec![state]).await;
    }

    async fn post(&mut self, author: UserId, offset: i64) -> Candidate {
        let post = Candidate {
            post_id: PostId::new(),
            author_id: author,
            created_at: at(offset),
        };
        self.put(CapturedTable::Posts, post_row(&post)).await;
        post
    }

    async fn like(&mut self, user: UserId, post: &Candidate, offset: i64) {
        self.put(CapturedTable::Likes, like_row(user, post, offset)).await;
    }

    async fn comment(&mut self, user: UserId, post: &Candidate, offset: i64) {
        let row = json!({
            "id": PostId::new(), "post_id": post.post_id, "user_id": user,
            "post_author_id": post.author_id, "created_at": at(offset),
        });
        self.put(CapturedTable::Comments, row).await;
    }

    async fn follow(&mut self, follower: UserId, followee: UserId) {
        self.put(CapturedTable::Follows, follow_row(follower, followee))
            .await;
    }

    async fn followees(&self, reader: UserId) -> Vec<Candidate> {
        let found = self.analytics.followees(reader, LONG_AGO, 100, 100).await;
        found.unwrap()
    }

    async fn trending(&self) -> Vec<Candidate> {
        self.analytics.trending(LONG_AGO, 100).await.unwrap()
    }

    async fn affinity(&self, reader: UserId) -> Vec<Candidate> {
        let found = self.analytics.affinity(reader, LONG_AGO, LONG_AGO, 100, 100);
        found.await.unwrap()
    }

    async fn features(&self, reader: UserId, posts: &[PostId], authors: &[UserId]) -> Features {
        let found = self.analytics.features(reader, posts, authors, LONG_AGO).await;
        found.unwrap()
    }
}

fn state(table: CapturedTable, version: u128, deleted: bool, row: Value) -> RowState {
    RowState {
        table,
        version,
        deleted,
        row,
    }
}

fn post_row(post: &Candidate) -> Value {
    json!({ "id": post.post_id, "author_id": post.author_id, "created_at": post.created_at })
}

fn like_row(user: UserId, post: &Candidate, offset: i64) -> Value {
    json!({
        "user_id": user, "post_id": post.post_id,
        "post_author_id": post.author_id, "created_at": at(offset),
    })
}

fn follow_row(follower: UserId, followee: UserId) -> Value {
    json!({ "follower_id": follower, "followee_id": followee, "created_at": at(0) })
}

fn counters_row(post: PostId, likes: u64, comments: u64) -> Value {
    json!({ "post_id": post, "likes": likes, "comments": comments })
}

fn dead_letter(offset: u64) -> DeadLetter {
    DeadLetter {
        offset,
        key: b"key".to_vec(),
        value: vec![0xff, 0x00],
        headers: "{}".to_owned(),
        reason: "not JSON".to_owned(),
    }
}

fn kind<T: std::fmt::Debug>(outcome: Result<T>) -> nova_actors::Kind {
    outcome.unwrap_err().kind().clone()
}
