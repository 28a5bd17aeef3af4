//! Gathers candidates from the sources, all at once, each with its own deadline and breaker.

use std::collections::HashSet;
use std::collections::btree_map::{BTreeMap, Entry as Slot};
use std::sync::Arc;
use std::time::Duration;

use metrics::histogram;
use tokio::time::Instant;

use super::settings::FeedSettings;
use super::snapshot::{Sources, Watermark};
use crate::domain::feed::{Candidate, Source};
use crate::domain::{PostId, Timestamp, UserId};
use crate::error::Result;
use crate::ports::analytics::{Features, FeedSource};
use crate::runtime::breaker::Breaker;
use crate::runtime::metrics::{FEED_CANDIDATES, FEED_SOURCE_DURATION};
use crate::runtime::within;

const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Posts of followees are candidates for this long.
pub(super) const FOLLOWEES_WINDOW: Duration = Duration::from_secs(72 * 3_600);
const AFFINITY_WINDOW: Duration = Duration::from_secs(7 * 24 * 3_600);
const TRENDING_WINDOW: Duration = DAY;
const TRENDING_WIDE_WINDOW: Duration = Duration::from_secs(7 * 24 * 3_600);
/// With fewer trending posts than this the wider window is asked, too.
const TRENDING_ENOUGH: usize = 50;
const INTERACTIONS_WINDOW: Duration = Duration::from_secs(90 * 24 * 3_600);
/// Most posts that one author has among the candidates of one source.
pub(super) const PER_AUTHOR: u32 = 5;
/// Most candidates of one source.
pub(super) const PER_SOURCE: u32 = 300;

/// A candidate with everyone who proposed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Merged {
    pub(super) candidate: Candidate,
    pub(super) sources: Sources,
}

/// Merges lists as sets, without the reader's own posts. The result does not depend on the order of the
/// lists, nor on the order in them.
pub(super) fn merge(
    reader: UserId,
    lists: impl IntoIterator<Item = (Source, Vec<Candidate>)>,
) -> Vec<Merged> {
    let mut merged: BTreeMap<PostId, Merged> = BTreeMap::new();
    let proposals = lists
        .into_iter()
        .flat_map(|(source, list)| list.into_iter().map(move |candidate| (source, candidate)));
    for (source, candidate) in proposals.filter(|(_, candidate)| candidate.author_id != reader) {
        match merged.entry(candidate.post_id) {
            Slot::Vacant(slot) => {
                let sources = Sources::from_iter([source]);
                slot.insert(Merged { candidate, sources });
            }
            Slot::Occupied(mut slot) => {
                let known = slot.get_mut();
                known.sources.insert(source);
                // Sources cannot differ over an immutable post; if one does, the older reading counts, so
                // that nobody gains by it.
                if (candidate.created_at, candidate.author_id)
                    < (known.candidate.created_at, known.candidate.author_id)
                {
                    known.candidate = candidate;
                }
            }
        }
    }
    merged.into_values().collect()
}

/// What the sources gave.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) merged: Vec<Merged>,
    /// Names of the sources that failed.
    pub(super) missing: Vec<&'static str>,
    pub(super) watermark: Watermark,
}

/// The sources in analytics.
#[derive(Clone)]
pub(super) struct Analytics {
    source: Arc<dyn FeedSource>,
    deadline: Duration,
    breakers: Arc<Breakers>,
}

/// One for each query, so that a slow one does not take the others with it.
struct Breakers {
    followees: Breaker,
    trending: Breaker,
    affinity: Breaker,
    features: Breaker,
    watermark: Breaker,
}

impl Analytics {
    pub(super) fn new(source: Arc<dyn FeedSource>, settings: &FeedSettings) -> Self {
        let breaker = |name| Breaker::new(name, settings.breaker);
        Self {
            source,
            deadline: settings.source_deadline,
            breakers: Arc::new(Breakers {
                followees: breaker("analytics_followees"),
                trending: breaker("analytics_trending"),
                affinity: breaker("analytics_affinity"),
                features: breaker("analytics_features"),
                watermark: breaker("analytics_watermark"),
            }),
        }
    }

    /// Asks all candidate sources at once.
    pub(super) async fn gather(&self, reader: UserId, now: Timestamp) -> Gathered {
        let breakers = &self.breakers;
        let (followees, trending, affinity, watermark) = tokio::join!(
            self.candidates(
                &breakers.followees,
                Source::Followees,
                self.source
                    .followees(reader, now.minus(FOLLOWEES_WINDOW), PER_AUTHOR, PER_SOURCE),
            ),
            self.candidates(&breakers.trending, Source::Trending, self.trending(now)),
            self.candidates(
                &breakers.affinity,
                Source::Affinity,
                self.source.affinity(
                    reader,
                    now.minus(INTERACTIONS_WINDOW),
                    now.minus(AFFINITY_WINDOW),
                    PER_AUTHOR,
                    PER_SOURCE,
                ),
            ),
            self.ask(&breakers.watermark, self.watermark()),
        );
        let mut gathered = Gathered {
            watermark: watermark.unwrap_or_default(),
            ..Gathered::default()
        };
        let mut lists = Vec::new();
        for (source, outcome) in [
            (Source::Followees, followees),
            (Source::Trending, trending),
            (Source::Affinity, affinity),
        ] {
            match outcome {
                Ok(list) => lists.push((source, list)),
                Err(error) => {
                    tracing::warn!(source = source.as_str(), %error, "a feed source failed");
                    gathered.missing.push(source.as_str());
                }
            }
        }
        gathered.merged = merge(reader, lists);
        gathered
    }

    /// Figures of the candidates and the reader's interactions with their authors.
    pub(super) async fn features(
        &self,
        reader: UserId,
        merged: &[Merged],
        now: Timestamp,
    ) -> Result<Features> {
        let posts: Vec<PostId> = merged.iter().map(|m| m.candidate.post_id).collect();
        let mut authors: Vec<UserId> = merged.iter().map(|m| m.candidate.author_id).collect();
        authors.sort_unstable();
        authors.dedup();
        let work = self
            .source
            .features(reader, &posts, &authors, now.minus(INTERACTIONS_WINDOW));
        let started = Instant::now();
        let outcome = self.ask(&self.breakers.features, work).await;
        observe("features", started);
        outcome
    }

    async fn trending(&self, now: Timestamp) -> Result<Vec<Candidate>> {
        let mut list = self
            .source
            .trending(now.minus(TRENDING_WINDOW), PER_SOURCE)
            .await?;
        if list.len() < TRENDING_ENOUGH {
            let wide = self
                .source
                .trending(now.minus(TRENDING_WIDE_WINDOW), PER_SOURCE)
                .await?;
            let known: HashSet<PostId> = list.iter().map(|candidate| candidate.post_id).collect();
            list.extend(
                wide.into_iter()
                    .filter(|candidate| !known.contains(&candidate.post_id)),
            );
        }
        Ok(list)
    }

    async fn watermark(&self) -> Result<Watermark> {
        let (cdc, events) = tokio::try_join!(self.source.watermark("cdc"), self.source.watermark("events"))?;
        Ok(Watermark { cdc, events })
    }

    async fn candidates(
        &self,
        breaker: &Breaker,
        source: Source,
        work: impl Future<Output = Result<Vec<Candidate>>>,
    ) -> Result<Vec<Candidate>> {
        let started = Instant::now();
        let outcome = self.ask(breaker, work).await;
        observe(source.as_str(), started);
        if let Ok(list) = &outcome {
            histogram!(FEED_CANDIDATES, "source" => source.as_str()).record(list.len() as f64);
        }
        outcome
    }

    async fn ask<T>(&self, breaker: &Breaker, work: impl Future<Output = Result<T>>) -> Result<T> {
        breaker.run(within("a query", self.deadline, work)).await
    }
}

fn observe(source: &'static str, started: Instant) {
    histogram!(FEED_SOURCE_DURATION, "source" => source).record(started.elapsed().as_secs_f64());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn candidate(n: u8) -> Candidate {
        Candidate {
            post_id: PostId::from_uuid(Uuid::from_u128(n.into())),
            author_id: UserId::from_uuid(Uuid::from_u128(u128::from(n % 5))),
            created_at: Timestamp::from_millis(n.into()),
        }
    }

    fn reader() -> UserId {
        UserId::from_uuid(Uuid::from_u128(4))
    }

    #[test]
    fn a_post_of_several_sources_is_one_candidate_without_own_posts() {
        let merged = merge(
            reader(),
            [
                (Source::Trending, vec![candidate(1), candidate(9)]),
                (Source::Followees, vec![candidate(2), candidate(1)]),
            ],
        );
        let posts: Vec<_> = merged.iter().map(|m| m.candidate).collect();
        assert_eq!(posts, [candidate(1), candidate(2)]);
        assert_eq!(
            merged[0].sources.iter().collect::<Vec<_>>(),
            [Source::Followees, Source::Trending]
        );
    }

    proptest! {
        #[test]
        fn the_order_of_sources_changes_nothing(
            lists in prop::collection::vec((0_usize..3, prop::collection::vec(any::<u8>(), 0..20)), 0..6),
        ) {
            let named = |(source, ns): &(usize, Vec<u8>)| {
                let source = [Source::Followees, Source::Trending, Source::Affinity][*source];
                (source, ns.iter().copied().map(candidate).collect::<Vec<_>>())
            };
            let forward = merge(reader(), lists.iter().map(named));
            let backward = merge(reader(), lists.iter().rev().map(named).map(|(source, mut list)| {
                list.reverse();
                (source, list)
            }));
            prop_assert_eq!(forward, backward);
        }
    }
}
