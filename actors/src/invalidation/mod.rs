//! Keeps feeds fresh: when an author's new posts can be ranked, the followers' snapshots are out of date.
//!
//! - **Owns**: nothing; who is still to be told is kept with the handle, over restarts.
//! - **Accepts**: `Wake`, from the consumer that landed the posts.
//! - **Bound**: mailbox; 10,000 waiting authors; one at a time; 10,000 followers each. What is left out shows
//!   when the snapshot's time to live is over.
//! - **Blocks on**: nothing; followers are read and told in a task with a deadline.
//! - **Fails when**: never by itself; a store or a ranker that is away is tried again with growing pauses.
//! - **Restart**: permanent; begins the round again that was cut off.
//! - **Shutdown**: leaves off; snapshots live for minutes at most.
//! - **Metrics**: those of every actor.

mod actor;
mod handle;
mod waiting;

pub use actor::{Invalidator, InvalidatorArgs};
pub use handle::InvalidatorHandle;
