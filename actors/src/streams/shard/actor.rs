//! The shard: hands shared frames to outboxes, never waiting for one.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::metrics::{Counter, counter};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::messages::{Report, ShardMsg};
use crate::error::Result;
use crate::runtime::{Actor, Address, CallError, Ctx, metrics};
use crate::streams::frame::{LogFrame, Missed};
use crate::streams::outbox::OutboxWriter;
use crate::streams::stream::{StreamMsg, ViewerId};

/// How often departures are noticed: well within the two seconds in which counts must be exact.
const SWEEP: Duration = Duration::from_millis(500);

/// What a shard needs to start again.
#[derive(Debug, Clone)]
pub(in crate::streams) struct ShardArgs {
    pub(in crate::streams) number: usize,
    pub(in crate::streams) room: Address<StreamMsg>,
    pub(in crate::streams) watching_for: Duration,
    /// Counts the incarnations.
    pub(in crate::streams) starts: Arc<AtomicU64>,
}

/// See the module's card.
#[derive(Debug)]
pub(in crate::streams) struct Shard {
    args: ShardArgs,
    generation: u64,
    announced: bool,
    viewers: HashMap<ViewerId, OutboxWriter>,
    left: Vec<ViewerId>,
    watching: u64,
    deliveries: Counter,
    skipped: Counter,
}

impl Actor for Shard {
    type Msg = ShardMsg;
    type Args = ShardArgs;

    const KIND: &'static str = "shard";

    fn init(args: ShardArgs, _: &mut Ctx<Self>) -> Result<Self> {
        let generation = args.starts.fetch_add(1, Ordering::Relaxed);
        Ok(Self {
            args,
            generation,
            announced: generation == 0,
            viewers: HashMap::new(),
            left: Vec::new(),
            watching: 0,
            deliveries: counter!(metrics::ROOM_DELIVERIES),
            skipped: counter!(metrics::ROOM_SKIPPED),
        })
    }

    async fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.every(SWEEP, || ShardMsg::Sweep);
        self.announce();
        Ok(())
    }

    async fn handle(&mut self, msg: ShardMsg, _: &mut Ctx<Self>) -> Result<()> {
        match msg {
            ShardMsg::Add {
                generation,
                viewer,
                outbox,
            } => {
                if generation == self.generation {
                    self.viewers.insert(viewer, outbox);
                }
            }
            ShardMsg::Log { missed, frames } => self.log(missed, &frames),
            ShardMsg::State(frame) => {
                self.viewers.values().for_each(|outbox| outbox.push_state(&frame));
                self.count_deliveries(1);
            }
            ShardMsg::Close(reason) => self.viewers.values().for_each(|outbox| outbox.close(reason)),
            ShardMsg::Sweep => self.sweep(),
        }
        Ok(())
    }

    fn snapshot(&self) -> Value {
        json!({ "viewers": self.viewers.len(), "watching": self.watching, "generation": self.generation })
    }
}

impl Shard {
    fn log(&mut self, missed: Option<Missed>, frames: &[LogFrame]) {
        let now = Instant::now();
        let mut shed = 0;
        for outbox in self.viewers.values() {
            if let Some(missed) = missed {
                outbox.push_skip(missed, now);
                shed += missed.to.saturating_sub(missed.from) + 1;
            }
            shed += outbox.push_log(frames, now);
        }
        self.skipped.increment(shed);
        self.count_deliveries(frames.len());
    }

    fn count_deliveries(&self, frames: usize) {
        let deliveries = frames.saturating_mul(self.viewers.len());
        self.deliveries
            .increment(u64::try_from(deliveries).unwrap_or(u64::MAX));
    }

    /// A report that does not get through is made again by the next sweep.
    fn sweep(&mut self) {
        self.announce();
        let now = Instant::now();
        let left = &mut self.left;
        self.viewers.retain(|viewer, outbox| {
            let gone = outbox.is_gone();
            if gone {
                left.push(*viewer);
            }
            !gone
        });
        let watching = self
            .viewers
            .values()
            .filter(|outbox| outbox.watched_within(self.args.watching_for, now))
            .count();
        let watching = u64::try_from(watching).unwrap_or(u64::MAX);
        if !self.announced || (self.left.is_empty() && watching == self.watching) {
            return;
        }
        let report = Report::Swept {
            shard: self.args.number,
            generation: self.generation,
            left: self.left.clone(),
            watching,
        };
        if self.report(report).is_ok() {
            self.left.clear();
            self.watching = watching;
        }
    }

    fn announce(&mut self) {
        if !self.announced {
            let report = Report::Restarted {
                shard: self.args.number,
                generation: self.generation,
            };
            self.announced = self.report(report).is_ok();
        }
    }

    fn report(&self, report: Report) -> std::result::Result<(), CallError> {
        self.args.room.tell(StreamMsg::Shard(report))
    }
}
