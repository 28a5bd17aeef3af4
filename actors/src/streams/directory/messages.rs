//! What the directory is told.

use crate::domain::{LiveStream, StreamId};
use crate::error::Result;
use crate::runtime::Reply;
use crate::streams::rooms::RoomEntry;

/// See the module's card.
#[derive(Debug)]
pub(in crate::streams) enum DirectoryMsg {
    /// A room for this live stream, started when there is none.
    Ensure {
        id: StreamId,
        reply: Option<Reply<Result<RoomEntry>>>,
    },
    /// A room has nothing left to do.
    Done(StreamId),
    /// List the running live streams after this one.
    Boot(Option<StreamId>),
    /// A page of running live streams, to be started; the next page comes after `after`.
    Running {
        after: Option<StreamId>,
        outcome: Result<Vec<LiveStream>>,
    },
}
