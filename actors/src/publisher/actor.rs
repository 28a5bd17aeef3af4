//! The relay's loop: read what is owed, append, delete, again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::metrics::{counter, gauge, histogram};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::domain::Timestamp;
use crate::error::Result;
use crate::ports::Clock;
use crate::ports::log::EventSink;
use crate::ports::store::PendingChanges;
use crate::runtime::retry::{Pauses, RetrySettings};
use crate::runtime::{Actor, Ctx, metrics, within};

/// Limits of the relay.
#[derive(Debug, Clone, Copy)]
pub struct RelaySettings {
    /// Most rows of each table in one batch.
    pub batch: u32,
    /// How often to look for rows whose wake got lost.
    pub poll: Duration,
    /// Longest time for one batch; its outcome is unknown then, and it is sent again.
    pub deadline: Duration,
    /// Pauses after failures.
    pub retry: RetrySettings,
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            batch: 500,
            poll: Duration::from_secs(1),
            deadline: Duration::from_secs(5),
            retry: RetrySettings::default(),
        }
    }
}

/// What the relay starts with.
#[derive(Clone)]
pub struct RelayArgs {
    /// What is owed.
    pub store: Arc<dyn PendingChanges>,
    /// To whom.
    pub log: Arc<dyn EventSink>,
    /// For the age of the oldest row.
    pub clock: Arc<dyn Clock>,
    /// Limits.
    pub settings: RelaySettings,
    /// Set while a wake waits in the mailbox; shared with the handle.
    pub woken: Arc<AtomicBool>,
}

impl std::fmt::Debug for RelayArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelayArgs")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The relay's mailbox; made by its handle only.
#[derive(Debug)]
pub struct Msg(MsgKind);

#[derive(Debug)]
enum MsgKind {
    Wake,
    Poll,
    Sent(Result<Sent>),
    Measured(Result<Option<Timestamp>>),
    TryAgain,
}

impl Msg {
    pub(super) const fn wake() -> Self {
        Self(MsgKind::Wake)
    }
}

/// One batch that the log has.
#[derive(Debug)]
struct Sent {
    records: usize,
    /// Whether there may be more right now.
    full: bool,
}

/// See the module's card.
#[derive(Debug)]
pub struct Relay {
    args: RelayArgs,
    in_flight: bool,
    again: bool,
    pauses: Pauses,
    sent: u64,
    oldest: Option<Timestamp>,
    measuring: bool,
    last_error: Option<String>,
}

impl Actor for Relay {
    type Msg = Msg;
    type Args = RelayArgs;

    const KIND: &'static str = "relay";

    fn init(args: RelayArgs, _: &mut Ctx<Self>) -> Result<Self> {
        let pauses = args.settings.retry.pauses();
        // A wake that died with the incarnation before must not keep the next one out.
        args.woken.store(false, Ordering::Release);
        Ok(Self {
            args,
            in_flight: false,
            again: false,
            pauses,
            sent: 0,
            oldest: None,
            measuring: false,
            last_error: None,
        })
    }

    async fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.every(self.args.settings.poll, || Msg(MsgKind::Poll));
        self.send_batch(ctx);
        Ok(())
    }

    async fn handle(&mut self, msg: Msg, ctx: &mut Ctx<Self>) -> Result<()> {
        match msg.0 {
            MsgKind::Wake => {
                self.args.woken.store(false, Ordering::Release);
                self.ask(ctx);
            }
            MsgKind::Poll => {
                self.ask(ctx);
                self.measure(ctx);
            }
            MsgKind::Measured(oldest) => self.on_measured(oldest),
            MsgKind::Sent(outcome) => self.on_sent(outcome, ctx),
            MsgKind::TryAgain => self.send_batch(ctx),
        }
        Ok(())
    }

    async fn stopping(&mut self, ctx: &mut Ctx<Self>) {
        let mut last = self.args.clone();
        // Half for the batch in flight, which the last one would repeat, and half for the last one.
        last.settings.deadline /= 2;
        ctx.finish_tasks(last.settings.deadline).await;
        if let Err(error) = send(last).await {
            tracing::warn!(%error, "rows stay in the store until the next start");
        }
    }

    fn snapshot(&self) -> Value {
        json!({
            "sent": self.sent, "in_flight": self.in_flight, "oldest_s": self.oldest_age().as_secs(),
            "last_error": self.last_error,
        })
    }
}

impl Relay {
    fn ask(&mut self, ctx: &mut Ctx<Self>) {
        if self.in_flight {
            self.again = true;
        } else {
            self.send_batch(ctx);
        }
    }

    fn send_batch(&mut self, ctx: &mut Ctx<Self>) {
        self.in_flight = true;
        self.again = false;
        ctx.run(send(self.args.clone()), |outcome| Msg(MsgKind::Sent(outcome)));
    }

    /// Apart from the batches, because it matters most while they fail.
    fn measure(&mut self, ctx: &mut Ctx<Self>) {
        if std::mem::replace(&mut self.measuring, true) {
            return;
        }
        let (store, deadline) = (Arc::clone(&self.args.store), self.args.settings.deadline);
        let work = async move { within("the store", deadline, store.oldest()).await };
        ctx.run(work, |oldest| Msg(MsgKind::Measured(oldest)));
    }

    fn on_measured(&mut self, oldest: Result<Option<Timestamp>>) {
        self.measuring = false;
        match oldest {
            Ok(oldest) => self.oldest = oldest,
            // What was known before grows older, which is what matters.
            Err(error) => self.last_error = Some(error.to_string()),
        }
        gauge!(metrics::OUTBOX_OLDEST).set(self.oldest_age().as_secs_f64());
    }

    fn oldest_age(&self) -> Duration {
        let now = self.args.clock.now();
        self.oldest.map_or(Duration::ZERO, |at| now.since(at))
    }

    fn on_sent(&mut self, outcome: Result<Sent>, ctx: &mut Ctx<Self>) {
        match outcome {
            Ok(sent) => {
                self.sent += sent.records as u64;
                self.last_error = None;
                self.pauses.reset();
                self.in_flight = false;
                if sent.full || self.again {
                    self.send_batch(ctx);
                }
            }
            Err(error) => {
                let pause = self.pauses.next_pause();
                tracing::warn!(%error, ?pause, "the event log did not take a batch");
                self.last_error = Some(error.to_string());
                // Stays in flight, so that nothing but the timer starts the next attempt.
                ctx.after(pause, Msg(MsgKind::TryAgain));
            }
        }
    }
}

async fn send(args: RelayArgs) -> Result<Sent> {
    let deadline = args.settings.deadline;
    within("the event log", deadline, send_within(args)).await
}

async fn send_within(args: RelayArgs) -> Result<Sent> {
    let limit = args.settings.batch;
    let outbox = args.store.outbox(limit).await?;
    let changes = args.store.changes(limit).await?;
    let full = outbox.len() >= limit as usize || changes.len() >= limit as usize;
    let outbox_ids: Vec<_> = outbox.iter().map(|row| row.id).collect();
    let change_ids: Vec<_> = changes.iter().map(|change| change.id).collect();
    let mut records: Vec<_> = outbox.into_iter().map(|row| row.record).collect();
    records.extend(changes.iter().map(crate::domain::change::Change::record));
    let count = records.len();
    if count > 0 {
        append(&args, records).await?;
        args.store.delete_sent(&outbox_ids, &change_ids).await?;
    }
    Ok(Sent { records: count, full })
}

async fn append(args: &RelayArgs, records: Vec<crate::domain::record::Record>) -> Result<()> {
    let mut per_topic = BTreeMap::<String, u64>::new();
    for record in &records {
        *per_topic.entry(record.topic.to_string()).or_default() += 1;
    }
    let begun = Instant::now();
    let outcome = args.log.append(records).await;
    let label = if outcome.is_ok() { "acked" } else { "unknown" };
    for (topic, count) in per_topic {
        histogram!(metrics::PUBLISH_DURATION, "topic" => topic.clone()).record(begun.elapsed());
        counter!(metrics::PUBLISH, "topic" => topic, "outcome" => label).increment(count);
    }
    outcome.map(|_| ())
}
