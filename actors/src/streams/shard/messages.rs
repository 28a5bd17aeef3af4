//! What a shard is told, and what it reports.

use std::sync::Arc;

use crate::streams::frame::{Frame, LogFrame, Missed};
use crate::streams::outbox::{CloseReason, OutboxWriter};
use crate::streams::stream::ViewerId;

/// From the room to the shard.
#[derive(Debug)]
pub(in crate::streams) enum ShardMsg {
    /// A viewer who gets everything from here on. One meant for an earlier incarnation is turned away, and
    /// so joins again.
    Add {
        generation: u64,
        viewer: ViewerId,
        outbox: OutboxWriter,
    },
    /// Events, after those that cannot be given any more.
    Log {
        missed: Option<Missed>,
        frames: Arc<[LogFrame]>,
    },
    /// The latest counts.
    State(Frame),
    /// Close all viewers once everything before was written.
    Close(CloseReason),
    /// Look for viewers who left.
    Sweep,
}

/// From the shard to the room.
#[derive(Debug)]
pub(in crate::streams) enum Report {
    /// A new incarnation runs, without viewers.
    Restarted { shard: usize, generation: u64 },
    /// Who left, and how many watch.
    Swept {
        shard: usize,
        generation: u64,
        left: Vec<ViewerId>,
        watching: u64,
    },
}
