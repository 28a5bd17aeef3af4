//! The system's wall clock: the only place that asks the operating system for the time.

use nova_actors::domain::Timestamp;
use nova_actors::ports::Clock;

/// Reads the operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(chrono::DateTime::<chrono::Utc>::from(now()).timestamp_millis())
    }
}

#[expect(clippy::disallowed_types, reason = "this is the clock adapter")]
fn now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}
