//! When a room's events go out: the first at once, and the busier the room, the more of them together. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// Longest time that an event may wait for company.
const LONGEST: Duration = Duration::from_millis(500);
/// Shortest window after a flush, so that even a small room is not sent a frame for each event of a burst.
const SHORTEST: Duration = Duration::from_millis(10);

/// What to do about events that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Now,
    After(Duration),
}

/// Spaces flushes so that `viewers × flushes` keeps within the budget.
#[derive(Debug)]
pub(super) struct Tick {
    per_second: u32,
    open_at: Option<Instant>,
}

impl Tick {
    /// `per_second`: frames to viewers that the room may send each second.
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            per_second: per_second.max(1),
            open_at: None,
        }
    }

    /// When events that wait at `now` may go out.
    pub(super) fn due(&self, now: Instant) -> Due {
        match self.open_at {
            Some(at) if at > now => Due::After(at - now),
            _ => Due::Now,
        }
    }

    /// Something went out to so many viewers.
    pub(super) fn flushed(&mut self, now: Instant, viewers: u64) {
        self.open_at = Some(now + self.cost(viewers).clamp(SHORTEST, LONGEST));
    }

    /// Whether a flush to so many viewers costs next to nothing, so that a newcomer need not wait for one.
    pub(super) fn is_cheap(&self, viewers: u64) -> bool {
        self.cost(viewers) <= SHORTEST
    }

    fn cost(&self, viewers: u64) -> Duration {
        Duration::from_secs(viewers) / self.per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_event_goes_at_once_and_so_does_one_after_a_pause() {
        let mut tick = Tick::new(20_000);
        let now = Instant::now();
        assert_eq!(tick.due(now), Due::Now);
        tick.flushed(now, 5_000);
        assert_eq!(tick.due(now), Due::After(Duration::from_millis(250)));
        assert_eq!(tick.due(now + Duration::from_millis(250)), Due::Now);
    }

    #[test]
    fn the_window_grows_with_the_room_up_to_half_a_second() {
        let mut tick = Tick::new(20_000);
        let now = Instant::now();
        let mut last = Duration::ZERO;
        for viewers in [0, 1_000, 5_000, 10_000, 1_000_000] {
            tick.flushed(now, viewers);
            let Due::After(wait) = tick.due(now) else {
                panic!("window closed")
            };
            assert!(wait >= last && wait <= LONGEST, "{viewers}: {wait:?}");
            last = wait;
        }
        assert_eq!(last, LONGEST);
        assert!(tick.is_cheap(200) && !tick.is_cheap(201));
    }
}
