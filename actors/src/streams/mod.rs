//! Live streams as supervised actors, and the rooms in which people watch them.
//!
//! `directory ─ stream/<id> ─ shard/<id>/<n>`: each folder's `mod.rs` is that actor's card. Where truth lives:
//! the life cycle in the store's row, sequence and history in the room bus, viewers in the connections. So
//! every actor here can be rebuilt, and costs the people connected to it at most a resync.

mod directory;
pub mod frame;
mod handle;
mod outbox;
mod rooms;
mod settings;
mod shard;
mod stream;
#[cfg(test)]
mod tests;
mod viewers;

pub use handle::{StreamList, StreamPorts, StreamView, StreamsHandle};
pub use outbox::{CloseReason, End, LogItem, Outbox, OutboxWriter, Taken, outbox};
pub use settings::StreamSettings;
pub use viewers::{ChatRequest, JoinRequest, Joined, RESUME_WHY, Said};
