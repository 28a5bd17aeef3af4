//! DataLoader: turns many small reads into few batched ones.
//!
//! - **Owns**: requests that wait, batches in flight. It is no cache.
//! - **Accepts**: `Load` with any number of keys.
//! - **Bound**: mailbox, in which a request counts until it is answered; batches in flight; keys per batch.
//!   Fetches have a deadline.
//! - **Fails when**: never by itself; a failed fetch is answered to every waiter.
//! - **Restart**: permanent; callers see `Unavailable` once and may ask again.
//! - **Shutdown**: drains; what is in flight then is answered `Unavailable`.
//! - **Metrics**: `nova_loader_batch_size`, `nova_loader_fetches_total`.

mod actor;
mod batch;
mod fetch;
mod handle;
#[cfg(test)]
mod tests;

pub use actor::{Loader, LoaderArgs, LoaderSettings};
pub use fetch::{Fetch, FetchPosts, FetchStreams, FetchUsers};
pub use handle::{LoaderHandle, PostLoader, StreamLoader, UserLoader};
