//! Ports to the store: the one place of truth for everything that was acknowledged.
//!
//! Every write commits its rows together with the `outbox` or `change_log` rows that tell the rest of the
//! world, and with its idempotency key when it has one.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::change::Change;
use crate::domain::feed::Candidate;
use crate::domain::record::Record;
use crate::domain::{
    EndedReason, Identity, LivePage, LiveStream, NewPost, NewStream, Post, PostId, Profile, StreamId,
    StreamPatch, Timestamp, User, UserId, ViewerTotals, WriteContext, Written,
};
use crate::error::Result;

/// People. Users may one day live in another service, so nothing joins them in SQL.
#[async_trait]
pub trait UserDirectory: Send + Sync {
    /// The users that exist among `ids`, in one query; empty input asks nothing.
    async fn users(&self, ids: &[UserId]) -> Result<HashMap<UserId, User>>;
    /// The user of `identity`, created with a valid, unique username when new.
    async fn ensure(&self, identity: &Identity, now: Timestamp) -> Result<User>;
    /// A user with follower counts and the running live stream.
    async fn profile(&self, id: UserId) -> Result<Option<Profile>>;
}

/// Live streams: the truth of their life cycle.
#[async_trait]
pub trait StreamStore: Send + Sync {
    /// Starts a live stream with its `stream.started` outbox row.
    ///
    /// # Errors
    /// `AlreadyLive` with the running stream's id; `IdempotencyConflict`.
    async fn start(
        &self,
        creator: UserId,
        new: &NewStream,
        ctx: &WriteContext,
        now: Timestamp,
    ) -> Result<Written<LiveStream>>;
    /// Ends a live stream with its `stream.ended` outbox row. Ending twice changes nothing and answers with
    /// the stream as it ended: `Written::Replayed`. Peak and unique viewers never go down.
    ///
    /// # Errors
    /// `NotFound`.
    async fn end(
        &self,
        id: StreamId,
        reason: EndedReason,
        totals: ViewerTotals,
        ctx: &WriteContext,
        now: Timestamp,
    ) -> Result<Written<LiveStream>>;
    /// Changes a running live stream and counts as a sign of life of its owner.
    ///
    /// # Errors
    /// `NotFound`, `StreamEnded`.
    async fn patch(&self, id: StreamId, patch: &StreamPatch, now: Timestamp) -> Result<LiveStream>;
    /// Stores viewer figures and, when given, a sign of life of the owner, of a running live stream.
    /// One that has ended is left as it is. Peak, unique viewers and the sign of life never go back.
    async fn touch(&self, id: StreamId, totals: ViewerTotals, owner_seen_at: Option<Timestamp>)
    -> Result<()>;
    /// The live streams that exist among `ids`, in one query; empty input asks nothing.
    async fn streams(&self, ids: &[StreamId]) -> Result<HashMap<StreamId, LiveStream>>;
    /// A page of the running ones, newest first then id descending, with the total of all pages, in one
    /// round trip. `page` counts from 1.
    async fn live(&self, category: Option<&str>, page: u32, limit: u32) -> Result<LivePage>;
}

/// Posts, likes and follows.
#[async_trait]
pub trait SocialStore: Send + Sync {
    /// Writes a post with its counters row and both change-log rows.
    async fn create_post(
        &self,
        author: UserId,
        new: &NewPost,
        ctx: &WriteContext,
        now: Timestamp,
    ) -> Result<Written<Post>>;
    /// Soft-deletes a post. Deleting twice changes nothing.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` when `by` is not the author.
    async fn delete_post(&self, id: PostId, by: UserId, ctx: &WriteContext, now: Timestamp) -> Result<()>;
    /// Sets (`liked`) or removes a like and its count. Idempotent; answers whether anything changed.
    ///
    /// # Errors
    /// `NotFound`.
    async fn set_like(
        &self,
        user: UserId,
        post: PostId,
        liked: bool,
        ctx: &WriteContext,
        now: Timestamp,
    ) -> Result<bool>;
    /// Sets (`following`) or removes a follow. Idempotent; answers whether anything changed.
    ///
    /// # Errors
    /// `NotFound` for an unknown followee; `Validation` for oneself.
    async fn set_follow(
        &self,
        follower: UserId,
        followee: UserId,
        following: bool,
        ctx: &WriteContext,
        now: Timestamp,
    ) -> Result<bool>;
}

/// Reads of the social graph.
#[async_trait]
pub trait PostReader: Send + Sync {
    /// The posts that exist and are not deleted among `ids`, with counters, in one query; empty input asks
    /// nothing.
    async fn posts(&self, ids: &[PostId]) -> Result<HashMap<PostId, Post>>;
    /// Which of `ids` the user likes; empty input asks nothing.
    async fn liked(&self, user: UserId, ids: &[PostId]) -> Result<HashSet<PostId>>;
    /// A user's posts, newest first then id descending, strictly after `after` in that order.
    async fn posts_by(
        &self,
        author: UserId,
        after: Option<(Timestamp, PostId)>,
        limit: u32,
    ) -> Result<Vec<Post>>;
    /// Newest posts of everyone but `except`, for readers with nothing to rank by.
    async fn recent(&self, except: UserId, limit: u32) -> Result<Vec<Candidate>>;
    /// Newest posts of the people that `reader` follows, at most `per_author` of each.
    async fn followee_posts(
        &self,
        reader: UserId,
        since: Timestamp,
        per_author: u32,
        limit: u32,
    ) -> Result<Vec<Candidate>>;
    /// People who follow `author`, by id ascending, strictly after `after`.
    async fn followers(&self, author: UserId, after: Option<UserId>, limit: u32) -> Result<Vec<UserId>>;
}

/// A committed outbox row that the log has not acknowledged yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Commit order for each key.
    pub id: i64,
    /// What to send.
    pub record: Record,
}

/// What the store still owes the event log, to be sent by one process at a time. Rows are read in order of id and deleted by explicit id after
/// the log has them: a watermark would lose rows that commit late.
#[async_trait]
pub trait PendingChanges: Send + Sync {
    /// Becomes, or stays, the one process that sends; `false` while another one is. Ends with the process, or
    /// with its connection to the store: ask before every batch.
    async fn lead(&self) -> Result<bool>;
    /// The oldest outbox rows.
    async fn outbox(&self, limit: u32) -> Result<Vec<OutboxRow>>;
    /// The oldest change-log rows.
    async fn changes(&self, limit: u32) -> Result<Vec<Change>>;
    /// Forgets rows that the log has.
    async fn delete_sent(&self, outbox: &[i64], changes: &[i64]) -> Result<()>;
    /// When the oldest row that is still owed was written.
    async fn oldest(&self) -> Result<Option<Timestamp>>;
    /// Forgets idempotency keys older than `age`; answers how many.
    async fn expire_idempotency(&self, now: Timestamp, age: Duration) -> Result<u64>;
    /// Live streams that are running, oldest first, strictly after `after`: for rebuilding their actors.
    async fn running(&self, after: Option<StreamId>, limit: u32) -> Result<Vec<LiveStream>>;
}

/// The parts of a table that is split by time, where the store has such tables.
#[async_trait]
pub trait Partitions: Send + Sync {
    /// Makes the parts for the month of `now` and the `months_ahead` after it, where they are missing; answers how
    /// many it made.
    async fn ensure_partitions(&self, now: Timestamp, months_ahead: u32) -> Result<u64>;
}
