//! The actor around one periodic job.

use std::sync::Arc;
use std::time::Duration;

use ::metrics::{counter, gauge, histogram};
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::domain::Timestamp;
use crate::error::Result;
use crate::ports::Clock;
use crate::runtime::{Actor, Ctx, metrics, within};

/// One idempotent piece of work.
#[async_trait]
pub trait Job: Send + Sync {
    /// Label of its metrics and part of its actor's name.
    fn name(&self) -> &'static str;
    /// Does the work; answers how many things it changed.
    async fn run(&self, now: Timestamp) -> Result<u64>;
}

/// What the actor starts with.
#[derive(Clone)]
pub struct PeriodicJobArgs {
    /// What to do.
    pub job: Arc<dyn Job>,
    /// How often.
    pub every: Duration,
    /// Longest time for one run.
    pub deadline: Duration,
    /// Tells the job what time it is.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for PeriodicJobArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeriodicJobArgs")
            .field("job", &self.job.name())
            .field("every", &self.every)
            .finish()
    }
}

/// The job's mailbox: only its own timer and task write to it.
#[derive(Debug)]
pub struct Msg(MsgKind);

#[derive(Debug)]
enum MsgKind {
    Due,
    Done(Result<u64>, Duration),
}

/// See the module's card.
#[derive(Debug)]
pub struct PeriodicJob {
    args: PeriodicJobArgs,
    running: bool,
    last_success: Option<Timestamp>,
    last_outcome: Option<String>,
}

impl Actor for PeriodicJob {
    type Msg = Msg;
    type Args = PeriodicJobArgs;

    const KIND: &'static str = "job";

    fn init(args: PeriodicJobArgs, _: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self {
            args,
            running: false,
            last_success: None,
            last_outcome: None,
        })
    }

    async fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.every(self.args.every, || Msg(MsgKind::Due));
        self.start_run(ctx);
        Ok(())
    }

    async fn handle(&mut self, msg: Msg, ctx: &mut Ctx<Self>) -> Result<()> {
        match msg.0 {
            MsgKind::Due if self.running => {}
            MsgKind::Due => self.start_run(ctx),
            MsgKind::Done(outcome, took) => self.on_done(outcome, took),
        }
        Ok(())
    }

    fn snapshot(&self) -> Value {
        json!({
            "job": self.args.job.name(),
            "running": self.running,
            "last_success": self.last_success.map(|at| at.to_string()),
            "last_outcome": self.last_outcome,
        })
    }
}

impl PeriodicJob {
    fn start_run(&mut self, ctx: &mut Ctx<Self>) {
        self.running = true;
        let (job, deadline, now) = (
            Arc::clone(&self.args.job),
            self.args.deadline,
            self.args.clock.now(),
        );
        let work = async move {
            let begun = Instant::now();
            let outcome = within("the job", deadline, job.run(now)).await;
            (outcome, begun.elapsed())
        };
        ctx.run(work, |(outcome, took)| Msg(MsgKind::Done(outcome, took)));
    }

    fn on_done(&mut self, outcome: Result<u64>, took: Duration) {
        self.running = false;
        let job = self.args.job.name();
        let label = if outcome.is_ok() { "ok" } else { "failed" };
        counter!(metrics::JOB_RUNS, "job" => job, "outcome" => label).increment(1);
        histogram!(metrics::JOB_DURATION, "job" => job).record(took);
        self.last_outcome = Some(match outcome {
            Ok(changed) => {
                let now = self.args.clock.now();
                self.last_success = Some(now);
                #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
                gauge!(metrics::JOB_LAST_SUCCESS, "job" => job).set(now.millis() as f64 / 1_000.0);
                format!("{changed} changed")
            }
            Err(error) => {
                tracing::warn!(%error, job, "job failed");
                error.to_string()
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::sleep;

    use super::*;
    use crate::error::Error;
    use crate::testing::{ManualClock, spawn_root};

    #[derive(Default)]
    struct Flaky {
        runs: AtomicUsize,
    }

    #[async_trait]
    impl Job for Flaky {
        fn name(&self) -> &'static str {
            "flaky"
        }

        async fn run(&self, _: Timestamp) -> Result<u64> {
            match self.runs.fetch_add(1, Ordering::Relaxed) {
                0 => Err(Error::unavailable("store")),
                1 => std::future::pending().await,
                _ => Ok(1),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_run_and_a_hung_one_do_not_keep_the_next_from_running() {
        let job = Arc::new(Flaky::default());
        let args = PeriodicJobArgs {
            job: Arc::clone(&job) as Arc<dyn Job>,
            every: Duration::from_secs(60),
            deadline: Duration::from_secs(90),
            clock: Arc::new(ManualClock::starting_at(Timestamp::from_millis(0))),
        };
        let (_address, root) = spawn_root::<PeriodicJob>(args).await.unwrap();
        // Runs at 0 (fails), at 60 (hangs until 150; the turn at 120 is left out), at 180.
        sleep(Duration::from_secs(181)).await;
        assert_eq!(job.runs.load(Ordering::Relaxed), 3);
        let node = root.tree().describe().await.remove(0);
        assert_eq!(node.snapshot["last_outcome"], "1 changed");
        assert_eq!(node.restarts, 0);
    }
}
