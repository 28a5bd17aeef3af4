//! When a failed actor is started again, and when its supervisor gives up. Pure: time comes in.

use std::collections::VecDeque;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

/// Whether an actor that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Always.
    Permanent,
    /// Only when it failed; a normal end is an end.
    Transient,
}

/// How a supervisor treats one child.
#[derive(Debug, Clone)]
pub struct ChildSpec {
    pub(super) name: String,
    pub(super) policy: Policy,
    pub(super) capacity: usize,
    pub(super) base: Duration,
    pub(super) cap: Duration,
    pub(super) restarts: usize,
    pub(super) within: Duration,
    pub(super) drain: Duration,
}

impl ChildSpec {
    /// A child that always runs.
    #[must_use]
    pub fn permanent(name: impl Into<String>) -> Self {
        Self::new(name.into(), Policy::Permanent)
    }

    /// A child that may end.
    #[must_use]
    pub fn transient(name: impl Into<String>) -> Self {
        Self::new(name.into(), Policy::Transient)
    }

    fn new(name: String, policy: Policy) -> Self {
        Self {
            name,
            policy,
            capacity: super::address::DEFAULT_CAPACITY,
            base: Duration::from_millis(50),
            cap: Duration::from_secs(10),
            restarts: 5,
            within: Duration::from_secs(30),
            drain: Duration::from_secs(5),
        }
    }

    /// Bound of the mailbox (default 1,024). Without effect for an address made beforehand.
    #[must_use]
    pub fn capacity(mut self, messages: usize) -> Self {
        self.capacity = messages;
        self
    }

    /// First and longest pause before a restart (default 50 ms, 10 s); doubled each time, with jitter.
    #[must_use]
    pub fn backoff(mut self, base: Duration, cap: Duration) -> Self {
        self.base = base;
        self.cap = cap;
        self
    }

    /// More than `restarts` failures `within` this time make the supervisor itself fail (default 5 in 30 s).
    #[must_use]
    pub fn intensity(mut self, restarts: usize, within: Duration) -> Self {
        self.restarts = restarts;
        self.within = within;
        self
    }

    /// How long the child may take to work off its mailbox when it is stopped (default 5 s).
    #[must_use]
    pub fn drain(mut self, deadline: Duration) -> Self {
        self.drain = deadline;
        self
    }
}

/// What to do about a child that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    RestartAfter(Duration),
    Forget,
    GiveUp,
}

/// The failures of one child that still count.
#[derive(Debug)]
pub(super) struct History {
    failures: VecDeque<Instant>,
    delays: ExponentialBackoff,
}

impl History {
    pub(super) fn new(spec: &ChildSpec) -> Self {
        Self {
            failures: VecDeque::new(),
            delays: delays(spec),
        }
    }

    pub(super) fn on_exit(&mut self, spec: &ChildSpec, failed: bool, now: Instant) -> Decision {
        if !failed && spec.policy == Policy::Transient {
            return Decision::Forget;
        }
        while self
            .failures
            .front()
            .is_some_and(|at| now.duration_since(*at) > spec.within)
        {
            self.failures.pop_front();
        }
        if self.failures.is_empty() {
            self.delays = delays(spec);
        }
        self.failures.push_back(now);
        if self.failures.len() > spec.restarts {
            return Decision::GiveUp;
        }
        Decision::RestartAfter(self.delays.next().unwrap_or(spec.cap))
    }
}

fn delays(spec: &ChildSpec) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(spec.base)
        .with_max_delay(spec.cap)
        .without_max_times()
        .with_jitter()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_the_supervisor_gives_up() {
        let spec = ChildSpec::permanent("x").intensity(3, Duration::from_secs(10));
        let mut history = History::new(&spec);
        let now = Instant::now();
        let mut last = Duration::ZERO;
        for _ in 0..3 {
            let Decision::RestartAfter(delay) = history.on_exit(&spec, true, now) else {
                panic!("gave up")
            };
            assert!(delay > last, "{delay:?} after {last:?}");
            last = delay;
        }
        assert_eq!(history.on_exit(&spec, true, now), Decision::GiveUp);
    }

    #[test]
    fn a_healthy_period_is_forgiven() {
        let spec = ChildSpec::permanent("x").intensity(1, Duration::from_secs(10));
        let mut history = History::new(&spec);
        let now = Instant::now();
        assert!(matches!(
            history.on_exit(&spec, true, now),
            Decision::RestartAfter(_)
        ));
        let later = now + Duration::from_secs(11);
        assert!(
            matches!(history.on_exit(&spec, true, later), Decision::RestartAfter(d) if d < spec.base * 3)
        );
    }

    #[test]
    fn only_a_transient_child_may_end() {
        let permanent = ChildSpec::permanent("p");
        let transient = ChildSpec::transient("t");
        let now = Instant::now();
        assert!(matches!(
            History::new(&permanent).on_exit(&permanent, false, now),
            Decision::RestartAfter(_)
        ));
        assert_eq!(
            History::new(&transient).on_exit(&transient, false, now),
            Decision::Forget
        );
    }
}
