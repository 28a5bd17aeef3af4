//! The feed: ranker workers keyed by reader.
//!
//! - **Owns**: the builds under way, one per reader and kind of ranking, with those who wait for them; marks of
//!   readers whose ranking is out of date; a few snapshots, which spare decoding and carry it over an outage
//!   of the cache.
//! - **Accepts**: a page, an explanation, a mark; everything through [`FeedHandle`].
//! - **Bound**: mailbox of 1,024, [`FeedSettings::in_flight`] requests at once, 128 snapshots, 10,000 marks.
//! - **Fails when**: a task panics. Missing sources, store or cache are no failures: the answer goes down the
//!   ladder (fresh, stale, partial, store, chrono, empty) and says so.
//! - **Restart**: permanent, with empty hands; snapshots and pointers are in the cache. Those who waited are
//!   told that the worker is gone.
//! - **Shutdown**: the mailbox is worked off; builds under way are dropped.
//! - **Metrics**: `nova_feed_*`, `nova_cache_requests_total{role="feed"}`, `nova_breaker_state`.

mod actor;
mod bounded;
mod build;
mod candidates;
mod codec;
mod cursor;
mod engine;
mod explain;
mod handle;
mod messages;
mod page;
mod ranking;
mod request;
mod saturation;
mod settings;
mod shelf;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;

pub use cursor::CursorKey;
pub use explain::{ExplainedInputs, Explanation, Filter};
pub use handle::{FeedArgs, FeedHandle};
pub use page::{FeedItem, FeedPage, Hydrate};
pub use ranking::{Inputs, Parts, Ranker, Weights};
pub use request::{FeedRequest, MAX_LIMIT};
pub use settings::FeedSettings;
pub use snapshot::Watermark;
