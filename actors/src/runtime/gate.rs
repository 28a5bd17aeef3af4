//! Bounded admission: ractor's mailboxes have no bound, so a permit must be held by every message from
//! outside until its handler has returned, or longer when the actor holds on to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::metrics::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Counts the messages that wait for, or are in, an actor's handler.
#[derive(Debug)]
pub(super) struct Gate {
    capacity: usize,
    free: Arc<Semaphore>,
    depth: DepthGauge,
}

impl Gate {
    pub(super) fn new(capacity: usize, depth: Gauge) -> Self {
        Self {
            capacity,
            free: Arc::new(Semaphore::new(capacity)),
            depth: DepthGauge(depth),
        }
    }

    /// A permit now, or none.
    pub(super) fn try_admit(&self) -> Option<Permit> {
        Arc::clone(&self.free)
            .try_acquire_owned()
            .ok()
            .map(|permit| self.admitted(permit))
    }

    /// A permit as soon as one is free.
    pub(super) async fn admit(&self) -> Option<Permit> {
        Arc::clone(&self.free)
            .acquire_owned()
            .await
            .ok()
            .map(|permit| self.admitted(permit))
    }

    /// Messages admitted and not yet handled.
    pub(super) fn depth(&self) -> usize {
        self.capacity.saturating_sub(self.free.available_permits())
    }

    fn admitted(&self, permit: OwnedSemaphorePermit) -> Permit {
        self.depth.0.increment(1.0);
        Permit::Admitted {
            _permit: permit,
            depth: self.depth.clone(),
        }
    }
}

#[derive(Clone)]
pub(super) struct DepthGauge(Gauge);

impl std::fmt::Debug for DepthGauge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DepthGauge")
    }
}

/// Travels inside a message; dropping it makes room for the next.
#[derive(Debug)]
pub(super) enum Permit {
    /// A message from outside.
    Admitted {
        _permit: OwnedSemaphorePermit,
        depth: DepthGauge,
    },
    /// A periodic tick: the next one is only sent once this one was handled.
    Tick(Arc<AtomicBool>),
    /// The answer of the actor's own task or timer, of which there are as many as the actor started.
    Own,
}

impl Drop for Permit {
    fn drop(&mut self) {
        match self {
            Self::Admitted { depth, .. } => depth.0.decrement(1.0),
            Self::Tick(pending) => pending.store(false, Ordering::Release),
            Self::Own => {}
        }
    }
}
