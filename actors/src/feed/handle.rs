//! How the rest of the program asks for feeds.

use std::fmt;
use std::sync::Arc;

use super::actor::{KIND, RankerActor};
use super::cursor::CursorKey;
use super::engine::Engine;
use super::explain::Explanation;
use super::messages::RankerMsg;
use super::page::{FeedPage, Hydrate};
use super::request::{FeedRequest, Plan};
use super::settings::FeedSettings;
use crate::domain::{PostId, UserId};
use crate::error::Result;
use crate::ports::analytics::FeedSource;
use crate::ports::store::PostReader;
use crate::ports::{Cache, Clock};
use crate::runtime::{GroupSpec, Pool, Reply};

/// Messages that wait for one worker; more are refused.
const MAILBOX: usize = 1_024;

/// Everything that the feed works with.
#[derive(Clone)]
pub struct FeedArgs {
    /// Analytics: candidates and figures.
    pub source: Arc<dyn FeedSource>,
    /// The store, for when analytics has nothing.
    pub posts: Arc<dyn PostReader>,
    /// Keeps snapshots.
    pub cache: Arc<dyn Cache>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Looks up the posts of a page.
    pub hydrate: Arc<dyn Hydrate>,
    /// Signs cursors.
    pub key: CursorKey,
    /// Limits and times.
    pub settings: FeedSettings,
}

impl fmt::Debug for FeedArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedArgs")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The feed.
#[derive(Clone)]
pub struct FeedHandle {
    workers: Pool<RankerMsg>,
    clock: Arc<dyn Clock>,
    key: CursorKey,
    settings: FeedSettings,
}

impl fmt::Debug for FeedHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedHandle")
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}

impl FeedHandle {
    /// Adds the workers, `feed/ranker/<n>`, to a group. The handle answers once the group has been started.
    #[must_use]
    pub fn supervised(args: FeedArgs, group: GroupSpec) -> (Self, GroupSpec) {
        let workers = Pool::vacant(KIND, "feed/ranker", args.settings.workers, MAILBOX);
        let handle = Self {
            workers: workers.clone(),
            clock: Arc::clone(&args.clock),
            key: args.key.clone(),
            settings: args.settings,
        };
        let group = workers.supervise::<RankerActor>(group, &Engine::new(args));
        (handle, group)
    }

    /// A page of the reader's feed.
    ///
    /// # Errors
    /// `UnknownRanker`; `Validation` on `source`; `CursorInvalid`; `CursorExpired`. Beyond these only what a
    /// worker itself can do: `Overloaded`, `Unavailable` while it restarts, `Timeout`.
    pub async fn page(&self, request: FeedRequest) -> Result<FeedPage> {
        let plan = Plan::of(&request, &self.settings, &self.key, self.clock.now())?;
        self.ask(plan.reader, |reply| RankerMsg::Page { plan, reply })
            .await
    }

    /// Why a post is where it is in the reader's feed.
    ///
    /// # Errors
    /// `NotFound` when it is not in there, or does not exist any more.
    pub async fn explain(&self, reader: UserId, post: PostId) -> Result<Explanation> {
        self.ask(reader, |reply| RankerMsg::Explain { reader, post, reply })
            .await
    }

    /// Has the reader's next first page ranked anew. Cursors that were given out stay good.
    ///
    /// # Errors
    /// `Unavailable` or `Timeout` when other nodes could not be told.
    pub async fn invalidate(&self, reader: UserId) -> Result<()> {
        self.ask(reader, |reply| RankerMsg::MarkDirty { reader, reply })
            .await
    }

    /// The reader's feed has changed: they followed someone, or someone they follow has posted.
    ///
    /// Analytics learns of such changes a little later. So rankings of the next few seconds
    /// ([`FeedSettings::settle`]) are taken for passing ones, and whoever asks after them gets newer ones.
    ///
    /// # Errors
    /// As [`Self::invalidate`].
    pub async fn mark_dirty(&self, reader: UserId) -> Result<()> {
        self.invalidate(reader).await
    }

    async fn ask<T>(&self, reader: UserId, make: impl FnOnce(Reply<Result<T>>) -> RankerMsg) -> Result<T> {
        self.workers
            .for_key(&reader)
            .call(self.settings.call_deadline, make)
            .await?
    }
}
