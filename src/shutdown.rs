//! Stopping: from the first signal to the exit, in phases that all have a deadline.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Exit code after a second signal: what shells give for a process that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// Listens for SIGTERM and SIGINT as long as it lives.
#[derive(Debug)]
pub struct Signals {
    token: CancellationToken,
    _listener: JoinSet<()>,
}

impl Signals {
    /// Starts listening: the first signal cancels [`token`](Self::token), the second one ends the process at
    /// once. Needs a runtime.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn listen() -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let token = CancellationToken::new();
        let first = token.clone();
        let mut listener = JoinSet::new();
        listener.spawn(async move {
            let name = next(&mut terminate, &mut interrupt).await;
            info!(signal = name, "stopping; the same signal again exits at once");
            first.cancel();
            let name = next(&mut terminate, &mut interrupt).await;
            warn!(signal = name, "exiting without having stopped in order");
            std::process::exit(INTERRUPTED);
        });
        Ok(Self {
            token,
            _listener: listener,
        })
    }

    /// Cancelled by the first signal.
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

/// The phases of one stop, one after the other, within one deadline for all.
#[derive(Debug)]
pub struct Drain {
    started: Instant,
    ends: Instant,
    cut_short: Vec<&'static str>,
}

impl Drain {
    /// Starts the clock: all phases together take at most `whole`.
    #[must_use]
    pub fn start(whole: Duration) -> Self {
        let started = Instant::now();
        Self {
            started,
            ends: started + whole,
            cut_short: Vec::new(),
        }
    }

    /// Time that is left for all phases.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// Does one phase, for at most `limit` and never beyond the end of the whole. One that is not done by then is
    /// dropped, and the next one starts. Answers whether it was done.
    pub async fn phase(
        &mut self,
        name: &'static str,
        limit: Duration,
        work: impl Future<Output = ()>,
    ) -> bool {
        let began = Instant::now();
        let done = timeout(limit.min(self.remaining()), work).await.is_ok();
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if done {
            info!(phase = name, took_ms, "stopped");
        } else {
            warn!(phase = name, took_ms, "not stopped in time; going on without it");
            self.cut_short.push(name);
        }
        done
    }

    /// Ends the stop, and says how it went: the phases that were cut short.
    #[must_use]
    pub fn finish(self) -> Vec<&'static str> {
        let took_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        info!(took_ms, cut_short = ?self.cut_short, "stopped in order");
        self.cut_short
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn phases_run_in_order_and_a_stuck_one_is_left_behind() {
        let mut drain = Drain::start(10 * SECOND);
        assert!(drain.phase("http", 5 * SECOND, sleep(SECOND)).await);
        assert!(!drain.phase("rooms", 3 * SECOND, pending()).await);
        assert!(drain.phase("store", 5 * SECOND, sleep(SECOND)).await);
        assert_eq!(drain.remaining(), 5 * SECOND);
        assert_eq!(drain.finish(), ["rooms"]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_phase_goes_beyond_the_whole() {
        let began = Instant::now();
        let mut drain = Drain::start(4 * SECOND);
        for name in ["http", "rooms", "store"] {
            assert!(!drain.phase(name, 3 * SECOND, pending()).await);
        }
        assert_eq!(began.elapsed(), 4 * SECOND);
        assert_eq!(drain.finish().len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_needs_no_time_is_done_even_at_the_end() {
        let mut drain = Drain::start(Duration::ZERO);
        assert!(drain.phase("pools", SECOND, async {}).await);
    }
}
