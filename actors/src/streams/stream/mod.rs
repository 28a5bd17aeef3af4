//! `stream/<id>`: the room of one live stream on this node.
//!
//! - Owns: the ring of encoded events, who is in which shard, viewer figures, the tick. Everything can be
//!   rebuilt: life cycle from the store's row, events from the room bus, viewers from their connections.
//! - Accepts: joins, chat, changes of the row, signs of life of the owner, reports of its shards.
//! - Bound: mailbox of 4,096; joins that wait for the room to open, 4,096; chat in flight, 1,024.
//! - Blocks on: nothing; store and bus are asked in tasks.
//! - Fails when: an event cannot be encoded, a shard fails too often, or it is killed.
//! - Restart: transient. Its shards go with it; their viewers join again with their last sequence number.
//! - Shutdown: stores the viewer figures.
//! - Metrics: `nova_room_viewers`, `nova_room_publish_duration_seconds`.

mod actor;
mod admission;
mod gauge;
mod life;
mod members;
mod messages;
mod ring;
mod state;
mod tick;
mod unique;

pub(super) use actor::{StreamActor, StreamArgs};
pub(super) use members::ViewerId;
pub(super) use messages::StreamMsg;

/// Bound of a room's mailbox.
pub(super) const CAPACITY: usize = 4_096;
