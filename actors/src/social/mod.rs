//! Posts, likes and follows: write workers keyed by user, and batched views for readers.
//!
//! - **Owns**: the queue of writes of each user; nothing durable.
//! - **Accepts**: `Write`.
//! - **Bound**: mailbox per worker, in which a write counts until it is done; one write of a user at a time.
//! - **Blocks on**: nothing; a write runs in a task with a deadline.
//! - **Fails when**: never by itself; store errors are answered.
//! - **Restart**: permanent; a caller whose write was lost sees `Unavailable`. Whether it was done is unknown then,
//!   as after a timeout; an idempotency key makes asking again safe.
//! - **Shutdown**: finishes the writes that run.
//! - **Metrics**: those of every actor.

mod actor;
mod handle;
mod queue;
#[cfg(test)]
mod tests;
mod views;

pub use actor::{SocialArgs, SocialWorker};
pub use handle::SocialHandle;
pub use views::PostViews;
