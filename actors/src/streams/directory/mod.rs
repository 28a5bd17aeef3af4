//! `directory`: the supervisor of all rooms of this node.
//!
//! - Owns: the map from live stream to room; others only read it.
//! - Accepts: requests for a room that is not there yet, and notices that one is over.
//! - Bound: mailbox of 4,096.
//! - Blocks on: starting a room (microseconds) and stopping one (its last write to the store).
//! - Fails when: a room fails more than ten times in a minute, or it is killed.
//! - Restart: permanent. Rooms are started again at the addresses that they had.
//! - Shutdown: drains the rooms.
//! - Metrics: `nova_streams_live`.

mod actor;
mod messages;

pub(super) use actor::Directory;
pub(super) use messages::DirectoryMsg;

/// Bound of the directory's mailbox.
pub(super) const CAPACITY: usize = 4_096;
