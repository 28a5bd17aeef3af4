//! Retries: capped exponential pauses with jitter, for errors that may pass.

use std::future::Future;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder, Retryable};
use serde::Deserialize;

use crate::error::{Kind, Result};

/// `retry.*` of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct RetrySettings {
    /// Attempts in all, the first included.
    pub max_attempts: usize,
    /// First pause, in milliseconds.
    pub base_ms: u64,
    /// Longest pause, in milliseconds.
    pub cap_ms: u64,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            max_attempts: 4,
            base_ms: 100,
            cap_ms: 5_000,
        }
    }
}

impl RetrySettings {
    /// Runs `work` until it succeeds, fails for good, or the attempts are used up. Only `Unavailable` and
    /// `Timeout` are tried again, so `work` must be repeatable.
    ///
    /// # Errors
    /// The last error.
    pub async fn run<T, F: Future<Output = Result<T>>>(&self, work: impl FnMut() -> F) -> Result<T> {
        let builder = self.builder().with_max_times(self.max_attempts.saturating_sub(1));
        work.retry(builder)
            .when(|e| matches!(e.kind(), Kind::Unavailable | Kind::Timeout))
            .await
    }

    /// Pauses without end, for loops that must not give up.
    #[must_use]
    pub fn pauses(&self) -> Pauses {
        Pauses {
            settings: *self,
            next: self.builder().without_max_times().build(),
        }
    }

    fn builder(&self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(self.base_ms))
            .with_max_delay(Duration::from_millis(self.cap_ms))
            .with_jitter()
    }
}

/// See [`RetrySettings::pauses`].
#[derive(Debug)]
pub struct Pauses {
    settings: RetrySettings,
    next: ExponentialBackoff,
}

impl Pauses {
    /// How long to wait before the next attempt.
    pub fn next_pause(&mut self) -> Duration {
        self.next
            .next()
            .unwrap_or_else(|| Duration::from_millis(self.settings.cap_ms))
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        *self = self.settings.pauses();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::error::Error;

    #[tokio::test(start_paused = true)]
    async fn only_errors_that_may_pass_are_tried_again() {
        let tries = AtomicUsize::new(0);
        let attempt = |error: fn() -> Error| {
            tries.fetch_add(1, Ordering::Relaxed);
            async move { Err::<(), _>(error()) }
        };
        let retry = RetrySettings::default();
        assert!(
            retry
                .run(|| attempt(|| Error::unavailable("store")))
                .await
                .is_err()
        );
        assert_eq!(tries.swap(0, Ordering::Relaxed), 4);
        assert!(
            retry
                .run(|| attempt(|| Error::not_found("stream")))
                .await
                .is_err()
        );
        assert_eq!(tries.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn pauses_grow_to_the_cap_and_start_over() {
        let mut pauses = RetrySettings {
            max_attempts: 1,
            base_ms: 10,
            cap_ms: 80,
        }
        .pauses();
        let seen: Vec<_> = (0..12).map(|_| pauses.next_pause()).collect();
        assert!(seen.iter().all(|p| *p <= Duration::from_millis(160)), "{seen:?}");
        assert!(seen[11] >= Duration::from_millis(80));
        pauses.reset();
        assert!(pauses.next_pause() < Duration::from_millis(40));
    }
}
