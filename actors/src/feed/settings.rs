//! Limits, deadlines and times to live of the feed.

use std::time::Duration;

use crate::runtime::breaker::BreakerSettings;

/// `feed.*` of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedSettings {
    /// Ranker workers; readers are spread over them.
    pub workers: usize,
    /// Requests that one worker works on at once; more are refused.
    pub in_flight: usize,
    /// Whether a request may choose where its candidates come from.
    pub allow_source_override: bool,
    /// Share of the readers, in percent, that get the ranker `chrono` when they ask for none; above 100 is all.
    pub chrono_percent: u8,
    /// Time that each query of analytics may take.
    pub source_deadline: Duration,
    /// Time that each query of the store may take.
    pub store_deadline: Duration,
    /// Time that looking up the posts of a page may take.
    pub hydrate_deadline: Duration,
    /// Time that the cache may take.
    pub cache_deadline: Duration,
    /// Time that a whole answer may take.
    pub call_deadline: Duration,
    /// A complete ranking is as good as new for this long, give or take a tenth …
    pub soft_ttl: Duration,
    /// … and is served up to this age while a new one is made.
    pub stale_for: Duration,
    /// A ranking with something missing is made again after this long.
    pub degraded_ttl: Duration,
    /// A list that could not be ranked is made again after this long.
    pub unranked_ttl: Duration,
    /// So long after a change of the reader's own, analytics may not have it yet: rankings of that time are
    /// made again after `unranked_ttl`.
    pub settle: Duration,
    /// A cursor is good for this long.
    pub cursor_ttl: Duration,
    /// Breakers in front of the queries.
    pub breaker: BreakerSettings,
}

impl Default for FeedSettings {
    fn default() -> Self {
        Self {
            workers: 4,
            in_flight: 512,
            allow_source_override: false,
            chrono_percent: 0,
            source_deadline: Duration::from_millis(250),
            store_deadline: Duration::from_millis(500),
            hydrate_deadline: Duration::from_secs(1),
            cache_deadline: Duration::from_millis(100),
            call_deadline: Duration::from_secs(5),
            soft_ttl: Duration::from_secs(120),
            stale_for: Duration::from_secs(15 * 60),
            degraded_ttl: Duration::from_secs(5),
            unranked_ttl: Duration::from_secs(1),
            settle: Duration::from_secs(5),
            cursor_ttl: Duration::from_secs(15 * 60),
            breaker: BreakerSettings::default(),
        }
    }
}
