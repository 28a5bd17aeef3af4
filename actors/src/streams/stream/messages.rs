//! What a room is told.

use tokio::sync::mpsc;

use crate::domain::LiveStream;
use crate::domain::room::{RoomInfo, SequencedEvent};
use crate::domain::{Timestamp, ViewerTotals};
use crate::error::Result;
use crate::ports::rooms::{Published, RoomSubscription};
use crate::runtime::Reply;
use crate::streams::shard::Report;
use crate::streams::viewers::{ChatRequest, JoinRequest, Joined};

/// See the module's card.
#[derive(Debug)]
pub(in crate::streams) enum StreamMsg {
    /// A connection wants in.
    Join {
        join: JoinRequest,
        reply: Reply<Result<Joined>>,
    },
    /// A viewer speaks; the answer comes after the message is durable.
    Chat {
        chat: ChatRequest,
        reply: Reply<Result<Published>>,
    },
    /// The row was changed, or ended.
    Changed(LiveStream),
    /// The owner showed life.
    OwnerSeen(Timestamp),
    /// From one of the room's shards.
    Shard(Report),
    /// The outcome of the actor's own work.
    Own(Own),
}

/// Outcomes of tasks and timers.
#[derive(Debug)]
pub(in crate::streams) enum Own {
    /// Try again to load the row and subscribe.
    Open,
    /// The row was read and the bus listened to; `None`: there is no such live stream.
    Opened(Result<Option<(LiveStream, RoomSubscription)>>),
    /// Events; no receiver when the subscription ended with them.
    Heard {
        events: Vec<SequencedEvent>,
        from: Option<mpsc::Receiver<SequencedEvent>>,
    },
    /// A chat message was sequenced, or not.
    Chatted {
        reply: Reply<Result<Published>>,
        outcome: Result<Published>,
    },
    /// Viewers were told a new title or category, or not.
    Informed {
        info: RoomInfo,
        outcome: Result<Published>,
    },
    /// The end was sequenced, or not.
    EndPublished(Result<Published>),
    /// The tick is over.
    Flush,
    /// A second has passed.
    Second,
    /// Viewers that other nodes have.
    Counted(Result<u64>),
    /// Figures were stored, or not.
    Stored {
        totals: ViewerTotals,
        owner: Option<Timestamp>,
        outcome: Result<()>,
    },
    /// The row as the store has it, and how many changes had been seen when it was asked for.
    Rechecked {
        changes: u64,
        outcome: Result<Option<LiveStream>>,
    },
    /// The store was asked to end an abandoned stream; the row as it is now.
    Abandoned(Result<Option<LiveStream>>),
}
