//! Port to the event log: durable, partitioned, ordered within a key.

use std::collections::BTreeSet;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::domain::Timestamp;
use crate::domain::record::{Position, Record, StoredRecord};
use crate::error::Result;

/// A topic that must exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Name.
    pub name: String,
    /// How many partitions; an existing topic is never shrunk.
    pub partitions: u16,
}

/// The writing side.
#[async_trait]
pub trait EventSink: Send + Sync {
    /// Creates the topics and partitions that do not exist.
    ///
    /// # Errors
    /// `Validation` for an empty name or no partitions.
    async fn ensure_topics(&self, topics: &[TopicSpec]) -> Result<()>;
    /// Appends all records, durably and in order, or none. Records of one key go to one partition, the one that
    /// Kafka's Java client would choose.
    ///
    /// # Errors
    /// `NotFound` when a topic is unknown.
    async fn append(&self, records: Vec<Record>) -> Result<Vec<Position>>;
}

/// The first and the next offset of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionBounds {
    /// Partition, from 0.
    pub partition: u16,
    /// Oldest offset that can still be read.
    pub earliest: u64,
    /// Offset that the next record will get.
    pub end: u64,
}

/// The reading side.
#[async_trait]
pub trait EventSource: Send + Sync {
    /// Bounds of every partition of `topic`.
    ///
    /// # Errors
    /// `NotFound` for an unknown topic.
    async fn bounds(&self, topic: &str) -> Result<Vec<PartitionBounds>>;
    /// Up to `max` records of one partition from offset `from` on, in order; empty at the end. Fewer than `max`
    /// does not mean that the end was reached. An offset outside of the bounds is an error, never a silent jump.
    ///
    /// # Errors
    /// `CursorExpired` for an offset before `earliest`, `CursorInvalid` for one beyond `end` (the position
    /// belongs to another log), `NotFound` for an unknown topic or partition.
    async fn fetch(&self, topic: &str, partition: u16, from: u64, max: u32) -> Result<Vec<StoredRecord>>;
    /// Changes whenever something was appended in this process: wakes consumers without polling.
    fn appended(&self) -> watch::Receiver<u64>;
    /// Stores a group's position, for lag tools only; the truth is the ledger.
    ///
    /// # Errors
    /// `NotFound` for an unknown topic or partition.
    async fn commit(&self, group: &str, topic: &str, partition: u16, next: u64) -> Result<()>;
    /// The group's stored positions, `(partition, next offset)`.
    async fn committed(&self, group: &str, topic: &str) -> Result<Vec<(u16, u64)>>;
    /// Joins the consumer group `group`, which shares the partitions of `topics` among its members.
    ///
    /// # Errors
    /// `NotFound` for an unknown topic, where the log can tell at once.
    async fn join(&self, group: &str, topics: &[&str]) -> Result<Membership>;
}

/// Partitions by topic.
pub type Assignment = BTreeSet<(String, u16)>;

/// A place in a consumer group; the group is left when it is dropped.
pub struct Membership {
    assigned: watch::Receiver<Assignment>,
    _place: Box<dyn Send + Sync>,
}

impl std::fmt::Debug for Membership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Membership")
            .field("assigned", &*self.assigned.borrow())
            .finish_non_exhaustive()
    }
}

impl Membership {
    /// A place that is given up by dropping `place`.
    pub fn new(assigned: watch::Receiver<Assignment>, place: impl Send + Sync + 'static) -> Self {
        Self {
            assigned,
            _place: Box::new(place),
        }
    }

    /// The only member of its group: everything, for ever.
    #[must_use]
    pub fn alone(assignment: Assignment) -> Self {
        let (place, assigned) = watch::channel(assignment);
        Self::new(assigned, place)
    }

    /// The partitions that are this member's right now; changes when the group shares them anew. A partition
    /// that is gone may be another member's already: only the ledger's epoch tells who may write.
    #[must_use]
    pub fn assigned(&self) -> watch::Receiver<Assignment> {
        self.assigned.clone()
    }
}

/// Retention of a log that Nova keeps itself; another log has its own.
#[async_trait]
pub trait LogRetention: Send + Sync {
    /// Removes records older than `before` from the front of each partition; answers how many. An old record
    /// behind a newer one stays until that one goes. Offsets go on where they were, even when nothing is left.
    ///
    /// # Errors
    /// `NotFound` for an unknown topic.
    async fn trim(&self, topic: &str, before: Timestamp) -> Result<u64>;
}
