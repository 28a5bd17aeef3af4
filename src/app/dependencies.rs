//! Asks every dependency, again and again, whether it answers; the health endpoints show the last word.

use std::sync::Arc;
use std::time::Duration;

use ::metrics::gauge;
use async_trait::async_trait;
use nova_actors::Result;
use nova_actors::domain::Timestamp;
use nova_actors::jobs::{Job, PeriodicJob, PeriodicJobArgs};
use nova_actors::ports::Clock;
use nova_actors::ports::analytics::FeedSource;
use nova_actors::ports::log::EventSource;
use nova_actors::ports::store::PendingChanges;
use nova_actors::runtime::{Actor, Address, ChildSpec, GroupSpec, metrics};
use tokio::time::timeout;

use super::world::World;
use crate::http::{CheckStatus, Readiness};

const EVERY: Duration = Duration::from_secs(5);
/// A dependency that takes longer counts as away.
const PATIENCE: Duration = Duration::from_secs(2);

/// The probe.
pub(super) struct Dependencies {
    store: Arc<dyn PendingChanges>,
    log: Arc<dyn EventSource>,
    analytics: Arc<dyn FeedSource>,
    readiness: Readiness,
}

impl Dependencies {
    pub(super) fn new(world: &World, readiness: Readiness) -> Self {
        let ports = world.ports();
        Self {
            store: ports.pending,
            log: ports.source,
            analytics: ports.candidates,
            readiness,
        }
    }

    /// Adds the probe to a group.
    pub(super) fn supervise(self, group: GroupSpec, clock: Arc<dyn Clock>) -> GroupSpec {
        let name = "job/dependencies";
        let address = Address::vacant(PeriodicJob::KIND, name, 16);
        let args = PeriodicJobArgs {
            job: Arc::new(self),
            every: EVERY,
            deadline: EVERY * 2,
            clock,
        };
        group.child::<PeriodicJob>(&address, ChildSpec::permanent(name), args)
    }

    async fn check<T>(&self, name: &'static str, probe: impl Future<Output = Result<T>>) -> u64 {
        let trouble = match timeout(PATIENCE, probe).await {
            Ok(Ok(_)) => None,
            // What is shown is only the message for callers; the cause is in the log of whoever failed.
            Ok(Err(error)) => Some(error.message().to_owned()),
            Err(_) => Some(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        let up = trouble.is_none();
        gauge!(metrics::DEPENDENCY_UP, "dependency" => name).set(if up { 1.0 } else { 0.0 });
        let status = if up { CheckStatus::Ok } else { CheckStatus::Down };
        self.readiness.report(name, status, trouble);
        u64::from(!up)
    }
}

#[async_trait]
impl Job for Dependencies {
    fn name(&self) -> &'static str {
        "dependencies"
    }

    async fn run(&self, _: Timestamp) -> Result<u64> {
        let (store, log, analytics) = tokio::join!(
            self.check("store", self.store.oldest()),
            self.check("log", self.log.bounds("streams")),
            self.check("analytics", self.analytics.watermark("cdc")),
        );
        Ok(store + log + analytics)
    }
}
