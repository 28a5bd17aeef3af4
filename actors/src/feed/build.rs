//! Makes a snapshot: down the ladder until something can be shown, and never an error.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;

use super::candidates::{Analytics, FOLLOWEES_WINDOW, Merged, PER_AUTHOR, PER_SOURCE, merge};
use super::ranking::{Ranker, by_score, newest_first};
use super::request::{Preference, Want};
use super::saturation::{broken, saturate};
use super::settings::FeedSettings;
use super::snapshot::{Entry, Generation, NO_POSTS, Origin, Snapshot, Watermark};
use crate::domain::feed::{PostFeatures, Rung, Source};
use crate::domain::{PostId, Timestamp, UserId};
use crate::error::Result;
use crate::ports::Clock;
use crate::ports::analytics::{Features, FeedSource};
use crate::ports::store::PostReader;
use crate::runtime::breaker::Breaker;
use crate::runtime::metrics::FEED_RELAXED;
use crate::runtime::within;

/// Most posts of a snapshot.
const MAX_ENTRIES: usize = 300;

/// Ranks posts for readers.
#[derive(Clone)]
pub(super) struct Builder {
    analytics: Analytics,
    store: Arc<dyn PostReader>,
    store_breaker: Arc<Breaker>,
    store_deadline: Duration,
    clock: Arc<dyn Clock>,
}

/// What one rung of the ladder gave.
struct Step {
    rung: Rung,
    ranker: Ranker,
    entries: Vec<Entry>,
}

/// What is gathered on the way down.
struct Climb {
    reader: UserId,
    now: Timestamp,
    missing: Vec<&'static str>,
    watermark: Watermark,
}

impl Climb {
    fn lacks(&mut self, what: &'static str) {
        if !self.missing.contains(&what) {
            self.missing.push(what);
        }
    }
}

impl Builder {
    pub(super) fn new(
        source: Arc<dyn FeedSource>,
        store: Arc<dyn PostReader>,
        clock: Arc<dyn Clock>,
        settings: &FeedSettings,
    ) -> Self {
        Self {
            analytics: Analytics::new(source, settings),
            store,
            store_breaker: Arc::new(Breaker::new("feed_store", settings.breaker)),
            store_deadline: settings.store_deadline,
            clock,
        }
    }

    /// A new snapshot for `reader`.
    pub(super) async fn build(&self, reader: UserId, want: Want) -> Snapshot {
        let mut climb = Climb {
            reader,
            now: self.clock.now(),
            missing: Vec::new(),
            watermark: Watermark::default(),
        };
        let step = match self.ranked(&mut climb, want).await {
            Some(step) => step,
            None => self.newest(&mut climb, want).await,
        };
        Snapshot {
            origin: Origin {
                generation: Generation::new(climb.now),
                built_at: climb.now,
                ranker: step.ranker,
                rung: step.rung,
                degraded: climb.missing.into_iter().map(str::to_owned).collect(),
                watermark: climb.watermark,
            },
            entries: step.entries,
        }
    }

    /// Ranks what analytics or else the store proposes; `None` when there is nothing to rank by.
    async fn ranked(&self, climb: &mut Climb, want: Want) -> Option<Step> {
        if want.ranker == Ranker::Chrono {
            return None;
        }
        if want.preference != Preference::Store {
            let gathered = self.analytics.gather(climb.reader, climb.now).await;
            climb.watermark = gathered.watermark;
            gathered.missing.into_iter().for_each(|name| climb.lacks(name));
            if !gathered.merged.is_empty() {
                let entries = self.scored(climb, want.ranker, gathered.merged).await;
                let complete = climb.missing.is_empty();
                return Some(Step {
                    rung: if complete { Rung::Fresh } else { Rung::Partial },
                    ranker: want.ranker,
                    entries,
                });
            }
            if climb.missing.is_empty() {
                return None;
            }
        }
        self.store_ranked(climb, want.ranker).await
    }

    async fn store_ranked(&self, climb: &mut Climb, ranker: Ranker) -> Option<Step> {
        let since = climb.now.minus(FOLLOWEES_WINDOW);
        let work = self
            .store
            .followee_posts(climb.reader, since, PER_AUTHOR, PER_SOURCE);
        let list = self.ask_store(climb, work).await?;
        let merged = merge(climb.reader, [(Source::Followees, list)]);
        if merged.is_empty() {
            return None;
        }
        climb.lacks(Source::Trending.as_str());
        climb.lacks(Source::Affinity.as_str());
        let (merged, features) = self.store_counters(climb, merged).await;
        Some(Step {
            rung: Rung::Store,
            ranker,
            entries: rank(ranker, merged, &features, climb.now),
        })
    }

    /// The newest posts of everyone, in that order: saturation would not leave it chronological.
    async fn newest(&self, climb: &mut Climb, want: Want) -> Step {
        let work = self.store.recent(climb.reader, PER_SOURCE);
        let list = self.ask_store(climb, work).await.unwrap_or_default();
        let merged = merge(climb.reader, [(Source::Recent, list)]);
        if merged.is_empty() {
            if climb.missing.is_empty() {
                climb.lacks(NO_POSTS);
            }
            return Step {
                rung: Rung::Empty,
                ranker: want.ranker,
                entries: Vec::new(),
            };
        }
        let (merged, features) = self.store_counters(climb, merged).await;
        let mut entries = score(Ranker::Chrono, merged, &features, climb.now);
        entries.sort_by(|a, b| newest_first(&a.candidate, &b.candidate));
        entries.truncate(MAX_ENTRIES);
        Step {
            rung: Rung::Chrono,
            ranker: Ranker::Chrono,
            entries,
        }
    }

    /// Scores by the figures of analytics, or else by those of the store.
    async fn scored(&self, climb: &mut Climb, ranker: Ranker, merged: Vec<Merged>) -> Vec<Entry> {
        match self.analytics.features(climb.reader, &merged, climb.now).await {
            Ok(features) => rank(ranker, merged, &features, climb.now),
            Err(error) => {
                tracing::warn!(%error, "the figures of a feed are missing");
                climb.lacks("features");
                let (merged, features) = self.store_counters(climb, merged).await;
                rank(ranker, merged, &features, climb.now)
            }
        }
    }

    /// Likes and comments as the store has them; posts that it does not have any more are left out. The
    /// store knows no shares, impressions or interactions.
    async fn store_counters(&self, climb: &mut Climb, mut merged: Vec<Merged>) -> (Vec<Merged>, Features) {
        let ids: Vec<PostId> = merged.iter().map(|m| m.candidate.post_id).collect();
        let Some(posts) = self.ask_store(climb, self.store.posts(&ids)).await else {
            return (merged, Features::default());
        };
        merged.retain(|m| posts.contains_key(&m.candidate.post_id));
        let figures = posts.into_values().map(|post| {
            let figures = PostFeatures {
                likes: post.likes,
                comments: post.comments,
                ..PostFeatures::default()
            };
            (post.id, figures)
        });
        let features = Features {
            posts: figures.collect(),
            interactions: HashMap::new(),
        };
        (merged, features)
    }

    async fn ask_store<T>(&self, climb: &mut Climb, work: impl Future<Output = Result<T>>) -> Option<T> {
        match self
            .store_breaker
            .run(within("the store", self.store_deadline, work))
            .await
        {
            Ok(answer) => Some(answer),
            Err(error) => {
                tracing::warn!(%error, "the store did not answer the feed");
                climb.lacks("store");
                None
            }
        }
    }
}

/// Scores, orders and saturates candidates, and keeps the best.
fn rank(ranker: Ranker, merged: Vec<Merged>, features: &Features, now: Timestamp) -> Vec<Entry> {
    let mut entries = score(ranker, merged, features, now);
    entries.sort_by(|a, b| by_score((a.score, &a.candidate), (b.score, &b.candidate)));
    let authors: Vec<UserId> = entries.iter().map(|entry| entry.candidate.author_id).collect();
    let order = saturate(&authors);
    let mut ordered: Vec<Entry> = order.into_iter().map(|index| entries[index]).collect();
    ordered.truncate(MAX_ENTRIES);
    let authors: Vec<UserId> = ordered.iter().map(|entry| entry.candidate.author_id).collect();
    for rule in broken(&authors, 0) {
        counter!(FEED_RELAXED, "rule" => rule.as_str()).increment(1);
    }
    ordered
}

fn score(ranker: Ranker, merged: Vec<Merged>, features: &Features, now: Timestamp) -> Vec<Entry> {
    let weights = ranker.weights();
    let scored = merged.into_iter().map(|Merged { candidate, sources }| {
        let mut entry = Entry {
            candidate,
            score: 0.0,
            features: features
                .posts
                .get(&candidate.post_id)
                .copied()
                .unwrap_or_default(),
            interactions: features
                .interactions
                .get(&candidate.author_id)
                .copied()
                .unwrap_or_default(),
            sources,
        };
        entry.score = weights.score(&entry.inputs(now).parts());
        entry
    });
    scored.collect()
}
