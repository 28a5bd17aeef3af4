//! Bounds of the bus.

use std::time::Duration;

/// Bounds of the bus; all nodes should have the same.
#[derive(Debug, Clone, Copy)]
pub struct RedisRoomLimits {
    /// A subscription gets at least this many of the room's newest events ...
    pub ring_events: usize,
    /// ... and all of this age ...
    pub ring_age: Duration,
    /// ... but never more than this many.
    pub ring_cap: usize,
    /// Events that a room keeps for pages of its chat and for listeners that were cut off; the oldest give way.
    pub history: u32,
    /// How long a room is kept after its end.
    pub keep_ended: Duration,
    /// How long a room is kept that neither ends nor is published to or subscribed to: one whose end was lost.
    pub keep_silent: Duration,
    /// How long a client's key is recognised.
    pub dedup_age: Duration,
    /// Most keys that a room remembers; the oldest give way.
    pub dedup_cap: u32,
    /// Publishes of this node under way; more are refused with `Overloaded`.
    pub publishes: usize,
    /// Most listeners of a room on this node.
    pub subscribers: usize,
    /// Events that a listener may be behind before it is dropped.
    pub outbox: usize,
    /// How old a node's count of viewers may become before the node is taken for dead.
    pub viewers_ttl: Duration,
    /// How often a node's counts are told again.
    pub viewers_refresh: Duration,
    /// How often the subscribing connection is looked after.
    pub tick: Duration,
    /// How long the number of a room's newest event is remembered after its last listener left.
    pub idle: Duration,
}

impl Default for RedisRoomLimits {
    fn default() -> Self {
        Self {
            ring_events: 512,
            ring_age: Duration::from_secs(120),
            ring_cap: 65_536,
            history: 100_000,
            keep_ended: Duration::from_secs(24 * 3_600),
            keep_silent: Duration::from_secs(30 * 24 * 3_600),
            dedup_age: Duration::from_secs(600),
            dedup_cap: 65_536,
            publishes: 4_096,
            subscribers: 1_024,
            outbox: 1_024,
            viewers_ttl: Duration::from_secs(12),
            viewers_refresh: Duration::from_secs(4),
            tick: Duration::from_millis(500),
            idle: Duration::from_secs(300),
        }
    }
}

/// A duration as scripts take it, in milliseconds.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
