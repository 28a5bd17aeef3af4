//! For tests of this crate and of its users: a clock that follows tokio's, and actors without a tree.

mod ledger;
mod live;
mod rooms;

use tokio::time::Instant;

use crate::domain::Timestamp;
use crate::error::Result;
use crate::ports::Clock;
use crate::runtime::{Actor, Address, DEFAULT_CAPACITY, Root};

pub use ledger::MemoryLedger;
pub use live::{FakeStore, LiveWorld};
pub use rooms::FakeBus;

/// A wall clock that moves with tokio's clock, and so stands still and jumps under a paused one.
#[derive(Debug, Clone, Copy)]
pub struct ManualClock {
    start: Timestamp,
    begun: Instant,
}

impl ManualClock {
    /// Shows `start` now. Must be made inside of the runtime whose clock it follows.
    #[must_use]
    pub fn starting_at(start: Timestamp) -> Self {
        Self {
            start,
            begun: Instant::now(),
        }
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.start.plus(self.begun.elapsed())
    }
}

/// Starts one actor as the root of its own tree.
///
/// # Errors
/// When the actor refuses its arguments.
pub async fn spawn_root<A: Actor>(args: A::Args) -> Result<(Address<A::Msg>, Root)> {
    let address = Address::vacant(A::KIND, A::KIND, DEFAULT_CAPACITY);
    let root = Root::start_actor::<A>(&address, args).await?;
    Ok((address, root))
}
