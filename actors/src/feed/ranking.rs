//! The rankers: pure functions from numbers to a score, and the order of scored posts.

use std::cmp::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::feed::{Candidate, PostFeatures};
use crate::error::{Error, Kind, Result};

/// A way to order posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ranker {
    /// Freshness, engagement and affinity, weighted 0.30, 0.40 and 0.30.
    V1,
    /// Newest first.
    Chrono,
}

impl Ranker {
    /// Every ranker of this build.
    pub const ALL: [Self; 2] = [Self::V1, Self::Chrono];

    /// The word used in requests, answers and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::Chrono => "chrono",
        }
    }

    /// The ranker of that name.
    ///
    /// # Errors
    /// `UnknownRanker`, with the names that exist.
    pub fn parse(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|ranker| ranker.as_str() == name)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::as_str).join(", ");
                Error::new(
                    Kind::UnknownRanker,
                    format!("there is no such ranker; there are: {known}"),
                )
            })
    }

    /// What each part counts for. The chronological order is freshness alone, so that its scores fall with
    /// age and can be explained in the same terms.
    #[must_use]
    pub const fn weights(self) -> Weights {
        match self {
            Self::V1 => Weights {
                freshness: 0.30,
                engagement: 0.40,
                affinity: 0.30,
            },
            Self::Chrono => Weights {
                freshness: 1.0,
                engagement: 0.0,
                affinity: 0.0,
            },
        }
    }
}

/// What a score is made from.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Inputs {
    /// Age of the post; never negative.
    pub age: Duration,
    /// Figures of the post.
    pub features: PostFeatures,
    /// The reader's interactions with the author in 90 days.
    pub interactions: u64,
}

impl Inputs {
    /// Age in hours.
    #[must_use]
    pub fn age_hours(&self) -> f64 {
        self.age.as_secs_f64() / 3_600.0
    }

    /// The three parts of the score. All are finite and never negative, whatever the inputs are.
    #[must_use]
    pub fn parts(&self) -> Parts {
        let figures = &self.features;
        let reactions = figures.likes as f64 + 2.0 * figures.comments as f64 + 3.0 * figures.shares as f64;
        Parts {
            freshness: (-0.1 * self.age_hours()).exp(),
            engagement: (reactions / figures.impressions.max(1) as f64).ln_1p(),
            affinity: (self.interactions as f64).ln_1p(),
        }
    }
}

/// The parts of a score, before they are weighted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Parts {
    /// `exp(-0.1 · age in hours)`
    pub freshness: f64,
    /// `ln(1 + (likes + 2·comments + 3·shares) / max(impressions, 1))`
    pub engagement: f64,
    /// `ln(1 + interactions)`
    pub affinity: f64,
}

/// What each part counts for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Weights {
    /// Of [`Parts::freshness`].
    pub freshness: f64,
    /// Of [`Parts::engagement`].
    pub engagement: f64,
    /// Of [`Parts::affinity`].
    pub affinity: f64,
}

impl Weights {
    /// The weighted sum.
    #[must_use]
    pub fn score(&self, parts: &Parts) -> f64 {
        self.freshness * parts.freshness + self.engagement * parts.engagement + self.affinity * parts.affinity
    }
}

/// Best first; equal scores newer first, then by id descending, so that the order is total.
#[must_use]
pub(super) fn by_score(a: (f64, &Candidate), b: (f64, &Candidate)) -> Ordering {
    b.0.total_cmp(&a.0).then_with(|| newest_first(a.1, b.1))
}

/// Newer first, then by id descending.
#[must_use]
pub(super) fn newest_first(a: &Candidate, b: &Candidate) -> Ordering {
    (b.created_at, b.post_id).cmp(&(a.created_at, a.post_id))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{PostId, Timestamp, UserId};

    fn v1(inputs: &Inputs) -> f64 {
        Ranker::V1.weights().score(&inputs.parts())
    }

    fn inputs() -> impl Strategy<Value = Inputs> {
        (any::<u64>(), any::<[u64; 5]>()).prop_map(|(age, [likes, comments, shares, impressions, n])| {
            Inputs {
                age: Duration::from_millis(age),
                features: PostFeatures {
                    likes,
                    comments,
                    shares,
                    impressions,
                },
                interactions: n,
            }
        })
    }

    #[test]
    fn v1_is_the_published_formula() {
        let inputs = Inputs {
            age: Duration::from_secs(10 * 3_600),
            features: PostFeatures {
                likes: 4,
                comments: 3,
                shares: 2,
                impressions: 8,
            },
            interactions: 6,
        };
        let expected = 0.30 * (-1.0_f64).exp() + 0.40 * 3.0_f64.ln() + 0.30 * 7.0_f64.ln();
        assert!((v1(&inputs) - expected).abs() < 1e-12);
    }

    #[test]
    fn a_post_without_impressions_counts_as_seen_once() {
        let mut inputs = Inputs::default();
        inputs.features.likes = 5;
        assert!((inputs.parts().engagement - 6.0_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn an_unknown_ranker_is_refused_with_the_names_that_exist() {
        let error = Ranker::parse("v9").unwrap_err();
        assert_eq!(error.kind(), &Kind::UnknownRanker);
        assert!(error.message().contains("v1, chrono"), "{}", error.message());
        assert_eq!(Ranker::parse("chrono").unwrap(), Ranker::Chrono);
    }

    #[test]
    fn ties_are_newer_first_and_then_by_id_descending() {
        let candidate = |ms| Candidate {
            post_id: PostId::new(),
            author_id: UserId::new(),
            created_at: Timestamp::from_millis(ms),
        };
        let (old, new) = (candidate(1), candidate(2));
        assert_eq!(by_score((1.0, &new), (1.0, &old)), Ordering::Less);
        assert_eq!(by_score((1.0, &new), (2.0, &old)), Ordering::Greater);
        let (low, high) = (candidate(7), candidate(7));
        assert!(low.post_id < high.post_id);
        assert_eq!(by_score((1.0, &high), (1.0, &low)), Ordering::Less);
    }

    proptest! {
        #[test]
        fn a_score_is_finite_and_never_negative(inputs in inputs()) {
            let score = v1(&inputs);
            prop_assert!(score.is_finite() && score >= 0.0, "{score}");
        }

        #[test]
        fn one_more_impression_never_raises_a_score(inputs in inputs()) {
            let mut more = inputs;
            more.features.impressions = more.features.impressions.saturating_add(1);
            prop_assert!(v1(&more) <= v1(&inputs));
        }

        #[test]
        fn one_more_like_never_lowers_a_score(inputs in inputs()) {
            let mut more = inputs;
            more.features.likes = more.features.likes.saturating_add(1);
            prop_assert!(v1(&more) >= v1(&inputs));
        }

        #[test]
        fn getting_older_never_raises_a_score(inputs in inputs(), ms in any::<u32>()) {
            let mut older = inputs;
            older.age = older.age.saturating_add(Duration::from_millis(ms.into()));
            prop_assert!(v1(&older) <= v1(&inputs));
        }
    }
}
