//! What an operator can change about live streams and their rooms.

use std::time::Duration;

/// Settings of live streams and rooms; every value has a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSettings {
    /// How long an owner may show no life before the stream is ended as abandoned; zero: for ever.
    pub abandon_after: Duration,
    /// How often the stored viewer figures are brought up to date, when they changed.
    pub store_totals_every: Duration,
    /// How often a stream's actor compares itself with its row in the store.
    pub recheck_every: Duration,
    /// Frames that one room may send to its viewers each second before events are gathered into fewer,
    /// longer frames. Gathering never delays an event by more than half a second.
    pub deliveries_per_second: u32,
    /// A viewer counts as watching for this long after a beat.
    pub watching_for: Duration,
    /// Chat messages of one room that may wait for the room bus; more are refused.
    pub publishes_in_flight: usize,
    /// Longest wait for a room's answer to a join or a chat message.
    pub call_deadline: Duration,
    /// Longest wait for viewer counts in a listing; then the stored figures are shown.
    pub counts_deadline: Duration,
    /// How long viewers of an ended stream may take to leave before its actor stops anyway.
    pub linger: Duration,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            abandon_after: Duration::from_secs(600),
            store_totals_every: Duration::from_secs(5),
            recheck_every: Duration::from_secs(15),
            deliveries_per_second: 20_000,
            watching_for: Duration::from_secs(45),
            publishes_in_flight: 1_024,
            call_deadline: Duration::from_secs(5),
            counts_deadline: Duration::from_millis(250),
            linger: Duration::from_secs(10),
        }
    }
}
