//! Ranked snapshots: immutable, so that pages neither repeat nor skip posts whatever is ranked meanwhile,
//! and with everything that a score was made from, so that it can be explained.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ranking::{Inputs, Ranker};
use crate::domain::Timestamp;
use crate::domain::feed::{Candidate, PostFeatures, Rung, Source};

/// Said of a feed for which there is no post.
pub(super) const NO_POSTS: &str = "no_posts";
const RANDOM_BITS: u32 = 20;

/// Identity of a snapshot; later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Generation(u64);

impl Generation {
    /// Of a snapshot made at `now`. Random low bits keep two nodes from making the same one.
    #[must_use]
    pub(super) fn new(now: Timestamp) -> Self {
        let ms = u64::try_from(now.millis()).unwrap_or(0);
        let random = u64::from(rand::random::<u32>() >> (u32::BITS - RANDOM_BITS));
        Self((ms << RANDOM_BITS) | random)
    }

    /// The number.
    #[must_use]
    pub(super) const fn get(self) -> u64 {
        self.0
    }
}

impl From<u64> for Generation {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The sources that proposed a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sources(u8);

impl Sources {
    const ALL: [Source; 4] = [
        Source::Followees,
        Source::Trending,
        Source::Affinity,
        Source::Recent,
    ];

    /// Adds one.
    pub(super) fn insert(&mut self, source: Source) {
        self.0 |= Self::bit(source);
    }

    /// Whether it is there.
    #[must_use]
    pub(super) fn contains(self, source: Source) -> bool {
        self.0 & Self::bit(source) != 0
    }

    /// All of them, in declared order.
    pub(super) fn iter(self) -> impl Iterator<Item = Source> {
        Self::ALL.into_iter().filter(move |source| self.contains(*source))
    }

    /// As a byte, for the codec.
    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    /// From [`Self::bits`].
    pub(super) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    const fn bit(source: Source) -> u8 {
        match source {
            Source::Followees => 1,
            Source::Trending => 2,
            Source::Affinity => 4,
            Source::Recent => 8,
        }
    }
}

impl FromIterator<Source> for Sources {
    fn from_iter<I: IntoIterator<Item = Source>>(sources: I) -> Self {
        let mut set = Self::default();
        for source in sources {
            set.insert(source);
        }
        set
    }
}

/// Time up to which each pipeline's input had been queryable when the snapshot was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Watermark {
    /// Row changes; `None` before the first batch, or when analytics did not answer.
    pub cdc: Option<Timestamp>,
    /// Events; `None` likewise.
    pub events: Option<Timestamp>,
}

/// How a snapshot came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    /// Identity.
    pub generation: Generation,
    /// When the queries began: it holds nothing newer, and ages count from there.
    pub built_at: Timestamp,
    /// What ordered it.
    pub ranker: Ranker,
    /// How good it was when made; never `stale`.
    pub rung: Rung,
    /// What was missing.
    pub degraded: Vec<String>,
    /// See [`Watermark`].
    pub watermark: Watermark,
}

impl Origin {
    /// Whether every source and figure was there.
    #[must_use]
    pub(super) fn is_complete(&self) -> bool {
        self.degraded.iter().all(|what| what == NO_POSTS)
    }
}

/// One ranked post.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Entry {
    /// The post.
    pub candidate: Candidate,
    /// Its score.
    pub score: f64,
    /// Its figures when it was scored.
    pub features: PostFeatures,
    /// The reader's interactions with its author.
    pub interactions: u64,
    /// Who proposed it.
    pub sources: Sources,
}

impl Entry {
    /// What the score was made from.
    #[must_use]
    pub(super) fn inputs(&self, built_at: Timestamp) -> Inputs {
        Inputs {
            age: built_at.since(self.candidate.created_at),
            features: self.features,
            interactions: self.interactions,
        }
    }
}

/// A ranking of posts for one reader.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Snapshot {
    /// How it came about.
    pub origin: Origin,
    /// Best first.
    pub entries: Vec<Entry>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_generation_is_greater() {
        let at = |ms| Generation::new(Timestamp::from_millis(ms));
        assert!(at(1_700_000_000_001) > at(1_700_000_000_000));
    }

    #[test]
    fn sources_are_a_set() {
        let mut sources = Sources::default();
        for source in [Source::Affinity, Source::Followees, Source::Affinity] {
            sources.insert(source);
        }
        assert_eq!(
            sources.iter().collect::<Vec<_>>(),
            [Source::Followees, Source::Affinity]
        );
        assert!(!sources.contains(Source::Trending));
    }
}
