//! The consumer's loop: claim, then fetch, decode, apply per partition.

use std::sync::Arc;
use std::time::Duration;

use ::metrics::{counter, gauge};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::batch::{Applied, Lag, claim_all, lag_of, run_batch};
use super::handle::Landed;
use super::progress::{Doing, Next, Outcome, Partition, Progress};
use crate::error::{Error, Kind, Result};
use crate::ports::Clock;
use crate::ports::analytics::{AnalyticsSink, Claim, Outcomes};
use crate::ports::log::EventSource;
use crate::runtime::retry::{Pauses, RetrySettings};
use crate::runtime::{Actor, Ctx, metrics, within};

pub(super) const PIPELINE: &str = "cdc";
/// Names the dependencies in errors.
const NEIGHBOURS: &str = "the log or the tables";

/// Limits of the consumer.
#[derive(Debug, Clone, Copy)]
pub struct CdcSettings {
    /// Most records in one batch.
    pub batch: u32,
    /// Longest time for one batch, one claim of all partitions, one look at the lag.
    pub deadline: Duration,
    /// How often to look without being woken, and to measure the lag.
    pub poll: Duration,
    /// Pauses after failures.
    pub retry: RetrySettings,
}

impl Default for CdcSettings {
    fn default() -> Self {
        Self {
            batch: 1_000,
            deadline: Duration::from_secs(30),
            poll: Duration::from_secs(5),
            retry: RetrySettings::default(),
        }
    }
}

/// What the consumer starts with.
#[derive(Clone)]
pub struct CdcArgs {
    /// Where records come from.
    pub log: Arc<dyn EventSource>,
    /// Where rows go.
    pub sink: Arc<dyn AnalyticsSink>,
    /// Told about new posts.
    pub landed: Arc<dyn Landed>,
    /// For the lag in seconds.
    pub clock: Arc<dyn Clock>,
    /// Names this process in the ledger.
    pub owner: String,
    /// Limits.
    pub settings: CdcSettings,
}

impl std::fmt::Debug for CdcArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CdcArgs")
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

/// The consumer's mailbox: only its own tasks and timers write to it.
#[derive(Debug)]
pub struct Msg(MsgKind);

#[derive(Debug)]
enum MsgKind {
    Claimed(Result<Vec<(Partition, Claim)>>),
    ClaimAgain,
    Appended(watch::Receiver<u64>),
    Poll,
    Measured(Result<Lag>),
    Resume(Partition),
    Done(Partition, Result<Applied>),
}

/// See the module's card.
#[derive(Debug)]
pub struct CdcConsumer {
    args: CdcArgs,
    progress: Progress,
    claiming: Pauses,
    totals: Outcomes,
    lag: Lag,
    measuring: bool,
    last_error: Option<String>,
}

impl Actor for CdcConsumer {
    type Msg = Msg;
    type Args = CdcArgs;

    const KIND: &'static str = "consumer";

    fn init(args: CdcArgs, _: &mut Ctx<Self>) -> Result<Self> {
        let claiming = args.settings.retry.pauses();
        for name in [metrics::PIPELINE_RETRIES, metrics::PIPELINE_FENCED] {
            counter!(name, "pipeline" => PIPELINE).increment(0);
        }
        Ok(Self {
            args,
            progress: Progress::default(),
            claiming,
            totals: Outcomes::default(),
            lag: Lag::default(),
            measuring: false,
            last_error: None,
        })
    }

    async fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        self.claim(ctx);
        Ok(())
    }

    async fn handle(&mut self, msg: Msg, ctx: &mut Ctx<Self>) -> Result<()> {
        match msg.0 {
            MsgKind::Claimed(Ok(claims)) => self.on_claimed(claims, ctx),
            MsgKind::Claimed(Err(error)) => self.on_claim_failed(&error, ctx),
            MsgKind::ClaimAgain => self.claim(ctx),
            MsgKind::Appended(log) => {
                self.fetch_idle(false, ctx);
                Self::watch_log(log, ctx);
            }
            MsgKind::Poll => {
                self.fetch_idle(true, ctx);
                self.measure_lag(ctx);
            }
            MsgKind::Measured(lag) => self.on_measured(lag),
            MsgKind::Resume(partition) => self.fetch(partition, false, ctx),
            MsgKind::Done(partition, outcome) => return self.on_done(partition, outcome, ctx),
        }
        Ok(())
    }

    async fn stopping(&mut self, ctx: &mut Ctx<Self>) {
        // Batches are short; watchers and timers end with the actor.
        if self
            .progress
            .places()
            .any(|(_, _, place)| matches!(place.doing, Doing::Busy(_)))
        {
            ctx.finish_tasks(Duration::from_secs(1)).await;
        }
    }

    fn snapshot(&self) -> Value {
        let place = |(topic, partition, place): (&str, u16, &super::progress::Place)| {
            json!({ "topic": topic, "partition": partition, "next": place.next, "epoch": place.epoch,
                    "doing": format!("{:?}", place.doing) })
        };
        json!({
            "partitions": self.progress.places().map(place).collect::<Vec<_>>(),
            "landed": self.totals.landed, "ignored": self.totals.ignored, "dead": self.totals.dead,
            "lag_records": self.lag.records, "lag_s": self.lag_age().as_secs(),
            "last_error": self.last_error,
        })
    }
}

impl CdcConsumer {
    fn claim(&self, ctx: &mut Ctx<Self>) {
        let args = self.args.clone();
        let work = within(NEIGHBOURS, args.settings.deadline, claim_all(args));
        ctx.run(work, |claims| Msg(MsgKind::Claimed(claims)));
    }

    fn on_claimed(&mut self, claims: Vec<(Partition, Claim)>, ctx: &mut Ctx<Self>) {
        for (partition, claim) in &claims {
            self.progress.claimed(*partition, claim, self.args.settings.retry);
        }
        tracing::info!(partitions = claims.len(), "CDC consumer started");
        Self::watch_log(self.args.log.appended(), ctx);
        ctx.every(self.args.settings.poll, || Msg(MsgKind::Poll));
        self.fetch_idle(false, ctx);
    }

    fn on_claim_failed(&mut self, error: &Error, ctx: &mut Ctx<Self>) {
        let pause = self.claiming.next_pause();
        tracing::warn!(%error, ?pause, "the cdc consumer cannot claim its partitions");
        self.last_error = Some(error.to_string());
        ctx.after(pause, Msg(MsgKind::ClaimAgain));
    }

    fn watch_log(mut log: watch::Receiver<u64>, ctx: &mut Ctx<Self>) {
        let changed = async move {
            // An adapter that is closed wakes nobody any more; the poll goes on.
            if log.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            log
        };
        ctx.wait(changed, |log| Msg(MsgKind::Appended(log)));
    }

    /// `mark`: where there is nothing to fetch, the watermark moves, so that quiet partitions do not hold it
    /// back.
    fn fetch_idle(&mut self, mark: bool, ctx: &mut Ctx<Self>) {
        for partition in self.progress.appended() {
            self.fetch(partition, mark, ctx);
        }
    }

    fn measure_lag(&mut self, ctx: &mut Ctx<Self>) {
        if std::mem::replace(&mut self.measuring, true) {
            return;
        }
        let places: Vec<_> = self
            .progress
            .places()
            .map(|(topic, number, place)| (topic, number, place.next))
            .collect();
        let log = Arc::clone(&self.args.log);
        let work = within(NEIGHBOURS, self.args.settings.deadline, lag_of(log, places));
        ctx.run(work, |lag| Msg(MsgKind::Measured(lag)));
    }

    fn on_measured(&mut self, lag: Result<Lag>) {
        self.measuring = false;
        match lag {
            Ok(lag) => self.lag = lag,
            // What was known before grows older, which is what matters.
            Err(error) => self.last_error = Some(error.to_string()),
        }
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        gauge!(metrics::PIPELINE_LAG_RECORDS, "pipeline" => PIPELINE).set(self.lag.records as f64);
        gauge!(metrics::PIPELINE_LAG_SECONDS, "pipeline" => PIPELINE).set(self.lag_age().as_secs_f64());
    }

    fn lag_age(&self) -> Duration {
        let now = self.args.clock.now();
        self.lag.oldest.map_or(Duration::ZERO, |at| now.since(at))
    }

    fn fetch(&mut self, partition: Partition, mark: bool, ctx: &mut Ctx<Self>) {
        let Some((epoch, next)) = self.progress.begin(partition) else {
            return;
        };
        let args = self.args.clone();
        let work = async move {
            let batch = run_batch(&args, partition, (epoch, next), mark);
            within(NEIGHBOURS, args.settings.deadline, batch).await
        };
        ctx.run(work, move |outcome| Msg(MsgKind::Done(partition, outcome)));
    }

    fn on_done(&mut self, partition: Partition, outcome: Result<Applied>, ctx: &mut Ctx<Self>) -> Result<()> {
        let outcome = match outcome {
            Ok(applied) => self.on_applied(partition, applied),
            Err(error) if *error.kind() == Kind::Fenced => {
                counter!(metrics::PIPELINE_FENCED, "pipeline" => PIPELINE).increment(1);
                return Err(error);
            }
            Err(error) => {
                tracing::warn!(%error, topic = partition.0.topic(), partition = partition.1, "a batch failed");
                counter!(metrics::PIPELINE_RETRIES, "pipeline" => PIPELINE).increment(1);
                self.last_error = Some(error.to_string());
                Outcome::Failed
            }
        };
        match self.progress.finish(partition, outcome) {
            Next::Fetch => self.fetch(partition, false, ctx),
            Next::PauseFor(pause) => ctx.after(pause, Msg(MsgKind::Resume(partition))),
            Next::Wait => {}
        }
        Ok(())
    }

    fn on_applied(&mut self, partition: Partition, applied: Applied) -> Outcome {
        let Applied {
            next,
            more,
            outcomes,
            posts_by,
            halt,
        } = applied;
        self.totals.landed += outcomes.landed;
        self.totals.ignored += outcomes.ignored;
        self.totals.dead += outcomes.dead;
        self.last_error = None;
        count(outcomes);
        if !posts_by.is_empty() {
            self.args.landed.posts_by(posts_by);
        }
        match halt {
            Some(reason) => {
                tracing::error!(
                    reason,
                    topic = partition.0.topic(),
                    partition = partition.1,
                    "partition halted"
                );
                Outcome::Halted { next, reason }
            }
            None => Outcome::Applied { next, more },
        }
    }
}

fn count(outcomes: Outcomes) {
    let ended = [("landed", outcomes.landed), ("duplicate", outcomes.duplicate)];
    for (outcome, n) in ended
        .into_iter()
        .chain([("dead", outcomes.dead), ("ignored", outcomes.ignored)])
    {
        counter!(metrics::PIPELINE_RECORDS, "pipeline" => PIPELINE, "outcome" => outcome).increment(n);
    }
}
