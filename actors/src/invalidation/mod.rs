//! Keeps feeds fresh: when an author's new posts can be ranked, the followers' snapshots are out of date.
//!
//! - **Owns**: authors whose followers are still to be told.
//! - **Accepts**: `Posted`, from the consumer that landed the posts.
//! - **Bound**: mailbox; 10,000 waiting authors; one at a time; 10,000 followers each. What is left out shows
//!   when the snapshot's time to live is over.
//! - **Blocks on**: nothing; followers are read and told in a task.
//! - **Fails when**: never by itself; a store that is away costs freshness only.
//! - **Restart**: permanent, with empty hands.
//! - **Shutdown**: leaves off; snapshots live for minutes at most.
//! - **Metrics**: those of every actor.

mod actor;
mod handle;

pub use actor::{Invalidator, InvalidatorArgs};
pub use handle::InvalidatorHandle;
