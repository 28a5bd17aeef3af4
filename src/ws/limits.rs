//! What one connection may do in a time. Pure: time comes in.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// A token bucket: the full burst at once, then one more each `window / burst`.
#[derive(Debug)]
pub(super) struct Bucket {
    every: Duration,
    burst: u32,
    /// When the bucket will be full again.
    full_at: Instant,
}

impl Bucket {
    pub(super) fn new((burst, window): (u32, Duration), now: Instant) -> Self {
        let burst = burst.max(1);
        Self {
            every: window / burst,
            burst,
            full_at: now,
        }
    }

    /// Takes one, or answers how long until there is one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.max(now) + self.every;
        let debt = full_at - now;
        let most = self.every * self.burst;
        if debt > most {
            return Err(debt - most);
        }
        self.full_at = full_at;
        Ok(())
    }
}

/// Ten violations of limits within ten seconds are flooding.
#[derive(Debug, Default)]
pub(super) struct Violations(VecDeque<Instant>);

impl Violations {
    const MOST: usize = 10;
    const WINDOW: Duration = Duration::from_secs(10);

    /// Notes one; whether it is one too many.
    pub(super) fn note(&mut self, now: Instant) -> bool {
        while self
            .0
            .front()
            .is_some_and(|at| now.duration_since(*at) >= Self::WINDOW)
        {
            self.0.pop_front();
        }
        self.0.push_back(now);
        self.0.len() >= Self::MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_burst_may_come_at_once_and_then_one_each_share_of_the_window() {
        let now = Instant::now();
        let mut bucket = Bucket::new((5, Duration::from_secs(10)), now);
        for _ in 0..5 {
            assert_eq!(bucket.take(now), Ok(()));
        }
        assert_eq!(bucket.take(now), Err(Duration::from_secs(2)));
        let later = now + Duration::from_secs(2);
        assert_eq!(bucket.take(later), Ok(()));
        assert!(bucket.take(later).is_err());
        let rested = now + Duration::from_secs(60);
        for _ in 0..5 {
            assert_eq!(bucket.take(rested), Ok(()));
        }
        assert!(bucket.take(rested).is_err());
    }

    #[test]
    fn ten_violations_in_ten_seconds_are_flooding() {
        let mut now = Instant::now();
        let mut violations = Violations::default();
        for at in 1..=10 {
            assert_eq!(violations.note(now), at == 10, "{at}");
        }
        let mut patient = Violations::default();
        for _ in 0..50 {
            assert!(!patient.note(now));
            now += Duration::from_millis(1_120);
        }
    }
}
