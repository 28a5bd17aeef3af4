//! The slow half of a ranker worker: what its tasks do with the ports.

use std::sync::Arc;

use metrics::{counter, histogram};
use tokio::time::Instant;

use super::build::Builder;
use super::cursor::{self, Cursor};
use super::explain::{Explanation, explain};
use super::handle::FeedArgs;
use super::messages::Waiter;
use super::page::{FeedPage, Pager, Serving};
use super::request::Plan;
use super::settings::FeedSettings;
use super::shelf::Shelf;
use super::snapshot::Snapshot;
use super::state::Publication;
use crate::domain::feed::Rung;
use crate::domain::{PostId, UserId};
use crate::error::{Error, Result};
use crate::ports::Clock;
use crate::runtime::Reply;
use crate::runtime::metrics::{FEED_DURATION, FEED_SERVED};

/// Everything that a worker needs; cloned for each of its tasks.
#[derive(Clone)]
pub(super) struct Engine {
    pub(super) builder: Builder,
    pub(super) shelf: Shelf,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: FeedSettings,
    pager: Pager,
}

impl Engine {
    pub(super) fn new(args: FeedArgs) -> Self {
        let settings = args.settings;
        Self {
            builder: Builder::new(args.source, args.posts, Arc::clone(&args.clock), &settings),
            shelf: Shelf::new(args.cache, &settings),
            pager: Pager::new(args.hydrate, args.key, &settings),
            clock: args.clock,
            settings,
        }
    }

    /// Stores a build. Without the cache it is served all the same, and kept by the worker.
    pub(super) async fn publish(self, publication: Publication) {
        let Publication {
            reader,
            snapshot,
            pointer,
        } = publication;
        if let Err(error) = self.shelf.publish(reader, &snapshot, pointer).await {
            tracing::warn!(%error, "a feed snapshot could not be stored");
        }
    }

    /// Answers from a snapshot.
    pub(super) async fn answer(self, waiter: Waiter, snapshot: Arc<Snapshot>, rung: Rung) {
        match waiter {
            Waiter::Page { plan, since, reply } => {
                let serving = Serving {
                    snapshot,
                    rung,
                    newer_available: false,
                    now: self.clock.now(),
                };
                let page = self.pager.page(&plan, &serving).await;
                served(page, since, reply);
            }
            Waiter::Explain {
                reader, post, reply, ..
            } => {
                reply.send(self.explanation(reader, post, &snapshot).await);
            }
        }
    }

    /// Answers with a later page, from the snapshot that the cursor names.
    pub(super) async fn go_on(
        self,
        plan: Plan,
        cursor: Cursor,
        known: Option<Arc<Snapshot>>,
        (since, reply): (Instant, Reply<Result<FeedPage>>),
    ) {
        let (snapshot, newer_available) = self.shelf.of_cursor(plan.reader, cursor.generation, known).await;
        let page = match snapshot {
            None => Err(cursor::expired()),
            Some(snapshot) => {
                let now = self.clock.now();
                let serving = Serving {
                    rung: self.rung_now(&snapshot),
                    snapshot,
                    newer_available,
                    now,
                };
                self.pager.page(&plan, &serving).await
            }
        };
        served(page, since, reply);
    }

    /// A ranking that was complete gets stale; any other stays what it was.
    fn rung_now(&self, snapshot: &Snapshot) -> Rung {
        let age = self.clock.now().since(snapshot.origin.built_at);
        match snapshot.origin.rung {
            Rung::Fresh if age > self.settings.soft_ttl => Rung::Stale,
            rung => rung,
        }
    }

    async fn explanation(&self, reader: UserId, post: PostId, snapshot: &Snapshot) -> Result<Explanation> {
        let explanation = explain(snapshot, post).ok_or_else(|| Error::not_found("post"))?;
        match self.pager.post(post, reader).await? {
            Some(_) => Ok(explanation),
            None => Err(Error::not_found("post")),
        }
    }
}

/// Answers and counts. The rung and the ranker are those that were served.
fn served(page: Result<FeedPage>, since: Instant, reply: Reply<Result<FeedPage>>) {
    if let Ok(page) = &page {
        let labels = [("rung", page.rung.as_str()), ("ranker", page.ranker)];
        counter!(FEED_SERVED, &labels).increment(1);
        histogram!(FEED_DURATION, &labels).record(since.elapsed().as_secs_f64());
    }
    reply.send(page);
}
