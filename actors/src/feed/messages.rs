//! What a ranker worker understands.

use std::sync::Arc;

use tokio::time::Instant;

use super::explain::Explanation;
use super::page::FeedPage;
use super::request::{Plan, Want};
use super::shelf::Found;
use super::snapshot::Snapshot;
use crate::domain::{PostId, UserId};
use crate::error::Result;
use crate::runtime::Reply;

/// Messages of a ranker worker.
#[derive(Debug)]
pub(super) enum RankerMsg {
    /// Answer with a page.
    Page {
        plan: Plan,
        reply: Reply<Result<FeedPage>>,
    },
    /// Answer with the place of a post in the reader's feed.
    Explain {
        reader: UserId,
        post: PostId,
        reply: Reply<Result<Explanation>>,
    },
    /// Make a new snapshot at the reader's next read; answered when no node serves the old one any more.
    MarkDirty {
        reader: UserId,
        reply: Reply<Result<()>>,
    },
    /// The cache was asked for the current snapshot.
    LookedUp { waiter: Waiter, found: Found },
    /// A build is ready.
    Built { flight: u64, snapshot: Arc<Snapshot> },
    /// A build was stored, or could not be.
    Published { flight: u64 },
    /// A request was answered.
    Answered,
    /// Something was done that nobody waits for.
    Done,
}

/// Someone who waits for a snapshot.
#[derive(Debug)]
pub(super) enum Waiter {
    Page {
        plan: Plan,
        since: Instant,
        reply: Reply<Result<FeedPage>>,
    },
    Explain {
        reader: UserId,
        want: Want,
        post: PostId,
        reply: Reply<Result<Explanation>>,
    },
}

impl Waiter {
    pub(super) fn reader(&self) -> UserId {
        match self {
            Self::Page { plan, .. } => plan.reader,
            Self::Explain { reader, .. } => *reader,
        }
    }

    pub(super) fn want(&self) -> Want {
        match self {
            Self::Page { plan, .. } => plan.want,
            Self::Explain { want, .. } => *want,
        }
    }

    pub(super) fn has_left(&self) -> bool {
        match self {
            Self::Page { reply, .. } => reply.is_closed(),
            Self::Explain { reply, .. } => reply.is_closed(),
        }
    }
}
