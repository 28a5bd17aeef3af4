//! Ports to analytics: derived tables kept by consumers, and the queries that the feed asks of them.

use std::collections::HashMap;

use async_trait::async_trait;
use serde_json::Value;

use crate::domain::change::CapturedTable;
use crate::domain::feed::{Candidate, PostFeatures};
use crate::domain::{PostId, Timestamp, UserId};
use crate::error::{Error, Result};

/// A partition as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Fences older owners: only the newest epoch may write.
    pub epoch: u64,
    /// Offset to go on from.
    pub next_offset: u64,
    /// A batch from `next_offset` up to this offset was begun and may have been written: the first batch of
    /// this claim has to end there again, so that it is the same one. `None` when nothing is open, and always
    /// where rows and ledger move in one transaction.
    pub pending: Option<u64>,
}

/// The current state of one row of a captured table.
#[derive(Debug, Clone, PartialEq)]
pub struct RowState {
    /// Whose row.
    pub table: CapturedTable,
    /// Total order over the history of a key; an older version never replaces a newer one. Two states of a key
    /// with the same version are the same state.
    pub version: u128,
    /// Whether the row is gone.
    pub deleted: bool,
    /// The columns by name: ids as text, times as epoch milliseconds, counts as numbers; of a deleted row, its
    /// last known image.
    pub row: Value,
}

/// How the offsets of one batch ended; they add up to `next - first`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcomes {
    /// Written.
    pub landed: u64,
    /// Seen before.
    pub duplicate: u64,
    /// Refused for good and put aside.
    pub dead: u64,
    /// Nothing to do with this pipeline.
    pub ignored: u64,
}

/// A contiguous range of one partition, with what it does to the tables.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Consumer group, e.g. `cdc`.
    pub pipeline: &'static str,
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: u16,
    /// The owner's claim.
    pub epoch: u64,
    /// First offset of the range.
    pub first: u64,
    /// Offset after the last of the range.
    pub next: u64,
    /// How every offset ended.
    pub outcomes: Outcomes,
    /// Row states to merge.
    pub rows: Vec<RowState>,
    /// Records that cannot be understood, with the reason.
    pub dead: Vec<DeadLetter>,
    /// Time of the newest record of the range.
    pub watermark: Timestamp,
}

impl Batch {
    /// Whether every offset of the range ended in one way, dead letters are of the range, and the numbers fit.
    ///
    /// # Errors
    /// `Internal` when they do not.
    pub fn adds_up(&self) -> Result<()> {
        let Outcomes {
            landed,
            duplicate,
            dead,
            ignored,
        } = self.outcomes;
        let sum = [landed, duplicate, dead, ignored]
            .into_iter()
            .try_fold(0_u64, u64::checked_add);
        let range = self.first..self.next;
        let sound = self.next <= i64::MAX.cast_unsigned()
            && self.next.checked_sub(self.first) == sum
            && self.dead.len() as u64 == dead
            && self.dead.iter().all(|letter| range.contains(&letter.offset));
        if sound {
            Ok(())
        } else {
            Err(Error::internal(
                "the outcomes of a batch do not add up to its range",
            ))
        }
    }
}

/// A record that was put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its offset.
    pub offset: u64,
    /// Its key.
    pub key: Vec<u8>,
    /// Its value, unchanged.
    pub value: Vec<u8>,
    /// Its headers, as JSON.
    pub headers: String,
    /// Why.
    pub reason: String,
}

/// The writing side, with the ledger that makes every replay harmless.
#[async_trait]
pub trait AnalyticsSink: Send + Sync {
    /// Takes over a partition: a newer epoch, and the offset to go on from.
    async fn claim(&self, pipeline: &str, topic: &str, partition: u16, owner: &str) -> Result<Claim>;
    /// Merges the batch's rows and moves the ledger, in one transaction. A post whose `deleted_at` is set
    /// counts as deleted. An empty range (`first == next`) moves the watermark alone: that is how an owner
    /// that has caught up says so.
    ///
    /// # Errors
    /// `Fenced` when someone else has claimed the partition, or the range does not start where the ledger
    /// stands; `Validation` naming `rows[n].<column>` when a row cannot be a row of its table; `Internal`
    /// when the outcomes do not add up. Nothing is written then.
    async fn apply(&self, batch: &Batch) -> Result<()>;
}

/// The queries of the feed. All figures come from the derived tables, never from the store.
///
/// Candidates are posts that are not deleted; lists of newest posts are newest first, then by id descending.
/// Queries that know the reader leave the reader's own posts out; `trending` is the same for everyone, so
/// the ranker filters own posts in any case. No id or limit to ask about asks nothing.
#[async_trait]
pub trait FeedSource: Send + Sync {
    /// Newest posts of the people that `reader` follows, at most `per_author` of each.
    async fn followees(
        &self,
        reader: UserId,
        since: Timestamp,
        per_author: u32,
        limit: u32,
    ) -> Result<Vec<Candidate>>;
    /// Posts with the most likes and comments since `since`, whenever they were written: most first, a
    /// comment counting as two likes, ties newest first.
    async fn trending(&self, since: Timestamp, limit: u32) -> Result<Vec<Candidate>>;
    /// Newest posts, since `since`, of the authors with whom `reader` interacted most since
    /// `interacted_since`, at most `per_author` of each.
    async fn affinity(
        &self,
        reader: UserId,
        interacted_since: Timestamp,
        since: Timestamp,
        per_author: u32,
        limit: u32,
    ) -> Result<Vec<Candidate>>;
    /// Figures of posts, and the reader's interactions with authors since `since`, in one round trip.
    async fn features(
        &self,
        reader: UserId,
        posts: &[PostId],
        authors: &[UserId],
        since: Timestamp,
    ) -> Result<Features>;
    /// Time up to which the pipeline's input is queryable: the earliest among its partitions that have had
    /// a batch; `None` before the first one.
    async fn watermark(&self, pipeline: &str) -> Result<Option<Timestamp>>;
}

/// Answer of [`FeedSource::features`]; what is absent is zero.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Features {
    /// By post.
    pub posts: HashMap<PostId, PostFeatures>,
    /// The reader's interactions with each author: likes, comments and shares.
    pub interactions: HashMap<UserId, u64>,
}
