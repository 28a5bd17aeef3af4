//! Port to the ledger of pipelines whose tables are in another database than the ledger.
//!
//! The protocol of one batch: `begin` persists its range, then the rows are written under a token that names
//! the range, then `settle` moves the ledger. A crash in between leaves the range open; the next owner's claim
//! says so, and the same range is written again under the same token.

use async_trait::async_trait;

use super::analytics::{Batch, Claim};
use crate::domain::Timestamp;
use crate::error::Result;

/// A contiguous range of one partition, by its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range<'a> {
    /// Consumer group, e.g. `cdc`.
    pub pipeline: &'a str,
    /// Topic.
    pub topic: &'a str,
    /// Partition.
    pub partition: u16,
    /// The owner's claim.
    pub epoch: u64,
    /// First offset of the range.
    pub first: u64,
    /// Offset after the last of the range.
    pub next: u64,
}

impl<'a> Range<'a> {
    /// The range of `batch`.
    #[must_use]
    pub fn of(batch: &'a Batch) -> Self {
        Self {
            pipeline: batch.pipeline,
            topic: &batch.topic,
            partition: batch.partition,
            epoch: batch.epoch,
            first: batch.first,
            next: batch.next,
        }
    }
}

/// Who owns which partition, how far it came, and how every offset ended.
#[async_trait]
pub trait PipelineLedger: Send + Sync {
    /// Takes over a partition: a newer epoch, the offset to go on from, and the range that was left open.
    async fn claim(&self, pipeline: &str, topic: &str, partition: u16, owner: &str) -> Result<Claim>;
    /// Persists that the rows of `range` are about to be written. The open range of the same owner is replaced.
    ///
    /// # Errors
    /// `Fenced` when someone else has claimed the partition, or the range does not start where the ledger
    /// stands.
    async fn begin(&self, range: Range<'_>) -> Result<()>;
    /// Moves the ledger past `batch`, whose rows are written: outcomes, dead letters and watermark in one
    /// transaction; the rows themselves are not looked at. An empty range moves the watermark alone, which
    /// never goes back.
    ///
    /// # Errors
    /// `Fenced` as for `begin`; `Internal` when the outcomes do not add up. Nothing is written then.
    async fn settle(&self, batch: &Batch) -> Result<()>;
    /// See [`super::analytics::FeedSource::watermark`].
    async fn watermark(&self, pipeline: &str) -> Result<Option<Timestamp>>;
}
