//! `shard/<id>/<n>`: at most 1,000 viewers of one room.
//!
//! - Owns: the outboxes of its viewers; nothing else.
//! - Accepts: viewers, events, state, the end; from the room's actor only.
//! - Bound: mailbox of 4,096; the room keeps what does not fit and sends it with its next flush.
//! - Fails when: only by a bug, or when it is killed.
//! - Restart: transient. Its outboxes are dropped, which tells the connections to join again with their last
//!   sequence number: a resync without a hole.
//! - Shutdown: with its room.
//! - Metrics: `nova_room_deliveries_total`, `nova_room_skipped_total`.

mod actor;
mod messages;

pub(super) use actor::{Shard, ShardArgs};
pub(super) use messages::{Report, ShardMsg};

/// Bound of a shard's mailbox.
pub(super) const CAPACITY: usize = 4_096;
