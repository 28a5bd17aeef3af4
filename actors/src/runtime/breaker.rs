//! Circuit breaker: stops asking a dependency that keeps failing, and probes whether it is back.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::metrics::Gauge;
use serde::Deserialize;
use tokio::time::Instant;

use super::metrics;
use crate::error::{Error, Kind, Result};

/// `breaker.*` of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct BreakerSettings {
    /// So many failures …
    pub failures: usize,
    /// … within this time open the breaker …
    pub window: Duration,
    /// … for so many milliseconds. Then one call is let through as a probe.
    pub open_ms: u64,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures: 5,
            window: Duration::from_secs(10),
            open_ms: 5_000,
        }
    }
}

#[derive(Debug)]
enum State {
    Closed(VecDeque<Instant>),
    Open { until: Instant },
    Probing,
}

/// One per dependency and caller.
pub struct Breaker {
    dependency: &'static str,
    settings: BreakerSettings,
    state: Mutex<State>,
    gauge: Gauge,
}

impl std::fmt::Debug for Breaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Breaker")
            .field("dependency", &self.dependency)
            .field("state", &self.state)
            .finish()
    }
}

impl Breaker {
    /// A closed breaker in front of `dependency`.
    #[must_use]
    pub fn new(dependency: &'static str, settings: BreakerSettings) -> Self {
        let gauge = ::metrics::gauge!(metrics::BREAKER_STATE, "dependency" => dependency);
        gauge.set(0.0);
        Self {
            dependency,
            settings,
            state: Mutex::new(State::Closed(VecDeque::new())),
            gauge,
        }
    }

    /// Runs `work` unless the breaker is open. `Unavailable`, `Timeout` and `Internal` count as failures of
    /// the dependency; other errors are answers.
    ///
    /// # Errors
    /// `Unavailable` at once while open; otherwise what `work` gives.
    pub async fn run<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let probe = self.admit().ok_or_else(|| Error::unavailable(self.dependency))?;
        let outcome = work.await;
        let failed = outcome
            .as_ref()
            .is_err_and(|e| matches!(e.kind(), Kind::Unavailable | Kind::Timeout | Kind::Internal));
        probe.conclude(failed);
        outcome
    }

    /// Whether calls are refused right now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match &*self.lock() {
            State::Closed(_) => false,
            State::Open { until } => Instant::now() < *until,
            State::Probing => true,
        }
    }

    fn admit(&self) -> Option<Probe<'_>> {
        let mut state = self.lock();
        match &*state {
            State::Closed(_) => Some(Probe {
                breaker: self,
                concluded: false,
            }),
            State::Open { until } if Instant::now() >= *until => {
                *state = State::Probing;
                self.gauge.set(1.0);
                Some(Probe {
                    breaker: self,
                    concluded: false,
                })
            }
            State::Open { .. } | State::Probing => None,
        }
    }

    fn conclude(&self, failed: bool) {
        let mut state = self.lock();
        let now = Instant::now();
        let open = State::Open {
            until: now + Duration::from_millis(self.settings.open_ms),
        };
        let next = match (&mut *state, failed) {
            (State::Closed(failures), true) => {
                failures.retain(|at| now.duration_since(*at) <= self.settings.window);
                failures.push_back(now);
                (failures.len() >= self.settings.failures).then_some(open)
            }
            (State::Probing, true) => Some(open),
            (State::Probing, false) => Some(State::Closed(VecDeque::new())),
            (State::Closed(_) | State::Open { .. }, _) => None,
        };
        if let Some(next) = next {
            self.gauge.set(if matches!(next, State::Open { .. }) {
                2.0
            } else {
                0.0
            });
            *state = next;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that was let through. Given up half-way (its future was dropped), it counts as failed, so that an
/// abandoned probe cannot block the breaker for ever.
struct Probe<'a> {
    breaker: &'a Breaker,
    concluded: bool,
}

impl Probe<'_> {
    fn conclude(mut self, failed: bool) {
        self.concluded = true;
        self.breaker.conclude(failed);
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        if !self.concluded {
            self.breaker.conclude(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    async fn fail(breaker: &Breaker) -> Error {
        breaker
            .run(async { Err::<(), _>(Error::unavailable("x")) })
            .await
            .unwrap_err()
    }

    #[tokio::test(start_paused = true)]
    async fn opens_after_failures_and_closes_after_a_good_probe() {
        let breaker = Breaker::new("x", BreakerSettings::default());
        for _ in 0..5 {
            assert!(!breaker.is_open());
            fail(&breaker).await;
        }
        assert!(breaker.is_open());
        let asked = std::cell::Cell::new(false);
        let refused = breaker
            .run(async {
                asked.set(true);
                Ok(())
            })
            .await;
        assert!(refused.is_err() && !asked.get(), "an open breaker must not ask");
        advance(Duration::from_secs(5)).await;
        fail(&breaker).await;
        assert!(breaker.is_open(), "a failed probe opens again");
        advance(Duration::from_secs(5)).await;
        assert!(breaker.run(async { Ok(()) }).await.is_ok());
        assert!(!breaker.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn old_failures_and_plain_answers_do_not_count() {
        let breaker = Breaker::new("x", BreakerSettings::default());
        for _ in 0..20 {
            fail(&breaker).await;
            advance(Duration::from_secs(6)).await;
            let _ = breaker
                .run(async { Err::<(), _>(Error::not_found("stream")) })
                .await;
        }
        assert!(!breaker.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn an_abandoned_probe_does_not_block_the_breaker() {
        let breaker = Breaker::new(
            "x",
            BreakerSettings {
                failures: 1,
                ..BreakerSettings::default()
            },
        );
        fail(&breaker).await;
        advance(Duration::from_secs(5)).await;
        let hung = tokio::time::timeout(
            Duration::from_secs(1),
            breaker.run(std::future::pending::<Result<()>>()),
        );
        assert!(hung.await.is_err());
        advance(Duration::from_secs(5)).await;
        assert!(breaker.run(async { Ok(()) }).await.is_ok());
    }
}
