//! Waiting: for a condition, never for a time to pass.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

/// Long enough for a busy machine; a wait that reaches it fails the test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks again and again until `look` finds what it wants. Until then it says what it has seen instead; the
/// last of that is in the failure.
pub(crate) async fn eventually<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = String::from("nothing yet");
    let found = timeout(within, async {
        loop {
            looks.tick().await;
            match look().await {
                Ok(found) => return found,
                Err(seen) => last = seen,
            }
        }
    })
    .await;
    found.unwrap_or_else(|_| panic!("{what}: not within {within:?}; last seen: {last}"))
}

/// Lets `work` run for a while; what it gives when it ends before that.
pub(crate) async fn runs_for<T>(duration: Duration, work: impl Future<Output = T>) -> Option<T> {
    timeout(duration, work).await.ok()
}
